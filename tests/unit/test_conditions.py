"""Conditions follow kstatus and the habits of `kubectl wait`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorcheh_operator.api.conditions import with_conditions
from moorcheh_operator.api.status import Condition, Phase, Status
from tests.unit.builders import NOW, STARTED

TABLE = {
    Phase.PENDING: {"Ready": "Unknown", "Finished": "False", "Reconciling": "True"},
    Phase.SUSPENDED: {"Finished": "False"},
    Phase.SUBMITTING: {"Ready": "Unknown", "Finished": "False", "Reconciling": "True"},
    Phase.RUNNING: {"Ready": "Unknown", "Finished": "False", "Reconciling": "True"},
    Phase.SUCCEEDED: {"Ready": "True", "Finished": "True"},
    Phase.FAILED: {"Ready": "False", "Finished": "True", "Stalled": "True"},
}


def a_status(phase: Phase | None, reason: str | None = "Because", generation: int = 3) -> Status:
    return Status(observed_generation=generation, phase=phase, reason=reason, message="As it is.")


def values(status: Status) -> dict[str, str]:
    return {condition.type: condition.status for condition in status.conditions}


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_has_its_conditions(phase: Phase) -> None:
    assert values(with_conditions(a_status(phase), Status(), STARTED)) == TABLE[phase]


def test_without_a_phase_there_are_none() -> None:
    assert with_conditions(a_status(None), Status(), STARTED).conditions == ()


@pytest.mark.parametrize("phase", Phase)
def test_each_condition_tells_reason_message_and_generation(phase: Phase) -> None:
    for condition in with_conditions(a_status(phase), Status(), STARTED).conditions:
        assert condition == Condition(condition.type, condition.status, "Because", "As it is.", STARTED, 3)


@pytest.mark.parametrize("phase", Phase)
def test_a_condition_has_a_reason_also_where_the_status_has_none(phase: Phase) -> None:
    """`metav1.Condition` requires one."""
    for condition in with_conditions(a_status(phase, None), Status(), STARTED).conditions:
        assert condition.reason == phase


@pytest.mark.parametrize("after", Phase)
@pytest.mark.parametrize("before", Phase)
def test_the_transition_time_changes_with_the_value_alone(before: Phase, after: Phase) -> None:
    old = with_conditions(a_status(before), Status(), STARTED)
    new = with_conditions(a_status(after, "Another", 4), old, NOW.time)

    was = values(old)
    for condition in new.conditions:
        stays = was.get(condition.type) == condition.status
        assert condition.last_transition_time == (STARTED if stays else NOW.time)
        assert (condition.reason, condition.observed_generation) == ("Another", 4)


@pytest.mark.parametrize("phase", Phase)
def test_the_same_status_has_the_same_conditions(phase: Phase) -> None:
    """Or every look at it would be worth a write."""
    status = with_conditions(a_status(phase), Status(), STARTED)

    assert with_conditions(status, status, NOW.time + timedelta(hours=1)) == status
