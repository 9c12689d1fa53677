"""One upstream seen through the script, on a loopback address, served by a thread of its own.

Plain HTTP towards the operator. Towards the upstream whatever its URL says; headers, a bearer token among
them, are passed through. Nothing is sent twice: aiohttp would resend what it takes for idempotent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import web
from yarl import URL

from dev.chaos.calls import Call, Reading
from dev.chaos.faults import (
    Answer,
    Delay,
    Drop,
    EventFault,
    Fail,
    Gate,
    Hold,
    Late,
    Replay,
    Rule,
)
from dev.chaos.script import Script
from dev.chaos.stream import Stream, pump
from dev.processes import free_port
from dev.streams import broken_off, end_connections

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

START_SECONDS = 10.0
AFTERWARDS_SECONDS = 0.5
"""How long a caller whose answer was dropped may take for its next call, before the gate opens anyway."""
KEPT = 256 * 1024  # bytes of an answer
POLICIES = "namespacecleanuppolicies"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host"}


class ResentError(Exception):
    """The client library was about to send a call again."""


class Proxy:
    """A context manager; `url` is where it listens."""

    def __init__(self, script: Script, upstream: str, *, reads: Reading, ca_file: Path | None = None) -> None:
        self.script = script
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._port = port
        self._upstream = upstream
        self._reads = reads
        self._ca_file = ca_file
        self._streams: list[Stream] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=f"proxy to {upstream}", daemon=True)
        self._up = threading.Event()
        self._stop = asyncio.Event()
        self._trouble: BaseException | None = None
        self._session: aiohttp.ClientSession

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._up.wait(START_SECONDS) or self._trouble is not None:
            raise RuntimeError(f"the proxy to {self._upstream} did not start") from self._trouble
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.script.clear()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def watches(self) -> int:
        """How many are open, beside that of the cleanup policies."""
        return sum(stream.call.meaning.resource != POLICIES for stream in self._streams)

    def disturb(self, fault: EventFault) -> int:
        """Something happens to all open watches now, not at an event. How many they were."""

        async def do() -> int:
            streams = list(self._streams)
            for stream in streams:
                self.script.count(fault, stream.call)
                stream.befall(fault)
            return len(streams)

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(START_SECONDS)

    # In the thread

    def _serve(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        tls = ssl.create_default_context(cafile=str(self._ca_file)) if self._ca_file else False
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False, auto_decompress=False
            ) as self._session:
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024).start()
                self._up.set()
                await self._stop.wait()
                await runner.cleanup()
                # What is held back or late comes to nothing.
                others = asyncio.all_tasks() - {asyncio.current_task()}
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
            await end_connections()
        except BaseException as error:
            self._trouble = error
            raise
        finally:
            self._up.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        meaning = self._reads(request.method, request.raw_path)
        call = self.script.note(meaning, request.raw_path, body, request.headers.get("X-Request-Id"))
        rule = self.script.take(call)
        before = await self._before(request, call, rule)
        if before is not None:
            return before
        try:
            if call.meaning.verb == "watch":
                return await self._watch(request, call)
            answer = await self._forward(request, call)
        except (aiohttp.ClientError, ResentError, OSError):
            if rule is not None and isinstance(rule.fault, Gate):
                self._open(rule.fault, call)  # answered or not, its moment has come
            return closed(request)
        return await self._after(request, call, rule, answer)

    async def _before(self, request: web.Request, call: Call, rule: Rule | None) -> web.StreamResponse | None:
        """What comes of it without the upstream; None: it is forwarded now."""
        match rule.fault if rule else None:
            case Fail():
                return closed(request)
            case Answer(status, message, headers, forwarded=False):
                return _refusal(status, message, dict(headers))
            case Replay(body):
                return web.Response(body=body, content_type="application/json")
            case Gate(then, "before"):
                then(call)
                return closed(request)
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Hold() if rule is not None:
                await rule.until_released()
            case _:
                pass
        return None

    async def _after(
        self, request: web.Request, call: Call, rule: Rule | None, answer: web.Response
    ) -> web.StreamResponse:
        match rule.fault if rule else None:
            case Drop():
                return closed(request)
            case Answer(status, message, headers):
                return _refusal(status, message, dict(headers))
            case Gate() as gate:
                self._open(gate, call)
                return closed(request)
            case Late(seconds):
                await asyncio.sleep(seconds)
            case _:
                pass
        return answer

    def _open(self, gate: Gate, call: Call) -> None:
        if gate.at == "dropped":
            self.script.afterwards(gate)
            self._loop.call_later(AFTERWARDS_SECONDS, self.script.run_afterwards, gate, call)
        else:
            gate.then(call)

    async def _forward(self, request: web.Request, call: Call) -> web.Response:
        async with self._ask(request, call.body) as answer:
            data = await answer.read()
            call.status, call.answered = answer.status, time.monotonic()
            if call.meaning.name and len(data) <= KEPT:
                call.answer = data
            headers = [(key, value) for key, value in answer.headers.items() if _end_to_end(key)]
            return web.Response(status=answer.status, body=data, headers=headers)

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        async with self._ask(request, call.body) as answer:
            call.status, call.answered = answer.status, time.monotonic()
            if answer.status != 200:
                return web.Response(status=answer.status, body=await answer.read())
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            stream = Stream(call, self.script)
            self._streams.append(stream)
            try:
                await pump(answer.content, stream, request, response)
            finally:
                self._streams.remove(stream)
            return response

    def _ask(self, request: web.Request, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        headers = [(key, value) for key, value in request.headers.items() if _end_to_end(key)]
        headers = [(key, value) for key, value in headers if key.lower() != "accept-encoding"]
        asking = self._session.request(
            request.method,
            URL(self._upstream + request.raw_path, encoded=True),
            headers=[*headers, ("Accept-Encoding", "identity")],
            data=body or None,
            allow_redirects=False,
            read_bufsize=2**21,
            middlewares=(_once(),),
        )
        return broken_off(asking)


def _once() -> Callable[
    [aiohttp.ClientRequest, aiohttp.ClientHandlerType], Awaitable[aiohttp.ClientResponse]
]:
    sent = False

    async def pass_once(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        nonlocal sent
        if sent:
            raise ResentError
        sent = True
        return await handler(request)

    return pass_once


def _end_to_end(header: str) -> bool:
    return header.lower() not in _HOP_BY_HOP


def _refusal(status: int, message: str, headers: dict[str, str]) -> web.Response:
    """As the API server words it."""
    reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired"}
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reasons.get(status, "InternalError"),
        "code": status,
    }
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers
    )


def closed(request: web.Request) -> web.Response:
    """The connection is closed without a word."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
