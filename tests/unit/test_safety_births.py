"""Creation times that can't tell one incarnation from the next count as missing; no date breaks a sum."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorcheh_operator.api.status import Phase, Reason, Target
from moorcheh_operator.clock import Clock, RemoteClock
from moorcheh_operator.lifecycle.facts import Look
from moorcheh_operator.lifecycle.guards import judge
from moorcheh_operator.lifecycle.incarnation import Incarnation, incarnation, is_dated
from moorcheh_operator.moorcheh.answers import Entry
from tests.unit.builders import NOW, a_request, ago, known

PLACEHOLDERS = (
    pytest.param("0001-01-01T00:00:00Z", id="a-zero-time"),
    pytest.param("1970-01-01T00:00:00Z", id="a-zero-epoch"),
    pytest.param("9999-12-31T23:59:59Z", id="the-end-of-time"),
    pytest.param("2026-11-23", id="a-day"),
    pytest.param("20261123", id="a-compact-day"),
    pytest.param("2026-W48-1", id="a-week"),
    pytest.param("2026-11-23T12", id="an-hour"),
    pytest.param("2026-11-23T12:00Z", id="a-minute"),
)


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_a_creation_time_that_many_incarnations_share_names_none(text: str) -> None:
    assert not is_dated(Target(True, 10, text))
    assert incarnation(Look(Entry(10, text), 1.0, 2.0), Target(True, 10, text)) is Incarnation.UNCLEAR


@pytest.mark.parametrize(
    "text",
    ["2026-11-20T12:00:00Z", "2026-11-20T12:00:00.120Z", "2026-11-20 12:00:00", "1980-01-01T00:00:00Z"],
)
def test_a_creation_time_to_the_second_names_an_incarnation(text: str) -> None:
    assert incarnation(Look(Entry(10, text), 1.0, 2.0), Target(True, 10, text)) is Incarnation.SAME


@pytest.mark.parametrize("text", PLACEHOLDERS)
@pytest.mark.parametrize("skew", [timedelta(), timedelta(days=-400), timedelta(days=400)])
def test_a_request_that_waited_does_not_trust_such_a_time(text: str, skew: timedelta) -> None:
    look = Look(Entry(10, text), ago(1), ago(1), skew)
    verdict = judge(a_request(Phase.PENDING), known(queued=True), look, NOW)

    assert verdict is not None
    assert verdict.reason == Reason.PRECONDITION_UNVERIFIABLE


@pytest.mark.parametrize(
    "date",
    ["Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 01 Jan 1950 00:00:00 GMT"],
)
def test_a_date_out_of_this_world_teaches_a_clock_nothing(date: str) -> None:
    clock = RemoteClock()
    clock.observe(date, 100.0, 100.5)

    assert clock.epoch is None


def test_a_server_that_tells_no_usable_date_counts_as_one_whose_clock_agrees() -> None:
    clock = Clock(lambda: 100.0)
    clock.cluster.observe("Mon, 23 Nov 2026 12:00:00 GMT", 100.0, 100.0)
    clock.moorcheh.observe("Fri, 31 Dec 9999 23:59:59 GMT", 100.0, 100.0)

    assert clock.skew() == timedelta()
