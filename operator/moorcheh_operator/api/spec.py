"""What a NamespaceDeletion asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .times import JsonObject, required_time

DEFAULT_SERVER = "default"  # what spec.serverRef.name is unless it is said


class IfAbsent(StrEnum):
    SUCCEED = "Succeed"
    FAIL = "Fail"


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


def typed(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind}")
    return value


def parse_spec(spec: JsonObject) -> Spec:
    preconditions = spec.get("preconditions") or {}
    has_bound = preconditions.get("createdBefore") is not None
    if unknown := preconditions.keys() - {"createdBefore", "maxItems"}:
        raise ValueError(f"unknown preconditions can't be held: {sorted(unknown)}")
    return Spec(
        namespace_name=typed(spec["namespaceName"], str),
        server=typed((spec.get("serverRef") or {}).get("name", DEFAULT_SERVER), str),
        suspend=typed(spec.get("suspend", False), bool),
        if_absent=IfAbsent(spec.get("ifAbsent", IfAbsent.SUCCEED)),
        preconditions=Preconditions(
            created_before=required_time(preconditions, "createdBefore") if has_bound else None,
            max_items=typed(preconditions.get("maxItems"), int | None),
        ),
        backoff_limit=int(spec.get("backoffLimit", 3)),
        active_deadline_seconds=int(spec.get("activeDeadlineSeconds", 86400)),
        ttl_seconds_after_finished=typed(spec.get("ttlSecondsAfterFinished"), int | None),
    )
