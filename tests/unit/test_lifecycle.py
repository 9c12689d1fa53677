"""The life of a request, as tables: this request with these facts does that (docs/safety.md has the rules).

First a grid of every phase against every fact, by the kind of step; then the same decisions with every field
they write; then the rules that hold over all of them.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import IfAbsent
from moorcheh_operator.api.status import (
    MAX_COUNT,
    Acceptance,
    Attempt,
    EarlierAttempt,
    Job,
    Phase,
    Reason,
    Target,
    Verification,
)
from moorcheh_operator.api.times import parse_time
from moorcheh_operator.controller.targets import Targets
from moorcheh_operator.lifecycle.access import Access, NotFound, Refusal, Undecided
from moorcheh_operator.lifecycle.facts import Facts, Polled
from moorcheh_operator.lifecycle.next_step import next_step
from moorcheh_operator.lifecycle.ownership import uses_slot
from moorcheh_operator.lifecycle.retrying import retry_delay
from moorcheh_operator.lifecycle.statuses import bare, job_shown
from moorcheh_operator.lifecycle.steps import (
    Claim,
    Forget,
    LookUp,
    Poll,
    Record,
    Step,
    Wait,
    wake_at,
    write_due,
)
from moorcheh_operator.lifecycle.submitting import claim
from moorcheh_operator.moorcheh.answers import (
    Accepted,
    AcceptedWithoutJob,
    Entry,
    JobReport,
    JobUnknown,
    NotSent,
    PollAnswer,
    Refused,
    Rejected,
    Unavailable,
    Unclear,
)
from moorcheh_operator.servers.definitions import NameReuse
from tests.unit.builders import (
    ABSENT,
    ATTEMPT,
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
    SETTLE,
    SOON,
    STARTED,
    TARGET,
    THERE,
    UNDATED,
    UNDATED_TARGET,
    UNPARSABLE,
    Case,
    Shown,
    a_look,
    a_request,
    a_spec,
    a_status,
    ago,
    ahead,
    but,
    known,
    later,
    looks,
    ready,
    records,
    resumed,
    retrying,
    sent,
    trouble,
    unchanged,
    waits,
)
from tests.unit.test_wanted import NAMESPACE_CASES, WITHDRAWN_CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moorcheh_operator.lifecycle.steps import Step

PENDING, SUSPENDED, SUBMITTING = Phase.PENDING, Phase.SUSPENDED, Phase.SUBMITTING
RUNNING, SUCCEEDED, FAILED = Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED


def seen(seconds: float = 1.0, **facts: Any) -> Facts:
    """This process first saw the attempt, phase or job's end so many seconds ago."""
    return known(first_seen=ago(seconds), **facts)


def polled(answer: PollAnswer, *, answered: float = 0.0, first_seen: float = 100.0, **facts: Any) -> Facts:
    return known(first_seen=ago(first_seen), polled=Polled(answer, ago(answered)), **facts)


def unknown(times: int, *, over: float, answered: float = 0.0) -> Facts:
    """The server said `times` times in a row that it knows no such job, over so many seconds."""
    return polled(
        JobUnknown("HTTP 404: no such job"),
        answered=answered,
        unknown_count=times,
        unknown_since=ago(answered + over),
    )


def settled(*entries: Entry | None, every: float = 10.0, first_seen: float = 400.0, **facts: Any) -> Facts:
    """A foreign attempt, first seen longer ago than its sender could need, and the looks since."""
    return seen(first_seen, looks=looks(*entries, every=every), **facts)


# Every phase against every fact

OVERTIME = a_request(
    FAILED,
    Reason.DEADLINE_EXCEEDED,
    job=JOB,
    attempt=ATTEMPT,
    target=TARGET,
    progress="40/100 (40%)",
    deleted_items=40,
)
COLUMNS = {
    "new": a_request(),
    "pending": a_request(PENDING, target=TARGET),
    "suspended": a_request(SUSPENDED, target=TARGET),
    "submitting": a_request(SUBMITTING),
    "running": a_request(RUNNING),
    "succeeded": a_request(SUCCEEDED),
    "failed": a_request(FAILED),
    "overtime": OVERTIME,
    "gone while pending": a_request(PENDING, target=TARGET, gone=True),
    "gone while submitting": a_request(SUBMITTING, gone=True),
    "gone while running": a_request(RUNNING, gone=True),
}
"""`overtime`: ended by its deadline while its job still runs. `gone …`: the object is no more."""

FACTS = {
    "nothing": seen(),
    "no first list": seen(listed=False),
    "owner, no look": seen(owner="team/older"),
    "owner, looked": seen(owner="team/older", looks=looks(THERE)),
    "owner, outage": seen(owner="team/older", outage=trouble(5)),
    "queued, dated": ready(THERE, queued=True),
    "queued, undated": ready(UNDATED, queued=True),
    "rival ended, undated": ready(UNDATED, rival_end=MADE + timedelta(seconds=30)),
    "rival long ended": ready(UNDATED, rival_end=MADE - timedelta(seconds=1)),
    "held, look": ready(THERE),
    "held, look before": seen(held_since=ago(1), looks=looks(THERE, last=1.5)),
    "held, look too old": ready(THERE, answered=2.1),
    "not held, look": seen(looks=looks(THERE)),
    "slots full, no look": seen(slots_full=True),
    "slots full, looked": seen(slots_full=True, looks=looks(THERE)),
    "absent": ready(ABSENT),
    "newer": ready(NEWER),
    "earlier": ready(EARLIER),
    "undated": ready(UNDATED),
    "unparsable": ready(UNPARSABLE),
    "outage": seen(outage=trouble(5)),
    "outage over": seen(outage=trouble(0)),
    "not sent": seen(hold_off=trouble(5)),
    "refused": seen(hold_off=trouble(5, refused=True)),
    "hold-off over": seen(hold_off=trouble(0)),
    "answer: accepted": seen(sent=sent(Accepted("job-1"))),
    "answer: not sent": seen(sent=sent(NotSent("no route"))),
    "answer: refused": seen(sent=sent(Refused("HTTP 429"))),
    "answer: rejected": seen(sent=sent(Rejected("HTTP 400"))),
    "answer: unclear": seen(sent=sent(Unclear("HTTP 500"))),
    "answer: settled": seen(sent=sent(Unclear("HTTP 404: no such namespace", settled=True))),
    "answer: accepted, no job": seen(sent=sent(AcceptedWithoutJob("started"))),
    "answer: foreign": seen(sent=sent(Accepted("job-0"), attempt="attempt-0")),
    "settled": seen(SETTLE),
    "settled but for a second": seen(SETTLE - 1),
    "settled, one look": settled(ABSENT),
    "settled, agree gone": settled(ABSENT, ABSENT),
    "settled, agree newer": settled(NEWER, NEWER),
    "settled, agree same": settled(THERE, THERE),
    "settled, disagree": settled(THERE, ABSENT),
    "settled, too close": settled(ABSENT, ABSENT, every=5.0),
    "poll: running": polled(JobReport(Job("job-1", "running", 100, 40))),
    "poll: completed": polled(JobReport(Job("job-1", "completed", 100, 100))),
    "poll: failed": polled(JobReport(FAILED_JOB)),
    "poll: other word": polled(JobReport(Job("job-1", "thinking"))),
    "poll: due again": polled(JobReport(JOB), answered=11.0),
    "poll: unavailable": polled(Unavailable("HTTP 503"), poll_trouble=trouble(1)),
    "poll: unknown once": unknown(1, over=0),
    "poll: unknown twice": unknown(2, over=20),
    "poll: unknown too soon": unknown(3, over=14.9),
    "poll: unknown": unknown(3, over=15),
}

GRID = """
                         | new                      | pending                  | suspended      | submitting        | running           | succeeded | failed | overtime              | gone while pending | gone while submitting | gone while running
nothing                  | look to claim            | look to claim            | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
no first list            | wait -                   | wait WaitingForSlot      | wait Suspended | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
owner, no look          | look                     | look                     | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
owner, looked           | wait TargetBusy          | wait TargetBusy          | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
owner, outage           | wait TargetBusy          | wait TargetBusy          | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
queued, dated            | claim                    | claim                    | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
queued, undated          | PreconditionUnverifiable | PreconditionUnverifiable | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
rival ended, undated     | PreconditionUnverifiable | PreconditionUnverifiable | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
rival long ended         | claim                    | PreconditionUnverifiable | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
held, look               | claim                    | claim                    | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
held, look before        | look to claim            | look to claim            | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
held, look too old       | look to claim            | look to claim            | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
not held, look           | look to claim            | look to claim            | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
slots full, no look      | look to claim            | look to claim            | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
slots full, looked       | wait WaitingForSlot      | wait WaitingForSlot      | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
absent                   | AlreadyAbsent            | VerifiedAbsent           | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
newer                    | TargetNewerThanRequest   | TargetReplaced           | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
earlier                  | claim                    | PreconditionUnverifiable | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
undated                  | claim                    | PreconditionUnverifiable | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
unparsable               | claim                    | PreconditionUnverifiable | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
outage                   | wait ServerUnavailable   | wait ServerUnavailable   | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
outage over              | look to claim            | look to claim            | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
not sent                 | wait ServerUnavailable   | wait ServerUnavailable   | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
refused                  | wait Refused             | wait Refused             | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
hold-off over            | look to claim            | look to claim            | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
answer: accepted         | look to claim            | look to claim            | look           | JobRunning        | poll              | forget    | forget | poll                  | forget             | poll                  | poll
answer: not sent         | look to claim            | look to claim            | look           | ServerUnavailable | poll              | forget    | forget | poll                  | forget             | forget                | poll
answer: refused          | look to claim            | look to claim            | look           | Refused           | poll              | forget    | forget | poll                  | forget             | forget                | poll
answer: rejected         | look to claim            | look to claim            | look           | Rejected          | poll              | forget    | forget | poll                  | forget             | forget                | poll
answer: unclear          | look to claim            | look to claim            | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
answer: settled          | look to claim            | look to claim            | look           | look              | poll              | forget    | forget | poll                  | forget             | forget                | poll
answer: accepted, no job | look to claim            | look to claim            | look           | DeletionAccepted  | poll              | forget    | forget | poll                  | forget             | look                  | poll
answer: foreign          | look to claim            | look to claim            | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
settled                  | look to claim            | look to claim            | look           | look              | poll              | forget    | forget | poll                  | forget             | forget                | poll
settled but for a second | look to claim            | look to claim            | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
settled, one look        | AlreadyAbsent            | VerifiedAbsent           | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | forget                | poll
settled, agree gone      | AlreadyAbsent            | VerifiedAbsent           | Suspended      | VerifiedAbsent    | poll              | forget    | forget | poll                  | forget             | forget                | poll
settled, agree newer     | TargetNewerThanRequest   | TargetReplaced           | Suspended      | TargetReplaced    | poll              | forget    | forget | poll                  | forget             | forget                | poll
settled, agree same      | look to claim            | look to claim            | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | forget                | poll
settled, disagree        | AlreadyAbsent            | VerifiedAbsent           | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | forget                | poll
settled, too close       | AlreadyAbsent            | VerifiedAbsent           | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | forget                | poll
poll: running            | look to claim            | look to claim            | look           | look              | wait JobRunning   | forget    | forget | wait DeadlineExceeded | forget             | forget                | wait JobRunning
poll: completed          | look to claim            | look to claim            | look           | look              | look              | forget    | forget | forget                | forget             | forget                | forget
poll: failed             | look to claim            | look to claim            | look           | look              | Retrying          | forget    | forget | forget                | forget             | forget                | forget
poll: other word         | look to claim            | look to claim            | look           | look              | wait JobRunning   | forget    | forget | wait DeadlineExceeded | forget             | forget                | wait JobRunning
poll: due again          | look to claim            | look to claim            | look           | look              | poll              | forget    | forget | poll                  | forget             | forget                | poll
poll: unavailable        | look to claim            | look to claim            | look           | look              | wait PollFailing  | forget    | forget | wait DeadlineExceeded | forget             | forget                | wait JobRunning
poll: unknown once       | look to claim            | look to claim            | look           | look              | wait PollFailing  | forget    | forget | wait DeadlineExceeded | forget             | forget                | wait JobRunning
poll: unknown twice      | look to claim            | look to claim            | look           | look              | wait PollFailing  | forget    | forget | wait DeadlineExceeded | forget             | forget                | wait JobRunning
poll: unknown too soon   | look to claim            | look to claim            | look           | look              | wait PollFailing  | forget    | forget | wait DeadlineExceeded | forget             | forget                | wait JobRunning
poll: unknown            | look to claim            | look to claim            | look           | look              | Retrying          | forget    | forget | forget                | forget             | forget                | forget
"""  # noqa: E501 - a table is read across


def cells() -> Iterator[Any]:
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in GRID.strip("\n").splitlines()]
    assert [row[0] for row in rows] == list(FACTS), "the grid has a row for each fact"
    assert header[1:] == list(COLUMNS), "the grid has a column for each phase"
    for fact, *words in rows:
        for column, word in zip(COLUMNS, words, strict=True):
            yield pytest.param(COLUMNS[column], FACTS[fact], word, id=f"{column}-{fact}")


def word_for(step: Step) -> str:
    match step:
        case Forget():
            return "forget"
        case Claim():
            return "claim"
        case LookUp(to_claim):
            return "look to claim" if to_claim else "look"
        case Poll("job-1"):
            return "poll"
        case Wait(_, status):
            return f"wait {status.reason or '-'}"
        case Record(status):
            return f"{status.reason}"
        case _:
            raise AssertionError(step)


@pytest.mark.parametrize(("request_", "facts", "expected"), list(cells()))
def test_each_phase_with_each_fact(request_: Request, facts: Facts, expected: str) -> None:
    assert word_for(next_step(request_, facts, NOW, LIMITS)) == expected


# Pending: the first look, and what keeps a request waiting

FIRST_SEEN_TARGET = Target(True, 10, BORN, NOW.time)
NEW = a_request()

PENDING_CASES = [
    pytest.param(
        Case(NEW, known(listed=False), unchanged(None, NEW)),
        id="rule-10-nothing-before-the-first-complete-list",
    ),
    pytest.param(
        Case(NEW, ready(THERE, listed=False), unchanged(None, NEW)),
        id="rule-10-not-even-the-claim-that-all-else-allows",
    ),
    pytest.param(Case(NEW, known(), LookUp(to_claim=True)), id="a-new-request-looks"),
    pytest.param(Case(NEW, known(owner="team/older"), LookUp()), id="rule-7-looks-even-behind-another"),
    pytest.param(
        Case(
            NEW,
            known(owner="team/older", queued=True, looks=looks(THERE)),
            waits(None, PENDING, Reason.TARGET_BUSY, target=FIRST_SEEN_TARGET, says="team/older"),
        ),
        id="rule-7-what-it-saw-behind-another-binds-it",
    ),
    pytest.param(
        Case(
            NEW,
            known(owner="team/older", queued=True, looks=looks(ABSENT)),
            waits(None, PENDING, Reason.TARGET_BUSY, target=Target(False, observation_time=NOW.time)),
        ),
        id="behind-another-an-absent-target-is-no-end",
    ),
    pytest.param(
        Case(
            NEW,
            known(owner="team/older", queued=True, outage=trouble(5)),
            waits(5, PENDING, Reason.TARGET_BUSY),
        ),
        id="behind-another-in-an-outage-it-looks-again",
    ),
    pytest.param(
        Case(
            NEW,
            known(looks=looks(THERE), slots_full=True),
            waits(None, PENDING, Reason.WAITING_FOR_SLOT, target=FIRST_SEEN_TARGET),
        ),
        id="rule-7-waiting-for-a-slot-binds-too",
    ),
    pytest.param(
        Case(
            a_request(PENDING, target=TARGET),
            known(looks=looks(Entry(12, BORN)), slots_full=True),
            waits(None, PENDING, Reason.WAITING_FOR_SLOT),
        ),
        id="the-binding-look-is-written-once",
    ),
    pytest.param(
        Case(
            a_request(PENDING, target=UNDATED_TARGET),
            known(looks=looks(THERE), bound=Target(True, 10, BORN), slots_full=True),
            waits(None, PENDING, Reason.WAITING_FOR_SLOT, target=FIRST_SEEN_TARGET),
        ),
        id="a-creation-time-that-comes-later-binds-then",
    ),
    pytest.param(
        Case(
            NEW,
            known(outage=trouble(5)),
            waits(5, PENDING, Reason.SERVER_UNAVAILABLE, last_error="no route", says="no route"),
        ),
        id="an-outage-is-waited-out",
    ),
    pytest.param(
        Case(a_request(PENDING, Reason.SERVER_UNAVAILABLE), known(outage=trouble(0)), LookUp(to_claim=True)),
        id="after-the-outage-s-pause-it-looks-again",
    ),
    pytest.param(
        Case(
            NEW,
            ready(THERE, outage=trouble(5)),
            waits(5, PENDING, Reason.SERVER_UNAVAILABLE, target=FIRST_SEEN_TARGET, last_error="no route"),
        ),
        id="rule-13-an-unusable-listing-after-a-good-one-stops-the-claim",
    ),
    pytest.param(
        Case(
            a_request(PENDING, Reason.TARGET_BUSY, target=UNDATED_TARGET),
            known(outage=trouble(5)),
            waits(5, PENDING, Reason.TARGET_BUSY, last_error="no route", says="no route"),
        ),
        id="rule-8-an-outage-does-not-hide-from-a-restart-that-it-stood-behind-another",
    ),
    pytest.param(
        Case(
            NEW,
            known(outage=trouble(5), queued=True),
            waits(5, PENDING, Reason.TARGET_BUSY, last_error="no route"),
        ),
        id="rule-8-nor-where-that-was-not-written-yet",
    ),
    pytest.param(
        Case(
            a_request(PENDING, Reason.SERVER_UNAVAILABLE, last_error="older"),
            known(hold_off=trouble(5)),
            waits(5, PENDING, Reason.SERVER_UNAVAILABLE, last_error="no route"),
        ),
        id="rule-4-not-sent-is-held-off",
    ),
    pytest.param(
        Case(
            NEW,
            known(hold_off=trouble(5, refused=True)),
            waits(5, PENDING, Reason.REFUSED, last_error="no route"),
        ),
        id="rule-4-refused-is-held-off",
    ),
    pytest.param(
        Case(
            NEW,
            ready(THERE, hold_off=trouble(0.1)),
            waits(0.1, PENDING, Reason.SERVER_UNAVAILABLE, target=FIRST_SEEN_TARGET, last_error="no route"),
        ),
        id="rule-4-a-hold-off-stops-the-claim",
    ),
    pytest.param(
        Case(
            a_request(PENDING, deadline=595),
            known(),
            records(FAILED, Reason.DEADLINE_EXCEEDED, says="Nothing of it is under way"),
        ),
        id="rule-12-the-deadline-ends-a-waiting-request",
    ),
    pytest.param(
        Case(a_request(PENDING, deadline=595), ready(THERE), records(FAILED, Reason.DEADLINE_EXCEEDED)),
        id="rule-12-also-where-it-could-be-claimed",
    ),
    pytest.param(
        Case(a_request(PENDING, deadline=596), known(), LookUp(to_claim=True)),
        id="rule-12-not-a-second-early",
    ),
    pytest.param(
        Case(a_request(deadline=1), known(), LookUp(to_claim=True)),
        id="rule-12-its-clock-starts-with-startTime",
    ),
    pytest.param(
        Case(
            a_request(restored=True),
            known(),
            records(FAILED, Reason.RESTORED_FROM_BACKUP, says="Nothing was sent"),
        ),
        id="a-restored-request-without-status-sends-nothing",
    ),
    pytest.param(
        Case(
            a_request(restored=True),
            but(ready(THERE), first_seen=ago(10)),
            records(FAILED, Reason.RESTORED_FROM_BACKUP),
        ),
        id="a-restored-request-is-never-claimed",
    ),
    pytest.param(
        Case(
            a_request(restored=True),
            known(first_seen=ago(9)),
            unchanged(1, a_request(restored=True)),
        ),
        id="the-status-of-a-restored-request-may-follow",
    ),
    pytest.param(
        Case(a_request(restored=True, suspend=True), known(), records(FAILED, Reason.RESTORED_FROM_BACKUP)),
        id="a-restored-request-ends-also-while-suspended",
    ),
    pytest.param(
        Case(a_request(SUCCEEDED, restored=True), known(), Forget()),
        id="a-restored-end-stays-the-end",
    ),
    pytest.param(
        Case(a_request(PENDING, restored=True, target=TARGET), known(), LookUp(to_claim=True)),
        id="restored-with-the-incarnation-that-it-is-for-it-goes-on",
    ),
    pytest.param(
        Case(a_request(PENDING, restored=True), ready(THERE), records(FAILED, Reason.RESTORED_FROM_BACKUP)),
        id="restored-from-before-it-saw-its-target-it-may-have-ended-since",
    ),
    pytest.param(
        Case(
            a_request(PENDING, restored=True, target=UNDATED_TARGET),
            ready(THERE),
            records(FAILED, Reason.RESTORED_FROM_BACKUP),
        ),
        id="restored-without-a-creation-time-nothing-tells-what-it-was-for",
    ),
    pytest.param(
        Case(
            a_request(Phase.SUSPENDED, restored=True), known(), records(FAILED, Reason.RESTORED_FROM_BACKUP)
        ),
        id="restored-while-suspended-nothing-tells-what-an-approval-would-be-for",
    ),
]

# Nobody may have meant it: fields that ask for nothing (rule 16), copies (rule 17)

FLAWS: dict[str, Any] = {"flaws": ("unknown field spec.suspended", "spec.serverRef is null")}
COPIED: dict[str, Any] = {"copied": "the manifest that it was applied from has a status"}
TOLD = "This can't be what was meant: unknown field spec.suspended, spec.serverRef is null. Nothing was sent."

DOUBTFUL_CASES = [
    pytest.param(
        Case(a_request(**FLAWS), known(), records(FAILED, Reason.INVALID_SPEC, says=TOLD)),
        id="rule-16-a-misspelled-field-ends-it-and-is-named",
    ),
    pytest.param(
        Case(a_request(PENDING, **FLAWS), ready(THERE), records(FAILED, Reason.INVALID_SPEC)),
        id="rule-16-it-is-never-claimed",
    ),
    pytest.param(
        Case(
            retrying(**FLAWS),
            known(),
            records(FAILED, Reason.INVALID_SPEC, says="No DELETE of it was accepted after attempt 1."),
        ),
        id="rule-16-nor-once-more",
    ),
    pytest.param(
        Case(
            a_request(suspend=True, **FLAWS),
            known(),
            records(
                Phase.SUSPENDED,
                Reason.SUSPENDED,
                says="Approval would be refused (InvalidSpec): This can't be what was meant: unknown field",
            ),
        ),
        id="rule-16-one-that-is-held-says-it-and-can-be-corrected",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, **FLAWS, **COPIED),
            known(first_seen=ago(1)),
            Poll(JOB.id),
        ),
        id="what-is-under-way-is-followed-to-its-end",
    ),
    pytest.param(
        Case(a_request(**COPIED), known(), records(FAILED, Reason.RESTORED_FROM_BACKUP, says="has a status")),
        id="rule-17-a-copy-sends-nothing",
    ),
    pytest.param(
        Case(a_request(PENDING, **COPIED), ready(THERE), records(FAILED, Reason.RESTORED_FROM_BACKUP)),
        id="rule-17-a-copy-is-never-claimed",
    ),
    pytest.param(
        Case(
            a_request(PENDING, target=TARGET, **COPIED),
            ready(THERE),
            records(FAILED, Reason.RESTORED_FROM_BACKUP),
        ),
        id="rule-17-whatever-its-status-says",
    ),
    pytest.param(
        Case(a_request(suspend=True, **COPIED), known(), records(FAILED, Reason.RESTORED_FROM_BACKUP)),
        id="rule-17-also-while-suspended",
    ),
    pytest.param(
        Case(
            a_request(restored=True, **COPIED),
            known(first_seen=ago(9)),
            unchanged(1, a_request(restored=True, **COPIED)),
        ),
        id="of-a-restored-one-a-status-may-follow",
    ),
    pytest.param(
        Case(a_request(restored=True, **COPIED), known(), records(FAILED, Reason.RESTORED_FROM_BACKUP)),
        id="rule-17-and-if-none-follows-it-is-a-copy",
    ),
    pytest.param(
        Case(a_request(SUCCEEDED, **COPIED, **FLAWS), known(), Forget()),
        id="an-end-stays-the-end-whatever-it-is",
    ),
]

# What one look says: bound (rule 7), never newer (rule 8), preconditions (rule 9)


def born(seconds_after_request: float, items: int | None = 10) -> Entry:
    return Entry(items, (MADE + timedelta(seconds=seconds_after_request)).isoformat())


def seen_now(entry: Entry) -> Target:
    return Target(True, entry.item_count, entry.creation_time, NOW.time)


NOT_THERE = a_request(PENDING, target=Target(False, None, None, STARTED))


def newer_than_request(entry: Entry) -> Shown:
    return records(FAILED, Reason.TARGET_NEWER_THAN_REQUEST, target=seen_now(entry))


def unverifiable(entry: Entry) -> Shown:
    return records(FAILED, Reason.PRECONDITION_UNVERIFIABLE, target=seen_now(entry))


def precondition_failed(entry: Entry) -> Shown:
    return records(FAILED, Reason.PRECONDITION_FAILED, target=seen_now(entry))


BOUND = a_request(PENDING, target=TARGET)
BUSY = a_request(PENDING, Reason.TARGET_BUSY)
GONE = Target(False, None, BORN, NOW.time)
NOON = MADE + timedelta(seconds=30)
"""Another request for the target ended half a minute after this one was made."""

LOOK_CASES = [
    pytest.param(Case(NEW, ready(THERE), Claim()), id="readable-claim"),
    pytest.param(Case(BOUND, ready(THERE), Claim()), id="rule-7-its-own-incarnation"),
    pytest.param(Case(BOUND, ready(SAME_OTHERWISE_WRITTEN), Claim()), id="rule-7-its-own-otherwise-written"),
    pytest.param(Case(resumed(target=TARGET), ready(THERE), Claim()), id="approved"),
    pytest.param(
        Case(
            NEW,
            ready(ABSENT),
            records(SUCCEEDED, Reason.ALREADY_ABSENT, target=Target(False, observation_time=NOW.time)),
        ),
        id="absent-at-the-first-look",
    ),
    pytest.param(
        Case(
            a_request(if_absent=IfAbsent.FAIL),
            ready(ABSENT),
            records(FAILED, Reason.TARGET_ABSENT, target=Target(False, observation_time=NOW.time)),
        ),
        id="absent-may-mean-failed",
    ),
    pytest.param(
        Case(BOUND, ready(ABSENT), records(SUCCEEDED, Reason.VERIFIED_ABSENT, target=GONE)),
        id="seen-before-and-gone",
    ),
    pytest.param(
        Case(
            a_request(PENDING, target=TARGET, if_absent=IfAbsent.FAIL),
            ready(ABSENT),
            records(SUCCEEDED, Reason.VERIFIED_ABSENT, target=GONE),
        ),
        id="seen-before-and-gone-is-no-typo",
    ),
    pytest.param(
        Case(
            a_request(if_absent=IfAbsent.FAIL),
            ready(ABSENT, bound=Target(True, 10, BORN)),
            records(SUCCEEDED, Reason.VERIFIED_ABSENT, target=GONE),
        ),
        id="seen-before-in-memory-and-gone",
    ),
    pytest.param(
        Case(BOUND, ready(NEWER), records(SUCCEEDED, Reason.TARGET_REPLACED, target=GONE)),
        id="rule-7-replaced",
    ),
    pytest.param(
        Case(
            a_request(PENDING, target=Target(True, 5, "2026-11-19T12:00:00Z", STARTED)),
            ready(THERE),
            records(
                SUCCEEDED,
                Reason.TARGET_REPLACED,
                target=Target(False, None, "2026-11-19T12:00:00Z", NOW.time),
            ),
        ),
        id="rule-7-replaced-by-one-that-is-older-than-the-request",
    ),
    pytest.param(
        Case(
            NEW,
            ready(NEWER, bound=Target(True, 10, BORN)),
            records(SUCCEEDED, Reason.TARGET_REPLACED, target=GONE),
        ),
        id="rule-7-bound-in-memory",
    ),
    pytest.param(
        Case(
            a_request(PENDING, target=Target(False, None, BORN, STARTED)),
            ready(NEWER),
            records(SUCCEEDED, Reason.TARGET_REPLACED),
        ),
        id="rule-7-bound-also-once-it-was-seen-gone",
    ),
    pytest.param(
        Case(
            BOUND,
            ready(THERE, bound=Target(True, 3, "2026-11-23T12:04:00Z")),
            Claim(),
        ),
        id="rule-7-what-is-recorded-binds-before-what-this-process-saw",
    ),
    pytest.param(
        Case(
            BOUND,
            ready(EARLIER),
            records(FAILED, Reason.PRECONDITION_UNVERIFIABLE, target=Target(True, 7, BORN, NOW.time)),
        ),
        id="rule-7-an-earlier-creation-time-is-no-proof",
    ),
    pytest.param(
        Case(BOUND, ready(UNDATED), records(FAILED, Reason.PRECONDITION_UNVERIFIABLE)),
        id="rule-7-a-missing-creation-time-is-no-proof",
    ),
    pytest.param(
        Case(BOUND, ready(UNPARSABLE), records(FAILED, Reason.PRECONDITION_UNVERIFIABLE)),
        id="rule-7-an-unreadable-creation-time-is-a-missing-one",
    ),
    pytest.param(Case(NEW, ready(born(0)), Claim()), id="rule-8-born-with-the-request"),
    pytest.param(Case(NEW, ready(born(3)), Claim()), id="rule-8-within-the-tolerance"),
    pytest.param(
        Case(NEW, ready(born(3.5)), newer_than_request(born(3.5))), id="rule-8-beyond-the-tolerance"
    ),
    pytest.param(Case(NEW, ready(NEWER), newer_than_request(NEWER)), id="rule-8-newer-than-the-request"),
    pytest.param(
        Case(NEW, ready(born(3600), skew=-3600), Claim()), id="rule-8-the-server-s-clock-is-an-hour-ahead"
    ),
    pytest.param(
        Case(NEW, ready(born(-1800), skew=3600), newer_than_request(born(-1800))),
        id="rule-8-the-server-s-clock-is-an-hour-behind",
    ),
    pytest.param(
        Case(NEW, ready(born(2), rival_end=NOON), newer_than_request(born(2))),
        id="rule-8-no-tolerance-after-a-rival-ended",
    ),
    pytest.param(
        Case(NEW, ready(born(0.5), queued=True), newer_than_request(born(0.5))),
        id="rule-8-no-tolerance-behind-another",
    ),
    pytest.param(
        Case(BUSY, ready(born(1)), newer_than_request(born(1))),
        id="rule-8-no-tolerance-after-a-restart-either",
    ),
    pytest.param(Case(BUSY, ready(THERE), Claim()), id="rule-8-an-old-namespace-behind-another"),
    pytest.param(
        Case(NEW, ready(born(2), rival_end=MADE - timedelta(seconds=1)), Claim()),
        id="rule-8-a-rival-that-ended-before-the-request-was-made",
    ),
    pytest.param(
        Case(NOT_THERE, ready(born(1)), records(FAILED, Reason.TARGET_NEWER_THAN_REQUEST)),
        id="rule-8-no-tolerance-where-a-preview-found-nothing",
    ),
    pytest.param(Case(NOT_THERE, ready(THERE), Claim()), id="rule-8-an-old-one-that-a-preview-did-not-find"),
    pytest.param(
        Case(NOT_THERE, ready(UNDATED), records(FAILED, Reason.PRECONDITION_UNVERIFIABLE)),
        id="rule-8-undated-where-a-preview-found-nothing",
    ),
    pytest.param(Case(NEW, ready(UNDATED), Claim()), id="rule-8-undated-may-be-deleted-once"),
    pytest.param(Case(NEW, ready(UNPARSABLE), Claim()), id="rule-8-unreadable-is-undated"),
    pytest.param(
        Case(NEW, ready(UNDATED, queued=True), unverifiable(UNDATED)), id="rule-8-undated-behind-another"
    ),
    pytest.param(
        Case(BUSY, ready(UNDATED), unverifiable(UNDATED)), id="rule-8-undated-behind-another-after-a-restart"
    ),
    pytest.param(
        Case(NEW, ready(UNPARSABLE, queued=True), unverifiable(UNPARSABLE)),
        id="rule-8-unreadable-behind-another",
    ),
    pytest.param(
        Case(NEW, ready(UNDATED, rival_end=NOON), unverifiable(UNDATED)),
        id="rule-8-undated-after-a-rival-ended",
    ),
    pytest.param(Case(a_request(created_before=MADE), ready(THERE), Claim()), id="rule-9-created-before"),
    pytest.param(
        Case(
            a_request(created_before=parse_time(BORN)),
            ready(THERE),
            precondition_failed(THERE),
        ),
        id="rule-9-created-at-that-very-time-is-not-before",
    ),
    pytest.param(
        Case(
            a_request(created_before=MADE - timedelta(days=7)),
            ready(THERE),
            precondition_failed(THERE),
        ),
        id="rule-9-created-later",
    ),
    pytest.param(
        Case(a_request(created_before=MADE), ready(UNDATED), unverifiable(UNDATED)), id="rule-9-undated"
    ),
    pytest.param(
        Case(a_request(created_before=MADE), ready(UNPARSABLE), unverifiable(UNPARSABLE)),
        id="rule-9-unreadable",
    ),
    pytest.param(
        Case(
            a_request(created_before=MADE - timedelta(seconds=1800)),
            ready(born(-3600), skew=3600),
            precondition_failed(born(-3600)),
        ),
        id="rule-9-created-before-only-by-a-clock-that-is-behind",
    ),
    pytest.param(Case(a_request(max_items=10), ready(THERE), Claim()), id="rule-9-as-many-items-as-allowed"),
    pytest.param(
        Case(a_request(max_items=9), ready(THERE), precondition_failed(THERE)), id="rule-9-one-item-too-many"
    ),
    pytest.param(Case(a_request(max_items=0), ready(Entry(0, BORN)), Claim()), id="rule-9-empty"),
    pytest.param(
        Case(a_request(max_items=0), ready(Entry(1, BORN)), precondition_failed(Entry(1, BORN))),
        id="rule-9-not-empty",
    ),
    pytest.param(
        Case(a_request(max_items=0), ready(Entry(None, BORN)), unverifiable(Entry(None, BORN))),
        id="rule-9-no-count",
    ),
    pytest.param(
        Case(a_request(created_before=MADE, max_items=9), ready(THERE), precondition_failed(THERE)),
        id="rule-9-one-of-two-is-not-enough",
    ),
    pytest.param(Case(NEW, ready(THERE, answered=2.0), Claim()), id="rule-3-two-seconds-old"),
    pytest.param(
        Case(NEW, ready(THERE, answered=2.01), LookUp(to_claim=True)), id="rule-3-older-than-two-seconds"
    ),
    pytest.param(
        Case(NEW, known(held_since=ago(0.6), looks=(a_look(answered=0.5, took=0.1),)), Claim()),
        id="rule-3-held-when-the-look-started",
    ),
    pytest.param(
        Case(
            NEW, known(held_since=ago(0.55), looks=(a_look(answered=0.5, took=0.1),)), LookUp(to_claim=True)
        ),
        id="rule-3-held-only-while-the-look-was-under-way",
    ),
    pytest.param(Case(NEW, known(looks=looks(THERE)), LookUp(to_claim=True)), id="rule-3-nothing-held"),
    pytest.param(
        Case(
            NEW,
            known(held_since=ago(3), looks=(a_look(answered=1), a_look(ABSENT, answered=0.5))),
            records(SUCCEEDED, Reason.ALREADY_ABSENT, target=Target(False, observation_time=NOW.time)),
        ),
        id="the-newest-look-counts",
    ),
]

# Suspended: a live preview


def preview(says: str, **changes: Any) -> Shown:
    return records(SUSPENDED, Reason.SUSPENDED, says=says, **changes)


def shown_once(request: Request, facts: Facts) -> Request:
    """`request` after what these facts show was written."""
    step = next_step(request, facts, NOW, LIMITS)
    return dataclasses.replace(request, status=step.status) if isinstance(step, Record) else request


HELD = shown_once(a_request(SUSPENDED, target=TARGET), seen(looks=looks(THERE)))

SUSPENDED_CASES = [
    pytest.param(Case(a_request(suspend=True), known(), LookUp()), id="a-first-look-without-any-slot"),
    pytest.param(
        Case(
            a_request(suspend=True),
            seen(looks=looks(THERE)),
            preview("spec.suspend to false", target=FIRST_SEEN_TARGET),
        ),
        id="shows-what-was-found",
    ),
    pytest.param(
        Case(
            a_request(suspend=True), ready(THERE), preview("spec.suspend to false", target=FIRST_SEEN_TARGET)
        ),
        id="never-claims-whatever-is-held",
    ),
    pytest.param(
        Case(
            a_request(PENDING, suspend=True, target=TARGET),
            seen(looks=looks(THERE)),
            preview("spec.suspend to false"),
        ),
        id="suspending-resets-the-start-time",
    ),
    pytest.param(Case(HELD, seen(looks=looks(THERE)), unchanged(59.5, HELD)), id="looks-once-a-minute"),
    pytest.param(Case(HELD, seen(looks=looks(THERE, last=60)), LookUp()), id="after-a-minute-again"),
    pytest.param(
        Case(
            HELD,
            seen(looks=looks(Entry(11, BORN))),
            preview("spec.suspend to false", target=Target(True, 11, BORN, NOW.time)),
        ),
        id="a-new-count-is-written",
    ),
    pytest.param(
        Case(HELD, seen(looks=looks(ABSENT)), preview("VerifiedAbsent", target=GONE)), id="gone-meanwhile"
    ),
    pytest.param(
        Case(HELD, seen(looks=looks(NEWER)), preview("TargetReplaced", target=GONE)), id="replaced-meanwhile"
    ),
    pytest.param(
        Case(
            a_request(suspend=True),
            seen(looks=looks(NEWER)),
            preview("would be refused (TargetNewer", target=seen_now(NEWER)),
        ),
        id="says-that-approval-would-be-refused-as-newer",
    ),
    pytest.param(
        Case(
            a_request(suspend=True, if_absent=IfAbsent.FAIL),
            seen(looks=looks(ABSENT)),
            preview("would be refused (TargetAbsent)", target=Target(False, observation_time=NOW.time)),
        ),
        id="says-that-approval-would-be-refused-as-absent",
    ),
    pytest.param(
        Case(
            a_request(suspend=True, max_items=3),
            seen(looks=looks(THERE)),
            preview("PreconditionFailed", target=FIRST_SEEN_TARGET),
        ),
        id="says-that-a-precondition-would-fail",
    ),
    pytest.param(
        Case(a_request(suspend=True), seen(outage=trouble(5)), preview("no route", last_error="no route")),
        id="an-outage-before-the-first-look",
    ),
    pytest.param(
        Case(
            HELD,
            seen(looks=looks(THERE, last=70), outage=trouble(5)),
            preview("no usable listing", target=TARGET, last_error="no route"),
        ),
        id="an-outage-later-for-the-target-is-no-longer-known-to-be-unchanged",
    ),
    pytest.param(Case(HELD, seen(outage=trouble(0)), LookUp()), id="after-the-outage"),
    pytest.param(
        Case(HELD, seen(owner="team/older"), LookUp()), id="it-holds-nothing-and-stands-behind-nobody"
    ),
    pytest.param(
        Case(a_request(PENDING, suspend=True, deadline=1), seen(), LookUp()),
        id="rule-12-no-deadline-while-suspended",
    ),
    pytest.param(
        Case(
            a_request(SUSPENDED, spec=a_spec(suspend=False, active_deadline_seconds=1), target=TARGET),
            ready(THERE),
            Claim(),
        ),
        id="rule-12-the-clock-starts-anew-with-the-approval",
    ),
    pytest.param(
        Case(
            retrying(suspend=True),
            seen(looks=looks(THERE)),
            preview("spec.suspend to false"),
        ),
        id="between-two-attempts",
    ),
]

# Submitting: the sender knows, the others verify


def back_to_pending(reason: Reason, error: str, **changes: Any) -> Shown:
    known: dict[str, Any] = {"attempt": None, "job": None, "last_error": error}
    return records(PENDING, reason, says=error, **(known | changes))


SECOND = Attempt(2, "attempt-2", CLAIMED)
CLAIMED_AGAIN = a_request(SUBMITTING, attempt=SECOND, job=None, last_error="disk full")
VERIFYING = a_request(SUBMITTING, Reason.VERIFYING, last_error="HTTP 500")
LONG_AGO = Attempt(1, "attempt-1", NOW.time - timedelta(seconds=600))
VERIFIED_LONG = a_request(SUBMITTING, Reason.VERIFYING, attempt=LONG_AGO, last_error="HTTP 500")

SUBMITTING_CASES = [
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(sent=sent(Accepted("job-9"))),
            records(RUNNING, Reason.JOB_RUNNING, job=Job("job-9"), says="job-9"),
        ),
        id="rule-4-accepted",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(sent=sent(NotSent("no route"))),
            back_to_pending(Reason.SERVER_UNAVAILABLE, "no route"),
        ),
        id="rule-4-surely-not-sent",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(sent=sent(Refused("HTTP 403"))),
            back_to_pending(Reason.REFUSED, "HTTP 403"),
        ),
        id="rule-4-refused",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, target=UNDATED_TARGET),
            seen(sent=sent(Refused("HTTP 429"))),
            back_to_pending(Reason.REFUSED, "HTTP 429"),
        ),
        id="rule-4-refused-and-undated-is-no-attempt-either",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, target=UNDATED_TARGET),
            seen(sent=sent(NotSent("no route"))),
            back_to_pending(Reason.SERVER_UNAVAILABLE, "no route"),
        ),
        id="rule-8-surely-not-sent-and-undated",
    ),
    pytest.param(
        Case(
            CLAIMED_AGAIN,
            seen(
                sent=sent(
                    Refused("HTTP 429", 20.0),
                    attempt="attempt-2",
                    before=a_status(
                        PENDING, attempt=ATTEMPT, job=FAILED_JOB, progress="40/100 (40%)", target=TARGET
                    ),
                )
            ),
            back_to_pending(
                Reason.REFUSED,
                "HTTP 429",
                attempt=ATTEMPT,
                job=FAILED_JOB,
                progress="40/100 (40%)",
                deleted_items=None,
            ),
        ),
        id="rule-4-a-refused-second-attempt-does-not-count",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(sent=sent(Rejected("HTTP 400"))),
            records(FAILED, Reason.REJECTED, last_error="HTTP 400", says="HTTP 400"),
        ),
        id="rule-4-rejected",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(sent=sent(Unclear("HTTP 500"))),
            waits(SETTLE - 1, SUBMITTING, Reason.VERIFYING, last_error="HTTP 500", says="HTTP 500"),
        ),
        id="rule-5-unclear-waits-until-settled",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(sent=sent(Unclear("HTTP 500")), looks=looks(ABSENT, ABSENT)),
            waits(SETTLE - 1, SUBMITTING, Reason.VERIFYING, last_error="HTTP 500"),
        ),
        id="rule-5-looks-before-it-is-settled-do-not-count",
    ),
    pytest.param(
        Case(a_request(SUBMITTING), seen(10, sent=sent(Unclear("HTTP 404: gone", settled=True))), LookUp()),
        id="rule-5-the-server-s-own-words-settle-it",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(
                30,
                sent=sent(Unclear("HTTP 404: gone", settled=True), answered=7),
                looks=(a_look(ABSENT, answered=7.05), a_look(ABSENT, answered=1)),
            ),
            waits(4, SUBMITTING, Reason.VERIFYING, last_error="HTTP 404: gone"),
        ),
        id="rule-5-a-look-that-began-before-the-answer-does-not-count",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(
                30,
                sent=sent(Unclear("HTTP 202 without a usable job id", settled=True), answered=8),
                looks=(a_look(ABSENT, answered=7), a_look(ABSENT, answered=1)),
            ),
            records(SUCCEEDED, Reason.VERIFIED_ABSENT),
        ),
        id="rule-5-accepted-without-a-job-and-gone",
    ),
    pytest.param(
        Case(a_request(SUBMITTING), seen(0), waits(SETTLE, SUBMITTING, Reason.VERIFYING)),
        id="rule-3-an-attempt-that-is-found-sends-nothing",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            ready(THERE, sent=sent(Accepted("job-0"), attempt="attempt-0")),
            waits(SETTLE - 4, SUBMITTING, Reason.VERIFYING),
        ),
        id="rule-3-the-answer-to-another-attempt-is-none",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING),
            seen(sent=sent(NotSent("no route"), attempt="attempt-0")),
            waits(SETTLE - 1, SUBMITTING, Reason.VERIFYING),
        ),
        id="rule-3-nor-does-it-take-the-attempt-back",
    ),
    pytest.param(Case(VERIFYING, seen(SETTLE), LookUp()), id="rule-5-settled-by-time"),
    pytest.param(
        Case(VERIFYING, seen(SETTLE - 0.5), waits(0.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-not-settled-yet",
    ),
    pytest.param(
        Case(VERIFYING, settled(ABSENT), waits(4.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-one-look-is-no-verdict",
    ),
    pytest.param(
        Case(VERIFYING, seen(400, looks=(a_look(ABSENT, answered=5),)), LookUp()),
        id="rule-5-a-second-look-five-seconds-on",
    ),
    pytest.param(
        Case(VERIFYING, seen(SETTLE, looks=(a_look(ABSENT, answered=0.5),)), LookUp()),
        id="rule-5-a-look-from-before-delays-nothing",
    ),
    pytest.param(
        Case(VERIFYING, settled(ABSENT, ABSENT), records(SUCCEEDED, Reason.VERIFIED_ABSENT)), id="rule-5-gone"
    ),
    pytest.param(
        Case(
            VERIFYING,
            seen(400, looks=(a_look(ABSENT, answered=5.6), a_look(ABSENT, answered=0.5))),
            records(SUCCEEDED, Reason.VERIFIED_ABSENT),
        ),
        id="rule-5-five-seconds-are-enough",
    ),
    pytest.param(
        Case(
            VERIFYING,
            seen(400, looks=(a_look(ABSENT, answered=5.5), a_look(ABSENT, answered=0.5))),
            waits(4.5, SUBMITTING, Reason.VERIFYING),
        ),
        id="rule-5-from-the-first-s-answer-to-the-second-s-start",
    ),
    pytest.param(
        Case(VERIFYING, settled(NEWER, NEWER), records(SUCCEEDED, Reason.TARGET_REPLACED)),
        id="rule-5-replaced",
    ),
    pytest.param(
        Case(VERIFYING, settled(ABSENT, NEWER), waits(4.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-gone-then-newer",
    ),
    pytest.param(
        Case(VERIFYING, settled(ABSENT, THERE, ABSENT), waits(4.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-a-look-between-that-disagrees-counts",
    ),
    pytest.param(
        Case(VERIFYING, settled(THERE, THERE), waits(4.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-still-there",
    ),
    pytest.param(
        Case(VERIFYING, settled(EARLIER, EARLIER), waits(4.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-earlier-proves-nothing",
    ),
    pytest.param(
        Case(VERIFYING, settled(UNDATED, UNDATED), waits(4.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-undated-proves-nothing",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, target=UNDATED_TARGET),
            settled(NEWER, NEWER),
            waits(4.5, SUBMITTING, Reason.VERIFYING),
        ),
        id="rule-5-undated-before-proves-nothing-now",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, target=UNDATED_TARGET),
            settled(ABSENT, ABSENT),
            records(SUCCEEDED, Reason.VERIFIED_ABSENT),
        ),
        id="rule-5-undated-and-gone",
    ),
    pytest.param(
        Case(
            VERIFIED_LONG,
            settled(THERE, THERE),
            records(FAILED, Reason.OUTCOME_UNKNOWN, says="Check the server before you create a new"),
        ),
        id="rule-5-still-there-when-the-time-is-over",
    ),
    pytest.param(
        Case(VERIFIED_LONG, settled(UNDATED, UNDATED), records(FAILED, Reason.OUTCOME_UNKNOWN)),
        id="rule-5-no-way-to-tell-when-the-time-is-over",
    ),
    pytest.param(
        Case(VERIFIED_LONG, settled(ABSENT, ABSENT), records(SUCCEEDED, Reason.VERIFIED_ABSENT)),
        id="rule-5-gone-when-the-time-is-over",
    ),
    pytest.param(
        Case(VERIFIED_LONG, seen(SETTLE), LookUp()), id="rule-5-after-a-restart-it-looks-before-it-gives-up"
    ),
    pytest.param(
        Case(VERIFIED_LONG, settled(THERE), waits(4.5, SUBMITTING, Reason.VERIFYING)),
        id="rule-5-after-a-restart-two-looks-before-it-gives-up",
    ),
    pytest.param(
        Case(
            VERIFIED_LONG,
            seen(599, outage=trouble(5)),
            waits(5, SUBMITTING, Reason.VERIFYING, last_error="no route"),
        ),
        id="rule-5-an-outage-is-waited-out",
    ),
    pytest.param(
        Case(VERIFIED_LONG, seen(599, outage=trouble(0)), LookUp()),
        id="rule-5-after-the-outage-s-pause-it-looks-again",
    ),
    pytest.param(
        Case(
            VERIFIED_LONG,
            seen(600, outage=trouble(5)),
            records(FAILED, Reason.OUTCOME_UNKNOWN, last_error="no route"),
        ),
        id="rule-5-an-outage-for-the-whole-time",
    ),
    pytest.param(
        Case(VERIFIED_LONG, settled(THERE, ABSENT, first_seen=600), records(FAILED, Reason.OUTCOME_UNKNOWN)),
        id="rule-5-a-listing-that-never-agrees-with-itself-ends-too",
    ),
    pytest.param(
        Case(
            VERIFIED_LONG,
            settled(THERE, ABSENT, first_seen=599),
            waits(4.5, SUBMITTING, Reason.VERIFYING),
        ),
        id="rule-5-but-not-early",
    ),
    pytest.param(
        Case(a_request(SUBMITTING, deadline=1), seen(1), waits(SETTLE - 1, SUBMITTING, Reason.VERIFYING)),
        id="rule-12-no-deadline-while-a-delete-may-be-in-flight",
    ),
    pytest.param(
        Case(
            a_request(SUBMITTING, deadline=1),
            seen(sent=sent(Accepted("job-9"))),
            records(RUNNING, Reason.JOB_RUNNING, job=Job("job-9")),
        ),
        id="rule-12-the-answer-is-recorded-first",
    ),
    pytest.param(
        Case(a_request(SUBMITTING, suspend=True), seen(SETTLE), LookUp()), id="suspend-comes-too-late"
    ),
    pytest.param(
        Case(a_request(SUBMITTING), seen(SETTLE, listed=False), LookUp()),
        id="without-the-lead-it-still-verifies",
    ),
    pytest.param(
        Case(a_request(SUBMITTING, generation=2), seen(1), waits(SETTLE - 1, SUBMITTING, Reason.VERIFYING)),
        id="a-new-generation-shows-in-the-wait",
    ),
]

# Running: the job tells


def report(status: str, total: int | None = None, deleted: int | None = None, **fields: Any) -> Facts:
    return polled(JobReport(Job("job-1", status, total, deleted, **fields)))


def looked(facts: Facts, *entries: Entry | None, every: float = 10.0, **others: Any) -> Facts:
    """And the listing, looked at since: by default the name is gone."""
    return but(facts, looks=looks(*(entries or (ABSENT,)), every=every), **others)


COMPLETED_JOB = Job("job-1", "completed", 100, 100)


def completed(seconds_ago: float = 1.0, job: Job = COMPLETED_JOB) -> Facts:
    return polled(JobReport(job), answered=seconds_ago)


DONE: dict[str, Any] = {
    "job": COMPLETED_JOB,
    "progress": "100/100 (100%)",
    "deleted_items": 100,
}
FIRST_HALF = EarlierAttempt(1, "attempt-1", CLAIMED, Job("job-0", "failed", 9000, 4500, "disk full"))
RUNNING_REQUEST = a_request(RUNNING)
MOST = MAX_COUNT


def done(items: int) -> Job:
    return Job("job-1", "completed", items, items)


def failed(total: int | None, removed: int | None) -> Job:
    return Job("job-0", "failed", total, removed)


def lost(total: int | None, removed: int | None) -> Job:
    """As it was when the server forgot it."""
    return Job("job-0", "running", total, removed)


def proves(result: str, *, says: str, **changes: Any) -> Shown:
    proof = Verification(result, NOW.time)
    return records(SUCCEEDED, Reason.DELETION_COMPLETED, verification=proof, says=says, **(DONE | changes))


TAKEN = Acceptance(NOW.time - timedelta(seconds=100), "started", "in two minutes")


def in_the_cloud(**fields: Any) -> Request:
    return a_request(RUNNING, Reason.DELETION_ACCEPTED, job=None, acceptance=TAKEN, **fields)


def since_then(*entries: Entry | None, every: float = 10.0, last: float = 0.5) -> Facts:
    return seen(90, looks=looks(*entries, every=every, last=last))


def still_there(until: float = SOON, **changes: Any) -> Shown:
    return waits(until, RUNNING, Reason.DELETION_ACCEPTED, says="started", **changes)


def gone_since(**fields: Any) -> Case:
    end = records(SUCCEEDED, Reason.VERIFIED_ABSENT)
    return Case(in_the_cloud(**fields), since_then(ABSENT, ABSENT), end)


ACCEPTED_CASES = [
    pytest.param(
        Case(
            a_request(SUBMITTING, job=None),
            seen(sent=sent(AcceptedWithoutJob("started", "in two minutes"))),
            records(
                RUNNING,
                Reason.DELETION_ACCEPTED,
                acceptance=Acceptance(NOW.time, "started", "in two minutes"),
                says='says: "started" Estimated completion: in two minutes.',
            ),
        ),
        id="rule-4-accepted-without-a-job",
    ),
    pytest.param(Case(in_the_cloud(), seen(1), LookUp()), id="a-first-look-soon"),
    pytest.param(Case(in_the_cloud(), seen(0.25), still_there(0.75)), id="but-not-at-once"),
    pytest.param(
        Case(in_the_cloud(), since_then(THERE, last=-2), still_there(), now=later(3)),
        id="there-is-looked-at-again",
    ),
    pytest.param(
        Case(in_the_cloud(), since_then(THERE, last=8.1), LookUp()), id="within-a-tenth-of-its-time"
    ),
    pytest.param(
        Case(in_the_cloud(), since_then(THERE, ABSENT), still_there(4.5)), id="one-look-is-not-enough"
    ),
    pytest.param(gone_since(), id="gone"),
    pytest.param(
        Case(in_the_cloud(), since_then(ABSENT, ABSENT, every=5.0), still_there(4.5)),
        id="two-looks-too-close",
    ),
    pytest.param(
        Case(in_the_cloud(), seen(5, looks=looks(ABSENT, ABSENT)), still_there(4.5)),
        id="not-a-look-before-the-acceptance",
    ),
    pytest.param(
        Case(in_the_cloud(), since_then(NEWER, NEWER), records(SUCCEEDED, Reason.TARGET_REPLACED)),
        id="replaced",
    ),
    pytest.param(
        Case(
            in_the_cloud(target=UNDATED_TARGET),
            since_then(UNDATED, UNDATED, last=-2),
            still_there(),
            now=later(3),
        ),
        id="undated-and-there-may-be-either",
    ),
    pytest.param(
        Case(
            in_the_cloud(deadline=595),
            since_then(THERE, THERE),
            records(FAILED, Reason.DEADLINE_EXCEEDED, says="may go on"),
        ),
        id="rule-12-the-deadline",
    ),
    pytest.param(gone_since(deadline=595), id="gone-at-the-deadline-is-gone"),
    pytest.param(
        Case(in_the_cloud(), seen(90, outage=trouble(5)), still_there(5, last_error="no route")),
        id="an-outage-is-waited-out",
    ),
    pytest.param(
        Case(in_the_cloud(gone=True), since_then(THERE, last=8.1), LookUp()),
        id="rule-10-its-object-is-gone-and-the-target-is-held",
    ),
    pytest.param(
        Case(in_the_cloud(gone=True), since_then(ABSENT, ABSENT), Forget()), id="rule-10-until-it-is-gone"
    ),
    pytest.param(
        Case(in_the_cloud(gone=True, deadline=595), since_then(THERE, THERE), Forget()),
        id="rule-10-or-its-time-is-over",
    ),
]


@pytest.mark.parametrize("case", ACCEPTED_CASES)
def test_a_deletion_without_a_job_is_over_when_the_listing_says_so(case: Case) -> None:
    case.check()


def test_deletions_without_jobs_that_began_together_look_together() -> None:
    due = set()
    for number in range(5):
        step = next_step(in_the_cloud(), since_then(THERE, last=-number / 2), later(3), LIMITS)
        assert isinstance(step, Wait)
        due.add(step.until)

    assert len(due) == 1


COMPLETED_CASES = [
    pytest.param(Case(RUNNING_REQUEST, completed(), LookUp()), id="a-look-follows"),
    pytest.param(
        Case(RUNNING_REQUEST, looked(completed(), ABSENT), proves("Absent", says="100 items were removed.")),
        id="gone",
    ),
    pytest.param(
        Case(RUNNING_REQUEST, looked(completed(0.1), ABSENT), LookUp()),
        id="a-look-before-that-proves-nothing",
    ),
    pytest.param(
        Case(RUNNING_REQUEST, looked(completed(), NEWER), proves("Replaced", says="left alone")), id="newer"
    ),
    pytest.param(
        Case(RUNNING_REQUEST, looked(completed(), EARLIER), proves("Unverifiable", says="no creation time")),
        id="earlier-proves-nothing",
    ),
    pytest.param(
        Case(RUNNING_REQUEST, looked(completed(), UNDATED), proves("Unverifiable", says="no creation time")),
        id="undated-now",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, target=UNDATED_TARGET),
            looked(completed(), UNDATED),
            proves("Unverifiable", says="no creation time"),
        ),
        id="undated-is-no-failure",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, target=UNDATED_TARGET),
            looked(completed(3), UNDATED, name_reuse=NameReuse.NEVER),
            waits(1, RUNNING, Reason.STILL_LISTED, **DONE),
        ),
        id="undated-and-never-reused-is-looked-at-again",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, target=UNDATED_TARGET),
            looked(completed(31), UNDATED, name_reuse=NameReuse.NEVER),
            proves("Unverifiable", says="no creation time"),
        ),
        id="and-no-failure-either",
    ),
    pytest.param(
        Case(RUNNING_REQUEST, looked(completed(3), THERE), waits(1, RUNNING, Reason.STILL_LISTED, **DONE)),
        id="still-there-is-looked-at-again",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST, looked(completed(29.9), THERE), waits(4.5, RUNNING, Reason.STILL_LISTED, **DONE)
        ),
        id="for-half-a-minute",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            looked(completed(31), THERE),
            records(FAILED, Reason.STILL_LISTED, says="create a new request", **DONE),
        ),
        id="still-there-then-is-a-failure",
    ),
    pytest.param(
        Case(RUNNING_REQUEST, looked(completed(31), THERE, ABSENT), proves("Absent", says="removed.")),
        id="gone-in-the-end-is-gone",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, Reason.STILL_LISTED, **DONE),
            seen(31, looks=looks(THERE)),
            records(FAILED, Reason.STILL_LISTED),
        ),
        id="after-a-restart-from-what-is-recorded",
    ),
    pytest.param(Case(a_request(RUNNING, **DONE), seen(1), LookUp()), id="after-a-restart-it-looks"),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            but(completed(), outage=trouble(5)),
            waits(5, RUNNING, Reason.POLL_FAILING, says="no route", **DONE),
        ),
        id="an-outage-is-waited-out-and-is-not-called-listed",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            but(looked(completed(10), THERE), outage=trouble(5)),
            waits(5, RUNNING, Reason.STILL_LISTED, says="no route", **DONE),
        ),
        id="an-outage-after-a-look-that-showed-it",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            but(completed(31), looks=(a_look(THERE, answered=30.7),), outage=trouble(5)),
            proves("Unverifiable", says="no route"),
        ),
        id="an-old-look-does-not-tell-what-is-listed-half-a-minute-later",
    ),
    pytest.param(
        Case(RUNNING_REQUEST, but(completed(31), looks=(a_look(THERE, answered=10),)), LookUp()),
        id="nor-without-an-outage",
    ),
    pytest.param(Case(RUNNING_REQUEST, but(completed(), outage=trouble(0)), LookUp()), id="and-then-a-look"),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            but(completed(30), outage=trouble(5)),
            proves("Unverifiable", says="no route"),
        ),
        id="an-outage-that-lasts-leaves-the-server-s-word",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, deadline=1),
            looked(completed(3), THERE),
            waits(1, RUNNING, Reason.STILL_LISTED, **DONE),
        ),
        id="no-deadline-while-the-end-is-looked-at",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, attempt=SECOND, job=Job("job-1"), earlier_attempts=(FIRST_HALF,)),
            looked(completed(job=Job("job-1", "completed", 4500, 4500))),
            records(
                SUCCEEDED,
                Reason.DELETION_COMPLETED,
                job=Job("job-1", "completed", 4500, 4500),
                progress="9000/9000 (100%)",
                deleted_items=9000,
                says="9000 items were removed by 2 attempts",
            ),
        ),
        id="the-sum-is-that-of-all-attempts",
    ),
    *(
        pytest.param(
            Case(
                a_request(
                    RUNNING,
                    attempt=SECOND,
                    job=Job("job-1"),
                    earlier_attempts=(EarlierAttempt(1, "attempt-1", CLAIMED, before),) if before else (),
                ),
                looked(completed(job=job)),
                records(
                    SUCCEEDED,
                    Reason.DELETION_COMPLETED,
                    job=job,
                    progress=f"{progress}/{progress} (100%)",
                    deleted_items=items,
                    says=f": at least {items} items were removed.",
                ),
            ),
            id=case,
        )
        for case, before, job, items, progress in (
            ("what-was-restored-counts-once", lost(9000, 4500), done(9000), 9000, 9000),
            ("what-a-failed-job-removed-was-restored", failed(9000, 4500), done(9000), 9000, 9000),
            ("what-was-not-restored-is-added", lost(9000, 4500), done(4500), 9000, 9000),
            ("a-count-that-is-unknown", lost(None, None), done(4500), 4500, 4500),
            ("a-lost-job-s-total-is-unknown", lost(None, 4500), done(9000), 9000, 9000),
            ("an-older-operator-kept-no-attempts", None, done(4500), 4500, 4500),
            ("as-much-as-the-schema-takes", failed(MOST, MOST), done(MOST), MOST, MOST),
        )
    ),
    pytest.param(
        Case(
            a_request(
                RUNNING,
                attempt=SECOND,
                job=Job("job-1"),
                earlier_attempts=(EarlierAttempt(1, "attempt-1", CLAIMED, failed(None, MOST)),),
            ),
            looked(completed(job=Job("job-1", "completed", None, MOST))),
            records(
                SUCCEEDED,
                Reason.DELETION_COMPLETED,
                job=Job("job-1", "completed", None, MOST),
                deleted_items=MOST,
            ),
        ),
        id="nor-more-without-totals",
    ),
]


@pytest.mark.parametrize("case", COMPLETED_CASES)
def test_after_the_job_s_end_the_listing_says_what_became_of_the_name(case: Case) -> None:
    case.check()


@pytest.mark.parametrize(
    ("before", "job", "shown"),
    [
        pytest.param(
            lost(9000, 4500), Job("job-1", "running", 9000, 2000), ("2000/9000 (22%)", 4500), id="restored"
        ),
        pytest.param(
            lost(9000, 4500), Job("job-1", "running", 4500, 900), ("5400/9000 (60%)", 5400), id="not-restored"
        ),
    ],
)
def test_progress_after_a_lost_job_is_that_of_what_is_there(
    before: Job, job: Job, shown: tuple[str, int]
) -> None:
    earlier = (EarlierAttempt(1, "attempt-1", CLAIMED, before),)
    request = a_request(RUNNING, attempt=SECOND, job=Job("job-1"), earlier_attempts=earlier)
    found = job_shown(request, job)

    assert (found["progress"], found["deleted_items"]) == shown


def test_what_lands_of_a_status_that_the_schema_refuses_keeps_no_count_but_that_of_each_job() -> None:
    proof = Verification("Absent", NOW.time)
    status = a_status(SUCCEEDED, job=COMPLETED_JOB, deleted_items=MOST + 1, verification=proof)
    status = replace(status, earlier_attempts=(FIRST_HALF,))
    kept = bare(status)

    assert (kept.phase, kept.job) == (SUCCEEDED, Job("job-1", deleted_items=100))
    assert kept.earlier_attempts[0].job == Job("job-0", deleted_items=4500)
    assert (kept.deleted_items, kept.verification) == (None, None)


def test_a_further_claim_keeps_the_attempt_before_and_its_job() -> None:
    before = retrying(number=2, earlier_attempts=(FIRST_HALF,))
    status = claim(before, ready(THERE), NOW, "attempt-3")

    assert status.earlier_attempts == (FIRST_HALF, EarlierAttempt(2, "attempt-2", CLAIMED, FAILED_JOB))
    assert status.attempt == Attempt(3, "attempt-3", NOW.time)


RUNNING_CASES = [
    pytest.param(Case(RUNNING_REQUEST, seen(0.6), Poll("job-1")), id="the-first-poll-is-soon"),
    pytest.param(
        Case(RUNNING_REQUEST, seen(0.0), waits(0.2, RUNNING, Reason.JOB_RUNNING)), id="but-not-at-once"
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            looked(
                completed(job=Job("job-1", "completed", 100, 100, finish_time="2026-11-23T12:09:59.500Z"))
            ),
            records(
                SUCCEEDED,
                Reason.DELETION_COMPLETED,
                job=replace(COMPLETED_JOB, finish_time="2026-11-23T12:09:59.500Z"),
                progress="100/100 (100%)",
                deleted_items=100,
            ),
        ),
        id="completed",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            looked(completed(job=Job("job-1", "COMPLETED"))),
            records(
                SUCCEEDED,
                Reason.DELETION_COMPLETED,
                job=Job("job-1", "COMPLETED", None, 40),
                deleted_items=40,
            ),
        ),
        id="completed-in-capitals-without-counts",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, deadline=1),
            looked(completed()),
            records(
                SUCCEEDED,
                Reason.DELETION_COMPLETED,
                job=Job("job-1", "completed", 100, 100),
                progress="100/100 (100%)",
                deleted_items=100,
            ),
        ),
        id="completed-after-the-deadline-is-completed",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            report("failed", 100, 40, last_error="disk full"),
            records(PENDING, Reason.RETRYING, job=FAILED_JOB, last_error="disk full", says="disk full"),
        ),
        id="rule-6-failed-once",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            report("Failed"),
            records(
                PENDING,
                Reason.RETRYING,
                job=Job("job-1", "Failed", None, 40),
                last_error="the job failed without an error",
            ),
        ),
        id="rule-6-failed-without-words",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, backoff_limit=0),
            report("failed", 100, 40, last_error="disk full"),
            records(
                FAILED,
                Reason.BACKOFF_LIMIT_EXCEEDED,
                job=FAILED_JOB,
                last_error="disk full",
                says="disk full",
            ),
        ),
        id="rule-6-failed-and-no-further-attempt-allowed",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, backoff_limit=2, attempt=Attempt(3, "attempt-3", CLAIMED)),
            report("failed", 100, 40, last_error="disk full"),
            records(FAILED, Reason.BACKOFF_LIMIT_EXCEEDED, job=FAILED_JOB, last_error="disk full"),
        ),
        id="rule-6-failed-for-the-last-time",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            unknown(3, over=15),
            records(PENDING, Reason.RETRYING, last_error="job job-1 is unknown to the server"),
        ),
        id="rule-6-unknown-three-times-over-fifteen-seconds",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, backoff_limit=0),
            unknown(3, over=15),
            records(PENDING, Reason.RETRYING, last_error="job job-1 is unknown to the server"),
        ),
        id="rule-6-unknown-looks-before-it-gives-up",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            unknown(9, over=14.9),
            waits(7.5, RUNNING, Reason.POLL_FAILING, last_error="HTTP 404: no such job"),
        ),
        id="rule-6-unknown-often-but-not-long-enough",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            unknown(2, over=300),
            waits(7.5, RUNNING, Reason.POLL_FAILING, last_error="HTTP 404: no such job"),
        ),
        id="rule-6-unknown-long-but-not-often-enough",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            polled(Unavailable("HTTP 502"), poll_trouble=trouble(2)),
            waits(2, RUNNING, Reason.POLL_FAILING, last_error="HTTP 502", says="HTTP 502"),
        ),
        id="a-poll-that-fails-says-nothing-of-the-job",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            polled(Unavailable("HTTP 502"), poll_trouble=trouble(60)),
            waits(10, RUNNING, Reason.POLL_FAILING, last_error="HTTP 502"),
        ),
        id="and-is-repeated-within-ten-seconds",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            polled(JobReport(Job("job-2", "completed"))),
            waits(SOON, RUNNING, Reason.JOB_RUNNING),
        ),
        id="the-report-of-another-job-ends-nothing",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            report("running", 100, 70),
            waits(
                SOON,
                RUNNING,
                Reason.JOB_RUNNING,
                job=Job("job-1", "running", 100, 70),
                progress="70/100 (70%)",
            ),
        ),
        id="progress",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            report("running", 100, 20),
            waits(SOON, RUNNING, Reason.JOB_RUNNING),
        ),
        id="progress-never-falls",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, Reason.POLL_FAILING, last_error="HTTP 502"),
            report("running", 100, 40),
            waits(SOON, RUNNING, Reason.JOB_RUNNING),
        ),
        id="the-newest-error-is-kept-after-recovery",
    ),
    pytest.param(
        Case(
            RUNNING_REQUEST,
            report("paused"),
            waits(SOON, RUNNING, Reason.JOB_RUNNING, job=Job("job-1", "paused", None, 40)),
        ),
        id="any-other-word-is-still-running",
    ),
    pytest.param(
        Case(
            a_request(RUNNING, deadline=595),
            report("running", 100, 70),
            records(
                FAILED,
                Reason.DEADLINE_EXCEEDED,
                job=Job("job-1", "running", 100, 70),
                progress="70/100 (70%)",
                says="may go on",
            ),
        ),
        id="rule-12-the-deadline-ends-a-running-request",
    ),
    pytest.param(Case(a_request(RUNNING, deadline=596), seen(1), Poll("job-1")), id="rule-12-but-not-early"),
    pytest.param(
        Case(
            a_request(RUNNING, job=None),
            seen(1),
            records(FAILED, Reason.OUTCOME_UNKNOWN, progress="40/100 (40%)"),
        ),
        id="a-status-without-a-job-ends",
    ),
    pytest.param(Case(a_request(RUNNING, suspend=True), seen(1), Poll("job-1")), id="suspend-comes-too-late"),
    pytest.param(
        Case(
            a_request(RUNNING, suspend=True),
            looked(completed()),
            records(
                SUCCEEDED,
                Reason.DELETION_COMPLETED,
                job=Job("job-1", "completed", 100, 100),
                progress="100/100 (100%)",
                deleted_items=100,
            ),
        ),
        id="suspend-does-not-hide-the-end",
    ),
    pytest.param(
        Case(RUNNING_REQUEST, seen(1, listed=False), Poll("job-1")), id="without-the-lead-it-still-polls"
    ),
]

# Between two attempts


def retry_look(seconds_ago: float, entry: Entry | None = THERE, *first: Entry | None) -> Facts:
    """The last attempt's end was seen so many seconds ago; a look right then, and one just now."""
    before = tuple(a_look(each, answered=seconds_ago - 1 - i) for i, each in enumerate(first))
    return known(first_seen=ago(seconds_ago), held_since=ago(1), looks=(*before, a_look(entry, answered=0.5)))


LOST_JOB = Job("job-1", "running", 100, 40)
LOST = retrying(LOST_JOB)
UNDATED_RETRY = retrying(target=UNDATED_TARGET)


def never_reused(facts: Facts) -> Facts:
    """The servers file says `nameReuse: Never` of its server."""
    return but(facts, name_reuse=NameReuse.NEVER)


RETRY_CASES = [
    pytest.param(Case(retrying(), seen(0), LookUp()), id="rule-6-a-look-at-once"),
    pytest.param(
        Case(retrying(), seen(1, looks=looks(THERE)), waits(9, PENDING, Reason.RETRYING, says="Attempt")),
        id="rule-6-ten-seconds-before-the-second-attempt",
    ),
    pytest.param(
        Case(retrying(number=3), seen(1, looks=looks(THERE)), waits(39, PENDING, Reason.RETRYING)),
        id="rule-6-forty-before-the-fourth",
    ),
    pytest.param(
        Case(
            retrying(number=9, backoff_limit=20),
            seen(1, looks=looks(THERE)),
            waits(359, PENDING, Reason.RETRYING),
        ),
        id="rule-6-six-minutes-at-most",
    ),
    pytest.param(
        Case(retrying(), seen(10, looks=looks(THERE, last=9)), LookUp(to_claim=True)),
        id="rule-6-the-second-look-claims",
    ),
    pytest.param(Case(retrying(), retry_look(10, THERE, THERE), Claim()), id="rule-6-another-attempt"),
    pytest.param(
        Case(LOST, retry_look(10, THERE, THERE), Claim()), id="rule-6-another-attempt-after-a-lost-job"
    ),
    pytest.param(
        Case(retrying(), retry_look(9.9, THERE, THERE), waits(4.5, PENDING, Reason.RETRYING)),
        id="rule-6-not-before-its-time",
    ),
    pytest.param(
        Case(retrying(), retry_look(10, THERE), waits(4.5, PENDING, Reason.RETRYING)),
        id="rule-6-one-look-is-not-enough",
    ),
    pytest.param(
        Case(
            retrying(),
            known(first_seen=ago(60), held_since=ago(6), looks=(a_look(answered=5.5), a_look(answered=0.5))),
            waits(4.5, PENDING, Reason.RETRYING),
        ),
        id="rule-6-two-looks-too-close-are-not-enough",
    ),
    pytest.param(
        Case(
            retrying(),
            known(first_seen=ago(11), held_since=ago(20), looks=(a_look(answered=12), a_look(answered=0.5))),
            waits(4.5, PENDING, Reason.RETRYING),
        ),
        id="rule-6-a-look-before-the-job-s-end-does-not-count",
    ),
    pytest.param(
        Case(retrying(), retry_look(60, THERE, ABSENT), waits(4.5, PENDING, Reason.RETRYING)),
        id="rule-6-gone-then-there",
    ),
    pytest.param(
        Case(retrying(), known(first_seen=ago(60), looks=looks(THERE, THERE)), LookUp(to_claim=True)),
        id="rule-3-another-attempt-needs-all-that-the-first-needed",
    ),
    pytest.param(
        Case(
            retrying(),
            known(first_seen=ago(60), looks=looks(THERE, THERE), slots_full=True),
            waits(None, PENDING, Reason.WAITING_FOR_SLOT),
        ),
        id="another-attempt-waits-for-a-slot",
    ),
    pytest.param(
        Case(
            retrying(number=2, backoff_limit=1),
            retry_look(60, THERE, THERE),
            records(FAILED, Reason.BACKOFF_LIMIT_EXCEEDED, says="disk full"),
        ),
        id="rule-6-the-limit-was-lowered-meanwhile",
    ),
    pytest.param(
        Case(
            retrying(LOST_JOB, backoff_limit=0),
            retry_look(10, THERE, THERE),
            records(FAILED, Reason.BACKOFF_LIMIT_EXCEEDED),
        ),
        id="rule-6-lost-and-still-there-and-no-further-attempt-allowed",
    ),
    pytest.param(
        Case(LOST, retry_look(10, ABSENT, ABSENT), records(SUCCEEDED, Reason.VERIFIED_ABSENT)),
        id="rule-6-lost-and-gone",
    ),
    pytest.param(
        Case(LOST, retry_look(10, NEWER, NEWER), records(SUCCEEDED, Reason.TARGET_REPLACED)),
        id="rule-6-lost-and-replaced",
    ),
    pytest.param(
        Case(LOST, retry_look(10, UNDATED, UNDATED), records(FAILED, Reason.OUTCOME_UNKNOWN)),
        id="rule-6-lost-and-undated",
    ),
    pytest.param(
        Case(LOST, retry_look(10, EARLIER, EARLIER), records(FAILED, Reason.OUTCOME_UNKNOWN)),
        id="rule-6-lost-and-earlier",
    ),
    pytest.param(
        Case(
            retrying(), retry_look(10, ABSENT, ABSENT), records(FAILED, Reason.JOB_FAILED, says="disk full")
        ),
        id="rule-6-failed-and-gone",
    ),
    pytest.param(
        Case(
            retrying(last_error="HTTP 429: slow down"),
            retry_look(10, ABSENT, ABSENT),
            records(FAILED, Reason.JOB_FAILED, says="disk full"),
        ),
        id="rule-6-the-server-s-words-on-the-job-not-the-newest-error",
    ),
    pytest.param(
        Case(
            retrying(), retry_look(10, UNDATED, UNDATED), records(FAILED, Reason.JOB_FAILED, says="disk full")
        ),
        id="rule-6-failed-and-undated",
    ),
    pytest.param(
        Case(
            retrying(target=UNDATED_TARGET),
            retry_look(10, UNDATED, UNDATED),
            records(FAILED, Reason.JOB_FAILED),
        ),
        id="rule-8-undated-is-never-deleted-twice",
    ),
    pytest.param(
        Case(
            retrying(target=UNDATED_TARGET),
            retry_look(10, THERE, THERE),
            records(FAILED, Reason.JOB_FAILED),
        ),
        id="rule-8-nor-where-a-creation-time-is-shown-now",
    ),
    *(
        pytest.param(Case(request, never_reused(facts), expected), id=f"rule-8-never-reused-{name}")
        for name, request, facts, expected in (
            ("failed", UNDATED_RETRY, retry_look(10, UNDATED, UNDATED), Claim()),
            ("lost", retrying(LOST_JOB, target=UNDATED_TARGET), retry_look(10, UNDATED, UNDATED), Claim()),
            (
                "not-before-its-time",
                UNDATED_RETRY,
                retry_look(9.9, UNDATED, UNDATED),
                waits(4.5, PENDING, Reason.RETRYING),
            ),
            (
                "one-look-is-not-enough",
                UNDATED_RETRY,
                retry_look(10, UNDATED),
                waits(4.5, PENDING, Reason.RETRYING),
            ),
            (
                "gone-in-between-is-another",
                UNDATED_RETRY,
                retry_look(60, UNDATED, ABSENT, UNDATED),
                records(FAILED, Reason.JOB_FAILED),
            ),
            (
                "lost-and-gone-in-between-is-another",
                retrying(LOST_JOB, target=UNDATED_TARGET),
                retry_look(60, UNDATED, ABSENT, UNDATED),
                records(FAILED, Reason.OUTCOME_UNKNOWN),
            ),
            ("gone", UNDATED_RETRY, retry_look(10, ABSENT, ABSENT), records(FAILED, Reason.JOB_FAILED)),
            (
                "a-creation-time-that-shows-up-late",
                UNDATED_RETRY,
                retry_look(10, THERE, THERE),
                records(FAILED, Reason.JOB_FAILED),
            ),
            (
                "unreadable-and-another-text",
                retrying(target=Target(True, 10, "two days ago", STARTED)),
                retry_look(10, UNPARSABLE, UNPARSABLE),
                records(FAILED, Reason.JOB_FAILED),
            ),
            (
                "unreadable-and-the-same-text",
                retrying(target=Target(True, 10, UNPARSABLE.creation_time, STARTED)),
                retry_look(10, UNPARSABLE, UNPARSABLE),
                Claim(),
            ),
            (
                "dated-before-and-undated-now",
                retrying(),
                retry_look(10, UNDATED, UNDATED),
                records(FAILED, Reason.JOB_FAILED),
            ),
            (
                "dated-is-judged-by-its-date",
                retrying(),
                retry_look(10, NEWER, NEWER),
                records(SUCCEEDED, Reason.TARGET_REPLACED),
            ),
            (
                "the-limit",
                retrying(number=2, backoff_limit=1, target=UNDATED_TARGET),
                retry_look(60, UNDATED, UNDATED),
                records(FAILED, Reason.BACKOFF_LIMIT_EXCEEDED),
            ),
            (
                "after-a-rival-ended",
                UNDATED_RETRY,
                but(retry_look(10, UNDATED, UNDATED), rival_end=NOON),
                records(FAILED, Reason.PRECONDITION_UNVERIFIABLE),
            ),
            (
                "preconditions-hold-again",
                retrying(max_items=9, target=UNDATED_TARGET),
                retry_look(10, UNDATED, UNDATED),
                records(FAILED, Reason.PRECONDITION_FAILED),
            ),
            (
                "an-unknown-outcome-is-never-followed",
                a_request(SUBMITTING, Reason.VERIFYING, attempt=LONG_AGO, target=UNDATED_TARGET),
                settled(UNDATED, UNDATED),
                records(FAILED, Reason.OUTCOME_UNKNOWN),
            ),
        )
    ),
    pytest.param(
        Case(retrying(), retry_look(10, NEWER, NEWER), records(SUCCEEDED, Reason.TARGET_REPLACED)),
        id="rule-7-failed-and-replaced",
    ),
    pytest.param(
        Case(
            retrying(created_before=MADE - timedelta(days=9)),
            retry_look(10, THERE, THERE),
            records(FAILED, Reason.PRECONDITION_FAILED),
        ),
        id="rule-9-preconditions-hold-again",
    ),
    pytest.param(
        Case(
            retrying(max_items=10),
            retry_look(10, Entry(12, BORN), Entry(12, BORN)),
            records(FAILED, Reason.PRECONDITION_FAILED),
        ),
        id="rule-9-the-count-is-looked-at-again",
    ),
    pytest.param(
        Case(
            retrying(target=Target(True, 10, born(2).creation_time, STARTED)),
            but(retry_look(10, born(2), born(2)), rival_end=NOON),
            records(FAILED, Reason.TARGET_NEWER_THAN_REQUEST),
        ),
        id="rule-8-holds-again",
    ),
    pytest.param(
        Case(
            retrying(),
            but(retry_look(60, THERE, THERE), hold_off=trouble(5, refused=True)),
            waits(5, PENDING, Reason.REFUSED, last_error="no route"),
        ),
        id="rule-4-a-refused-second-attempt-is-held-off",
    ),
    pytest.param(
        Case(
            retrying(),
            seen(60, outage=trouble(5)),
            waits(5, PENDING, Reason.SERVER_UNAVAILABLE, last_error="no route"),
        ),
        id="an-outage-between-two-attempts",
    ),
    pytest.param(
        Case(retrying(), seen(60, outage=trouble(0)), LookUp(to_claim=True)),
        id="after-the-outage-s-pause-it-looks-again",
    ),
    pytest.param(
        Case(
            retrying(),
            but(retry_look(60, THERE, THERE), owner="team/older"),
            waits(None, PENDING, Reason.TARGET_BUSY, says="team/older"),
        ),
        id="rule-10-another-took-the-target-between-two-attempts",
    ),
    pytest.param(
        Case(retrying(deadline=595), retry_look(60, THERE, THERE), records(FAILED, Reason.DEADLINE_EXCEEDED)),
        id="rule-12-the-deadline-between-two-attempts",
    ),
    pytest.param(
        Case(retrying(gone=True), retry_look(60, THERE, THERE), Forget()),
        id="rule-11-gone-between-two-attempts",
    ),
]

# Ended or gone


def over(reason: Reason, phase: Phase = FAILED, **status: Any) -> Request:
    return a_request(phase, reason, **status)


OVER_CASES = [
    *(
        pytest.param(Case(a_request(phase), facts, Forget()), id=f"{phase}-is-final-{name}")
        for phase in (SUCCEEDED, FAILED)
        for name, facts in (("idle", known()), ("with-all-it-takes-to-claim", ready(THERE)))
    ),
    pytest.param(
        Case(
            a_request(SUCCEEDED, generation=2),
            known(),
            records(SUCCEEDED, Reason.DELETION_COMPLETED),
        ),
        id="after-the-end-the-generation-is-followed",
    ),
    pytest.param(
        Case(a_request(FAILED, generation=2), known(), records(FAILED, Reason.REJECTED)),
        id="after-a-bad-end-too",
    ),
    pytest.param(
        Case(a_request(SUCCEEDED, generation=2, gone=True), known(), Forget()),
        id="but-not-once-it-is-gone",
    ),
    pytest.param(
        Case(a_request(SUCCEEDED, suspend=True), known(), Forget()), id="suspend-after-the-end-means-nothing"
    ),
    pytest.param(Case(OVERTIME, seen(1), Poll("job-1")), id="rule-10-a-job-past-its-deadline-is-followed"),
    pytest.param(Case(OVERTIME, report("completed"), Forget()), id="rule-10-to-its-end"),
    pytest.param(Case(OVERTIME, report("failed"), Forget()), id="rule-10-good-or-bad"),
    pytest.param(Case(OVERTIME, unknown(3, over=15), Forget()), id="rule-10-or-until-the-server-forgot-it"),
    pytest.param(
        Case(
            dataclasses.replace(OVERTIME, generation=2),
            seen(1),
            records(FAILED, Reason.DEADLINE_EXCEEDED),
        ),
        id="past-its-deadline-the-generation-is-followed",
    ),
    pytest.param(
        Case(over(Reason.DEADLINE_EXCEEDED, job=FAILED_JOB), seen(1), Forget()),
        id="a-job-whose-end-was-recorded-is-not-followed",
    ),
    pytest.param(
        Case(over(Reason.DEADLINE_EXCEEDED, target=TARGET), seen(1), Forget()),
        id="a-deadline-without-a-job-leaves-nothing",
    ),
    pytest.param(
        Case(over(Reason.OUTCOME_UNKNOWN, job=JOB), seen(1), Forget()), id="no-other-end-is-followed"
    ),
    pytest.param(Case(a_request(gone=True), ready(THERE), Forget()), id="rule-11-gone-while-new"),
    pytest.param(
        Case(a_request(PENDING, target=TARGET, gone=True), ready(THERE), Forget()),
        id="rule-11-gone-while-pending",
    ),
    pytest.param(
        Case(a_request(SUSPENDED, gone=True), ready(THERE), Forget()),
        id="rule-11-gone-while-suspended",
    ),
    pytest.param(
        Case(COLUMNS["gone while running"], seen(1), Poll("job-1")), id="rule-10-a-withdrawn-job-is-followed"
    ),
    pytest.param(
        Case(COLUMNS["gone while running"], report("completed"), Forget()), id="rule-10-to-its-end-too"
    ),
    pytest.param(
        Case(
            COLUMNS["gone while submitting"],
            seen(1),
            unchanged(SETTLE - 1, COLUMNS["gone while submitting"]),
        ),
        id="rule-10-a-withdrawn-attempt-keeps-the-target-until-settled",
    ),
    pytest.param(Case(COLUMNS["gone while submitting"], seen(SETTLE), Forget()), id="rule-10-and-not-longer"),
    pytest.param(
        Case(COLUMNS["gone while submitting"], seen(1, sent=sent(Accepted("job-9"))), Poll("job-9")),
        id="rule-10-or-its-job-s-end",
    ),
    pytest.param(
        Case(
            COLUMNS["gone while submitting"],
            polled(JobReport(Job("job-9", "failed")), sent=sent(Accepted("job-9"))),
            Forget(),
        ),
        id="rule-10-which-it-sees",
    ),
]

NOT_HERE = Refusal(Reason.NOT_ALLOWED, "Not from here.")
PROTECTS = Refusal(Reason.PROTECTED, "Protected.")
UNREAD = Undecided("The labels can't be read.")
NO_SERVER = NotFound("There is no such server.")


def shut_out(access: Access, seconds: float = 10.0, **facts: Any) -> Facts:
    """Since so many seconds."""
    return known(access=access, access_since=ago(seconds), first_seen=ago(500), **facts)


ACCESS_CASES = [
    pytest.param(
        Case(
            NEW, shut_out(NOT_HERE), waits(5, PENDING, Reason.NOT_ALLOWED, start_time=NOW.time, says="60 s")
        ),
        id="a-refusal-is-shown-before-it-is-final",
    ),
    pytest.param(
        Case(NEW, shut_out(PROTECTS, 57), waits(3, PENDING, Reason.PROTECTED, start_time=NOW.time)),
        id="a-refusal-wakes-for-its-end",
    ),
    pytest.param(
        Case(NEW, shut_out(NOT_HERE, 60), records(FAILED, Reason.NOT_ALLOWED, says="Nothing was sent.")),
        id="a-refusal-that-stood-a-minute-is-the-end",
    ),
    pytest.param(
        Case(NEW, shut_out(PROTECTS, 60), records(FAILED, Reason.PROTECTED)), id="so-is-a-protected-name"
    ),
    pytest.param(
        Case(
            resumed(),
            but(shut_out(NOT_HERE, 9999), first_seen=ago(1)),
            waits(5, PENDING, Reason.NOT_ALLOWED, start_time=NOW.time),
        ),
        id="the-minute-counts-from-the-approval",
    ),
    pytest.param(
        Case(
            NEW, shut_out(NO_SERVER, 9999), waits(None, PENDING, Reason.SERVER_NOT_FOUND, start_time=NOW.time)
        ),
        id="an-unknown-server-is-waited-for",
    ),
    pytest.param(
        Case(NEW, shut_out(UNREAD, 9999), waits(5, PENDING, Reason.NOT_ALLOWED, start_time=NOW.time)),
        id="what-can-t-be-told-is-no-and-not-final",
    ),
    pytest.param(
        Case(
            NEW,
            but(ready(THERE), access=NOT_HERE, access_since=ago(1)),
            waits(5, PENDING, Reason.NOT_ALLOWED, start_time=NOW.time, target=FIRST_SEEN_TARGET),
        ),
        id="not-even-the-claim-that-all-else-allows",
    ),
    pytest.param(
        Case(
            retrying(),
            shut_out(PROTECTS, 60, looks=looks(THERE, THERE)),
            records(FAILED, Reason.PROTECTED, says="after attempt 1"),
        ),
        id="another-attempt-needs-the-right-again",
    ),
    pytest.param(
        Case(
            NEW,
            shut_out(NOT_HERE, queued=True),
            waits(5, PENDING, Reason.TARGET_BUSY, start_time=NOW.time, says="Not from here."),
        ),
        id="rule-8-that-it-stood-behind-another-stays-on-record",
    ),
    pytest.param(
        Case(
            a_request(deadline=10, phase=PENDING, reason=Reason.SERVER_NOT_FOUND),
            shut_out(NO_SERVER),
            records(FAILED, Reason.DEADLINE_EXCEEDED),
        ),
        id="the-deadline-holds-for-it-too",
    ),
    pytest.param(
        Case(
            a_request(suspend=True),
            shut_out(NOT_HERE, 9999),
            records(Phase.SUSPENDED, Reason.SUSPENDED, says="would be refused (NotAllowed): Not from here."),
        ),
        id="a-suspended-one-is-told-and-shown-nothing",
    ),
    *[
        pytest.param(
            Case(
                a_request(SUBMITTING),
                shut_out(access, 9999, sent=sent(Accepted("job-1"))),
                records(RUNNING, Reason.JOB_RUNNING, job=Job("job-1")),
            ),
            id=f"an-answer-is-recorded-all-the-same-{name}",
        )
        for name, access in (("refused", NOT_HERE), ("protected", PROTECTS), ("no-server", NO_SERVER))
    ],
    *[
        pytest.param(
            Case(a_request(RUNNING), shut_out(access, 9999), Poll("job-1")),
            id=f"a-job-is-followed-all-the-same-{name}",
        )
        for name, access in (("refused", NOT_HERE), ("protected", PROTECTS), ("no-server", NO_SERVER))
    ],
    pytest.param(
        Case(a_request(SUBMITTING), shut_out(NO_SERVER, 9999), LookUp()), id="verifying-goes-on-all-the-same"
    ),
]


@pytest.mark.parametrize("case", ACCESS_CASES)
def test_what_a_server_s_rights_mean(case: Case) -> None:
    case.check()


TABLES = {
    "access": ACCESS_CASES,
    "doubtful": DOUBTFUL_CASES,
    "pending": PENDING_CASES,
    "look": LOOK_CASES,
    "suspended": SUSPENDED_CASES,
    "submitting": SUBMITTING_CASES,
    "running": RUNNING_CASES,
    "completed": COMPLETED_CASES,
    "accepted": ACCEPTED_CASES,
    "retry": RETRY_CASES,
    "over": OVER_CASES,
    "namespace": NAMESPACE_CASES,
    "withdrawn": WITHDRAWN_CASES,
}


@pytest.mark.parametrize("case", PENDING_CASES)
def test_a_request_waits_for_what_it_needs(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", DOUBTFUL_CASES)
def test_what_nobody_may_have_meant_sends_nothing(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", LOOK_CASES)
def test_a_look_is_judged(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", SUSPENDED_CASES)
def test_a_suspended_request_is_a_preview(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", SUBMITTING_CASES)
def test_an_open_attempt_is_answered_or_verified(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", RUNNING_CASES)
def test_a_running_job_is_followed(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", RETRY_CASES)
def test_another_attempt_needs_the_server_s_own_word(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", OVER_CASES)
def test_what_is_over_stays_over(case: Case) -> None:
    case.check()


def test_every_reason_is_reached() -> None:
    """A reason that no row leads to is one nobody knows how to get."""
    cases: list[Case] = [row.values[0] for table in TABLES.values() for row in table]  # type: ignore[misc]
    steps = [next_step(case.request, case.facts, case.now, case.limits) for case in cases]
    reached = {step.status.reason for step in steps if isinstance(step, Record | Wait)}
    claimed = claim(NEW, ready(THERE), NOW, "attempt-1")

    assert {claimed.reason} | reached - {None} == {str(reason) for reason in Reason}


# The claim (rule 1)


def test_rule_1_the_claim_freezes_what_it_is_for() -> None:
    status = claim(NEW, ready(THERE), NOW, "attempt-1")

    records(
        SUBMITTING,
        Reason.SUBMITTING,
        attempt=Attempt(1, "attempt-1", NOW.time),
        target=FIRST_SEEN_TARGET,
    ).check(Record(status), NEW)


def test_rule_1_another_claim_has_another_id_and_no_job() -> None:
    request = retrying()
    fewer = Entry(3, BORN)  # the first attempt got that far; what was asked for stays on record
    status = claim(request, retry_look(60, fewer, fewer), NOW, "attempt-2")

    records(
        SUBMITTING,
        Reason.SUBMITTING,
        attempt=Attempt(2, "attempt-2", NOW.time),
        earlier_attempts=(EarlierAttempt(1, "attempt-1", CLAIMED, FAILED_JOB),),
        job=None,
        progress=None,
    ).check(Record(status), request)


def test_rule_7_the_claim_keeps_the_incarnation_that_was_bound() -> None:
    status = claim(BOUND, ready(SAME_OTHERWISE_WRITTEN), NOW, "attempt-1")

    assert status.target == TARGET


# Who has the target (rule 10), and who a job slot

OLDER = a_request(PENDING, made=MADE - timedelta(seconds=1), uid="uid-older")
YOUNGER = a_request(PENDING, made=MADE + timedelta(seconds=1), uid="uid-younger")


def like(request: Request, other: Request) -> Request:
    """`request` in the state of `other`."""
    return dataclasses.replace(
        request, spec=other.spec, status=other.status, withdrawn=other.withdrawn, gone=other.gone
    )


COMPLETED = report("completed")

HOLDERS = [
    pytest.param([], None, id="nobody"),
    pytest.param([(YOUNGER, known()), (OLDER, known())], OLDER, id="the-oldest"),
    pytest.param(
        [
            (dataclasses.replace(OLDER, uid="uid-b"), known()),
            (dataclasses.replace(OLDER, uid="uid-a"), known()),
        ],
        dataclasses.replace(OLDER, uid="uid-a"),
        id="of-the-same-age-the-lower-uid",
    ),
    *(
        pytest.param([(OLDER, known()), (like(YOUNGER, other), facts)], keeper, id=f"{name}")
        for name, other, facts, keeper in (
            (
                "an-open-attempt-keeps-it",
                a_request(SUBMITTING),
                known(),
                like(YOUNGER, a_request(SUBMITTING)),
            ),
            ("a-claim-under-way-keeps-it", a_request(), known(claiming=True), like(YOUNGER, a_request())),
            ("a-running-job-keeps-it", a_request(RUNNING), known(), like(YOUNGER, a_request(RUNNING))),
            (
                "a-withdrawn-attempt-keeps-it",
                COLUMNS["gone while submitting"],
                known(),
                like(YOUNGER, COLUMNS["gone while submitting"]),
            ),
            (
                "a-withdrawn-job-keeps-it",
                COLUMNS["gone while running"],
                known(),
                like(YOUNGER, COLUMNS["gone while running"]),
            ),
            ("a-job-past-its-deadline-keeps-it", OVERTIME, known(), like(YOUNGER, OVERTIME)),
            ("until-its-end-was-seen", OVERTIME, COMPLETED, OLDER),
            ("or-the-server-forgot-it", OVERTIME, unknown(3, over=15), OLDER),
            (
                "an-attempt-keeps-it-while-suspended",
                a_request(RUNNING, suspend=True),
                known(),
                like(YOUNGER, a_request(RUNNING, suspend=True)),
            ),
        )
    ),
    *(
        pytest.param([(like(OLDER, other), known()), (YOUNGER, known())], YOUNGER, id=f"{name}-holds-nothing")
        for name, other in (
            ("suspended", HELD),
            ("suspended-but-not-written-yet", a_request(PENDING, suspend=True)),
            ("succeeded", a_request(SUCCEEDED)),
            ("failed", a_request(FAILED)),
            ("failed-between-attempts", over(Reason.DEADLINE_EXCEEDED, job=FAILED_JOB)),
            ("withdrawn", a_request(PENDING, withdrawn=True)),
        )
    ),
    pytest.param(
        [(like(OLDER, resumed()), known()), (YOUNGER, known())], like(OLDER, resumed()), id="resumed"
    ),
]


@dataclasses.dataclass
class Worked:
    request: Request
    facts: Facts


@pytest.mark.parametrize(("rivals", "expected"), HOLDERS)
def test_rule_10_one_request_has_the_target(
    rivals: list[tuple[Request, Facts]], expected: Request | None
) -> None:
    for order in (rivals, rivals[::-1]):
        targets = Targets(lambda _: None, lambda: NOW.time)
        for request, facts in order:
            targets.update(Worked(request, facts))

        assert targets.owner(YOUNGER) == expected


@pytest.mark.parametrize(
    ("request_", "facts", "expected"),
    [
        pytest.param(NEW, known(), False, id="new"),
        pytest.param(BOUND, ready(THERE), False, id="pending"),
        pytest.param(HELD, known(), False, id="suspended"),
        pytest.param(VERIFYING, known(), True, id="submitting"),
        pytest.param(RUNNING_REQUEST, known(), True, id="running"),
        pytest.param(COLUMNS["gone while running"], known(), True, id="withdrawn-with-a-job"),
        pytest.param(a_request(RUNNING, deadline=595), known(), False, id="past-its-deadline"),
        pytest.param(a_request(SUCCEEDED), known(), False, id="succeeded"),
    ],
)
def test_a_job_that_may_run_uses_a_slot(request_: Request, facts: Facts, *, expected: bool) -> None:
    assert uses_slot(request_, facts.polls, NOW) is expected


# When a wait is over, and when it is worth a write


@pytest.mark.parametrize(
    ("request_", "until", "expected"),
    [
        pytest.param(BOUND, ahead(5), ahead(5), id="its-own-time"),
        pytest.param(a_request(PENDING, deadline=598), ahead(5), ahead(3), id="rule-12-or-the-deadline"),
        pytest.param(
            a_request(PENDING, deadline=598), None, ahead(3), id="rule-12-also-where-nothing-else-wakes"
        ),
        pytest.param(a_request(PENDING, deadline=598), ahead(2), ahead(2), id="whatever-comes-first"),
        pytest.param(
            a_request(SUBMITTING, deadline=9), ahead(5), ahead(5), id="a-deadline-that-is-over-is-no-time"
        ),
        pytest.param(NEW, None, None, id="a-clock-that-does-not-run"),
        pytest.param(HELD, ahead(60), ahead(60), id="suspended"),
        pytest.param(OVERTIME, ahead(5), ahead(5), id="ended"),
        pytest.param(a_request(PENDING, deadline=598, gone=True), ahead(5), ahead(5), id="gone"),
    ],
)
def test_a_wait_wakes(request_: Request, until: float | None, expected: float | None) -> None:
    assert wake_at(Wait(until, request_.status), request_, NOW) == expected


@pytest.mark.parametrize(
    ("request_", "shown", "expected"),
    [
        pytest.param(NEW, a_status(PENDING), ago(2) + 1, id="a-wait-is-written-after-a-second"),
        pytest.param(BOUND, a_status(PENDING, Reason.TARGET_BUSY), ago(2), id="behind-another-at-once"),
        pytest.param(
            BOUND, a_status(PENDING, Reason.SERVER_UNAVAILABLE), ago(2) + 1, id="another-reason-too"
        ),
        pytest.param(
            RUNNING_REQUEST, a_status(RUNNING, progress="41/100 (41%)"), ago(3) + 5, id="progress-each-five"
        ),
        pytest.param(
            a_request(RUNNING, generation=2),
            a_status(RUNNING, observed_generation=2),
            0.0,
            id="a-new-generation-at-once",
        ),
    ],
)
def test_a_wait_is_worth_a_write(request_: Request, shown: Any, expected: float) -> None:
    assert write_due(request_, shown, ago(2), known(written=ago(3))) == expected


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 10), (2, 20), (3, 40), (6, 320), (7, 360), (20, 360), (9999, 360)]
)
def test_rule_6_the_wait_before_another_attempt_doubles(attempts: int, seconds: float) -> None:
    assert retry_delay(attempts) == seconds
