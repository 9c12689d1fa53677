"""docs/reference.md and docs/troubleshooting.md tell all that there is, and nothing that there isn't."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dev import reference
from moorcheh_operator.api.policy import Result
from moorcheh_operator.api.status import Phase, Reason
from moorcheh_operator.metrics import ENDS
from moorcheh_operator.policies import next_step as policy
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


def test_the_page_on_cleanup_says_what_to_do_about_each_result_and_reason() -> None:
    text = (DOCS / "cleanup.md").read_text()
    rows = "\n".join(re.findall(r"^\| (.*?) \|", text, re.MULTILINE))
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", rows))

    at_rest = {policy.Reason.SCHEDULED, policy.Reason.SUSPENDED, policy.Reason.SERVER_UNAVAILABLE}
    assert named == {*map(str, Result), *(str(reason) for reason in policy.Reason if reason not in at_rest)}


@pytest.mark.parametrize("example", sorted((DOCS.parent / "manifests/examples/policies").iterdir()))
def test_the_page_on_cleanup_shows_examples_that_there_are(example: Path) -> None:
    """Those that it writes out say what the files say, as far as it goes."""
    shown = {
        each["metadata"]["name"]: each["spec"]
        for block in re.findall(r"```yaml\n(.*?)```", (DOCS / "cleanup.md").read_text(), re.DOTALL)
        if (each := yaml.safe_load(block)).get("kind")
    }
    written = yaml.safe_load(example.read_text())
    spec = shown.get(written["metadata"]["name"], {})

    assert spec.get("select", {}).items() <= written["spec"]["select"].items()
    assert shown.keys() == {"nightly-ci", "empty-after-approval"}
