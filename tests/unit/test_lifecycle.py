"""The life of a request, as tables: this request with these facts does that (design sections 2 and 3).

First a grid of every phase against every fact, by the kind of step; then the same decisions with every field
they write; then the rules that hold over all of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from moorcheh_operator.answers import (
    Accepted,
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
from moorcheh_operator.facts import Facts, Polled
from moorcheh_operator.lifecycle import Claim, Forget, LookUp, Poll, Record, Wait, next_step
from moorcheh_operator.model import Job, Phase, Reason, Request
from tests.unit.builders import (
    ABSENT,
    ATTEMPT,
    EARLIER,
    FAILED_JOB,
    JOB,
    LIMITS,
    MADE,
    NEWER,
    NOW,
    SETTLE,
    TARGET,
    THERE,
    UNDATED,
    UNPARSABLE,
    a_request,
    ago,
    looks,
    ready,
    sent,
    trouble,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moorcheh_operator.lifecycle import Step

PENDING, SUSPENDED, SUBMITTING = Phase.PENDING, Phase.SUSPENDED, Phase.SUBMITTING
RUNNING, SUCCEEDED, FAILED = Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED


def seen(seconds: float = 1.0, **facts: Any) -> Facts:
    """This process first saw the attempt, phase or job's end so many seconds ago."""
    return Facts(first_seen=ago(seconds), **facts)


def polled(answer: PollAnswer, *, answered: float = 0.0, first_seen: float = 100.0, **facts: Any) -> Facts:
    return Facts(first_seen=ago(first_seen), polled=Polled(answer, ago(answered)), **facts)


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
    FAILED, Reason.DEADLINE_EXCEEDED, job=JOB, attempt=ATTEMPT, target=TARGET, progress="40/100 (40%)"
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
    "gone while pending": a_request(PENDING, target=TARGET, withdrawn=True),
    "gone while submitting": a_request(SUBMITTING, withdrawn=True),
    "gone while running": a_request(RUNNING, withdrawn=True),
}
"""`overtime`: ended by its deadline while its job still runs. `gone …`: withdrawn."""

FACTS = {
    "nothing": seen(),
    "no first list": seen(may_claim=False),
    "holder, no look": seen(holder="team/older"),
    "holder, looked": seen(holder="team/older", looks=looks(THERE)),
    "holder, outage": seen(holder="team/older", outage=trouble(5)),
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
holder, no look          | look                     | look                     | look           | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
holder, looked           | wait TargetBusy          | wait TargetBusy          | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
holder, outage           | wait TargetBusy          | wait TargetBusy          | Suspended      | wait Verifying    | poll              | forget    | forget | poll                  | forget             | wait Submitting       | poll
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
poll: completed          | look to claim            | look to claim            | look           | look              | DeletionCompleted | forget    | forget | forget                | forget             | forget                | forget
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
