"""Who goes next where only so many may go at once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from moorcheh_operator.turns import Turns


class Crowd:
    """Callers, each with the key that it calls for. They go on until they are told to leave."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._leave: dict[asyncio.Task[None], asyncio.Event] = {}
        self.came: list[str] = []  # whose turn it was, in order
        self.inside: list[asyncio.Task[None]] = []
        self.gone = asyncio.Event()  # somebody has left

    async def call(self, *keys: str) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._go(key)) for key in keys]
        self._leave |= {task: asyncio.Event() for task in tasks}
        await self.settle()
        return tasks

    async def _go(self, key: str) -> None:
        me = asyncio.current_task()
        assert me is not None
        async with self._turns.turn(key):
            self.came.append(key)
            self.inside.append(me)
            await self._leave[me].wait()
            self.inside.remove(me)
            self.gone.set()

    async def leave(self, task: asyncio.Task[None] | None = None) -> None:
        """The first that is inside, or this one."""
        self.tell_to_leave(task or self.inside[0])
        await self.settle()

    def tell_to_leave(self, task: asyncio.Task[None]) -> None:
        self._leave[task].set()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_no_more_go_at_once_than_may_and_no_key_has_more_than_its_share() -> None:
    crowd = Crowd(Turns(3, share=2))
    await crowd.call("a", "a", "a", "b", "b", "c")

    assert Counter(crowd.came) == {"a": 2, "b": 1}


async def test_the_keys_take_turns_however_many_wait_for_one_of_them() -> None:
    crowd = Crowd(Turns(2, share=2))
    await crowd.call(*"aaaaaaaa")
    await crowd.call("b", "b", "c")
    while crowd.inside:
        await crowd.leave()

    assert "".join(crowd.came) == "aaabcabaaaa"


async def test_a_key_at_its_share_does_not_keep_the_others_back() -> None:
    crowd = Crowd(Turns(3, share=1))
    await crowd.call("a", "a", "b")
    await crowd.call("c")

    assert crowd.came == ["a", "b", "c"]


@pytest.mark.parametrize("given", [False, True], ids=["while it waits", "as it is given its turn"])
async def test_one_that_is_cancelled_keeps_no_turn(given: bool) -> None:
    crowd = Crowd(Turns(1, share=1))
    first, second, third = await crowd.call("a", "b", "c")
    if given:
        crowd.tell_to_leave(first)
        await crowd.gone.wait()
    second.cancel()
    await crowd.settle()
    if not given:
        await crowd.leave(first)

    assert crowd.came == ["a", "c"]
    await crowd.leave(third)
    await crowd.call("b")
    assert crowd.came == ["a", "c", "b"]
