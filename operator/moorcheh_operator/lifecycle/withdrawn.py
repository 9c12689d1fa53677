"""Withdrawn while nothing is under way: its object was deleted, and somebody's finalizer keeps it."""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import JobStatus, Phase, Reason
from moorcheh_operator.clock import Now

from .facts import Facts
from .ownership import deadline_passed
from .retrying import before_retry
from .statuses import ended, nothing_sent
from .steps import Record, Step


def step(request: Request, facts: Facts, now: Now) -> Step:
    """It ends, so that no list shows it as one in work. Where the server lost its job, looks tell the end."""
    attempt, job = request.status.attempt, request.status.job
    lost = attempt is not None and (job is None or job.state is not JobStatus.FAILED)
    if attempt is not None and lost and not deadline_passed(request, now):
        step = before_retry(request, attempt, facts, now)
        if step is not None:
            return step
    sent = f"Nothing more is sent after attempt {attempt.number}." if attempt else nothing_sent(request)
    message = f"The object was deleted, which withdraws the request. {sent}"
    return Record(ended(request, now, Phase.FAILED, Reason.WITHDRAWN, message))
