"""Pending after an attempt that the server ended: may there be another one (rule 6)?"""

from __future__ import annotations

from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Attempt, JobStatus, Phase, Reason, Status, Target
from moorcheh_operator.clock import Now
from moorcheh_operator.servers.definitions import NameReuse

from .facts import Facts
from .incarnation import LOOK_GAP, Incarnation, agreed, incarnation, is_dated
from .statuses import bound_target, ended, limit_exceeded, replaced, waiting
from .steps import LookUp, Record, Step, Wait
from .waits import outage_wait

RETRY_FIRST = 10.0  # seconds before the second attempt, doubling …
RETRY_MOST = 360.0  # … up to this


def before_retry(request: Request, attempt: Attempt, facts: Facts, now: Now) -> Step | None:
    """The server ended the last attempt (rule 6). None: the way is free for another one."""
    target = bound_target(request, facts.seen)
    reuse = _name_reuse(facts, target)
    verdict = agreed(facts.seen.looks, target, facts.first_seen, LOOK_GAP, reuse)
    if verdict is not None and (end := _retry_verdict(request, attempt, verdict, now)) is not None:
        return Record(end)
    if reuse is not facts.name_reuse and target is not None and target.found:
        # Recorded at once: after a restart nothing else tells that the name was free.
        return Record(_retrying(request, attempt, facts, now))
    retry_at = facts.first_seen + retry_delay(attempt.number)
    if verdict is Incarnation.SAME and now.ticks >= retry_at:
        return None
    if facts.seen.outage is not None:
        return outage_wait(request, facts, facts.seen.outage, now)
    if not facts.seen.looks:
        return LookUp()
    # The look that claims, made once the wait is over, is the second one.
    same = incarnation(facts.seen.looks[-1], target, reuse) is Incarnation.SAME
    next_look = max(retry_at if same else 0.0, facts.seen.looks[-1].answered + LOOK_GAP)
    if now.ticks >= next_look:
        return LookUp(to_claim=True)
    return Wait(next_look, _retrying(request, attempt, facts, now))


def _retrying(request: Request, attempt: Attempt, facts: Facts, now: Now) -> Status:
    message = retry_message(request, attempt, request.status.last_error)
    return waiting(request, facts.seen, now, Reason.RETRYING, message)


def _name_reuse(facts: Facts, target: Target | None) -> NameReuse:
    """As it was declared, unless the name was seen to be free: what is there again is another one then."""
    gone = any(look.entry is None for look in facts.seen.looks) or (target is not None and not target.found)
    return NameReuse.POSSIBLE if gone and not is_dated(target) else facts.name_reuse


def retry_message(request: Request, attempt: Attempt, error: str | None) -> str:
    why = error or "no error was given"
    return (
        f"Attempt {attempt.number} of {request.spec.backoff_limit + 1} failed ({why}). "
        "Before another one the listing must show that the same namespace is still there."
    )


def _retry_verdict(request: Request, attempt: Attempt, verdict: Incarnation, now: Now) -> Status | None:
    """How the request ends once two looks agree, or None where another attempt may follow."""
    job = request.status.job
    lost = job is None or job.state is not JobStatus.FAILED
    error = (job and job.last_error) or request.status.last_error or "no error was given"
    match verdict:
        case Incarnation.REPLACED:
            return replaced(request, now)
        case Incarnation.ABSENT if lost:
            message = "The target is gone; the server had forgotten the job before it was seen to end."
            return ended(request, now, Phase.SUCCEEDED, Reason.VERIFIED_ABSENT, message)
        case Incarnation.ABSENT:
            message = f"The job failed ({error}), and the target is gone from the listing all the same."
            return ended(request, now, Phase.FAILED, Reason.JOB_FAILED, message)
        case Incarnation.UNCLEAR if lost:
            message = (
                "The server forgot the job, and no creation time tells whether the namespace of that name "
                "is still the one that was asked for. Only if this one should go too, create a new request."
            )
            return ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message)
        case Incarnation.UNCLEAR:
            message = (
                f"The job failed ({error}), and no creation time tells whether the namespace of that name "
                "is still the one that was asked for. Only if this one should go too, create a new request."
            )
            return ended(request, now, Phase.FAILED, Reason.JOB_FAILED, message)
        case Incarnation.SAME:
            over = attempt.number > request.spec.backoff_limit
            return limit_exceeded(request, now, job, error) if over else None
        case _:
            assert_never(verdict)


def retry_delay(attempts: int) -> float:
    """Seconds between the end of the n-th attempt and the next one: 10, 20, 40 … 360."""
    return float(min(RETRY_FIRST * 2.0 ** min(attempts - 1, 16), RETRY_MOST))
