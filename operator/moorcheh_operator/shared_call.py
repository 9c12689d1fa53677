"""One call for all who want its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class SharedCall(Generic[Answer]):
    """At most one is under way. Whoever asks gets the answer of one that starts after that: everybody who
    asked before it started, the same one.
    """

    def __init__(
        self, call: Callable[[], Awaitable[Answer]], name: str, rest: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`rest`: seconds between the end of a call and the next one. `name`: the task's."""
        self._call = call
        self._name = name
        self._rest = rest
        self._running: asyncio.Task[Answer] | None = None
        self._next: asyncio.Task[Answer] | None = None

    @property
    def tasks(self) -> list[asyncio.Task[Answer]]:
        """Those that have not ended."""
        return [task for task in (self._running, self._next) if task is not None and not task.done()]

    async def ask(self) -> Answer:
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running), name=self._name)
        return await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[Answer] | None) -> Answer:
        if running is not None:
            await asyncio.wait([running])
            await asyncio.sleep(self._rest())
        self._running, self._next = self._next, None
        return await self._call()
