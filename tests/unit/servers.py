"""A server on a real socket that says exactly the bytes it is told to, and notes what came."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import Parser
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any, cast

import httpcore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: Message


@dataclass
class Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    def drop(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Peer, Received], Awaitable[None]]


@dataclass
class Server:
    """Answers each request as `behaviour` does; the connection stays open unless that closes it."""

    behaviour: Behaviour
    url: str = ""
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def deletes(self) -> list[Received]:
        return [request for request in self.received if request.method == "DELETE"]

    async def until_idle(self) -> None:
        """Until no connection is open."""
        if self.open:
            await self.idle.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.append(cast("asyncio.Task[None]", asyncio.current_task()))
        self.open.add(writer)
        self.writers.append(writer)
        self.idle.clear()
        connection = Peer(reader, writer)
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, _, rest = head.partition("\r\n")
                method, target, _ = first.split(" ")
                request = Received(method, target, Parser().parsestr(rest))
                self.received.append(request)
                await self.behaviour(connection, request)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()
            if not self.open:
                self.idle.set()


class FakeHttp(httpcore.AsyncConnectionInterface):
    """Answers at once, in the place of httpcore's connection."""

    def __init__(self, respond: Callable[[httpcore.Request], httpcore.Response]) -> None:
        self._respond = respond
        self.asked: list[httpcore.Request] = []

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        self.asked.append(request)
        return self._respond(request)

    async def aclose(self) -> None:
        pass

    def is_closed(self) -> bool:
        return False

    def has_expired(self) -> bool:
        return False


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(behaviour)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        for writer in server.writers:  # one that still has something to write would outlive its event loop
            writer.transport.abort()
        await asyncio.sleep(0)


def answer(status: int, body: Any = None, raw: bytes | None = None, /, **headers: str) -> bytes:
    """A whole HTTP answer. `body` is sent as JSON, `raw` as it is; a header's `_` is a `-`."""
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def always(*parts: bytes) -> Behaviour:
    async def behave(peer: Peer, _: Received) -> None:
        await peer.say(*parts)

    return behave


async def drop(peer: Peer, _: Received) -> None:
    peer.drop()


async def reset(peer: Peer, _: Received) -> None:
    peer.reset()


def then_drop(*parts: bytes) -> Behaviour:
    async def behave(peer: Peer, _: Received) -> None:
        await peer.say(*parts)
        peer.drop()

    return behave
