"""Row 12: Moorcheh restarts and knows the job no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.dev.waiting import until

if TYPE_CHECKING:
    from tests.faults.conftest import Fault


def test_12_a_forgotten_job_is_decided_by_the_incarnation(fault: Fault) -> None:
    """Still there: another attempt. Gone: done. Replaced: the new one is left alone."""
    with fault.world(waits_allowed=4) as world:
        fates = {
            name: world.moorcheh.create(name, items=50, seconds=90.0) for name in ("stays", "gone", "new")
        }
        asked = {name: world.ask(name) for name in fates}
        for one in asked.values():
            one.reaches("Running")
        world.moorcheh.kill()
        world.also["Moorcheh killed, its jobs forgotten"] += 1
        world.moorcheh.start()
        world.moorcheh.remove("gone")
        world.moorcheh.recreate("new")
        world.moorcheh.knob(job_seconds=0.3)
        asked["gone"].ends("Succeeded/VerifiedAbsent")
        asked["new"].ends("Succeeded/TargetReplaced")
        assert until(lambda: len(asked["stays"].deletes) == 2)
        # The namespace was made to take 90 s; the second job is not waited for.
        world.moorcheh.remove("stays")
        world.moorcheh.forget("stays")
        world.finish(list(asked.values()))

        assert [len(one.deletes) for one in asked.values()] == [2, 1, 1]
        assert world.moorcheh.namespaces()["new"]["precious"]
