"""Row 7: a status write lands and its answer is lost; or it lands late, or is answered with an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dev.chaos import Answer, Delay, Drop, Fail, Late

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld

STATUS = "namespacedeletions/status"


def ask_with(world: FaultWorld, faults: dict[str, tuple[Any, int]]) -> list[Any]:
    """One request each, whose n-th status write meets the fault."""
    asked = []
    for name, (fault, nth) in faults.items():
        world.moorcheh.create(name, items=3)
        world.script.on(fault, "patch", STATUS, f"{name}-*", nth=nth)
        asked.append(world.ask(name))
    world.finish(asked)
    return asked


def test_07_a_write_whose_answer_is_lost_is_recognised_as_its_own(fault: Fault) -> None:
    """Each of the three writes of a life: its answer is dropped, or an error is answered though it landed, a
    409 among them; it fails before, or an error is answered instead.
    """
    with fault.world() as world:
        faults: dict[str, tuple[Any, int]] = {}
        for nth in (1, 2, 3):
            faults |= {
                f"dropped-{nth}": (Drop(), nth),
                f"failed-{nth}": (Fail(), nth),
                f"own-conflict-{nth}": (Answer(409, forwarded=True), nth),
                f"own-error-{nth}": (Answer(500, forwarded=True), nth),
                f"conflict-{nth}": (Answer(409), nth),
                f"error-{nth}": (Answer(500), nth),
                f"busy-{nth}": (Answer(429), nth),
            }
        asked = ask_with(world, faults)

        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in asked} == {1}
        assert {len(one.deletes) for one in asked} == {1}
        assert sum(world.script.injected.values()) == len(faults)


def test_07_a_write_that_lands_after_its_writer_gave_up_on_it_undoes_nothing(fault: Fault) -> None:
    """17 s late, when the operator waits 15: by then it is another object that it was built on."""
    with fault.world() as world:
        faults: dict[str, tuple[Any, int]] = {f"late-{nth}": (Delay(17.0), nth) for nth in (1, 2, 3)}
        faults |= {f"mute-{nth}": (Late(17.0), nth) for nth in (1, 2, 3)}
        asked = ask_with(world, faults)

        assert {one.ends("Succeeded/DeletionCompleted", within=120)["phase"] for one in asked} == {
            "Succeeded"
        }
        assert {len(one.deletes) for one in asked} == {1}


def test_07_a_status_that_the_api_server_rejects_loses_no_job(fault: Fault) -> None:
    """422 to the write that records the job id: it is repeated with the id alone."""
    with fault.world() as world:
        asked = ask_with(world, {"rejected": (Answer(422), 2), "malformed": (Answer(400), 2)})

        assert {one.ends("Succeeded/DeletionCompleted", within=120)["phase"] for one in asked} == {
            "Succeeded"
        }
        assert {len(one.deletes) for one in asked} == {1}
