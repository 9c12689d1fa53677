"""Status to conditions, as kstatus and `kubectl wait` read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from .status import Condition, Phase, Status


def with_conditions(status: Status, previous: Status, now: datetime) -> Status:
    """`status` with the conditions that follow from it.

    A condition's transition time changes only with its value, as `metav1.Condition` has it.
    """
    if status.phase is None:
        return replace(status, conditions=())
    before = {condition.type: condition for condition in previous.conditions}

    def condition(kind: str, value: str) -> Condition:
        old = before.get(kind)
        return Condition(
            type=kind,
            status=value,
            reason=status.reason or str(status.phase),
            message=status.message or "",
            last_transition_time=old.last_transition_time if old and old.status == value else now,
            observed_generation=status.observed_generation,
        )

    return replace(status, conditions=tuple(condition(kind, value) for kind, value in _values(status.phase)))


def _values(phase: Phase) -> Iterator[tuple[str, str]]:
    match phase:
        case Phase.PENDING | Phase.SUBMITTING | Phase.RUNNING:
            yield "Ready", "Unknown"
            yield "Finished", "False"
            yield "Reconciling", "True"
        case Phase.SUSPENDED:
            yield "Finished", "False"
        case Phase.SUCCEEDED:
            yield "Ready", "True"
            yield "Finished", "True"
        case Phase.FAILED:
            yield "Ready", "False"
            yield "Finished", "True"
            yield "Stalled", "True"
        case _:
            assert_never(phase)
