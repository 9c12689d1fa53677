"""The check tells every knob of the stand-in from the outside, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from dev.moorcheh.knobs import CHOICES, Knobs
from dev.moorcheh.standin import StandIn
from tests.check.checking import Checked, check

Says = Callable[[Checked], object]


def field(name: str) -> Says:
    return lambda checked: checked.trial[name]


KNOBS: dict[str, tuple[dict[str, Any], int, dict[str, tuple[Says, object]]]] = {
    "as the vendor's pages say": (
        {},
        0,
        {
            "create": (lambda c: c.trial["create"]["code"], 201),
            "delete": (lambda c: c.trial["delete"]["code"], 202),
            "a job id": (field("hasJob"), True),
            "states": (lambda c: c.trial["job"]["states"], ["running", "completed"]),
            "end": (field("end"), "Completed"),
            "leaves": (field("leaves"), "AtEnd"),
            "a second DELETE": (lambda c: c.trial["secondDelete"]["code"], 409),
            "creation meanwhile": (lambda c: c.trial["createMeanwhile"]["code"], 409),
            "an unknown job": (lambda c: c.found["unknownJob"]["code"], 404),
            "job under another name": (lambda c: c.trial["jobElsewhere"]["code"], 404),
            "job afterwards": (lambda c: c.trial["jobAfterwards"]["code"], 200),
            "a list of jobs": (lambda c: c.trial["jobList"]["code"], 404),
            "a GET of one namespace": (lambda c: c.trial["alone"]["code"], 405),
            "a DELETE of nothing": (lambda c: c.trial["deleteAbsent"]["code"], 404),
            "verdict": (lambda c: c.body["verdict"], "AllGuarantees"),
        },
    ),
    "the name leaves on accept": (
        {"name_leaves": "accept"},
        3,
        {
            "leaves": (field("leaves"), "BeforeEnd"),
            "creation meanwhile": (lambda c: c.trial["createMeanwhile"]["code"], 201),
            "gone": (lambda c: c.state("Gone"), "Limited"),
        },
    ),
    "a second DELETE gets 404": (
        {"second_delete": "404"},
        0,
        {"a second DELETE": (lambda c: c.trial["secondDelete"]["code"], 404)},
    ),
    "a second DELETE gets the same job": (
        {"second_delete": "same-job"},
        0,
        {"job": (field("secondJob"), "same")},
    ),
    "a second DELETE gets another job": (
        {"second_delete": "new-job"},
        0,
        {"job": (field("secondJob"), "another")},
    ),
    "no creation times": (
        {"created_field": "none"},
        3,
        {
            "dated": (field("dated"), False),
            "newer data": (lambda c: c.state("Newer data"), "Limited"),
            "retries": (lambda c: c.state("A failed job"), "Limited"),
            "what to set": (lambda c: "nameReuse: Never" in c.to_do("A failed job"), True),
            "preconditions": (lambda c: "createdBefore" in c.words("Preconditions"), True),
        },
    ),
    "createdAt": (
        {"created_field": "createdAt"},
        0,
        {"fields": (lambda c: "createdAt" in c.trial["fields"], True), "dated": (field("dated"), True)},
    ),
    "no number of items": (
        {"items_field": "none"},
        3,
        {
            "counted": (field("counted"), False),
            "preconditions": (lambda c: "maxItems" in c.words("Preconditions"), True),
        },
    ),
    "itemCount": ({"items_field": "itemCount"}, 0, {"counted": (field("counted"), True)}),
    "items": ({"items_field": "items"}, 0, {"counted": (field("counted"), True)}),
    "whole seconds": (
        {"whole_seconds": True},
        0,
        {
            "creation times": (field("creationForm"), "0000-00-00T00:00:00.000Z"),
            "of its clock": (lambda c: -1.5 < c.trial["creationAheadSeconds"] < 1.5, True),
        },
    ),
    "a clock that is two minutes ahead": (
        {"clock_shift": 120.0},
        0,
        {
            "clock": (lambda c: 118 < c.found["clock"]["aheadSeconds"] < 122, True),
            "creation time": (lambda c: -2 < c.trial["creationAheadSeconds"] < 2, True),
        },
    ),
    "no Date": (
        {"date_header": False},
        3,
        {
            "clock": (lambda c: c.found["clock"]["hasDate"], False),
            "newer data": (lambda c: c.state("Newer data"), "Limited"),
        },
    ),
    "no Date, and a clock that is wrong": (
        {"date_header": False, "clock_shift": -300.0},
        1,
        {
            "creation time": (lambda c: -302 < c.trial["creationAheadSeconds"] < -298, True),
            "newer data": (lambda c: c.state("Newer data"), "Broken"),
        },
    ),
    "a job that is over at once": (
        {"job_seconds": 0.0},
        0,
        {"too quick": (field("tooQuick"), True), "end": (field("end"), "Completed")},
    ),
    "it is accepted with 200": (
        {"accepts_with": "200"},
        0,
        {"delete": (lambda c: c.trial["delete"]["code"], 200)},
    ),
    "the name lingers after the end": (
        {"lingers": 1.5},
        0,
        {"leaves": (field("leaves"), "AfterEnd"), "by": (lambda c: 0.5 < c.trial["leavesSeconds"] < 4, True)},
    ),
    "the cloud": (
        {"product": "cloud"},
        3,
        {
            "delete": (lambda c: c.trial["delete"]["code"], 202),
            "a job id": (field("hasJob"), False),
            "end": (field("end"), "Gone"),
            "what it says": (lambda c: "estimated_completion" in c.trial["deleteFields"], True),
            "health": (lambda c: c.found["health"]["answer"]["code"], 404),
            "acceptance": (lambda c: c.state("A deletion's acceptance"), "Limited"),
            "another try": (lambda c: c.state("A failed job"), "NotApplicable"),
            "lost jobs": (lambda c: c.state("A job that the server has forgotten"), "NotApplicable"),
        },
    ),
    "a smaller server": ({"max_items": 5000}, 0, {"most": (lambda c: c.found["health"]["maxItems"], 5000)}),
    "a key is asked for": (
        {"api_key": "k-123"},
        1,
        {
            "asked": (lambda c: c.state("It can be asked"), "Broken"),
            "trial": (lambda c: c.found["trial"], None),
        },
    ),
}


ELSEWHERE = {
    "failed_stays": "test_removal.py: it takes a job that fails",
    "seconds_per_item": "a throw-away namespace has no items",
    "jobs_survive": "only a restart shows it",
    "comes_back": "only a restart shows it",
}


def test_every_knob_is_turned() -> None:
    turned = {name for knobs, _, _ in KNOBS.values() for name in knobs}

    assert turned | ELSEWHERE.keys() == {each.name for each in fields(Knobs)}


def test_every_choice_that_a_knob_has_is_turned_to() -> None:
    usual = Knobs().as_json()
    turned = {item for knobs, _, _ in KNOBS.values() for item in knobs.items()}

    missing = [
        (name, choice)
        for name, choices in CHOICES.items()
        for choice in choices
        if choice != usual[name] and (name, choice) not in turned
    ]
    assert missing == []


@pytest.mark.parametrize("knob", KNOBS)
def test_each_knob_is_told_from_the_outside(moorcheh: StandIn, knob: str) -> None:
    knobs, code, expected = KNOBS[knob]
    moorcheh.create("documents", items=1000)
    moorcheh.knob(**knobs)

    checked = check(moorcheh.url + ("/v1" if knobs.get("product") == "cloud" else ""), "--write")

    assert {what: says(checked) for what, (says, _) in expected.items()} == {
        what: value for what, (_, value) in expected.items()
    }
    assert checked.code == code, checked.body["guarantees"]
    assert moorcheh.namespaces().keys() == {"documents"}


NOT_FOUND = {"status": "failure", "message": "no such job"}
ANSWERS: dict[str, tuple[dict[str, Any], int, Says, object]] = {
    "an ended job is forgotten": (
        {"operation": "job", "kind": "body", "skip": 3, "count": -1, "status": 404, "json": NOT_FOUND},
        1,
        field("end"),
        "Forgotten",
    ),
    "an unknown job is a success": (
        {"operation": "job", "name": "no-*", "kind": "body", "status": 200, "json": {"status": "completed"}},
        3,
        lambda c: c.state("A job that the server has forgotten"),
        "Limited",
    ),
    "an unknown job is a 404 of nobody": (
        {"operation": "job", "name": "no-*", "kind": "status", "status": 404, "body": "<html>"},
        3,
        lambda c: c.state("A job that the server has forgotten"),
        "Limited",
    ),
    "a job is told under any name": (
        {"operation": "job", "name": "*-other", "kind": "body", "status": 200, "json": {"status": "running"}},
        3,
        lambda c: c.state("A job that the server has forgotten"),
        "Limited",
    ),
    "a deletion has no job": (
        {"operation": "delete", "kind": "no-job", "count": -1},
        3,
        field("hasJob"),
        False,
    ),
    "a DELETE of nothing starts a job": (
        {
            "operation": "delete",
            "kind": "body",
            "skip": 2,
            "status": 202,
            "json": {"job_id": "job-of-nobody"},
        },
        0,
        lambda c: (c.trial["deleteAbsent"]["code"], c.trial["left"]),
        (202, None),
    ),
    "a creation succeeds while the job runs": (
        {"operation": "create", "kind": "body", "skip": 1, "status": 201, "json": {"status": "success"}},
        0,
        lambda c: c.trial["createMeanwhile"]["code"],
        201,
    ),
    "a job counts down": ({"operation": "run", "kind": "falling"}, 0, field("end"), "Completed"),
    "a job of other words": (
        {"operation": "run", "kind": "nonsense", "report": {"status": "paused"}},
        4,
        lambda c: c.trial["job"]["states"],
        ["paused"],
    ),
}


@pytest.mark.parametrize("answers", ANSWERS)
def test_what_else_is_not_known_is_told_too(moorcheh: StandIn, answers: str) -> None:
    rule, code, says, expected = ANSWERS[answers]
    moorcheh.fault(**rule)

    checked = check(moorcheh.url, "--write", "--wait-seconds=3")

    assert says(checked) == expected
    assert checked.code == code, checked.body["guarantees"]
    assert moorcheh.namespaces() == {}
