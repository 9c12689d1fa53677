"""What kopf's calls go through: the operator's own connection, and no more of an object than is read.

kopf lists all objects before it watches, and keeps each body for as long as it is at work on it. Whoever may
create requests could fill the memory with that. So its list is of nothing, and only tells where the watch
begins (the reconciler lists then, see `controller/relist.py`); events are trimmed on their way in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from moorcheh_operator.api import wire
from moorcheh_operator.api.request import PLURAL
from moorcheh_operator.cluster.api_server import ApiServer

NOTHING = "metadata.name=NOTHING"  # no object can have a name in capitals
LINE_MOST = 4 * 1024 * 1024  # bytes of one event; an object has at most 3 MiB
EVENT_MOST = 64 * 1024  # bytes of what kopf is given: a spec and a status, with all texts at their longest


def session(api_server: ApiServer, began: Callable[[], None]) -> aiohttp.ClientSession:
    """`began` is called each time that a watch is about to begin, with nothing of what was before it."""

    async def look_away(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if request.method != "GET" or request.url.name != PLURAL:
            return await handler(request)
        if "watch" in request.url.query:
            response = await handler(request)
            response.content = Trimmed(response.content)  # type: ignore[assignment]  # acts like one
            return response
        request.url = request.url.update_query(fieldSelector=NOTHING)
        response = await handler(request)
        if response.ok:
            began()
        return response

    return api_server.session(look_away)


class Trimmed:
    """A watch's answer, line by line. What is too long even so is left to the reconciler's list."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        line = bytearray()
        async for chunk in self._content.iter_any():
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                line += end
                if len(line) <= LINE_MOST and len(event := wire.trimmed_event(bytes(line))) <= EVENT_MOST:
                    yield event + b"\n"
                line.clear()
            line += rest
            del line[LINE_MOST + 1 :]

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._content, name)
