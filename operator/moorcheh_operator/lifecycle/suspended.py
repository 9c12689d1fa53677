"""Suspended: a live preview of what an approval would do."""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Phase, Reason, Status, Target
from moorcheh_operator.clock import Now

from .access import Open
from .doubtful import flawed
from .facts import Facts, Look
from .guards import judge
from .statuses import next_status, seen_target
from .steps import LookUp, Record, Step, Wait
from .waits import why_shut_out

PREVIEW_SECONDS = 60.0  # between two looks of a suspended request


def step(request: Request, facts: Facts, now: Now) -> Step:
    """A live preview: a look a minute, written when what it shows has changed."""
    if request.flaws:
        return _refused(request, Reason.INVALID_SPEC, flawed(request), now)
    if not isinstance(facts.admission.access, Open):
        return _refused(request, why_shut_out(facts.admission.access), facts.admission.access.message, now)
    look = facts.seen.looks[-1] if facts.seen.looks else None
    due = look.answered + PREVIEW_SECONDS if look else 0.0
    if facts.seen.outage is not None:
        due = facts.seen.outage.until
    if now.ticks >= due:
        return LookUp()
    status = _preview(request, facts, look, now)
    return Wait(due, status) if status == request.status else Record(status)


def _preview(request: Request, facts: Facts, look: Look | None, now: Now) -> Status:
    target, last_error = request.status.target, request.status.last_error
    if look is None or facts.seen.outage is not None:
        last_error = facts.seen.outage.error if facts.seen.outage else last_error
        message = f"Suspended. The server gave no usable listing, which is tried again: {last_error}"
    else:
        target = seen_target(request, facts.seen, look, now)
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


def _refused(request: Request, reason: Reason, why: str, now: Now) -> Step:
    """Whatever the look would show; so there is none."""
    message = f"Suspended. Approval would be refused ({reason}): {why}"
    status = next_status(request, now, Phase.SUSPENDED, Reason.SUSPENDED, message, start_time=None)
    return Wait(now.ticks + PREVIEW_SECONDS, status) if status == request.status else Record(status)


def _contents(target: Target | None) -> str:
    count = target.item_count if target else None
    return "an unknown number of items" if count is None else f"{count} items"
