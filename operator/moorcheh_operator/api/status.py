"""What is known of a NamespaceDeletion, and how that is written for the API server."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .spec import typed
from .times import JsonObject, parse_time, render_time, required_time


class Phase(StrEnum):
    PENDING = "Pending"
    SUSPENDED = "Suspended"
    SUBMITTING = "Submitting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED})
OPEN_ATTEMPT = frozenset({Phase.SUBMITTING, Phase.RUNNING})


class Reason(StrEnum):
    """Why a request is in its phase; docs/troubleshooting.md says what each one means."""

    # Pending
    SERVER_NOT_FOUND = "ServerNotFound"
    SERVER_UNAVAILABLE = "ServerUnavailable"
    REFUSED = "Refused"
    TARGET_BUSY = "TargetBusy"
    WAITING_FOR_SLOT = "WaitingForSlot"
    RETRYING = "Retrying"
    # Suspended
    SUSPENDED = "Suspended"
    # Submitting
    SUBMITTING = "Submitting"
    VERIFYING = "Verifying"
    # Running
    JOB_RUNNING = "JobRunning"
    POLL_FAILING = "PollFailing"
    # Succeeded
    DELETION_COMPLETED = "DeletionCompleted"
    ALREADY_ABSENT = "AlreadyAbsent"
    VERIFIED_ABSENT = "VerifiedAbsent"
    TARGET_REPLACED = "TargetReplaced"
    # Failed
    JOB_FAILED = "JobFailed"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    REJECTED = "Rejected"
    TARGET_ABSENT = "TargetAbsent"
    PRECONDITION_FAILED = "PreconditionFailed"
    PRECONDITION_UNVERIFIABLE = "PreconditionUnverifiable"
    TARGET_NEWER_THAN_REQUEST = "TargetNewerThanRequest"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    RESTORED_FROM_BACKUP = "RestoredFromBackup"
    # Failed, and Pending for a minute before
    NOT_ALLOWED = "NotAllowed"
    PROTECTED = "Protected"


class JobStatus(StrEnum):
    """The three states the server documents; any other word counts as still running."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Target:
    """What was looked up. `creation_time` is the server's own string, kept verbatim, and names the
    incarnation that this request is for: it stays when the namespace is found no more. `server` is the URL of
    the server that it was looked up at; attempt and job are at the same one.
    """

    found: bool
    item_count: int | None = None
    creation_time: str | None = None
    observation_time: datetime | None = None
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    number: int
    id: str
    start_time: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """The server's job as it last reported it; times are its own strings, kept verbatim."""

    id: str
    status: str | None = None
    total_items: int | None = None
    deleted_items: int | None = None
    last_error: str | None = None
    start_time: str | None = None
    update_time: str | None = None
    finish_time: str | None = None

    @property
    def state(self) -> JobStatus:
        try:
            return JobStatus((self.status or "").lower())
        except ValueError:
            return JobStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Condition:
    """A `metav1.Condition`."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int


@dataclass(frozen=True, slots=True)
class Status:
    observed_generation: int = -1
    phase: Phase | None = None
    reason: str | None = None
    message: str | None = None
    target: Target | None = None
    attempt: Attempt | None = None
    job: Job | None = None
    progress: str | None = None
    last_error: str | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    conditions: tuple[Condition, ...] = ()


def parse_status(status: JsonObject) -> Status:
    target, attempt, job = status.get("target"), status.get("attempt"), status.get("job")
    phase = status.get("phase")
    return Status(
        observed_generation=int(status.get("observedGeneration", -1)),
        phase=Phase(phase) if phase else None,
        reason=status.get("reason"),
        message=status.get("message"),
        target=Target(
            found=bool(target.get("found")),
            item_count=target.get("itemCount"),
            creation_time=target.get("creationTime"),
            observation_time=parse_time(target.get("observationTime")),
            server=typed(target.get("server"), str | None),
        )
        if target
        else None,
        attempt=Attempt(
            number=int(attempt["number"]), id=attempt["id"], start_time=required_time(attempt, "startTime")
        )
        if attempt
        else None,
        job=Job(
            id=job["id"],
            status=job.get("status"),
            total_items=job.get("totalItems"),
            deleted_items=job.get("deletedItems"),
            last_error=job.get("lastError"),
            start_time=job.get("startTime"),
            update_time=job.get("updateTime"),
            finish_time=job.get("finishTime"),
        )
        if job
        else None,
        progress=status.get("progress"),
        last_error=status.get("lastError"),
        start_time=parse_time(status.get("startTime")),
        completion_time=parse_time(status.get("completionTime")),
        conditions=tuple(
            Condition(
                type=condition["type"],
                status=condition["status"],
                reason=condition["reason"],
                message=condition.get("message", ""),
                last_transition_time=required_time(condition, "lastTransitionTime"),
                observed_generation=int(condition.get("observedGeneration", 0)),
            )
            for condition in status.get("conditions") or ()
        ),
    )


def render(status: Status) -> dict[str, Any]:
    """The status as the API server stores it; what is None is left out."""
    body: dict[str, Any] = _render(status)
    return body


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_KEYS: dict[type, tuple[tuple[str, str], ...]] = {
    kind: tuple((field.name, _camel(field.name)) for field in dataclasses.fields(kind))
    for kind in (Status, Target, Attempt, Job, Condition)
}
"""The fields of each part of a status: their names here, and in the API."""


def _render(value: object) -> Any:
    match value:
        case str() | int():  # first, as most are
            return value
        case datetime():
            return render_time(value)
        case tuple():
            return [_render(item) for item in value]
        case Status() | Target() | Attempt() | Job() | Condition():
            fields = ((key, getattr(value, name)) for name, key in _KEYS[type(value)])
            return {key: _render(field) for key, field in fields if field is not None and field != ()}
        case _:
            raise TypeError(f"{value!r} has no place in a status")


_Part = Status | Target | Attempt | Job


def merge_patch(old: Status, new: Status) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) of the status that turns `old` into `new`.

    It is only right for an object whose status *is* `old`: send it with that object's resourceVersion.
    """
    return _difference(old, new)


def _difference(old: _Part, new: _Part) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for name, key in _KEYS[type(new)]:
        match getattr(old, name), getattr(new, name):
            case before, after if before == after:
                pass
            case _, None | ():
                patch[key] = None
            case (Target() | Attempt() | Job()) as before, (Target() | Attempt() | Job()) as after:
                patch[key] = _difference(before, after)
            case _, after:
                patch[key] = _render(after)
    return patch
