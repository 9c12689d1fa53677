"""What a policy's task does next: a run begins once, whoever leads ends it, and each doubt stops it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from moorcheh_operator.api.policy import LastRun, Matching, Policy, PolicyStatus, Result, Template
from moorcheh_operator.backoff import Trouble
from moorcheh_operator.clock import Now
from moorcheh_operator.lifecycle.rewound import KnownPolicy
from moorcheh_operator.policies.facts import (
    Creation,
    Creations,
    Facts,
    Forbidden,
    Made,
    Refused,
    Right,
    Unanswered,
)
from moorcheh_operator.policies.next_step import Reason, next_step
from moorcheh_operator.policies.runs import BATCH, request_name, requests_for
from moorcheh_operator.policies.steps import AskRight, Create, LookUp, Record, Step, Wait
from moorcheh_operator.servers.definitions import Definition
from tests.unit.policies import (
    NOW,
    SERVER,
    a_listing,
    a_look,
    a_policy,
    a_run,
    a_select,
    announced,
    at,
    old,
    the_facts,
    undated,
    under_way,
)

DUE = announced("2026-11-27T23:00")
AHEAD = announced("2026-11-28T00:00")
THREE = {"ci-1": old(), "ci-2": old(), "ci-3": old(), "other": old()}


def recorded(step: Step) -> PolicyStatus:
    assert isinstance(step, Record), step
    return step.status


def run_of(step: Step) -> LastRun:
    run = recorded(step).last_run
    assert run is not None
    return run


def ready(step: Step) -> tuple[str, str]:
    [condition] = [each for each in recorded(step).conditions if each.type == "Ready"]
    return condition.status, condition.reason


def later(seconds: float) -> Now:
    return Now(NOW.time + timedelta(seconds=seconds), NOW.ticks + seconds)


def made(**targets: Creation) -> Creations:
    return Creations(at("2026-11-27T23:00"), {name.replace("_", "-"): each for name, each in targets.items()})


# A new policy


def test_the_right_is_asked_for_first() -> None:
    assert next_step(a_policy(), Facts(server=SERVER), NOW) == AskRight()


def test_then_the_server() -> None:
    assert next_step(a_policy(), the_facts(), NOW) == LookUp(anew=False)


def test_then_it_is_shown_what_it_matches_and_when_it_runs() -> None:
    status = recorded(next_step(a_policy(), the_facts(a_look(THREE, busy=("ci-2",))), NOW))

    assert status.observed_generation == 1
    assert status.next_run_time == at("2026-11-28T00:00")
    assert status.matching is not None
    assert (status.matching.count, status.matching.skipped, status.matching.names) == (
        3,
        1,
        ("ci-1", "ci-2", "ci-3"),
    )
    assert status.last_run is None


def test_what_is_shown_is_not_written_again() -> None:
    facts = the_facts(a_look(THREE))
    status = recorded(next_step(a_policy(), facts, NOW))
    soon = later(30)

    step = next_step(a_policy(status=status), replace(facts, look=a_look(THREE, ago=-29)), soon)

    assert step == Wait(NOW.ticks + 29 + 60)


def test_it_waits_no_longer_than_to_its_next_run() -> None:
    facts = the_facts(a_look(THREE))
    status = recorded(next_step(a_policy(schedule="* * * * *"), facts, NOW))

    assert next_step(a_policy(schedule="* * * * *", status=status), facts, NOW) == Wait(NOW.ticks + 30)


def test_a_preview_is_looked_up_once_a_minute() -> None:
    facts = the_facts(a_look(THREE, ago=60))

    assert next_step(a_policy(status=AHEAD), facts, NOW) == LookUp(anew=False)


def test_only_twenty_names_are_shown() -> None:
    look = a_look({f"ci-{number:03}": old() for number in range(5000)})
    matching = recorded(next_step(a_policy(), the_facts(look), NOW)).matching

    assert matching is not None
    assert (matching.count, len(matching.names), matching.names[0]) == (5000, 20, "ci-000")


# When a run begins


BEGINS: list[Any] = [
    pytest.param(DUE, {}, True, id="its-time-has-come"),
    pytest.param(AHEAD, {}, False, id="not-yet"),
    pytest.param(PolicyStatus(), {}, False, id="nobody-has-announced-it"),
    pytest.param(DUE, {"generation": 2}, False, id="the-spec-has-changed-since"),
    pytest.param(DUE, {"suspend": True, "generation": 2}, False, id="suspended"),
    pytest.param(DUE, {"withdrawn": True}, False, id="being-deleted"),
    pytest.param(DUE, {"flaws": ("unknown field spec.select.olderThen",)}, False, id="an-unknown-field"),
    pytest.param(DUE, {"schedule": "99 * * * *"}, False, id="an-unreadable-schedule"),
    pytest.param(DUE, {"time_zone": "Europe/Atlantis"}, False, id="an-unknown-zone"),
    pytest.param(DUE, {"select": a_select("*")}, False, id="everything"),
    pytest.param(DUE, {"select": a_select(older_than="7d")}, False, id="an-unreadable-duration"),
    pytest.param(DUE, {"max_deletions_per_run": 0}, False, id="no-brake"),
    pytest.param(DUE, {"name": "n" * 64}, False, id="a-name-that-is-no-label"),
    pytest.param(
        announced("2026-11-27T23:00", last_run=a_run(result=Result.COMPLETED)), {}, False,
        id="that-one-was-made"
    ),
    pytest.param(
        announced("2026-11-27T22:59", last_run=a_run(result=Result.COMPLETED)), {}, False,
        id="a-clock-set-back"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "fields", "begins"), BEGINS)
def test_when_a_run_begins(status: PolicyStatus, fields: dict[str, Any], begins: bool) -> None:
    step = next_step(a_policy(status=status, **fields), the_facts(a_look(THREE)), NOW)

    run = step.status.last_run if isinstance(step, Record) else None
    assert (run is not None and run.result == Result.CREATING) is begins, step
    assert not isinstance(step, Create)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(the_facts(), LookUp(anew=True), id="no-look"),
        pytest.param(the_facts(a_look(THREE, ago=11)), LookUp(anew=True), id="an-old-one"),
        pytest.param(the_facts(replace(a_look(THREE), asked=at("2026-11-27T22:59"))), LookUp(anew=True),
                     id="one-from-before-its-time"),
    ],
)  # fmt: skip
def test_a_run_looks_for_itself(facts: Facts, expected: Step) -> None:
    assert next_step(a_policy(status=DUE), facts, NOW) == expected


def test_all_that_it_will_create_is_written_before_the_first_is_created() -> None:
    policy = a_policy(status=DUE, select=a_select(older_than="24h"))
    step = next_step(policy, the_facts(a_look(THREE, busy=("ci-2",))), NOW)

    looked = NOW.time - timedelta(seconds=1)
    assert run_of(step) == LastRun(
        scheduled_time=at("2026-11-27T23:00"),
        time=looked,
        matched=3,
        created=0,
        skipped=1,
        unverifiable=0,
        result=Result.CREATING,
        remaining=("ci-1", "ci-3"),
        created_before=looked - timedelta(hours=24),
        server=SERVER.url,
    )
    assert recorded(step).next_run_time == at("2026-11-28T00:00")


@pytest.mark.parametrize(
    ("look", "most", "right", "result", "says"),
    [
        pytest.param(a_look({"other": old()}), 10, True, Result.NOTHING_TO_DO, "0 matched", id="nothing"),
        pytest.param(a_look(THREE, busy=("ci-1", "ci-2", "ci-3")), 10, True, Result.NOTHING_TO_DO,
                     "3 have an unfinished request already", id="all-have-requests"),
        pytest.param(a_look(THREE), 2, True, Result.TOO_MANY_MATCHES, "spec.maxDeletionsPerRun (2)",
                 id="brake"),
        pytest.param(a_look(THREE, busy=("ci-1",)), 2, True, Result.TOO_MANY_MATCHES, "3 namespaces match",
                     id="skipped-ones-count-for-the-brake"),
        pytest.param(a_look(THREE), 3, True, Result.CREATING, "", id="as-many-as-the-brake-lets"),
        pytest.param(a_look(THREE), 10, False, Result.CREATE_FORBIDDEN,
                 "manifests/components/cleanup-policies",
                     id="no-right"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_run_at_its_look(
    look: Any, most: int, right: bool, result: Result, says: str
) -> None:
    facts = the_facts(look, right=Right(right, NOW.ticks))
    run = run_of(next_step(a_policy(status=DUE, max_deletions_per_run=most), facts, NOW))

    assert run.result == result
    assert says in (run.message or "")
    assert bool(run.remaining) is (result is Result.CREATING)


# Missed runs


def test_of_several_missed_runs_the_last_is_made() -> None:
    status = announced("2026-11-27T20:00")
    run = run_of(next_step(a_policy(status=status), the_facts(a_look(THREE)), NOW))

    assert run.scheduled_time == at("2026-11-27T23:00")
    assert "from 2026-11-27T20:00:00Z on were missed" in (run.message or "")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        pytest.param(the_facts(a_look(THREE)), "it would be 630 s late", id="the-operator-was-away"),
        pytest.param(the_facts(outage=Trouble("ConnectError", 9, 0.0)), "ConnectError", id="the-server-was"),
        pytest.param(the_facts(server=None), "There is no server", id="there-was-no-server"),
        pytest.param(the_facts(shut_out="Not from here."), "Not from here.", id="it-was-not-allowed"),
    ],
)
def test_one_that_is_too_late_is_skipped_and_said_so(facts: Facts, says: str) -> None:
    policy = a_policy(status=DUE, starting_deadline_seconds=600)
    step = next_step(policy, facts, NOW)

    assert run_of(step).result == Result.MISSED
    assert says in (run_of(step).message or "")
    assert recorded(step).next_run_time == at("2026-11-28T00:00")


def test_one_that_is_late_waits_for_the_server() -> None:
    facts = the_facts(a_look(THREE), outage=Trouble("ConnectError", 3, NOW.ticks + 4))
    status = recorded(next_step(a_policy(status=DUE), facts, NOW))

    assert (status.last_run, status.next_run_time) == (None, at("2026-11-27T23:00"))
    assert next_step(a_policy(status=status), facts, NOW) == Wait(NOW.ticks + 4)
    assert next_step(a_policy(status=status), facts, later(4)) == LookUp(anew=True)


# A run under way


def test_what_remains_is_created_some_at_a_time() -> None:
    names = [f"ci-{number:02}" for number in range(25)]
    policy = a_policy(status=under_way(*names), max_deletions_per_run=25)
    step = next_step(policy, the_facts(), NOW)

    assert isinstance(step, Create)
    assert [name for name, _ in step.requests] == names[:BATCH]


CUT: list[Any] = [
    pytest.param({}, {"generation": 2}, {}, "the policy was changed", id="changed"),
    pytest.param({}, {"flaws": ("spec.select.olderThan is null",)}, {}, "meant: spec.select", id="a-doubt"),
    pytest.param({}, {"max_deletions_per_run": 1}, {}, "maxDeletionsPerRun", id="more-than-the-brake-lets"),
    pytest.param({}, {}, {"server": None}, "is not http://moorcheh:8080 any more", id="its-server-is-gone"),
    pytest.param({}, {}, {"server": Definition("default", "http://other:8080")}, "any more",
                 id="another-server"),
    pytest.param({}, {}, {"shut_out": "Not from here."}, "Not from here.", id="not-allowed-any-more"),
    pytest.param({"time": NOW.time - timedelta(hours=2)}, {}, {}, "startingDeadlineSeconds", id="long-ago"),
    pytest.param({"created_before": None, "time": NOW.time - timedelta(seconds=31)}, {}, {},
                 "no creation times",
                 id="undated-and-a-while-ago"),
    pytest.param({"created_before": None, "time": NOW.time + timedelta(seconds=5)}, {}, {},
                 "no creation times",
                 id="undated-and-a-clock-set-back"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "policy", "facts", "why"), CUT)
def test_what_cuts_a_run_short(
    run: dict[str, Any], policy: dict[str, Any], facts: dict[str, Any], why: str
) -> None:
    status = under_way("ci-1", "ci-2", **run)
    ended = run_of(next_step(a_policy(status=status, **policy), the_facts(**facts), NOW))

    assert (ended.result, ended.remaining, ended.created) == (Result.INCOMPLETE, (), 0)
    assert why in (ended.message or "")


def test_without_creation_times_it_is_made_at_once() -> None:
    status = under_way("ci-1", created_before=None)

    assert isinstance(next_step(a_policy(status=status), the_facts(), NOW), Create)


def test_nothing_remains_of_it_while_the_policy_is_being_deleted() -> None:
    assert isinstance(next_step(a_policy(status=under_way("ci-1"), withdrawn=True), the_facts(), NOW), Wait)


@pytest.mark.parametrize(
    ("creations", "remaining", "created", "result", "says"),
    [
        pytest.param(made(ci_1=Made(), ci_2=Made()), (), 2, Result.COMPLETED, "2 requests created", id="all"),
        pytest.param(made(ci_1=Made()), ("ci-2",), 1, Result.CREATING, "", id="some"),
        pytest.param(made(ci_1=Made(), ci_2=Unanswered("504")), ("ci-2",), 1, Result.CREATING, "", id="lost"),
        pytest.param(made(ci_1=Refused("HTTP 422: no"), ci_2=Made()), (), 1, Result.INCOMPLETE,
                     'the last error: "ci-1"', id="refused"),
        pytest.param(made(ci_1=Made(), ci_2=Forbidden("HTTP 403: no")), (), 1, Result.CREATE_FORBIDDEN,
                     "HTTP 403: no", id="forbidden"),
    ],
)  # fmt: skip
def test_what_became_of_creates_is_written(
    creations: Creations, remaining: tuple[str, ...], created: int, result: Result, says: str
) -> None:
    run = run_of(next_step(a_policy(status=under_way("ci-1", "ci-2")), the_facts(creations=creations), NOW))

    assert (run.remaining, run.created, run.result) == (remaining, created, result)
    assert says in (run.message or "")


@pytest.mark.parametrize(
    "creations",
    [
        pytest.param(made(ci_1=Unanswered("504")), id="without-an-answer-nothing-is-known"),
        pytest.param(Creations(at("2026-11-27T22:00"), {"ci-1": Made()}), id="of-another-run"),
        pytest.param(made(ci_9=Made()), id="of-what-is-on-record-already"),
    ],
)
def test_what_is_no_news_is_not_written(creations: Creations) -> None:
    step = next_step(a_policy(status=under_way("ci-1")), the_facts(creations=creations), NOW)

    assert isinstance(step, Create)


def test_after_a_lost_answer_it_waits_before_it_asks_again() -> None:
    facts = the_facts(create_outage=Trouble("504", 2, NOW.ticks + 2))
    policy = a_policy(status=under_way("ci-1"))

    assert next_step(policy, facts, NOW) == Wait(NOW.ticks + 2)
    assert isinstance(next_step(policy, facts, later(2)), Create)


# Conditions


STALLED: list[Any] = [
    pytest.param({"flaws": ("unknown field spec.select.olderThen",)}, {}, Reason.INVALID_SPEC, "olderThen",
                 id="field"),
    pytest.param({"select": a_select("?*")}, {}, Reason.INVALID_SPEC, "spec.select.names[0]",
                 id="everything"),
    pytest.param({"schedule": "61 * * * *"}, {}, Reason.INVALID_SCHEDULE, 'spec.schedule "61 * * * *"',
                 id="schedule"),
    pytest.param({"schedule": "0 0 31 2 *"}, {}, Reason.INVALID_SCHEDULE, "spec.schedule", id="never"),
    pytest.param({"time_zone": "Mars/Base"}, {}, Reason.INVALID_TIME_ZONE, 'spec.timeZone "Mars/Base"',
                 id="zone"),
    pytest.param({}, {"server": None}, Reason.SERVER_NOT_FOUND, "spec.serverRef.name", id="server"),
    pytest.param({}, {"shut_out": "Not from here."}, Reason.NOT_ALLOWED, "Not from here.", id="not-allowed"),
    pytest.param({}, {"right": Right(False, NOW.ticks)}, Reason.CREATE_FORBIDDEN,
                 "components/cleanup-policies",
                 id="right"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "facts", "reason", "says"), STALLED)
def test_where_somebody_has_to_act_it_is_stalled_with_one_sentence(
    fields: dict[str, Any], facts: dict[str, Any], reason: Reason, says: str
) -> None:
    step = next_step(a_policy(status=AHEAD, **fields), the_facts(a_look(THREE), **facts), NOW)

    assert ready(step) == ("False", reason)
    [stalled] = [each for each in recorded(step).conditions if each.type == "Stalled"]
    assert (stalled.status, stalled.reason) == ("True", reason)
    assert says in stalled.message
    assert "\n" not in stalled.message


def test_without_the_right_the_preview_goes_on_and_the_right_is_asked_for_again() -> None:
    facts = the_facts(a_look(THREE), right=Right(False, NOW.ticks))
    status = recorded(next_step(a_policy(), facts, NOW))

    assert status.matching is not None
    assert status.matching.count == 3
    assert next_step(a_policy(status=status), facts, later(60)) == AskRight()


def test_suspended_it_has_a_preview_and_no_next_run() -> None:
    status = recorded(next_step(a_policy(suspend=True), the_facts(a_look(THREE)), NOW))

    assert status.next_run_time is None
    assert isinstance(status.matching, Matching)
    assert status.conditions[0].reason == Reason.SUSPENDED


def test_the_server_away_is_no_stall() -> None:
    step = next_step(a_policy(), the_facts(outage=Trouble("ConnectError", 1, NOW.ticks + 1)), NOW)

    assert ready(step) == ("Unknown", Reason.SERVER_UNAVAILABLE)
    assert recorded(step).next_run_time == at("2026-11-28T00:00")


def test_a_condition_keeps_its_time_while_its_value_stays() -> None:
    status = recorded(next_step(a_policy(), the_facts(a_look(THREE)), NOW))
    suspended = recorded(
        next_step(a_policy(suspend=True, generation=2, status=status), the_facts(a_look(THREE)), later(5))
    )

    assert suspended.conditions[0].reason == Reason.SUSPENDED
    assert suspended.conditions[0].last_transition_time == status.conditions[0].last_transition_time


def test_a_time_that_its_schedule_no_longer_has_is_announced_anew() -> None:
    """As after a change of the time zones' files."""
    status = announced("2026-11-28T00:17")

    assert recorded(next_step(a_policy(status=status), the_facts(a_look(THREE)), NOW)).next_run_time == at(
        "2026-11-28T00:00"
    )


# After a restore of etcd


LOST: list[Any] = [
    pytest.param(KnownPolicy(1, None), False, id="as-it-was"),
    pytest.param(KnownPolicy(2, None), True, id="it-had-been-changed"),
    pytest.param(KnownPolicy(1, None, gone=True), True, id="it-had-been-deleted"),
]


@pytest.mark.parametrize(("known", "lost"), LOST)
def test_what_came_back_from_before_its_change_or_deletion_runs_no_more(
    known: KnownPolicy, lost: bool
) -> None:
    facts = the_facts(a_look(THREE), known=known)
    step = next_step(a_policy(status=DUE), facts, NOW)

    if lost:
        assert ready(step) == ("False", Reason.RESTORED_FROM_BACKUP)
        assert (recorded(step).last_run, recorded(step).next_run_time) == (None, None)
        cut = run_of(next_step(a_policy(status=under_way("ci-1")), facts, NOW))
        assert (cut.result, cut.created) == (Result.INCOMPLETE, 0)
    else:
        assert run_of(step).result == Result.CREATING


def test_what_somebody_wants_anew_after_the_restore_runs() -> None:
    known = KnownPolicy(2, None)

    assert ready(next_step(a_policy(generation=2), the_facts(a_look(THREE), known=known), NOW)) == (
        "True",
        Reason.SCHEDULED,
    )


def test_a_run_that_was_made_in_a_lost_history_is_not_made_again() -> None:
    known = KnownPolicy(1, at("2026-11-27T23:00"))
    facts = the_facts(a_look(THREE), known=known)
    status = recorded(next_step(a_policy(status=DUE), facts, NOW))
    cut = run_of(next_step(a_policy(status=under_way("ci-1")), facts, NOW))

    assert (status.last_run, status.next_run_time) == (None, at("2026-11-28T00:00"))
    assert (cut.result, cut.created) == (Result.INCOMPLETE, 0)


# The requests


def the_request(policy: Policy, run: LastRun, target: str = "ci-1") -> Any:
    [(_, body)] = requests_for(policy, run, (target,))
    return body


def test_a_request_says_what_was_selected() -> None:
    template = Template(
        suspend=True, backoff_limit=0, active_deadline_seconds=60, ttl_seconds_after_finished=5
    )
    policy = a_policy(select=a_select(older_than="24h", max_items=0), server="archive", template=template)
    body = the_request(policy, a_run("ci-1"))

    assert body["spec"] == {
        "namespaceName": "ci-1",
        "serverRef": {"name": "archive"},
        "ifAbsent": "Succeed",
        "preconditions": {"createdBefore": "2026-11-26T23:10:20Z", "maxItems": 0},
        "suspend": True,
        "backoffLimit": 0,
        "activeDeadlineSeconds": 60,
        "ttlSecondsAfterFinished": 5,
    }
    assert body["metadata"]["labels"] == {
        "moorcheh.ai/cleanup-policy": "nightly",
        "moorcheh.ai/cleanup-policy-uid": "policy-1",
    }
    assert "ownerReferences" not in body["metadata"]


def test_without_creation_times_there_is_no_such_bound() -> None:
    body = the_request(a_policy(), a_run("ci-1", created_before=None))

    assert body["spec"] == {
        "namespaceName": "ci-1",
        "serverRef": {"name": "default"},
        "ifAbsent": "Succeed",
        "suspend": False,
    }


LONG = "x" * 255
NAMES = [
    pytest.param("nightly", "ci-1", r"nightly-ci-1-[0-9a-f]{16}", id="readable"),
    pytest.param("nightly", "Ci_1", r"nightly-ci-1-[0-9a-f]{16}", id="as-an-object-may-be-called"),
    pytest.param("nightly", "___", r"nightly-[0-9a-f]{16}", id="nothing-readable"),
    pytest.param("a.b", "-x-", r"a\.b-x-[0-9a-f]{16}", id="dots"),
    pytest.param("p" * 63, LONG, r"p{63}-x{100}-[0-9a-f]{16}", id="long"),
]


@pytest.mark.parametrize(("policy", "target", "expected"), NAMES)
def test_a_request_has_a_valid_name(policy: str, target: str, expected: str) -> None:
    name = request_name(a_policy(name=policy), at("2026-11-27T23:00"), target)

    assert re.fullmatch(expected, name)
    assert len(name) <= 253
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name)


def test_a_name_is_of_one_policy_run_server_and_target() -> None:
    run, target = at("2026-11-27T23:00"), "ci-1"
    names = [
        request_name(a_policy(), run, target),
        request_name(a_policy(uid="policy-2"), run, target),
        request_name(a_policy(server="other"), run, target),
        request_name(a_policy(), at("2026-11-27T23:01"), target),
        request_name(a_policy(), run, "ci_1"),
        request_name(a_policy(), run, "CI-1"),
    ]

    assert len(set(names)) == len(names)
    assert request_name(a_policy(generation=3), run, target) == names[0]


def test_undated_and_dated_runs_are_begun_as_what_they_are() -> None:
    run = run_of(next_step(a_policy(status=DUE), the_facts(a_look({"ci-1": undated()})), NOW))

    assert (run.remaining, run.created_before) == (("ci-1",), None)
    assert with_fields(run, result=Result.COMPLETED).result == Result.COMPLETED
    assert a_listing({}).entries == {}
