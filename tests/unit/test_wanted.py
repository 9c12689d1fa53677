"""Where it is not certain that somebody wants this deletion now, nothing is sent: rules 11, 15 and 18."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Attempt, Job, Phase, Reason, Target
from moorcheh_operator.backoff import Trouble
from moorcheh_operator.clock import Now
from moorcheh_operator.lifecycle.access import NamespaceEnds
from moorcheh_operator.lifecycle.facts import Facts
from moorcheh_operator.lifecycle.kubernetes_namespace import (
    Active,
    NamespaceState,
    Terminating,
    Untold,
)
from moorcheh_operator.lifecycle.next_step import next_step
from moorcheh_operator.lifecycle.ownership import claim_rank, was_shut_out
from moorcheh_operator.lifecycle.rewound import Past, goes_back
from moorcheh_operator.lifecycle.steps import CheckNamespace, Claim, LookUp, Record, Step, Wait
from moorcheh_operator.moorcheh.answers import Accepted, NotSent, Refused
from tests.unit.builders import (
    ABSENT,
    ATTEMPT,
    BORN,
    FAILED_JOB,
    LIMITS,
    MADE,
    NEWER,
    NOW,
    SETTLE,
    TARGET,
    THERE,
    UNDATED,
    Case,
    a_request,
    a_spec,
    ago,
    ahead,
    but,
    known,
    looks,
    ready,
    records,
    retrying,
    sent,
    trouble,
    waits,
)

PENDING, SUSPENDED, SUBMITTING = Phase.PENDING, Phase.SUSPENDED, Phase.SUBMITTING
RUNNING, SUCCEEDED, FAILED = Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED
ENDS = NamespaceEnds("The Kubernetes namespace team is being deleted, and this request with it.")
UNSURE = Untold(ago(0.4), Trouble("HTTP 500", 1, ahead(0.6)))
FIRST_SEEN = Target(True, 10, BORN, NOW.time)


def terminating(**facts: Any) -> Facts:
    """Since three seconds ago."""
    return ready(THERE, access=ENDS, namespace=Terminating(ago(3)), **facts)


# Rule 15: the Kubernetes namespace

NAMESPACE_CASES = [
    pytest.param(Case(a_request(), ready(THERE, namespace=None), CheckNamespace()), id="it-is-asked"),
    pytest.param(
        Case(a_request(), ready(THERE, answered=0.5, namespace=Active(ago(0.51))), CheckNamespace()),
        id="again-after-the-look",
    ),
    pytest.param(
        Case(a_request(), ready(THERE, answered=0.5, namespace=Active(ago(0.5))), Claim()),
        id="and-then-it-is-claimed",
    ),
    pytest.param(
        Case(a_request(), ready(THERE, answered=2.01, namespace=Active(ago(1))), LookUp(to_claim=True)),
        id="not-on-a-look-that-is-old-by-then",
    ),
    pytest.param(
        Case(
            a_request(),
            ready(THERE, namespace=UNSURE),
            waits(
                0.6,
                PENDING,
                Reason.NAMESPACE_UNVERIFIED,
                says="HTTP 500",
                target=FIRST_SEEN,
                start_time=NOW.time,
            ),
        ),
        id="not-where-the-answer-is-not-known",
    ),
    pytest.param(
        Case(
            a_request(),
            ready(THERE, namespace=replace(UNSURE, trouble=Trouble("HTTP 500", 1, ago(0)))),
            CheckNamespace(),
        ),
        id="which-is-asked-again",
    ),
    pytest.param(
        Case(
            a_request(),
            known(looks=looks(THERE), namespace=UNSURE),
            waits(
                0.6, PENDING, Reason.NAMESPACE_UNVERIFIED, target=FIRST_SEEN, start_time=NOW.time, says="team"
            ),
        ),
        id="and-nothing-is-looked-up-meanwhile",
    ),
    pytest.param(
        Case(
            a_request(),
            terminating(),
            waits(
                7,
                PENDING,
                Reason.NAMESPACE_TERMINATING,
                says="Nothing is sent.",
                target=FIRST_SEEN,
                start_time=NOW.time,
            ),
        ),
        id="not-where-it-is-being-deleted",
    ),
    pytest.param(
        Case(
            retrying(),
            terminating(),
            waits(
                7,
                PENDING,
                Reason.NAMESPACE_TERMINATING,
                says="Nothing is sent after attempt 1.",
                last_error="disk full",
            ),
        ),
        id="rule-6-nor-another-attempt",
    ),
    pytest.param(
        Case(
            a_request(PENDING, Reason.TARGET_BUSY),
            terminating(owner="team/older"),
            waits(7, PENDING, Reason.TARGET_BUSY, says="is being deleted", target=FIRST_SEEN),
        ),
        id="rule-8-one-that-stood-behind-another-says-so-too",
    ),
    pytest.param(
        Case(
            a_request(SUSPENDED, target=TARGET),
            terminating(),
            records(SUSPENDED, Reason.SUSPENDED, says="would be refused (NamespaceTerminating)"),
        ),
        id="a-preview-says-it",
    ),
    pytest.param(
        Case(
            a_request(PENDING, deadline=590),
            terminating(),
            records(FAILED, Reason.DEADLINE_EXCEEDED),
        ),
        id="rule-12-its-deadline-still-ends-it",
    ),
    pytest.param(
        Case(a_request(RUNNING), terminating(), next_step(a_request(RUNNING), ready(THERE), NOW, LIMITS)),
        id="what-is-under-way-is-followed",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            terminating(sent=sent(Accepted("job-9"))),
            records(RUNNING, Reason.JOB_RUNNING, job=Job("job-9")),
        ),
        id="and-recorded",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            terminating(sent=sent(NotSent("it is being deleted"))),
            records(
                PENDING,
                Reason.NAMESPACE_TERMINATING,
                says="was not sent",
                attempt=None,
                last_error="it is being deleted",
            ),
        ),
        id="a-claim-that-came-too-late-is-taken-back",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            ready(THERE, namespace=UNSURE, sent=sent(NotSent("it may be being deleted"))),
            records(
                PENDING,
                Reason.NAMESPACE_UNVERIFIED,
                says="HTTP 500",
                attempt=None,
                last_error="it may be being deleted",
            ),
        ),
        id="as-is-one-of-which-it-is-not-known",
    ),
]


@pytest.mark.parametrize("case", NAMESPACE_CASES)
def test_rule_15_nothing_is_claimed_in_a_namespace_that_may_be_being_deleted(case: Case) -> None:
    case.check()


WAITING: dict[str, tuple[Request, dict[str, Any]]] = {
    "for-a-slot": (a_request(PENDING, target=TARGET), {"looks": looks(THERE), "slots_full": True}),
    "for-its-target": (a_request(), {"owner": "team/older", "looks": looks(THERE)}),
    "between-attempts": (retrying(), {"looks": looks(THERE), "first_seen": ago(1)}),
    "for-the-server": (a_request(), {"outage": trouble(50)}),
    "after-a-refusal": (a_request(), {"looks": looks(THERE), "hold_off": trouble(50)}),
    "suspended": (a_request(SUSPENDED, target=TARGET), {"looks": looks(THERE)}),
}


def step_of(waiting: str, state: NamespaceState | None, now: Now = NOW) -> Step:
    """Of one whose status shows already what it waits for."""
    request, facts = WAITING[waiting]
    told = known(namespace=state, **facts)
    first = next_step(request, but(told, namespace=Active(now.ticks)), now, LIMITS)
    if isinstance(first, Wait | Record):
        request = replace(request, status=first.status)
    return next_step(request, told, now, LIMITS)


@pytest.mark.parametrize("waiting", WAITING)
@pytest.mark.parametrize(
    ("state", "asks"),
    [
        (None, True),
        (Active(ago(59.9)), False),
        (Active(ago(60)), True),
        (Untold(ago(5), Trouble("no", 1, ago(0))), True),
        (Untold(ago(5), Trouble("no", 1, ahead(1))), False),
    ],
    ids=["never-asked", "asked", "asked-long-ago", "untold", "untold-just-now"],
)
def test_whatever_waits_asks_once_a_minute(waiting: str, state: NamespaceState | None, asks: bool) -> None:
    """No event tells that a Kubernetes namespace is being deleted."""
    assert (step_of(waiting, state) == CheckNamespace()) is asks


@pytest.mark.parametrize("waiting", WAITING)
def test_and_wakes_for_it(waiting: str) -> None:
    step = step_of(waiting, Active(ago(59)))

    assert isinstance(step, Wait)
    assert step.until is not None
    assert step.until <= ahead(1)


def test_one_that_may_not_claim_yet_does_not_ask() -> None:
    step = next_step(a_request(), known(listed=False, namespace=None), NOW, LIMITS)

    assert step == Wait(None, a_request().status)


def test_that_it_is_being_deleted_is_asked_again() -> None:
    """An API server that was set back may have it alive, and there may be another one of its name."""
    facts = known(access=ENDS, namespace=Terminating(ago(10)))

    assert next_step(a_request(), facts, NOW, LIMITS) == CheckNamespace()


def test_rule_10_it_keeps_nobody_s_target() -> None:
    assert claim_rank(a_request(), known(access=ENDS)) is None
    assert claim_rank(a_request(RUNNING), known(access=ENDS)) == 0


# Rule 11: deleted, and kept by a finalizer

LOST_JOB = retrying(None)


def withdrawn_end(says: str, **changes: Any) -> Any:
    return records(FAILED, Reason.WITHDRAWN, says=says, **changes)


WITHDRAWN_CASES = [
    pytest.param(
        Case(a_request(withdrawn=True), ready(THERE), withdrawn_end("Nothing was sent.")), id="while-new"
    ),
    pytest.param(
        Case(
            a_request(PENDING, target=TARGET, withdrawn=True),
            ready(THERE),
            withdrawn_end("Nothing was sent."),
        ),
        id="while-pending",
    ),
    pytest.param(
        Case(
            a_request(PENDING, Reason.REFUSED, target=TARGET, last_error="HTTP 429", withdrawn=True),
            known(),
            withdrawn_end("No DELETE of it was accepted."),
        ),
        id="after-a-refused-delete",
    ),
    pytest.param(
        Case(a_request(PENDING, withdrawn=True), known(listed=False), withdrawn_end("Nothing was sent.")),
        id="before-the-first-complete-list",
    ),
    pytest.param(
        Case(
            a_request(SUSPENDED, withdrawn=True),
            known(),
            withdrawn_end("Nothing was sent.", start_time=NOW.time),
        ),
        id="while-suspended",
    ),
    pytest.param(
        Case(retrying(withdrawn=True), known(), withdrawn_end("Nothing more is sent after attempt 1.")),
        id="after-a-failed-job",
    ),
    pytest.param(
        Case(replace(LOST_JOB, withdrawn=True), known(first_seen=ago(60)), LookUp()),
        id="after-a-lost-job-looks-tell",
    ),
    pytest.param(
        Case(
            replace(LOST_JOB, withdrawn=True),
            known(first_seen=ago(60), looks=looks(ABSENT, ABSENT)),
            records(SUCCEEDED, Reason.VERIFIED_ABSENT),
        ),
        id="after-a-lost-job-it-is-gone",
    ),
    pytest.param(
        Case(
            replace(LOST_JOB, withdrawn=True),
            known(first_seen=ago(60), looks=looks(NEWER, NEWER)),
            records(SUCCEEDED, Reason.TARGET_REPLACED),
        ),
        id="after-a-lost-job-it-is-another",
    ),
    pytest.param(
        Case(
            replace(LOST_JOB, withdrawn=True),
            known(first_seen=ago(60), looks=looks(THERE, THERE)),
            withdrawn_end("Nothing more is sent after attempt 1."),
        ),
        id="after-a-lost-job-it-is-there",
    ),
    pytest.param(
        Case(
            replace(LOST_JOB, withdrawn=True, spec=a_spec(active_deadline_seconds=590)),
            known(first_seen=ago(60), outage=trouble(5)),
            withdrawn_end("Nothing more is sent after attempt 1."),
        ),
        id="rule-12-not-for-longer-than-its-deadline",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, withdrawn=True),
            known(first_seen=ago(1), sent=sent(Accepted("job-9"))),
            records(RUNNING, Reason.JOB_RUNNING, job=Job("job-9")),
        ),
        id="its-job-is-recorded",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, withdrawn=True),
            known(first_seen=ago(1), sent=sent(Refused("HTTP 429", None))),
            records(PENDING, Reason.REFUSED, attempt=None, last_error="HTTP 429"),
        ),
        id="a-refusal-takes-the-attempt-back-and-then-it-ends",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, withdrawn=True),
            known(first_seen=ago(SETTLE + 60), looks=looks(ABSENT, ABSENT)),
            records(SUCCEEDED, Reason.VERIFIED_ABSENT),
        ),
        id="an-unclear-attempt-is-verified",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, job=FAILED_JOB, withdrawn=True),
            known(first_seen=ago(1)),
            records(PENDING, Reason.RETRYING, last_error="disk full"),
        ),
        id="a-failed-job-is-recorded-and-then-it-ends",
    ),
    pytest.param(
        Case(
            a_request(SUCCEEDED, generation=2, withdrawn=True),
            known(),
            records(SUCCEEDED, Reason.DELETION_COMPLETED),
        ),
        id="after-the-end-the-generation-is-followed",
    ),
]


@pytest.mark.parametrize("case", WITHDRAWN_CASES)
def test_rule_11_one_that_a_finalizer_keeps_is_brought_to_its_end(case: Case) -> None:
    case.check()


@pytest.mark.parametrize(
    ("attempt", "counts"), [(None, False), (ATTEMPT, True)], ids=["nothing-sent", "after-an-attempt"]
)
def test_rule_8_its_end_is_one_for_others_only_where_it_sent_something(
    attempt: Attempt | None, counts: bool
) -> None:
    assert was_shut_out(a_request(FAILED, Reason.WITHDRAWN, attempt=attempt)) is not counts


# Rule 18: a history that is lost

LISTED = MADE + timedelta(seconds=300)


def at(generation: int, *, suspend: bool = False, phase: Phase | None = PENDING, **fields: Any) -> Request:
    return a_request(phase, spec=a_spec(suspend=suspend), generation=generation, **fields)


CAME_BACK = [
    pytest.param(at(1), at(1), None, id="as-it-was"),
    pytest.param(at(1, made=LISTED - timedelta(seconds=60)), None, None, id="made-since"),
    pytest.param(at(1, made=LISTED - timedelta(seconds=61)), None, "ended or been deleted", id="not-listed"),
    pytest.param(at(1), at(2, withdrawn=True), "deleted", id="deleted"),
    pytest.param(at(1), at(1, phase=SUCCEEDED), "ended as DeletionCompleted", id="ended"),
    pytest.param(at(1), at(1, phase=RUNNING), "attempt 1", id="claimed"),
    pytest.param(retrying(), retrying(number=2), "attempt 2", id="claimed-again"),
    pytest.param(at(1, phase=RUNNING), at(1, phase=RUNNING), None, id="the-same-attempt"),
    pytest.param(at(1), at(2, suspend=True), "suspended", id="held"),
    pytest.param(at(2), at(2, suspend=True), "suspended", id="held-and-edited-since"),
    pytest.param(at(2), at(1, suspend=True), None, id="approved-since"),
    pytest.param(at(1, suspend=True), at(2), None, id="held-again-as-it-was-before"),
]


GOES_BACK = [
    pytest.param(at(2), at(1), True, id="an-earlier-generation"),
    pytest.param(at(1), at(2), False, id="a-later-one"),
    pytest.param(at(2, withdrawn=True), at(2), True, id="deleted-no-more"),
    pytest.param(at(1), at(2, withdrawn=True), False, id="deleted"),
    pytest.param(at(1, phase=FAILED), at(1), True, id="ended-no-more"),
    pytest.param(at(1), at(1, phase=FAILED), False, id="ended"),
    pytest.param(a_request(SUBMITTING), at(1), False, id="a-claim-that-was-taken-back"),
]


@pytest.mark.parametrize(("known", "request_", "back"), GOES_BACK)
def test_in_one_history_nothing_goes_back(known: Request, request_: Request, back: bool) -> None:
    assert goes_back(known, request_) is back


@pytest.mark.parametrize(("request_", "known", "lost"), CAME_BACK)
def test_what_came_back_is_not_taken_for_what_is_wanted(
    request_: Request, known: Request | None, lost: str | None
) -> None:
    past = Past(LISTED, {} if known is None else {known.uid: known})

    found = past.lost(request_)

    assert (found is None) is (lost is None)
    assert (lost or "") in (found or "")


@pytest.mark.parametrize(
    "request_",
    [a_request(), a_request(PENDING, target=TARGET), a_request(SUSPENDED, target=TARGET), retrying()],
    ids=["new", "pending", "suspended", "retrying"],
)
def test_rule_18_one_that_came_back_is_not_carried_out_again(request_: Request) -> None:
    facts = ready(THERE, lost="it had been deleted")
    step = next_step(request_, facts, NOW, LIMITS)

    assert isinstance(step, Record)
    assert (step.status.phase, step.status.reason) == (FAILED, Reason.RESTORED_FROM_BACKUP)
    assert "it had been deleted" in (step.status.message or "")


@pytest.mark.parametrize("phase", [SUBMITTING, RUNNING])
def test_its_open_attempt_is_followed_all_the_same(phase: Phase) -> None:
    request = a_request(phase)

    assert next_step(request, ready(THERE, lost="x"), NOW, LIMITS) == next_step(
        request, ready(THERE), NOW, LIMITS
    )


def test_rule_8_what_was_known_before_gets_no_tolerance() -> None:
    """It may have been carried out in the history that is lost, and its target created again."""
    entry = replace(THERE, creation_time=f"{MADE:%FT%TZ}")
    step = next_step(a_request(), ready(entry, rewound=True), NOW, LIMITS)

    assert isinstance(step, Record)
    assert step.status.reason == Reason.TARGET_NEWER_THAN_REQUEST
    assert next_step(a_request(), ready(entry), NOW, LIMITS) == Claim()


def test_rule_8_nor_a_delete_without_a_creation_time() -> None:
    step = next_step(a_request(), ready(UNDATED, rewound=True), NOW, LIMITS)

    assert isinstance(step, Record)
    assert step.status.reason == Reason.PRECONDITION_UNVERIFIABLE
