"""The kinds of server that a row runs on: what sets one up, and how the same deletion ends there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

COMPLETED, GONE, REPLACED = (
    "Succeeded/DeletionCompleted",
    "Succeeded/VerifiedAbsent",
    "Succeeded/TargetReplaced",
)
UNKNOWN = "Failed/OutcomeUnknown"


@dataclass(frozen=True)
class Kind:
    """`done`: the deletion was accepted and carried out; `again`: the name came back at its end;
    `unseen`: so it did, and the DELETE's answer was lost.
    """

    name: str
    knobs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    done: str = COMPLETED
    again: str = COMPLETED
    unseen: str = REPLACED

    @property
    def dated(self) -> bool:
        return "created_field" not in self.knobs

    def __str__(self) -> str:
        return self.name


HIDDEN = {"created_field": "none"}
DATED = Kind("dated")
UNDATED = Kind("undated", HIDDEN, unseen=UNKNOWN)
DECLARED = Kind("declared", HIDDEN, {"MOORCHEH_NAME_REUSE": "Never"}, unseen=UNKNOWN)
CLOUD = Kind("cloud", {"product": "cloud"}, done=GONE, again=REPLACED)
KINDS = (DATED, UNDATED, DECLARED, CLOUD)


def on(*kinds: Kind, slow: tuple[Kind, ...] = ()) -> pytest.MarkDecorator:
    """The test, which takes `kind`, runs on each of these; on the slow ones in `make test-faults` alone."""
    cases = [*kinds, *(pytest.param(kind, marks=pytest.mark.slow) for kind in slow)]
    return pytest.mark.parametrize("kind", cases, ids=str)


def all_but(*kinds: Kind) -> tuple[Kind, ...]:
    return tuple(kind for kind in KINDS if kind not in kinds)
