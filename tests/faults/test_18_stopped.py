"""Row 18: SIGTERM with 200 deletions in flight."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.dev.waiting import until

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.integration.life import Asked

MANY = 200
LANES = 16  # DELETEs that the operator sends at the same time
HOLD = 7.0


def with_job(asked: list[Asked]) -> int:
    return sum("job" in one.status for one in asked)


def test_18_a_stop_with_200_deletions_in_flight_records_every_answer_and_exits_with_0(fault: Fault) -> None:
    """The last answers take 7 s: the stop comes while as many DELETEs as may be are on the wire, and the jobs
    of all others run.
    """
    options = {"MOORCHEH_TIMEOUT_SECONDS": "10", "MOORCHEH_VERIFY_SECONDS": "30"}
    with fault.world(options=options, up=False) as world:
        world.moorcheh.fault("delete", hold=HOLD, skip=MANY - LANES, count=LANES)
        asked = world.ask_many(MANY, "flight", items=2, seconds=40.0)
        world.start()
        assert until(lambda: world.has_sent(MANY), within=60)
        assert until(lambda: with_job(asked) >= MANY - LANES, within=HOLD)
        before = with_job(asked)
        assert [job["how"] for job in world.moorcheh.record()["jobs"]] == ["running"] * MANY
        stopped = time.monotonic()
        assert world.stop() == 0
        took = time.monotonic() - stopped
        sent = {delete["request_id"]: delete for delete in world.moorcheh.record()["deletes"]}
        world.history.wait(lambda: world.ended_as()["Submitting/Submitting"] == 0, 10)

        recorded = {}
        for one in asked:
            if "attempt" in one.status:
                recorded[f"{one.uid}/{one.status['attempt']['id']}"] = one.status["job"]["id"]
        assert recorded == {claim: delete["job_id"] for claim, delete in sent.items()}
        during = len(recorded) - before
        assert during > 0
        fault.figures |= {"answers recorded during the stop": during, "stop, s": round(took, 1)}
        assert took < 10.0 + 10.0 + 5.0
        world.restart()
        world.finish(asked)

        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in asked} == {1}
        assert {len(one.deletes) for one in asked} == {1}
