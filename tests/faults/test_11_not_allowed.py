"""Row 11: 401 while a token is rotated, 403 while rights change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dev.chaos import ALWAYS, Answer, Cut
from tests.dev.waiting import until

if TYPE_CHECKING:
    from tests.faults.conftest import Fault


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("seconds", [1.0, 6.0, pytest.param(90.0, marks=pytest.mark.slow)])
def test_11_without_rights_for_a_while_it_recovers_or_exits_with_an_error(
    fault: Fault, code: int, seconds: float
) -> None:
    """Every call is refused, with requests in all phases; afterwards everything ends, once."""
    with fault.world(waits_allowed=6) as world:
        asked = [*world.ask_many(3, "quick"), *world.ask_many(3, "slow", items=5, seconds=5.0)]
        assert until(lambda: len(world.moorcheh.record()["deletes"]) >= 3, within=30)
        rule = world.script.on(Answer(code), count=ALWAYS)
        world.api.disturb(Cut())
        end = time.monotonic() + seconds

        def over() -> bool:
            world.keep_running()
            return time.monotonic() >= end

        assert until(over, within=seconds + 5)
        rule.release()
        world.finish(asked)
        world.finish(world.ask_many(1, "afterwards"))

        assert {len(one.deletes) for one in asked} == {1}
