"""Job slots: how many deletion jobs may run at the server at once."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from datetime import datetime

Seniority = tuple[datetime, str]


class Slots:
    """First come by seniority: a free slot goes to the oldest request that asked for one.

    `limit` 0 means no limit. A job that already runs (found after a restart) takes its slot unasked.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used: set[str] = set()
        self._queue: list[Seniority] = []
        self._wake: dict[Seniority, Callable[[], None]] = {}  # of those in the queue

    @property
    def limit(self) -> int:
        return self._limit

    def resize(self, limit: int) -> None:
        """Those that are in use stay so; whoever waits is woken where there is room now."""
        self._limit = limit
        for seniority in self._queue[: max(limit - len(self._used), 0) if limit else None]:
            self._wake[seniority]()

    @property
    def used(self) -> int:
        return len(self._used)

    def take(self, seniority: Seniority, wake: Callable[[], None]) -> bool:
        """False: none is free; `wake` is called when it may try again, which it does by itself."""
        _, uid = seniority
        ahead = bisect.bisect_left(self._queue, seniority)
        if uid in self._used or not self._limit or ahead < self._limit - len(self._used):
            self._leave_queue(seniority)
            self._used.add(uid)
            return True
        if self._queue[ahead : ahead + 1] != [seniority]:
            self._queue.insert(ahead, seniority)
        self._wake[seniority] = wake
        return False

    def occupy(self, uid: str) -> None:
        self._used.add(uid)

    def release(self, seniority: Seniority) -> None:
        """Gives back the slot, or the place in the queue; nothing happens to one that has neither.

        One that leaves the queue may have been woken for a free slot, so the next one is woken as well.
        """
        if not self._leave_queue(seniority) and seniority[1] not in self._used:
            return
        self._used.discard(seniority[1])
        for waiting in self._queue[: max(self._limit - len(self._used), 0)]:
            self._wake[waiting]()

    def _leave_queue(self, seniority: Seniority) -> bool:
        place = bisect.bisect_left(self._queue, seniority)
        stood = self._queue[place : place + 1] == [seniority]
        if stood:
            del self._queue[place], self._wake[seniority]
        return stood
