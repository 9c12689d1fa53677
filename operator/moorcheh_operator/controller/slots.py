"""Job slots: how many deletion jobs may run at the server at once."""

from __future__ import annotations

import bisect
import heapq
from collections import Counter
from collections.abc import Callable

from moorcheh_operator.api.request import Seniority


class Slots:
    """A free slot goes to the Kubernetes namespace that uses the fewest, and there to the oldest request that
    asked for one. So one with thousands of requests keeps another's waiting for the next free slot at most.

    `limit` 0 means no limit. A job that already runs (found after a restart) takes its slot unasked.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used: dict[str, str] = {}  # the Kubernetes namespace by uid
        self._queues: dict[str, list[Seniority]] = {}  # by Kubernetes namespace, the oldest first
        self._wake: dict[Seniority, Callable[[], None]] = {}  # of those in a queue

    @property
    def limit(self) -> int:
        return self._limit

    def resize(self, limit: int) -> None:
        """Those that are in use stay so; whoever waits is woken where there is room now."""
        self._limit = limit
        self._wake_next()

    @property
    def used(self) -> int:
        return len(self._used)

    def take(self, seniority: Seniority, namespace: str, wake: Callable[[], None]) -> bool:
        """False: none is free; `wake` is called when it may try again, which it does by itself."""
        _, uid = seniority
        self._enter(seniority, namespace, wake)
        if uid in self._used or not self._limit or seniority in self._next():
            self._leave(seniority, namespace)
            self._used[uid] = namespace
            return True
        return False

    def occupy(self, uid: str, namespace: str) -> None:
        self._used[uid] = namespace

    def release(self, seniority: Seniority, namespace: str) -> None:
        """Gives back the slot, or the place in the queue; nothing happens to one that has neither.

        One that leaves the queue may have been woken for a free slot, so the next one is woken as well.
        """
        left = self._leave(seniority, namespace)
        if self._used.pop(seniority[1], None) is not None or left:
            self._wake_next()

    def _next(self) -> list[Seniority]:
        """For whom the free slots are; with no limit, everybody who waits."""
        used = Counter(self._used.values())
        free = self._limit - len(self._used) if self._limit else len(self._wake)
        heads = [(used[namespace], queue[0], namespace, 0) for namespace, queue in self._queues.items()]
        heapq.heapify(heads)
        chosen: list[Seniority] = []
        while heads and len(chosen) < free:
            count, seniority, namespace, place = heapq.heappop(heads)
            chosen.append(seniority)
            if len(queue := self._queues[namespace]) > place + 1:
                heapq.heappush(heads, (count + 1, queue[place + 1], namespace, place + 1))
        return chosen

    def _wake_next(self) -> None:
        for seniority in self._next():
            self._wake[seniority]()

    def _enter(self, seniority: Seniority, namespace: str, wake: Callable[[], None]) -> None:
        if seniority not in self._wake:
            bisect.insort(self._queues.setdefault(namespace, []), seniority)
        self._wake[seniority] = wake

    def _leave(self, seniority: Seniority, namespace: str) -> bool:
        if self._wake.pop(seniority, None) is None:
            return False
        queue = self._queues[namespace]
        del queue[bisect.bisect_left(queue, seniority)]
        if not queue:
            del self._queues[namespace]
        return True
