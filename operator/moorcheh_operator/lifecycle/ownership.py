"""Who has a target, who has a job slot, and whose time is over. Pure (docs/safety.md, rules 10 and 12)."""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, OPEN_ATTEMPT, JobStatus, Reason
from moorcheh_operator.clock import Now

from .access import Open
from .facts import Facts, Polls, Rivals
from .polling import job_over

NO_POLLS = Polls()
IN_WORK = 0  # the rank of a claim under way, and of an attempt that may still do something at the server


def claim_rank(request: Request, facts: Facts) -> int | None:
    """Of the requests for one target the one with the lowest rank has it, the oldest of several. One with an
    open attempt comes before all others. None: it can't have it.
    """
    if facts.holding.claiming or follows_job(request, facts.polls):
        return IN_WORK
    status = request.status
    if request.doubtful or not isinstance(facts.admission.access, Open):
        return None  # or whoever may not delete a target could keep those waiting who may
    return None if request.withdrawn or request.spec.suspend or status.phase in ENDED else 1


def stood_behind(request: Request, rivals: Rivals) -> bool:
    """Another request had its target, since this one was made or since its last attempt."""
    return rivals.queued or request.status.reason == Reason.TARGET_BUSY


def was_shut_out(request: Request) -> bool:
    """It ended without ever having got in: no end of another request for its target, as rule 8 means it."""
    shut_out = (Reason.NOT_ALLOWED, Reason.PROTECTED, Reason.INVALID_SPEC, Reason.WITHDRAWN)
    copied = request.status.reason == Reason.RESTORED_FROM_BACKUP and request.copied is not None
    return (copied or request.status.reason in shut_out) and request.status.attempt is None


def follows_job(request: Request, polls: Polls = NO_POLLS) -> bool:
    """An attempt of it may still do something at the server, whatever became of the object."""
    status = request.status
    if status.phase in ENDED:
        cut_short = status.reason == Reason.DEADLINE_EXCEEDED and status.job is not None
        return cut_short and status.job is not None and _unfinished(status.job.state, polls)
    return status.phase in OPEN_ATTEMPT


def _unfinished(state: JobStatus, polls: Polls) -> bool:
    return state is JobStatus.RUNNING and not job_over(polls)


def uses_slot(request: Request, polls: Polls, now: Now) -> bool:
    """A job of it may be running. After its deadline it gives the slot up, or a stuck job would keep it."""
    return follows_job(request, polls) and not job_over(polls) and not deadline_passed(request, now)


def deadline_left(request: Request, now: Now) -> float | None:
    """Seconds, negative once it is over; None while its clock does not run."""
    if request.status.start_time is None:
        return None
    return request.spec.active_deadline_seconds - (now.time - request.status.start_time).total_seconds()


def deadline_passed(request: Request, now: Now) -> bool:
    left = deadline_left(request, now)
    return left is not None and left <= 0
