"""As whom the API server is spoken to. What it refuses, or what has expired, is obtained anew: tokens and
certificates are rotated.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp

from moorcheh_operator.clock import Clock

RENEW_SECONDS = 5.0  # between two times that what is refused is obtained anew
REFUSED_MOST = 40.0  # seconds without a call of that kind that was let through
REFUSED_GAP = 30.0  # seconds from one refusal to the next: longer is new trouble
QUIET_SECONDS = 10.0  # after trouble that is over, before new trouble is worth a line

logger = logging.getLogger(__name__)


class CredentialError(aiohttp.ClientConnectionError):
    """There is none to be had now: for the caller, and for kopf, a connection that could not be made."""


@dataclass(frozen=True, slots=True)
class Credential:
    authorization: str | None = field(default=None, repr=False)  # the header's value
    tls: ssl.SSLContext | bool = True
    """With the client's certificate, if that is what it shows. Another certificate is another context, as a
    connection keeps the one that it was made with."""
    expires: datetime | None = None


Obtain = Callable[[], Awaitable[Credential]]
"""Raises `CredentialError`."""


class Credentials:
    def __init__(self, origin: str, obtain: Obtain, clock: Clock, *, costly: bool = False) -> None:
        """`origin`: whose they are, for a person. `costly`: kept until they expire or are refused; otherwise
        obtained for each call, and the last ones are kept where that fails.
        """
        self.origin = origin
        self._obtain = obtain
        self._clock = clock
        self._costly = costly
        self._held: Credential | None = None
        self._obtained = float("-inf")  # ticks
        self._obtaining: asyncio.Task[Credential] | None = None

    async def current(self) -> Credential:
        held = self._held
        if not self._costly:
            try:
                return await self._obtain_one()
            except CredentialError:
                if held is None:
                    raise
                return held
        if held is None or (held.expires is not None and held.expires <= self._clock.now().time):
            return await self._anew()
        return held

    async def other_than(self, refused: Credential) -> Credential | None:
        """After a 401. None: there is no other now."""
        if not self._costly:
            await self.current()
        elif self._held is refused:
            under_way = self._obtaining is not None and not self._obtaining.done()
            if under_way or self._clock.ticks() - self._obtained >= RENEW_SECONDS:
                await self._anew()
        return None if self._held == refused else self._held

    async def _anew(self) -> Credential:
        """One at a time, for all who ask; it goes on where one of them gives up."""
        if self._obtaining is None or self._obtaining.done():
            self._obtained = self._clock.ticks()
            self._obtaining = asyncio.create_task(self._obtain_one(), name="credentials")
            self._obtaining.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._obtaining)

    async def _obtain_one(self) -> Credential:
        self._held = await self._obtain()
        return self._held


def token_in(path: Path, tls: ssl.SSLContext | bool) -> Obtain:
    """A file is read for each call: whoever rotates it tells nobody."""

    async def obtain() -> Credential:
        try:
            token = path.read_text().strip()  # noqa: ASYNC240 - a line of a local file
        except (OSError, ValueError) as error:
            raise CredentialError(f"the token in {path} can't be read: {error}") from error
        if not token:
            raise CredentialError(f"the token in {path} can't be read: the file is empty")
        return Credential(f"Bearer {token}", tls)

    return obtain


@dataclass(slots=True)
class _Trouble:
    first: float  # ticks
    last: float


class Refusals:
    """Whether the API server takes the credentials, by kind of call: a watch that goes on says nothing of the
    writes. A line when that ends and one when it is over; `given_up` is called once it has lasted too long.
    """

    def __init__(self, credentials: Credentials, url: str, ticks: Callable[[], float]) -> None:
        self.given_up: Callable[[], None] = lambda: None
        self.words: str | None = None
        """Why it was given up; None: it was not."""
        self._credentials = credentials
        self._url = url
        self._ticks = ticks
        self._troubles: dict[str, _Trouble] = {}
        self._told = False
        self._quiet_until = float("-inf")  # ticks

    def refused(self, call: str, words: str) -> None:
        """`call`: its kind, such as `PATCH namespacedeletions`."""
        now = self._ticks()
        self._drop_old(now)
        trouble = self._troubles.setdefault(call, _Trouble(now, now))
        trouble.last = now
        if not self._told and now >= self._quiet_until:
            self._told = True
            logger.warning(
                "the API server at %s does not take %s (%s: %s); it is obtained anew and tried again, and "
                "the operator ends where that does not help within %.0f s",
                self._url,
                self._credentials.origin,
                call,
                words,
                REFUSED_MOST,
            )
        if self.words is None and now - trouble.first >= REFUSED_MOST:
            self.words = (
                f"the API server at {self._url} does not take {self._credentials.origin} "
                f"({call}: {words}, for {now - trouble.first:.0f} s): it is wrong, has expired, or is "
                "another cluster's; put a good one there, and start the operator again"
            )
            self.given_up()

    @property
    def any(self) -> bool:
        return bool(self._troubles)

    def taken(self, call: str) -> None:
        self._troubles.pop(call, None)
        now = self._ticks()
        self._drop_old(now)
        if not self._troubles and self._told:
            self._told, self._quiet_until = False, now + QUIET_SECONDS
            logger.info("the API server at %s takes %s again", self._url, self._credentials.origin)

    def _drop_old(self, now: float) -> None:
        self._troubles = {
            call: each for call, each in self._troubles.items() if now - each.last < REFUSED_GAP
        }
