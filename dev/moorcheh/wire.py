"""How an answer leaves, or does not: the faults that are about bytes and connections."""

import asyncio
import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from dev.moorcheh.faults import Rule
from dev.moorcheh.refusal import Refusal

OVERSIZED = 64 * 1024 + 1
"""Bytes of padding in an `oversized` answer, unless the rule says otherwise: one more than a careful client
takes."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def success(status: int, content: object) -> Answer:
    return Answer(status, json.dumps(content).encode())


def failure(refusal: Refusal) -> Answer:
    body = {"status": "failure", "message": refusal.message}
    return replace(success(refusal.status, body), headers=refusal.headers)


def spoiled(answer: Answer | None, rule: Rule) -> Answer | None:
    """What the rule makes of the answer (None: it did not take effect); None where nothing is sent at all."""
    options = rule.options
    status: int | None = options.get("status")
    match rule.kind:
        case "drop" | "rst":
            return None
        case "status":
            code = status or 503
            spoilt = failure(Refusal(code, f"scripted fault: {code}"))
        case "redirect":
            headers = {"Location": options["location"]}
            spoilt = replace(failure(Refusal(status or 307, "moved")), headers=headers)
        case "no-job":
            spoilt = success(status or 200, {"status": "success", "message": "Namespace deleted"})
        case "job-id":
            spoilt = _with_job_id(answer or Answer(202, b"{}"), options)
        case "oversized":
            padding = {"padding": "x" * options.get("size", OVERSIZED)}
            spoilt = success(answer.status if answer else 200, {**_content(answer), **padding})
        case _:
            spoilt = answer or success(200, {})
            spoilt = replace(spoilt, status=status or spoilt.status)
    if "body" in options:
        spoilt = replace(spoilt, body=options["body"].encode())
    elif "json" in options:
        spoilt = replace(spoilt, body=json.dumps(options["json"]).encode())
    if "retry_after" in options:
        spoilt = replace(spoilt, headers={**spoilt.headers, "Retry-After": str(options["retry_after"])})
    return spoilt


async def send(request: web.Request, answer: Answer | None, rule: Rule | None) -> web.StreamResponse:
    """Send it the way the rule says; None closes the connection without a word."""
    if answer is None:
        _close(request, reset=rule is not None and rule.kind == "rst")
        return web.Response()
    if rule is not None and rule.kind == "half":
        return await _send_half(request, answer)
    if rule is not None and rule.kind == "endless":
        return await _send_endless(request, answer, rule)
    return web.Response(
        status=answer.status, body=answer.body, headers=answer.headers, content_type="application/json"
    )


def _content(answer: Answer | None) -> dict[str, Any]:
    content = json.loads(answer.body) if answer is not None else {}
    return content if isinstance(content, dict) else {}


def _with_job_id(answer: Answer, options: dict[str, Any]) -> Answer:
    content = _content(answer)
    content.pop("job_id", None)
    if "job_id" in options:
        content["job_id"] = options["job_id"]
    return replace(answer, body=json.dumps(content).encode())


def _close(request: web.Request, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


async def _send_half(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Promise all of the body, send half, close."""
    response = web.StreamResponse(
        status=answer.status, headers={"Content-Type": "application/json", **answer.headers}
    )
    response.content_length = len(answer.body)
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
    _close(request, reset=False)
    return response


async def _send_endless(request: web.Request, answer: Answer, rule: Rule) -> web.StreamResponse:
    """A body that begins well and never ends: `size` bytes every `pause` seconds, until the client goes."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    pause, blanks = float(rule.options.get("pause", 0.02)), b" " * rule.options.get("size", 16 * 1024)
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write(answer.body[:-1])
        while True:
            await response.write(blanks)
            await asyncio.sleep(pause)
    return response
