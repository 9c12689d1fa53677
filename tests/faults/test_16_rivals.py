"""Row 16: two requests for one namespace, at once and in sequence."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tests.dev.waiting import until
from tests.faults.kinds import CLOUD, DATED, DECLARED, UNDATED, all_but, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld
    from tests.integration.life import Asked


@on(DATED, UNDATED, slow=(DECLARED, CLOUD))
def test_16_of_rivals_one_deletes_and_none_takes_what_came_after(fault: Fault) -> None:
    """Five at once for each of three namespaces, which come back, precious."""
    with fault.world(waits_allowed=4) as world:
        world.moorcheh.fault("recreate", kind="end", count=-1)
        for number in range(3):
            world.moorcheh.create(f"docs-{number}", items=5, age=60.0, seconds=1.5)
        rivals: dict[str, list[Asked]] = {f"docs-{number}": [] for number in range(3)}
        for name, asked in rivals.items():
            asked += [world.ask(name) for _ in range(5)]
        world.kill()
        world.restart()
        world.finish([one for asked in rivals.values() for one in asked])

        sent = {name: sum(len(one.deletes) for one in asked) for name, asked in rivals.items()}
        living = world.moorcheh.namespaces()
        # One that was claimed just before the kill, and not sent, is left as it was.
        assert all(any("attempt" in one.status for one in asked) for asked in rivals.values())
        assert {name: int(living[name]["precious"]) for name in rivals} == sent


def a_second_later(world: FaultWorld, time: str) -> bool:
    return world.ask("nothing-there").made > time


@on(DATED, slow=all_but(DATED))
def test_16_a_later_request_deletes_what_was_there_when_it_was_made(fault: Fault) -> None:
    """In sequence: each deletes the incarnation of its own time."""
    with fault.world() as world:
        for _ in range(3):
            world.moorcheh.create("docs", items=5)
            ended = world.ask("docs").ends(fault.kind.done)["completionTime"]
            # In the same second nobody could tell the new namespace from a newer one (rule 8).
            assert until(functools.partial(a_second_later, world, ended))

        assert len(world.moorcheh.record()["destroyed"]) == 3
