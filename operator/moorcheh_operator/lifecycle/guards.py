"""What one look says about deleting the target: the request's end, or that the way is free. Pure.

docs/safety.md, rules 7 (bound to one incarnation), 8 (never newer than the request), 9 (preconditions).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import IfAbsent
from moorcheh_operator.api.status import Phase, Reason, Status, Target
from moorcheh_operator.api.times import parse_birth, render_time
from moorcheh_operator.clock import Now
from moorcheh_operator.moorcheh.answers import Entry

from .facts import Facts, Look, Rivals
from .incarnation import CLOCK_ERROR, Incarnation, incarnation, is_dated
from .ownership import stood_behind
from .statuses import (
    bound_target,
    ended,
    nothing_sent,
    replaced,
    seen_target,
    unverifiable_after_another,
)

TOLERANCE = timedelta(seconds=3)  # a target may look this much newer than its request (rule 8)


def judge(request: Request, facts: Facts, look: Look, now: Now) -> Status | None:
    """How the request ends at this look, or None: the target may be deleted."""
    verdict = _verdict(request, facts, look, now)
    return verdict and replace(verdict, target=seen_target(request, facts.seen, look, now))


def _verdict(request: Request, facts: Facts, look: Look, now: Now) -> Status | None:
    bound = bound_target(request, facts.seen)
    if look.entry is None:
        return _absent(request, bound, now)
    seen = incarnation(look, bound)
    if seen is Incarnation.REPLACED:
        return replaced(request, now)
    if seen is Incarnation.UNCLEAR and bound is not None and is_dated(bound):
        message = (
            f"The target was first seen as created at {bound.creation_time}; the server now shows "
            f"{look.entry.creation_time or 'no creation time'}, so it may be another one. "
            "Only if this one should go too, create a new request."
        )
        return _unverifiable(request, now, message)
    created = parse_birth(look.entry.creation_time)
    newer = (
        _dated(request, facts.rivals, look, created, now) if created else _undated(request, facts.rivals, now)
    )
    return newer or _preconditions(request, look.entry, created, look.skew, now)


def _absent(request: Request, bound: Target | None, now: Now) -> Status:
    name = request.spec.namespace_name
    if bound is not None:
        message = f'"{name}" was seen before and is gone. {nothing_sent(request)}'
        return ended(request, now, Phase.SUCCEEDED, Reason.VERIFIED_ABSENT, message)
    if request.spec.if_absent is IfAbsent.SUCCEED:
        message = f'The server has no namespace "{name}". {nothing_sent(request)}'
        return ended(request, now, Phase.SUCCEEDED, Reason.ALREADY_ABSENT, message)
    message = f'The server has no namespace "{name}", and spec.ifAbsent is Fail. Check the name.'
    return ended(request, now, Phase.FAILED, Reason.TARGET_ABSENT, message)


def _undated(request: Request, rivals: Rivals, now: Now) -> Status | None:
    if _was_absent(request):
        message = (
            "There was no such namespace when this request first looked, and the server shows no creation "
            "time that would tell since when there is one. Only if this one should go too, "
            "create a new request."
        )
        return _unverifiable(request, now, message)
    return unverifiable_after_another(request, now) if _another_ended_meanwhile(request, rivals) else None


def _dated(request: Request, rivals: Rivals, look: Look, created: datetime, now: Now) -> Status | None:
    """Behind another request, or where nothing was there before, there is no tolerance, and not even the
    clocks' error is given away.
    """
    strict = _another_ended_meanwhile(request, rivals) or _was_absent(request)
    grace = -CLOCK_ERROR if strict else TOLERANCE
    if created + look.skew <= request.creation_time + grace:
        return None
    shown = look.entry.creation_time if look.entry else None
    message = (
        f"The namespace was created at {shown}{_by_which_clock(look.skew)}, this request at "
        f"{request.creation_time:%FT%TZ}: it is newer than what was asked for. "
        "Only if this one should go too, create a new request."
    )
    return ended(request, now, Phase.FAILED, Reason.TARGET_NEWER_THAN_REQUEST, message)


def _was_absent(request: Request) -> bool:
    """By what is recorded: a preview that found nothing, and what came since was not shown."""
    return request.status.target is not None and not request.status.target.found


def _another_ended_meanwhile(request: Request, rivals: Rivals) -> bool:
    """Whether another request, or this one in a history that is lost, may have deleted the target since."""
    seen = rivals.last_end is not None and rivals.last_end >= request.creation_time
    return seen or rivals.rewound or stood_behind(request, rivals)


def _preconditions(
    request: Request, entry: Entry, created: datetime | None, skew: timedelta, now: Now
) -> Status | None:
    """They fail closed: what can't be told counts as not met (rule 9)."""
    bounds = request.spec.preconditions
    if bounds.created_before is not None:
        if created is None:
            message = (
                "preconditions.createdBefore is set, but the server shows no creation time. Check the "
                "namespace, and create a request without it."
            )
            return _unverifiable(request, now, message)
        if by_either_clock(created, skew) >= bounds.created_before:
            message = (
                f"The namespace was created at {entry.creation_time}{_by_which_clock(skew)}, not before "
                f"{render_time(bounds.created_before)} (preconditions.createdBefore)."
            )
            return ended(request, now, Phase.FAILED, Reason.PRECONDITION_FAILED, message)
    if bounds.max_items is not None:
        if entry.item_count is None:
            message = (
                "preconditions.maxItems is set, but the server shows no item count. Check the namespace, "
                "and create a request without it."
            )
            return _unverifiable(request, now, message)
        if entry.item_count > bounds.max_items:
            message = (
                f"The namespace holds {entry.item_count} items, more than {bounds.max_items} "
                "(preconditions.maxItems)."
            )
            return ended(request, now, Phase.FAILED, Reason.PRECONDITION_FAILED, message)
    return None


def by_either_clock(created: datetime, skew: timedelta) -> datetime:
    """The later one, unless they agree: on a server whose clock is behind, new data would look old."""
    return max(created, created + skew) if abs(skew) > CLOCK_ERROR else created


def _unverifiable(request: Request, now: Now, message: str) -> Status:
    return ended(request, now, Phase.FAILED, Reason.PRECONDITION_UNVERIFIABLE, message)


def _by_which_clock(skew: timedelta) -> str:
    if abs(skew) <= CLOCK_ERROR:
        return ""
    return f" (by the server's clock, {-skew.total_seconds():+.0f} s from the cluster's)"
