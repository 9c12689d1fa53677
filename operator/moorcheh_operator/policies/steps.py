"""What a policy's task does next, as values."""

from __future__ import annotations

from dataclasses import dataclass

from moorcheh_operator.api.policy import PolicyStatus
from moorcheh_operator.api.times import JsonObject


@dataclass(frozen=True, slots=True)
class AskRight:
    """Ask the API server whether requests may be created."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the server for its listing; `anew`: by a call that begins now, not one that others had made."""

    anew: bool


@dataclass(frozen=True, slots=True)
class Record:
    """Write this status, if the object is still the same."""

    status: PolicyStatus


@dataclass(frozen=True, slots=True)
class Create:
    """Create these requests, by target. Each may be there already."""

    requests: tuple[tuple[str, JsonObject], ...]


@dataclass(frozen=True, slots=True)
class Wait:
    until: float  # ticks


Step = AskRight | LookUp | Record | Create | Wait
