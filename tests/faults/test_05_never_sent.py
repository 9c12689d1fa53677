"""Row 5: the DELETE is never sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.background import Background
from tests.integration.gate import Gate

if TYPE_CHECKING:
    from tests.faults.conftest import Fault


def test_05_a_refused_connection_is_tried_again_and_deletes_once(fault: Fault) -> None:
    """The look-up gets through; new connections, the DELETE's among them, are refused for a while."""
    with Background() as background, fault.world(up=False) as world:
        with Gate(background, world.moorcheh.port, shut_after=1) as gate:
            world.point_to(gate.url)
            world.start()
            asked = world.ask_many(5, "refused")
            for one in asked:
                one.reaches("Pending/ServerUnavailable")
            refused = [one for one in asked if "Submitting/Submitting" in one.trail]
            assert refused, "no request got as far as its DELETE"
            world.also["connection refused to a DELETE"] += len(refused)
            gate.open()
            world.finish(asked)
            world.operator.stop()
        world.point_to(world.moorcheh.url)

        assert [len(one.deletes) for one in asked] == [1] * 5
        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in asked} == {1}


def test_05_a_server_that_is_down_is_waited_for(fault: Fault) -> None:
    """Killed before the requests came, started again with its data."""
    with fault.world() as world:
        world.moorcheh.create_many(10, "down-")
        world.moorcheh.kill()
        world.also["Moorcheh killed"] += 1
        asked = [world.ask(f"down-{number:05d}") for number in range(10)]
        for one in asked:
            one.reaches("Pending/ServerUnavailable")
        world.moorcheh.start()
        world.finish(asked)

        assert [len(one.deletes) for one in asked] == [1] * 10
