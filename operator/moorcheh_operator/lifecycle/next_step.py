"""The life of a request: (request, facts, now) -> the next step. docs/safety.md as code.

Pure: no I/O, no clock of its own, nothing remembered. The reconciler carries one step out, adds what it
learned to the facts and asks again, so whatever happened in between (another write, a crash, a stale read)
is taken in by deciding anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Attempt, Job, JobStatus, Phase, Reason, Status, Target
from moorcheh_operator.clock import Now
from moorcheh_operator.moorcheh.answers import (
    Accepted,
    JobReport,
    JobUnknown,
    NotSent,
    Refused,
    Rejected,
    Unavailable,
    Unclear,
)

from .access import NotFound, Open, Refusal, Undecided
from .facts import Facts, Look, Sent, Trouble
from .guards import judge
from .incarnation import Sight, agreed, is_dated, sight
from .ownership import deadline_left, deadline_passed, follows_job
from .polling import job_lost, job_over, next_poll, reported
from .statuses import (
    bound_target,
    deadline_exceeded,
    ended,
    job_shown,
    limit_exceeded,
    next_status,
    observed,
    replaced,
    seen_target,
    waiting,
    whole_seconds,
)

LOOK_FRESH = 2.0  # seconds from the look-up's answer to the claim (rule 3)
SEND_WINDOW = 5.0  # seconds from the claim's first leaving to the DELETE (rule 3)
SETTLE_EXTRA = 5.0  # seconds, on top of two request timeouts (rule 5)
LOOK_GAP = 5.0  # seconds between two looks that must agree (rules 5 and 6)
RETRY_FIRST = 10.0  # seconds before the second attempt, doubling …
RETRY_MOST = 360.0  # … up to this
RESTORE_SECONDS = 10.0  # for the status of a restored object to follow: it is written after the object
REFUSAL_SECONDS = 60.0  # that a refusal must stand: GitOps may apply things in any order
ACCESS_SECONDS = 5.0  # between two tries to get in: labels of a Kubernetes namespace tell nobody
PREVIEW_SECONDS = 60.0  # between two looks of a suspended request
WAIT_WRITTEN = 1.0  # seconds a wait must last to be worth a write
PROGRESS_SECONDS = 5.0  # between two writes that show no more than progress


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator was started with, in seconds."""

    request_timeout: float = 30.0
    verify_seconds: float = 600.0

    @property
    def settle(self) -> float:
        return 2 * self.request_timeout + SETTLE_EXTRA


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing is left to do, and nothing to hold."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until `until` (ticks; None: until something happens), showing `status` if it lasts."""

    until: float | None
    status: Status


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the server for its listing; `to_claim`: holding target, job slot and HTTP slot if they are free."""

    to_claim: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Write the claim (`claim`), and if it lands send the DELETE, once, at once."""


@dataclass(frozen=True, slots=True)
class Poll:
    job_id: str


@dataclass(frozen=True, slots=True)
class Record:
    status: Status


Step = Forget | Wait | LookUp | Claim | Poll | Record


def next_step(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    if request.withdrawn or request.status.phase in ENDED:
        return _over(request, facts, now, limits)
    match request.status.phase:
        case Phase.SUBMITTING:
            return _submitting(request, facts, now, limits)
        case Phase.RUNNING:
            return _running(request, facts, now)
        case _ if not facts.may_claim:
            return Wait(None, request.status)
        case None if request.restored and now.ticks < facts.first_seen + RESTORE_SECONDS:
            return Wait(facts.first_seen + RESTORE_SECONDS, request.status)
        case _ if request.restored and not is_dated(request.status.target):
            return Record(_restored(request, now))
        case _ if request.spec.suspend:
            return _suspended(request, facts, now)
        case _:
            return _pending(request, facts, now)


# Pending and Suspended: nothing of this request is under way


def _restored(request: Request, now: Now) -> Status:
    """A backup usually keeps no status: an ended request comes back as a new one, younger than what has its
    target's name by now. So is one whose status tells no incarnation: it may have ended after the backup.
    """
    message = (
        "This request was restored from a backup, so it may have been carried out before, and nothing tells "
        "which namespace it was for. Nothing was sent. Create a new request to delete the namespace."
    )
    return ended(request, now, Phase.FAILED, Reason.RESTORED_FROM_BACKUP, message)


def _pending(request: Request, facts: Facts, now: Now) -> Step:
    if deadline_passed(request, now):
        return Record(deadline_exceeded(request, now, request.status.job))
    if not isinstance(facts.access, Open):
        return _shut_out(request, facts, facts.access, now)
    if facts.holder is not None:
        return _behind(request, facts, now)
    if request.status.attempt is not None:
        step = _before_retry(request, request.status.attempt, facts, now)
        if step is not None:
            return step
    if (trouble := facts.hold_off) is not None and now.ticks < trouble.until:
        reason, message = _not_taken(trouble.error, refused=trouble.refused)
        return Wait(trouble.until, waiting(request, facts, now, reason, message, trouble.error))
    if facts.outage is not None:
        return _outage(request, facts, facts.outage, now)
    if not facts.looks:
        return LookUp(to_claim=True)
    look = facts.looks[-1]
    fresh = now.ticks - look.answered <= LOOK_FRESH  # an outage may lie between the look and what comes of it
    if (verdict := judge(request, facts, look, now)) is not None:
        return Record(verdict) if fresh else LookUp(to_claim=True)
    if facts.held_since is not None and look.started >= facts.held_since:
        return Claim() if fresh else LookUp(to_claim=True)
    if not facts.slots_full:
        return LookUp(to_claim=True)
    message = "Waiting for a job slot: as many jobs run as the operator allows."
    return Wait(None, waiting(request, facts, now, Reason.WAITING_FOR_SLOT, message))


def _shut_out(request: Request, facts: Facts, access: NotFound | Undecided | Refusal, now: Now) -> Step:
    """Nothing is looked up for one that may not: a preview tells what is there."""
    until, reason, message = None, _why_shut_out(access), access.message
    match access:
        case NotFound():
            pass
        case Undecided():
            until = now.ticks + ACCESS_SECONDS
        case Refusal():
            final = max(facts.access_since, facts.first_seen) + REFUSAL_SECONDS
            if now.ticks >= final:
                return Record(
                    ended(request, now, Phase.FAILED, reason, f"{message} Nothing was sent{_since(request)}.")
                )
            until = min(final, now.ticks + ACCESS_SECONDS)
            message += f" If that does not change within {REFUSAL_SECONDS:.0f} s, this request fails."
        case _:
            assert_never(access)
    reason, message = _still_queued(request, facts, reason, message)
    return Wait(until, waiting(request, facts, now, reason, message))


def _why_shut_out(access: NotFound | Undecided | Refusal) -> Reason:
    match access:
        case NotFound():
            return Reason.SERVER_NOT_FOUND
        case Undecided():
            return Reason.NOT_ALLOWED
        case Refusal(reason):
            return reason
        case _:
            assert_never(access)


def _since(request: Request) -> str:
    return f" after attempt {request.status.attempt.number}" if request.status.attempt else ""


def _still_queued(request: Request, facts: Facts, reason: Reason, message: str) -> tuple[Reason, str]:
    """Rule 8 is stricter with one that stood behind another, and after a restart nothing else tells it."""
    queued = facts.queued or request.status.reason == Reason.TARGET_BUSY
    if queued and request.status.attempt is None:
        return Reason.TARGET_BUSY, f"Another request had the target. {message}"
    return reason, message


def _behind(request: Request, facts: Facts, now: Now) -> Step:
    """Another request has the target. One look all the same: it binds this one to its incarnation."""
    until = facts.outage.until if facts.outage and not facts.looks else None
    if not facts.looks and (until is None or now.ticks >= until):
        return LookUp()
    message = f"Waiting for {facts.holder}, which has the same target."
    return Wait(until, waiting(request, facts, now, Reason.TARGET_BUSY, message))


def _outage(request: Request, facts: Facts, trouble: Trouble, now: Now) -> Step:
    if now.ticks >= trouble.until:
        return LookUp(to_claim=True)
    message = f"The server gave no usable listing: {trouble.error}"
    reason, message = _still_queued(request, facts, Reason.SERVER_UNAVAILABLE, message)
    return Wait(trouble.until, waiting(request, facts, now, reason, message, trouble.error))


def _before_retry(request: Request, attempt: Attempt, facts: Facts, now: Now) -> Step | None:
    """The server ended the last attempt (rule 6). None: the way is free for another one."""
    target = bound_target(request, facts)
    verdict = agreed(facts.looks, target, facts.first_seen, LOOK_GAP)
    if verdict is not None and (end := _retry_verdict(request, attempt, verdict, now)) is not None:
        return Record(end)
    retry_at = facts.first_seen + retry_delay(attempt.number)
    if verdict is Sight.SAME and now.ticks >= retry_at:
        return None
    if facts.outage is not None:
        return _outage(request, facts, facts.outage, now)
    if not facts.looks:
        return LookUp()
    # The look that claims, made once the wait is over, is the second one.
    same = sight(facts.looks[-1], target) is Sight.SAME
    next_look = max(retry_at if same else 0.0, facts.looks[-1].answered + LOOK_GAP)
    if now.ticks >= next_look:
        return LookUp(to_claim=True)
    message = _retry_message(request, attempt, request.status.last_error)
    return Wait(next_look, waiting(request, facts, now, Reason.RETRYING, message))


def _retry_message(request: Request, attempt: Attempt, error: str | None) -> str:
    why = error or "no error was given"
    return (
        f"Attempt {attempt.number} of {request.spec.backoff_limit + 1} failed ({why}). "
        "Before another one the listing must show that the same namespace is still there."
    )


def _retry_verdict(request: Request, attempt: Attempt, verdict: Sight, now: Now) -> Status | None:
    """How the request ends once two looks agree, or None where another attempt may follow."""
    job = request.status.job
    lost = job is None or job.state is not JobStatus.FAILED
    error = (job and job.last_error) or request.status.last_error or "no error was given"
    match verdict:
        case Sight.REPLACED:
            return replaced(request, now)
        case Sight.GONE if lost:
            message = "The target is gone; the server had forgotten the job before it was seen to end."
            return ended(request, now, Phase.SUCCEEDED, Reason.VERIFIED_ABSENT, message)
        case Sight.GONE:
            message = f"The job failed ({error}), and the target is gone from the listing all the same."
            return ended(request, now, Phase.FAILED, Reason.JOB_FAILED, message)
        case Sight.UNCLEAR if lost:
            message = (
                "The server forgot the job, and no creation time tells whether the namespace of that name "
                "is still the one that was asked for. Create a new request to delete it."
            )
            return ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message)
        case Sight.UNCLEAR:
            message = (
                f"The job failed ({error}), and no creation time tells whether the namespace of that name "
                "is still the one that was asked for. Create a new request to delete it."
            )
            return ended(request, now, Phase.FAILED, Reason.JOB_FAILED, message)
        case Sight.SAME:
            over = attempt.number > request.spec.backoff_limit
            return limit_exceeded(request, now, job, error) if over else None
        case _:
            assert_never(verdict)


def retry_delay(attempts: int) -> float:
    """Seconds between the end of the n-th attempt and the next one: 10, 20, 40 … 360."""
    return float(min(RETRY_FIRST * 2.0 ** min(attempts - 1, 16), RETRY_MOST))


def _suspended(request: Request, facts: Facts, now: Now) -> Step:
    """A live preview: a look a minute, written when what it shows has changed."""
    if not isinstance(facts.access, Open):
        shut = _preview_refused(request, facts.access, now)
        return Wait(now.ticks + PREVIEW_SECONDS, shut) if shut == request.status else Record(shut)
    look = facts.looks[-1] if facts.looks else None
    due = look.answered + PREVIEW_SECONDS if look else 0.0
    if facts.outage is not None:
        due = facts.outage.until
    if now.ticks >= due:
        return LookUp()
    status = _preview(request, facts, look, now)
    return Wait(due, status) if status == request.status else Record(status)


def _preview(request: Request, facts: Facts, look: Look | None, now: Now) -> Status:
    target, last_error = request.status.target, request.status.last_error
    if look is None:
        last_error = facts.outage.error if facts.outage else last_error
        message = f"Suspended. The server gave no usable listing yet: {last_error}"
    else:
        target = seen_target(request, facts, look, now)
        verdict = judge(request, facts, look, now)
        if verdict is None:
            message = f"Suspended. To approve the deletion of {_contents(target)}, set spec.suspend to false."
        elif verdict.phase is Phase.SUCCEEDED:
            message = f"Suspended. Approved now, it would end as {verdict.reason}: {verdict.message}"
        else:
            message = f"Suspended. Approval would be refused ({verdict.reason}): {verdict.message}"
    return next_status(
        request,
        now,
        Phase.SUSPENDED,
        Reason.SUSPENDED,
        message,
        target=target,
        last_error=last_error,
        start_time=None,  # as in a Job, the deadline's clock starts anew
    )


def _preview_refused(request: Request, access: NotFound | Undecided | Refusal, now: Now) -> Status:
    message = f"Suspended. Approval would be refused ({_why_shut_out(access)}): {access.message}"
    return next_status(request, now, Phase.SUSPENDED, Reason.SUSPENDED, message, start_time=None)


def _contents(target: Target | None) -> str:
    count = target.item_count if target else None
    return "an unknown number of items" if count is None else f"{count} items"


# Submitting: an attempt is claimed; its DELETE may or may not have been sent


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
        job=None,
        progress=None,
        target=seen_target(request, facts, facts.looks[-1], now),
        start_time=request.status.start_time or whole_seconds(now.time),
    )


def own_send(request: Request, facts: Facts) -> Sent | None:
    """What this process knows of the current attempt's DELETE; None: another process claimed it."""
    attempt, sent = request.status.attempt, facts.sent
    return sent if attempt is not None and sent is not None and sent.attempt_id == attempt.id else None


def _submitting(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    sent = own_send(request, facts)
    if sent is None:
        return _verifying(request, facts, now, limits, facts.first_seen + limits.settle, None)
    match sent.answer:
        case Accepted(job_id):
            message = f"The server deletes it; its job is {job_id}."
            return Record(
                next_status(request, now, Phase.RUNNING, Reason.JOB_RUNNING, message, job=Job(id=job_id))
            )
        case Refused(error) if not is_dated(request.status.target):
            return Record(_refused_for_good(request, error, now))
        case NotSent(error) | Refused(error):
            return Record(_back_to_pending(request, sent, error, now))
        case Rejected(error):
            message = f"The server rejected the DELETE: {error}"
            return Record(ended(request, now, Phase.FAILED, Reason.REJECTED, message, last_error=error))
        case Unclear(error, settled):
            settled_at = sent.answered if settled else facts.first_seen + limits.settle
            return _verifying(request, facts, now, limits, settled_at, error)
        case _:
            assert_never(sent.answer)


def _back_to_pending(request: Request, sent: Sent, error: str, now: Now) -> Status:
    """Counted neither as an attempt nor against backoffLimit (rule 4)."""
    reason, message = _not_taken(error, refused=isinstance(sent.answer, Refused))
    before = sent.before
    return next_status(
        request,
        now,
        Phase.PENDING,
        reason,
        message,
        attempt=before.attempt,
        job=before.job,
        progress=before.progress,
        last_error=error,
    )


def _refused_for_good(request: Request, error: str, now: Now) -> Status:
    """Rule 8: without creation times never a second DELETE. By the next one the name may hold other data, and
    a gateway may have passed on what it says it refused.
    """
    message = (
        f"The server refused the DELETE: {error}. It shows no creation time that would tell, at another try, "
        "whether the namespace is still the same one. Create a new request to try again."
    )
    return ended(request, now, Phase.FAILED, Reason.PRECONDITION_UNVERIFIABLE, message, last_error=error)


def _not_taken(error: str, *, refused: bool) -> tuple[Reason, str]:
    if refused:
        return Reason.REFUSED, f"The server refused the DELETE: {error}"
    return Reason.SERVER_UNAVAILABLE, f"The DELETE could not be sent: {error}"


def _verifying(
    request: Request, facts: Facts, now: Now, limits: Limits, settled_at: float, error: str | None
) -> Step:
    """Sends nothing, ever: only looks, and only once the attempt is settled (rule 5)."""
    why = f" ({error})" if error else ""
    last_error = (facts.outage.error if facts.outage else error) or request.status.last_error
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
    looks = tuple(look for look in facts.looks if look.started >= settled_at)
    verdict = agreed(looks, request.status.target, settled_at, LOOK_GAP)
    if verdict is Sight.GONE:
        message = "The target is gone; no job was seen to end."
        return Record(ended(request, now, Phase.SUCCEEDED, Reason.VERIFIED_ABSENT, message))
    if verdict is Sight.REPLACED:
        return Record(replaced(request, now))
    if _no_way_to_tell(request, facts, now, limits, looks, verdict):
        message = (
            "The DELETE may have been sent, but neither a job nor the listing tells what became of it. "
            "The delete may still happen. To ask again, create a new request."
        )
        return Record(
            ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message, last_error=last_error)
        )
    due = looks[-1].answered + LOOK_GAP if looks else settled_at
    if facts.outage is not None:
        due = facts.outage.until
    return LookUp() if now.ticks >= due else Wait(due, status)


def _no_way_to_tell(
    request: Request, facts: Facts, now: Now, limits: Limits, looks: tuple[Look, ...], verdict: Sight | None
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
    tried = facts.outage is not None or len(looks) > 1
    return tried and now.ticks - facts.first_seen >= limits.verify_seconds


# Running: the server accepted it and gave a job


def _running(request: Request, facts: Facts, now: Now) -> Step:
    attempt = request.status.attempt
    if request.status.job is None or attempt is None:
        message = "The status names no job, so it can't be followed. Create a new request."
        return Record(ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message))
    job = reported(request.status.job, facts)
    match job.state:
        case JobStatus.COMPLETED:
            by = f" by attempt {attempt.number}" if attempt.number > 1 else ""
            count = f": {job.deleted_items} items were removed{by}" if job.deleted_items is not None else ""
            return Record(
                ended(
                    request,
                    now,
                    Phase.SUCCEEDED,
                    Reason.DELETION_COMPLETED,
                    f"The job completed{count}.",
                    **job_shown(request, job),
                )
            )
        case JobStatus.FAILED:
            return Record(_job_failed(request, attempt, job, now))
        case JobStatus.RUNNING:
            pass
        case _:
            assert_never(job.state)
    if job_lost(facts):
        error = f"job {job.id} is unknown to the server"
        message = _retry_message(request, attempt, error)
        return Record(
            next_status(
                request,
                now,
                Phase.PENDING,
                Reason.RETRYING,
                message,
                last_error=error,
                **job_shown(request, job),
            )
        )
    if deadline_passed(request, now):
        return Record(deadline_exceeded(request, now, job))
    due = next_poll(request, facts, now)
    return Poll(job.id) if now.ticks >= due else Wait(due, _still_running(request, facts, now, job))


def _job_failed(request: Request, attempt: Attempt, job: Job, now: Now) -> Status:
    error = job.last_error or "the job failed without an error"
    if attempt.number > request.spec.backoff_limit:
        return limit_exceeded(request, now, job, error)
    message = _retry_message(request, attempt, error)
    return next_status(
        request, now, Phase.PENDING, Reason.RETRYING, message, last_error=error, **job_shown(request, job)
    )


def _still_running(request: Request, facts: Facts, now: Now, job: Job) -> Status:
    reason, message = Reason.JOB_RUNNING, f"The server deletes it; its job is {job.id}."
    last_error = request.status.last_error
    match facts.polled.answer if facts.polled else None:
        case Unavailable(error) | JobUnknown(error):
            reason, message = Reason.POLL_FAILING, f"The server does not tell about job {job.id}: {error}"
            last_error = error
        case None if request.status.reason == Reason.POLL_FAILING:
            return request.status  # after a restart nothing better is known until the first answer
        case JobReport() | None:
            pass
    return next_status(
        request, now, Phase.RUNNING, reason, message, last_error=last_error, **job_shown(request, job)
    )


# Ended or withdrawn


def _over(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    """Keep `observedGeneration` up, and follow what may still run at the server: it holds the target."""
    status = request.status
    if not request.withdrawn and status.observed_generation != request.generation:
        return Record(observed(request, now))
    if not follows_job(request, facts):
        return Forget()
    sent = own_send(request, facts)
    match (status.job, sent.answer if sent else None):
        case (Job(id=job_id), _) | (None, Accepted(job_id)):
            if job_over(facts):
                return Forget()
            due = next_poll(request, facts, now)
            return Poll(job_id) if now.ticks >= due else Wait(due, status)
        case (None, NotSent() | Refused() | Rejected() | Unclear(settled=True)):
            return Forget()
        case _:
            settled_at = facts.first_seen + limits.settle
            return Forget() if now.ticks >= settled_at else Wait(settled_at, status)


# When a wait is over, and when it is worth a write


def wake_at(step: Wait, request: Request, now: Now) -> float | None:
    """When to decide again (ticks): the step's own time, or the deadline if that comes first."""
    left = deadline_left(request, now)
    if request.withdrawn or request.status.phase in ENDED or left is None or left <= 0:
        return step.until
    deadline = now.ticks + left
    return deadline if step.until is None else min(step.until, deadline)


def write_due(request: Request, status: Status, waiting_since: float, facts: Facts) -> float:
    """From when on (ticks) a status that only shows a wait is worth a write."""
    recorded = request.status
    if recorded.observed_generation not in (-1, status.observed_generation):
        return 0.0
    if (recorded.phase, recorded.reason) != (status.phase, status.reason):
        return waiting_since + WAIT_WRITTEN
    return facts.written + PROGRESS_SECONDS
