"""How fast items go, and how long the rest will take. Pure: the ticks come in as an argument."""

from __future__ import annotations

from collections import deque

from moorcheh_operator.api.status import Job
from moorcheh_operator.api.times import parse_time

REPORTS = 8  # the newest ones count
GUESSED_SECONDS = 15.0  # how long after a report its rate is believed: polls are at most 10 s apart


class Rate:
    """A report reaches the request's status some seconds late, by no fixed time. So where the server's own
    times can be read, they tell how far two reports are apart, and the one that came soonest tells what
    their clock reads in our ticks.
    """

    def __init__(self) -> None:
        self._job: str | None = None
        self._reports: deque[tuple[float, int]] = deque(maxlen=REPORTS)  # server's seconds or ticks, removed
        self._offset: float | None = None  # from the server's seconds to ticks, at most

    def note(self, job: Job, ticks: float) -> None:
        """What a look showed; looks between two reports show the same and teach nothing."""
        removed = job.deleted_items
        if removed is None:
            return
        if job.id != self._job or (self._reports and removed < self._reports[-1][1]):
            self._job, self._offset = job.id, None
            self._reports.clear()
            if (began := parse_time(job.start_time)) is not None and removed > 0:
                self._reports.append((began.timestamp(), 0))
        if self._reports and removed <= self._reports[-1][1]:
            return
        updated = parse_time(job.update_time)
        at = ticks if updated is None or parse_time(job.start_time) is None else updated.timestamp()
        delay = ticks - at
        self._offset = delay if self._offset is None else min(self._offset, delay)
        self._reports.append((at, removed))

    @property
    def per_second(self) -> float | None:
        """Items a second over the newest reports."""
        if len(self._reports) < 2:
            return None
        (began, first), (ended, last) = self._reports[0], self._reports[-1]
        return (last - first) / (ended - began) if ended > began else None

    def left(self, total: int | None, ticks: float) -> float | None:
        """Seconds until the end, at this rate."""
        rate = self.per_second
        if total is None or not rate or self._offset is None:
            return None
        reported, removed = self._reports[-1]
        return max((total - removed) / rate - (ticks - self._offset - reported), 0.0)

    def guess(self, removed: int, total: int | None, ticks: float) -> int:
        """How many are gone by now, if it went on as it was; never all of them before that is reported."""
        rate = self.per_second
        if total is None or not rate or self._offset is None or removed >= total:
            return removed
        reported, at_report = self._reports[-1]
        since = min(ticks - self._offset - reported, GUESSED_SECONDS)
        return max(min(int(at_report + rate * since), total - 1), removed)
