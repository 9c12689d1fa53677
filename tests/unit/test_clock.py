"""Time: what waits is monotonic, what is recorded follows the API server's clock."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from moorcheh_operator.clock import Clock, RemoteClock

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEADER = "Mon, 23 Nov 2026 12:00:00 GMT"


class Ticks:
    def __init__(self, at: float = 100.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def test_before_any_answer_it_is_this_machine_s_time() -> None:
    clock = Clock(Ticks(), wall=NOON.timestamp)

    assert clock.now().time == NOON
    assert clock.now().ticks == 100.0


def test_a_wall_clock_that_jumps_changes_nothing() -> None:
    ticks, wall = Ticks(), [NOON.timestamp()]
    clock = Clock(ticks, wall=lambda: wall[0])
    wall[0] += 3600
    ticks.at += 5

    assert clock.now().time == NOON + timedelta(seconds=5)


def test_an_hour_s_error_of_this_machine_ends_with_the_first_answer() -> None:
    clock = Clock(Ticks(), wall=lambda: NOON.timestamp() + 3600)
    clock.cluster.observe(HEADER, 100.0, 100.0)

    assert clock.now().time == NOON


def test_between_answers_the_time_goes_on() -> None:
    ticks = Ticks()
    clock = Clock(ticks)
    clock.cluster.observe(HEADER, 100.0, 100.0)
    ticks.at += 90

    assert clock.now().time == NOON + timedelta(seconds=90)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "yesterday",
        "2026-11-23T12:00:00Z",
        "Mon, 99 Nov 2026 12:00:00 GMT",
        "Mon, 23 Nov 99999 12:00:00 GMT",
        "Mon, 23 Nov 2026 99:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "\x00",
    ],
)
def test_a_header_that_is_no_date_teaches_nothing(header: str | None) -> None:
    clock = RemoteClock()
    clock.observe(header, 100.0, 100.0)

    assert clock.epoch is None


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", "UTC", ""])
def test_a_date_without_a_zone_is_utc(zone: str) -> None:
    """Whatever this machine's own zone is."""
    clock = RemoteClock()
    clock.observe(f"Mon, 23 Nov 2026 12:00:00 {zone}".strip(), 100.0, 100.0)

    assert clock.epoch == NOON - timedelta(seconds=100)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a clock that counts a sleep")
def test_a_machine_that_slept_knows_that_time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answers are those of a machine that ran for 100 s and slept for a day: by one that never
    slept nobody could tell its clocks apart.
    """
    if sys.platform == "linux":  # for mypy, elsewhere
        read = {time.CLOCK_BOOTTIME: 86_500.0, time.CLOCK_MONOTONIC: 100.0}
        monkeypatch.setattr(time, "clock_gettime", read.__getitem__)

    assert Clock().ticks() == 86_500.0


def test_the_rounding_of_a_date_does_not_shift_a_clock_that_is_known() -> None:
    clock = RemoteClock()
    clock.observe(HEADER, 100.0, 100.0)
    clock.observe(HEADER, 100.9, 100.9)

    assert clock.epoch == NOON - timedelta(seconds=100)


def test_skew_is_what_moorcheh_s_clock_lacks() -> None:
    clock = Clock(Ticks())
    clock.cluster.observe(HEADER, 100.0, 100.0)
    clock.moorcheh.observe("Mon, 23 Nov 2026 11:00:00 GMT", 100.0, 100.0)

    assert clock.skew() == timedelta(hours=1)


@pytest.mark.parametrize("known", ["cluster", "moorcheh", "neither"])
def test_without_both_clocks_they_are_taken_as_equal(known: str) -> None:
    clock = Clock(Ticks())
    if known != "neither":
        getattr(clock, known).observe(HEADER, 100.0, 100.0)

    assert clock.skew() == timedelta()


def test_a_slow_answer_does_not_shift_a_clock_that_is_known() -> None:
    clock = RemoteClock()
    clock.observe(HEADER, 100.0, 100.0)
    clock.observe("Mon, 23 Nov 2026 12:00:20 GMT", 101.0, 131.0)

    assert clock.epoch == NOON - timedelta(seconds=100)


def test_a_server_s_clock_that_is_set_back_is_followed() -> None:
    clock = RemoteClock()
    clock.observe(HEADER, 100.0, 100.0)
    clock.observe("Mon, 23 Nov 2026 11:00:10 GMT", 110.0, 110.0)

    assert clock.epoch is not None
    assert abs(
        clock.epoch + timedelta(seconds=110) - (NOON - timedelta(minutes=59, seconds=50))
    ) <= timedelta(seconds=1)


def test_a_server_s_clock_that_is_set_is_followed() -> None:
    clock = RemoteClock()
    clock.observe(HEADER, 100.0, 100.0)
    clock.observe("Mon, 23 Nov 2026 14:00:10 GMT", 110.0, 110.0)

    assert clock.epoch is not None
    assert abs(clock.epoch + timedelta(seconds=110) - (NOON + timedelta(hours=2, seconds=10))) <= timedelta(
        seconds=1
    )


delays = some.floats(0, 30, allow_nan=False)


@given(
    some.floats(0, 1), some.lists(some.tuples(some.floats(0.1, 100), delays, delays), min_size=1, max_size=20)
)
def test_the_estimate_is_never_off_by_more_than_the_best_answer_allows(
    fraction: float, answers: list[tuple[float, float, float]]
) -> None:
    """An answer that took `there` and `back` seconds can't tell more than that, and a second for rounding."""
    truth = NOON + timedelta(seconds=fraction)  # the server's time at tick 0
    clock, ticks, best = RemoteClock(), 0.0, float("inf")
    for pause, there, back in answers:
        sent = ticks + pause
        made = sent + there
        ticks = made + back
        header = format_datetime((truth + timedelta(seconds=made)).replace(microsecond=0), usegmt=True)
        clock.observe(header, sent, ticks)
        best = min(best, there + back)
        assert clock.epoch is not None
        assert abs((clock.epoch - truth).total_seconds()) <= best + 1.001
