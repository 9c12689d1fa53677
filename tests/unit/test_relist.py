"""The lists: when one counts. In virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError
from moorcheh_operator.controller.relist import RELIST_SECONDS, WATCH_SECONDS, Relist
from tests.virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

UIDS = ("one", "two")


class Stage:
    """What `Relist` asks, and what it says at each moment of its life. What `fails` fails, once; what is
    `later` fails once after the first list.
    """

    def __init__(self, *fails: str, later: tuple[str, ...] = ()) -> None:
        self._fails, self._later = list(fails), list(later)
        self.said: list[tuple[str, float | None]] = []  # a moment, and `at` by then
        self.asked: list[bool] = []  # for each list, whether it was for the unfinished ones alone
        clock = Clock(asyncio.get_running_loop().time, lambda: 0.0)
        self.relist = Relist(cast("Cluster", self), clock, (), self.observe, self.check, self.complete)

    def pass_by(self, moment: str) -> None:
        self.said.append((moment, self.relist.at))
        if moment in self._fails:
            self._fails.remove(moment)
            raise ClusterError(moment)

    async def list(self, _namespace: str, *, unfinished: bool) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(unfinished)
        for uid in UIDS:
            yield {"metadata": {"uid": uid}}

    def observe(self, body: dict[str, Any]) -> None:
        self.pass_by(body["metadata"]["uid"])

    async def check(self, seen: set[str], _started: float) -> None:
        assert seen == set(UIDS)
        self.pass_by("check")

    async def complete(self, _started: float) -> None:
        self.pass_by("complete")
        self._fails, self._later = self._fails + self._later, []

    async def run(self, seconds: float, watches: tuple[float, ...]) -> None:
        """`watches`: when, after the start, one begins."""
        task = asyncio.create_task(self.relist.run())
        for at in watches:
            asyncio.get_running_loop().call_at(at, self.relist.anew)
        await asyncio.sleep(seconds)
        task.cancel()


def played(
    *fails: str,
    later: tuple[str, ...] = (),
    seconds: float = RELIST_SECONDS / 2,
    watches: tuple[float, ...] = (0.0,),
) -> Stage:
    async def whole() -> Stage:
        stage = Stage(*fails, later=later)
        await stage.run(seconds, watches)
        return stage

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())


def test_a_list_counts_once_it_was_seen_and_checked_and_dealt_with() -> None:
    stage = played()

    assert stage.said == [("one", None), ("two", None), ("check", None), ("complete", None)]
    assert stage.relist.at == 0.0


def test_a_list_that_broke_off_does_not_count() -> None:
    """Nor is the next one for the unfinished alone: what ended may not have been seen."""
    stage = played("two")

    assert [at for _, at in stage.said] == [None] * 6
    assert stage.asked == [False, False]
    assert stage.relist.at is not None
    assert stage.relist.at > 0.0


def test_a_list_does_not_count_where_what_it_lacks_could_not_be_read() -> None:
    stage = played("check")

    assert [moment for moment, _ in stage.said].count("complete") == 1
    assert [at for _, at in stage.said] == [None] * 7
    assert stage.asked == [False, False]


def test_a_list_that_could_not_be_dealt_with_is_made_again() -> None:
    """Without lists nothing is claimed and nothing found again: the task outlives it."""
    stage = played("complete")

    assert [moment for moment, _ in stage.said].count("complete") == 2
    assert stage.asked == [False, False]
    assert stage.relist.at is not None


def test_after_a_list_that_counts_the_unfinished_are_enough() -> None:
    stage = played(seconds=RELIST_SECONDS * 2.5)

    assert stage.asked == [False, True, True]


def test_the_first_list_begins_after_the_watch_or_what_was_between_them_is_missed() -> None:
    stage = played(watches=(WATCH_SECONDS / 2,))

    assert stage.asked == [False]
    assert stage.relist.at == WATCH_SECONDS / 2


def test_a_watch_that_does_not_begin_keeps_no_list_back() -> None:
    stage = played(watches=())

    assert stage.asked == [False]
    assert stage.relist.at == WATCH_SECONDS


def test_when_the_watch_begins_anew_all_are_listed_at_once() -> None:
    """What ended meanwhile makes others stricter, and may have a time to live."""
    stage = played(watches=(0.0, 10.0))

    assert stage.asked == [False, False]
    assert stage.relist.at == 10.0


def test_a_list_of_all_that_failed_is_made_again_as_one_of_all() -> None:
    stage = played(later=("two",), watches=(0.0, 10.0))

    assert stage.asked == [False, False, False]
