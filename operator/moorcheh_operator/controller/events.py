"""Kubernetes Events, posted beside the work: they are for people, never a source of truth.

Nothing waits for one, and one that can't be posted is dropped with a log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from moorcheh_operator.api.request import Request
from moorcheh_operator.cluster.client import Cluster, ClusterError, NamespaceGoneError
from moorcheh_operator.lifecycle.announcements import Announcement, log_names

QUEUED = 10_000  # Events that wait to be posted; more are dropped
POSTERS = 4  # at the same time

logger = logging.getLogger(__name__)


class Events:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._queue: asyncio.Queue[tuple[Request, Announcement]] = asyncio.Queue(QUEUED)
        self._dropping = False
        self._posters: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._posters = [asyncio.create_task(self._post(), name="events") for _ in range(POSTERS)]

    def announce(self, request: Request, news: Announcement) -> None:
        try:
            self._queue.put_nowait((request, news))
        except asyncio.QueueFull:
            if not self._dropping:
                logger.warning(
                    "Events are dropped, as %d wait to be posted", QUEUED, extra=log_names(request)
                )
            self._dropping = True
        else:
            self._dropping = False

    async def drain(self, seconds: float) -> None:
        """Post what waits, for `seconds` at most, then stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._queue.join()
        for task in self._posters:
            task.cancel()

    async def _post(self) -> None:
        while True:
            request, news = await self._queue.get()
            try:
                await self._cluster.post_event(request, news.type, news.reason, news.message, news.count)
            except NamespaceGoneError as error:
                # For a hundred requests that end with their namespace it would read like a missing right.
                logger.debug("an Event is not taken any more: %s", error, extra=log_names(request))
            except ClusterError as error:
                logger.warning("the Event %s is dropped: %s", news.reason, error, extra=log_names(request))
            except Exception:
                logger.exception("unexpected error with the Event %s", news.reason, extra=log_names(request))
            finally:
                self._queue.task_done()
