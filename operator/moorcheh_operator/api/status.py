"""What is known of a NamespaceDeletion, and how that is written for the API server."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, to_builtins

from .times import JsonObject, Time

MAX_COUNT = 2**63 - 1  # of an int64 in the CRD


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
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    NAMESPACE_UNVERIFIED = "NamespaceUnverified"
    # Suspended
    SUSPENDED = "Suspended"
    # Submitting
    SUBMITTING = "Submitting"
    VERIFYING = "Verifying"
    # Running
    JOB_RUNNING = "JobRunning"
    POLL_FAILING = "PollFailing"
    DELETION_ACCEPTED = "DeletionAccepted"
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
    STILL_LISTED = "StillListed"  # Running before, while it is looked at again
    TARGET_NEWER_THAN_REQUEST = "TargetNewerThanRequest"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    RESTORED_FROM_BACKUP = "RestoredFromBackup"
    INVALID_SPEC = "InvalidSpec"
    WITHDRAWN = "Withdrawn"
    # Failed, and Pending for a minute before
    NOT_ALLOWED = "NotAllowed"
    PROTECTED = "Protected"


class JobStatus(StrEnum):
    """The three states the server documents; any other word counts as still running."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Target(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What was looked up. `creation_time` is the server's own string, kept verbatim, and names the
    incarnation that this request is for: it stays when the namespace is found no more. `server` is the URL of
    the server that it was looked up at; attempt and job are at the same one.
    """

    found: bool
    item_count: int | None = None
    creation_time: str | None = None
    observation_time: Time | None = None
    server: str | None = None


class Attempt(Struct, frozen=True, rename="camel", omit_defaults=True):
    number: int
    id: str
    start_time: Time


class Job(Struct, frozen=True, rename="camel", omit_defaults=True):
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


class Acceptance(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The server accepted the deletion and gave no job; its own words."""

    time: Time
    message: str | None = None
    estimated_completion: str | None = None


class EarlierAttempt(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One that was followed by another, with its job as the server last reported it."""

    number: int
    id: str
    start_time: Time
    job: Job | None = None


class VerificationResult(StrEnum):
    """What the listing showed when the request ended."""

    ABSENT = "Absent"
    REPLACED = "Replaced"  # a newer namespace has the name
    STILL_LISTED = "StillListed"  # the one that was to be deleted
    UNVERIFIABLE = "Unverifiable"  # a namespace of that name, or no usable listing


class Verification(Struct, frozen=True, rename="camel", omit_defaults=True):
    result: str  # a `VerificationResult`, or what a newer operator wrote
    time: Time


class Condition(Struct, frozen=True, rename="camel"):
    """A `metav1.Condition`."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: Time
    observed_generation: int = 0


class Status(Struct, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: int = -1
    phase: Phase | None = None
    reason: str | None = None
    message: str | None = None
    target: Target | None = None
    attempt: Attempt | None = None
    job: Job | None = None
    acceptance: Acceptance | None = None
    progress: str | None = None
    deleted_items: int | None = None
    earlier_attempts: tuple[EarlierAttempt, ...] = ()
    verification: Verification | None = None
    last_error: str | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    conditions: tuple[Condition, ...] = ()


def render(status: Struct) -> dict[str, Any]:
    """The status as the API server stores it; what is None is left out."""
    body: dict[str, Any] = to_builtins(status)
    for name in {"conditions", "earlierAttempts"} & body.keys():
        body[name] = list(body[name])
    return body


def merge_patch(old: Struct, new: Struct) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) of the status that turns `old` into `new`.

    It is only right for an object whose status *is* `old`: send it with that object's resourceVersion. What
    another version of the operator has written beside these fields stays.
    """
    return _difference(render(old), render(new))


def _difference(old: JsonObject, new: JsonObject) -> dict[str, Any]:
    patch: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
    for key, after in new.items():
        match old.get(key), after:
            case before, _ if before == after:
                pass
            case dict(before), dict():
                patch[key] = _difference(before, after)
            case _:
                patch[key] = after
    return patch
