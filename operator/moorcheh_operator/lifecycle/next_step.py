"""The life of a request: (request, facts, now) -> the next step. docs/safety.md as code.

Pure: no I/O, no clock of its own, nothing remembered. The controller carries one step out, adds what it
learned to the facts and asks again, so whatever happened in between (another write, a crash, a stale read)
is taken in by deciding anew.
"""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Phase, Reason, Status
from moorcheh_operator.clock import Now

from . import ended, pending, running, statuses, submitting, suspended
from .facts import Facts
from .incarnation import is_dated
from .steps import Limits, Record, Step, Wait

RESTORE_SECONDS = 10.0  # for the status of a restored object to follow: it is written after the object


def next_step(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    if request.withdrawn or request.status.phase in ENDED:
        return ended.step(request, facts, now, limits)
    match request.status.phase:
        case Phase.SUBMITTING:
            return submitting.step(request, facts, now, limits)
        case Phase.RUNNING:
            return running.step(request, facts, now)
        case _ if not facts.may_claim:
            return Wait(None, request.status)
        case None if request.restored and now.ticks < facts.first_seen + RESTORE_SECONDS:
            return Wait(facts.first_seen + RESTORE_SECONDS, request.status)
        case _ if request.restored and not is_dated(request.status.target):
            return Record(_restored(request, now))
        case _ if request.spec.suspend:
            return suspended.step(request, facts, now)
        case _:
            return pending.step(request, facts, now)


def _restored(request: Request, now: Now) -> Status:
    """A backup usually keeps no status: an ended request comes back as a new one, younger than what has its
    target's name by now. So is one whose status tells no incarnation: it may have ended after the backup.
    """
    message = (
        "This request was restored from a backup, so it may have been carried out before, and nothing tells "
        "which namespace it was for. Nothing was sent. Create a new request to delete the namespace."
    )
    return statuses.ended(request, now, Phase.FAILED, Reason.RESTORED_FROM_BACKUP, message)
