"""Row 12: Moorcheh restarts and knows the job no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.dev.waiting import until
from tests.faults.kinds import CLOUD, DATED, DECLARED, GONE, REPLACED, UNDATED, UNKNOWN, Kind, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault


@on(DATED, slow=(DECLARED,))
def test_12_a_forgotten_job_is_decided_by_the_incarnation(fault: Fault, kind: Kind) -> None:
    """Still there: another attempt. Gone: done. Replaced: the new one is left alone; whoever declares that
    names are not used again has none.
    """
    with fault.world(waits_allowed=4) as world:
        names = ("stays", "gone", "new") if kind.dated else ("stays", "gone")
        fates = {name: world.moorcheh.create(name, items=50, seconds=90.0) for name in names}
        asked = {name: world.ask(name) for name in fates}
        for one in asked.values():
            one.reaches("Running")
        world.moorcheh.kill()
        world.also["Moorcheh killed, its jobs forgotten"] += 1
        world.moorcheh.start()
        world.moorcheh.remove("gone")
        if "new" in asked:
            world.moorcheh.recreate("new")
        world.moorcheh.knob(job_seconds=0.3)
        asked["gone"].ends(GONE)
        if "new" in asked:
            asked["new"].ends(REPLACED)
        assert until(lambda: len(asked["stays"].deletes) == 2)
        # The namespace was made to take 90 s; the second job is not waited for.
        world.moorcheh.remove("stays")
        world.moorcheh.forget("stays")
        world.finish(list(asked.values()))

        assert [len(one.deletes) for one in asked.values()] == [2, 1, 1][: len(names)]
        assert not kind.dated or world.moorcheh.namespaces()["new"]["precious"]


NO_SECOND: dict[str, tuple[str, str]] = {
    "undated": (UNKNOWN, UNKNOWN),
    "cloud": ("Failed/DeadlineExceeded", REPLACED),
}
"""Of what is still there, and of what came anew."""


@on(slow=(UNDATED, CLOUD))
def test_12_where_nothing_tells_that_the_server_gave_up_there_is_no_second_delete(
    fault: Fault, kind: Kind
) -> None:
    """No creation time, or no job that could be asked for."""
    with fault.world(waits_allowed=4) as world:
        for name in ("stays", "gone", "new"):
            world.moorcheh.create(name, items=50, seconds=90.0)
        asked = {name: world.ask(name, activeDeadlineSeconds=40) for name in ("stays", "gone", "new")}
        for one in asked.values():
            one.reaches("Running")
        world.moorcheh.kill()
        world.also["Moorcheh killed, its jobs forgotten"] += 1
        world.moorcheh.start()
        world.moorcheh.remove("gone")
        world.moorcheh.recreate("new")
        world.finish(list(asked.values()))

        stays, new = NO_SECOND[kind.name]
        asked["gone"].ends(GONE)
        asked["stays"].ends(stays)
        asked["new"].ends(new)
        assert [len(one.deletes) for one in asked.values()] == [1, 1, 1]
        assert world.moorcheh.namespaces()["new"]["precious"]
