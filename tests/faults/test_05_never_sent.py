"""Row 5: the DELETE is never sent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dev.chaos import Hold
from tests.dev.waiting import until
from tests.faults.kinds import DATED, all_but, on
from tests.integration.background import Background
from tests.integration.gate import Gate

if TYPE_CHECKING:
    from tests.faults.conftest import Fault

FULL = {"MOORCHEH_MAX_RUNNING_JOBS": "0", "MOORCHEH_TIMEOUT_SECONDS": "20"}


@on(DATED, slow=all_but(DATED))
def test_05_a_refused_connection_is_tried_again_and_deletes_once(fault: Fault) -> None:
    """The look-up gets through; new connections, the DELETE's among them, are refused for a while."""
    with Background() as background, fault.world(up=False) as world:
        with Gate(background, world.moorcheh.port, shut_after=1) as gate:
            world.point_to(f"{gate.url}{urlsplit(world.moorcheh.url).path}")
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
        assert {one.ends(fault.kind.done)["attempt"]["number"] for one in asked} == {1}


def test_05_a_name_that_can_not_be_resolved_is_waited_for_by_its_name(fault: Fault) -> None:
    """Its lookups fail; the name is in the status and in the log. Then it means a server."""
    with fault.world(up=False) as world:
        world.point_to("http://moorcheh.invalid:8080")
        asked = world.ask_many(3, "unresolved")
        world.start()
        for one in asked:
            one.reaches("Pending/ServerUnavailable")
            assert "moorcheh.invalid" in one.status["message"] + one.status["lastError"]
            world.also["a name that can't be resolved"] += 1
        assert "moorcheh.invalid:8080 can't be reached" in world.operator.output.read_text()
        world.operator.stop()
        world.point_to(world.moorcheh.url)
        world.start()
        world.finish(asked)

        assert [len(one.deletes) for one in asked] == [1] * 3
        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in asked} == {1}


def test_05_where_all_connections_are_in_use_a_claim_waits_for_one(fault: Fault) -> None:
    """Sixteen DELETEs are held on their way; what comes behind them is claimed once it can be sent."""
    with fault.world(wire=True, options=FULL) as world:
        held = world.script.on(Hold(), "delete", "moorcheh-namespaces", count=16)
        asked = world.ask_many(24, "full")
        assert until(lambda: held.used == 16)
        assert sum("attempt" in one.status for one in asked) == 16
        world.also["no connection is free for a DELETE"] += 8
        held.release()
        world.finish(asked)

        assert [len(one.deletes) for one in asked] == [1] * 24
        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in asked} == {1}


@on(DATED, slow=all_but(DATED))
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
