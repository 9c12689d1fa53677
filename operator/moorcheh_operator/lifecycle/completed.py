"""The job has completed, by the server's word: one look more says what became of the name."""

from __future__ import annotations

from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Attempt, Job, Phase, Reason, Status, VerificationResult
from moorcheh_operator.clock import Now

from .facts import Facts, Look
from .incarnation import LOOK_GAP, Incarnation, incarnation, is_dated
from .removed import removed
from .statuses import ended, job_shown, next_status, verification
from .steps import LookUp, Record, Step, Wait

STILL_LISTED_SECONDS = 30.0  # of looks, before a target that stays is called a failure
LOOK_PAUSE = 0.5  # seconds between the first two of them; later ones come less often


def step(request: Request, attempt: Attempt, job: Job, facts: Facts, now: Now) -> Step:
    """It ends at the first look, unless that shows the target itself, or there is none to be had."""
    since = facts.polls.last.answered if facts.polls.last else facts.first_seen
    outage, words = facts.seen.outage, _words(request, attempt, job)
    looks = [look for look in facts.seen.looks if look.started >= since]
    reason = Reason.STILL_LISTED if looks else Reason.POLL_FAILING
    if looks:
        over = looks[-1].started - since >= STILL_LISTED_SECONDS  # only a look tells what is listed then
        if (end := _verdict(request, job, facts, looks[-1], now, words, over=over)) is not None:
            return Record(end)
    if outage is not None:
        message = f"{words} The listing, which would show that the namespace is gone, fails: {outage.error}"
        if now.ticks - since >= STILL_LISTED_SECONDS:
            return Record(_succeeded(request, job, now, VerificationResult.UNVERIFIABLE, message))
        due = outage.until
    elif looks:
        message = f"{words} The listing still shows the namespace; it is looked at again."
        due = looks[-1].answered + min(max((now.ticks - since) / 2, LOOK_PAUSE), LOOK_GAP)
    else:
        return LookUp()
    if now.ticks >= due:
        return LookUp()
    shown = job_shown(request, job)
    return Wait(due, next_status(request, now, Phase.RUNNING, reason, message, **shown))


def _verdict(
    request: Request, job: Job, facts: Facts, look: Look, now: Now, words: str, *, over: bool
) -> Status | None:
    """None: it is to be looked at again."""
    match incarnation(look, request.status.target, facts.name_reuse):
        case Incarnation.ABSENT:
            return _succeeded(request, job, now, VerificationResult.ABSENT, words)
        case Incarnation.REPLACED:
            message = f"{words} A newer namespace has its name and was left alone."
            return _succeeded(request, job, now, VerificationResult.REPLACED, message)
        case Incarnation.SAME if not over:
            return None
        case Incarnation.SAME if is_dated(request.status.target):
            return _still_listed(request, job, now)
        case Incarnation.SAME | Incarnation.UNCLEAR:
            message = (
                f"{words} A namespace of that name is listed, and no creation time tells whether it is a "
                "newer one or the one that was to be deleted. Look at its items; if it is the old one, "
                "create a new request."
            )
            return _succeeded(request, job, now, VerificationResult.UNVERIFIABLE, message)
        case verdict:
            assert_never(verdict)


def _words(request: Request, attempt: Attempt, job: Job) -> str:
    found = removed(request, job)
    if found.items is None:
        return "The job completed."
    if not found.whole:
        return f"The job completed: at least {found.items} items were removed."
    by = f" by {attempt.number} attempts" if attempt.number > 1 else ""
    return f"The job completed: {found.items} items were removed{by}."


def _succeeded(request: Request, job: Job, now: Now, result: VerificationResult, message: str) -> Status:
    return ended(
        request,
        now,
        Phase.SUCCEEDED,
        Reason.DELETION_COMPLETED,
        message,
        verification=verification(result, now),
        **job_shown(request, job),
    )


def _still_listed(request: Request, job: Job, now: Now) -> Status:
    message = (
        f"The server says that job {job.id} completed, and {STILL_LISTED_SECONDS:.0f} s later it still lists "
        "the namespace, with its own creation time. Look at the server's log and disk; to delete what is "
        "left, create a new request."
    )
    return ended(
        request,
        now,
        Phase.FAILED,
        Reason.STILL_LISTED,
        message,
        verification=verification(VerificationResult.STILL_LISTED, now),
        **job_shown(request, job),
    )
