"""Time, read in one place: a monotonic clock for waits, the API server's clock for what is recorded.

`Now` is what the rest of the program is given. Its `time` follows the API server's `Date` headers on top of
the monotonic clock, so a wrong or jumping wall clock of this machine ends nothing early and two operators
agree on when a request started (docs/safety.md, rules 8 and 12).
"""

from __future__ import annotations

import copy
import functools
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from msgspec import Struct

RESOLUTION = timedelta(seconds=1)  # of a `Date` header (RFC 9110, section 5.6.7)
PLAUSIBLE_YEARS = range(1970, 2200)  # a clock that was never set shows 1970; sums with year 9999 overflow


class Now(Struct, frozen=True):
    time: datetime  # UTC, the API server's clock
    ticks: float  # seconds, monotonic, meaningful only within this process


@functools.lru_cache(maxsize=16)  # all answers of a second have the same
def _date(header: str) -> datetime | None:
    """UTC; None where it is no date, or not one of our days."""
    try:
        time = parsedate_to_datetime(header)
        # Without a zone (`-0000`) it is UTC too, not this machine's time.
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time.year in PLAUSIBLE_YEARS else None


class RemoteClock:
    """How far a server's clock is from our monotonic one, learned from the `Date` of its answers.

    An answer's `Date` was made between sending the request and receiving the answer, and is cut to whole
    seconds. Each sample so bounds the truth from both sides; the estimate is moved only as far as it must,
    so neither rounding nor an answer that was long under way shifts it.
    """

    def __init__(self) -> None:
        self.epoch: datetime | None = None  # the server's time at tick 0

    def observe(self, date: str | None, sent: float, received: float) -> None:
        """`sent` and `received` are ticks. A header that is missing or no date teaches nothing."""
        if date is None or (time := _date(date)) is None:
            return
        earliest = time - timedelta(seconds=received)
        latest = time + RESOLUTION - timedelta(seconds=sent)
        self.epoch = earliest if self.epoch is None else min(max(self.epoch, earliest), latest)


def _monotonic() -> float:
    """Seconds. Where there is such a clock, one that goes on while the machine sleeps: what was looked up or
    claimed before a sleep is old after it (docs/safety.md, rules 3 and 8).
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Clock:
    """The process' only clock. Both readings can be replaced, for a test's fake time."""

    def __init__(
        self,
        monotonic: Callable[[], float] = _monotonic,
        wall: Callable[[], float] = time.time,  # noqa: TID251 - the one place that reads it
    ) -> None:
        self.ticks = monotonic
        self.cluster = RemoteClock()
        self.moorcheh = RemoteClock()
        self._own_epoch = datetime.fromtimestamp(wall(), UTC) - timedelta(seconds=monotonic())

    def for_another_server(self) -> Clock:
        """The same clock, with another Moorcheh's time."""
        other = copy.copy(self)
        other.moorcheh = RemoteClock()
        return other

    def now(self) -> Now:
        ticks = self.ticks()
        return Now((self.cluster.epoch or self._own_epoch) + timedelta(seconds=ticks), ticks)

    def skew(self) -> timedelta:
        """What to add to one of Moorcheh's times to get the cluster's; zero where either told no time."""
        if self.cluster.epoch is None or self.moorcheh.epoch is None:
            return timedelta()
        return self.cluster.epoch - self.moorcheh.epoch
