"""The next status of a request: what changes, what stays, and the words for it. Pure."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from moorcheh_operator.api.conditions import with_conditions
from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import (
    Job,
    Phase,
    Reason,
    Status,
    Target,
    Verification,
    VerificationResult,
)
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import parse_birth
from moorcheh_operator.clock import Now

from .facts import Look, Seen
from .incarnation import CLOCK_ERROR, Incarnation, incarnation, is_dated
from .removed import progress, removed

SHOWN_BY_LOOKS = {
    Reason.ALREADY_ABSENT: VerificationResult.ABSENT,
    Reason.VERIFIED_ABSENT: VerificationResult.ABSENT,
    Reason.TARGET_REPLACED: VerificationResult.REPLACED,
}
"""The ends that are nothing but what the listing shows."""


def next_status(
    request: Request, now: Now, phase: Phase, reason: Reason, message: str, **changes: object
) -> Status:
    """The request's status with these changes; everything else in it stays."""
    status = replace(
        request.status,
        observed_generation=request.generation,
        phase=phase,
        reason=str(reason),
        message=plain_text(message),
        **changes,
    )
    return with_conditions(status, request.status, whole_seconds(now.time))


def observed(request: Request, now: Now) -> Status:
    """The same status for the newest generation."""
    status = replace(request.status, observed_generation=request.generation)
    return with_conditions(status, request.status, whole_seconds(now.time))


def waiting(
    request: Request, seen: Seen, now: Now, reason: Reason, message: str, error: str | None = None
) -> Status:
    """Pending. The first look that found the target is written with it: it binds (rule 7)."""
    target = request.status.target
    if seen.looks and not is_dated(target):
        gone = [look for look in seen.looks if look.entry is None] if request.status.attempt else []
        target = seen_target(request, seen, [*gone, seen.looks[-1]][0], now)
    return next_status(
        request,
        now,
        Phase.PENDING,
        reason,
        message,
        target=target,
        last_error=error or request.status.last_error,
        start_time=request.status.start_time or whole_seconds(now.time),
    )


def ended(
    request: Request, now: Now, phase: Phase, reason: Reason, message: str, **changes: object
) -> Status:
    start = request.status.start_time or whole_seconds(now.time)
    changes = {"start_time": start, "completion_time": whole_seconds(now.time), **changes}
    if (result := SHOWN_BY_LOOKS.get(reason)) is not None:
        changes["verification"] = verification(result, now)
    return next_status(request, now, phase, reason, message, **changes)


def verification(result: VerificationResult, now: Now) -> Verification:
    return Verification(str(result), whole_seconds(now.time))


def replaced(request: Request, now: Now) -> Status:
    message = "What was asked for is gone; a newer namespace has its name and was left alone."
    return ended(request, now, Phase.SUCCEEDED, Reason.TARGET_REPLACED, message)


def unverifiable_after_another(request: Request, now: Now) -> Status:
    message = (
        "Another request for this target may have come before, and the server shows no creation time that "
        "would tell whether the namespace is a newer one. Only if this one should go too, "
        "create a new request."
    )
    return ended(request, now, Phase.FAILED, Reason.PRECONDITION_UNVERIFIABLE, message)


def deadline_exceeded(request: Request, now: Now, job: Job | None) -> Status:
    message = f"Not finished within {request.spec.active_deadline_seconds} s (spec.activeDeadlineSeconds)."
    running = request.status.phase is Phase.RUNNING
    message += (
        " The deletion may go on at the server: look there before you use the name again."
        if running
        else " Nothing of it is under way."
    )
    return ended(request, now, Phase.FAILED, Reason.DEADLINE_EXCEEDED, message, **job_shown(request, job))


def limit_exceeded(request: Request, now: Now, job: Job | None, error: str) -> Status:
    attempts = request.status.attempt.number if request.status.attempt else 0
    all_of_them = "The only attempt" if attempts == 1 else f"All {attempts} attempts"
    message = f"{all_of_them} failed (spec.backoffLimit is {request.spec.backoff_limit}): {error}"
    return ended(
        request,
        now,
        Phase.FAILED,
        Reason.BACKOFF_LIMIT_EXCEEDED,
        message,
        last_error=error,
        **job_shown(request, job),
    )


def nothing_sent(request: Request) -> str:
    """A DELETE that was refused had left, and no attempt tells: `last_error` may be all that does. Its claim
    had recorded the target.
    """
    status = request.status
    since = f" after attempt {status.attempt.number}" if status.attempt else ""
    sure = status.last_error is None or status.target is None
    what = "Nothing was sent" if sure else "No DELETE of it was accepted"
    return f"{what}{since}."


def job_shown(request: Request, job: Job | None) -> dict[str, object]:
    """The job as it is known now, and what it and those of earlier attempts removed: progress for the column,
    and the sum.
    """
    found = removed(request, job)
    shown = progress(job, found.gone) if job else None
    return {"job": job, "progress": shown or request.status.progress, "deleted_items": found.items}


def bound_target(request: Request, seen: Seen) -> Target | None:
    """The incarnation that this request is for; None before it was ever found (rule 7).

    What is recorded counts before what this process saw: the first look binds, later ones don't. From the
    first claim on nothing else counts: a creation time that shows up later may be another namespace's.
    """
    recorded = request.status.target
    if is_dated(recorded) or request.status.attempt is not None:
        return recorded
    if is_dated(seen.bound):
        return seen.bound
    return recorded if recorded is not None and recorded.found else seen.bound


def seen_target(request: Request, seen: Seen, look: Look, now: Now) -> Target:
    """What a look shows of the target, with the time of the first look that showed just that.

    Frozen from the first claim on: it stays the incarnation that this request is for. That nothing was there
    stays as well, unless what is there now is surely older than the request: what came since is not meant
    (rule 8), and after a restart nothing else tells it.
    """
    recorded = request.status.target
    if recorded is not None and request.status.attempt is not None:
        gone = look.entry is None and recorded.found and not is_dated(recorded)
        return replace(recorded, found=False, observation_time=whole_seconds(now.time)) if gone else recorded
    if recorded is not None and not recorded.found and not _surely_older(request, look):
        return recorded
    bound = bound_target(request, seen)
    named = bound.creation_time if bound else None
    if look.entry is None or incarnation(look, bound) is Incarnation.REPLACED:
        shown = Target(found=False, creation_time=named, server=look.server)
    else:
        shown = Target(True, look.entry.item_count, named or look.entry.creation_time, server=look.server)
    if recorded is not None and replace(recorded, observation_time=None) == shown:
        return recorded
    return replace(shown, observation_time=whole_seconds(now.time))


def _surely_older(request: Request, look: Look) -> bool:
    created = parse_birth(look.entry.creation_time) if look.entry else None
    return created is not None and created + look.skew <= request.creation_time - CLOCK_ERROR


def whole_seconds(time: datetime) -> datetime:
    """Kubernetes keeps times in whole seconds; so do we, or a status read back would differ."""
    return time.replace(microsecond=0)


def bare(status: Status) -> Status:
    """What must land of a status that the schema rejects for its texts: above all the job id (rule 2)."""
    message = "Details could not be recorded; see the operator's log."
    return replace(
        status,
        message=message,
        job=_bare_job(status.job),
        acceptance=replace(status.acceptance, message=None, estimated_completion=None)
        if status.acceptance
        else None,
        progress=None,
        deleted_items=None,
        verification=None,
        last_error=None,
        earlier_attempts=tuple(replace(each, job=_bare_job(each.job)) for each in status.earlier_attempts),
        conditions=tuple(replace(condition, message=message) for condition in status.conditions),
    )


def _bare_job(job: Job | None) -> Job | None:
    """Its count stays: without it the sum over all attempts would fall."""
    return Job(id=job.id, deleted_items=job.deleted_items) if job else None
