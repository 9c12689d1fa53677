"""Which Event a request is worth, if any, and what a log line tells of it. Pure; two for a short deletion.

Submission, the retries (one Event, with their count), the end, and what a request waits for once that takes
longer than a minute, or ten seconds where somebody should do something about it.
"""

from __future__ import annotations

from dataclasses import dataclass

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Phase, Reason, Status

LONG_WAIT_SECONDS = {"Normal": 60.0, "Warning": 10.0}

SUBMITTED = "Submitted"
WAITS = {
    Reason.SERVER_NOT_FOUND: "Warning",
    Reason.SERVER_UNAVAILABLE: "Warning",
    Reason.NOT_ALLOWED: "Warning",
    Reason.REFUSED: "Warning",
    Reason.NAMESPACE_UNVERIFIED: "Warning",
    Reason.TARGET_BUSY: "Normal",
    Reason.WAITING_FOR_SLOT: "Normal",
    Reason.POLL_FAILING: "Warning",
}
"""The reasons to wait that are told once they last, and how grave they are."""


@dataclass(frozen=True, slots=True)
class Announcement:
    type: str  # Normal or Warning
    reason: str
    message: str
    count: int = 1  # how often it has come to this; one Event shows them all


def announcement(before: Status, after: Request) -> Announcement | None:
    """For a status write."""
    status = after.status
    if (before.phase, before.reason) == (status.phase, status.reason):
        return None
    message = status.message or ""
    if status.phase is Phase.SUCCEEDED or status.reason == Reason.WITHDRAWN:
        return Announcement("Normal", str(status.reason), message)
    if status.phase in ENDED or status.reason == Reason.VERIFYING:
        return Announcement("Warning", str(status.reason), message)
    if before.phase is Phase.RUNNING and status.reason == Reason.RETRYING:
        return Announcement("Warning", str(status.reason), message, _attempts(status))
    if status.phase is Phase.RUNNING and before.phase is Phase.SUBMITTING and _attempts(status) == 1:
        return _submitted(after)
    return None


def long_wait(request: Request, seconds: float) -> Announcement | None:
    """For a status that has shown the same for so long."""
    kind = WAITS.get(Reason(request.status.reason)) if request.status.reason in list(Reason) else None
    if kind is None or request.status.phase in ENDED or seconds < LONG_WAIT_SECONDS[kind]:
        return None
    return Announcement(kind, str(request.status.reason), request.status.message or "")


def log_names(request: Request) -> dict[str, object]:
    """The fields of a log line about a request."""
    return {"request": request.key, "uid": request.uid, "target": request.spec.namespace_name}


def log_fields(request: Request) -> dict[str, object]:
    """The fields of a log line about an attempt or an end."""
    attempt, job = request.status.attempt, request.status.job
    return {
        **log_names(request),
        **({"attempt": attempt.id, "number": attempt.number} if attempt else {}),
        **({"job": job.id, "items": request.status.deleted_items} if job else {}),
    }


def _submitted(request: Request) -> Announcement:
    status = request.status
    how = f"job {status.job.id}" if status.job else "accepted without a job"
    return Announcement("Normal", SUBMITTED, f'Deletion of "{request.spec.namespace_name}" submitted, {how}.')


def _attempts(status: Status) -> int:
    return status.attempt.number if status.attempt else 1
