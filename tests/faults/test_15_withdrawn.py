"""Row 15: the object is deleted while Pending, Submitting, Running, and one of the same name is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev.chaos import Hold
from tests.faults.kinds import CLOUD, DATED, DECLARED, UNDATED, all_but, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault

STATUS = "namespacedeletions/status"


@on(DATED, slow=all_but(DATED))
def test_15_a_request_that_is_deleted_sends_nothing_and_its_namesake_starts_from_nothing(
    fault: Fault,
) -> None:
    """The claim of the first is under way when it goes; it lands neither on nothing nor on the namesake."""
    with fault.world() as world:
        for name in ("claimed", "alone", "sent", "running"):
            world.moorcheh.create(name, items=5)
        world.moorcheh.create("slow", items=5, seconds=3.0)
        holds = [world.script.on(Hold(), "patch", STATUS, name) for name in ("claimed", "alone")]
        world.moorcheh.fault("delete", "sent", hold=1.5)
        first = {name: world.ask(name, name=name) for name in ("claimed", "alone", "sent", "slow")}
        world.on_the_wire(first["sent"], first["slow"])
        first["slow"].reaches("Running")
        for one in first.values():
            one.withdraw()
        again = [world.ask("running", name=name) for name in ("claimed", "sent", "slow")]
        for hold in holds:
            hold.release()
        world.finish(again[:1])
        world.finish(again)

        assert world.not_injected() == []
        assert [len(one.deletes) for one in first.values()] == [0, 0, 1, 1]
        # All three have the same target: one deletes it, the others find it gone.
        assert sum(len(one.deletes) for one in again) == 1
        assert {one.status["phase"] for one in again} == {"Succeeded"}
        assert {"claimed", "alone"} <= set(world.moorcheh.namespaces())


@on(DATED, CLOUD, slow=(UNDATED, DECLARED))
def test_15_a_running_job_holds_its_target_after_its_request_was_deleted(fault: Fault) -> None:
    """A new request for the target waits for the job, and leaves what was created meanwhile alone."""
    with fault.world() as world:
        world.moorcheh.create("docs", items=5, seconds=600.0)
        world.moorcheh.fault("recreate", "docs", kind="end")
        world.moorcheh.fault("delete", "docs", hold=1.5)
        first = world.ask("docs")
        world.on_the_wire(first)
        first.withdraw()
        second = world.ask("docs")
        second.reaches("Pending/TargetBusy")
        world.moorcheh.end_jobs()
        world.finish([second])

        assert world.not_injected() == []
        assert (len(first.deletes), len(second.deletes)) == (1, 0)
        assert world.moorcheh.namespaces()["docs"]["precious"]
