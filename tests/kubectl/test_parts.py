"""The plugin's pure parts: rate, names, texts, and what importing it costs."""

from __future__ import annotations

import dataclasses
import importlib
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moorcheh_kubectl import policy_texts, request_body, texts
from moorcheh_kubectl.api import Seen
from moorcheh_kubectl.identity import Vouching
from moorcheh_kubectl.rate import GUESSED_SECONDS, Rate
from moorcheh_kubectl.screen import Screen
from moorcheh_operator.api.policy import POLICY_LABEL, RUN_ANNOTATION, Matching, PolicyStatus
from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import Spec
from moorcheh_operator.api.status import (
    Attempt,
    EarlierAttempt,
    Job,
    Phase,
    Reason,
    Status,
    Target,
    Verification,
    VerificationResult,
)
from tests.unit.policies import a_policy

ROOT = Path(__file__).parents[2]
SPEC: dict[str, Any] = yaml.safe_load((ROOT / "crds" / "namespacedeletions.yaml").read_text())["spec"][
    "versions"
][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def job(removed: int | None, seconds: float | None = None, *, total: int | None = 5000) -> Job:
    """As the server reported it `seconds` after the job's start; without its times if there are none."""
    times = (
        {}
        if seconds is None
        else {
            "start_time": START.isoformat(),
            "update_time": (START + timedelta(seconds=seconds)).isoformat(),
        }
    )
    return Job("job-1", "running", total_items=total, deleted_items=removed, **times)


def request(phase: Phase, reason: str, **status: Any) -> Request:
    shown = Status(observed_generation=1, phase=phase, reason=reason, **status)
    return Request("ns", "docs-1", "uid", "1", 1, START, Spec("docs"), shown)


# Rate


def test_the_pace_is_by_the_servers_times_however_late_its_reports_are_seen() -> None:
    rate = Rate()
    rate.note(job(250, 1.25), ticks=105.0)
    rate.note(job(1000, 5), ticks=111.0)

    assert rate.per_second == pytest.approx(200)


def test_the_time_left_counts_from_when_the_report_was_made_not_seen() -> None:
    rate = Rate()
    rate.note(job(1000, 5), ticks=105.0)
    rate.note(job(2000, 10), ticks=114.0)

    assert rate.left(5000, ticks=114.0) == pytest.approx(11)
    assert rate.left(5000, ticks=200.0) == 0


def test_without_the_servers_times_the_pace_is_by_ones_own() -> None:
    rate = Rate()
    rate.note(job(0), ticks=100.0)
    rate.note(job(0), ticks=101.0)
    rate.note(job(500), ticks=105.0)

    assert (rate.per_second, rate.left(1000, ticks=105.0)) == (100, 5)


def test_one_report_or_an_unknown_total_tells_no_time_left() -> None:
    rate = Rate()
    rate.note(job(10), ticks=100.0)
    assert (rate.per_second, rate.left(5000, ticks=100.0)) == (None, None)

    rate.note(job(20), ticks=101.0)
    assert rate.left(None, ticks=101.0) is None


def test_a_new_attempt_starts_the_pace_anew() -> None:
    rate = Rate()
    rate.note(job(0), ticks=100.0)
    rate.note(job(500), ticks=105.0)
    rate.note(msgspec.structs.replace(job(600), id="job-2"), ticks=110.0)

    assert rate.per_second is None


@given(
    reports=st.lists(st.tuples(st.integers(0, 6000), st.floats(0, 1e5)), max_size=20),
    total=st.none() | st.integers(0, 6000),
    ticks=st.floats(0, 1e6),
)
def test_a_guess_never_falls_behind_the_report_nor_says_that_all_is_gone(
    reports: list[tuple[int, float]], total: int | None, ticks: float
) -> None:
    rate = Rate()
    for removed, seconds in reports:
        rate.note(job(removed, seconds), ticks)
    removed = reports[-1][0] if reports else 0
    guess = rate.guess(removed, total, ticks)

    assert guess >= removed
    assert guess == removed or (total is not None and guess < total)


def test_a_guess_stands_still_when_reports_stay_away() -> None:
    rate = Rate()
    rate.note(job(100, 1), ticks=101.0)

    assert rate.guess(100, 5000, ticks=101.0 + GUESSED_SECONDS) == 1600
    assert rate.guess(100, 5000, ticks=9999.0) == 1600


# Names and the schema


def test_names_and_times_are_checked_as_the_crd_checks_them() -> None:
    assert SPEC["namespaceName"]["pattern"] == "^[A-Za-z0-9_-]+$"
    assert (SPEC["namespaceName"]["minLength"], SPEC["namespaceName"]["maxLength"]) == (1, 255)
    assert request_body.NAME.pattern == "[A-Za-z0-9_-]{1,255}"
    assert SPEC["preconditions"]["properties"]["createdBefore"]["pattern"] == f"^{request_body.TIME.pattern}$"


def test_a_retry_takes_over_every_field_but_the_suspension() -> None:
    assert set(request_body.RETRIED) == SPEC.keys() - {"suspend"}


@given(st.from_regex(r"[A-Za-z0-9_-]{1,255}", fullmatch=True))
def test_every_moorcheh_name_makes_a_kubernetes_name(target: str) -> None:
    body = request_body.RequestBody({"namespaceName": target}).render(suspend=True, asker=None)

    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", body["metadata"]["name"])
    assert len(body["metadata"]["name"]) <= 63
    assert body["metadata"]["name"].startswith(body["metadata"]["generateName"])


# Words


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [
        (0, "0s", "0 s"),
        (59.6, "59s", "1 min"),
        (119, "119s", "1 min 59 s"),
        (250, "4m", "4 min 10 s"),
        (7500, "2h", "2 h 5 min"),
        (86400, "24h", "1 d"),
        (90000, "25h", "1 d 1 h"),
        (999999, "11d", "11 d 13 h"),
    ],
)
def test_spans_are_short_in_a_column_and_longer_in_a_sentence(seconds: float, short: str, long: str) -> None:
    assert (texts.short_time(timedelta(seconds=seconds)), texts.long_time(seconds)) == (short, long)


ENDS = [
    *[(Phase.SUCCEEDED, reason) for reason in ("AlreadyAbsent", "VerifiedAbsent", "TargetReplaced")],
    *[
        (Phase.FAILED, reason)
        for reason in Reason
        if texts.HOW_SURE.get(reason) and reason not in ("AlreadyAbsent", "VerifiedAbsent", "TargetReplaced")
    ],
]


@pytest.mark.parametrize(("phase", "reason"), ENDS)
def test_each_end_says_how_sure_it_is(phase: Phase, reason: str) -> None:
    sent = request(phase, reason, attempt=Attempt(1, "a", START))

    assert texts.how_sure(sent) == texts.HOW_SURE[reason]


@pytest.mark.parametrize("result", [None, *VerificationResult])
def test_a_completed_job_is_as_sure_as_the_listing_then(result: str | None) -> None:
    proof = Verification(result, START) if result else None
    done = request(Phase.SUCCEEDED, "DeletionCompleted", verification=proof, deleted_items=9000)

    assert ("prove it" in texts.how_sure(done)) == (result == "Unverifiable")
    assert "own job" in texts.how_sure(done)
    assert ("9,000 items were removed." in texts.success(done)) == (result in (None, "Absent"))


def test_of_several_attempts_the_message_tells_how_sure_the_sum_is() -> None:
    words = "The job completed: at least 9000 items were removed."
    attempt = Attempt(2, "b", START)
    done = request(Phase.SUCCEEDED, "DeletionCompleted", attempt=attempt, deleted_items=9000, message=words)

    assert texts.success(done) == f"Gone: {done.spec.namespace_name}. {words}"


def test_a_receipt_has_every_attempt_and_the_sum() -> None:
    first = EarlierAttempt(1, "a", START, Job("job-1", "failed", 9000, 4500, "disk full"))
    job = Job("job-2", "completed", 4500, 4500)
    done = request(
        Phase.SUCCEEDED,
        "DeletionCompleted",
        attempt=Attempt(2, "b", START),
        job=job,
        earlier_attempts=(first,),
        deleted_items=9000,
    )

    lines = dict(texts._job(done))  # noqa: SLF001 - one section of the receipt

    assert lines["Attempt 1"] == "job job-1, failed (disk full), removed 4,500 items"
    assert lines["Removed"] == "4,500 of 4,500 items"
    assert lines["Removed by all"] == "9,000 items"


def test_a_refused_precondition_is_sure_only_where_nothing_was_sent_before() -> None:
    refused = request(Phase.FAILED, Reason.PRECONDITION_FAILED)
    retried = request(Phase.FAILED, Reason.PRECONDITION_FAILED, attempt=Attempt(1, "a", START))

    assert "no DELETE was sent" in texts.how_sure(refused)
    assert "Some of the items may be gone" in texts.how_sure(retried)


REFUSED: dict[str, Any] = {"target": Target(found=True), "last_error": "HTTP 429"}
"""Its DELETE was, which is no attempt."""
UNREACHED: dict[str, Any] = {"last_error": "can't be reached"}
FIRST = EarlierAttempt(1, "a", START)
TWO: dict[str, Any] = {"attempt": Attempt(2, "b", START), "earlier_attempts": (FIRST,)}


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        (Reason.TARGET_ABSENT, {}, "no DELETE was sent"),
        (Reason.TARGET_ABSENT, UNREACHED, "no DELETE was sent"),
        (Reason.NOT_ALLOWED, REFUSED, "accepted no DELETE"),
        (Reason.DEADLINE_EXCEEDED, REFUSED, "accepted no DELETE"),
        (Reason.WITHDRAWN, REFUSED, "accepted no DELETE"),
        (Reason.REJECTED, {"attempt": Attempt(1, "a", START)}, "the server rejected it"),
        (Reason.REJECTED, TWO, "Some of the items may be gone"),
        (Reason.VERIFIED_ABSENT, {}, "it was listed, and then it was not"),
    ],
)
def test_how_sure_it_is_knows_of_what_was_sent(reason: str, status: dict[str, Any], words: str) -> None:
    phase = Phase.SUCCEEDED if reason == Reason.VERIFIED_ABSENT else Phase.FAILED
    ended = request(phase, reason, **status)

    assert words in texts.how_sure(ended)
    if ended.status.attempt is None:
        none = "accepted" if status is REFUSED else "sent"
        assert dict(texts._job(ended)) == {"Attempts": f"none: no DELETE was {none}"}  # noqa: SLF001 - as above


def test_a_deadline_with_a_job_says_that_the_job_may_go_on() -> None:
    running = request(Phase.FAILED, Reason.DEADLINE_EXCEEDED, attempt=Attempt(1, "a", START), job=job(3))

    assert "may go on at the server" in texts.how_sure(running)


TO_APPROVE = "Suspended. To approve the deletion of 3 items, set spec.suspend to false."


@pytest.mark.parametrize(
    ("phase", "message", "target", "shown"),
    [
        (Phase.SUSPENDED, TO_APPROVE, Target(found=True), True),
        (
            Phase.SUSPENDED,
            "Suspended. Approved now, it would end as AlreadyAbsent.",
            Target(found=False),
            True,
        ),
        (Phase.SUSPENDED, TO_APPROVE, None, False),
        (Phase.SUSPENDED, "Suspended. Approval would be refused (Protected).", Target(found=True), False),
        (Phase.SUSPENDED, "Suspended. The server gave no usable listing.", Target(found=True), False),
        (Phase.SUSPENDED, "Suspended. In the words of another version.", Target(found=True), False),
        (Phase.SUSPENDED, None, Target(found=True), False),
        (Phase.PENDING, TO_APPROVE, Target(found=True), False),
    ],
    ids=["found", "absent", "no target", "refused", "outage", "other words", "no words", "not suspended"],
)
def test_a_status_shows_what_an_approval_would_do_only_where_it_says_so(
    phase: Phase, message: str | None, target: Target | None, shown: bool
) -> None:
    assert texts.looked_up(request(phase, Reason.SUSPENDED, message=message, target=target)) == shown


@pytest.mark.parametrize("terminal", [True, False], ids=["bar", "lines"])
def test_what_was_said_before_an_approval_is_not_said_after_it(
    terminal: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    old = request(Phase.SUSPENDED, Reason.SUSPENDED, message="Suspended. Set spec.suspend to false.")
    approved = dataclasses.replace(old, generation=2)
    screen = Screen(None)
    screen.terminal = terminal
    with screen.following() as following:
        following.show(approved, 0.0)
    shown = capfd.readouterr().out

    assert "Approved; waiting for the operator" in shown
    assert "spec.suspend" not in shown


@pytest.mark.parametrize(
    ("skipped", "words"),
    [
        (1, "1 of them has a request that has not ended yet"),
        (2, "2 of them have requests that have not ended yet"),
    ],
    ids=["one", "two"],
)
def test_targets_that_a_run_skips_are_told_in_a_sentence(skipped: int, words: str) -> None:
    status = PolicyStatus(matching=Matching(3, skipped, 0, START))

    assert ("Skipped", words) in policy_texts.preview(a_policy(status=status), START, of_copy=False)[0]


CAP = {"maxItems": 1}


@pytest.mark.parametrize(
    ("wanted", "asked", "kept"),
    [({}, {}, True), ({}, CAP, True), (CAP, CAP, True), (CAP, {}, False), (CAP, {"maxItems": 5}, False)],
    ids=["none", "none of ones own", "the same", "they have none", "others"],
)
def test_a_deletion_under_way_keeps_only_the_conditions_that_it_was_asked_for_with(
    wanted: dict[str, int], asked: dict[str, int], kept: bool
) -> None:
    body = request_body.RequestBody({"namespaceName": "docs", "preconditions": asked}).render(
        suspend=False, asker=None
    )
    body["metadata"] |= {
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-23T10:00:00Z",
    }
    ours = request_body.RequestBody({"namespaceName": "docs", "preconditions": wanted})

    assert ours.is_kept_by(Seen.of(body)) == kept


@pytest.mark.parametrize(
    ("asker", "by"),
    [
        (None, "not recorded; the audit log has the name"),
        ("jane", "jane"),
    ],
)
def test_the_receipt_tells_where_the_name_of_who_asked_is(asker: str | None, by: str) -> None:
    body = request_body.RequestBody({"namespaceName": "docs"}).render(suspend=False, asker=asker)
    body["metadata"] |= {
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-23T10:00:00Z",
        "managedFields": [{"manager": "kubectl-create"}],
    }

    asked = dict(texts.receipt(Seen.of(body), [], Vouching(START), START))["Asked for"]

    assert {("By", by), ("Made with", "kubectl-create")} <= set(asked)


@pytest.mark.parametrize(
    ("labels", "notes", "line", "cell"),
    [
        pytest.param({}, {}, None, "op", id="of none"),
        pytest.param(
            {POLICY_LABEL: "nightly"},
            {RUN_ANNOTATION: "2026-11-23T03:00:00Z"},
            "nightly, run of 2026-11-23T03:00:00Z (claimed: ",
            "op, policy nightly (claimed)",
            id="of a run",
        ),
        pytest.param(
            {POLICY_LABEL: "typed"},
            {},
            "typed (claimed: ",
            "op, policy typed (claimed)",
            id="the label alone",
        ),
    ],
)
def test_of_a_policys_request_the_policy_is_told_as_its_label_says(
    labels: dict[str, str], notes: dict[str, str], line: str | None, cell: str
) -> None:
    body = request_body.RequestBody({"namespaceName": "docs"}).render(suspend=False, asker="op")
    body["metadata"] |= {
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-23T10:00:00Z",
        "labels": labels,
        "annotations": body["metadata"]["annotations"] | notes,
    }
    seen = Seen.of(body)

    asked = dict(dict(texts.receipt(seen, [], Vouching(START), START))["Asked for"])
    row = dict(
        zip(texts.RECEIPTS, texts.receipt_row(seen, Vouching(START), with_namespace=False), strict=True)
    )

    assert asked.get("By policy", "").startswith(line or "")
    assert ("By policy" in asked) == (line is not None)
    assert row["ASKED BY"] == cell


def test_an_unknown_reason_of_a_newer_operator_is_shown_as_it_is() -> None:
    body = {
        "metadata": {
            "namespace": "ns",
            "name": "docs-1",
            "uid": "u",
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-23T10:00:00Z",
        },
        "spec": {"namespaceName": "docs"},
        "status": {"phase": "Failed", "reason": "SomethingNew"},
    }
    sections = dict(texts.receipt(Seen.of(body), [], Vouching(None), START))

    assert ("State", "Failed (SomethingNew)") in sections["Request ns/docs-1"]


# What it costs and how it is installed


def test_help_imports_nothing_that_a_connection_or_a_bar_takes() -> None:
    program = (
        "import sys; from moorcheh_kubectl.cli import group;"
        "group.main(['delete', '--help'], standalone_mode=False);"
        "tops = {name.partition('.')[0] for name in sys.modules};"
        "print(sorted(tops & {'http', 'kubernetes', 'rich', 'subprocess', 'urllib3', 'yaml'}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "operator", capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines()[-1] == "[]"


def test_every_console_script_can_be_loaded() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert {"kubectl-moorcheh", "kubectl_complete-moorcheh"} <= scripts.keys()
    for entry in scripts.values():
        module, _, name = entry.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
