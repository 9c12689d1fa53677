"""Counted by the API server and by the stand-in: what a request costs, 200 at once, and 60 among ten kills.

Each test starts its own stand-in and operator. Nothing else writes to the worker's API server meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tests.dev.waiting import until
from tests.integration.life import World

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane import ControlPlane

REQUESTS = {"group": "moorcheh.ai", "resource": "namespacedeletions"}
SLOW = "Pending/NamespaceUnverified"  # one write more, where a busy API server takes too long
READS = {"GET", "LIST", "WATCH"}
WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}


class Costs:
    """What the API server counted between begin and end of a `with` block."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._before: dict[str, int] = {}
        self.status_writes = 0
        self.conflicts = 0
        self.events = 0
        self.refused = 0
        self.other_writes: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        count = self._plane.requests
        main = {f"main {verb}": count(verb=verb, subresource="", **REQUESTS) for verb in WRITES}
        status = {f"status {verb}": count(verb=verb, subresource="status", **REQUESTS) for verb in WRITES}
        return main | status | {
            "conflicts": count(subresource="status", code="409", **REQUESTS),
            "events": count(verb="POST", resource="events", dry_run=""),
            "refused": count(code="403"),
        }  # fmt: skip

    def __enter__(self) -> Self:
        self._before = self.read()
        return self

    def __exit__(self, *_: object) -> None:
        spent = {key: value - self._before[key] for key, value in self.read().items()}
        self.status_writes = spent.pop("status PATCH")
        self.conflicts = spent.pop("conflicts")
        self.events = spent.pop("events")
        self.refused = spent.pop("refused")
        self.other_writes = {key: value for key, value in spent.items() if value}


def test_a_short_deletion_costs_three_status_writes_two_events_and_one_delete(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """And the operator writes nothing else: the one write of the object itself is the test's."""
    with World(installed, tmp_path) as world:
        world.moorcheh.create("short", items=10, age=60)
        with Costs(installed) as costs:
            asked = world.ask("short")
            asked.ends("Succeeded/DeletionCompleted")
            asked.sees_event("Normal", "Submitted")
            asked.sees_event("Normal", "DeletionCompleted")

        assert costs.status_writes == 3
        assert costs.events == 2
        assert costs.other_writes == {"main POST": 1}
        assert costs.refused == 0
        assert len(asked.versions) == 4
        assert len(asked.deletes) == 1


def test_two_hundred_at_once_cost_two_hundred_deletes_and_three_status_writes_each(
    installed: ControlPlane, tmp_path: Path
) -> None:
    options = {"MOORCHEH_TIMEOUT_SECONDS": "30"}
    with World(installed, tmp_path, knobs={"job_seconds": 2}, options=options) as world:
        world.moorcheh.create_many(200, "many-", items=20, age=60)
        with Costs(installed) as costs:
            asked = [world.ask(f"many-{number:05d}") for number in range(200)]
            world.all_end(asked, within=150)

        assert {one.trail[-1] for one in asked} == {"Succeeded/DeletionCompleted"}
        assert world.moorcheh.counts()["delete"] == 200
        slow = sum(one.trail.count(SLOW) for one in asked)
        dear = {one.name: one.trail for one in asked if len(one.versions) > 4 + one.trail.count(SLOW)}
        assert dear == {}
        assert costs.status_writes <= 3 * 200 + slow, (
            f"{costs.conflicts} conflicts; {world.operator.get('/metrics')[1]}"
        )
        assert costs.other_writes == {"main POST": 200}
        assert costs.refused == 0
        assert world.moorcheh.namespaces() == {}


def test_ten_kills_under_sixty_requests_destroy_no_new_data_and_every_request_ends(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """Each namespace is created anew, with precious data, as soon as its job has ended. Each kill falls among
    DELETEs: six more requests wait at each start, and it comes after one to five more of them.
    """
    limits = {"MOORCHEH_TIMEOUT_SECONDS": "2", "MOORCHEH_VERIFY_SECONDS": "20"}
    with World(installed, tmp_path, knobs={"job_seconds": 1}, options=limits, operator_up=False) as world:
        world.moorcheh.create_many(60, "kept-", items=20, age=60)
        world.moorcheh.fault("recreate", "kept-*", kind="end", count=-1)
        asked = []

        for number in range(10):
            asked += [world.ask(f"kept-{6 * number + more:05d}") for more in range(6)]
            enough = sent(world) + number % 5 + 1
            world.operator.start()
            assert has_sent(world, enough)
            world.operator.kill()
        world.operator.start()
        world.all_end(asked, within=180)

        record = world.moorcheh.record()
        assert [victim for victim in record["destroyed"] if victim["precious"]] == []
        for one in asked:
            lives = world.moorcheh.namespaces()[one.target]
            if one.deletes:
                assert one.status["phase"] == "Succeeded", one.trail
                assert lives["precious"]
            else:  # killed between the claim and the DELETE, which nobody may send any more
                assert one.trail[-1] == "Failed/OutcomeUnknown"
                assert not lives["precious"]
        cut_short = [one for one in asked if one.status["reason"] != "DeletionCompleted"]
        assert cut_short, "no kill fell between a claim and its answer; this run has shown little"


def sent(world: World) -> int:
    """DELETEs on the wire."""
    return world.moorcheh.counts().get("delete", 0)


def has_sent(world: World, enough: int) -> bool:
    return until(lambda: sent(world) >= enough)
