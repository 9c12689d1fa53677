"""When a policy runs: cron's five fields in a time zone.

A time that the clocks skip (daylight saving begins) comes right after the gap, one that they show twice comes
once. Pure, but for the time zones' files.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = 5
FOLD = timedelta(hours=3)  # more than clocks are ever set back for daylight saving
CACHED = 4096


class ScheduleError(ValueError):
    """It can't be read, or its time never comes: why, in words."""


class TimeZoneError(ValueError):
    """There is no such time zone."""


def next_after(schedule: str, zone: str, time: datetime) -> datetime:
    """The first of its times after `time`, in UTC. Raises `ScheduleError`, `TimeZoneError`."""
    return _next_after(schedule, zone, time.replace(second=0, microsecond=0))


def last_until(schedule: str, zone: str, time: datetime) -> datetime | None:
    """The last of its times that is not after `time`; None: there was none in 50 years."""
    return _last_until(schedule, zone, time.replace(second=0, microsecond=0))


@lru_cache(CACHED)
def _next_after(schedule: str, zone: str, minute: datetime) -> datetime:
    for time in _times(schedule, minute.astimezone(_zone(zone)), reverse=False):
        if time > minute:  # a time of an hour that the clocks show twice may have passed
            return time
    raise ScheduleError("its time never comes")


@lru_cache(CACHED)
def _last_until(schedule: str, zone: str, minute: datetime) -> datetime | None:
    start = (minute + FOLD).astimezone(_zone(zone))
    return next((time for time in _times(schedule, start, reverse=True) if time <= minute), None)


def _times(schedule: str, start: datetime, *, reverse: bool) -> Iterator[datetime]:
    fields = MACROS.get(schedule.strip().lower(), schedule)
    if len(fields.split()) != FIELDS:
        raise ScheduleError("it does not have five fields")
    try:
        times = CronSim(fields, start, reverse)
    except CronSimError as error:
        raise ScheduleError(str(error).replace("Bad ", "its ") + " can't be read") from error
    try:
        for time in times:
            yield time.astimezone(UTC)
    except OverflowError:  # the end of the calendar
        return


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise TimeZoneError("there is no such time zone") from error
