"""Who goes next where only so many may go at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator

Key = tuple[str, ...]


class Turns:
    """The keys take turns; within a key it is first come, first served. One with thousands of calls delays
    another's only by those that are under way, and no key has more than its share of these.
    """

    def __init__(self, count: int, share: int) -> None:
        self._free = count
        self._share = share
        self._used: Counter[Key] = Counter()
        self._waiting: dict[Key, deque[asyncio.Future[None]]] = {}  # the key that is next comes first

    @contextlib.asynccontextmanager
    async def turn(self, *key: str) -> AsyncIterator[None]:
        await self._take(key)
        try:
            yield
        finally:
            self._give_back(key)

    async def _take(self, key: Key) -> None:
        if self._free and self._used[key] < self._share:
            self._grant(key)
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._give_back(key)  # it was given the turn in the same moment
            raise

    def _grant(self, key: Key) -> None:
        self._free -= 1
        self._used[key] += 1

    def _give_back(self, key: Key) -> None:
        self._free += 1
        self._used[key] -= 1
        if not self._used[key]:
            del self._used[key]
        self._pass_on()

    def _pass_on(self) -> None:
        for key in list(self._waiting):
            if not self._free:
                return
            if self._used[key] < self._share:
                turns = self._waiting.pop(key)
                self._grant_first(key, turns)
                if turns:
                    self._waiting[key] = turns  # it is the last one now

    def _grant_first(self, key: Key, turns: deque[asyncio.Future[None]]) -> None:
        """To the first that still waits."""
        while turns:
            turn = turns.popleft()
            if not turn.done():
                self._grant(key)
                turn.set_result(None)
                return
