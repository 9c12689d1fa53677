"""Requests, facts and looks with few words, and what a step is expected to be.

The story they tell: the request was made at noon for a namespace that was born three days before; now it is
ten past twelve, which is tick 1000 of this process.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import fields, replace

from moorcheh_operator.api.conditions import with_conditions
from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import DEFAULT_SERVER, IfAbsent, Preconditions, ServerRef, Spec
from moorcheh_operator.api.status import Attempt, Job, Phase, Reason, Status, Target, Verification
from moorcheh_operator.backoff import Trouble
from moorcheh_operator.clock import Now
from moorcheh_operator.lifecycle.access import Open
from moorcheh_operator.lifecycle.facts import (
    Admission,
    Facts,
    Holding,
    Look,
    Polls,
    Rivals,
    Seen,
    Sending,
    Sent,
)
from moorcheh_operator.lifecycle.kubernetes_namespace import Active
from moorcheh_operator.lifecycle.next_step import next_step
from moorcheh_operator.lifecycle.steps import Limits, Record, Step, Wait
from moorcheh_operator.moorcheh.answers import Entry

MADE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # when the request was created
STARTED = MADE + timedelta(seconds=5)
CLAIMED = MADE + timedelta(seconds=590)
NOW = Now(MADE + timedelta(seconds=600), 1000.0)
LIMITS = Limits(request_timeout=30.0, verify_seconds=600.0)
SETTLE = 65.0  # 2 x request timeout + 5 s

BORN = "2026-11-20T12:00:00.000Z"
THERE = Entry(10, BORN)
SAME_OTHERWISE_WRITTEN = Entry(10, "2026-11-20T13:00:00+01:00")
NEWER = Entry(3, "2026-11-23T12:04:00Z")
EARLIER = Entry(7, "2026-11-19T12:00:00Z")
UNDATED = Entry(10, None)
UNPARSABLE = Entry(10, "three days ago")
ABSENT = None

TARGET = Target(True, 10, BORN, STARTED)
UNDATED_TARGET = Target(True, 10, None, STARTED)
ATTEMPT = Attempt(1, "attempt-1", CLAIMED)
JOB = Job("job-1", "running", 100, 40)
FAILED_JOB = Job("job-1", "failed", 100, 40, "disk full")

UNDER_WAY = frozenset({Phase.SUBMITTING, Phase.RUNNING})
ENDS = frozenset({Phase.SUCCEEDED, Phase.FAILED})
USUAL_REASON = {
    Phase.PENDING: Reason.WAITING_FOR_SLOT,
    Phase.SUSPENDED: Reason.SUSPENDED,
    Phase.SUBMITTING: Reason.SUBMITTING,
    Phase.RUNNING: Reason.JOB_RUNNING,
    Phase.SUCCEEDED: Reason.DELETION_COMPLETED,
    Phase.FAILED: Reason.REJECTED,
}


def ago(seconds: float) -> float:
    return NOW.ticks - seconds


def ahead(seconds: float) -> float:
    return NOW.ticks + seconds


def later(seconds: float) -> Now:
    return Now(NOW.time + timedelta(seconds=seconds), NOW.ticks + seconds)


def a_spec(*, server: str = DEFAULT_SERVER, **others: Any) -> Spec:
    bounds = Preconditions(others.pop("created_before", None), others.pop("max_items", None))
    return Spec("documents", ServerRef(server), preconditions=bounds, **others)


def a_status(phase: Phase | None, reason: str | None = None, **fields: Any) -> Status:
    if phase is None:
        return Status(**fields)
    known: dict[str, Any] = {
        "observed_generation": 1,
        "phase": phase,
        "reason": str(reason or USUAL_REASON[phase]),
        "message": "as it was recorded",
    }
    if phase is not Phase.SUSPENDED:
        known["start_time"] = STARTED
    if phase in UNDER_WAY:
        known |= {"attempt": ATTEMPT, "target": TARGET}
    if phase is Phase.RUNNING:
        known |= {"job": JOB, "progress": "40/100 (40%)", "deleted_items": 40}
    if phase in ENDS:
        known["completion_time"] = CLAIMED
    status = Status(**(known | fields))
    return with_conditions(status, Status(), STARTED)


def a_request(
    phase: Phase | None = None,
    reason: str | None = None,
    *,
    spec: Spec | None = None,
    suspend: bool = False,
    backoff_limit: int = 3,
    deadline: int = 86400,
    if_absent: IfAbsent = IfAbsent.SUCCEED,
    created_before: datetime | None = None,
    max_items: int | None = None,
    generation: int = 1,
    withdrawn: bool = False,
    gone: bool = False,
    restored: bool = False,
    flaws: tuple[str, ...] = (),
    copied: str | None = None,
    made: datetime = MADE,
    uid: str = "uid-1",
    **status: Any,
) -> Request:
    """A request in `phase` (None: nobody has seen it yet), with what that phase usually has in its status."""
    return Request(
        namespace="team",
        name="wipe",
        uid=uid,
        resource_version="7",
        generation=generation,
        creation_time=made,
        spec=spec
        or a_spec(
            suspend=suspend or phase is Phase.SUSPENDED,
            backoff_limit=backoff_limit,
            active_deadline_seconds=deadline,
            if_absent=if_absent,
            created_before=created_before,
            max_items=max_items,
        ),
        status=a_status(phase, reason, **status),
        withdrawn=withdrawn or gone,
        gone=gone,
        restored=restored,
        flaws=flaws,
        copied=copied,
    )


def resumed(**fields: Any) -> Request:
    """Its status still says Suspended, its spec no longer does."""
    return a_request(Phase.SUSPENDED, spec=a_spec(suspend=False), **fields)


def retrying(job: Job | None = FAILED_JOB, *, number: int = 1, **fields: Any) -> Request:
    """The server ended the last attempt; it is Pending until another one may follow."""
    known: dict[str, Any] = {
        "attempt": Attempt(number, f"attempt-{number}", CLAIMED),
        "job": job,
        "target": TARGET,
        "progress": "40/100 (40%)",
        "deleted_items": 40,
        "last_error": (job and job.last_error) or "job job-1 is unknown to the server",
    }
    return a_request(Phase.PENDING, Reason.RETRYING, **(known | fields))


def a_look(entry: Entry | None = THERE, *, answered: float, took: float = 0.1, skew: float = 0.0) -> Look:
    """`answered`: so many seconds ago."""
    return Look(entry, ago(answered + took), ago(answered), timedelta(seconds=skew))


def looks(
    *entries: Entry | None, every: float = 10.0, last: float = 0.5, skew: float = 0.0
) -> tuple[Look, ...]:
    """One look each `every` seconds, the last of them `last` seconds ago."""
    return tuple(
        a_look(entry, answered=last + every * back, skew=skew)
        for entry, back in zip(entries, reversed(range(len(entries))), strict=True)
    )


def trouble(until: float, *, refused: bool = False) -> Trouble:
    """Until so many seconds from now."""
    return Trouble("no route", 1, ahead(until), refused)


def sent(
    answer: Any, *, answered: float = 1.0, attempt: str = "attempt-1", before: Status | None = None
) -> Sent:
    """The DELETE of `attempt`, answered so many seconds ago."""
    return Sent(attempt, answer, ago(answered), before or a_status(Phase.PENDING, target=TARGET))


ALWAYS_ACTIVE = Active(math.inf)
TOPICS = (Admission, Rivals, Holding, Seen, Sending, Polls)
IN_FULL = {
    (Rivals, "last_end"): "rival_end",
    (Holding, "since"): "held_since",
    (Sending, "last"): "sent",
    (Polls, "last"): "polled",
    (Polls, "trouble"): "poll_trouble",
}
MAY_BEGIN = {"access": Open(), "namespace": ALWAYS_ACTIVE, "listed": True}


def known(*, first_seen: float = 0.0, written: float = 0.0, **facts: Any) -> Facts:
    """Facts with each at its topic, for a process that has just seen the request, and may act but for them.
    What is called alike in two topics has a name of its own here.
    """
    values = MAY_BEGIN | facts
    topics: dict[str, Any] = {topic.__name__.lower(): topic(**_of(topic, values)) for topic in TOPICS}
    assert not values, f"no such fact: {sorted(values)}"
    return Facts(first_seen, written=written, **topics)


def _of(topic: Any, values: dict[str, Any]) -> dict[str, Any]:
    names = {each.name: IN_FULL.get((topic, each.name), each.name) for each in fields(topic)}
    return {name: values.pop(full) for name, full in names.items() if full in values}


def but(facts: Facts, **changed: Any) -> Facts:
    """The same facts with these changed."""
    for topic in TOPICS:
        field = topic.__name__.lower()
        facts = replace(facts, **{field: replace(getattr(facts, field), **_of(topic, changed))})
    return replace(facts, **changed)


def ready(entry: Entry | None = THERE, *, answered: float = 0.5, **facts: Any) -> Facts:
    """Target, job slot and HTTP slot are held, and the look-up since then showed `entry`."""
    skew = facts.pop("skew", 0.0)
    return known(
        first_seen=ago(4), held_since=ago(3), looks=(a_look(entry, answered=answered, skew=skew),), **facts
    )


@dataclass(frozen=True)
class Shown:
    """A Record or a Wait. What it does not name must be what the request's status already says."""

    kind: type[Record | Wait]
    phase: Phase
    reason: Reason
    changes: dict[str, Any]
    until: float | None = None
    says: str = ""

    def check(self, step: Step, request: Request, now: Now = NOW) -> None:
        assert isinstance(step, self.kind), step
        if isinstance(step, Wait):
            if self.until == SOON:
                assert step.until is not None
                assert now.ticks < step.until <= now.ticks + 10
            else:
                assert step.until == self.until
        status = step.status
        assert status == with_conditions(status, request.status, now.time.replace(microsecond=0))
        said = {name: getattr(status, name) for name in OTHER_FIELDS}
        recorded = {name: getattr(request.status, name) for name in OTHER_FIELDS}
        implied: dict[str, Any] = {"start_time": request.status.start_time or now.time}
        if self.phase is Phase.SUSPENDED:
            implied = {"start_time": None}
        reported = self.changes.get("job")
        if reported is not None and reported.deleted_items is not None:
            implied["deleted_items"] = reported.deleted_items
        if self.phase in ENDS and request.status.phase not in ENDS:
            implied["completion_time"] = now.time
            if (result := PROOF.get(self.reason)) is not None:
                implied["verification"] = Verification(result, now.time)
        expected = {
            "observed_generation": request.generation,
            "phase": self.phase,
            "reason": str(self.reason),
            **recorded,
            **implied,
            **self.changes,
        }
        actual = {
            "observed_generation": status.observed_generation,
            "phase": status.phase,
            "reason": status.reason,
            **said,
        }
        assert actual == expected
        assert self.says in (status.message or "")


PROOF = {
    Reason.ALREADY_ABSENT: "Absent",
    Reason.VERIFIED_ABSENT: "Absent",
    Reason.TARGET_REPLACED: "Replaced",
    Reason.DELETION_COMPLETED: "Absent",
    Reason.STILL_LISTED: "StillListed",
}
"""What an end for this reason shows of the listing, unless its row says otherwise."""

OTHER_FIELDS = tuple(
    each.name
    for each in fields(Status)
    if each.name not in {"observed_generation", "phase", "reason", "message", "conditions"}
)


def records(phase: Phase, reason: Reason, *, says: str = "", **changes: Any) -> Shown:
    return Shown(Record, phase, reason, changes, says=says)


SOON = -1.0
"""Within ten seconds: the exact times of polls have tests of their own."""


def waits(until: float | None, phase: Phase, reason: Reason, *, says: str = "", **changes: Any) -> Shown:
    """`until`: so many seconds from now; None: until something happens."""
    when = until if until in (None, SOON) else ahead(until)
    return Shown(Wait, phase, reason, changes, when, says)


def unchanged(until: float | None, request: Request) -> Wait:
    return Wait(None if until is None else ahead(until), request.status)


@dataclass(frozen=True)
class Case:
    """One row: this request, with these facts, does that."""

    request: Request
    facts: Facts
    expected: Step | Shown
    now: Now = NOW
    limits: Limits = field(default=LIMITS)

    def check(self) -> None:
        step = next_step(self.request, self.facts, self.now, self.limits)
        if isinstance(step, Wait) and step.until == math.inf:
            step = dataclasses.replace(step, until=None)  # no time to ask for the Kubernetes namespace either
        if isinstance(self.expected, Shown):
            self.expected.check(step, self.request, self.now)
        else:
            assert step == self.expected
