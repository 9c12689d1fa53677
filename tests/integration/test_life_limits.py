"""Job slots, and a stop in order. Each test starts its own stand-in and operator."""

from __future__ import annotations

import signal
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.dev.waiting import WITHIN, until
from tests.integration.life import World

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane import ControlPlane


def test_with_one_slot_one_job_runs_at_a_time_and_the_oldest_comes_first(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with World(installed, tmp_path, options={"MOORCHEH_MAX_RUNNING_JOBS": "1"}) as world:
        world.moorcheh.create("first", seconds=600, age=60)
        world.moorcheh.create_many(3, "slot-", seconds=1, age=60)
        first = world.ask("first")
        first.reaches("Running")
        rest = [world.ask(f"slot-{number:05d}") for number in range(3)]

        for one in rest:
            one.reaches("Pending/WaitingForSlot")
        world.moorcheh.end_jobs()
        world.all_end([first, *rest])

        assert {one.trail[-1] for one in (first, *rest)} == {"Succeeded/DeletionCompleted"}
        jobs = sorted(world.moorcheh.record()["jobs"], key=lambda job: job["began"])
        for before, after in pairwise(jobs):
            assert before["ended"] is not None
            assert before["ended"] <= after["began"]
        seniority = sorted((one.made, one.uid, one.target) for one in rest)
        assert [job["name"] for job in jobs[1:]] == [target for _, _, target in seniority]


def test_a_request_that_waits_for_a_slot_is_bound_to_what_it_saw(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with World(installed, tmp_path, options={"MOORCHEH_MAX_RUNNING_JOBS": "1"}) as world:
        world.moorcheh.create("ahead", seconds=600, age=60)
        world.moorcheh.create("behind", age=60)
        world.ask("ahead").reaches("Running")
        waiting = world.ask("behind")
        waiting.reaches("Pending/WaitingForSlot")
        world.moorcheh.recreate("behind", age=30)
        world.moorcheh.end_jobs("ahead")

        waiting.ends("Succeeded/TargetReplaced")

        assert waiting.deletes == []


def test_sigterm_with_deletes_in_flight_records_their_answers_claims_nothing_more_and_exits_with_zero(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """Sixteen requests are on the wire at most; the other four come up while it stops."""
    with World(installed, tmp_path, options={"MOORCHEH_TIMEOUT_SECONDS": "60"}) as world:
        world.moorcheh.create_many(20, "stop-", seconds=1, age=60)
        world.moorcheh.fault("delete", "stop-*", hold=10, count=16)
        asked = [world.ask(f"stop-{number:05d}") for number in range(20)]
        assert until(lambda: world.moorcheh.counts().get("delete") == 16)

        world.operator.signal(signal.SIGTERM)
        assert world.operator.process.wait(WITHIN) == 0

        sent = {delete["name"]: delete["job_id"] for delete in world.moorcheh.record()["deletes"]}
        assert len(sent) == 16
        for one in asked:
            if one.target in sent:
                assert one.reaches("Running/JobRunning")["job"]["id"] == sent[one.target]
                assert "Submitting/Verifying" not in one.trail
            else:
                assert "attempt" not in one.status

        world.operator.start()
        world.all_end(asked)
        assert {one.trail[-1] for one in asked} == {"Succeeded/DeletionCompleted"}
        assert world.moorcheh.counts()["delete"] == 20
