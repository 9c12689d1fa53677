"""Running without a job: the server accepted the deletion, and the listing will show when it is done.

Another DELETE is never sent for it: nothing tells that the server has ended the first one (rule 6).
"""

from __future__ import annotations

import math

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Acceptance, Phase, Reason
from moorcheh_operator.clock import Now

from .facts import Facts
from .incarnation import LOOK_GAP, Incarnation, agreed
from .ownership import deadline_passed
from .statuses import deadline_exceeded, ended, next_status, replaced
from .steps import Forget, LookUp, Record, Step, Wait

LOOK_FIRST = 1.0  # seconds from the acceptance to the first look, and between looks …
LOOK_MOST = 60.0  # … up to this, as the time that has passed grows


def step(request: Request, acceptance: Acceptance, facts: Facts, now: Now) -> Step:
    """Until two looks agree that it is gone, or replaced, or its time is over."""
    match agreed(facts.seen.looks, request.status.target, facts.first_seen, LOOK_GAP):
        case Incarnation.ABSENT:
            end = ended(request, now, Phase.SUCCEEDED, Reason.VERIFIED_ABSENT, GONE)
            return Record(end)
        case Incarnation.REPLACED:
            return Record(replaced(request, now))
        case _:
            pass
    if deadline_passed(request, now):
        return Record(deadline_exceeded(request, now, None))
    last_error = facts.seen.outage.error if facts.seen.outage else request.status.last_error
    due, words = _next_look(acceptance, facts, now), message(acceptance)
    status = next_status(request, now, Phase.RUNNING, Reason.DELETION_ACCEPTED, words, last_error=last_error)
    return LookUp() if now.ticks >= due else Wait(due, status)


def follow(request: Request, acceptance: Acceptance, facts: Facts, now: Now) -> Step:
    """Its object is gone: the target is held as long as the deletion may still take effect."""
    shown = agreed(facts.seen.looks, request.status.target, facts.first_seen, LOOK_GAP)
    if shown in (Incarnation.ABSENT, Incarnation.REPLACED) or deadline_passed(request, now):
        return Forget()
    due = _next_look(acceptance, facts, now)
    return LookUp() if now.ticks >= due else Wait(due, request.status)


GONE = "The server had accepted the deletion, and the namespace has left its listing."


def message(acceptance: Acceptance) -> str:
    said = f' It says: "{acceptance.message}"' if acceptance.message else ""
    estimate = acceptance.estimated_completion
    when = f" Estimated completion: {estimate}." if estimate else ""
    return f"The server accepted the deletion and gave no job; the listing tells when it is done.{said}{when}"


def _next_look(acceptance: Acceptance, facts: Facts, now: Now) -> float:
    """A tenth of the time that has passed since the acceptance. At whole multiples of a power of two, so that
    many requests share a listing. What shows an end is looked at again as soon as that counts.
    """
    looks = facts.seen.looks
    if facts.seen.outage is not None:
        return facts.seen.outage.until
    if not looks:
        return facts.first_seen + LOOK_FIRST
    if looks[-1].entry is None:
        return looks[-1].answered + LOOK_GAP
    passed = (now.time - acceptance.time).total_seconds()
    every = 2.0 ** math.floor(math.log2(min(max(passed / 10, LOOK_FIRST), LOOK_MOST)))
    return (math.floor(looks[-1].answered / every) + 1) * every
