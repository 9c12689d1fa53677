"""The network under httpcore: asyncio's own transports, at half the CPU of a call through anyio's.

Nothing here sends by itself, and what a closed connection still holds is not sent any more.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpcore

HELD_MOST = 256 * 1024  # bytes that have come and are not read yet, before no more are taken
EYEBALLS_SECONDS = 0.25  # before another of a host's addresses is tried as well (RFC 8305)


class Network(httpcore.AsyncNetworkBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,  # noqa: ARG002 - httpcore's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = _Stream()
        async with _connecting(stream.abort, timeout):
            await asyncio.get_running_loop().create_connection(
                lambda: stream.protocol, host, port, happy_eyeballs_delay=EYEBALLS_SECONDS
            )
            opened = stream.get_extra_info("socket")
            for option in socket_options or ():
                opened.setsockopt(*option)
        return stream


@asynccontextmanager
async def _connecting(give_up: Callable[[], None], seconds: float | None) -> AsyncIterator[None]:
    """Raises what httpcore's own networks raise."""
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            yield
    except BaseException as error:  # also where it is cancelled the moment that the connection is there
        give_up()
        if isinstance(error, TimeoutError) and bound.expired():
            raise httpcore.ConnectTimeout from error
        if isinstance(error, OSError | UnicodeError):  # a host's name may be none that can be resolved
            raise httpcore.ConnectError(str(error)) from error
        raise


class _Protocol(asyncio.Protocol):
    """What has come, until it is read."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.held = bytearray()
        self.over = False  # nothing more will come
        self.error: Exception | None = None  # why
        self._reader: asyncio.Future[None] | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.held += data
        if len(self.held) > HELD_MOST and not self._paused and self.transport is not None:
            self.transport.pause_reading()
            self._paused = True
        self._wake()

    def eof_received(self) -> None:
        self.over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over, self.error = True, self.error or exc
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def read(self) -> bytes:
        """All that has come; nothing once it is over."""
        if not self.held and not self.over:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self.held and self.error is not None:
            raise httpcore.ReadError(str(self.error))
        data = bytes(self.held)
        self.held.clear()
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        return data


class _Stream(httpcore.AsyncNetworkStream):
    """How long a read or a write may take is bounded by the whole call's time."""

    def __init__(self) -> None:
        self.protocol = _Protocol()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109
        return await self.protocol.read()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        transport = self.protocol.transport
        if self.protocol.over or transport is None or transport.is_closing():
            raise httpcore.WriteError("the server has closed the connection")
        transport.write(buffer)

    async def aclose(self) -> None:
        self.abort()

    def abort(self) -> None:
        if self.protocol.transport is not None:
            self.protocol.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> httpcore.AsyncNetworkStream:
        plain = cast("asyncio.Transport", self.protocol.transport)
        async with _connecting(plain.abort, timeout):
            if self.protocol.held:  # it would be read as if it had come through TLS
                raise httpcore.ConnectError("the server spoke before the TLS handshake")
            self.protocol.transport = await asyncio.get_running_loop().start_tls(
                plain, self.protocol, ssl_context, server_hostname=server_hostname
            )
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # of an idle connection: the server has closed it, or speaks unasked
            return self._is_readable()
        transport = self.protocol.transport
        return None if transport is None else transport.get_extra_info(info)

    def _is_readable(self) -> bool:
        """Also what the event loop has not seen yet: a DELETE must not cross with the server's close."""
        protocol = self.protocol
        if protocol.transport is None or protocol.transport.is_closing() or protocol.over or protocol.held:
            return True
        waiting = select.poll()
        waiting.register(protocol.transport.get_extra_info("socket"), select.POLLIN)
        return bool(waiting.poll(0))
