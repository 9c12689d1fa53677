"""Row 21: thousands at once, and thousands of finished ones at the start."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dev.waiting import until

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld

MANY = int(os.environ.get("FAULTS_MANY", "5000"))
LAG = 1.5  # seconds that the event loop was late, at most
BUSY_LAG = 15.0  # the same, beside other tests and on a slow machine


def allowed(count: int) -> float:
    """MB of memory: what an idle operator takes, 40 for bodies, and 20 KB for each request in work. The
    Deployment grants twice that for the most that is tried here.
    """
    return 130 + 0.02 * count


def memory(world: FaultWorld) -> float:
    """What is resident, in MB."""
    status = Path(f"/proc/{world.operator.process.pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident, status
    return int(resident[1]) / 1024


def lag(world: FaultWorld) -> float:
    """The event loop's, in seconds, as the operator tells it."""
    metrics = world.operator.get("/metrics")[1]
    told = re.search(r"^moorcheh_operator_loop_lag_seconds (\S+)$", metrics, re.MULTILINE)
    assert told, f"it tells no lag: {metrics!r}"
    return float(told[1])


def make_finished(world: FaultWorld, many: int) -> None:
    """So many requests that have ended, though nobody has ever seen to them."""

    def finished(number: int) -> None:
        one = world.ask(f"ended-{number}", suspend=True)
        status = {"phase": "Succeeded", "reason": "AlreadyAbsent", "observedGeneration": 1}
        answer = world.http.patch(
            f"{world.path}/{one.name}/status",
            content=json.dumps({"status": status}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert answer.is_success, answer.text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(finished, range(many)))


def deluge(world: FaultWorld, fault: Fault, many: int, lag_most: float = LAG) -> None:
    world.moorcheh.fault("recreate", kind="end", count=-1)
    names = [one["name"] for one in world.moorcheh.create_many(many, "many-", items=1)]
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(world.ask, names))
    most = late = 0.0

    def done() -> bool:
        nonlocal most, late
        until(lambda: not world.unfinished(), within=1.0)  # looking costs the operator something, too
        most, late = max(most, memory(world)), max(late, lag(world))
        return not world.unfinished()

    assert until(done, within=60 + many * 0.3)
    fault.figures |= {"memory, MB": round(most), "loop lag, s": round(late, 2)}
    assert most < allowed(many)
    assert late < lag_most
    assert world.ended_as() == {"Succeeded/DeletionCompleted": many}
    assert len({delete["request_id"] for delete in world.moorcheh.record()["deletes"]}) == len(asked)


def test_21_a_hundred_at_once_cost_one_delete_and_few_writes_each(fault: Fault) -> None:
    """Twenty jobs at a time; I7 holds for each request."""
    with fault.world(options={"MOORCHEH_MAX_RUNNING_JOBS": "20"}) as world:
        deluge(world, fault, 100, BUSY_LAG)


@pytest.mark.slow
@pytest.mark.timeout(120 + MANY)
def test_21_thousands_at_once_all_end_within_bounds_of_memory_and_lag(fault: Fault) -> None:
    """FAULTS_MANY requests."""
    with fault.world(options={"MOORCHEH_MAX_RUNNING_JOBS": "50", "MOORCHEH_TIMEOUT_SECONDS": "10"}) as world:
        deluge(world, fault, MANY)


@pytest.mark.slow
@pytest.mark.timeout(120 + MANY)
def test_21_thousands_that_have_ended_cost_a_start_nothing(fault: Fault) -> None:
    """Twice FAULTS_MANY finished requests are there; it is ready, and serves the next one."""
    with fault.world(up=False) as world:
        make_finished(world, 2 * MANY)
        world.start()
        world.ask_many(1, "next")[0].ends("Succeeded/DeletionCompleted")
        taken = memory(world)
        fault.figures["memory with finished ones, MB"] = round(taken)
        assert taken < allowed(0)
        assert len(world.moorcheh.record()["deletes"]) == 1
