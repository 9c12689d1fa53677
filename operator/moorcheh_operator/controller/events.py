"""Kubernetes Events, posted beside the work: they are for people, never a source of truth.

Nothing waits for one, and one that can't be posted is dropped with a log line.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from moorcheh_operator.api.policy import Policy
from moorcheh_operator.api.request import Request
from moorcheh_operator.cluster.client import Cluster, ClusterError, NamespaceGoneError
from moorcheh_operator.lifecycle.announcements import Announcement, log_names
from moorcheh_operator.policies.announcements import policy_names

QUEUED = 2_000  # Events of one Kubernetes namespace that wait to be posted; more are dropped
POSTERS = 4  # at the same time, for each namespace: one with thousands of Events keeps no other's back

About = Request | Policy

logger = logging.getLogger(__name__)


class Events:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: dict[str, deque[tuple[About, Announcement]]] = {}  # by Kubernetes namespace
        self._posters: dict[asyncio.Task[None], str] = {}  # for which of them
        self._dropping: set[str] = set()  # those of which some are dropped

    def announce(self, about: About, news: Announcement) -> None:
        namespace = about.namespace
        waiting = self._waiting.setdefault(namespace, deque())
        if len(waiting) >= QUEUED:
            if namespace not in self._dropping:
                words = (
                    "Events of this Kubernetes namespace are dropped, as %d wait to be posted; "
                    "the status of each object says the same"
                )
                logger.warning(words, QUEUED, extra=_names(about))
            self._dropping.add(namespace)
            return
        waiting.append((about, news))
        if list(self._posters.values()).count(namespace) < POSTERS:
            self._start(namespace)

    async def drain(self, seconds: float) -> None:
        """Post what waits, for `seconds` at most, then stop."""
        posters = list(self._posters)
        if posters:
            await asyncio.wait(posters, timeout=seconds)
        for poster in posters:
            poster.cancel()

    def _start(self, namespace: str) -> None:
        poster = asyncio.create_task(self._post(self._waiting[namespace]), name="events")
        self._posters[poster] = namespace
        poster.add_done_callback(self._ended)

    def _ended(self, poster: asyncio.Task[None]) -> None:
        namespace = self._posters.pop(poster)
        if self._waiting[namespace] and not poster.cancelled():
            self._start(namespace)  # announced after the last one had looked
        elif namespace not in self._posters.values():
            del self._waiting[namespace]
            self._dropping.discard(namespace)

    async def _post(self, waiting: deque[tuple[About, Announcement]]) -> None:
        while waiting:
            about, news = waiting.popleft()
            try:
                await self._cluster.post_event(about, news.type, news.reason, news.message, news.count)
            except NamespaceGoneError as error:
                # For a hundred requests that end with their namespace it would read like a missing right.
                logger.debug("an Event is not taken any more: %s", error, extra=_names(about))
            except ClusterError as error:
                logger.warning(
                    "the Event %s is dropped, the status says the same: %s",
                    news.reason,
                    error,
                    extra=_names(about),
                )
            except Exception:
                logger.exception("unexpected error with the Event %s", news.reason, extra=_names(about))


def _names(about: About) -> dict[str, object]:
    return log_names(about) if isinstance(about, Request) else policy_names(about)
