"""Which Events a life is worth."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import Spec
from moorcheh_operator.api.status import Attempt, Job, Phase, Reason, Status, Target
from moorcheh_operator.lifecycle.announcements import WAITS, announcement, long_wait
from moorcheh_operator.metrics import ENDS

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TARGET = Target(found=True, item_count=5, creation_time="2026-11-22T10:00:00Z")
NEW = Status()


def status(phase: Phase, reason: str, attempt: int = 0, *, dated: bool = True) -> Status:
    return Status(
        observed_generation=1,
        phase=phase,
        reason=reason,
        message=f"{reason}!",
        target=TARGET if dated else Target(found=True),
        attempt=Attempt(attempt, "id", START) if attempt else None,
        job=Job("job-1") if phase is Phase.RUNNING else None,
    )


def request(shown: Status) -> Request:
    return Request("ns", "docs", "uid", "1", 1, START, Spec("docs"), shown)


def told(*life: Status) -> list[tuple[str, str]]:
    """Type and reason of each Event of such a life."""
    news = [announcement(before, request(after)) for before, after in zip((NEW, *life), life, strict=False)]
    return [(each.type, each.reason) for each in news if each is not None]


def attempt(number: int) -> list[Status]:
    return [
        status(Phase.SUBMITTING, Reason.SUBMITTING, number),
        status(Phase.RUNNING, Reason.JOB_RUNNING, number),
    ]


def test_a_short_deletion_is_worth_two() -> None:
    life = [*attempt(1), status(Phase.SUCCEEDED, Reason.DELETION_COMPLETED, 1)]

    assert told(*life) == [("Normal", "Submitted"), ("Normal", "DeletionCompleted")]


def test_a_failed_one_tells_its_submission_each_retry_and_the_end() -> None:
    retrying = status(Phase.PENDING, Reason.RETRYING, 1)
    end = status(Phase.FAILED, Reason.BACKOFF_LIMIT_EXCEEDED, 3)
    life = [*attempt(1), retrying, *attempt(2), retrying, *attempt(3), end]

    assert told(*life) == [
        ("Normal", "Submitted"),
        ("Warning", "Retrying"),
        ("Warning", "Retrying"),
        ("Warning", "BackoffLimitExceeded"),
    ]


def test_all_retries_are_one_event_with_their_count() -> None:
    before = status(Phase.RUNNING, Reason.JOB_RUNNING, 3)
    news = announcement(before, request(status(Phase.PENDING, Reason.RETRYING, 3)))

    assert news is not None
    assert news.count == 3


def test_an_answer_that_was_lost_is_told_with_its_end() -> None:
    life = [
        status(Phase.SUBMITTING, Reason.SUBMITTING, 1),
        status(Phase.SUBMITTING, Reason.VERIFYING, 1),
        status(Phase.FAILED, Reason.OUTCOME_UNKNOWN, 1),
    ]

    assert told(*life) == [("Warning", "Verifying"), ("Warning", "OutcomeUnknown")]


def test_a_server_without_creation_times_is_no_news_of_each_request() -> None:
    life = [
        status(Phase.SUBMITTING, Reason.SUBMITTING, 1, dated=False),
        status(Phase.RUNNING, Reason.JOB_RUNNING, 1, dated=False),
    ]

    assert told(*life) == [("Normal", "Submitted")]


def test_progress_and_waits_that_just_began_are_not_told() -> None:
    waits = [status(Phase.PENDING, reason) for reason in WAITS if reason != Reason.POLL_FAILING]

    assert told(*waits) == []
    assert told(*attempt(1), status(Phase.RUNNING, Reason.JOB_RUNNING, 1)) == [("Normal", "Submitted")]


def test_every_end_is_told() -> None:
    for phase, reasons in ENDS.items():
        for reason in reasons:
            kind = "Normal" if phase is Phase.SUCCEEDED or reason is Reason.WITHDRAWN else "Warning"
            assert told(status(phase, reason)) == [(kind, reason)]


@pytest.mark.parametrize(("reason", "kind"), WAITS.items())
def test_a_wait_is_told_once_it_has_lasted_a_minute_or_ten_seconds_where_it_is_a_warning(
    reason: Reason, kind: str
) -> None:
    phase = Phase.RUNNING if reason is Reason.POLL_FAILING else Phase.PENDING
    waiting = request(status(phase, reason))
    lasted = {"Normal": 60.0, "Warning": 10.0}[kind]
    news = long_wait(waiting, lasted)

    assert long_wait(waiting, lasted - 0.1) is None
    assert news is not None
    assert (news.type, news.reason, news.message) == (kind, reason, f"{reason}!")


@pytest.mark.parametrize(
    "shown",
    [
        NEW,
        status(Phase.SUSPENDED, Reason.SUSPENDED),
        status(Phase.RUNNING, Reason.JOB_RUNNING, 1),
        status(Phase.PENDING, Reason.RETRYING, 1),
        status(Phase.FAILED, Reason.JOB_FAILED, 1),
        status(Phase.PENDING, "SomethingNew"),
    ],
    ids=lambda shown: str(shown.reason),
)
def test_what_is_no_wait_is_never_told_as_one(shown: Status) -> None:
    assert long_wait(request(shown), 1e9) is None
