"""How connections are left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp

TURNS = 3  # of the event loop: the socket's transport, TLS on it, whoever reads it


@asynccontextmanager
async def broken_off(
    asking: AbstractAsyncContextManager[aiohttp.ClientResponse],
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer. Where it is left unread its connection is reset: aiohttp would end TLS politely, wait for
    nobody, and leave the socket to the garbage collector once the loop is closed.
    """
    async with asking as answer:
        try:
            yield answer
        finally:
            connection = answer.connection  # None: it was read to its end
            if connection is not None and connection.transport is not None:
                connection.transport.abort()


async def end_connections() -> None:
    """Of this event loop, which is about to end. One that has still something to write, to a peer that is
    slow or gone, would outlive it, and be found by the garbage collector in the middle of something else.
    """
    loop = asyncio.get_running_loop()
    # Private; otherwise each of the libraries would have to be asked, and not all of them tell.
    for transport in list(getattr(loop, "_transports", {}).values()):
        transport.abort()
    for _ in range(TURNS):
        await asyncio.sleep(0)
