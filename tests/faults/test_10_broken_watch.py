"""Row 10: a watch that stalls, ends in an ERROR, is cut in mid-line; a list that has expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.chaos import Answer, Cut, Duplicate, Hold, Inject, Stall
from tests.dev.waiting import until

if TYPE_CHECKING:
    from dev.chaos import EventFault
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld


def still_served(world: FaultWorld, prefix: str, *, within: float = 60.0) -> None:
    """What is asked for now ends, though the operator may have to be started again."""
    world.finish(world.ask_many(2, prefix), within=within)


def test_10_a_watch_that_breaks_is_renewed_or_ends_the_operator_with_an_error(fault: Fault) -> None:
    """410, 500, a cut in the middle of a line, events twice, a list that has expired: each heals."""
    troubles: list[EventFault] = [Inject(410), Inject(500), Cut(), Inject(410)]
    with fault.world() as world:
        running = world.ask_many(3, "running", items=5, seconds=20.0)
        for number, broken in enumerate(troubles):
            assert world.api.disturb(broken) >= 0
            still_served(world, f"after-{number}")
        world.script.on(Answer(410), "list", "namespacedeletions", count=2)
        world.api.disturb(Cut())
        still_served(world, "after-expired-list")
        world.script.on_event(Duplicate(), count=20)
        still_served(world, "twice")
        world.finish(running)

        assert {len(one.deletes) for one in running} == {1}
        assert world.script.injected["duplicate"] >= 4


def test_10_what_is_held_back_by_a_watch_comes_late_but_comes(fault: Fault) -> None:
    """A watch that holds everything for a while, then delivers it at once."""
    with fault.world() as world:
        rule = world.script.on_event(Hold(), "ADDED")
        asked = world.ask_many(5, "held")
        world.script.on_event(Duplicate(), "ADDED", count=5)
        assert not any(one.finished for one in asked)
        rule.release()
        world.finish(asked)

        assert {len(one.deletes) for one in asked} == {1}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_10_a_watch_that_falls_silent_is_made_up_for_by_the_relist(fault: Fault) -> None:
    """The connection stays open and tells nothing any more."""
    with fault.world() as world:
        assert until(lambda: world.api.watches > 0)
        assert world.api.disturb(Stall()) >= 1
        still_served(world, "silent", within=90.0)
        still_served(world, "silent-again", within=90.0)
