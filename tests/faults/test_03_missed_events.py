"""Row 3: an event is missed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dev.chaos import ALWAYS, Cut, Drop, Inject
from tests.dev.waiting import until
from tests.faults.world import RECOVERY, RENEWED

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld


def in_work(world: FaultWorld) -> float:
    """How many requests the operator believes to be unfinished."""
    pattern = r"^moorcheh_operator_requests\{.*\} (\S+)$"
    return sum(map(float, re.findall(pattern, world.operator.get("/metrics")[1], re.MULTILINE)))


def miss(world: FaultWorld, *, heal: Cut | Inject | None) -> None:
    """A creation, an approval and a withdrawal that the watch does not tell of."""
    assert in_work(world) == 0
    assert until(lambda: world.api.watches > 0)
    approved = world.ask("approved", suspend=True)
    world.moorcheh.create("approved")
    withdrawn = world.ask("withdrawn", suspend=True)
    world.moorcheh.create("withdrawn")
    for one in (approved, withdrawn):
        one.reaches("Suspended")
    assert until(lambda: in_work(world) == 2)

    # A bookmark would let the watch go on behind what was dropped.
    bookmarks = world.script.on_event(Drop(), "BOOKMARK", count=ALWAYS)
    drops = [world.script.on_event(Drop(), kind, count=ALWAYS) for kind in ("ADDED", "MODIFIED", "DELETED")]
    created = world.ask_many(1, "created")[0]
    approved.change(suspend=False)
    withdrawn.withdraw()
    if heal is not None:
        assert until(lambda: all(rule.used for rule in drops))
        for rule in [*drops, bookmarks]:
            rule.release()
        assert world.api.disturb(heal) >= 1
    world.finish([created, approved], within=RECOVERY if heal is None else RENEWED)

    created.ends("Succeeded/DeletionCompleted")
    approved.ends("Succeeded/DeletionCompleted")
    assert withdrawn.deletes == []
    assert "withdrawn" in world.moorcheh.namespaces()
    assert world.script.injected["drop"] >= 3
    assert until(lambda: in_work(world) == 0, within=RENEWED)


@pytest.mark.parametrize("heal", [Cut(), Inject(410)], ids=["cut", "expired"])
def test_03_what_the_watch_missed_is_noticed_when_it_is_renewed(fault: Fault, heal: Cut | Inject) -> None:
    """Creation, approval, withdrawal; then the connection breaks in mid-line, or there is a 410."""
    with fault.world(waits_allowed=4) as world:
        world.fail_relists()
        miss(world, heal=heal)


@pytest.mark.slow
def test_03_what_the_watch_missed_is_noticed_by_the_relist(fault: Fault) -> None:
    """Within a minute, although nothing is wrong with the connection."""
    with fault.world(waits_allowed=4) as world:
        miss(world, heal=None)
