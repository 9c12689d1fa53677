"""A TCP door in front of the stand-in, to be shut against new connections while old ones stay."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from dev.processes import free_port

if TYPE_CHECKING:
    from tests.integration.background import Background


class Gate:
    """Forwards bytes to `port`. After `shut_after` connections new ones are refused until `open`."""

    def __init__(self, background: Background, port: int, *, shut_after: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.accepted = 0
        self._background = background
        self._behind = port
        self._most: int | None = shut_after
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    def __enter__(self) -> Self:
        self._background.call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._background.call(self._end())

    def open(self) -> None:
        self._most = None
        self._background.call(self._listen())

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        """Connections too: one that still has something to write would outlive its event loop."""
        await self._shut()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.append(writer)
        if self.accepted == self._most:
            await self._shut()  # before a byte is answered, so that nobody comes in behind this one
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.close()
            return
        self._writers.append(back)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()
