"""What a pending request waits for, and the words for it."""

from __future__ import annotations

from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Phase, Reason
from moorcheh_operator.backoff import Trouble
from moorcheh_operator.clock import Now

from .access import NamespaceEnds, NotFound, Refusal, Undecided
from .facts import Admission, Facts
from .kubernetes_namespace import Untold
from .ownership import stood_behind
from .statuses import ended, nothing_sent, waiting
from .steps import LookUp, Record, Step, Wait

REFUSAL_SECONDS = 60.0  # that a refusal must stand: GitOps may apply things in any order
ACCESS_SECONDS = 5.0  # between two tries to get in: labels of a Kubernetes namespace tell nobody


ShutOut = NotFound | Undecided | Refusal | NamespaceEnds


def shut_out(request: Request, facts: Facts, access: ShutOut, now: Now) -> Step:
    """Nothing is looked up for one that may not: a preview tells what is there."""
    until, reason, message = None, why_shut_out(access), access.message
    match access:
        case NotFound():
            pass
        case Undecided():
            until = now.ticks + ACCESS_SECONDS
        case Refusal():
            final = max(facts.admission.access_since, facts.first_seen) + REFUSAL_SECONDS
            if now.ticks >= final:
                message = f"{message} {nothing_sent(request)}"
                return Record(ended(request, now, Phase.FAILED, reason, message))
            until = min(final, now.ticks + ACCESS_SECONDS)
            message += f" If that does not change within {REFUSAL_SECONDS:.0f} s, this request fails."
        case NamespaceEnds():
            attempt = request.status.attempt
            message += f" Nothing is sent{f' after attempt {attempt.number}' if attempt else ''}."
        case _:
            assert_never(access)
    return wait(request, facts, now, until, reason, message)


def why_shut_out(access: ShutOut) -> Reason:
    match access:
        case NotFound():
            return Reason.SERVER_NOT_FOUND
        case Undecided():
            return Reason.NOT_ALLOWED
        case Refusal(reason):
            return reason
        case NamespaceEnds():
            return Reason.NAMESPACE_TERMINATING
        case _:
            assert_never(access)


def wait(
    request: Request,
    facts: Facts,
    now: Now,
    until: float | None,
    reason: Reason,
    message: str,
    error: str | None = None,
) -> Wait:
    """Rule 8 is stricter with one that stood behind another, and after a restart nothing else tells it."""
    queued = stood_behind(request, facts.rivals)
    if queued and request.status.attempt is None and reason is not Reason.TARGET_BUSY:
        reason, message = Reason.TARGET_BUSY, f"Another request had the target. {message}"
    return Wait(until, waiting(request, facts.seen, now, reason, message, error))


def behind(request: Request, facts: Facts, now: Now) -> Step:
    """Another request has the target. One look all the same: it binds this one to its incarnation."""
    until = facts.seen.outage.until if facts.seen.outage and not facts.seen.looks else None
    if not facts.seen.looks and (until is None or now.ticks >= until):
        return LookUp()
    message = f"Waiting for {facts.rivals.owner}, which has the same target."
    return wait(request, facts, now, until, Reason.TARGET_BUSY, message)


def outage_wait(request: Request, facts: Facts, trouble: Trouble, now: Now) -> Step:
    if now.ticks >= trouble.until:
        return LookUp(to_claim=True)
    message = f"The server gave no usable listing, which is tried again: {trouble.error}"
    return wait(request, facts, now, trouble.until, Reason.SERVER_UNAVAILABLE, message, trouble.error)


def namespace_untold(request: Request, state: Untold) -> tuple[Reason, str]:
    message = (
        f"The API server does not say whether the Kubernetes namespace {request.namespace} is being deleted, "
        f"and until it does nothing is sent: {state.trouble.error}"
    )
    return Reason.NAMESPACE_UNVERIFIED, message


def namespace_slow(request: Request) -> tuple[Reason, str]:
    message = (
        f"The API server takes too long to say whether the Kubernetes namespace {request.namespace} is being "
        "deleted: what the Moorcheh server had shown before was too old by then. "
        "It is tried again before anything is sent."
    )
    return Reason.NAMESPACE_UNVERIFIED, message


def not_taken(request: Request, admission: Admission, error: str, *, refused: bool) -> tuple[Reason, str]:
    if isinstance(admission.access, NamespaceEnds):
        what = "The server did not accept the DELETE" if refused else "The DELETE was not sent"
        return Reason.NAMESPACE_TERMINATING, f"{admission.access.message} {what}."
    if refused:
        message = f"The server does not accept the DELETE now, which is tried again: {error}"
        return Reason.REFUSED, message
    if isinstance(admission.namespace, Untold):
        return namespace_untold(request, admission.namespace)
    return Reason.SERVER_UNAVAILABLE, f"The DELETE could not be sent, which is tried again: {error}"
