"""Who may have what deleted on which server, as a table; and what a look at one server is to another."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Phase, Reason, Target
from moorcheh_operator.controller.targets import Targets
from moorcheh_operator.lifecycle.access import Access, NotFound, Open, Refusal, Undecided, access
from moorcheh_operator.lifecycle.facts import after_look, elsewhere
from moorcheh_operator.lifecycle.ownership import claim_rank
from moorcheh_operator.lifecycle.submitting import claim
from moorcheh_operator.moorcheh.answers import Entry, Listing
from moorcheh_operator.servers.definitions import Allowed, Definition, From, Operator, Selector, Term
from tests.unit.builders import BORN, NOW, TARGET, a_request, a_spec, ago, known, ready

HERE, ELSEWHERE = "http://here", "http://elsewhere"
TEAM_A = Selector({"team": "a"})
OWN = Allowed(From.SAME)


def server(**fields: Any) -> Definition:
    return Definition("default", HERE, **{"allowed_namespaces": Allowed(From.ALL)} | fields)


def seen_at(url: str | None, phase: Phase = Phase.PENDING) -> Request:
    return a_request(phase, target=replace(TARGET, server=url))


ROWS: list[tuple[str, Request, Definition | None, str | None, Any, type[Access], str]] = [
    ("open to all", a_request(), server(), None, None, Open, ""),
    ("no such server", a_request(), None, None, None, NotFound, '"default"'),
    ("seen at this server", seen_at(HERE), server(), None, None, Open, ""),
    ("seen before servers had names", seen_at(None), server(), None, None, Open, ""),
    ("seen at another server", seen_at(ELSEWHERE), server(), None, None, NotFound, ELSEWHERE),
    (
        "the operator's own namespace",
        a_request(),
        server(allowed_namespaces=OWN),
        "team",
        None,
        Open,
        "",
    ),
    (
        "another namespace",
        a_request(),
        server(allowed_namespaces=OWN),
        "other",
        None,
        Refusal,
        "NotAllowed",
    ),
    (
        "an operator without a namespace",
        a_request(),
        server(allowed_namespaces=OWN),
        None,
        None,
        Refusal,
        "",
    ),
    ("the default is closed", a_request(), Definition("default", HERE), "other", None, Refusal, "NotAllowed"),
    (
        "the label is there",
        a_request(),
        server(allowed_namespaces=Allowed(From.SELECTOR, TEAM_A)),
        None,
        {"team": "a"},
        Open,
        "",
    ),
    (
        "the label is another",
        a_request(),
        server(allowed_namespaces=Allowed(From.SELECTOR, TEAM_A)),
        None,
        {"team": "b"},
        Refusal,
        "NotAllowed",
    ),
    (
        "no labels",
        a_request(),
        server(allowed_namespaces=Allowed(From.SELECTOR, TEAM_A)),
        None,
        {},
        Refusal,
        "NotAllowed",
    ),
    (
        "labels not read yet",
        a_request(),
        server(allowed_namespaces=Allowed(From.SELECTOR, TEAM_A)),
        None,
        None,
        Undecided,
        "",
    ),
    (
        "labels can't be read",
        a_request(),
        server(allowed_namespaces=Allowed(From.SELECTOR, TEAM_A)),
        None,
        "HTTP 403",
        Undecided,
        "HTTP 403",
    ),
    ("protected", a_request(), server(protected_names=("x", "doc*")), None, None, Refusal, "Protected"),
    ("protected by another case", a_request(), server(protected_names=("DOC*",)), None, None, Open, ""),
    (
        "protected, though allowed by name",
        a_request(),
        server(protected_names=("documents",), allowed_names=("documents",)),
        None,
        None,
        Refusal,
        "Protected",
    ),
    ("not an allowed name", a_request(), server(allowed_names=("a*",)), None, None, Refusal, "NotAllowed"),
    ("no names at all", a_request(), server(allowed_names=()), None, None, Refusal, "NotAllowed"),
    ("an allowed name", a_request(), server(allowed_names=("a*", "d?c*")), None, None, Open, ""),
    (
        "from elsewhere is said before what is protected, which is nobody's business there",
        a_request(),
        server(allowed_namespaces=OWN, protected_names=("*",)),
        None,
        None,
        Refusal,
        "NotAllowed",
    ),
]


@pytest.mark.parametrize(
    ("request_", "definition", "own", "labels", "kind", "says"),
    [pytest.param(*row[1:], id=row[0]) for row in ROWS],
)
def test_who_may(
    request_: Request, definition: Definition | None, own: str | None, labels: Any, kind: type, says: str
) -> None:
    verdict = access(request_, definition, own, labels)

    assert type(verdict) is kind
    shown = f"{getattr(verdict, 'reason', '')} {getattr(verdict, 'message', '')}"
    assert says in shown


TERMS = [
    (Term("k", Operator.IN, frozenset({"a", "b"})), {"a", "b"}),
    (Term("k", Operator.NOT_IN, frozenset({"a"})), {"b", "", None}),
    (Term("k", Operator.EXISTS), {"a", "b", ""}),
    (Term("k", Operator.DOES_NOT_EXIST), {None}),
]


@pytest.mark.parametrize(("term", "holding"), [pytest.param(*row, id=row[0].operator.value) for row in TERMS])
def test_selectors_are_those_of_kubernetes(term: Term, holding: set[str | None]) -> None:
    values = ["a", "b", "", None]
    labels = [{} if value is None else {"k": value} for value in values]

    assert {value for value, each in zip(values, labels, strict=True) if term.holds(each)} == holding


# One that may not keeps nobody waiting who may


REFUSED = Refusal(Reason.NOT_ALLOWED, "no")


@pytest.mark.parametrize(
    "verdict", [REFUSED, NotFound("no"), Undecided("no")], ids=["refused", "unknown", "untold"]
)
def test_one_that_may_not_holds_no_target(verdict: Access) -> None:
    assert claim_rank(a_request(), known(access=verdict)) is None


DOUBTFUL = [
    pytest.param(a_request(flaws=("unknown field spec.suspended",)), id="rule-16-a-misspelled-field"),
    pytest.param(a_request(copied="it has a status"), id="rule-17-a-copy"),
]


@pytest.mark.parametrize("request_", DOUBTFUL)
def test_one_that_nobody_may_have_meant_holds_no_target(request_: Request) -> None:
    assert claim_rank(request_, known()) is None


@pytest.mark.parametrize("phase", [Phase.SUBMITTING, Phase.RUNNING])
def test_rule_10_one_that_is_under_way_keeps_its_target(phase: Phase) -> None:
    assert claim_rank(a_request(phase), known(access=REFUSED)) == 0


SENT_NOTHING = {
    "not allowed": a_request(Phase.FAILED, Reason.NOT_ALLOWED),
    "protected": a_request(Phase.FAILED, Reason.PROTECTED),
    "of fields that do not exist": a_request(Phase.FAILED, Reason.INVALID_SPEC, flaws=("unknown field a",)),
    "a copy": a_request(Phase.FAILED, Reason.RESTORED_FROM_BACKUP, copied="it has a status"),
}


@pytest.mark.parametrize("request_", SENT_NOTHING.values(), ids=SENT_NOTHING)
def test_the_end_of_one_that_might_not_makes_nobody_else_s_request_stricter(request_: Request) -> None:
    """Or anybody could have others' requests fail, by asking for their targets in vain."""
    targets = Targets(lambda _: None, lambda: NOW.time)
    targets.note_end(request_)

    assert targets.last_end(a_request(uid="another")) is None


def test_rule_18_one_of_a_lost_history_may_have_sent_something() -> None:
    """Its attempt is not on record any more; whoever comes after it must be strict."""
    targets = Targets(lambda _: None, lambda: NOW.time)
    targets.note_end(a_request(Phase.FAILED, Reason.RESTORED_FROM_BACKUP))

    assert targets.last_end(a_request(uid="another")) is not None


# Another URL is another server


def test_a_look_is_about_the_server_that_was_asked() -> None:
    facts = after_look(known(), "documents", Listing({"documents": Entry(1, BORN)}), ago(2), ago(1), HERE)

    assert facts.seen.bound == Target(True, 1, BORN, server=HERE)
    assert claim(a_request(), facts, NOW, "attempt-1").target == Target(True, 1, BORN, NOW.time, HERE)


def test_what_was_seen_elsewhere_counts_for_nothing() -> None:
    facts = elsewhere(ready(slots_full=True), NOW.ticks)

    assert (facts.seen.looks, facts.seen.bound, facts.polls.last, facts.seen.outage) == ((), None, None, None)
    assert facts.first_seen == NOW.ticks
    assert not facts.holding.slots_full


def test_the_same_name_on_two_servers_is_two_targets() -> None:
    targets = Targets(lambda _: None, lambda: NOW.time)

    class Member:
        def __init__(self, uid: str, on: str) -> None:
            self.request = a_request(uid=uid, spec=a_spec(server=on))
            self.facts = known()

    one, other = Member("uid-1", "one"), Member("uid-2", "other")
    targets.update(one)
    targets.update(other)

    assert targets.owner(one.request) == one.request
    assert targets.owner(other.request) == other.request


def test_a_request_whose_server_moves_takes_its_place_along() -> None:
    urls = {"default": HERE}
    targets = Targets(
        lambda _: None, lambda: NOW.time, lambda request: (urls[request.spec.server], "documents")
    )

    class Member:
        request = a_request()
        facts = known()

    targets.update(Member())
    urls["default"] = ELSEWHERE
    assert targets.owner(Member.request) is None
    targets.update(Member())

    assert targets.owner(Member.request) == Member.request
    assert not targets.is_wanted((HERE, "documents"))


def test_rule_10_a_claim_under_way_stays_where_it_may_land() -> None:
    urls = {"default": HERE}
    targets = Targets(
        lambda _: None, lambda: NOW.time, lambda request: (urls[request.spec.server], "documents")
    )

    class Member:
        request = a_request()
        facts = known()

    member = Member()
    targets.update(member)
    member.facts = known(claiming=True)
    urls["default"] = ELSEWHERE
    targets.update(member)

    assert targets.is_wanted((HERE, "documents"))
