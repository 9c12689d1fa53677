"""Ended requests with a time to live: one heap and one task for all of them, however many there are.

An entry is no more than a key and a version. The DELETE names both the uid and the version, so it takes the
object just as it was when its time was reckoned, or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from moorcheh_operator.api.request import MalformedRequestError, Request
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError, Deleted
from moorcheh_operator.lifecycle.access import seen_at
from moorcheh_operator.lifecycle.announcements import Announcement
from moorcheh_operator.lifecycle.retention import expires_at, forbidden

LOOK_SECONDS = 60.0  # at the most until the clock is read again: the API server's may be set
BUSY_SECONDS = 10.0  # until one that has to be kept for another's sake is looked at again
FORBIDDEN_SECONDS = 600.0  # until a right that was missing is tried again
HEAP_SLACK = 100  # outdated entries that are not worth making the heap anew
FAILED_SECONDS = 10.0  # after a call that the API server did not answer, or not as it should
ELSEWHERE_SECONDS = 60.0  # until one that is another operator's is asked for again
REFUSED_SECONDS = 600.0  # until an object that the API server did not delete is tried again

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    due: datetime
    uid: str
    namespace: str
    name: str
    resource_version: str
    target: str
    server: str  # the URL that it was seen at, else the name
    server_name: str


class Expirations:
    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        may_act: Callable[[], bool],
        is_wanted: Callable[[str, str], bool],
        announce: Callable[[Request, Announcement], None],
        serves: Callable[[str], bool],
    ) -> None:
        """`is_wanted`: whether an unfinished request for this target, on this server, may need to know of the
        ended one. `serves`: whether requests for the server of this name are this operator's now.
        """
        self._cluster = cluster
        self._clock = clock
        self._may_act = may_act
        self._is_wanted = is_wanted
        self._announce = announce
        self._serves = serves
        self._entries: dict[str, Expiry] = {}  # by uid
        self._heap: list[Expiry] = []  # with outdated ones: only those in _entries count
        self._again: dict[str, datetime] = {}  # by namespace: when to try again
        self._told: set[str] = set()  # namespaces in which the right is missing
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, request: Request) -> None:
        """An ended request as it was last seen; one that is kept, or gone, is forgotten."""
        due = expires_at(request)
        if due is None:
            self._entries.pop(request.uid, None)
            return
        entry = Expiry(
            due,
            request.uid,
            request.namespace,
            request.name,
            request.resource_version,
            request.spec.namespace_name,
            seen_at(request) or request.spec.server,
            request.spec.server,
        )
        known = self._entries.get(request.uid)
        if known is None or known.resource_version != entry.resource_version:
            self._put(entry)

    def wake(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        while True:
            try:
                if (seconds := await self._next()) is not None:
                    await self._sleep(seconds)
            except Exception:
                logger.exception("unexpected error while deleting ended requests; it is tried again")
                await asyncio.sleep(FAILED_SECONDS)

    async def _next(self) -> float | None:
        """Deals with the entry that is due, if there is one. None: look again; else seconds until then."""
        while self._heap and self._entries.get(self._heap[0].uid) is not self._heap[0]:
            heapq.heappop(self._heap)
        if not self._heap or not self._may_act():
            return LOOK_SECONDS
        now = self._clock.now().time
        entry = self._heap[0]
        if entry.due > now:
            return (entry.due - now).total_seconds()
        again = self._again.get(entry.namespace, now)
        if again > now:
            self._postpone(entry, again)
        elif not self._serves(entry.server_name):
            self._postpone(entry, now + timedelta(seconds=ELSEWHERE_SECONDS))
        elif self._is_wanted(entry.server, entry.target):
            self._postpone(entry, now + timedelta(seconds=BUSY_SECONDS))
        else:
            await self._expire(entry, now)
            return None
        return 0.0  # thousands may be put off at once: others get their turn in between

    async def _expire(self, entry: Expiry, now: datetime) -> None:
        try:
            match await self._cluster.delete(entry.namespace, entry.name, entry.uid, entry.resource_version):
                case Deleted.GONE:
                    self._forget(entry)
                    self._again.pop(entry.namespace, None)
                    self._told.discard(entry.namespace)
                    logger.info(
                        "this ended request was deleted, as its time to live was over", extra=_names(entry)
                    )
                case Deleted.CHANGED:
                    seen = await self._read(entry)
                    if seen is not None and seen.resource_version == entry.resource_version:
                        self._postpone(entry, now + timedelta(seconds=FAILED_SECONDS))
                case Deleted.FORBIDDEN:
                    self._postpone(entry, now + timedelta(seconds=FORBIDDEN_SECONDS))
                    await self._tell_forbidden(entry, now)
        except (ClusterError, MalformedRequestError) as error:
            logger.warning(
                "this ended request could not be deleted after its time to live, which is tried again: %s",
                error,
                extra=_names(entry),
            )
            if isinstance(error, ClusterError) and error.status is None:
                self._postpone(entry, now + timedelta(seconds=FAILED_SECONDS))
                await asyncio.sleep(FAILED_SECONDS)
            else:  # perhaps it is about this object alone: it must not keep the others
                self._postpone(entry, now + timedelta(seconds=REFUSED_SECONDS))
                self._again[entry.namespace] = now + timedelta(seconds=FAILED_SECONDS)

    async def _read(self, entry: Expiry) -> Request | None:
        request = await self._cluster.read(entry.namespace, entry.name)
        if request is None or request.uid != entry.uid:
            self._forget(entry)
            return None
        self.note(request)
        return request

    async def _tell_forbidden(self, entry: Expiry, now: datetime) -> None:
        """Once for each namespace, in the log and as an Event on the first request that it is about."""
        self._again[entry.namespace] = now + timedelta(seconds=FORBIDDEN_SECONDS)
        if entry.namespace in self._told:
            return
        self._told.add(entry.namespace)
        words = forbidden(entry.namespace)
        logger.warning("%s: %s", words.reason, words.message, extra=_names(entry))
        if (request := await self._read(entry)) is not None:
            self._announce(request, words)

    def _put(self, entry: Expiry) -> None:
        self._entries[entry.uid] = entry
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self._entries) + HEAP_SLACK:
            self._heap = sorted(self._entries.values())
        self._changed.set()

    def _postpone(self, entry: Expiry, due: datetime) -> None:
        if self._entries.get(entry.uid) is entry:
            self._put(dataclasses.replace(entry, due=due))

    def _forget(self, entry: Expiry) -> None:
        if self._entries.get(entry.uid) is entry:
            del self._entries[entry.uid]

    async def _sleep(self, seconds: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, LOOK_SECONDS)):
                await self._changed.wait()


def _names(entry: Expiry) -> dict[str, object]:
    return {"request": f"{entry.namespace}/{entry.name}", "uid": entry.uid, "target": entry.target}
