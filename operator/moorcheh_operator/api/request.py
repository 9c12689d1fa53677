"""One NamespaceDeletion as the API server shows it.

The room `api` is the only place that knows the object's camelCase keys; everything else works with these
frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import Struct, ValidationError, convert, field

from .doubts import COPY_OF, applied_manifest, copied, flaws, without_nulls
from .spec import Spec
from .status import Status
from .times import JsonObject, Time

GROUP = "moorcheh.ai"
VERSION = "v1alpha1"
PLURAL = "namespacedeletions"
KIND = "NamespaceDeletion"

Seniority = tuple[datetime, str]
"""Creation time and uid: the lower, the older."""


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
    status: Status = Status()  # noqa: RUF009 - a frozen value
    withdrawn: bool = False  # a deletionTimestamp
    gone: bool = False  # withdrawn, and no finalizer keeps it any more
    flaws: tuple[str, ...] = ()  # fields that nobody knows, or that are null, in words
    copied: str | None = None  # why it looks like the copy of another object, in words
    restored: bool = False  # from a backup: it may be the copy of one that has ended
    recreated_by: str | None = None  # who would create it again if it were deleted, in words
    reason_by: str | None = None  # the field manager of status.reason

    @property
    def doubtful(self) -> bool:
        """Whatever is known of the target: nothing may be sent for it (docs/safety.md, rules 16 and 17)."""
        return bool(self.flaws) or self.copied is not None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    def says_the_same(self, other: Request) -> bool:
        """Whatever their versions are, and whoever wrote them."""
        alike = replace(other, resource_version=self.resource_version, reason_by=self.reason_by)
        return self == alike

    @property
    def seniority(self) -> Seniority:
        """The oldest request comes first (docs/safety.md, rule 10)."""
        return self.creation_time, self.uid


class MalformedRequestError(ValueError):
    """An object that the CRD's schema would not have let in."""


class Labels(Struct, frozen=True, omit_defaults=True):
    """Those that are read. Whoever may create a request may write a megabyte of others."""

    velero: str | None = field(default=None, name="velero.io/restore-name")
    flux_kustomization: str | None = field(default=None, name="kustomize.toolkit.fluxcd.io/name")
    flux_release: str | None = field(default=None, name="helm.toolkit.fluxcd.io/name")


class Annotations(Struct, omit_defaults=True):
    """Those that are read."""

    applied: str | None = field(default=None, name="kubectl.kubernetes.io/last-applied-configuration")
    copy_of: str | None = field(default=None, name=COPY_OF)
    argo_hook: str | None = field(default=None, name="argocd.argoproj.io/hook")
    argo_tracking: str | None = field(default=None, name="argocd.argoproj.io/tracking-id")
    helm_hook: str | None = field(default=None, name="helm.sh/hook")
    helm_release: str | None = field(default=None, name="meta.helm.sh/release-name")


class _There(Struct, frozen=True):
    """A field that somebody manages."""


class _StatusFields(Struct, frozen=True, omit_defaults=True):
    reason: _There | None = field(default=None, name="f:reason")


class _Fields(Struct, frozen=True, omit_defaults=True):
    status: _StatusFields | None = field(default=None, name="f:status")


class ManagedBy(Struct, frozen=True, omit_defaults=True):
    """An entry of `managedFields`, as far as it is read: who wrote what part of the object."""

    manager: str = ""
    subresource: str = ""
    fields: _Fields | None = field(default=None, name="fieldsV1")

    @property
    def gave_reason(self) -> bool:
        """Whether `status.reason` is as this one wrote it."""
        status = self.fields.status if self.fields is not None else None
        return status is not None and status.reason is not None


class Metadata(Struct, rename="camel", omit_defaults=True):
    namespace: str
    name: str
    uid: str
    resource_version: str
    creation_timestamp: Time
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: Labels | None = None
    annotations: Annotations | None = None
    managed_fields: list[ManagedBy] | None = None


class _Object(Struct):
    metadata: Metadata
    spec: Spec
    status: Status | None = None


def parse(body: JsonObject) -> Request:
    """What it does not know is left aside. Raises `MalformedRequestError` naming the first field that can't
    be read, and not its value.
    """
    try:
        spec = body.get("spec")
        found = convert({**body, "spec": without_nulls(spec) if isinstance(spec, dict) else spec}, _Object)
    except ValidationError as error:
        raise MalformedRequestError(str(error)) from error
    metadata, status = found.metadata, found.status or Status()
    labels, annotations = metadata.labels or Labels(), metadata.annotations or Annotations()
    applied = applied_manifest(annotations.applied)
    return Request(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        generation=metadata.generation,
        creation_time=metadata.creation_timestamp,
        spec=found.spec,
        status=status,
        withdrawn=metadata.deletion_timestamp is not None,
        flaws=flaws(body, applied or {}),
        copied=copied(metadata.uid, annotations.copy_of, applied) or _bereft(status, metadata),
        restored=labels.velero is not None,  # Velero drops the status
        recreated_by=_recreated_by(labels, annotations),
        reason_by=next((each.manager for each in metadata.managed_fields or () if each.gave_reason), None),
    )


def _bereft(status: Status, metadata: Metadata) -> str | None:
    """A copy that was made with all of the metadata: its status is lost, who wrote it is not."""
    written = any(each.subresource == "status" for each in metadata.managed_fields or ())
    return "its managedFields tell of a status, and it has none" if written and status.phase is None else None


def _recreated_by(labels: Labels, annotations: Annotations) -> str | None:
    """What keeps a manifest of it, and puts it back when it is missing."""
    if labels.flux_kustomization is not None or labels.flux_release is not None:
        return "Flux"
    if annotations.argo_hook is not None or annotations.helm_hook is not None:
        return None  # made to run again, and to be deleted
    if annotations.argo_tracking is not None:
        return "Argo CD"
    return "Helm" if annotations.helm_release is not None else None
