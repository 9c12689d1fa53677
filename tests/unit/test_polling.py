"""Polls adapt: a job that ends is noticed soon, and a long one costs few of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Attempt, Job, Phase
from moorcheh_operator.clock import Now
from moorcheh_operator.lifecycle.facts import Facts, Polled, Polls, after_poll
from moorcheh_operator.lifecycle.polling import job_lost, job_over, next_poll, reported
from moorcheh_operator.moorcheh.answers import JobReport, JobUnknown, PollAnswer, Unavailable
from tests.unit.builders import FAILED_JOB, JOB, MADE, NOW, a_request, ago, known

START = 1000.0  # tick at which the job starts and this process sees it
ROUND_TRIP = 0.02  # seconds

Progress = Callable[[float], "tuple[int | None, int | None]"]
"""(total, deleted) after a part of the run time, from 0 to 1."""


def linear(done: float) -> tuple[int, int]:
    return 10_000, int(10_000 * done)


def none(_: float) -> tuple[None, None]:
    return None, None


def stuck_at_zero(_: float) -> tuple[int, int]:
    return 10_000, 0


def slow_start(done: float) -> tuple[int, int]:
    return 10_000, int(10_000 * done**3)


def late_start(done: float) -> tuple[int, int]:
    """Half of the time goes before the first item does."""
    return 10_000, int(10_000 * max(2 * done - 1, 0))


def slow_end(done: float) -> tuple[int, int]:
    return 10_000, int(10_000 * (1 - (1 - done) ** 3))


def all_at_once(done: float) -> tuple[int, int]:
    """Everything is deleted early on; what follows shows no progress."""
    return 10_000, 10_000 if done > 0.1 else 0


def run(seconds: float, progress: Progress, request: Request) -> tuple[int, float]:
    """Polls that a job of so many seconds costs, and how late its end is noticed."""
    ticks, facts, polls = START, known(first_seen=START), 0
    while True:
        now = Now(MADE + timedelta(seconds=ticks - START), ticks)
        due = next_poll(request, facts, now)
        assert due > ticks, "a poll that is due again at once"
        ticks = due + ROUND_TRIP
        polls += 1
        done = min((due - START) / seconds, 1.0)
        state = "completed" if done >= 1 else "running"
        facts = after_poll(facts, JobReport(Job("job-1", state, *progress(done))), ticks)
        if state == "completed":
            return polls, due - START - seconds


def a_running(uid: str = "uid-1") -> Request:
    return a_request(Phase.RUNNING, uid=uid, attempt=Attempt(1, "attempt-1", MADE))


UIDS = [f"uid-{number}" for number in range(20)]
"""Polls are spread by uid: what is promised holds for each."""


@pytest.mark.parametrize(
    ("seconds", "most"),
    [
        pytest.param(2, 4, id="two-seconds"),
        pytest.param(60, 20, id="a-minute"),
        pytest.param(3600, 400, id="an-hour"),
    ],
)
def test_linear_progress_needs_few_polls_and_is_noticed_soon(seconds: float, most: int) -> None:
    for uid in UIDS:
        polls, late = run(seconds, linear, a_running(uid))

        assert polls <= most
        assert late <= min(max(0.10 * seconds, 0.1), 10.0)


def test_a_short_job_is_noticed_at_its_end() -> None:
    for uid in UIDS:
        polls, late = run(0.2, none, a_running(uid))

        assert polls == 1
        assert late < 0.01


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.5, 2, 10, 60, 600, 3600])
@pytest.mark.parametrize(
    ("progress", "part"),
    [
        pytest.param(none, 0.15, id="no-counts"),
        pytest.param(stuck_at_zero, 0.15, id="stuck-at-zero"),
        pytest.param(slow_end, 0.15, id="slow-end"),
        pytest.param(all_at_once, 0.15, id="all-at-once"),
        pytest.param(slow_start, 0.4, id="slow-start"),
        pytest.param(late_start, 0.4, id="late-start"),
    ],
)
def test_other_progress_is_noticed_soon_too(seconds: float, progress: Progress, part: float) -> None:
    """Where progress speeds up it misleads; by how much is bounded."""
    for uid in UIDS[:5]:
        polls, late = run(seconds, progress, a_running(uid))

        assert late <= min(max(part * seconds, 0.5), 10.0)
        assert polls <= 70 + seconds / 9


def test_progress_that_lies_does_not_delay_the_next_poll_for_long() -> None:
    """One of ten million at the first poll says that it takes weeks."""
    first = known(first_seen=ago(0.3), polled=Polled(JobReport(Job("job-1", "running", 10**7, 1)), ago(0)))

    assert next_poll(a_running(), first, Now(MADE, NOW.ticks)) <= NOW.ticks + (0.75 * 0.3 + 0.55) * 1.05


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(Job("job-1", "running", 5, 10), id="more-than-all"),
        pytest.param(Job("job-1", "running", 0, 0), id="of-nothing"),
        pytest.param(Job("job-1", "running", None, 4), id="of-unknown"),
        pytest.param(Job("job-1", "running", 2**63 - 1, 1), id="of-very-much"),
    ],
)
def test_odd_counts_make_no_odd_polls(report: Job) -> None:
    facts = known(first_seen=ago(20), polled=Polled(JobReport(report), ago(0)))

    assert NOW.ticks < next_poll(a_running(), facts, NOW) <= NOW.ticks + 10


def test_after_a_restart_a_long_job_is_not_polled_like_a_new_one() -> None:
    """What is recorded of the attempt's start survives, so the first answer already tells the pace."""
    facts = known(first_seen=ago(0.3), polled=Polled(JobReport(Job("job-1", "running")), ago(0)))
    hour_old = a_request(Phase.RUNNING, attempt=Attempt(1, "attempt-1", NOW.time - timedelta(hours=1)))

    assert next_poll(hour_old, facts, NOW) > NOW.ticks + 9


def test_polls_of_many_requests_spread() -> None:
    facts = known(first_seen=ago(1000), polled=Polled(JobReport(Job("job-1", "running")), ago(0)))
    times = {round(next_poll(a_running(uid), facts, NOW), 3) for uid in UIDS}

    assert len(times) > 15
    assert max(times) - min(times) < 0.6


# Answers that follow one another

REPORT, UNKNOWN, FAILING = JobReport(JOB), JobUnknown("HTTP 404"), Unavailable("HTTP 503")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(
            [first, second, third],
            id=f"{type(first).__name__}-{type(second).__name__}-{type(third).__name__}",
        )
        for first in (REPORT, UNKNOWN, FAILING)
        for second in (REPORT, UNKNOWN, FAILING)
        for third in (REPORT, UNKNOWN, FAILING)
    ],
)
def test_no_poll_is_due_at_once_whatever_came_before(answers: list[PollAnswer]) -> None:
    facts = known(first_seen=ago(60))
    ticks = NOW.ticks
    for answer in answers:
        facts = after_poll(facts, answer, ticks)
        due = next_poll(a_running(), facts, Now(NOW.time + timedelta(seconds=ticks - NOW.ticks), ticks))
        assert ticks < due <= ticks + 10
        ticks = due


def lost_after(*answers: tuple[PollAnswer, float]) -> bool:
    """Each answer comes so many seconds after the one before."""
    facts, ticks = known(), NOW.ticks
    for answer, seconds in answers:
        ticks += seconds
        facts = after_poll(facts, answer, ticks)
    return job_lost(facts.polls)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([], False, id="no-poll"),
        pytest.param([(UNKNOWN, 0)], False, id="once"),
        pytest.param([(UNKNOWN, 0), (UNKNOWN, 20)], False, id="twice"),
        pytest.param(
            [(UNKNOWN, 0), (UNKNOWN, 7.5), (UNKNOWN, 7.5)], True, id="three-times-over-fifteen-seconds"
        ),
        pytest.param([(UNKNOWN, 0), (UNKNOWN, 7), (UNKNOWN, 7)], False, id="three-times-too-soon"),
        pytest.param(
            [(UNKNOWN, 0), (UNKNOWN, 9), (FAILING, 9), (UNKNOWN, 9)], False, id="a-failure-starts-anew"
        ),
        pytest.param(
            [(UNKNOWN, 0), (UNKNOWN, 9), (REPORT, 9), (UNKNOWN, 9)], False, id="a-report-starts-anew"
        ),
        pytest.param([(UNKNOWN, 0), (UNKNOWN, 9), (UNKNOWN, 9), (REPORT, 1)], False, id="a-report-after-all"),
        pytest.param([(FAILING, 9)] * 9, False, id="failures-alone-never"),
    ],
)
def test_rule_6_a_job_is_lost_by_the_server_s_own_word_alone(
    answers: list[tuple[PollAnswer, float]], *, expected: bool
) -> None:
    assert lost_after(*answers) is expected


def test_left_to_the_polls_own_times_a_forgotten_job_is_lost_soon() -> None:
    facts, ticks, polls = known(first_seen=NOW.ticks), NOW.ticks, 0
    while not job_lost(facts.polls):
        ticks = next_poll(a_running(), facts, Now(NOW.time, ticks)) + ROUND_TRIP
        facts = after_poll(facts, UNKNOWN, ticks)
        polls += 1

    assert polls == 3
    assert ticks - NOW.ticks < 16


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(known(), False, id="not-polled"),
        pytest.param(after_poll(known(), REPORT, 1), False, id="running"),
        pytest.param(after_poll(known(), JobReport(FAILED_JOB), 1), True, id="failed"),
        pytest.param(after_poll(known(), JobReport(Job("job-1", "Completed")), 1), True, id="completed"),
        pytest.param(after_poll(known(), JobReport(Job("job-1", "odd")), 1), False, id="any-other-word"),
        pytest.param(after_poll(known(), FAILING, 1), False, id="failing"),
    ],
)
def test_a_job_that_is_only_followed_is_over(facts: Facts, *, expected: bool) -> None:
    assert job_over(facts.polls) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(None, JOB, id="not-polled"),
        pytest.param(FAILING, JOB, id="failing"),
        pytest.param(
            JobReport(replace(JOB, deleted_items=70)),
            replace(JOB, deleted_items=70),
            id="more",
        ),
        pytest.param(JobReport(replace(JOB, deleted_items=3)), JOB, id="never-fewer"),
        pytest.param(JobReport(replace(JOB, deleted_items=None)), JOB, id="not-told"),
        pytest.param(JobReport(replace(JOB, id="job-2")), JOB, id="another-job"),
    ],
)
def test_what_is_shown_of_a_job(answer: PollAnswer | None, expected: Job) -> None:
    assert reported(JOB, Polls(Polled(answer, 1.0) if answer else None)) == expected
