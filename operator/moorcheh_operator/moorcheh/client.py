"""The Moorcheh server's calls. Every failure becomes one of the answers of `answers.py`; nothing is raised.

A DELETE leaves at most once: httpx sends it once, redirects are off, nothing here tries again (aiohttp and
httpx-aiohttp resend a DELETE by themselves when the connection drops). Answers are untrusted: bodies are
capped, JSON types checked, texts cut, ids matched before they go into a URL (docs/safety.md, rule 13).
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import inf
from typing import Any
from urllib.parse import quote

import httpx

from moorcheh_operator import __version__
from moorcheh_operator.api.status import Job, JobStatus
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.clock import Clock

from .answers import (
    Accepted,
    Entry,
    JobReport,
    JobUnknown,
    Listing,
    LookUpAnswer,
    NotSent,
    PollAnswer,
    Refused,
    Rejected,
    SendAnswer,
    Unavailable,
    Unclear,
)
from .credentials import Credential, KeyFileError

MAX_BODY = 64 * 1024  # bytes
MAX_LISTING = 64 * 1024 * 1024  # bytes
MAX_COUNT = 2**63 - 1
MAX_RETRY_AFTER = 60.0  # seconds
CONNECT_SECONDS = 3.0
KEEPALIVE_SECONDS = 2.0  # uvicorn and Node close an idle connection after 5
DELETE_LANES = 16  # claimers at the same time
POLL_LANES = 8  # of their own: a job's end must not wait behind a thousand starts; so has the look-up
# close(), as the kernel does it for a process that is killed too, resets the connection and forgets what has
# not been acknowledged (socket(7), SO_LINGER). Without it the kernel goes on sending a DELETE that has been
# given up, minutes later if the network was gone meanwhile: after the settle time, on whatever has the name.
NO_LATE_DELIVERY = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
LISTING_REST = 0.25  # seconds at most between two listings; otherwise as long as the last one took

HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"moorcheh-operator/{__version__}",
}

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

Observer = Callable[[str, str, float], None]
"""Told of each call: operation, status code or error name, duration in seconds."""


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: httpx.Headers
    body: bytes
    shown: Callable[[str], str]  # the server's words without the key that it was sent

    def json(self) -> Any:
        """None where the body is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def message(self) -> str | None:
        """The words of the server's own JSON error."""
        match self.json():
            case {"message": str(message)}:
                return plain_text(self.shown(message))
            case _:
                return None

    def describe(self) -> str:
        return f"HTTP {self.status}" + (f": {self.message}" if self.message else "")


class _BodyTooLargeError(Exception):
    pass


class _HeldBackError(Exception):
    """The request never left: it had no key to send, or its final path was not the one that was meant (`..`
    and `.` collapse).
    """


class Lane:
    """One HTTP connection to the server, used by one caller at a time.

    A client of one connection costs a third of the CPU of a shared pool, which scans all its connections for
    each request (encode/httpcore#1035).
    """

    def __init__(
        self,
        base_url: httpx.URL,
        timeout: float,
        clock: Clock,
        observer: Observer,
        tls: ssl.SSLContext,
        credential: Credential | None = None,
    ) -> None:
        self._base = base_url
        self._clock = clock
        self._observer = observer
        self._timeout = timeout
        self._tls = tls
        self._credential = credential
        self.last_code: str | None = None  # status code or error name of the last call; None: it never left
        self._transport: httpx.AsyncBaseTransport = self._fresh_transport()

    def _fresh_transport(self) -> httpx.AsyncBaseTransport:
        """httpx without its client: a transport follows no redirect, keeps no cookie and reads no proxy from
        the environment, at three quarters of a client's CPU.
        """
        return httpx.AsyncHTTPTransport(
            verify=self._tls,
            limits=httpx.Limits(
                max_connections=1,
                max_keepalive_connections=1,
                # Sooner than any server's: a DELETE that meets the server's close is one nobody knows of.
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
            trust_env=False,
            retries=0,
            socket_options=[NO_LATE_DELIVERY],
        )

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def delete(self, name: str, request_id: str, leave_by: float = inf) -> SendAnswer:
        """Send `DELETE /namespaces/{name}`, once. `request_id` is `<uid>/<attempt.id>`; `leave_by`: the ticks
        at which a connection must be there, or it is not sent.
        """
        path = ["namespaces", name]
        try:
            response = await self._send("delete", "DELETE", path, request_id=request_id, leave_by=leave_by)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, _HeldBackError) as error:
            return NotSent(self._words(error))
        except (httpx.HTTPError, httpx.InvalidURL, _BodyTooLargeError, TimeoutError) as error:
            return Unclear(self._words(error))
        return _send_answer(response)

    async def listing(self) -> LookUpAnswer:
        try:
            response = await self._send("list", "GET", ["namespaces"], limit=MAX_LISTING)
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            _BodyTooLargeError,
            _HeldBackError,
            TimeoutError,
        ) as error:
            return Unavailable(self._words(error))
        if response.status != httpx.codes.OK:
            return Unavailable(response.describe())
        entries = _entries(response.json())
        if isinstance(entries, str):
            return Unavailable(entries)
        return Listing(entries, self._clock.skew())

    async def job(self, name: str, job_id: str) -> PollAnswer:
        if not JOB_ID.fullmatch(job_id):
            return Unavailable("the recorded job id can't be put into a URL")
        try:
            response = await self._send("job", "GET", ["namespaces", name, "delete-jobs", job_id])
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            _BodyTooLargeError,
            _HeldBackError,
            TimeoutError,
        ) as error:
            return Unavailable(self._words(error))
        if response.status == httpx.codes.NOT_FOUND and response.message is not None:
            return JobUnknown(response.describe())
        if response.status != httpx.codes.OK:
            return Unavailable(response.describe())
        return _job(response.json(), name, job_id, self._shown)

    async def _send(
        self,
        operation: str,
        method: str,
        path: list[str],
        *,
        request_id: str = "",
        limit: int = MAX_BODY,
        leave_by: float = inf,
    ) -> _Response:
        """Raises httpx' errors as they are, `TimeoutError` for an answer that trickles, and our two."""
        self.last_code = None
        if any(not NAME.fullmatch(name) for name in path[1:2]):
            raise _HeldBackError("the namespace's name can't be put into a URL")
        raw_path = self._base.raw_path.rstrip(b"/") + "".join(
            "/" + quote(part, safe="") for part in path
        ).encode("ascii")
        # Half: httpcore grants it to TCP, and to TLS once more.
        connect = min(CONNECT_SECONDS, self._timeout / 2, (leave_by - self._clock.ticks()) / 2)
        if connect <= 0:
            raise _HeldBackError("too much time has passed since the claim")
        timeout = httpx.Timeout(self._timeout, connect=connect, pool=None)
        request = httpx.Request(
            method,
            self._base.copy_with(raw_path=raw_path),
            headers=HEADERS | self._key() | ({"X-Request-Id": request_id} if request_id else {}),
            extensions={"timeout": timeout.as_dict()},
        )
        if request.url.raw_path != raw_path or request.url.query:
            raise _HeldBackError(f"{request.url.raw_path!r} is not the path that was meant")
        started = self._clock.ticks()
        result = "error"
        try:
            # httpx' read timeout is one of each read; this bounds the whole call.
            async with asyncio.timeout(self._timeout):
                response = await self._transport.handle_async_request(request)
                answered = self._clock.ticks()
                try:
                    body = await _read(response, limit)
                finally:
                    await response.aclose()
            result = str(response.status_code)
        except BaseException as error:
            result = type(error).__name__
            # A call that is cancelled while httpcore takes its connection back leaves it open and in use for
            # ever: its bytes might still be delivered, and nothing would leave through this lane any more.
            old, self._transport = self._transport, self._fresh_transport()
            await old.aclose()
            raise
        finally:
            self.last_code = result
            self._observer(operation, result, self._clock.ticks() - started)
        self._clock.moorcheh.observe(response.headers.get("Date"), started, answered)
        return _Response(response.status_code, response.headers, body, self._shown)

    def _key(self) -> dict[str, str]:
        try:
            return self._credential.headers() if self._credential else {}
        except KeyFileError as error:
            raise _HeldBackError(str(error)) from error

    def _shown(self, words: str) -> str:
        return self._credential.redact(words) if self._credential else words

    def _words(self, error: Exception) -> str:
        name = "" if isinstance(error, _HeldBackError) else type(error).__name__
        return plain_text(self._shown(": ".join(word for word in (name, str(error)) if word)))


class Lanes:
    """Lanes that callers share, one at a time each, and how many callers there are."""

    def __init__(self, lanes: list[Lane]) -> None:
        self.all = tuple(lanes)
        # The one that was used last comes first: its connection is open.
        self._free: asyncio.LifoQueue[Lane] = asyncio.LifoQueue()
        for lane in lanes:
            self._free.put_nowait(lane)
        self._users = 0  # who hold a lane or wait for one
        self._unused = asyncio.Event()
        self._unused.set()

    async def acquire(self) -> Lane:
        self._users += 1
        self._unused.clear()
        try:
            return await self._free.get()
        except BaseException:
            self._left()
            raise

    def release(self, lane: Lane) -> None:
        self._free.put_nowait(lane)
        self._left()

    def _left(self) -> None:
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def until_unused(self) -> None:
        """Until nobody holds a lane or waits for one. It takes none itself: whoever waits must get it."""
        while self._users:
            await self._unused.wait()


class Moorcheh:
    """The server: lanes to send through, and one shared look-up."""

    def __init__(
        self,
        new_lane: Callable[[], Lane],
        clock: Clock,
        delete_lanes: int = DELETE_LANES,
        poll_lanes: int = POLL_LANES,
    ) -> None:
        self._delete_lanes = Lanes([new_lane() for _ in range(delete_lanes)])
        self._poll_lanes = Lanes([new_lane() for _ in range(poll_lanes)])
        self._lookup_lane = new_lane()
        self._clock = clock
        self._rest_until = 0.0  # ticks
        self._running: asyncio.Task[tuple[float, LookUpAnswer, float]] | None = None
        self._next: asyncio.Task[tuple[float, LookUpAnswer, float]] | None = None

    @classmethod
    def at(
        cls,
        base_url: str,
        timeout: float,
        clock: Clock,
        observer: Observer = lambda *_: None,
        credential: Credential | None = None,
        authorities: str | None = None,
    ) -> Moorcheh:
        """`timeout`: seconds for one answer. `authorities`: PEM of the CAs that may vouch for it; None: the
        usual ones. Raises what httpx and ssl raise for those that can't be used, and `ValueError`.
        """
        url = httpx.URL(base_url)
        if authorities is not None and not authorities.strip():
            raise ValueError("there is no CA to trust")  # ssl would take that for None
        # One for all: reading the CAs takes a while.
        tls = (
            ssl.create_default_context(cadata=authorities)
            if authorities is not None
            else httpx.create_ssl_context(trust_env=False)
        )
        return cls(lambda: Lane(url, timeout, clock, observer, tls, credential), clock)

    async def aclose(self) -> None:
        listings = [task for task in (self._running, self._next) if task is not None]
        for task in listings:
            task.cancel()
        await asyncio.gather(*listings, return_exceptions=True)
        for lane in (*self._delete_lanes.all, *self._poll_lanes.all, self._lookup_lane):
            await lane.aclose()

    async def retire(self) -> None:
        """Close once every call under way has its answer. Nobody may begin another."""
        await self._delete_lanes.until_unused()
        await self._poll_lanes.until_unused()
        if listings := [task for task in (self._running, self._next) if task is not None]:
            await asyncio.wait(listings)
        await self.aclose()

    async def acquire(self) -> Lane:
        """The HTTP slot of a claimer."""
        return await self._delete_lanes.acquire()

    def release(self, lane: Lane) -> None:
        self._delete_lanes.release(lane)

    async def job(self, name: str, job_id: str) -> PollAnswer:
        lane = await self._poll_lanes.acquire()
        try:
            return await lane.job(name, job_id)
        finally:
            self._poll_lanes.release(lane)

    async def look_up(self) -> tuple[float, LookUpAnswer, float]:
        """A listing that starts after this call: (ticks when it was asked for, answer, ticks when it came).

        One is in flight at a time, everyone who asked before it started gets its answer, and half of the time
        none is: 2,000 requests do not mean 2,000 listings.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._list_after(self._running))
        return await asyncio.shield(self._next)

    async def _list_after(
        self, running: asyncio.Task[tuple[float, LookUpAnswer, float]] | None
    ) -> tuple[float, LookUpAnswer, float]:
        if running is not None:
            await asyncio.wait([running])
            await asyncio.sleep(self._rest_until - self._clock.ticks())
        self._running, self._next = self._next, None
        started = self._clock.ticks()
        answer = await self._lookup_lane.listing()
        answered = self._clock.ticks()
        self._rest_until = answered + min(answered - started, LISTING_REST)
        return started, answer, answered


async def _read(response: httpx.Response, limit: int) -> bytes:
    """As it came: no encoding was asked for, and a bomb would unpack into far more than `limit`."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise _BodyTooLargeError(f"the answer is larger than {limit} bytes")
    return bytes(body)


def _send_answer(response: _Response) -> SendAnswer:
    words = response.describe()
    match response.status:
        case 401 | 403 | 429:
            return Refused(words, _retry_after(response))
        case 400 | 422:
            return Rejected(words)
        case status if 200 <= status < 300:
            match response.json():
                case {"job_id": str(job_id)} if JOB_ID.fullmatch(job_id):
                    return Accepted(job_id)
                case _:
                    return Unclear(f"{words} without a usable job id", settled=True)
        case 404 | 409:
            return Unclear(words, settled=response.message is not None)
        case _:
            return Unclear(words)


def _retry_after(response: _Response) -> float | None:
    """Seconds; either form of RFC 9110 section 10.2.3, at most a minute."""
    value = response.headers.get("Retry-After", "")
    try:
        if value.isascii() and value.isdigit():
            return min(float(value), MAX_RETRY_AFTER)
        until, sent = parsedate_to_datetime(value), parsedate_to_datetime(response.headers["Date"])
        return min(max((until - sent).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


class _Entries(Mapping[str, Entry]):
    """The entries of a listing by name. One is read when it is asked for: of thousands a few are."""

    def __init__(self, items: dict[str, dict[str, Any]]) -> None:
        self._items = items

    def __getitem__(self, name: str) -> Entry:
        item = self._items[name]
        return Entry(
            item_count=_first(map(_known, (item.get(key) for key in ("item_count", "itemCount", "items")))),
            creation_time=_first(map(_time_text, (item.get(key) for key in ("created_at", "createdAt")))),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def _entries(body: Any) -> _Entries | str:
    """The listing by name, or what is wrong with it: an unusable one must never read as "absent"."""
    if not isinstance(body, dict) or not isinstance(body.get("namespaces"), list):
        return "the listing is not the JSON that was expected"
    items: dict[str, dict[str, Any]] = {}
    for item in body["namespaces"]:
        name = item.get("namespace_name", item.get("name")) if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            return "the listing has an entry without a name"
        if name in items:
            return "the listing has a name twice"
        items[name] = item
    return _Entries(items)


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return min(max(int(value), 0), MAX_COUNT)


def _known(value: object) -> int | None:
    """A count that a precondition may rest on: less than nothing is no count, and surely not "empty"."""
    negative = isinstance(value, int | float) and value < 0
    return None if negative else _count(value)


def _time_text(value: object) -> str | None:
    """A time as the server wrote it; one that is too long to be a time is none."""
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.isprintable():
        return None
    return value


def _state_text(status: str, shown: Callable[[str], str]) -> str:
    """A word that ends a job stays what it is, also where the key is a part of it."""
    words = plain_text(status)
    return words if words.lower() in list(JobStatus) else plain_text(shown(status))


def _job(body: Any, name: str, job_id: str, shown: Callable[[str], str]) -> PollAnswer:
    match body:
        case {"status": str(status)} if 0 < len(status) <= 64:
            pass
        case _:
            return Unavailable("the job's answer is not the JSON that was expected")
    if body.get("job_id", job_id) != job_id or body.get("namespace_name", name) != name:
        return Unavailable("the server answered with another job")
    last_error = body.get("last_error")
    return JobReport(
        Job(
            id=job_id,
            status=_state_text(status, shown),
            total_items=_count(body.get("total_items")),
            deleted_items=_count(body.get("deleted_items")),
            last_error=plain_text(shown(last_error)) if isinstance(last_error, str) and last_error else None,
            start_time=_time_text(body.get("started_at")),
            update_time=_time_text(body.get("updated_at")),
            finish_time=_time_text(body.get("finished_at")),
        )
    )
