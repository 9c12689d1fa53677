"""The Lease elector: who may act, by which clock, and what a freeze or a lost answer does to it."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, cast

import pytest

from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError
from moorcheh_operator.cluster.leader_election import RENEW_SECONDS, Elector, Lease, Move, next_move

if TYPE_CHECKING:
    from collections.abc import Callable

THERE = Lease(holder="other", duration=15.0, resource_version="7")


@pytest.mark.parametrize(
    ("lease", "unchanged_for", "expected"),
    [
        pytest.param(Lease(), 0.0, Move.CREATE, id="no-lease-is-created"),
        pytest.param(Lease("me", resource_version="7"), 0.0, Move.RENEW, id="ours-is-renewed"),
        pytest.param(Lease("me", resource_version="7"), 99.0, Move.RENEW, id="ours-is-renewed-however-old"),
        pytest.param(Lease("", resource_version="7"), 0.0, Move.TAKE, id="a-released-one-is-taken-at-once"),
        pytest.param(THERE, 0.0, Move.WAIT, id="another-s-is-left-alone"),
        pytest.param(THERE, 15.0, Move.WAIT, id="another-s-is-left-alone-to-its-last-second"),
        pytest.param(THERE, 15.1, Move.TAKE, id="an-expired-one-is-taken"),
    ],
)
def test_the_next_move(lease: Lease, unchanged_for: float, expected: Move) -> None:
    assert next_move(lease, "me", unchanged_for) is expected


class LeaseServer:
    """One Lease with the API server's compare-and-set, at `Cluster.call`'s interface."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down = False
        self.renewal_under_way = False  # it lands after the next GET

    async def call(self, method: str, path: str, *, body: Any = None) -> tuple[int, dict[str, Any]]:
        assert path.startswith("/apis/coordination.k8s.io/v1/namespaces/here/leases")
        await asyncio.sleep(0)
        if self.down:
            raise ClusterError("no answer")
        if method == "GET":
            return self._read()
        stale = (body["metadata"].get("resourceVersion") or None) != self._current()
        if stale:
            return 409, {"message": "conflict"}
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return 200, copy.deepcopy(self.lease)

    def _read(self) -> tuple[int, dict[str, Any]]:
        if self.lease is None:
            return 404, {"message": "not found"}
        read = copy.deepcopy(self.lease)
        if self.renewal_under_way:
            self.renewal_under_way = False
            self.version += 1
            self.lease["metadata"]["resourceVersion"] = str(self.version)
        return 200, read

    def _current(self) -> str | None:
        return self.lease["metadata"]["resourceVersion"] if self.lease else None


class Time:
    def __init__(self) -> None:
        self.ticks = 1000.0

    def clock(self, wall: float = 1.8e9) -> Clock:
        return Clock(monotonic=lambda: self.ticks, wall=lambda: wall)


def elector(server: LeaseServer, time: Time, name: str, wall: float = 1.8e9) -> Elector:
    return Elector(cast("Cluster", server), time.clock(wall), "here", name)


async def attempt(one: Elector, on_change: Callable[[], None] = lambda: None) -> bool:
    """One turn of its loop."""
    task = asyncio.create_task(one.run(on_change))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    return one.leads()


async def test_of_two_only_one_leads_until_the_other_s_lease_ran_out() -> None:
    server, time = LeaseServer(), Time()
    first, second = elector(server, time, "first"), elector(server, time, "second")
    assert await attempt(first)
    assert not await attempt(second)
    time.ticks += 14
    assert not await attempt(second)
    time.ticks += 2
    assert await attempt(second)
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_frozen_past_its_lease_does_not_lead_even_before_its_loop_runs_again() -> None:
    server, time = LeaseServer(), Time()
    first = elector(server, time, "first")
    assert await attempt(first)
    time.ticks += RENEW_SECONDS
    assert not first.leads()


class SlowLeaseServer(LeaseServer):
    def __init__(self, time: Time) -> None:
        super().__init__()
        self.time = time

    async def call(self, method: str, path: str, *, body: Any = None) -> tuple[int, dict[str, Any]]:
        self.time.ticks += 0.9
        return await super().call(method, path, body=body)


async def test_a_renewal_counts_from_when_it_was_sent_however_late_its_answer() -> None:
    time = Time()
    server, before = SlowLeaseServer(time), time.ticks
    first = elector(server, time, "first")
    assert await attempt(first)
    time.ticks = before + RENEW_SECONDS
    assert not first.leads()


async def test_a_leader_whose_lease_somebody_gave_to_another_leads_no_more() -> None:
    server, time = LeaseServer(), Time()
    first = elector(server, time, "first")
    assert await attempt(first)
    assert server.lease is not None
    server.lease["spec"]["holderIdentity"] = "second"
    assert not await attempt(first)


async def test_a_leader_whose_renewals_fail_gives_up_before_another_may_take_over() -> None:
    server, time = LeaseServer(), Time()
    first, second = elector(server, time, "first"), elector(server, time, "second")
    assert await attempt(first)
    assert not await attempt(second)
    server.down, still = True, True
    for _ in range(7):
        time.ticks += 2
        still = await attempt(first)
    server.down = False
    assert not still
    assert not await attempt(second)


async def test_clocks_an_hour_apart_change_nothing() -> None:
    server, time = LeaseServer(), Time()
    first = elector(server, time, "first", wall=1.8e9 + 3600)
    second = elector(server, time, "second")
    assert await attempt(first)
    assert not await attempt(second)


async def test_a_released_lease_is_taken_at_once() -> None:
    server, time = LeaseServer(), Time()
    first, second = elector(server, time, "first"), elector(server, time, "second")
    assert await attempt(first)
    await first.release()
    assert not first.leads()
    assert await attempt(second)


async def test_a_renewal_that_lands_during_the_release_does_not_keep_the_lease() -> None:
    server, time = LeaseServer(), Time()
    first, second = elector(server, time, "first"), elector(server, time, "second")
    assert await attempt(first)
    server.renewal_under_way = True
    await first.release()

    assert await attempt(second)


async def test_a_race_for_a_free_lease_has_one_winner() -> None:
    server, time = LeaseServer(), Time()
    racers = [elector(server, time, name) for name in "abcd"]
    assert sum(await asyncio.gather(*(attempt(one) for one in racers))) == 1


async def test_a_lapse_that_a_late_renewal_ends_is_told_all_the_same() -> None:
    """Whoever stood by in between would otherwise stand by for ever: nothing else wakes it."""
    server, time = LeaseServer(), Time()
    first = elector(server, time, "first")
    told: list[bool] = []
    assert await attempt(first, lambda: told.append(first.leads()))
    time.ticks += RENEW_SECONDS + 0.05
    assert await attempt(first, lambda: told.append(first.leads()))

    assert told == [True, False, True]
