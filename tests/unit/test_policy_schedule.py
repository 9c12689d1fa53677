"""When a policy runs. The tables were reckoned by hand, from when the clocks of a zone are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorcheh_operator.policies.schedule import ScheduleError, TimeZoneError, last_until, next_after
from tests.unit.policies import at

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"

NEXT = [
    pytest.param("0 3 * * *", "Etc/UTC", "2026-11-27T23:10", "2026-11-28T03:00", id="the-next-night"),
    pytest.param(
        "0 3 * * *", "Etc/UTC", "2026-11-28T03:00", "2026-11-29T03:00", id="not-the-same-time-again"
    ),
    pytest.param("@daily", "Etc/UTC", "2026-11-27T23:10", "2026-11-28T00:00", id="daily"),
    pytest.param("@Midnight", "Etc/UTC", "2026-11-27T23:10", "2026-11-28T00:00", id="midnight"),
    pytest.param("@hourly", "Etc/UTC", "2026-11-27T23:10", "2026-11-28T00:00", id="hourly"),
    pytest.param("@weekly", "Etc/UTC", "2026-11-27T23:10", "2026-11-29T00:00", id="weekly-is-sunday"),
    pytest.param("@monthly", "Etc/UTC", "2026-11-27T23:10", "2026-12-01T00:00", id="monthly"),
    pytest.param("@yearly", "Etc/UTC", "2026-11-27T23:10", "2027-01-01T00:00", id="yearly"),
    pytest.param("@annually", "Etc/UTC", "2026-11-27T23:10", "2027-01-01T00:00", id="annually"),
    pytest.param("*/15 8-9 * * mon-fri", "Etc/UTC", "2026-11-27T23:10", "2026-11-30T08:00", id="names"),
    pytest.param("0 0 13 * 5", "Etc/UTC", "2026-11-28T00:00", "2026-12-04T00:00", id="day-or-weekday"),
    pytest.param("0 0 29 2 *", "Etc/UTC", "2026-11-27T23:10", "2028-02-29T00:00", id="leap-day"),
    pytest.param("0 0 * * 7", "Etc/UTC", "2026-11-27T23:10", "2026-11-29T00:00", id="seven-is-sunday"),
    pytest.param("0 3 * * *", BERLIN, "2026-11-27T23:10", "2026-11-28T02:00", id="winter-in-berlin"),
    pytest.param("0 3 * * *", BERLIN, "2026-07-01T12:00", "2026-07-02T01:00", id="summer-in-berlin"),
    # Berlin: on 29 March 2026 at 01:00 UTC it is 03:00 after 01:59.
    pytest.param("30 2 * * *", BERLIN, "2026-03-28T12:00", "2026-03-29T01:00", id="skipped-comes-after-gap"),
    pytest.param("30 2 * * *", BERLIN, "2026-03-29T01:00", "2026-03-30T00:30", id="and-only-once"),
    pytest.param("0,30 2 * * *", BERLIN, "2026-03-29T01:00", "2026-03-30T00:00", id="two-skipped-are-one"),
    pytest.param("0 * * * *", BERLIN, "2026-03-29T00:00", "2026-03-29T01:00", id="hourly-over-the-gap"),
    # and on 25 October at 01:00 UTC it is 02:00 again, after 02:59.
    pytest.param("30 2 * * *", BERLIN, "2026-10-24T12:00", "2026-10-25T00:30", id="twice-is-the-first"),
    pytest.param("30 2 * * *", BERLIN, "2026-10-25T00:30", "2026-10-26T01:30", id="and-not-the-second"),
    pytest.param("30 2 * * *", BERLIN, "2026-10-25T01:10", "2026-10-26T01:30", id="asked-in-the-second-hour"),
    pytest.param("*/30 * * * *", BERLIN, "2026-10-25T00:30", "2026-10-25T01:00", id="each-half-hour-of-both"),
    pytest.param("0 1 * * *", NEW_YORK, "2026-11-01T04:00", "2026-11-01T05:00", id="new-york-the-first-one"),
    pytest.param("0 1 * * *", NEW_YORK, "2026-11-01T05:00", "2026-11-02T06:00", id="new-york-not-the-second"),
    # Lord Howe Island: half an hour, on 4 October 2026 at 15:30 UTC of the day before.
    pytest.param("15 2 * * *", LORD_HOWE, "2026-10-03T12:00", "2026-10-03T15:30", id="a-gap-of-half-an-hour"),
]
LAST = [
    pytest.param("0 3 * * *", "Etc/UTC", "2026-11-28T03:00", "2026-11-28T03:00", id="now"),
    pytest.param("0 3 * * *", "Etc/UTC", "2026-11-28T02:59", "2026-11-27T03:00", id="not-yet"),
    pytest.param("@yearly", "Etc/UTC", "2026-11-28T02:59", "2026-01-01T00:00", id="long-ago"),
    pytest.param("30 2 * * *", BERLIN, "2026-03-29T00:59", "2026-03-28T01:30", id="before-the-gap"),
    pytest.param("30 2 * * *", BERLIN, "2026-03-29T01:00", "2026-03-29T01:00", id="after-the-gap"),
    pytest.param("30 2 * * *", BERLIN, "2026-10-25T01:10", "2026-10-25T00:30", id="in-the-second-hour"),
    pytest.param("30 2 * * *", BERLIN, "2026-10-25T01:30", "2026-10-25T00:30", id="at-the-second-time"),
]


@pytest.mark.parametrize(("schedule", "zone", "time", "expected"), NEXT)
def test_the_next_time(schedule: str, zone: str, time: str, expected: str) -> None:
    assert next_after(schedule, zone, at(time) + timedelta(seconds=17)) == at(expected)


@pytest.mark.parametrize(("schedule", "zone", "time", "expected"), LAST)
def test_the_last_time(schedule: str, zone: str, time: str, expected: str) -> None:
    assert last_until(schedule, zone, at(time) + timedelta(seconds=17)) == at(expected)


@pytest.mark.parametrize(
    "schedule",
    ["", "* * * *", "* * * * * *", "61 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8",
     "nightly", "@reboot", "@every 5m", "TZ=UTC 0 0 * * *", "30-10 * * * *", "0 0 31 2 *", "*/0 * * * *",
     "0 0 30 2 *", "0 0 31 4,6 *", "-1 * * * *", "0 0 * * MONDAY", "1,,2 * * * *", "٣ * * * *",
     "1.5 * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(ScheduleError):
        next_after(schedule, "Etc/UTC", at("2026-11-27T23:10"))


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "Berlin",
        "Europe/Atlantis",
        "Europe",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe/Berlin ",
        "x\0",
    ],
)
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(TimeZoneError):
        next_after("0 3 * * *", zone, at("2026-11-27T23:10"))


def test_the_end_of_the_calendar_is_no_error_of_its_own() -> None:
    with pytest.raises(ScheduleError):
        next_after("0 0 1 1 *", "Etc/UTC", datetime(9999, 12, 31, 23, 59, tzinfo=UTC))


minutes = st.sampled_from(["0", "30", "*/20", "0,45", "5-10/5", "*"])
hours = st.sampled_from(["*", "2", "1-3", "*/6", "0,2", "23"])
days = st.sampled_from(["*", "1", "29,30", "*/2"])
weekdays = st.sampled_from(["*", "0", "1-5"])
near_a_change = st.sampled_from(
    [at(day) for day in ("2026-03-28T20:00", "2026-10-24T20:00", "2026-03-07T20:00", "2026-10-31T20:00",
                         "2026-10-03T06:00", "2026-04-04T06:00")]
)  # fmt: skip


@given(minutes, hours, days, weekdays, st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE]), near_a_change,
       st.integers(0, 24 * 60))  # fmt: skip
def test_forwards_and_backwards_are_the_same_times(
    minute: str, hour: str, day: str, weekday: str, zone: str, start: datetime, offset: int
) -> None:
    """From any minute around a change of the clocks: they grow, and the last one is where one came from."""
    schedule = f"{minute} {hour} {day} * {weekday}"
    times = [start]
    while times[-1] < start + timedelta(days=2) and len(times) < 120:
        times.append(next_after(schedule, zone, times[-1]))
    now = start + timedelta(minutes=offset)

    assert all(one < other for one, other in pairwise(times))
    passed = [time for time in times[1:] if time <= now]
    if passed and times[-1] > now:
        assert last_until(schedule, zone, now) == passed[-1]
    assert next_after(schedule, zone, now) > now
    if times[-1] > now:
        assert next_after(schedule, zone, now) == next(time for time in times if time > now)
