"""Row 10: a watch that stalls, ends in an ERROR, is cut in mid-line; a list that has expired."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from dev.chaos import Answer, Call, Cut, Duplicate, Hold, Inject, Stall
from moorcheh_operator.cluster import client as cluster
from moorcheh_operator.process.kopf_session import NOTHING
from tests.dev.waiting import until
from tests.faults.test_21_many import make_finished
from tests.faults.world import RENEWED

if TYPE_CHECKING:
    from dev.chaos import EventFault
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld


def still_served(world: FaultWorld, prefix: str, *, within: float = RENEWED) -> None:
    """What is asked for now ends, though the operator may have to be started again."""
    world.finish(world.ask_many(2, prefix), within=within)


def is_watching(world: FaultWorld) -> bool:
    world.keep_running()
    return world.api.watches > 0


def disturb(world: FaultWorld, broken: EventFault) -> None:
    """The watch that is open, or soon will be."""
    assert until(lambda: is_watching(world), within=RENEWED)
    assert world.api.disturb(broken) >= 1


def is_of_the_watch(call: Call) -> bool:
    """kopf's list of nothing, that a watch begins with."""
    return NOTHING in unquote(call.path)


def is_later_page(call: Call) -> bool:
    return "continue=" in call.path


def test_10_a_watch_that_breaks_is_renewed_or_ends_the_operator_with_an_error(fault: Fault) -> None:
    """410, 500, a cut in the middle of a line, events twice, a list that has expired: each heals."""
    troubles: list[EventFault] = [Inject(410), Inject(500), Cut(), Inject(410)]
    with fault.world() as world:
        world.fail_relists()
        running = world.ask_many(3, "running", items=5, seconds=20.0)
        for number, broken in enumerate(troubles):
            disturb(world, broken)
            still_served(world, f"after-{number}")
        expired = world.script.on(Answer(410), "list", "namespacedeletions", when=is_of_the_watch)
        disturb(world, Inject(410))
        still_served(world, "after-expired-list")
        assert until(lambda: expired.used == 1)
        assert until(lambda: is_watching(world), within=RENEWED)
        world.script.on_event(Duplicate(), count=20)
        still_served(world, "twice")
        world.finish(running)

        assert {len(one.deletes) for one in running} == {1}
        assert world.script.injected["duplicate"] >= 4


def test_10_what_is_held_back_by_a_watch_comes_late_but_comes(fault: Fault) -> None:
    """A watch that holds everything for a while, then delivers it at once."""
    with fault.world() as world:
        world.fail_relists()
        assert until(lambda: is_watching(world))
        rule = world.script.on_event(Hold(), "ADDED", count=5)
        asked = world.ask_many(5, "held")
        assert until(lambda: rule.used == 5)
        assert not any(one.status for one in asked)
        rule.release()
        world.finish(asked, within=RENEWED)

        assert {len(one.deletes) for one in asked} == {1}


@pytest.mark.slow
def test_10_a_list_that_expires_between_two_pages_is_made_anew(fault: Fault) -> None:
    """More than a page of finished requests; a 410 at the start, and when the watch lists again."""
    with fault.world(up=False) as world:
        make_finished(world, cluster.PAGE_FIRST + 10)
        first = world.script.on(Answer(410), "list", "namespacedeletions", when=is_later_page)
        world.operator.start(ready=False)
        still_served(world, "started")
        assert until(lambda: first.used == 1)
        again = world.script.on(Answer(410), "list", "namespacedeletions", when=is_later_page)
        disturb(world, Inject(410))
        still_served(world, "renewed")
        assert until(lambda: again.used == 1)


@pytest.mark.slow
def test_10_a_watch_that_falls_silent_is_made_up_for_by_the_relist(fault: Fault) -> None:
    """The connection stays open and tells nothing any more."""
    with fault.world() as world:
        disturb(world, Stall())
        still_served(world, "silent", within=90.0)
        still_served(world, "silent-again", within=90.0)
