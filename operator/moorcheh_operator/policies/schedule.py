"""When a policy runs: cron's five fields in a time zone.

A time that the clocks skip (daylight saving begins) comes right after the gap; one that they show twice comes
once, where its hour is not `*`. Pure, but for the time zones' files.
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
    found = _nearest(schedule, zone, minute, reverse=False)
    if found is None:
        raise ScheduleError("its time never comes")
    return found


@lru_cache(CACHED)
def _last_until(schedule: str, zone: str, minute: datetime) -> datetime | None:
    return _nearest(schedule, zone, minute, reverse=True)


def _nearest(schedule: str, zone: str, minute: datetime, *, reverse: bool) -> datetime | None:
    """Of the times after `minute`, or of those until then. The library walks the clock on the wall, which may
    be set by `FOLD` at most: so far beyond the first one that is found there may be a nearer one.
    """
    where, step = _zone(zone), -1 if reverse else 1
    try:
        wall = minute.astimezone(where).replace(tzinfo=None) - step * FOLD
    except OverflowError:  # the end of the calendar
        return None
    nearest: tuple[datetime, datetime] | None = None
    for shown, times in _times(schedule, where, wall, reverse=reverse):
        if nearest is not None and (shown - nearest[1]) * step > FOLD:
            break
        for time in times:
            wanted = time <= minute if reverse else time > minute
            if wanted and (nearest is None or (nearest[0] - time) * step > timedelta()):
                nearest = time, shown
    return nearest[0] if nearest else None


def _times(
    schedule: str, zone: zoneinfo.ZoneInfo, wall: datetime, *, reverse: bool
) -> Iterator[tuple[datetime, list[datetime]]]:
    """What the clock on the wall shows, and when that is."""
    fields = MACROS.get(schedule.strip().lower(), schedule).split()
    if len(fields) != FIELDS:
        raise ScheduleError("it does not have five fields")
    try:
        times = CronSim(" ".join(fields), wall, reverse)
    except CronSimError as error:
        words = str(error).replace("Bad ", "its ") + " can't be read"
        never = " or never comes" if "day-of-month" in words else ""  # 30 February
        raise ScheduleError(words + never) from error
    try:
        for shown in times:
            yield shown, _instants(shown, zone, every_hour=fields[1] == "*")
    except OverflowError:  # the end of the calendar
        return


def _instants(shown: datetime, zone: zoneinfo.ZoneInfo, *, every_hour: bool) -> list[datetime]:
    first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:  # never shown: the clock is set forward between the two
        after = first.astimezone(zone).utcoffset()
        while second.astimezone(zone).utcoffset() != after:
            second += timedelta(minutes=1)
        return [second]
    return [first, second] if every_hour else [first]


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise TimeZoneError("there is no such time zone") from error
