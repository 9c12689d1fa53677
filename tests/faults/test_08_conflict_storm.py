"""Row 8: somebody changes the object every 50 ms."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.faults.kinds import CLOUD, DATED, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld
    from tests.integration.life import Asked

PAUSE = 0.05


def storm(world: FaultWorld, asked: Asked, stop: threading.Event) -> None:
    number = 0
    while not stop.wait(PAUSE):
        number += 1
        world.label(asked, "storm", str(number))
        world.also["label written"] += 1


@on(DATED, slow=(CLOUD,))
def test_08_a_conflict_storm_costs_few_writes_and_one_delete(fault: Fault) -> None:
    """Through the claim, the answer, the polls and the end."""
    with fault.world(up=False) as world:
        asked = world.ask_many(3, "storm", items=20, seconds=4.0)
        stop = threading.Event()
        storms = [threading.Thread(target=storm, args=(world, one, stop)) for one in asked]
        for thread in storms:
            thread.start()
        try:
            world.start()
            world.finish(asked)
        finally:
            stop.set()
            for thread in storms:
                thread.join()

        assert [len(one.deletes) for one in asked] == [1, 1, 1]
        assert {one.ends(fault.kind.done)["phase"] for one in asked} == {"Succeeded"}
