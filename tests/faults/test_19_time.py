"""Row 19: a wall clock that is an hour off, a process that stands still."""

from __future__ import annotations

import functools
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.dev.waiting import until
from tests.faults.clocks import faked, needs_faketime
from tests.faults.kinds import DATED, all_but, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault


TRANSIT = timedelta(minutes=1)  # far less than an hour: how long calls took is not known, only at most


def passed(since: float, seconds: float) -> bool:
    return time.monotonic() - since > seconds


@on(DATED, slow=all_but(DATED))
@pytest.mark.parametrize("seconds", [8.0, pytest.param(20.0, marks=pytest.mark.slow)])
def test_19_a_process_that_stands_still_sends_nothing_late(fault: Fault, seconds: float) -> None:
    """Stopped again and again among claims and DELETEs; what it may not send in time, it does not send."""
    with fault.world(waits_allowed=6) as world:
        world.moorcheh.fault("recreate", kind="end", count=-1)
        asked = world.ask_many(10, "still", items=2)
        for number in range(3):
            assert until(functools.partial(world.has_sent, 3 * number))
            world.freeze()
            since = time.monotonic()
            asked += world.ask_many(2, f"during-{number}", items=2)
            until(functools.partial(passed, since, seconds), within=seconds + 5)
            world.thaw()
        world.finish(asked)

        assert {len(one.deletes) for one in asked} <= {0, 1}


@pytest.mark.parametrize("shift", [3600.0, -3600.0], ids=["ahead", "behind"])
def test_19_a_moorcheh_whose_clock_is_an_hour_off_is_judged_by_its_own_answers(
    fault: Fault, shift: float
) -> None:
    """Old namespaces are deleted, newer ones are not, whichever clock they are dated by."""
    with fault.world(knobs={"clock_shift": shift}) as world:
        for number in range(3):
            world.moorcheh.create(f"docs-{number}", items=2, age=30.0)
            world.moorcheh.fault("recreate", f"docs-{number}", kind="end")
        world.moorcheh.create("newer", items=2, age=-8.0)
        world.also["Moorcheh's clock an hour off"] += 1
        asked = [world.ask(f"docs-{number}") for number in range(3)]
        newer = world.ask("newer")
        world.finish([*asked, newer])

        assert {one.ends("Succeeded/DeletionCompleted")["phase"] for one in asked} == {"Succeeded"}
        newer.ends("Failed/TargetNewerThanRequest")


@needs_faketime
@pytest.mark.parametrize("shift", ["+1h", "-1h"])
def test_19_an_operator_whose_clock_is_an_hour_off_ends_nothing_early(fault: Fault, shift: str) -> None:
    """Deadlines and creation times are read by the API server's clock: one whose clock was right has claimed,
    and another one follows to the end.
    """
    with fault.world(operators=2, of_each=[{}, faked(shift)], up=False) as world:
        right, wrong = world.operators
        world.also[f"the operator's clock {shift}"] += 1
        world.moorcheh.fault("recreate", kind="end", count=-1)
        world.moorcheh.create_many(3, "docs-", items=2, seconds=600.0)
        right.start()
        asked = [world.ask(f"docs-{number:05d}", activeDeadlineSeconds=600) for number in range(3)]
        for one in asked:
            one.reaches("Running")
        world.kill(right)
        wrong.start()
        assert world.moorcheh.end_jobs() == 3
        asked += world.ask_many(2, "later", items=2)
        assert until(lambda: all(one.finished for one in asked))
        after = world.ask("not-there")

        for one in asked:
            ended = datetime.fromisoformat(one.ends("Succeeded/DeletionCompleted")["completionTime"])
            began, over = (datetime.fromisoformat(each.made) for each in (one, after))
            assert began - TRANSIT <= ended <= over + TRANSIT
        after.ends("Succeeded/AlreadyAbsent")
