"""What an end says of what was sent is true, whichever way led there.

A DELETE that was refused (401, 403, 429) had left, and is no attempt; one that the server ended was sent.
"""

from __future__ import annotations

from typing import Any

import pytest

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import IfAbsent
from moorcheh_operator.api.status import Phase, Reason, Target
from moorcheh_operator.backoff import Trouble
from moorcheh_operator.lifecycle.access import NamespaceEnds, Refusal
from moorcheh_operator.lifecycle.facts import Facts
from moorcheh_operator.lifecycle.guards import judge
from moorcheh_operator.lifecycle.kubernetes_namespace import Untold
from moorcheh_operator.lifecycle.next_step import next_step
from moorcheh_operator.lifecycle.steps import Record, Wait
from moorcheh_operator.moorcheh.answers import NotSent, Refused
from tests.unit.builders import (
    ATTEMPT,
    FAILED_JOB,
    LIMITS,
    NOW,
    TARGET,
    THERE,
    a_look,
    a_request,
    ago,
    ahead,
    known,
    ready,
    retrying,
    sent,
)

NONE, REFUSED = "Nothing was sent.", "No DELETE of it was accepted."
AFTER = "No DELETE of it was accepted after attempt 1."
PENDING: dict[str, tuple[dict[str, Any], str]] = {
    "new": ({}, NONE),
    "seen": ({"target": TARGET}, NONE),
    "the listing failed before it was ever seen": ({"last_error": "HTTP 502"}, NONE),
    "its DELETE was refused": (
        {"reason": Reason.REFUSED, "target": TARGET, "last_error": "HTTP 429"},
        REFUSED,
    ),
    "its attempt failed": (
        {"attempt": ATTEMPT, "job": FAILED_JOB, "target": TARGET, "last_error": "disk full"},
        AFTER,
    ),
}
"""What is recorded of a pending request, and what may be said of it."""

SHUT = known(access=Refusal(Reason.NOT_ALLOWED, "No."), access_since=ago(99), first_seen=ago(99))
WAYS: dict[str, tuple[dict[str, Any], Facts]] = {
    "not allowed": ({}, SHUT),
    "withdrawn": ({"withdrawn": True}, ready(THERE)),
    "a field that nobody knows": ({"flaws": ("unknown field spec.x",)}, ready(THERE)),
    "a copy": ({"copied": "its uid is another one's"}, ready(THERE)),
}


def pending(changes: dict[str, Any], **more: Any) -> Request:
    changes = {"reason": Reason.RETRYING if "attempt" in changes else None, **changes, **more}
    return a_request(Phase.PENDING if changes else None, **changes)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", PENDING)
def test_an_end_without_a_delete_of_its_own_says_what_had_left_before(state: str, way: str) -> None:
    (changes, words), (fields, facts) = PENDING[state], WAYS[way]

    step = next_step(pending(changes, **fields), facts, NOW, LIMITS)

    assert isinstance(step, Record)
    if way == "withdrawn" and "attempt" in changes:
        words = "attempt 1"
    assert words in (step.status.message or "")


@pytest.mark.parametrize("state", PENDING)
def test_so_does_one_whose_target_is_gone(state: str) -> None:
    changes, words = PENDING[state]

    verdict = judge(pending(changes), ready(None), a_look(None, answered=0.1), NOW)

    assert verdict is not None
    assert words in (verdict.message or "")
    assert ("was seen before" in (verdict.message or "")) == ("target" in changes)


def test_a_preview_found_nothing_and_still_sent_nothing() -> None:
    held = a_request(Phase.SUSPENDED, target=Target(False), last_error="HTTP 502", if_absent=IfAbsent.FAIL)

    verdict = judge(held, ready(None), a_look(None, answered=0.1), NOW)

    assert verdict is not None
    assert "accepted" not in (verdict.message or "")


ENDS: dict[str, Any] = {"access": NamespaceEnds("It ends.")}
UNTOLD: dict[str, Any] = {"namespace": Untold(ago(1), Trouble("timeout", 1, ahead(9)))}
TAKEN: dict[str, tuple[Any, dict[str, Any], Reason, str]] = {
    "refused": (Refused("HTTP 429", None), {}, Reason.REFUSED, "does not accept the DELETE"),
    "refused, and its Kubernetes namespace ends": (
        Refused("HTTP 429", None),
        ENDS,
        Reason.NAMESPACE_TERMINATING,
        "did not accept the DELETE",
    ),
    "refused, and its Kubernetes namespace can't be told": (
        Refused("HTTP 429", None),
        UNTOLD,
        Reason.REFUSED,
        "does not accept the DELETE",
    ),
    "no connection": (NotSent("refused"), {}, Reason.SERVER_UNAVAILABLE, "could not be sent"),
    "held back, as its Kubernetes namespace ends": (
        NotSent("it ends"),
        ENDS,
        Reason.NAMESPACE_TERMINATING,
        "was not sent",
    ),
    "held back, as its Kubernetes namespace can't be told": (
        NotSent("untold"),
        UNTOLD,
        Reason.NAMESPACE_UNVERIFIED,
        "nothing is sent",
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_claim_that_is_taken_back_says_whether_its_delete_had_left(case: str) -> None:
    answer, facts, reason, words = TAKEN[case]
    claimed = a_request(Phase.SUBMITTING, attempt=ATTEMPT, target=TARGET)

    step = next_step(claimed, known(sent=sent(answer), **facts), NOW, LIMITS)

    assert isinstance(step, Record)
    assert step.status.reason == reason
    assert words in (step.status.message or "")


@pytest.mark.parametrize("request_", [a_request(), retrying()], ids=["new", "after an attempt"])
def test_one_whose_kubernetes_namespace_ends_speaks_of_what_is_to_come(request_: Request) -> None:
    step = next_step(request_, known(**ENDS), NOW, LIMITS)

    assert isinstance(step, Wait)
    assert "Nothing is sent" in (step.status.message or "")
