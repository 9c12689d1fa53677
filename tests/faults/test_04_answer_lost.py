"""Row 4: the DELETE is accepted and its answer is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.faults.kinds import CLOUD, DATED, DECLARED, UNDATED, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault

FAULTS: dict[str, dict[str, Any]] = {
    "drop": {"effect": True},
    "rst": {"effect": True},
    "half": {},
    "no-job": {},
    "answer": {"hold": 4.0},
    "endless": {},
}


@on(DATED, CLOUD, slow=(UNDATED, DECLARED))
def test_04_a_lost_answer_is_verified_in_the_listing_and_never_sent_again(fault: Fault) -> None:
    """Dropped, reset, half, without a job, too late, without an end: gone in the end, by one DELETE each.

    So is one that took effect 6 s after its client gave up at 2 s. Where the name came back meanwhile, the
    new namespace is left alone, also where nothing tells that it is new.
    """
    with fault.world() as world:
        for kind, options in FAULTS.items():
            world.moorcheh.create(f"lost-{kind}", items=5)
            world.moorcheh.fault("delete", f"lost-{kind}", kind=kind, **options)
        world.moorcheh.create("late", items=5)
        world.moorcheh.fault("delete", "late", delay=6.0)
        world.moorcheh.create("again", items=5)
        world.moorcheh.fault("recreate", "again", kind="end", precious=True)
        world.moorcheh.fault("delete", "again", kind="drop", effect=True)
        lost = [world.ask(f"lost-{kind}") for kind in FAULTS]
        late, again = world.ask("late"), world.ask("again")
        world.finish([*lost, late, again])

        assert {one.ends("Succeeded/VerifiedAbsent")["attempt"]["number"] for one in [*lost, late]} == {1}
        again.ends(fault.kind.unseen)
        assert world.moorcheh.namespaces()["again"]["precious"]
        assert {len(one.deletes) for one in [*lost, late, again]} == {1}


@on(DATED, slow=(UNDATED, DECLARED, CLOUD))
def test_04_a_lost_delete_without_effect_ends_as_unknown_and_is_never_sent_again(fault: Fault) -> None:
    """Dropped or reset before it took effect: the namespace stays, and the request says that nobody knows."""
    with fault.world() as world:
        for kind in ("drop", "rst"):
            world.moorcheh.create(f"unsure-{kind}")
            world.moorcheh.fault("delete", f"unsure-{kind}", kind=kind, effect=False)
        asked = [world.ask(f"unsure-{kind}") for kind in ("drop", "rst")]
        world.finish(asked)

        assert "a new request" in asked[0].ends("Failed/OutcomeUnknown")["message"]
        assert [len(one.deletes) for one in asked] == [1, 1]
        assert {"unsure-drop", "unsure-rst"} <= set(world.moorcheh.namespaces())
