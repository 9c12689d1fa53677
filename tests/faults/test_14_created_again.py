"""Row 14: the namespace is created again before the claim, during the job, after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dev.chaos import Hold
from tests.dev.waiting import until
from tests.faults.kinds import CLOUD, DATED, DECLARED, UNDATED, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault

TOLERATED = 4.5  # seconds: rule 8 tolerates three, and both clocks are cut to seconds


@on(DATED, slow=(CLOUD,))
def test_14_what_was_created_again_at_any_moment_is_left_alone(fault: Fault) -> None:
    """Before the claim, between look and claim, at the accept, at the end, and while the operator is down."""
    with fault.world(up=False) as world:
        for name in ("unseen", "looked", "accepted", "ended", "down"):
            world.moorcheh.create(name, items=5, seconds=1.0, age=60.0)
        world.moorcheh.fault("recreate", "accepted", kind="accept")
        world.moorcheh.fault("recreate", "ended", kind="end")
        unseen = world.ask("unseen")
        asked_at = time.monotonic()
        assert until(lambda: time.monotonic() - asked_at > TOLERATED, within=10)
        world.moorcheh.recreate("unseen")
        held = world.script.on(Hold(), "patch", "namespacedeletions/status", "looked-*")
        world.start()
        looked, accepted, ended, down = (world.ask(name) for name in ("looked", "accepted", "ended", "down"))
        for one in (accepted, ended, down):
            one.reaches("Running")
        world.kill()
        world.moorcheh.remove("down")
        world.moorcheh.recreate("down")
        world.moorcheh.recreate("looked")
        held.release()
        world.restart()
        world.finish([unseen, looked, accepted, ended, down])

        unseen.ends("Failed/TargetNewerThanRequest")
        down_as = down.status["reason"]
        assert down_as in ("DeletionCompleted", "TargetReplaced", "VerifiedAbsent"), down.trail
        assert [len(one.deletes) for one in (unseen, accepted, ended, down)] == [0, 1, 1, 1]
        assert world.not_injected() == []
        living = world.moorcheh.namespaces()
        assert all(living[one.target]["precious"] for one in (unseen, looked, accepted, ended, down))


@on(slow=(UNDATED, DECLARED))
def test_14_what_was_created_again_after_the_delete_is_left_alone_without_creation_times(
    fault: Fault,
) -> None:
    """At the accept, at the end, and while the operator is down. What came before the claim can't be told."""
    with fault.world() as world:
        for name in ("accepted", "ended", "down"):
            world.moorcheh.create(name, items=5, seconds=1.0, age=60.0)
        world.moorcheh.fault("recreate", "accepted", kind="accept")
        world.moorcheh.fault("recreate", "ended", kind="end")
        asked = {name: world.ask(name) for name in ("accepted", "ended", "down")}
        for one in asked.values():
            one.reaches("Running")
        world.kill()
        world.moorcheh.remove("down")
        world.moorcheh.recreate("down")
        world.restart()
        world.finish(list(asked.values()))

        assert [len(one.deletes) for one in asked.values()] == [1, 1, 1]
        assert world.not_injected() == []
        assert all(one["precious"] for one in world.moorcheh.namespaces().values())
