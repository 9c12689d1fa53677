"""The API server's past comes back: etcd is restored from a snapshot, while the operator runs (rule 18)."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from dev.controlplane import ControlPlane
from tests.dev.waiting import WITHIN, until
from tests.integration.conftest import install
from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SET_BACK = "shows an earlier state"


class RestoredWorld(World):
    def check(self) -> None:
        """Of the invariants those that outlive a history: each DELETE was announced, and left once."""
        sent = Counter(delete["request_id"] for delete in self.moorcheh.record()["deletes"])
        attempts = {
            f"{uid}/{body['status']['attempt']['id']}"
            for uid, versions in self.history.objects().items()
            for body in versions
            if "attempt" in body["status"]
        }
        assert set(sent) <= attempts
        assert max(sent.values(), default=1) == 1
        assert not [victim for victim in self.moorcheh.record()["destroyed"] if victim["precious"]]

    def write(self, times: int) -> None:
        """What else happens in a cluster."""
        for _ in range(times):
            self.http.post(
                "/api/v1/namespaces/default/configmaps", json={"metadata": {"generateName": "other-"}}
            ).raise_for_status()

    def notices(self) -> None:
        assert until(lambda: SET_BACK in self.operator.output.read_text(), within=WITHIN)
        assert until(lambda: self.operator.get("/readyz")[0] == 200, within=WITHIN)

    def shows(self, asked: Asked, shown: str) -> None:
        """The newest version, whatever was seen in the history that is lost."""

        def there() -> bool:
            status = self.http.get(f"{self.path}/{asked.name}").json().get("status", {})
            return f"{status.get('phase')}/{status.get('reason')}" == shown

        assert until(there, within=2 * WITHIN), asked.trail


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """Nobody else's: it is set back."""
    with ControlPlane() as plane:
        install(plane)
        yield plane


@pytest.fixture
def world(plane: ControlPlane, tmp_path: Path) -> Iterator[RestoredWorld]:
    with RestoredWorld(plane, tmp_path, denials=None) as world:
        yield world


def test_an_approval_after_the_restore_is_heard(world: RestoredWorld) -> None:
    world.moorcheh.create("held", age=60)
    held = world.ask("held", suspend=True)
    held.reaches("Suspended")
    world.plane.take_snapshot()
    world.write(300)
    world.kubectl("annotate", "nsdel", held.name, "example.com/note=lost")
    assert until(lambda: "annotations" in held.versions[-1]["metadata"], within=WITHIN)
    world.plane.restore_snapshot()

    held.change(suspend=False).raise_for_status()

    world.shows(held, "Succeeded/DeletionCompleted")
    world.notices()
    assert len(held.deletes) == 1
    later = world.ask("held")
    later.ends("Succeeded/AlreadyAbsent", within=45.0)  # the watch hears again: a relist takes up to 60
    assert world.operator.stop() == 0


@pytest.mark.parametrize(
    "beyond",
    [
        pytest.param(False, id="versions-fall"),
        pytest.param(True, id="versions-grow-all-the-same", marks=pytest.mark.slow),
    ],
)
def test_what_was_carried_out_or_withdrawn_is_not_carried_out_again(
    world: RestoredWorld, beyond: bool
) -> None:
    """Its target was created again within the three seconds that rule 8 tolerates."""
    for name in ("done", "withdrawn", "held"):
        world.moorcheh.create(name, age=60)
    world.moorcheh.fault("recreate", "done", kind="end")
    world.operator.signal(signal.SIGSTOP)
    done, withdrawn, held = (world.ask(name) for name in ("done", "withdrawn", "held"))
    world.plane.take_snapshot()
    withdrawn.withdraw()
    held.change(suspend=True).raise_for_status()
    world.operator.signal(signal.SIGCONT)
    done.ends("Succeeded/DeletionCompleted")
    held.reaches("Suspended")
    world.operator.signal(signal.SIGSTOP)
    world.plane.restore_snapshot()
    if beyond:
        world.write(200)
    world.operator.signal(signal.SIGCONT)

    for asked in (done, held, withdrawn):
        world.shows(asked, "Failed/RestoredFromBackup")
    assert (len(done.deletes), withdrawn.deletes, held.deletes) == (1, [], [])
    assert {"done", "withdrawn", "held"} <= set(world.moorcheh.namespaces())


@pytest.mark.slow
def test_an_attempt_that_both_histories_know_is_followed_to_its_end(world: RestoredWorld) -> None:
    world.moorcheh.create("running", age=60, seconds=25)
    running = world.ask("running")
    running.reaches("Running")
    world.plane.take_snapshot()
    world.write(50)
    world.plane.restore_snapshot()

    world.shows(running, "Succeeded/DeletionCompleted")
    assert len(running.deletes) == 1


@pytest.mark.slow
def test_a_restarted_operator_remembers_nothing_and_destroys_nothing_newer(world: RestoredWorld) -> None:
    world.moorcheh.create("done", age=60)
    world.operator.signal(signal.SIGSTOP)
    done = world.ask("done")
    world.plane.take_snapshot()
    world.operator.signal(signal.SIGCONT)
    done.ends("Succeeded/DeletionCompleted")
    world.operator.stop()
    world.plane.restore_snapshot()
    assert until(lambda: younger_by(world, done, 4.0), within=WITHIN)  # beyond the tolerance of rule 8
    world.moorcheh.create("done")
    world.operator.start()

    world.shows(done, "Failed/TargetNewerThanRequest")
    assert len(done.deletes) == 1


def younger_by(world: World, asked: Asked, seconds: float) -> bool:
    """Whether what is created now is that much younger than the request."""
    now = parsedate_to_datetime(world.http.get("/readyz").headers["Date"])
    return now - datetime.fromisoformat(asked.made) > timedelta(seconds=seconds)


@pytest.mark.slow
def test_replicas_go_on_with_one_leader(plane: ControlPlane, tmp_path: Path) -> None:
    """A Lease that is set back names an earlier renewal, by whoever led then."""
    options = {"LEADER_ELECTION": "on", "LEASE_NAMESPACE": "moorcheh-system"}
    with RestoredWorld(plane, tmp_path, denials=None, options=options) as world:
        world.moorcheh.create("held", age=60)
        held = world.ask("held", suspend=True)
        held.reaches("Suspended", within=WITHIN)
        plane.take_snapshot()
        world.write(100)
        plane.restore_snapshot()
        held.change(suspend=False).raise_for_status()

        world.shows(held, "Succeeded/DeletionCompleted")
        assert len(held.deletes) == 1
        assert world.operator.stop() == 0
