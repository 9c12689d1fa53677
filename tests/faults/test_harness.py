"""The harness itself: a check that can't fail proves nothing. Each forged run breaks one invariant."""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import pytest

from dev.chaos import Call
from dev.chaos.calls import Meaning
from tests.faults.invariants import BrokenInvariantsError, Evidence, account_of
from tests.faults.report import PAGE, kinds_of_rows, rendered
from tests.faults.witness import Version

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
UID, ATTEMPT = "uid-1", "attempt-1"
MADE = "2026-11-23T10:00:00Z"
MADE_AT = 1795428000.0
PATCH = Meaning("patch", "namespacedeletions/status", "docs")
LIST = Meaning("list", "namespacedeletions", "")
FIRST = "/apis/moorcheh.ai/v1alpha1/namespacedeletions?limit=1"


def version(seen: float, **status: Any) -> Version:
    metadata = {"uid": UID, "name": "docs", "creationTimestamp": MADE, "resourceVersion": str(seen)}
    spec = {"namespaceName": "docs", "suspend": False}
    return Version(seen, round(seen * 10), {"metadata": metadata, "spec": spec, "status": status})


def delete(seq: int, at: float, attempt: str = ATTEMPT, **more: Any) -> Json:
    sent = {"seq": seq, "monotonic": at, "name": "docs", "request_id": f"{UID}/{attempt}", "status": 202}
    return {**sent, "effect": True, "fault": None, "job_id": f"job-{seq}", **more}


def job(seq: int, *, how: str = "completed", ended: float | None = 5.0) -> Json:
    return {"seq": seq, "job_id": f"job-{seq}", "how": how, "ended": ended, "name": "docs"}


def victim(seq: int, **more: Any) -> Json:
    born = {"born": MADE_AT - 60, "created_at": "old", "precious": False, "incarnation": "one"}
    return {"seq": seq, "name": "docs", "request_id": f"{UID}/{ATTEMPT}", **born, **more}


def good() -> Evidence:
    """An ordinary deletion: claimed at 1, sent at 2, accepted at 3, ended at 6."""
    open_attempt = {"attempt": {"id": ATTEMPT, "number": 1}, "target": {"found": True, "creationTime": "old"}}
    running = {"job": {"id": "job-1", "deletedItems": 0}}
    return Evidence(
        record=cast(
            "Any", {"deletes": [delete(1, 2.0)], "jobs": [job(1)], "destroyed": [victim(1)], "counts": {}}
        ),
        living={},
        versions=[
            version(0.5),
            version(1.0, phase="Submitting", reason="Submitting", **open_attempt),
            version(3.0, phase="Running", reason="JobRunning", **open_attempt, **running),
            version(6.0, phase="Succeeded", reason="DeletionCompleted", **open_attempt, **running),
        ],
        calls=[],
        kills=[],
        freezes=[],
        starts=[0.0],
        waits_allowed=0,
    )


def change(evidence: Evidence, number: int, **status: Any) -> None:
    evidence.versions[number].body["status"].update(status)


def add_version(evidence: Evidence, **status: Any) -> None:
    last = evidence.versions[-1].body["status"]
    evidence.versions = [*evidence.versions, version(7.0 + len(evidence.versions), **{**last, **status})]


def sent_twice(evidence: Evidence) -> None:
    evidence.record["deletes"].append(cast("Any", delete(2, 2.5)))


def another_attempt_while_the_job_ran(evidence: Evidence) -> None:
    evidence.record["deletes"].append(cast("Any", delete(2, 4.0, "attempt-2")))
    evidence.record["jobs"][0]["how"] = "failed"
    claimed = version(3.5, phase="Submitting", attempt={"id": "attempt-2", "number": 2})
    evidence.versions = [*evidence.versions[:3], claimed, version(6.0, phase="Failed", reason="JobFailed")]


def sent_before_its_claim(evidence: Evidence) -> None:
    evidence.record["deletes"][0]["monotonic"] = 0.9


def sent_without_a_claim(evidence: Evidence) -> None:
    evidence.record["deletes"].append(cast("Any", delete(2, 4.0, "attempt-of-nobody")))


def precious_destroyed(evidence: Evidence) -> None:
    evidence.record["destroyed"][0]["precious"] = True


def newer_destroyed(evidence: Evidence) -> None:
    evidence.record["destroyed"][0]["born"] = MADE_AT + 30


def two_destroyed(evidence: Evidence) -> None:
    evidence.record["destroyed"].append(cast("Any", victim(1, incarnation="two")))


def not_ended(evidence: Evidence) -> None:
    evidence.versions = evidence.versions[:3]


def end_undone(evidence: Evidence) -> None:
    add_version(evidence, phase="Running")


def job_changed(evidence: Evidence) -> None:
    change(evidence, 3, job={"id": "job-2", "deletedItems": 0})


def count_fell(evidence: Evidence) -> None:
    change(evidence, 2, job={"id": "job-1", "deletedItems": 5})


def success_of_a_failed_job(evidence: Evidence) -> None:
    evidence.record["jobs"][0]["how"] = "failed"


def success_though_it_lives(evidence: Evidence) -> None:
    evidence.living = {"docs": cast("Any", {"created_at": "old", "born": MADE_AT - 60})}


def success_before_the_job_ended(evidence: Evidence) -> None:
    evidence.record["jobs"][0]["ended"] = 6.5


def gone_before_the_job_ended(evidence: Evidence) -> None:
    change(evidence, 3, reason="VerifiedAbsent")
    evidence.record["jobs"][0]["ended"] = 6.5


def gone_while_the_job_ran(evidence: Evidence) -> None:
    change(evidence, 3, reason="TargetReplaced")
    evidence.record["jobs"][0] |= {"how": "running", "ended": None}


def written_again_and_again(evidence: Evidence) -> None:
    for number in range(30):
        add_version(evidence, message=str(number), phase="Succeeded")


def unknown_without_a_cause(evidence: Evidence) -> None:
    change(evidence, 3, phase="Failed", reason="OutcomeUnknown")


BREAKS: list[tuple[Callable[[Evidence], None], str]] = [
    (sent_twice, "a DELETE left twice"),
    (another_attempt_while_the_job_ran, "i1"),
    (sent_before_its_claim, "i2"),
    (sent_without_a_claim, "i2"),
    (precious_destroyed, "i3"),
    (newer_destroyed, "i3"),
    (two_destroyed, "i3"),
    (not_ended, "i4"),
    (end_undone, "the record of an end has changed"),
    (job_changed, "became"),
    (count_fell, "went back"),
    (success_of_a_failed_job, "called completed"),
    (success_though_it_lives, "called gone"),
    (success_before_the_job_ended, "i6"),
    (gone_before_the_job_ended, "i6"),
    (gone_while_the_job_ran, "i6"),
    (written_again_and_again, "i7"),
    (unknown_without_a_cause, "OutcomeUnknown"),
]


def test_an_ordinary_run_breaks_nothing() -> None:
    """And its figures are what they should be."""
    account = account_of(good(), {})

    assert (account.requests, account.deletes, account.destroyed) == (1, 1, 1)
    assert account.ends == {"Succeeded/DeletionCompleted": 1}


@pytest.mark.parametrize(("spoil", "said"), BREAKS, ids=[spoil.__name__ for spoil, _ in BREAKS])
def test_a_run_that_breaks_an_invariant_is_found_out(spoil: Callable[[Evidence], None], said: str) -> None:
    """One forgery each."""
    evidence = copy.deepcopy(good())
    spoil(evidence)
    with pytest.raises(BrokenInvariantsError, match=said):
        account_of(evidence, {})


def test_a_late_watch_does_not_accuse_where_the_api_servers_own_answer_came_first() -> None:
    """The operator learned of its claim from the answer that passed the proxy, before it sent."""
    evidence = good()
    created, claimed, *later = evidence.versions
    evidence.versions = [created, version(2.4, **claimed.body["status"]), *later]
    with pytest.raises(BrokenInvariantsError, match="i2"):
        account_of(evidence, {})
    answer = (
        f'{{"kind": "NamespaceDeletion", "metadata": {{"uid": "{UID}"}},'
        f' "status": {{"attempt": {{"id": "{ATTEMPT}"}}}}}}'
    )
    evidence.calls = [Call(1, 1.0, PATCH, "/", status=200, answered=1.5, answer=answer.encode())]

    assert account_of(evidence, {}).unmatched_deletes == 0


def test_one_that_is_verified_over_several_kills_counts_once() -> None:
    """It was in flight at the first of them alone, and a kill excuses nobody else."""
    evidence = good()
    open_attempt = evidence.versions[1].body["status"]
    evidence.versions = [
        *evidence.versions[:2],
        version(3.0, **{**open_attempt, "reason": "Verifying"}),
        version(20.0, **{**open_attempt, "phase": "Failed", "reason": "OutcomeUnknown"}),
    ]
    evidence.kills, evidence.starts = [5.0, 10.0, 15.0], [0.0, 2.5, 6.0, 11.0, 16.0]
    with pytest.raises(BrokenInvariantsError, match="OutcomeUnknown"):
        account_of(evidence, {})
    evidence.kills = [2.0, *evidence.kills]

    assert account_of(evidence, {}).outcome_unknown_allowed == 1


def undated() -> Evidence:
    """The ordinary deletion on a server without creation times, seen gone in the listing alone."""
    evidence = good()
    evidence.dated = False
    for body in (each.body for each in evidence.versions[1:]):
        body["status"]["target"] = {"found": True}
    change(evidence, 3, reason="VerifiedAbsent")
    return evidence


@pytest.mark.parametrize(
    ("ended", "began", "breaks"), [(5.0, 2.0, False), (6.5, 2.0, True), (9.0, 7.0, False)]
)
def test_without_creation_times_gone_is_held_against_the_jobs_on_the_name_until_then(
    ended: float, began: float, *, breaks: bool
) -> None:
    """One that began afterwards is on what came afterwards."""
    evidence = undated()
    evidence.record["jobs"][0] |= {"ended": ended, "began": began}
    if breaks:
        with pytest.raises(BrokenInvariantsError, match="i6"):
            account_of(evidence, {})
    else:
        account_of(evidence, {})


@pytest.mark.parametrize("how", ["lost", "forgotten"])
def test_without_creation_times_a_lost_job_may_leave_the_outcome_unknown(how: str) -> None:
    """With them it may not: they tell."""
    evidence = undated()
    unknown_without_a_cause(evidence)
    evidence.record["jobs"][0]["how"] = how
    assert account_of(evidence, {}).outcome_unknown_allowed == 1
    evidence.dated = True

    with pytest.raises(BrokenInvariantsError, match="OutcomeUnknown"):
        account_of(evidence, {})


def test_one_that_was_in_flight_at_a_kill_may_be_unknown() -> None:
    """One kill between claim and answer allows one."""
    evidence = good()
    unknown_without_a_cause(evidence)
    evidence.kills, evidence.starts = [2.0], [0.0, 2.5]

    assert account_of(evidence, {}).outcome_unknown_allowed == 1


def test_a_claim_that_arrives_after_the_kill_and_before_the_next_one_s_first_call_was_in_flight() -> None:
    """It was in a socket's buffer. One that arrives after that call is the next one's own."""
    evidence = good()
    unknown_without_a_cause(evidence)
    claim = Call(1, 0.9, PATCH, "/", body=f'{{"status": {{"attempt": {{"id": "{ATTEMPT}"}}}}}}'.encode())
    evidence.kills, evidence.starts = [0.2], [0.0, 0.5]
    evidence.calls = [Call(0, 0.8, LIST, FIRST), claim]
    with pytest.raises(BrokenInvariantsError, match="OutcomeUnknown"):
        account_of(evidence, {})
    evidence.calls = [claim, Call(2, 1.0, LIST, FIRST)]

    assert account_of(evidence, {}).outcome_unknown_allowed == 1


def told(row: int, *spoiled: Callable[[Evidence], None] | None, kind: str = "dated") -> Json:
    """What a test leaves of its worlds: None is a good one. It passed if all were."""
    runs = []
    for spoil in spoiled:
        evidence = copy.deepcopy(good())
        if spoil is None:
            runs.append(account_of(evidence, {"kill": 1}))
            continue
        spoil(evidence)
        with pytest.raises(BrokenInvariantsError) as broken:
            account_of(evidence, {"kill": 1})
        runs.append(broken.value.account)
    passed = all(spoil is None for spoil in spoiled)
    return {
        "row": row,
        "test": "test_x",
        "kind": kind,
        "passed": passed,
        "runs": [asdict(run) for run in runs],
        "figures": {"s": 1},
    }


def cells(text: str, row: str) -> list[str]:
    """Of one line of the table: from `Injected` on."""
    line = next(line for line in text.splitlines() if line.startswith((f"| {row} |", f"| | {row} |")))
    return [cell.strip() for cell in line.split("|")[3:-1]]


def test_the_report_of_runs_that_held_has_zeros_and_no_failure() -> None:
    """Two worlds of one test, and one of another."""
    text = rendered([told(1, None, None), told(1, None)])

    assert "2 tests passed, 0 failed" in text.splitlines()[0]
    assert cells(text, "1") == ["3 kill", "2, 3", "3", "3", "0, 0", "0", "0", "0"]
    assert cells(text, "**All**") == ["3 faults", "2, 3", "3", "3", "0, 0", "0", "0", "0"]


def test_the_report_has_sums_for_each_kind_of_server() -> None:
    text = rendered([told(1, None, None), told(1, None, kind="cloud")])

    assert cells(text, "Of these, dated")[1:3] == ["1, 2", "2"]
    assert cells(text, "Of these, cloud")[1:3] == ["1, 1", "1"]


def test_the_page_says_which_rows_run_on_which_kind_of_server() -> None:
    """`python -m tests.faults.report` writes it."""
    assert kinds_of_rows() in PAGE.read_text()


def test_a_broken_run_shows_in_the_sums_of_its_row_and_of_all() -> None:
    """Each column that should be zero has the breach that it is about."""
    text = rendered([told(1, None), told(2, None, newer_destroyed), told(2, not_ended, sent_without_a_claim)])

    assert "1 tests passed, 2 failed" in text.splitlines()[0]
    assert cells(text, "1")[-3:] == ["0", "0", "0"]
    assert cells(text, "2")[1] == "2 (**2 failed**), 4"
    assert cells(text, "2")[-3:] == cells(text, "**All**")[-3:] == ["1", "1", "1"]


def test_a_test_that_failed_before_its_first_world_is_no_row_that_was_not_run() -> None:
    """It has no figures, but it was tried."""
    text = rendered([{**told(3), "passed": False}])

    assert "0 tests passed, 1 failed" in text.splitlines()[0]
    assert cells(text, "3")[1] == "1 (**1 failed**), 0"
    assert cells(text, "4")[0] == "not run"
