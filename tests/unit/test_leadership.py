"""The Lease elector: who may act, by which clock, and what a freeze, a lost answer or slow calls do."""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError
from moorcheh_operator.cluster.leader_election import (
    LEASE_SECONDS,
    RENEW_SECONDS,
    RETRY_SECONDS,
    Elector,
    Lease,
    Move,
    next_move,
)
from tests.virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THERE = Lease(holder="other", duration=15.0, resource_version="7")
OURS = Lease(holder="me", duration=15.0, resource_version="7")
FREE = Lease(holder="", duration=1.0, resource_version="7")


@pytest.mark.parametrize(
    ("lease", "leads", "unchanged_for", "expected"),
    [
        pytest.param(Lease(), False, 0.0, Move.CREATE, id="no-lease-is-created"),
        pytest.param(OURS, True, 0.0, Move.RENEW, id="ours-is-renewed"),
        pytest.param(OURS, True, 99.0, Move.RENEW, id="ours-is-renewed-however-old"),
        pytest.param(OURS, False, 5.0, Move.LET_GO, id="one-that-lapsed-is-let-go"),
        pytest.param(OURS, False, 15.0, Move.TAKE, id="one-that-lapsed-and-expired-is-anybody-s"),
        pytest.param(FREE, False, 0.0, Move.TAKE, id="a-released-one-is-taken-at-once"),
        pytest.param(THERE, False, 0.0, Move.WAIT, id="another-s-is-left-alone"),
        pytest.param(THERE, False, 14.9, Move.WAIT, id="another-s-is-left-alone-to-its-last-second"),
        pytest.param(THERE, False, 15.0, Move.TAKE, id="an-expired-one-is-taken"),
        pytest.param(THERE, True, 0.0, Move.WAIT, id="another-s-is-left-alone-by-one-that-led"),
    ],
)
def test_the_next_move(lease: Lease, leads: bool, unchanged_for: float, expected: Move) -> None:
    assert next_move(lease, "me", unchanged_for, leads=leads) is expected


class LeaseServer:
    """One Lease with the API server's compare-and-set, at `Cluster.call`'s interface."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down = False
        self.renewal_under_way = False  # it lands before the next call

    async def call(self, method: str, path: str, *, body: Any = None) -> tuple[int, dict[str, Any]]:
        assert path.startswith("/apis/coordination.k8s.io/v1/namespaces/here/leases")
        await asyncio.sleep(0)
        if self.down:
            raise ClusterError("no answer")
        if self.renewal_under_way:
            self.renewal_under_way = False
            self.touch()
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
        return 200, copy.deepcopy(self.lease)

    def touch(self) -> None:
        assert self.lease is not None
        self.version += 1
        self.lease["metadata"]["resourceVersion"] = str(self.version)

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
    time.ticks = before + 0.9 + RENEW_SECONDS  # it was sent after the look
    assert not first.leads()


async def test_a_leader_whose_lease_somebody_gave_to_another_leads_no_more() -> None:
    server, time = LeaseServer(), Time()
    first = elector(server, time, "first")
    assert await attempt(first)
    assert server.lease is not None
    server.lease["spec"]["holderIdentity"] = "second"
    server.touch()
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


async def test_a_lapse_that_ends_in_one_turn_is_told_all_the_same() -> None:
    """Whoever stood by in between would otherwise stand by for ever: nothing else wakes it."""
    server, time = LeaseServer(), Time()
    first = elector(server, time, "first")
    told: list[bool] = []
    assert await attempt(first, lambda: told.append(first.leads()))
    time.ticks += LEASE_SECONDS + 0.05
    assert await attempt(first, lambda: told.append(first.leads()))

    assert told == [True, False, True]


# In virtual time: several replicas, each with a way of its own to the API server


class Way:
    """To the API server: how long a call takes to get there, and its answer to come back. What was sent
    arrives even where its sender has given up. Answers to writes may be `lost`, or be others (`instead`).
    """

    def __init__(self, server: LeaseServer, there: float = 0.0, back: float = 0.0) -> None:
        self.server = server
        self.there = there
        self.back = back
        self.lost = False
        self.instead: int | None = None
        self.calls: list[str] = []

    async def call(self, method: str, path: str, *, body: Any = None) -> tuple[int, dict[str, Any]]:
        self.calls.append(method)
        return await asyncio.shield(asyncio.create_task(self._arrive(method, path, body)))

    async def _arrive(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        await asyncio.sleep(self.there)
        answer = await self.server.call(method, path, body=body)
        await asyncio.sleep(self.back)
        if method != "GET" and self.lost:
            raise ClusterError("the connection was closed")
        if method != "GET" and self.instead is not None:
            return self.instead, {"message": "injected"}
        return answer


class Cast:
    """Replicas at work, and who led when: looked at every tenth of a second."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.server = LeaseServer()
        self.electors: dict[str, Elector] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.seen: list[tuple[float, list[str]]] = []

    def join(self, name: str, way: Way) -> Elector:
        clock = Clock(monotonic=self.loop.time, wall=lambda: 1.8e9)
        one = self.electors[name] = Elector(cast("Cluster", way), clock, "here", name)
        self.tasks[name] = self.loop.create_task(one.run(lambda: None))
        return one

    def play(self, seconds: float) -> None:
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            self.loop.let_pass(0.1)
            leaders = [name for name, one in self.electors.items() if one.leads()]
            self.seen.append((self.loop.time(), leaders))

    def since(self, start: float) -> list[list[str]]:
        return [leaders for time, leaders in self.seen if time >= start]

    def longest_gap(self, start: float = 0.0) -> float:
        """The most seconds in a row with nobody who leads."""
        longest = gap = 0.0
        for leaders in self.since(start):
            gap = 0.0 if leaders else gap + 0.1
            longest = max(longest, gap)
        return longest


@pytest.fixture
def stage() -> Iterator[Cast]:
    stage = Cast()
    yield stage
    for task in asyncio.all_tasks(stage.loop):
        task.cancel()
    stage.loop.let_pass(0)
    stage.loop.close()


SLOW = [
    pytest.param(seconds, portion, id=f"{seconds}-s-{words}")
    for seconds in (0.0, 1.2, 2.5, 4.8)
    for portion, words in ((1.0, "to-get-there"), (0.0, "to-come-back"), (0.5, "each-half-of-it"))
]


@pytest.mark.parametrize(("seconds", "portion"), SLOW)
def test_one_whose_calls_are_slow_leads_without_a_gap(stage: Cast, seconds: float, portion: float) -> None:
    stage.join("slow", Way(stage.server, seconds * portion, seconds * (1 - portion)))
    stage.play(90.0)

    assert stage.longest_gap(start=2 * seconds + 0.2) == 0.0


@pytest.mark.parametrize("seconds", [1.2, 4.8, 5.2, 6.0, 8.0, 9.9, 12.0, 20.0])
@pytest.mark.parametrize("portion", [1.0, 0.0, 0.5])
def test_of_a_slow_and_a_fast_one_somebody_always_leads_and_never_both(
    stage: Cast, seconds: float, portion: float
) -> None:
    """However slow: calls that take too long to lead by them keep the lead from nobody else."""
    stage.join("slow", Way(stage.server, seconds * portion, seconds * (1 - portion)))
    stage.play(40.0)
    stage.join("fast", Way(stage.server, 0.01, 0.01))
    stage.play(120.0)

    assert all(len(leaders) < 2 for leaders in stage.since(0.0))
    # It may have to wait for one Lease that the slow one took and could not use.
    assert stage.longest_gap(start=40.0) <= 2 * LEASE_SECONDS
    assert stage.longest_gap(start=90.0) == 0.0


@pytest.mark.parametrize(
    ("lost", "instead"),
    [
        pytest.param(True, None, id="no-answer"),
        pytest.param(False, 409, id="a-conflict"),
        pytest.param(False, 500, id="an-error"),
    ],
)
def test_a_write_of_its_own_that_is_read_back_counts(
    stage: Cast,
    lost: bool,
    instead: int | None,
) -> None:
    """No write ever gets its own answer."""
    way = Way(stage.server, 0.1, 0.1)
    way.lost, way.instead = lost, instead
    stage.join("one", way)
    stage.play(90.0)

    assert stage.longest_gap(start=3.0) == 0.0


def test_a_write_that_is_read_back_counts_from_when_it_was_sent(stage: Cast) -> None:
    way = Way(stage.server)
    way.lost = True
    one = stage.join("one", way)
    stage.play(RETRY_SECONDS + 0.5)  # sent at 0, read back at 2
    assert one.leads()
    stage.tasks["one"].cancel()
    stage.play(RENEW_SECONDS - RETRY_SECONDS)

    assert not one.leads()


def test_a_renewal_that_is_another_process_s_does_not_count(stage: Cast) -> None:
    """Of the same name, by a mistake in a manifest."""
    way = Way(stage.server)
    one = stage.join("one", way)
    stage.play(1.0)
    way.there = 60.0  # nothing of its own gets through any more
    for _ in range(12):
        stage.play(1.0)
        assert stage.server.lease is not None
        stage.server.touch()
        stage.server.lease["spec"]["renewTime"] = f"2027-01-15T08:00:{stage.server.version:02}.000000Z"

    assert not one.leads()


def test_a_healthy_leader_renews_by_one_call_every_two_seconds(stage: Cast) -> None:
    way = Way(stage.server, 0.01, 0.01)
    stage.join("one", way)
    stage.play(60.0)

    assert way.calls[:2] == ["GET", "POST"]
    assert set(way.calls[2:]) == {"PUT"}
    assert len(way.calls) <= 2 + 60 / RETRY_SECONDS


def test_a_standby_takes_over_when_the_lease_runs_out_and_no_later(stage: Cast) -> None:
    """Not at its next look, up to two seconds afterwards."""
    stage.join("first", Way(stage.server))
    stage.play(1.0)
    second = stage.join("second", Way(stage.server))
    stage.play(0.2)
    stage.tasks["first"].cancel()
    began = stage.loop.time()
    while not second.leads():
        stage.play(0.1)
        assert stage.loop.time() - began <= LEASE_SECONDS + 0.1

    assert stage.loop.time() - began >= LEASE_SECONDS - RETRY_SECONDS


def test_the_lead_is_let_go_however_slow_the_calls(stage: Cast) -> None:
    slow = stage.join("slow", Way(stage.server, 1.2, 1.2))
    stage.play(20.0)
    stage.tasks["slow"].cancel()
    stage.loop.run_until_complete(slow.release())

    assert stage.server.lease is not None
    assert stage.server.lease["spec"]["holderIdentity"] == ""


def test_after_an_outage_that_was_long_it_leads_at_once_and_after_a_short_one_in_a_moment(
    stage: Cast,
) -> None:
    stage.join("one", Way(stage.server))
    stage.play(5.0)
    for outage in (11.0, 14.0, 60.0):
        stage.server.down = True
        stage.play(outage)
        stage.server.down = False
        over = stage.loop.time()
        stage.play(10.0)
        assert stage.longest_gap(start=over) <= 2 * RETRY_SECONDS + 0.1


def test_trouble_with_the_lease_is_told_when_it_begins_and_when_it_is_over(
    stage: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    way = Way(stage.server)
    stage.join("one", way)
    stage.play(5.0)
    way.back = 60.0
    stage.play(60.0)
    way.back = 0.0
    stage.play(20.0)
    begun, over = [record.getMessage() for record in caplog.records if "Lease" in record.getMessage()]

    assert begun.startswith("the Lease here/moorcheh-operator can't be read or renewed")
    assert begun.endswith("the API server took too long to answer")
    assert over == "the Lease here/moorcheh-operator is read and renewed again"
