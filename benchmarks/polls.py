"""What the schedule of polls makes of a job that is too long to be waited for. Computed, not measured."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import Spec
from moorcheh_operator.api.status import Attempt, Job, Phase, Status
from moorcheh_operator.clock import Now
from moorcheh_operator.lifecycle.facts import Facts, after_poll
from moorcheh_operator.lifecycle.polling import next_poll
from moorcheh_operator.moorcheh.answers import JobReport

ITEMS = 10_000
BEGUN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # any time will do
ROUND_TRIP = 0.02  # seconds


UIDS = 50
"""Polls are spread by the request's uid; the worst of so many counts."""


@dataclass(frozen=True)
class Computed:
    polls: int
    late: float
    """Seconds from the job's end to the poll that tells it."""


@functools.cache
def computed(job_seconds: float, *, progress: bool) -> Computed:
    """`progress`: the server's count of deleted items rises evenly; else it stays at none until the end."""
    each = [_followed(f"uid-{number}", job_seconds, progress=progress) for number in range(UIDS)]
    return Computed(max(one.polls for one in each), max(one.late for one in each))


def _followed(uid: str, job_seconds: float, *, progress: bool) -> Computed:
    attempt = Attempt(1, "attempt-1", BEGUN)
    status = Status(phase=Phase.RUNNING, attempt=attempt)
    request = Request("default", "long", uid, "1", 1, BEGUN, Spec("long"), status)
    facts, ticks, polls = Facts(0.0), 0.0, 0
    while True:
        sent = next_poll(request, facts, Now(BEGUN + timedelta(seconds=ticks), ticks))
        ticks, polls = sent + ROUND_TRIP, polls + 1
        if sent >= job_seconds:
            return Computed(polls, sent - job_seconds)
        deleted = int(ITEMS * sent / job_seconds) if progress else 0
        facts = after_poll(facts, JobReport(Job("job-1", "running", ITEMS, deleted)), ticks)
