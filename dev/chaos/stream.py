"""One watch under way: lines from the API server to the operator, as the script has it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterable, AsyncIterator

from aiohttp import web

from dev.chaos.calls import Call
from dev.chaos.faults import (
    Cut,
    Delay,
    Drop,
    Duplicate,
    EventFault,
    Hold,
    Inject,
    Rule,
    Stall,
)
from dev.chaos.script import Script

GONE_SECONDS = 0.2
"""Between two looks whether the operator still listens: a quiet watch would not notice."""

Item = tuple[float, bytes | EventFault | Rule | None]
"""When it is due (monotonic), and: a line, something that happens, a rule that holds, or the end."""


class Stream:
    """What is to be written next, in order."""

    def __init__(self, call: Call, script: Script) -> None:
        self.call = call
        self._script = script
        self._items: asyncio.Queue[Item] = asyncio.Queue()

    def befall(self, fault: EventFault) -> None:
        self._items.put_nowait((0.0, fault))

    def end(self) -> None:
        self._items.put_nowait((0.0, None))

    def feed(self, line: bytes) -> None:
        """An event from upstream; the rules decide what comes of it."""
        event = json.loads(line)
        name = event["object"].get("metadata", {}).get("name", "")
        rule = self._script.take_event(event["type"], name, self.call)
        match rule.fault if rule else None:
            case Drop():
                pass
            case Delay(seconds):
                self._items.put_nowait((time.monotonic() + seconds, line))
            case Duplicate():
                self._items.put_nowait((0.0, line))
                self._items.put_nowait((0.0, line))
            case Hold() if rule is not None:
                self._items.put_nowait((0.0, rule))
                self._items.put_nowait((0.0, line))
            case (Cut() | Inject() | Stall()) as fault:
                self._items.put_nowait((0.0, fault))
            case _:
                self._items.put_nowait((0.0, line))

    async def items(self) -> AsyncIterator[bytes | EventFault | None]:
        """Each when it is due; what comes behind a late one is late, too."""
        while True:
            due, item = await self._items.get()
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            if isinstance(item, Rule):
                await item.until_released()
            else:
                yield item


async def pump(
    source: AsyncIterable[bytes], stream: Stream, request: web.Request, response: web.StreamResponse
) -> None:
    """Until either side ends it."""
    reader = asyncio.create_task(_read(source, stream))
    writer = asyncio.create_task(_write(stream, request, response))
    try:
        while request.transport is not None and not request.transport.is_closing() and not writer.done():
            await asyncio.wait([writer], timeout=GONE_SECONDS)
    finally:
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)


async def _read(source: AsyncIterable[bytes], stream: Stream) -> None:
    try:
        async for line in source:
            if line.strip():
                stream.feed(line)
    finally:
        stream.end()


async def _write(stream: Stream, request: web.Request, response: web.StreamResponse) -> None:
    stalled = False
    async for item in stream.items():
        match item:
            case None if stalled:
                continue  # even the upstream's end is not told
            case None:
                return
            case bytes() if not stalled:
                await response.write(item)
            case Cut():
                await response.write(b'{"type":"MODIFIED","object":{"apiVersion":"moorc')
                if request.transport is not None:
                    request.transport.close()
                return
            case Inject(code):
                await response.write(_error_event(code))
                return
            case Stall():
                stalled = True
            case _:
                pass


def _error_event(code: int) -> bytes:
    reason = {410: "Expired"}.get(code, "InternalError")
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "injected",
        "reason": reason,
        "code": code,
    }
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
