"""The check tells every knob of the stand-in from the outside, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
    "a key is asked for": (
        {"api_key": "k-123"},
        1,
        {
            "asked": (lambda c: c.state("It can be asked"), "Broken"),
            "trial": (lambda c: c.found["trial"], None),
        },
    ),
}


@pytest.mark.parametrize("knob", KNOBS)
def test_each_knob_is_told_from_the_outside(moorcheh: StandIn, knob: str) -> None:
    knobs, code, expected = KNOBS[knob]
    moorcheh.create("documents", items=1000)
    moorcheh.knob(**knobs)

    checked = check(moorcheh.url, "--write")

    assert {what: says(checked) for what, (says, _) in expected.items()} == {
        what: value for what, (_, value) in expected.items()
    }
    assert checked.code == code, checked.body["guarantees"]
    assert moorcheh.namespaces().keys() == {"documents"}
