"""The calls of a check: each sent once, its answer kept with how long it took."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import NotSent, Unclear
from moorcheh_operator.moorcheh.connection import MAX_BODY, MAX_LISTING, Connection
from moorcheh_operator.moorcheh.parsing import Response

from .findings import Answer
from .reading import answer_of

T = TypeVar("T")
Say = Callable[[str], None]
"""Told what is being done, in a few words."""


class StoppedError(Exception):
    """Whoever started it wants no more of it."""


@dataclass(frozen=True, slots=True)
class Heard:
    answer: Answer
    response: Response | None = None
    sent: bool = True  # False: the request surely never left


class Calls:
    """Reading is given up at once when `stop` is set; a call that changes something is waited for."""

    def __init__(self, connection: Connection, clock: Clock, stop: asyncio.Event) -> None:
        self._connection = connection
        self._stop: asyncio.Event | None = stop
        self.clock = clock

    def ignore_stop(self) -> None:
        """What was made must be removed first."""
        self._stop = None

    async def get(self, *path: str) -> Heard:
        limit = MAX_LISTING if path == ("namespaces",) else MAX_BODY
        return await self.unless_stopped(self._call("GET", list(path), limit=limit))

    async def create(self, name: str) -> Heard:
        # Vectors are stored as they come: no model is needed for them.
        body = {"namespace_name": name, "type": "vector", "vector_dimension": 1}
        return await self._changing("POST", ["namespaces"], json.dumps(body).encode())

    async def delete(self, name: str) -> Heard:
        return await self._changing("DELETE", ["namespaces", name])

    async def pause(self, seconds: float) -> None:
        await self.unless_stopped(asyncio.sleep(seconds))

    async def _changing(self, method: str, path: list[str], content: bytes = b"") -> Heard:
        if self._stop is not None and self._stop.is_set():
            raise StoppedError
        return await self._call(method, path, content=content)

    async def _call(self, method: str, path: list[str], content: bytes = b"", limit: int = MAX_BODY) -> Heard:
        started = self.clock.ticks()
        got = await self._connection.call(method, path, content=content, limit=limit)
        seconds = self.clock.ticks() - started
        match got:
            case NotSent(error):
                return Heard(Answer(error, seconds=round(seconds, 3)), sent=False)
            case Unclear(error):
                return Heard(Answer(error, seconds=round(seconds, 3)))
            case Response():
                return Heard(answer_of(got, seconds), got)

    async def unless_stopped(self, work: Awaitable[T]) -> T:
        task = asyncio.ensure_future(work)
        if self._stop is None:
            return await task
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                raise StoppedError
            return task.result()
        finally:
            for each in (task, stopped):
                each.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)
