"""docs/reference.md and docs/troubleshooting.md tell all that there is, and nothing that there isn't."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dev import reference
from moorcheh_operator.api.status import Phase, Reason
from moorcheh_operator.metrics import ENDS
from moorcheh_operator.process import logs

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_the_one_that_dev_makes() -> None:
    assert reference.OUTPUT.read_text() == reference.rendered(), "run python -m dev.reference"


def test_every_phase_and_reason_has_its_words() -> None:
    assert list(reference.REASONS) == list(Phase)
    assert {reason for reasons in reference.REASONS.values() for reason in reasons} == set(Reason)
    for phase, reasons in ENDS.items():
        assert set(reference.REASONS[phase]) == set(reasons)


def test_every_log_field_has_its_words() -> None:
    assert tuple(reference.LOG_FIELDS) == logs.FIELDS


@pytest.mark.parametrize("reason", Reason)
def test_troubleshooting_says_what_to_do_about_each_reason(reason: Reason) -> None:
    assert re.search(rf"^\| `{reason}` \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)


def test_troubleshooting_knows_no_other_reasons() -> None:
    text = (DOCS / "troubleshooting.md").read_text()
    named = set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", text, re.MULTILINE))

    assert named == set(Reason)
