"""Row 11: 401 while a token is rotated, 403 while rights change."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import pytest

from dev.chaos import ALWAYS, Answer, Cut
from tests.dev.waiting import until
from tests.faults.world import RENEWED

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld


@pytest.mark.parametrize("seconds", [3.0, pytest.param(90.0, marks=pytest.mark.slow)])
def test_11_without_rights_for_a_while_it_recovers_or_exits_with_an_error(
    fault: Fault, seconds: float
) -> None:
    """Every call gets 401, then 403, with requests in all phases; afterwards everything ends, once."""
    with fault.world(waits_allowed=6) as world:
        for code in (401, 403):
            sent = len(world.moorcheh.record()["deletes"])
            asked = world.ask_many(3, f"quick-{code}")
            asked += world.ask_many(3, f"slow-{code}", items=5, seconds=5.0)
            assert until(functools.partial(world.has_sent, sent + 3))
            assert until(lambda: world.api.watches > 0)
            rule = world.script.on(Answer(code), count=ALWAYS)
            assert world.api.disturb(Cut()) >= 1
            end = time.monotonic() + seconds
            assert until(functools.partial(kept_until, world, end), within=seconds + 5)
            assert rule.used
            rule.release()
            world.finish(asked)
            # The first one may be found by a list that was due; the second one only by a watch.
            for number in (1, 2):
                world.finish(world.ask_many(1, f"afterwards-{code}-{number}"), within=RENEWED)

            assert {len(one.deletes) for one in asked} == {1}


def kept_until(world: FaultWorld, end: float) -> bool:
    world.keep_running()
    return time.monotonic() >= end
