"""Connections that callers share."""

from __future__ import annotations

import asyncio

from .connection import Connection


class Pool:
    """Each connection is used by one caller at a time; it is known how many callers there are."""

    def __init__(self, connections: list[Connection]) -> None:
        self.all = tuple(connections)
        # The one that was used last comes first: its connection is open.
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)
        self._users = 0  # who hold a connection or wait for one
        self._unused = asyncio.Event()
        self._unused.set()

    async def acquire(self) -> Connection:
        self._users += 1
        self._unused.clear()
        try:
            return await self._free.get()
        except BaseException:
            self._left()
            raise

    def release(self, connection: Connection) -> None:
        self._free.put_nowait(connection)
        self._left()

    def _left(self) -> None:
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def until_unused(self) -> None:
        """Until nobody holds one or waits for one. It takes none itself: whoever waits must get it."""
        while self._users:
            await self._unused.wait()
