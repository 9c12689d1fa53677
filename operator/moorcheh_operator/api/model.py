"""The nouns: what a NamespaceDeletion asks for and what is known of it.

The only place that knows the object's camelCase keys: `parse` reads an object of the API server, `render`
and `merge_patch` write its status. Everything else works with these frozen values.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

GROUP = "moorcheh.ai"
VERSION = "v1alpha1"
PLURAL = "namespacedeletions"
KIND = "NamespaceDeletion"
DEFAULT_SERVER = "default"  # what spec.serverRef.name is unless it is said

RESTORED_LABEL = "velero.io/restore-name"  # Velero puts it on what it restores, and drops the status
HOOKS = frozenset({"argocd.argoproj.io/hook", "helm.sh/hook"})  # made to run again, and to be deleted

JsonObject = Mapping[str, Any]


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


class IfAbsent(StrEnum):
    SUCCEED = "Succeed"
    FAIL = "Fail"


class JobStatus(StrEnum):
    """The three states the server documents; any other word counts as still running."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Preconditions:
    created_before: datetime | None = None
    max_items: int | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    namespace_name: str
    server: str = DEFAULT_SERVER  # a name in the servers file, never a URL
    suspend: bool = False
    if_absent: IfAbsent = IfAbsent.SUCCEED
    preconditions: Preconditions = Preconditions()
    backoff_limit: int = 3
    active_deadline_seconds: int = 86400
    ttl_seconds_after_finished: int | None = None  # None: keep the object


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


@dataclass(frozen=True, slots=True)
class Request:
    """One NamespaceDeletion as the API server last showed it."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    creation_time: datetime
    spec: Spec
    status: Status = Status()
    withdrawn: bool = False  # a deletionTimestamp, or seen to be gone
    restored: bool = False  # from a backup: it may be the copy of one that has ended
    recreated_by: str | None = None  # who would create it again if it were deleted, in words

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def seniority(self) -> tuple[datetime, str]:
        """The oldest request comes first (docs/safety.md, rule 10)."""
        return self.creation_time, self.uid


MAX_TEXT = 1024  # bytes of UTF-8


def plain_text(text: str) -> str:
    """`text` as it may be shown to a person: one line, no control characters, at most 1 KiB."""
    kept = text[: 4 * MAX_TEXT]
    if not kept.isprintable():
        kept = "".join(character if character.isprintable() else " " for character in kept)
    words = " ".join(kept.split()).encode("utf-8", "replace")
    if len(words) <= MAX_TEXT:
        return words.decode()
    return words[: MAX_TEXT - 3].decode("utf-8", "ignore") + "…"


class MalformedRequestError(ValueError):
    """An object that the CRD's schema would not have let in."""


TO_THE_SECOND = re.compile(r"\d{4}-\d\d-\d\d.\d\d:\d\d:\d\d", re.ASCII)


def parse_time(text: object) -> datetime | None:
    """An ISO 8601 time as aware UTC; without a zone it is taken as UTC; None if it can't be read.

    A bare date, or a time without seconds, is none: two incarnations of one day or minute would look alike.
    """
    if not isinstance(text, str) or not TO_THE_SECOND.match(text):
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


PLAUSIBLE_YEARS = range(1980, 2200)


def parse_birth(text: object) -> datetime | None:
    """When a namespace was created, as the server tells it; None if that names no incarnation.

    Year 1 and 1970 stand for "not known" in many a server: all incarnations would look alike.
    """
    time = parse_time(text)
    return time if time is not None and time.year in PLAUSIBLE_YEARS else None


def render_time(time: datetime) -> str:
    """As Kubernetes writes a `metav1.Time`: UTC, whole seconds."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def identity(body: JsonObject) -> tuple[str | None, str | None]:
    """uid and resourceVersion, without the cost of reading all of it; None for what is missing."""
    metadata = body.get("metadata") or {}
    return metadata.get("uid"), metadata.get("resourceVersion")


def parse(body: JsonObject) -> Request:
    """Raises `MalformedRequestError` naming the first field that can't be read."""
    try:
        metadata = body["metadata"]
        return Request(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            generation=int(metadata.get("generation", 0)),
            creation_time=_time(metadata, "creationTimestamp"),
            spec=_parse_spec(body["spec"]),
            status=_parse_status(body.get("status") or {}),
            withdrawn=bool(metadata.get("deletionTimestamp")),
            restored=RESTORED_LABEL in (metadata.get("labels") or {}),
            recreated_by=_recreated_by(metadata.get("labels") or {}, metadata.get("annotations") or {}),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedRequestError(f"{type(error).__name__}: {error}") from error


def _recreated_by(labels: JsonObject, annotations: JsonObject) -> str | None:
    """What keeps a manifest of it, and puts it back when it is missing."""
    if "kustomize.toolkit.fluxcd.io/name" in labels or "helm.toolkit.fluxcd.io/name" in labels:
        return "Flux"
    if HOOKS & annotations.keys():
        return None
    if "argocd.argoproj.io/tracking-id" in annotations:
        return "Argo CD"
    return "Helm" if "meta.helm.sh/release-name" in annotations else None


def _time(body: JsonObject, key: str) -> datetime:
    time = parse_time(body[key])
    if time is None:
        raise ValueError(f"{key} is no time: {body[key]!r}")
    return time


def _typed(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind}")
    return value


def _parse_spec(spec: JsonObject) -> Spec:
    preconditions = spec.get("preconditions") or {}
    has_bound = preconditions.get("createdBefore") is not None
    if unknown := preconditions.keys() - {"createdBefore", "maxItems"}:
        raise ValueError(f"unknown preconditions can't be held: {sorted(unknown)}")
    return Spec(
        namespace_name=_typed(spec["namespaceName"], str),
        server=_typed((spec.get("serverRef") or {}).get("name", DEFAULT_SERVER), str),
        suspend=_typed(spec.get("suspend", False), bool),
        if_absent=IfAbsent(spec.get("ifAbsent", IfAbsent.SUCCEED)),
        preconditions=Preconditions(
            created_before=_time(preconditions, "createdBefore") if has_bound else None,
            max_items=_typed(preconditions.get("maxItems"), int | None),
        ),
        backoff_limit=int(spec.get("backoffLimit", 3)),
        active_deadline_seconds=int(spec.get("activeDeadlineSeconds", 86400)),
        ttl_seconds_after_finished=_typed(spec.get("ttlSecondsAfterFinished"), int | None),
    )


def _parse_status(status: JsonObject) -> Status:
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
            server=_typed(target.get("server"), str | None),
        )
        if target
        else None,
        attempt=Attempt(
            number=int(attempt["number"]), id=attempt["id"], start_time=_time(attempt, "startTime")
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
                last_transition_time=_time(condition, "lastTransitionTime"),
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
