"""Servers that are away for a while. Each test starts its own operator, and what it takes down.

The tests that stop the API server start a control plane of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dev.controlplane import ControlPlane
from dev.moorcheh.standin import StandIn
from tests.dev.waiting import until
from tests.integration.background import Background
from tests.integration.conftest import install
from tests.integration.gate import Gate
from tests.integration.life import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def own_control_plane() -> Iterator[ControlPlane]:
    """To be stopped, which no test that runs beside would like."""
    with ControlPlane() as plane:
        install(plane)
        yield plane


def answered(world: World, target: str) -> bool:
    sent = [delete for delete in world.moorcheh.record()["deletes"] if delete["name"] == target]
    return any(delete.get("status") is not None for delete in sent)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_an_outage_of_the_api_server_loses_no_answer_and_sends_nothing_twice(
    own_control_plane: ControlPlane, tmp_path: Path, how: str
) -> None:
    options = {"MOORCHEH_TIMEOUT_SECONDS": "20"}
    with World(own_control_plane, tmp_path, options=options, denials=None) as world:
        for name, seconds in {"unanswered": 0.5, "running": 5, "held": 0.5, "later": 0.5}.items():
            world.moorcheh.create(name, seconds=seconds, age=60)
        world.moorcheh.fault("delete", "unanswered", hold=3)
        world.moorcheh.fault("recreate", "unanswered", kind="end")
        held, running = world.ask("held", suspend=True), world.ask("running")
        held.reaches("Suspended")
        running.reaches("Running")
        unanswered = world.ask("unanswered")
        world.on_the_wire(unanswered)

        if how == "killed":
            own_control_plane.kill_apiserver()
        else:
            own_control_plane.stop_apiserver(timeout=1)
        assert until(lambda: answered(world, "unanswered"), within=20)
        assert world.operator.process.running
        own_control_plane.start_apiserver()

        status = unanswered.ends("Succeeded/DeletionCompleted")
        running.ends("Succeeded/DeletionCompleted")
        held.change(suspend=False).raise_for_status()
        held.ends("Succeeded/DeletionCompleted")
        world.ask("later").ends("Succeeded/DeletionCompleted")
        assert status["job"]["id"] == unanswered.deletes[0]["job_id"]
        assert "Submitting/Verifying" not in unanswered.trail
        assert world.moorcheh.counts()["delete"] == 4
        assert world.operator.process.running


def test_a_moorcheh_that_is_down_at_first_is_waited_for(installed: ControlPlane, tmp_path: Path) -> None:
    moorcheh = StandIn(tmp_path / "moorcheh", job_seconds=0.3)
    with moorcheh:
        moorcheh.create("patient", age=60)
    with World(installed, tmp_path, moorcheh=moorcheh) as world:
        asked = world.ask("patient")
        waiting = asked.reaches("Pending/ServerUnavailable")
        held = world.ask("held", suspend=True)
        assert "gave no usable listing" in held.reaches("Suspended")["message"]

        with moorcheh:
            status = asked.ends("Succeeded/DeletionCompleted")
            world.check()

            assert "ConnectError" in waiting["lastError"]
            assert "attempt" not in waiting
            assert status["attempt"]["number"] == 1
            assert len(asked.deletes) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 500}, id="an error"),
        pytest.param({"kind": "body", "body": "<html>busy</html>"}, id="no JSON"),
        pytest.param({"kind": "body", "json": {"namespaces": {}}}, id="no list"),
        pytest.param(
            {"kind": "body", "json": {"namespaces": [{"type": "text"}]}}, id="an entry without a name"
        ),
        pytest.param({"kind": "body", "json": {}}, id="no namespaces"),
        pytest.param({"kind": "half"}, id="half of it"),
        pytest.param({"kind": "redirect", "location": "/health"}, id="a redirect"),
    ],
)
def test_a_listing_that_cannot_be_used_never_reads_as_absent(outage: World, fault: dict[str, Any]) -> None:
    target = f"listed-{len(outage.history.objects())}"
    outage.moorcheh.create(target, age=60)
    outage.moorcheh.fault("list", count=2, **fault)

    asked = outage.ask(target)
    asked.reaches("Pending/ServerUnavailable")
    asked.ends("Succeeded/DeletionCompleted")

    assert len(asked.deletes) == 1


@pytest.fixture(scope="module")
def outage(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For the listings: one operator and one stand-in, used by one test after the other."""
    with World(installed, tmp_path_factory.mktemp("outage")) as world:
        yield world


def test_a_delete_that_was_surely_not_sent_is_sent_later_and_counts_as_no_attempt(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """The look-up's connection is the only one that the gate lets in, so the DELETE's is refused."""
    with (
        StandIn(tmp_path / "moorcheh", job_seconds=0.3) as moorcheh,
        Background() as background,
        Gate(background, moorcheh.port, shut_after=1) as gate,
        World(installed, tmp_path, moorcheh=moorcheh, moorcheh_url=gate.url) as world,
    ):
        moorcheh.create("unsent", age=60)
        asked = world.ask("unsent", backoffLimit=0)
        unsent = asked.until(
            lambda body: (
                body["status"].get("reason") == "ServerUnavailable"
                and "could not be sent" in body["status"]["message"]
            )
        )["status"]
        assert unsent["phase"] == "Pending"
        assert "attempt" not in unsent
        assert asked.trail[:2] == ["-/-", "Submitting/Submitting"]
        assert asked.deletes == []

        gate.open()
        status = asked.ends("Succeeded/DeletionCompleted")
        world.check()

        assert len(asked.deletes) == 1
        assert status["attempt"]["number"] == 1
        claimed = {body["status"].get("attempt", {}).get("id") for body in asked.versions} - {None}
        assert len(claimed) > 1
        assert asked.deletes[0]["request_id"] == f"{asked.uid}/{status['attempt']['id']}"


def test_a_server_that_forgets_its_jobs_in_a_restart_is_asked_again(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with World(installed, tmp_path) as world:
        world.moorcheh.create("interrupted", seconds=600, items=10, age=60)
        asked = world.ask("interrupted")
        asked.reaches("Running")

        world.moorcheh.kill()
        asked.reaches("Running/PollFailing")
        world.moorcheh.start()

        asked.reaches("Pending/Retrying")
        world.on_the_wire(asked, times=2)
        assert len(asked.deletes) == 2
        assert [job["how"] for job in world.moorcheh.record()["jobs"]] == ["lost", "running"]
