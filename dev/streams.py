"""How aiohttp's streams are left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp


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
