"""Where it is not certain that somebody wants this deletion now, nothing is sent (rules 16 and 17)."""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Phase, Reason, Status
from moorcheh_operator.clock import Now

from .facts import Facts
from .incarnation import is_dated
from .statuses import ended, nothing_sent
from .steps import Record, Step, Wait

RESTORE_SECONDS = 10.0  # for the status of a restored object to follow: it is written after the object


def step(request: Request, facts: Facts, now: Now) -> Step | None:
    """None: there is no doubt, or it is held and says so."""
    if request.restored and request.status.phase is None and now.ticks < facts.first_seen + RESTORE_SECONDS:
        return Wait(facts.first_seen + RESTORE_SECONDS, request.status)
    if request.copied is not None:
        return Record(_copied(request, request.copied, now))
    if request.restored and not is_dated(request.status.target):
        return Record(_restored(request, now))
    if request.flaws and not request.spec.suspend:
        return Record(_invalid(request, now))
    return None


def flawed(request: Request) -> str:
    return f"This can't be what was meant: {', '.join(request.flaws)}."


def _invalid(request: Request, now: Now) -> Status:
    """A misspelled field would have asked for something else, perhaps to wait."""
    message = f"{flawed(request)} {nothing_sent(request)} Create a new request without that."
    return ended(request, now, Phase.FAILED, Reason.INVALID_SPEC, message)


def _copied(request: Request, why: str, now: Now) -> Status:
    """A copy has no status: what has ended would run again."""
    message = (
        f"This is a copy of an object that may have been carried out before: {why}. {nothing_sent(request)} "
        "To delete the namespace, create a new request, from a manifest without status, uid and generation."
    )
    return ended(request, now, Phase.FAILED, Reason.RESTORED_FROM_BACKUP, message)


def _restored(request: Request, now: Now) -> Status:
    """A backup usually keeps no status: an ended request comes back as a new one, younger than what has its
    target's name by now. So is one whose status tells no incarnation: it may have ended after the backup.
    """
    message = (
        "This request was restored from a backup, so it may have been carried out before, and nothing tells "
        f"which namespace it was for. {nothing_sent(request)} Create a new request to delete the namespace."
    )
    return ended(request, now, Phase.FAILED, Reason.RESTORED_FROM_BACKUP, message)
