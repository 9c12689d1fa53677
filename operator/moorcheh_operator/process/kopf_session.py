"""What kopf's calls go through: the operator's own connection, past which no object gets into kopf.

kopf lists all objects before it watches, and takes each event through a queue, a task and a search for
handlers: half a millisecond, and memory that whoever may create requests could fill. So its list is of
nothing, and only tells where the watch begins (the reconciler lists then, see `controller/relist.py`). What
an event shows is told at once, without what is not read of it; kopf gets a bookmark in its place, which says
how far the watch has come.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import msgspec

from moorcheh_operator.api import wire
from moorcheh_operator.api.request import PLURAL
from moorcheh_operator.cluster.api_server import ApiServer

NOTHING = "metadata.name=NOTHING"  # no object can have a name in capitals
LINE_MOST = 4 * 1024 * 1024  # bytes of one event; an object has at most 3 MiB
BRIEF_SECONDS = 1.0  # that a watch lasts at the least, if anybody serves it
BRIEF_WORTH_A_LINE = 3  # in a row
UNAUTHORIZED = 401
REFUSED_SECONDS = 1.0  # between two calls that are answered so
# Bytes that are read of an object: a spec and a status, with all texts at their longest.
EVENT_MOST = 64 * 1024

Observe = Callable[[dict[str, Any], bool], None]
"""Told of each event of the watch: the object, and whether it is gone."""


logger = logging.getLogger(__name__)


def session(api_server: ApiServer, began: Callable[[], None], observe: Observe) -> aiohttp.ClientSession:
    """`began` is called each time that a watch is about to begin, with nothing of what was before it."""
    paces: defaultdict[str, _Pace] = defaultdict(_Pace)  # by path: there is a watch for each namespace

    async def look_away(
        request: aiohttp.ClientRequest, unwary: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        handler = functools.partial(_patiently, handler=unwary)
        if request.method != "GET" or request.url.name != PLURAL:
            return await handler(request)
        if "watch" in request.url.query:
            await paces[request.url.path].keep()
            response = await handler(request)
            response.content = Tapped(response.content, observe)  # type: ignore[assignment]  # acts like one
            return response
        request.url = request.url.update_query(fieldSelector=NOTHING)
        response = await handler(request)
        if response.ok:
            began()
        return response

    return api_server.session(look_away)


async def _patiently(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """At a 401 kopf would close the session, and all other watches with it. The process ends where the
    credentials are refused for too long (`cluster/credentials.py`).
    """
    while (response := await handler(request)).status == UNAUTHORIZED:
        response.close()
        await asyncio.sleep(REFUSED_SECONDS)
    return response


class _Pace:
    """Of a watch that ends as soon as it has begun: kopf begins the next one at once, thousands a second."""

    def __init__(self) -> None:
        self._began = float("-inf")  # the event loop's time
        self._brief = 0  # watches in a row
        self._told = False
        self._lasts: asyncio.TimerHandle | None = None

    async def keep(self) -> None:
        """Before a watch begins."""
        loop = asyncio.get_running_loop()
        if self._lasts is not None:
            self._lasts.cancel()
        rest = self._began + BRIEF_SECONDS - loop.time()
        self._brief = self._brief + 1 if rest > 0 else 0
        if self._brief >= BRIEF_WORTH_A_LINE and not self._told:
            self._told = True
            logger.warning(
                "the API server ends the watch as soon as it has begun, which is tried again each second; "
                "does a proxy, or another server, answer in its place?"
            )
        await asyncio.sleep(max(rest, 0.0))
        self._began = loop.time()
        self._lasts = loop.call_later(2 * BRIEF_SECONDS, self._well)

    def _well(self) -> None:
        if self._told:
            self._told = False
            logger.info("the watch holds again")


class Tapped:
    """A watch's answer, line by line. What is too long even so is left to the reconciler's list."""

    def __init__(self, content: aiohttp.StreamReader, observe: Observe) -> None:
        self._content = content
        self._observe = observe

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        line = bytearray()
        async for chunk in self._content.iter_any():
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                line += end
                if len(line) <= LINE_MOST and (left := self._tap(bytes(line))) is not None:
                    yield left + b"\n"
                line.clear()
            line += rest
            del line[LINE_MOST + 1 :]

    def _tap(self, line: bytes) -> bytes | None:
        """What is left of it for kopf."""
        event = wire.event(line)
        if event is None:
            return line  # kopf knows what to do with a bookmark, an error, and what is none of them
        if len(event.object) > EVENT_MOST:
            return None
        try:
            self._observe(msgspec.json.decode(event.object), event.type == "DELETED")
        except Exception:
            logger.exception("unexpected error with an event of the watch; the next list shows it again")
        return wire.bookmark(event)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._content, name)
