"""Which Event a status write is worth, if any. Pure; two for a short deletion."""

from __future__ import annotations

from dataclasses import dataclass

from .model import ENDED, Phase, Reason, Request, Status
from .sight import is_dated


@dataclass(frozen=True, slots=True)
class Announcement:
    type: str  # Normal or Warning
    reason: str
    message: str


def announcement(before: Status, after: Request) -> Announcement | None:
    status = after.status
    if (before.phase, before.reason) == (status.phase, status.reason):
        return None
    message = status.message or ""
    if status.phase is Phase.SUCCEEDED:
        return Announcement("Normal", str(status.reason), message)
    if status.phase in ENDED or status.reason in (Reason.RETRYING, Reason.VERIFYING):
        return Announcement("Warning", str(status.reason), message)
    if status.phase is Phase.RUNNING and before.phase is Phase.SUBMITTING:
        return _submitted(after)
    return None


def _submitted(request: Request) -> Announcement:
    status = request.status
    job = status.job.id if status.job else "unknown"
    number = status.attempt.number if status.attempt else 0
    message = f'Deletion of "{request.spec.namespace_name}" submitted (attempt {number}), job {job}.'
    if is_dated(status.target):
        return Announcement("Normal", "Submitted", message)
    doubt = " The server shows no creation time, so nothing tells that it is older than this request."
    return Announcement("Warning", "Submitted", message + doubt)
