"""Row 18: SIGTERM with 200 deletions in flight."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.dev.waiting import until

if TYPE_CHECKING:
    from tests.faults.conftest import Fault

MANY = 200
HOLD = 3.0


def test_18_a_stop_with_200_deletions_in_flight_records_every_answer_and_exits_with_0(fault: Fault) -> None:
    """Each answer takes 3 s: the stop comes while DELETEs are on the wire and hundreds of jobs run."""
    with fault.world(options={"MOORCHEH_TIMEOUT_SECONDS": "10", "MOORCHEH_VERIFY_SECONDS": "30"}) as world:
        rule = world.moorcheh.fault("delete", hold=HOLD, count=-1)
        asked = world.ask_many(MANY, "flight", items=2, seconds=8.0)
        assert until(lambda: world.has_sent(16), within=60)
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
        fault.figures |= {"answers recorded during the stop": len(sent), "stop, s": round(took, 1)}
        assert took < 10.0 + 10.0 + 5.0
        world.moorcheh.clear_faults(rule)
        world.restart()
        world.finish(asked)

        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in asked} == {1}
        assert {len(one.deletes) for one in asked} == {1}
