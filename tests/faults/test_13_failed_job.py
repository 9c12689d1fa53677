"""Row 13: a job fails, or runs for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.kinds import DATED, DECLARED, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault


@on(DATED, slow=(DECLARED,))
def test_13_a_failed_job_is_retried_within_the_limit_and_a_stuck_one_ends_by_its_deadline(
    fault: Fault,
) -> None:
    """Fails once: done at the second attempt. Fails always: the server's words. Stuck: the deadline."""
    with fault.world() as world:
        for name in ("once", "always", "never"):
            world.moorcheh.create(name, items=10)
        for name in ("stuck", "behind"):
            world.moorcheh.create(name, items=10)
        world.moorcheh.fault("run", "once", kind="fail", last_error="disk on fire")
        world.moorcheh.fault("run", "always", kind="fail", last_error="disk on fire", count=-1)
        world.moorcheh.fault("run", "never", kind="fail", last_error="disk on fire", count=-1)
        world.moorcheh.fault("run", "stuck", kind="stuck")
        world.moorcheh.fault("run", "behind", kind="falling")
        once, always = world.ask("once"), world.ask("always", backoffLimit=1)
        never = world.ask("never", backoffLimit=0)
        stuck, behind = world.ask("stuck", activeDeadlineSeconds=8), world.ask("behind")
        world.finish([once, always, never, stuck, behind])

        assert once.ends("Succeeded/DeletionCompleted")["attempt"]["number"] == 2
        assert always.ends("Failed/BackoffLimitExceeded")["lastError"] == "disk on fire"
        assert never.ends("Failed/BackoffLimitExceeded")["lastError"] == "disk on fire"
        assert "go on at the server" in stuck.ends("Failed/DeadlineExceeded")["message"]
        behind.ends("Succeeded/DeletionCompleted")
        assert [len(one.deletes) for one in (once, always, never, stuck, behind)] == [2, 2, 1, 1, 1]
