"""One NamespaceDeletion as the API server shows it.

The room `api` is the only place that knows the object's camelCase keys; everything else works with these
frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct, ValidationError, convert

from .spec import Spec
from .status import Status
from .times import JsonObject, Time

GROUP = "moorcheh.ai"
VERSION = "v1alpha1"
PLURAL = "namespacedeletions"
KIND = "NamespaceDeletion"
RESTORED_LABEL = "velero.io/restore-name"  # Velero puts it on what it restores, and drops the status
HOOKS = frozenset({"argocd.argoproj.io/hook", "helm.sh/hook"})  # made to run again, and to be deleted


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


class MalformedRequestError(ValueError):
    """An object that the CRD's schema would not have let in."""


def identity(body: JsonObject) -> tuple[str | None, str | None]:
    """uid and resourceVersion, without the cost of reading all of it; None for what is missing."""
    metadata = body.get("metadata") or {}
    return metadata.get("uid"), metadata.get("resourceVersion")


class _Metadata(Struct, rename="camel"):
    namespace: str
    name: str
    uid: str
    resource_version: str
    creation_timestamp: Time
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Object(Struct):
    metadata: _Metadata
    spec: Spec
    status: Status | None = None


def parse(body: JsonObject) -> Request:
    """What it does not know is left aside. Raises `MalformedRequestError` naming the first field that can't
    be read, and not its value.
    """
    try:
        found = convert(body, _Object)
    except ValidationError as error:
        raise MalformedRequestError(str(error)) from error
    metadata = found.metadata
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    return Request(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        generation=metadata.generation,
        creation_time=metadata.creation_timestamp,
        spec=found.spec,
        status=found.status or Status(),
        withdrawn=metadata.deletion_timestamp is not None,
        restored=RESTORED_LABEL in labels,
        recreated_by=_recreated_by(labels, annotations),
    )


def _recreated_by(labels: JsonObject, annotations: JsonObject) -> str | None:
    """What keeps a manifest of it, and puts it back when it is missing."""
    if "kustomize.toolkit.fluxcd.io/name" in labels or "helm.toolkit.fluxcd.io/name" in labels:
        return "Flux"
    if HOOKS & annotations.keys():
        return None
    if "argocd.argoproj.io/tracking-id" in annotations:
        return "Argo CD"
    return "Helm" if "meta.helm.sh/release-name" in annotations else None
