"""What holds whatever happens: on facts drawn at random, and on whole lives among faults drawn at random."""

from __future__ import annotations

import dataclasses
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import IfAbsent, Preconditions, Spec
from moorcheh_operator.api.status import Attempt, Job, Phase, Reason, Status, Target
from moorcheh_operator.backoff import Trouble
from moorcheh_operator.clock import Now
from moorcheh_operator.lifecycle.access import NamespaceEnds, Open
from moorcheh_operator.lifecycle.facts import (
    Facts,
    Polled,
    Sent,
    after_look,
    after_poll,
    after_send,
    new_chapter,
)
from moorcheh_operator.lifecycle.kubernetes_namespace import Active, Untold
from moorcheh_operator.lifecycle.next_step import next_step
from moorcheh_operator.lifecycle.steps import (
    CheckNamespace,
    Claim,
    Forget,
    Limits,
    LookUp,
    Poll,
    Record,
    Step,
    Wait,
    wake_at,
)
from moorcheh_operator.lifecycle.submitting import claim
from moorcheh_operator.moorcheh.answers import (
    Accepted,
    Entry,
    JobReport,
    JobUnknown,
    Listing,
    LookUpAnswer,
    NotSent,
    PollAnswer,
    Refused,
    Rejected,
    SendAnswer,
    Unavailable,
    Unclear,
)
from tests.unit.builders import (
    BORN,
    CLAIMED,
    EARLIER,
    FAILED_JOB,
    JOB,
    LIMITS,
    MADE,
    NEWER,
    NOW,
    SAME_OTHERWISE_WRITTEN,
    STARTED,
    TARGET,
    THERE,
    UNDATED,
    UNDATED_TARGET,
    UNPARSABLE,
    a_look,
    a_request,
    a_spec,
    a_status,
    ago,
    but,
    known,
    trouble,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

THOROUGHLY = settings(max_examples=150, deadline=None, derandomize=True)
SEEDS = some.integers(0, 2**32)
DRAWN = 40  # requests with facts, for each seed: Hypothesis would need a second to draw so many itself

# On facts drawn at random

LATE = Entry(10, (MADE + timedelta(seconds=2)).isoformat())
ENTRIES = [THERE, THERE, THERE, SAME_OTHERWISE_WRITTEN, LATE, None, NEWER, EARLIER, UNDATED, UNPARSABLE]
ANSWERS: list[SendAnswer] = [
    Accepted("job-1"),
    NotSent("no route"),
    Refused("HTTP 429"),
    Rejected("HTTP 400"),
    Unclear("HTTP 500"),
    Unclear("HTTP 404", settled=True),
]
REPORTS: list[PollAnswer] = [
    *(JobReport(Job("job-1", state, 100, 50)) for state in ("running", "completed", "failed", "odd")),
    JobUnknown("HTTP 404"),
    Unavailable("HTTP 503"),
]


class Chance(random.Random):
    def mostly(self, usual: Any, *others: Any) -> Any:
        return usual if self.random() < 0.85 else self.choice(others)

    def seconds_ago(self, most: float) -> float:
        """Ticks; now and then exactly on the edge."""
        return ago(self.choice([0.0, 2.0, 5.0, most, *[self.uniform(0, most)] * 6]))


def a_drawn_request(chance: Chance) -> Request:
    phase = chance.choice([Phase.PENDING, Phase.PENDING, Phase.PENDING, None, None, *Phase])
    fields: dict[str, Any] = {}
    if phase is not None:
        fields["target"] = chance.mostly(TARGET, None, UNDATED_TARGET, Target(False, None, BORN, STARTED))
        if chance.random() < 0.5 or phase in {Phase.SUBMITTING, Phase.RUNNING}:
            fields["attempt"] = Attempt(chance.randint(1, 4), "attempt-1", CLAIMED)
            fields["job"] = chance.choice([None, JOB, FAILED_JOB])
    spec = a_spec(
        suspend=chance.mostly(False, True),
        backoff_limit=chance.randint(0, 3),
        active_deadline_seconds=chance.mostly(86400, 1, 700),
        if_absent=chance.choice(list(IfAbsent)),
        created_before=chance.mostly(None, MADE, MADE - timedelta(days=9)),
        max_items=chance.mostly(None, 0, 10),
    )
    return a_request(
        phase,
        chance.mostly(None, *Reason),
        spec=spec,
        withdrawn=chance.mostly(False, True),
        gone=chance.mostly(False, False, True),
        restored=chance.mostly(False, True),
        generation=chance.mostly(1, 2),
        **fields,
    )


def drawn_facts(chance: Chance) -> Facts:
    usual, skew = chance.choice(ENTRIES), chance.mostly(0.0, -3600.0, 3600.0)
    seen, answered = [], chance.uniform(0, 3)
    answered_last = answered
    for _ in range(chance.randint(0, 4)):
        entry = chance.mostly(usual, *ENTRIES)
        seen.append(a_look(entry, answered=answered, took=chance.uniform(0, 1), skew=skew))
        answered += chance.choice([1.0, 5.0, 6.0, 20.0])
    answer = Sent(
        chance.choice(["attempt-1", "attempt-0"]),
        chance.choice(ANSWERS),
        chance.seconds_ago(100),
        a_status(Phase.PENDING),
    )
    return known(
        namespace=chance.mostly(
            Active(ago(answered_last)),
            None,
            Active(ago(answered_last + 0.1)),
            Untold(ago(0), Trouble("no", 1, ago(-1))),
        ),
        access=chance.mostly(Open(), NamespaceEnds("It is being deleted.")),
        rewound=chance.mostly(False, True),
        lost=chance.mostly(None, "it had ended"),
        listed=chance.mostly(True, False),
        owner=chance.mostly(None, "team/older"),
        queued=chance.mostly(False, True),
        rival_end=chance.mostly(None, MADE, MADE - timedelta(seconds=1)),
        held_since=chance.mostly(ago(4), None, ago(1)),
        slots_full=chance.mostly(False, True),
        bound=chance.mostly(None, TARGET, UNDATED_TARGET),
        looks=tuple(reversed(seen)),
        outage=chance.mostly(None, trouble(chance.uniform(-5, 5))),
        hold_off=chance.mostly(None, trouble(chance.uniform(-5, 5))),
        sent=chance.choice([None, answer]),
        first_seen=chance.seconds_ago(chance.choice([15, 60, 900])),
        polled=chance.choice([None, Polled(chance.choice(REPORTS), chance.seconds_ago(30))]),
        unknown_since=chance.seconds_ago(40),
        unknown_count=chance.randint(0, 4),
    )


def drawn(seed: int) -> Iterator[tuple[Request, Facts]]:
    chance = Chance(seed)
    for _ in range(DRAWN):
        yield a_drawn_request(chance), drawn_facts(chance)


def read(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        return None


def may_act(request: Request) -> bool:
    """Rule 11, and what was asked for."""
    phase = request.status.phase
    target = request.status.target
    adrift = request.restored and not (target and read(target.creation_time))
    waits = phase in {None, Phase.PENDING, Phase.SUSPENDED} and not adrift
    return waits and not (request.withdrawn or request.spec.suspend)


def may_be_deleted(request: Request, facts: Facts, now: Now) -> bool:
    """Rules 3 and 6 to 12, told once more, as one plain condition on a DELETE."""
    status, spec = request.status, request.spec
    if (
        not may_act(request)
        or facts.admission.lost is not None
        or not isinstance(facts.admission.access, Open)
    ):
        return False  # rules 18 and 15
    if (
        not facts.admission.listed
        or facts.rivals.owner is not None
        or facts.holding.since is None
        or not facts.seen.looks
    ):
        return False  # rule 10, and what has to be held
    if facts.seen.outage or (facts.sending.hold_off and facts.sending.hold_off.until > now.ticks):
        return False  # rules 13 and 4
    if status.start_time and (now.time - status.start_time).total_seconds() >= spec.active_deadline_seconds:
        return False  # rule 12
    look = facts.seen.looks[-1]
    if look.entry is None or look.started < facts.holding.since or now.ticks - look.answered > 2:
        return False  # rule 3
    if not told_since(facts, look.answered):
        return False  # rule 15
    created = read(look.entry.creation_time)
    bound = read(status.target.creation_time) if status.target else None
    bound = bound or (read(facts.seen.bound.creation_time) if facts.seen.bound else None)
    if bound is not None and created != bound:
        return False  # rule 7
    behind = (
        facts.rivals.queued
        or facts.rivals.rewound
        or status.reason == "TargetBusy"
        or (facts.rivals.last_end or MADE - timedelta(1)) >= MADE
    )
    if created is None:
        if behind or status.attempt is not None:
            return False  # rule 8
    elif created + look.skew > request.creation_time + timedelta(seconds=0 if behind else 3):
        return False
    if not preconditions_hold(spec.preconditions, look.entry.item_count, created, look.skew):
        return False  # rule 9
    return status.attempt is None or another_attempt_is_allowed(status.attempt, bound, request, facts, now)


def told_since(facts: Facts, ticks: float) -> bool:
    """That the Kubernetes namespace is not being deleted."""
    return isinstance(facts.admission.namespace, Active) and facts.admission.namespace.asked >= ticks


def preconditions_hold(
    bounds: Preconditions, items: int | None, created: datetime | None, skew: timedelta
) -> bool:
    before, most = bounds.created_before, bounds.max_items
    if before is not None and (created is None or created >= before or created + skew >= before):
        return False
    return most is None or (items is not None and items <= most)


def another_attempt_is_allowed(
    attempt: Attempt, bound: datetime | None, request: Request, facts: Facts, now: Now
) -> bool:
    """Rule 6."""
    since = [look for look in facts.seen.looks if look.started >= facts.first_seen]
    same = 0
    for look in reversed(since):
        if look.entry is None or bound is None or read(look.entry.creation_time) != bound:
            break
        same += 1
    agree = same >= 2 and since[-1].started - since[-same].answered >= 5
    waited = now.ticks - facts.first_seen >= min(10 * 2 ** (attempt.number - 1), 360)
    return agree and waited and attempt.number <= request.spec.backoff_limit


@THOROUGHLY
@given(SEEDS)
def test_what_is_claimed_is_what_may_be_deleted(seed: int) -> None:
    """And nothing else is refused; only LATE is left to the clocks' own error."""
    for request, facts in drawn(seed):
        claimed = next_step(request, facts, NOW, LIMITS) == Claim()
        if not claimed and facts.seen.looks and facts.seen.looks[-1].entry == LATE:
            continue
        assert claimed == may_be_deleted(request, facts, NOW), (request, facts)


@THOROUGHLY
@given(SEEDS)
def test_an_end_is_final(seed: int) -> None:
    for request, facts in drawn(seed):
        step = next_step(request, facts, NOW, LIMITS)
        if isinstance(step, Record) and request.status.phase in {Phase.SUCCEEDED, Phase.FAILED}:
            followed = msgspec.structs.replace(
                step.status,
                observed_generation=request.status.observed_generation,
                conditions=request.status.conditions,
            )
            assert followed == request.status


@THOROUGHLY
@given(SEEDS)
def test_no_step_is_idle(seed: int) -> None:
    """A write changes something, and a wait ends in the future."""
    for request, facts in drawn(seed):
        step = next_step(request, facts, NOW, LIMITS)
        if isinstance(step, Record):
            assert step.status != request.status
            assert step.status.observed_generation == request.generation
        if isinstance(step, Wait):
            assert step.until is None or step.until > NOW.ticks
            assert (wake_at(step, request, NOW) or NOW.ticks + 1) > NOW.ticks
        if request.gone:
            assert not isinstance(step, Record | Claim | LookUp | CheckNamespace)


# Whole lives among faults drawn at random


class World:
    """A Moorcheh with one name, the object, and one process after the other that works on it.

    Time passes only where something waits. A namespace is born again now and then, but never between a look
    and the DELETE that follows it, which only the server could guard against.
    """

    LIMITS = Limits(request_timeout=10.0, verify_seconds=60.0)

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.faults = self.chance.choice([0.0, 0.1, 0.4])
        self.ticks = 1000.0
        self.born: float | None = self.chance.choice([None, -500.0, -10.0, 50.0])
        self.asked_for = self.born
        self.destroyed: list[float] = []
        self.job: tuple[str, float, str] | None = None  # id, when it ends, how
        self.lost = False
        self.late_effect: float | None = None
        self.facts = known(first_seen=self.ticks)
        self.request = Request(
            "team",
            "wipe",
            "uid-1",
            "1",
            1,
            MADE,
            Spec("documents", backoff_limit=self.chance.choice([0, 1, 3]), active_deadline_seconds=900),
        )
        self.sent: list[SendAnswer] = []
        self.ended_by_server = 0

    @property
    def now(self) -> Now:
        return Now(MADE + timedelta(seconds=self.ticks - 1000), self.ticks)

    def often(self) -> bool:
        return self.chance.random() < self.faults

    # The server

    def settle(self) -> None:
        """What happens by itself as time passes."""
        if self.late_effect is not None and self.ticks >= self.late_effect:
            self.destroy()
            self.late_effect = None
        if self.job and self.ticks >= self.job[1] and self.job[2] == "completed" and self.born is not None:
            self.destroy()
            self.job = (self.job[0], self.job[1], "done")
        if self.born is None and self.chance.random() < self.faults / 4:
            self.born = self.ticks - 1000

    def destroy(self) -> None:
        if self.born is not None:
            self.destroyed.append(self.born)
        self.born = None

    def list(self) -> LookUpAnswer:
        if self.often():
            return Unavailable("HTTP 503")
        if self.born is None:
            return Listing({})
        return Listing({"documents": Entry(5, (MADE + timedelta(seconds=self.born)).isoformat())})

    def delete(self) -> SendAnswer:
        fault = self.often()
        if not fault and self.born is None:
            return Unclear("HTTP 404: no such namespace", settled=True)
        if not fault or self.chance.random() < 0.3:
            self.job = (
                f"job-{len(self.sent)}",
                self.ticks + self.chance.choice([0.1, 5.0, 200.0, 5000.0]),
                self.chance.choice(["completed", "completed", "failed"]),
            )
            self.lost = False
            return Accepted(self.job[0])
        answer = self.chance.choice(ANSWERS[1:])
        if isinstance(answer, Unclear) and not answer.settled and self.chance.random() < 0.5:
            self.late_effect = self.ticks + self.chance.choice([0.0, 3.0])
        return answer

    def tell(self, job_id: str) -> PollAnswer:
        if self.often():
            return Unavailable("HTTP 503")
        self.lost = self.lost or (self.often() and self.chance.random() < 0.2)
        if self.job is None or self.lost or self.job[0] != job_id:
            self.ended_by_server += 1
            return JobUnknown("HTTP 404: no such job")
        _, end, how = self.job
        if self.ticks < end:
            return JobReport(Job(job_id, "running", 5, 2))
        self.ended_by_server += how == "failed"
        return JobReport(Job(job_id, "failed" if how == "failed" else "completed", 5, 5))

    # The process

    def adopt(self, status: Status) -> None:
        before, after = self.request.status, status
        self.request = dataclasses.replace(self.request, status=status)
        if (before.phase, before.attempt) != (after.phase, after.attempt):
            self.facts = new_chapter(self.facts, self.ticks)
        if self.often() and self.chance.random() < 0.3:
            self.facts = known(first_seen=self.ticks)  # killed, and started again

    def live(self) -> int:
        """Until nothing is left to do; returns the number of steps."""
        for steps in range(1500):
            self.settle()
            step = next_step(self.request, self.facts, self.now, self.LIMITS)
            if isinstance(step, Forget):
                return steps
            if not isinstance(step, Claim):
                self.facts = but(self.facts, held_since=None)
            self.do(step)
        raise AssertionError(f"still at it: {self.request.status}, {self.facts}")

    def do(self, step: Step) -> None:
        match step:
            case Wait(_, status):
                wake = wake_at(step, self.request, self.now)
                assert wake is None or wake > self.ticks
                self.ticks = self.ticks + 60 if wake is None else wake
                if status != self.request.status and self.chance.random() < 0.5:
                    self.adopt(status)
            case LookUp(to_claim):
                if to_claim:
                    self.facts = but(self.facts, held_since=self.ticks)
                started, answer = self.ticks, self.list()
                self.ticks += 0.01
                self.facts = after_look(self.facts, "documents", answer, started, self.ticks)
            case Claim():
                self.claim()
            case Poll(job_id):
                self.ticks += 0.01
                self.facts = after_poll(self.facts, self.tell(job_id), self.ticks)
            case Record(status):
                assert status != self.request.status
                self.adopt(status)
            case _:
                raise AssertionError(step)

    def claim(self) -> None:
        before, attempt = self.request.status, f"attempt-{len(self.sent)}"
        status = claim(self.request, self.facts, self.now, attempt)
        assert status.target is not None
        self.request = dataclasses.replace(self.request, status=status)
        self.facts = new_chapter(self.facts, self.ticks)
        assert self.born is not None
        assert self.born <= 3, "rule 8: nothing that is newer than the request"
        assert not self.destroyed, "rule 7: one incarnation, and never the next one"
        taken = [answer for answer in self.sent if isinstance(answer, Accepted | Unclear | Rejected)]
        assert all(isinstance(answer, Accepted) for answer in taken), "rule 6: an unclear one is the last"
        assert len(taken) <= self.request.spec.backoff_limit
        assert not taken or self.ended_by_server >= len(taken), "rule 6: the server itself ended the first"
        answer = self.delete()
        self.sent.append(answer)
        self.ticks += 0.01
        if self.often() and self.chance.random() < 0.3:
            self.facts = known(first_seen=self.ticks)  # killed before the answer could be recorded
            self.sent[-1] = Unclear("killed")
        else:
            self.facts = after_send(self.facts, Sent(attempt, answer, self.ticks, before))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(SEEDS)
def test_every_life_ends_and_destroys_only_what_was_asked_for(seed: int) -> None:
    world = World(seed)
    steps = world.live()

    status = world.request.status
    assert status.phase in {Phase.SUCCEEDED, Phase.FAILED}
    assert steps < 1500
    assert len(world.destroyed) <= 1
    if status.reason == Reason.DELETION_COMPLETED:
        assert world.destroyed
    if status.phase is Phase.SUCCEEDED:
        assert world.born is None or world.born != world.asked_for
