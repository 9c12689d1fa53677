"""Row 2: a stale body from the watch, or from a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.chaos import ALWAYS, Delay, Replay
from tests.faults.kinds import UNDATED, all_but, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault


@on(UNDATED, slow=all_but(UNDATED))
@pytest.mark.parametrize("seconds", [10.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_02_a_watch_that_lags_behind_sends_nothing_twice(fault: Fault, seconds: float) -> None:
    """The operator sees each of its own writes much later, while the name is in use again."""
    with fault.world() as world:
        world.script.on_event(Delay(seconds), count=ALWAYS)
        world.moorcheh.fault("recreate", kind="end", count=-1, precious=True)
        asked = world.ask_many(5, "stale", items=3)
        world.finish(asked)

        assert {one.ends(fault.kind.again)["phase"] for one in asked} == {"Succeeded"}
        # One that was not there before comes through the late watch, when the old events have come.
        world.finish(world.ask_many(1, "afterwards"))
        assert world.script.injected["delay"] >= 3 * len(asked)


@on(UNDATED, slow=all_but(UNDATED))
def test_02_a_restart_that_is_shown_an_old_list_deletes_nothing_that_is_newer(fault: Fault) -> None:
    """The list is from before the deletion; in the first place where no creation time tells the new namespace
    from the old one.
    """
    with fault.world(up=False) as world:
        asked = world.ask_many(3, "old", items=3)
        old_list = world.http.get(world.path).content
        world.start()
        for one in asked:
            one.ends(fault.kind.done)
            world.moorcheh.recreate(one.target)
        for _ in range(3):
            world.kill()
            world.script.on(Replay(old_list), "list", "namespacedeletions", nth=2, count=2)
            world.restart()
            fresh = world.ask_many(1, f"fresh-{len(world.kills)}")
            world.finish(fresh)

        assert [len(one.deletes) for one in asked] == [1, 1, 1]
        assert {one.target for one in asked} <= set(world.moorcheh.namespaces())
        assert world.script.injected["replay"] >= 3
