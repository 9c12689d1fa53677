"""Row 6: 5xx, 429, 404 to the DELETE, before and after taking effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.kinds import CLOUD, DATED, DECLARED, UNDATED, all_but, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.integration.life import Asked

UNCLEAR = [404, 409, 500, 502, 503, 504, 418, 302]
REFUSED = [401, 403, 429]
REJECTED = [400, 422]


@on(DATED, slow=all_but(DATED))
def test_06_an_error_that_may_have_taken_effect_is_verified_and_never_resent(fault: Fault) -> None:
    """Each code twice: the delete happened all the same, and it did not."""
    with fault.world(knobs={"second_delete": "404"}) as world:
        done: list[Asked] = []
        undone: list[Asked] = []
        for code in UNCLEAR:
            for effect, group in ((True, done), (False, undone)):
                name = f"code-{code}-{effect}"
                world.moorcheh.create(name)
                world.moorcheh.fault("delete", name, kind="status", status=code, effect=effect)
                group.append(world.ask(name))
        world.finish([*done, *undone])

        assert {one.ends("Succeeded/VerifiedAbsent")["phase"] for one in done} == {"Succeeded"}
        assert {one.ends("Failed/OutcomeUnknown")["phase"] for one in undone} == {"Failed"}
        assert {len(one.deletes) for one in [*done, *undone]} == {1}


@on(DATED, slow=all_but(DATED))
def test_06_a_refusal_is_no_attempt_and_is_tried_again(fault: Fault) -> None:
    """401, 403 and 429, with and without Retry-After; 400 and 422 end it."""
    with fault.world(waits_allowed=4) as world:
        for code in [*REFUSED, *REJECTED]:
            world.moorcheh.create(f"code-{code}")
            again = {"retry_after": 2} if code == 429 else {}
            world.moorcheh.fault("delete", f"code-{code}", kind="status", status=code, count=2, **again)
        refused = [world.ask(f"code-{code}", backoffLimit=0) for code in REFUSED]
        rejected = [world.ask(f"code-{code}") for code in REJECTED]
        world.finish([*refused, *rejected])

        assert {one.ends(fault.kind.done)["attempt"]["number"] for one in refused} == {1}
        assert [len(one.deletes) for one in refused] == [3, 3, 3]
        assert {one.ends("Failed/Rejected")["phase"] for one in rejected} == {"Failed"}
        assert [len(one.deletes) for one in rejected] == [1, 1]


@on(DATED, slow=(CLOUD,))
def test_06_a_refusal_that_took_effect_all_the_same_costs_nothing_that_came_after(fault: Fault) -> None:
    """A gateway passes the DELETE on and says 401, 403 or 429; the name comes back before it asks again."""
    with fault.world(waits_allowed=4) as world:
        for code in REFUSED:
            world.moorcheh.create(f"code-{code}", seconds=0.0, age=60.0)
            world.moorcheh.fault("recreate", f"code-{code}", kind="end")
            world.moorcheh.fault("delete", f"code-{code}", kind="status", status=code, effect=True)
        asked = [world.ask(f"code-{code}") for code in REFUSED]
        world.finish(asked)

        assert {one.ends("Succeeded/TargetReplaced")["phase"] for one in asked} == {"Succeeded"}
        assert [len(one.deletes) for one in asked] == [1, 1, 1]


@on(UNDATED, slow=(DECLARED,))
def test_06_a_refusal_by_a_server_without_creation_times_is_no_attempt_either(fault: Fault) -> None:
    """Refused, and tried again; or passed on and said to be refused, and gone at the next look."""
    with fault.world(waits_allowed=4) as world:
        for code in REFUSED:
            for effect in (True, False):
                name = f"code-{code}-{effect}".lower()
                world.moorcheh.create(name, seconds=0.0, age=60.0)
                world.moorcheh.fault("delete", name, kind="status", status=code, effect=effect)
        passed_on = [world.ask(f"code-{code}-true") for code in REFUSED]
        refused = [world.ask(f"code-{code}-false") for code in REFUSED]
        world.finish([*passed_on, *refused])

        assert {one.ends("Succeeded/VerifiedAbsent")["phase"] for one in passed_on} == {"Succeeded"}
        assert {one.ends("Succeeded/DeletionCompleted")["attempt"]["number"] for one in refused} == {1}
        assert [len(one.deletes) for one in [*passed_on, *refused]] == [1, 1, 1, 2, 2, 2]
