"""Ended or gone: what may still run at the server is followed, as it holds the target."""

from __future__ import annotations

from datetime import timedelta

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Acceptance, Job
from moorcheh_operator.clock import Now
from moorcheh_operator.moorcheh.answers import (
    Accepted,
    AcceptedWithoutJob,
    NotSent,
    Refused,
    Rejected,
    Unclear,
)

from . import accepted
from .facts import Facts
from .ownership import follows_job
from .polling import job_over, next_poll
from .statuses import observed
from .steps import Forget, Limits, Poll, Record, Step, Wait
from .submitting import own_send


def step(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    """Keep `observedGeneration` up, and follow what may still run at the server: it holds the target."""
    status = request.status
    if not request.gone and status.observed_generation != request.generation:
        return Record(observed(request, now))
    if not follows_job(request, facts.polls):
        return Forget()
    if status.job is None and status.acceptance is not None:
        return accepted.follow(request, status.acceptance, facts, now)
    sent = own_send(request, facts.sending)
    match (status.job, sent.answer if sent else None):
        case (Job(id=job_id), _) | (None, Accepted(job_id)):
            if job_over(facts.polls):
                return Forget()
            due = next_poll(request, facts, now)
            return Poll(job_id) if now.ticks >= due else Wait(due, status)
        case (None, AcceptedWithoutJob(words, estimate)):
            since = now.time - timedelta(seconds=now.ticks - (sent.answered if sent else now.ticks))
            return accepted.follow(request, Acceptance(since, words, estimate), facts, now)
        case (None, NotSent() | Refused() | Rejected() | Unclear(settled=True)):
            return Forget()
        case _:
            settled_at = facts.first_seen + limits.settle
            return Forget() if now.ticks >= settled_at else Wait(settled_at, status)
