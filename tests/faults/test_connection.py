"""A connection is one connection: one that a call leaves behind unusable fails every call after it, for good.

Found by row 19: after a freeze two requests stayed `PollFailing` for ever, and DELETEs that were claimed
never left. A call that is cut off while httpcore gives its connection back leaves it "active", and the pool,
which has but this one, waits for it for ever.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import Accepted, Listing, Unavailable, Unclear
from moorcheh_operator.moorcheh.connection import Connection
from tests.unit.servers import Peer, Received, Server, answer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
TIMEOUT = 0.2
ANSWERS = {
    "GET": answer(200, {"namespaces": []}),
    "DELETE": answer(202, {"status": "success", "job_id": "job-1", "namespace_name": "docs"}),
}


class StandsStill(httpx.AsyncBaseTransport):
    """When the n-th answer has come, the loop stands still until the call's time is over."""

    def __init__(self, transport: httpx.AsyncBaseTransport, at: int) -> None:
        self._transport = transport
        self._left = at

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        self._left -= 1
        if self._left == 0:
            time.sleep(2 * TIMEOUT)  # noqa: ASYNC251 - it is the loop that stands still
            await asyncio.sleep(0)  # the timeout now comes while the call ends
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


@asynccontextmanager
async def a_connection_that_is_cut_off(at: int) -> AsyncIterator[tuple[Connection, Server]]:
    """When the n-th answer has come, the process stands still until the call's time is over."""

    async def behave(peer: Peer, request: Received) -> None:
        await peer.say(ANSWERS[request.method])

    async with serving(behave) as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        connection = Connection(httpx.URL(server.url), TIMEOUT, Clock(), lambda *_: None, tls)
        connection._transport = StandsStill(connection._transport, at)  # noqa: SLF001 - a moment within the library
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
