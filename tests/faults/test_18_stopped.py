"""Row 18: SIGTERM with 200 deletions in flight."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from dev.chaos import Hold
from tests.dev.waiting import WITHIN, until

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.integration.life import Asked

MANY = 200
CLAIMERS = 16  # DELETEs that the operator sends at the same time


def with_job(asked: list[Asked]) -> int:
    return sum("job" in one.status for one in asked)


def test_18_a_stop_with_200_deletions_in_flight_records_every_answer_and_exits_with_0(fault: Fault) -> None:
    """The last DELETEs, as many as may be on the wire, are held back until a second after the SIGTERM; the
    jobs of all others run.
    """
    options = {"MOORCHEH_TIMEOUT_SECONDS": "20", "MOORCHEH_VERIFY_SECONDS": "30"}
    with fault.world(options=options, up=False, wire=True) as world:
        held = world.script.on(
            Hold(), "delete", "moorcheh-namespaces", nth=MANY - CLAIMERS + 1, count=CLAIMERS
        )
        asked = world.ask_many(MANY, "flight", items=2, seconds=3600.0)
        world.start()
        assert until(lambda: held.used == CLAIMERS and with_job(asked) == MANY - CLAIMERS)
        assert {job["how"] for job in world.moorcheh.record()["jobs"]} == {"running"}
        stopped = time.monotonic()
        threading.Timer(1.0, held.release).start()
        assert world.stop() == 0
        took = time.monotonic() - stopped
        sent = {delete["request_id"]: delete for delete in world.moorcheh.record()["deletes"]}
        world.history.wait(lambda: world.ended_as()["Submitting/Submitting"] == 0, WITHIN)

        recorded = {}
        for one in asked:
            if "attempt" in one.status:
                recorded[f"{one.uid}/{one.status['attempt']['id']}"] = one.status["job"]["id"]
        assert recorded == {claim: delete["job_id"] for claim, delete in sent.items()}
        fault.figures |= {
            "answers recorded during the stop": len(recorded) - (MANY - CLAIMERS),
            "stop, s": round(took, 1),
        }
        world.restart()
        assert world.moorcheh.end_jobs() == MANY
        world.finish(asked)

        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in asked} == {1}
        assert {len(one.deletes) for one in asked} == {1}
