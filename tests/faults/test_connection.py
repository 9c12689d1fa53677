"""A connection is one connection: one that a call leaves behind unusable fails every call after it, for good.

Found by row 19: after a freeze two requests stayed `PollFailing` for ever, and DELETEs that were claimed
never left. A call that is cut off while it ends leaves httpcore's connection "active", and it takes no other
one, for ever.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpcore
import httpx
import pytest

from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import Accepted, Listing, Unavailable, Unclear
from moorcheh_operator.moorcheh.connection import Connection
from moorcheh_operator.moorcheh.network import Network
from tests.unit.servers import Peer, Received, Server, answer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
TIMEOUT = 0.2
BUFFERS = 64 * 1024 * 1024  # bytes: more than the kernel holds between two sockets
ANSWERS = {
    "GET": answer(200, {"namespaces": []}),
    "DELETE": answer(202, {"status": "success", "job_id": "job-1", "namespace_name": "docs"}),
}


class StandsStill(httpcore.AsyncConnectionInterface):
    """When the n-th answer has come, the loop stands still until the call's time is over."""

    def __init__(self, http: httpcore.AsyncConnectionInterface, at: int) -> None:
        self._http = http
        self._left = at

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        response = await self._http.handle_async_request(request)
        self._left -= 1
        if self._left == 0:
            time.sleep(2 * TIMEOUT)  # noqa: ASYNC251 - it is the loop that stands still
            await asyncio.sleep(0)  # the timeout now comes while the call ends
        return response

    async def aclose(self) -> None:
        await self._http.aclose()

    def is_closed(self) -> bool:
        return self._http.is_closed()

    def has_expired(self) -> bool:
        return self._http.has_expired()


@asynccontextmanager
async def a_connection_that_is_cut_off(at: int) -> AsyncIterator[tuple[Connection, Server]]:
    """When the n-th answer has come, the process stands still until the call's time is over."""

    async def behave(peer: Peer, request: Received) -> None:
        await peer.say(ANSWERS[request.method])

    async with serving(behave) as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        connection = Connection(httpx.URL(server.url), TIMEOUT, Clock(), lambda *_: None, tls)
        connection._http = StandsStill(connection._http, at)  # noqa: SLF001 - a moment within the library
        yield connection, server
        await connection.aclose()


@pytest.mark.parametrize("at", [1, 2], ids=["new connection", "used connection"])
async def test_a_connection_that_was_cut_off_while_its_call_ended_still_works(at: int) -> None:
    """The look-up would otherwise fail until the operator is started again."""
    async with a_connection_that_is_cut_off(at) as (connection, _):
        answers = [type(await connection.listing()) for _ in range(at + 3)]

        assert answers == [Listing] * (at - 1) + [Unavailable] + [Listing] * 3


async def test_a_delete_that_was_cut_off_left_once_and_the_next_one_leaves_too() -> None:
    """The first one's outcome is unclear, the second one's is not."""
    async with a_connection_that_is_cut_off(1) as (connection, server):
        first = await connection.delete("docs", "uid/attempt-1")
        second = await connection.delete("docs", "uid/attempt-2")
        sent = [request.headers["X-Request-Id"] for request in server.received]

        assert isinstance(first, Unclear)
        assert isinstance(second, Accepted)
        assert sent == ["uid/attempt-1", "uid/attempt-2"]


def closes_then_accepts(listener: socket.socket, close: threading.Event, closed: threading.Event) -> None:
    """Answers one GET, and closes when it is told to. Then answers a DELETE on another connection."""
    first, _ = listener.accept()
    first.recv(65536)
    first.sendall(ANSWERS["GET"])
    close.wait(30)
    first.close()
    closed.set()
    second, _ = listener.accept()
    second.recv(65536)
    second.sendall(ANSWERS["DELETE"])
    second.close()


async def test_a_delete_does_not_leave_through_a_connection_that_was_closed_unseen() -> None:
    """The server's close has arrived, and the event loop has not got round to it."""
    close, closed = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=closes_then_accepts, args=(listener, close, closed), daemon=True)
        server.start()
        url = httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
        connection = Connection(url, 30.0, Clock(), lambda *_: None, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        assert isinstance(await connection.listing(), Listing)

        close.set()
        closed.wait(30)  # the loop stands still
        assert await connection.delete("docs", "uid/attempt-1") == Accepted("job-1")
        await connection.aclose()


async def test_what_a_server_says_unasked_is_not_taken_without_bound_and_answers_nothing() -> None:
    """The next call goes through another connection."""
    said, read = 0, asyncio.Event()

    async def babbles(peer: Peer, request: Received) -> None:
        nonlocal said
        await peer.say(ANSWERS[request.method])
        await read.wait()  # what comes with the answer is another case
        while request.method == "GET":
            await peer.say(b"x" * 65536)
            said += 65536

    async with serving(babbles) as server, asyncio.timeout(60):
        connection = Connection(
            httpx.URL(server.url), 30.0, Clock(), lambda *_: None, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        assert isinstance(await connection.listing(), Listing)
        read.set()
        before = -1
        while said != before:  # until all buffers on the way are full
            before = said
            assert said < BUFFERS
            await asyncio.sleep(0.5)
        assert said

        assert await connection.delete("docs", "uid/attempt-1") == Accepted("job-1")
        await connection.aclose()


async def test_an_answer_that_comes_unasked_is_not_taken_for_that_of_the_next_call() -> None:
    said = asyncio.Event()

    async def foretells(peer: Peer, request: Received) -> None:
        await peer.say(ANSWERS[request.method])
        if request.method == "GET":
            await asyncio.sleep(0.1)  # or it would come with the answer before it
            await peer.say(answer(202, {"status": "success", "job_id": "job-of-nobody"}))
            said.set()

    async with serving(foretells) as server, asyncio.timeout(60):
        connection = Connection(
            httpx.URL(server.url), 30.0, Clock(), lambda *_: None, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        assert isinstance(await connection.listing(), Listing)
        await said.wait()
        await asyncio.sleep(0.1)  # for its way through the kernel and the event loop

        assert await connection.delete("docs", "uid/attempt-1") == Accepted("job-1")
        await connection.aclose()


REFUSED = answer(429, {"message": "busy"})


@pytest.mark.parametrize(
    "more", [REFUSED, b"{}", REFUSED[:20]], ids=["another answer", "a longer body", "a part"]
)
async def test_what_comes_with_an_answer_is_not_taken_for_that_of_the_next_call(more: bytes) -> None:
    """In one segment, so httpcore has it already. A DELETE that left would count as refused."""
    count = itertools.count(1)

    async def says_more(peer: Peer, _: Received) -> None:
        await peer.say(answer(202, {"status": "success", "job_id": f"job-{next(count)}"}) + more)

    async with serving(says_more) as server, asyncio.timeout(60):
        connection = Connection(
            httpx.URL(server.url), 30.0, Clock(), lambda *_: None, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        told = [await connection.delete("docs", f"uid/attempt-{number}") for number in range(3)]
        await connection.aclose()

    assert told == [Accepted("job-1"), Accepted("job-2"), Accepted("job-3")]


async def test_what_comes_before_the_tls_handshake_is_not_read_as_if_it_had_come_through_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        stream = await Network().connect_tcp(host, port)
        peer, _ = listener.accept()
        peer.sendall(ANSWERS["DELETE"])
        async with asyncio.timeout(60):
            while not stream.get_extra_info("is_readable"):  # noqa: ASYNC110 - of bytes in the kernel no event tells
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)  # the event loop looks, and takes it in

            with pytest.raises(httpcore.ConnectError, match="spoke before"):
                await stream.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), host)
        peer.close()


SENDS_ONE = """
import asyncio, ssl, sys, httpx
from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.connection import Connection

tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
connection = Connection(httpx.URL(sys.argv[1]), 60.0, Clock(), lambda *_: None, tls)
asyncio.run(connection.delete("docs", "uid/attempt-1"))
"""


async def test_the_kernel_delivers_nothing_more_for_a_process_that_was_killed() -> None:
    """Its connection ends with a reset: what is still in a buffer is not sent any more."""
    arrived, over = asyncio.Event(), asyncio.Event()
    ends: list[type] = []

    async def hang(peer: Peer, _: Received) -> None:
        arrived.set()
        try:
            ends.append(type(await peer.reader.read()))
        except ConnectionResetError as error:
            ends.append(type(error))
        over.set()

    async with serving(hang) as server, asyncio.timeout(60):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
        command = [sys.executable, "-c", SENDS_ONE, server.url]
        sender = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            await arrived.wait()
        finally:
            sender.kill()
            await sender.wait()
        await over.wait()

    assert ends == [ConnectionResetError]
