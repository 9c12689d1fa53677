"""The calls of one Moorcheh server: connections to send through, and one shared look-up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from moorcheh_operator.clock import Clock
from moorcheh_operator.shared_call import SharedCall

from .answers import LookUpAnswer, PollAnswer
from .connection import Connection, Observer, trusting
from .credentials import Credential
from .health import Health
from .pool import Pool

DELETE_CONNECTIONS = 16  # requests at the same time, each from its look-up to the DELETE's answer
# Not shared with DELETEs: a job's end must not wait behind a thousand starts. The look-up has its own, too.
POLL_CONNECTIONS = 8
LISTING_REST = 0.25  # seconds: the pause after a listing is as long as it took, and at most this


class Moorcheh:
    """The server: connections to send through, and one shared look-up."""

    def __init__(
        self,
        new_connection: Callable[[], Connection],
        clock: Clock,
        delete_connections: int = DELETE_CONNECTIONS,
        poll_connections: int = POLL_CONNECTIONS,
        health: Health | None = None,
    ) -> None:
        self.health = health
        self._deletes = Pool([new_connection() for _ in range(delete_connections)])
        self._polls = Pool([new_connection() for _ in range(poll_connections)])
        self._lookup_connection = new_connection()
        self._clock = clock
        self._rest_until = 0.0  # ticks
        self._listing = SharedCall(self._list, "listing", lambda: self._rest_until - clock.ticks())

    @classmethod
    def at(
        cls,
        base_url: str,
        timeout: float,
        clock: Clock,
        observer: Observer = lambda *_: None,
        credential: Credential | None = None,
        authorities: str | None = None,
        name: str = "",
    ) -> Moorcheh:
        """`timeout`: seconds for one answer. `authorities`: PEM of the CAs that are trusted for it; None: the
        usual ones. Raises what httpx and ssl raise for those that can't be used, and `ValueError`.
        """
        url = httpx.URL(base_url)
        tls = trusting(authorities)  # one for all: reading the CAs takes a while
        health = Health(f"{name} at {base_url}".strip(), clock.ticks)
        return cls(
            lambda: Connection(url, timeout, clock, observer, tls, credential, health), clock, health=health
        )

    async def aclose(self) -> None:
        listings = self._listing.tasks
        for task in listings:
            task.cancel()
        await asyncio.gather(*listings, return_exceptions=True)
        for connection in (*self._deletes.all, *self._polls.all, self._lookup_connection):
            await connection.aclose()

    async def retire(self) -> None:
        """Close once every call under way has its answer. Nobody may begin another."""
        await self._deletes.until_unused()
        await self._polls.until_unused()
        if listings := self._listing.tasks:
            await asyncio.wait(listings)
        await self.aclose()

    async def acquire(self) -> Connection:
        """A connection for a DELETE, to be held from before the look-up until the answer."""
        return await self._deletes.acquire()

    def release(self, connection: Connection) -> None:
        self._deletes.release(connection)

    async def job(self, name: str, job_id: str) -> PollAnswer:
        connection = await self._polls.acquire()
        try:
            return await connection.job(name, job_id)
        finally:
            self._polls.release(connection)

    async def look_up(self) -> tuple[float, LookUpAnswer, float]:
        """A listing that starts after this call: (ticks when it was asked for, answer, ticks when it came).

        It is shared, and between two there is a pause: 2,000 requests do not mean 2,000 listings.
        """
        return await self._listing.ask()

    async def _list(self) -> tuple[float, LookUpAnswer, float]:
        started = self._clock.ticks()
        answer = await self._lookup_connection.listing()
        answered = self._clock.ticks()
        self._rest_until = answered + min(answered - started, LISTING_REST)
        return started, answer, answered
