"""One HTTP connection to a Moorcheh server. Every failure becomes one of the answers of `answers.py`.

A DELETE leaves at most once: httpcore sends it once and follows no redirect, nothing here tries again
(aiohttp and httpx-aiohttp resend a DELETE by themselves when the connection drops). Answers are untrusted:
bodies are capped, and a path that could be taken for another is not asked for (docs/safety.md, rule 13).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Callable
from math import inf
from urllib.parse import quote

import httpcore
import httpx

from moorcheh_operator import __version__
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.clock import Clock

from .answers import JobUnknown, Listing, LookUpAnswer, NotSent, PollAnswer, SendAnswer, Unavailable, Unclear
from .credentials import Credential, KeyFileError
from .health import Health
from .network import Network
from .parsing import JOB_ID, Response, dated, job_answer, listing_entries, send_answer, signs_of_more

MAX_BODY = 64 * 1024  # bytes
MAX_LISTING = 64 * 1024 * 1024  # bytes
CONNECT_SECONDS = 3.0
KEEPALIVE_SECONDS = 2.0  # uvicorn and Node close an idle connection after 5
# close(), as the kernel does it for a process that is killed too, resets the connection and forgets what has
# not been acknowledged (socket(7), SO_LINGER). Without it the kernel goes on sending a DELETE that has been
# given up, minutes later if the network was gone meanwhile: after the settle time, on whatever has the name.
NO_LATE_DELIVERY = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
HEADERS = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", f"moorcheh-operator/{__version__}".encode()),
)
NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
ANOTHER_PATH = re.compile(rb"/\.\.?(/|$)|[?#]")  # what a server, or a proxy, may take for another path
NETWORK = Network()
HTTP_ERRORS = (
    *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
    httpcore.UnsupportedProtocol,
)
Observer = Callable[[str, str, float], None]
"""Told of each call: operation, status code or error name, duration in seconds."""


def trusting(authorities: str | None) -> ssl.SSLContext:
    """`authorities`: PEM of the CAs that are trusted; None: the usual ones. Raises what ssl raises for those
    that can't be used, and `ValueError`.
    """
    if authorities is None:
        return httpx.create_ssl_context(trust_env=False)
    if not authorities.strip():
        raise ValueError("there is no CA to trust")  # ssl would take that for None
    return ssl.create_default_context(cadata=authorities)


class _BodyTooLargeError(Exception):
    pass


class _HeldBackError(Exception):
    """The request never left: it had no key to send, or its path could be taken for another."""


class Connection:
    """One HTTP connection to the server, used by one caller at a time.

    httpcore's own, without its pool, which scans all its connections for each request (encode/httpcore#1035),
    and without httpx: it follows no redirect, keeps no cookie and reads no proxy from the environment.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        timeout: float,
        clock: Clock,
        observer: Observer,
        tls: ssl.SSLContext,
        credential: Credential | None = None,
        health: Health | None = None,
    ) -> None:
        self._base = base_url
        self._health = health or Health(str(base_url), clock.ticks)
        self._clock = clock
        self._observer = observer
        self._timeout = timeout
        self._tls = tls
        self._credential = credential
        self.last_code: str | None = None  # status code or error name of the last call; None: it never left
        self._origin = httpcore.URL(
            scheme=base_url.raw_scheme, host=base_url.raw_host, port=base_url.port, target=b"/"
        ).origin
        self._headers = ((b"Host", base_url.netloc), *HEADERS)
        self._http: httpcore.AsyncConnectionInterface = self._fresh()

    def _fresh(self) -> httpcore.AsyncConnectionInterface:
        """It connects with its first request."""
        return httpcore.AsyncHTTPConnection(
            self._origin,
            ssl_context=self._tls,
            # Shorter than a server's: of a DELETE that crosses with the server's close nobody knows whether
            # it arrived.
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=NETWORK,
            socket_options=[NO_LATE_DELIVERY],
        )

    async def _renew(self) -> None:
        old, self._http = self._http, self._fresh()
        await old.aclose()

    def _left_over(self) -> bool:
        """Whether more has come than the answer: it would be read as the answer to the next call."""
        http = getattr(self._http, "_connection", None)
        return http is not None and bool(http._h11_state.trailing_data[0])  # noqa: SLF001 - httpcore tells nobody

    async def aclose(self) -> None:
        await self._http.aclose()

    async def delete(self, name: str, request_id: str, leave_by: float = inf) -> SendAnswer:
        """Send `DELETE /namespaces/{name}`, once. `request_id` is `<uid>/<attempt.id>`; `leave_by`: the ticks
        at which a connection must be there, or it is not sent.
        """
        path = ["namespaces", name]
        response = await self.call("DELETE", path, request_id=request_id, leave_by=leave_by)
        return send_answer(response) if isinstance(response, Response) else response

    async def call(
        self,
        method: str,
        path: list[str],
        *,
        request_id: str = "",
        leave_by: float = inf,
        content: bytes = b"",
        limit: int = MAX_BODY,
    ) -> Response | NotSent | Unclear:
        """Any call, sent once; its answer as it came."""
        operation = "delete" if method == "DELETE" else "other"
        try:
            return await self._send(
                operation,
                method,
                path,
                request_id=request_id,
                leave_by=leave_by,
                content=content,
                limit=limit,
            )
        except (httpcore.ConnectError, httpcore.ConnectTimeout, _HeldBackError) as error:
            return NotSent(self._words(error))
        except (*HTTP_ERRORS, _BodyTooLargeError, TimeoutError) as error:
            return Unclear(self._words(error))

    async def listing(self) -> LookUpAnswer:
        try:
            response = await self._send("list", "GET", ["namespaces"], limit=MAX_LISTING)
        except (*HTTP_ERRORS, TimeoutError) as error:
            return Unavailable(self._words(error))
        except (_BodyTooLargeError, _HeldBackError) as error:
            return self._no_listing(self._words(error))
        if response.status != httpx.codes.OK:
            return self._no_listing(response.describe())
        body = response.json()
        entries = listing_entries(body)
        if isinstance(entries, str):
            return self._no_listing(entries)
        if more := signs_of_more(body, response.headers):
            return self._no_listing(f"the listing is only a part of it ({plain_text(self._shown(more[0]))})")
        self._health.listed(dated=dated(entries))
        return Listing(entries, self._clock.skew())

    def _no_listing(self, error: str) -> Unavailable:
        self._health.gives_no_listing(error)
        return Unavailable(error)

    async def job(self, name: str, job_id: str) -> PollAnswer:
        if not JOB_ID.fullmatch(job_id):
            return Unavailable("the recorded job id can't be put into a URL")
        try:
            response = await self._send("job", "GET", ["namespaces", name, "delete-jobs", job_id])
        except (*HTTP_ERRORS, _BodyTooLargeError, _HeldBackError, TimeoutError) as error:
            return Unavailable(self._words(error))
        if response.status == httpx.codes.NOT_FOUND and response.message is not None:
            return JobUnknown(response.describe())
        if response.status != httpx.codes.OK:
            return Unavailable(response.describe())
        return job_answer(response.json(), name, job_id, self._shown)

    async def _send(
        self,
        operation: str,
        method: str,
        path: list[str],
        *,
        request_id: str = "",
        limit: int = MAX_BODY,
        leave_by: float = inf,
        content: bytes = b"",
    ) -> Response:
        """Raises httpcore's errors, `TimeoutError` where an answer takes too long, and both of this file."""
        self.last_code = None
        if any(not NAME.fullmatch(name) for name in path[1:2]):
            raise _HeldBackError("the namespace's name can't be put into a URL")
        raw_path = self._base.raw_path.rstrip(b"/") + "".join(
            "/" + quote(part, safe="") for part in path
        ).encode("ascii")
        # Half of the time that is left: httpcore allows it for TCP, and once more for TLS.
        connect = min(CONNECT_SECONDS, self._timeout / 2, (leave_by - self._clock.ticks()) / 2)
        if connect <= 0:
            raise _HeldBackError("too much time has passed since the claim")
        if ANOTHER_PATH.search(raw_path):
            raise _HeldBackError(f"{raw_path!r} is not the path that was meant")
        headers = [*self._headers, *self._key()]
        if request_id:
            headers.append((b"X-Request-Id", request_id.encode("ascii")))
        if content:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(content))]
        request = httpcore.Request(
            method.encode("ascii"),
            httpcore.URL(
                scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=raw_path
            ),
            headers=headers,
            content=content or None,
            extensions={"timeout": {"connect": connect}},
        )
        started = self._clock.ticks()
        result = "error"
        try:
            # This bounds the whole call: an answer may trickle.
            async with asyncio.timeout(self._timeout):
                if self._http.is_closed() or self._http.has_expired():
                    await self._renew()
                response = await self._http.handle_async_request(request)
                answered = self._clock.ticks()
                try:
                    body = await _read(response, limit)
                finally:
                    await response.aclose()
            if self._left_over():
                await self._renew()
            result = str(response.status)
            self._health.answered()
        except BaseException as error:
            result = type(error).__name__
            if operation != "delete" and isinstance(error, (*HTTP_ERRORS, TimeoutError)):
                self._health.is_unreachable(self._words(error))  # a DELETE has little time for its connection
            # One that was cut off is left as it is: its bytes might still be delivered, and the next call
            # must not get the answer to this one.
            await self._renew()
            raise
        finally:
            self.last_code = result
            self._observer(operation, result, self._clock.ticks() - started)
        date = next((value for name, value in response.headers if name.lower() == b"date"), None)
        self._clock.moorcheh.observe(None if date is None else date.decode("latin-1"), started, answered)
        return Response(response.status, response.headers, body, self._shown)

    def _key(self) -> list[tuple[bytes, bytes]]:
        try:
            headers = self._credential.headers() if self._credential else {}
        except KeyFileError as error:
            raise _HeldBackError(str(error)) from error
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]

    def _shown(self, words: str) -> str:
        return self._credential.redact(words) if self._credential else words

    def _words(self, error: Exception) -> str:
        """With the host: "Name or service not known" names none."""
        if isinstance(error, _HeldBackError):
            return plain_text(self._shown(str(error)))
        said = str(error)
        if not said and isinstance(error, httpcore.TimeoutException | TimeoutError):
            said = "no answer in time"
        name = "" if isinstance(error, _BodyTooLargeError) else type(error).__name__
        words = ": ".join(word for word in (name, said) if word)
        return plain_text(self._shown(f"{words} ({self._base.netloc.decode('ascii', 'replace')})"))


async def _read(response: httpcore.Response, limit: int) -> bytes:
    """The raw bytes: no encoding was asked for, and a compressed body may unpack to far more than `limit`."""
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > limit:
            raise _BodyTooLargeError(f"the answer is larger than {limit} bytes")
    return bytes(body)
