"""What this process knows of a request beyond the object itself. Values only; `lifecycle` decides from them.

All of it may be lost in a crash: what must survive is in the object's status. Ticks are seconds on this
process' monotonic clock (`clock.Now.ticks`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from moorcheh_operator.api.status import Status, Target
from moorcheh_operator.api.times import parse_birth
from moorcheh_operator.backoff import backoff
from moorcheh_operator.moorcheh.answers import (
    Entry,
    JobReport,
    JobUnknown,
    Listing,
    LookUpAnswer,
    NotSent,
    PollAnswer,
    Refused,
    SendAnswer,
    Unavailable,
)

from .access import Access, Open
from .kubernetes_namespace import ALWAYS_ACTIVE, NamespaceState

LOOKS_KEPT = 32  # a verdict needs the first and the last of a run that agrees


@dataclass(frozen=True, slots=True)
class Look:
    """One answer of the server's listing about this request's target."""

    entry: Entry | None  # None: absent
    started: float  # ticks
    answered: float
    skew: timedelta = timedelta()
    server: str | None = None  # the URL of the server that was asked


@dataclass(frozen=True, slots=True)
class Trouble:
    """Failures in a row of one kind of call, and when to try again (ticks)."""

    error: str
    count: int
    until: float
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the DELETE of the attempt `attempt_id`, which this process claimed."""

    attempt_id: str
    answer: SendAnswer
    answered: float  # ticks
    before: Status  # the status that the claim replaced, to go back to where nothing was sent


@dataclass(frozen=True, slots=True)
class Polled:
    answer: PollAnswer
    answered: float  # ticks


@dataclass(frozen=True, slots=True)
class Facts:
    """See the fields. The default is a process that has just seen the request and may act."""

    access: Access = Open()  # noqa: RUF009 - a frozen value
    access_since: float = 0.0  # ticks: since when it is what it is
    namespace: NamespaceState | None = ALWAYS_ACTIVE  # its Kubernetes namespace; None: not asked yet
    rewound: bool = False  # it was known in a history of the API server that is lost …
    lost: str | None = None  # … with this, which it no longer shows
    may_claim: bool = True  # the first complete list since the start is in (rule 10)
    owner: str | None = None  # the request that has the target instead of this one
    queued: bool = False  # stood behind another request for the same target
    rival_end: datetime | None = None  # when another request for the target last ended (cluster time)
    held_since: float | None = None  # ticks: target, job slot and HTTP slot are all held
    claiming: bool = False  # its claim is under way: it may have landed already
    slots_full: bool = False  # no job slot was free at the last try
    bound: Target | None = None  # the first look that found the target, until the status has it
    looks: tuple[Look, ...] = ()  # since the last reset, oldest first
    outage: Trouble | None = None  # the look-up fails
    hold_off: Trouble | None = None  # the last DELETE was refused or surely not sent
    sent: Sent | None = None
    first_seen: float = 0.0  # ticks: when this process first saw the current attempt, phase or job's end
    polled: Polled | None = None
    unknown_since: float | None = None  # ticks: first of the 404s in a row to polls
    unknown_count: int = 0
    poll_trouble: Trouble | None = None
    written: float = 0.0  # ticks of the last status write


def after_look(
    facts: Facts,
    name: str,
    answer: LookUpAnswer,
    started: float,
    answered: float,
    server: str | None = None,
) -> Facts:
    match answer:
        case Unavailable(error):
            count = facts.outage.count + 1 if facts.outage else 1
            return dataclasses.replace(facts, outage=Trouble(error, count, until=answered + backoff(count)))
        case Listing(entries, skew):
            look = Look(entries.get(name), started, answered, skew, server)
            bound = facts.bound
            if look.entry is not None and (bound is None or parse_birth(bound.creation_time) is None):
                bound = Target(True, look.entry.item_count, look.entry.creation_time, server=server)
            return dataclasses.replace(
                facts, outage=None, looks=(*facts.looks[-LOOKS_KEPT:], look), bound=bound
            )


def after_send(facts: Facts, sent: Sent) -> Facts:
    count = facts.hold_off.count + 1 if facts.hold_off else 1
    hold_off = None
    match sent.answer:
        case NotSent(error):
            hold_off = Trouble(error, count, until=sent.answered + backoff(count))
        case Refused(error, retry_after):
            wait = max(backoff(count), retry_after or 0.0)
            hold_off = Trouble(error, count, until=sent.answered + wait, refused=True)
        case _:
            pass
    return dataclasses.replace(facts, sent=sent, hold_off=hold_off, looks=())


def after_poll(facts: Facts, answer: PollAnswer, answered: float) -> Facts:
    changed = dataclasses.replace(facts, polled=Polled(answer, answered))
    match answer:
        case JobReport():
            return dataclasses.replace(changed, unknown_since=None, unknown_count=0, poll_trouble=None)
        case JobUnknown():
            first = answered if facts.unknown_since is None else facts.unknown_since
            return dataclasses.replace(
                changed, unknown_since=first, unknown_count=facts.unknown_count + 1, poll_trouble=None
            )
        case Unavailable(error):
            count = facts.poll_trouble.count + 1 if facts.poll_trouble else 1
            trouble = Trouble(error, count, until=answered + backoff(count))
            return dataclasses.replace(changed, unknown_since=None, unknown_count=0, poll_trouble=trouble)


def elsewhere(facts: Facts, ticks: float) -> Facts:
    """The request's server is another one: what was seen of the old one counts for nothing."""
    return dataclasses.replace(
        new_chapter(facts, ticks), bound=None, outage=None, hold_off=None, slots_full=False
    )


def new_chapter(facts: Facts, ticks: float) -> Facts:
    """The phase, attempt or job is another one: what was seen of the old one counts no more."""
    return dataclasses.replace(
        facts,
        looks=(),
        first_seen=ticks,
        polled=None,
        unknown_since=None,
        unknown_count=0,
        poll_trouble=None,
    )
