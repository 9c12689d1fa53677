"""Submitting: an attempt is claimed; its DELETE may or may not have been sent."""

from __future__ import annotations

from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Acceptance, Attempt, EarlierAttempt, Job, Phase, Reason, Status
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
from .facts import Facts, Look, Sending, Sent
from .incarnation import LOOK_GAP, Incarnation, agreed
from .statuses import ended, next_status, replaced, seen_target, whole_seconds
from .steps import Limits, LookUp, Record, Step, Wait
from .waits import not_taken

SEND_WINDOW = 5.0  # seconds from the decision to claim to the DELETE (rule 3)


def claim(request: Request, facts: Facts, now: Now, attempt_id: str) -> Status:
    """W1: a fresh attempt id, the frozen target, no job (rule 1)."""
    number = request.status.attempt.number + 1 if request.status.attempt else 1
    return next_status(
        request,
        now,
        Phase.SUBMITTING,
        Reason.SUBMITTING,
        f"Attempt {number} is claimed; its DELETE is on its way.",
        attempt=Attempt(number, attempt_id, whole_seconds(now.time)),
        earlier_attempts=_earlier(request.status),
        job=None,
        acceptance=None,
        progress=None,
        target=seen_target(request, facts.seen, facts.seen.looks[-1], now),
        start_time=request.status.start_time or whole_seconds(now.time),
    )


def _earlier(status: Status) -> tuple[EarlierAttempt, ...]:
    """The receipt has all of them: the claim takes the place of the one before."""
    if status.attempt is None:
        return status.earlier_attempts
    last = EarlierAttempt(status.attempt.number, status.attempt.id, status.attempt.start_time, status.job)
    return (*status.earlier_attempts, last)


def own_send(request: Request, sending: Sending) -> Sent | None:
    """What this process knows of the current attempt's DELETE; None: another process claimed it."""
    attempt, sent = request.status.attempt, sending.last
    return sent if attempt is not None and sent is not None and sent.attempt_id == attempt.id else None


def step(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    sent = own_send(request, facts.sending)
    if sent is None:
        return _verifying(request, facts, now, limits, facts.first_seen + limits.settle, None)
    match sent.answer:
        case Accepted(job_id):
            message = f"The server deletes it; its job is {job_id}."
            return Record(
                next_status(request, now, Phase.RUNNING, Reason.JOB_RUNNING, message, job=Job(id=job_id))
            )
        case AcceptedWithoutJob(words, estimate):
            acceptance = Acceptance(whole_seconds(now.time), words, estimate)
            reason, message = Reason.DELETION_ACCEPTED, accepted.message(acceptance)
            return Record(next_status(request, now, Phase.RUNNING, reason, message, acceptance=acceptance))
        case NotSent(error) | Refused(error):
            return Record(_back_to_pending(request, facts, sent, error, now))
        case Rejected(error):
            message = f"The server rejected the DELETE for good; nothing more is sent: {error}"
            return Record(ended(request, now, Phase.FAILED, Reason.REJECTED, message, last_error=error))
        case Unclear(error, settled):
            settled_at = sent.answered if settled else facts.first_seen + limits.settle
            return _verifying(request, facts, now, limits, settled_at, error)
        case _:
            assert_never(sent.answer)


def _back_to_pending(request: Request, facts: Facts, sent: Sent, error: str, now: Now) -> Status:
    """Counted neither as an attempt nor against backoffLimit (rule 4)."""
    reason, message = not_taken(request, facts.admission, error, refused=isinstance(sent.answer, Refused))
    before = sent.before
    return next_status(
        request,
        now,
        Phase.PENDING,
        reason,
        message,
        attempt=before.attempt,
        job=before.job,
        acceptance=before.acceptance,
        progress=before.progress,
        earlier_attempts=before.earlier_attempts,
        last_error=error,
    )


def _verifying(
    request: Request, facts: Facts, now: Now, limits: Limits, settled_at: float, error: str | None
) -> Step:
    """Sends nothing, ever: only looks, and only once the attempt is settled (rule 5)."""
    why = f" ({error})" if error else ""
    last_error = (facts.seen.outage.error if facts.seen.outage else error) or request.status.last_error
    status = next_status(
        request,
        now,
        Phase.SUBMITTING,
        Reason.VERIFYING,
        f"It is not known what became of the DELETE{why}. Nothing more is sent; the listing will tell.",
        last_error=last_error,
    )
    if now.ticks < settled_at:
        return Wait(settled_at, status)
    looks = tuple(look for look in facts.seen.looks if look.started >= settled_at)
    verdict = agreed(looks, request.status.target, settled_at, LOOK_GAP)
    if verdict is Incarnation.ABSENT:
        message = "The target is gone; no job was seen to end."
        return Record(ended(request, now, Phase.SUCCEEDED, Reason.VERIFIED_ABSENT, message))
    if verdict is Incarnation.REPLACED:
        return Record(replaced(request, now))
    if _no_way_to_tell(request, facts, now, limits, looks, verdict):
        message = (
            "The DELETE may have been sent, and may still take effect; neither a job nor the listing tells. "
            "Check the server before you create a new request."
        )
        return Record(
            ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message, last_error=last_error)
        )
    due = looks[-1].answered + LOOK_GAP if looks else settled_at
    if facts.seen.outage is not None:
        due = facts.seen.outage.until
    return LookUp() if now.ticks >= due else Wait(due, status)


def _no_way_to_tell(
    request: Request,
    facts: Facts,
    now: Now,
    limits: Limits,
    looks: tuple[Look, ...],
    verdict: Incarnation | None,
) -> bool:
    """The time to verify is over: by the recorded start, so that restarts don't add up, where looks agree
    that the target is there; without agreement (an outage, a listing that changes its mind) only by this
    process' own time.
    """
    attempt = request.status.attempt
    if attempt is None:
        return True
    if verdict is not None:
        return (now.time - attempt.start_time).total_seconds() >= limits.verify_seconds
    tried = facts.seen.outage is not None or len(looks) > 1
    return tried and now.ticks - facts.first_seen >= limits.verify_seconds
