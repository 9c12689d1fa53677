"""One NamespaceCleanupPolicy as the API server shows it: what it selects and when, and what became of its
last run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, ValidationError, convert

from .doubts import applied_manifest, flaws, without_nulls
from .request import GROUP, Metadata
from .spec import ServerRef
from .status import Condition
from .times import JsonObject, Time

POLICY_KIND = "NamespaceCleanupPolicy"
POLICIES = "namespacecleanuppolicies"

# Of the requests that it creates; anybody who may write a request may type them.
POLICY_LABEL = f"{GROUP}/cleanup-policy"  # its name
UID_LABEL = f"{GROUP}/cleanup-policy-uid"
RUN_ANNOTATION = f"{GROUP}/cleanup-run"  # the run's scheduled time


class Select(Struct, frozen=True, rename="camel"):
    names: tuple[str, ...]  # globs
    except_names: tuple[str, ...] = ()  # globs
    older_than: str | None = None  # a duration such as 168h
    max_items: int | None = None


class Template(Struct, frozen=True, rename="camel"):
    """What the requests have beside their target and its bounds; None: their own default."""

    suspend: bool = False
    backoff_limit: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None


class PolicySpec(Struct, frozen=True, rename="camel"):
    schedule: str
    select: Select
    server_ref: ServerRef = ServerRef()
    time_zone: str = "Etc/UTC"
    starting_deadline_seconds: int = 3600
    suspend: bool = False
    max_deletions_per_run: int = 10
    template: Template = Template()

    @property
    def server(self) -> str:
        return self.server_ref.name


class Result(StrEnum):
    """What became of a run; docs/cleanup.md says what to do about each."""

    CREATING = "Creating"  # under way
    COMPLETED = "Completed"
    NOTHING_TO_DO = "NothingToDo"
    TOO_MANY_MATCHES = "TooManyMatches"
    MISSED = "Missed"
    CREATE_FORBIDDEN = "CreateForbidden"
    INCOMPLETE = "Incomplete"


class LastRun(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A run is written with all that it will create before the first of that is created: whoever leads next
    finishes it from here, without another look.
    """

    scheduled_time: Time
    time: Time  # of the look, or when it was skipped
    matched: int
    created: int
    skipped: int
    unverifiable: int
    result: str
    message: str | None = None
    remaining: tuple[str, ...] = ()  # targets whose requests are still to be created
    created_before: Time | None = None  # of these requests; None: the server shows no creation times
    server: str | None = None  # the URL that was looked at


class Matching(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a run would find now."""

    count: int
    skipped: int
    unverifiable: int
    observation_time: Time
    names: tuple[str, ...] = ()  # the first of them


class PolicyStatus(Struct, frozen=True, rename="camel", omit_defaults=True):
    observed_generation: int = -1
    last_run: LastRun | None = None
    next_run_time: Time | None = None
    matching: Matching | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """One NamespaceCleanupPolicy as the API server last showed it."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    creation_time: datetime
    spec: PolicySpec
    status: PolicyStatus = PolicyStatus()  # noqa: RUF009 - a frozen value
    withdrawn: bool = False  # a deletionTimestamp
    flaws: tuple[str, ...] = ()  # fields that nobody knows, or that are null, in words

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class MalformedPolicyError(ValueError):
    """An object that the CRD's schema would not have let in."""


class _Object(Struct):
    metadata: Metadata
    spec: PolicySpec
    status: PolicyStatus | None = None


def parse_policy(body: JsonObject) -> Policy:
    """Raises `MalformedPolicyError` naming the first field that can't be read, and not its value."""
    spec = body.get("spec")
    known = without_nulls(spec, PolicySpec) if isinstance(spec, dict) else spec
    try:
        found = convert({**body, "spec": known}, _Object)
    except ValidationError as error:
        raise MalformedPolicyError(str(error)) from error
    metadata = found.metadata
    applied = applied_manifest(metadata.annotations.applied if metadata.annotations else None)
    return Policy(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        generation=metadata.generation,
        creation_time=metadata.creation_timestamp,
        spec=found.spec,
        status=found.status or PolicyStatus(),
        withdrawn=metadata.deletion_timestamp is not None,
        flaws=flaws(body, applied or {}, kind=PolicySpec),
    )
