"""From what was found to which guarantees hold: a table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from moorcheh_operator.check.findings import (
    Answer,
    Between,
    End,
    Findings,
    JobSeen,
    Leaves,
    Listing,
    Reach,
    ServerClock,
    Trial,
)
from moorcheh_operator.check.guarantees import Guarantee, State, Verdict, is_usable, judge, verdict
from moorcheh_operator.check.report import SAYS, seen_rows
from moorcheh_operator.servers.definitions import NameReuse

OK = Answer("HTTP 200", 200)
H, L, B, N = State.HOLDS, State.LIMITED, State.BROKEN, State.NOT_SEEN
A, X = State.ASSUMED, State.NOT_APPLICABLE
NAMES = (
    "It can be asked",
    "One DELETE for an attempt",
    "A deletion's acceptance is known",
    "A deletion's end is the server's word",
    "Gone is seen in the listing",
    "Newer data under an old name is left alone",
    "A failed job may be tried again",
    "A job that the server has forgotten is noticed",
    "Preconditions can be checked",
)
LISTING = Listing(OK, namespaces=2, counted=2, dated=2, creation_form="0000")
TRIAL: dict[str, Any] = {
    "name": "moorcheh-operator-check-1",
    "create": Answer("HTTP 201", 201),
    "listed": True,
    "counted": True,
    "dated": True,
    "creation_ahead_seconds": 0.4,
    "delete": Answer("HTTP 202", 202),
    "has_job": True,
    "job": JobSeen(),
    "end": End.COMPLETED,
    "end_seconds": 1.0,
    "leaves": Leaves.AT_END,
    "job_elsewhere": Answer("HTTP 404", 404),
}


def found(**changes: Any) -> Findings:
    trial = {**TRIAL, **changes.pop("trial", {})}
    usual: dict[str, Any] = {
        "reach": Reach(("127.0.0.1",)),
        "listing": replace(LISTING, **changes.pop("listing", {})),
        "clock": ServerClock(has_date=True, ahead_seconds=0.2),
        "unknown_job": Answer("HTTP 404: not found", 404),
        "unknown_job_is_told": True,
        "trial": Trial(**trial),
    }
    return Findings("http://moorcheh", **usual | changes)


UNDATED: dict[str, Any] = {
    "listing": {"dated": 0, "creation_form": None},
    "trial": {"dated": False, "creation_ahead_seconds": None},
}
TABLE: dict[str, tuple[Findings, str]] = {
    "as it should be": (found(), "H A H H H H H H H"),
    "only read": (replace(found(), trial=None), "H A N N N H A H H"),
    "empty, only read": (
        replace(found(listing={"namespaces": 0, "dated": 0, "counted": 0}), trial=None),
        "H A N N N N N H N",
    ),
    "empty, with a trial": (found(listing={"namespaces": 0, "dated": 0, "counted": 0}), "H A H H H H H H H"),
    "no creation times": (found(**UNDATED), "H A H H H L L H L"),
    "no creation times, and names that are not used again": (
        found(name_reuse=NameReuse.NEVER, **UNDATED),
        "H A H H H L H H L",
    ),
    "so it is declared, and names can be created while their job runs": (
        found(
            name_reuse=NameReuse.NEVER,
            listing=UNDATED["listing"],
            trial=UNDATED["trial"] | {"create_meanwhile": Answer("HTTP 201", 201)},
        ),
        "H A H H H L L H L",
    ),
    "creation times for some": (found(listing={"dated": 1}), "H A H H H L H H L"),
    "creation times that can't be read": (
        found(**UNDATED | {"listing": {"dated": 0, "creation_form": "00/00"}}),
        "H A H H H L L H L",
    ),
    "no numbers of items": (found(listing={"counted": 0}, trial={"counted": False}), "H A H H H H H H L"),
    "no Date": (found(clock=ServerClock()), "H A H H H L H H H"),
    "a clock that is an hour off, with a Date": (
        found(clock=ServerClock(has_date=True, ahead_seconds=3600.0)),
        "H A H H H H H H H",
    ),
    "local time without a zone, in the west": (
        found(listing={"zoned": False}, trial={"creation_ahead_seconds": -18000.0}),
        "H A H H H B H H H",
    ),
    "local time without a zone, in the east": (
        found(listing={"zoned": False}, trial={"creation_ahead_seconds": 7200.0}),
        "H A H H H L H H H",
    ),
    "no zone, and UTC": (found(listing={"zoned": False}), "H A H H H H H H H"),
    "no zone, only read": (replace(found(listing={"zoned": False}), trial=None), "H A N N N L A H H"),
    "whole seconds": (found(trial={"creation_ahead_seconds": -1.2}), "H A H H H H H H H"),
    "a proxy": (found(between=Between(proxy=("Via: x",))), "H L H H H H H H H"),
    "a creation that was sent twice": (
        found(
            trial={
                "create": Answer("HTTP 409", 409),
                "listed": None,
                "delete": None,
                "leaves": None,
                "has_job": False,
                "stopped": "409",
            }
        ),
        "H B N N N H A H H",
    ),
    "a DELETE that was sent twice": (
        found(trial={"delete": Answer("HTTP 404", 404), "has_job": False, "leaves": None, "end": End.UNSEEN}),
        "H B B N N H A H H",
    ),
    "another job for a second DELETE": (found(trial={"second_job": "another"}), "H A H H H H H H H"),
    "the cloud": (
        found(
            trial={
                "has_job": False,
                "job": None,
                "end": End.GONE,
                "end_seconds": None,
                "leaves": Leaves.UNCLEAR,
            },
            unknown_job=Answer("HTTP 404", 404),
            unknown_job_is_told=False,
        ),
        "H A L L H H X X H",
    ),
    "the cloud, without creation times": (
        found(
            listing=UNDATED["listing"],
            trial={**UNDATED["trial"], "has_job": False, "end": End.GONE, "leaves": Leaves.UNCLEAR},
        ),
        "H A L L H L X X L",
    ),
    "no creation times, names that are not used again, only read": (
        replace(found(name_reuse=NameReuse.NEVER, **UNDATED), trial=None),
        "H A N N N L A H L",
    ),
    "a DELETE that is refused": (
        found(trial={"delete": Answer("HTTP 403", 403), "has_job": False, "leaves": None, "end": End.UNSEEN}),
        "H A B N N H A H H",
    ),
    "a job that failed": (found(trial={"end": End.FAILED, "leaves": None}), "H A H L N H H H H"),
    "a job that was forgotten": (found(trial={"end": End.FORGOTTEN, "leaves": None}), "H A H B N H H H H"),
    "a job that did not end": (found(trial={"end": End.UNSEEN, "leaves": None}), "H A H N N H H H H"),
    "a job of nonsense": (
        found(trial={"end": End.UNSEEN, "leaves": None, "job": JobSeen(error="?")}),
        "H A H B N H H H H",
    ),
    "the name leaves early": (found(trial={"leaves": Leaves.BEFORE_END}), "H A H H L H H H H"),
    "the name leaves late": (
        found(trial={"leaves": Leaves.AFTER_END, "leaves_seconds": 3.0}),
        "H A H H H H H H H",
    ),
    "the name stays": (found(trial={"leaves": Leaves.NEVER}), "H A H H B H H H H"),
    "too quick to tell": (found(trial={"leaves": Leaves.UNCLEAR, "too_quick": True}), "H A H H H H H H H"),
    "unknown jobs get 200": (found(unknown_job=OK), "H A H H H H H L H"),
    "unknown jobs get a 404 of nobody": (found(unknown_job_is_told=False), "H A H H H H H L H"),
    "a job is told under another name": (found(trial={"job_elsewhere": OK}), "H A H H H H H L H"),
}
BROKEN: dict[str, Findings] = {
    "not reachable": found(reach=Reach(error="no")),
    "no listing": found(listing={"error": "no"}),
    "a redirect": found(listing={"error": "no"}, between=Between(redirect="http://x")),
    "a key is needed": found(listing={"error": "no", "answer": Answer("HTTP 401", 401)}),
    "pages": found(listing={"pages": ("next",)}),
    "nothing at all": Findings("http://moorcheh"),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_follows_from_what_was_found(case: str) -> None:
    findings, expected = TABLE[case]

    guarantees = judge(findings)

    assert tuple(each.name for each in guarantees) == NAMES
    states = {"H": H, "L": L, "B": B, "N": N, "A": A, "X": X}
    assert [each.state for each in guarantees] == [states[letter] for letter in expected.split()]
    assert is_usable(findings)
    assert all(each.words for each in guarantees)


@pytest.mark.parametrize("case", BROKEN)
def test_what_can_not_be_asked_is_judged_no_further(case: str) -> None:
    [guarantee] = judge(BROKEN[case])

    assert guarantee.state is B
    assert not is_usable(BROKEN[case])
    assert verdict((guarantee,), wrote=False) is Verdict.UNUSABLE


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        pytest.param(found(), "rests on creation times, .*; no job failed here$", id="none failed"),
        pytest.param(
            found(trial={"end": End.FAILED, "leaves": None}),
            "creation times, .*; its job failed$",
            id="one did",
        ),
        pytest.param(replace(found(), trial=None), "whether there are jobs was not seen$", id="only read"),
    ],
)
def test_that_a_failed_job_may_be_tried_again_says_what_it_rests_on(findings: Findings, words: str) -> None:
    [retries] = [each for each in judge(findings) if each.name == "A failed job may be tried again"]

    assert re.search(words, retries.words)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (-0.9, "no difference to this machine that whole seconds can show"),
        (1.0, "no difference to this machine that whole seconds can show"),
        (-1.1, "1.1 s behind this machine, to the second"),
        (120.0, "120 s ahead of this machine, to the second"),
    ],
)
def test_a_clock_is_off_by_what_whole_seconds_can_show(ahead: float, words: str) -> None:
    rows = dict(seen_rows(found(clock=ServerClock(has_date=True, ahead_seconds=ahead))))

    assert rows["Clock"] == words


def test_without_creation_times_a_person_is_told_what_to_declare() -> None:
    refused = found(
        listing=UNDATED["listing"], trial={**UNDATED["trial"], "create_meanwhile": Answer("HTTP 409", 409)}
    )
    [retries] = [each for each in judge(refused) if each.name == "A failed job may be tried again"]

    assert "nameReuse: Never" in (retries.do or "")
    assert "409" in retries.words


@pytest.mark.parametrize(
    ("states", "wrote", "expected"),
    [
        ((H, H), True, Verdict.ALL),
        ((H, A, X), True, Verdict.ALL),
        ((A, X, N), False, Verdict.SO_FAR),
        ((H, N), False, Verdict.SO_FAR),
        ((H, N), True, Verdict.LIMITS),
        ((L, N), False, Verdict.LIMITS),
        ((L, B, N), True, Verdict.UNUSABLE),
    ],
)
def test_the_verdict_is_the_worst_of_them(states: tuple[State, ...], wrote: bool, expected: Verdict) -> None:
    assert verdict(tuple(Guarantee("g", state, "w") for state in states), wrote=wrote) is expected


def test_where_a_guarantee_can_not_be_seen_the_last_line_does_not_say_that_it_holds() -> None:
    guarantees = judge(found())

    assert [each.name for each in guarantees if each.state is A] == ["One DELETE for an attempt"]
    assert "not contradicted" in guarantees[1].words
    assert SAYS[verdict(guarantees, wrote=True)].startswith("Every guarantee that can be seen holds")
