"""What this process knows of a request beyond the object itself, by topic. Values only; `lifecycle` decides
from them, and a function that needs one topic takes that one.

All of it may be lost in a crash: what must survive is in the object's status. Ticks are seconds on this
process' monotonic clock (`clock.Now.ticks`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from moorcheh_operator.api.status import Status, Target
from moorcheh_operator.api.times import parse_birth
from moorcheh_operator.backoff import Trouble, failed
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
from moorcheh_operator.servers.definitions import NameReuse

from .access import Access, Undecided
from .kubernetes_namespace import NamespaceState

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


class Admission(Struct, frozen=True):
    """Whether it may begin. The default is that it may not."""

    access: Access = Undecided("not asked yet")
    access_since: float = 0.0  # ticks: since when it is what it is
    namespace: NamespaceState | None = None  # its Kubernetes namespace; None: not asked yet
    listed: bool = False  # the first complete list since the start is in (rule 10)
    lost: str | None = None  # what had become of it in a history of the API server that is lost (rule 18)


class Rivals(Struct, frozen=True):
    """Who else wants the target, or may have deleted it before."""

    owner: str | None = None  # the request that has the target instead of this one
    queued: bool = False  # stood behind another request for the same target
    last_end: datetime | None = None  # when another request for the target last ended (cluster time)
    rewound: bool = False  # this one was known in a history of the API server that is lost


class Holding(Struct, frozen=True):
    """What it holds for a claim."""

    since: float | None = None  # ticks: target, job slot and connection are all held
    claiming: bool = False  # its claim is under way: it may have landed already
    slots_full: bool = False  # no job slot was free at the last try


class Seen(Struct, frozen=True):
    """What the server's listing showed of the target."""

    bound: Target | None = None  # the first look that found it, until the status has it
    looks: tuple[Look, ...] = ()  # since the last reset, oldest first
    outage: Trouble | None = None  # the look-up fails


class Sending(Struct, frozen=True):
    """What became of a DELETE of this process."""

    last: Sent | None = None
    hold_off: Trouble | None = None  # the last one was refused, or surely not sent


class Polls(Struct, frozen=True):
    """What the server said of the job."""

    last: Polled | None = None
    unknown_since: float | None = None  # ticks: first of the 404s in a row
    unknown_count: int = 0
    trouble: Trouble | None = None


class Facts(Struct, frozen=True):
    first_seen: float  # ticks: when this process first saw the current attempt, phase or job's end
    admission: Admission = Admission()
    rivals: Rivals = Rivals()
    holding: Holding = Holding()
    seen: Seen = Seen()
    sending: Sending = Sending()
    polls: Polls = Polls()
    name_reuse: NameReuse = NameReuse.POSSIBLE  # at its server, as the servers file says now
    written: float = 0.0  # ticks of the last status write


def after_look(
    facts: Facts,
    name: str,
    answer: LookUpAnswer,
    started: float,
    answered: float,
    server: str | None = None,
) -> Facts:
    seen = facts.seen
    match answer:
        case Unavailable(error):
            return replace(facts, seen=replace(seen, outage=failed(seen.outage, error, answered)))
        case Listing(entries, skew):
            look = Look(entries.get(name), started, answered, skew, server)
            bound = seen.bound
            if look.entry is not None and (bound is None or parse_birth(bound.creation_time) is None):
                bound = Target(True, look.entry.item_count, look.entry.creation_time, server=server)
            return replace(facts, seen=Seen(bound, (*seen.looks[-LOOKS_KEPT:], look)))


def after_send(facts: Facts, sent: Sent) -> Facts:
    hold_off = None
    match sent.answer:
        case NotSent(error):
            hold_off = failed(facts.sending.hold_off, error, sent.answered)
        case Refused(error, retry_after):
            trouble = failed(facts.sending.hold_off, error, sent.answered)
            until = max(trouble.until, sent.answered + (retry_after or 0.0))
            hold_off = dataclasses.replace(trouble, until=until, refused=True)
        case _:
            pass
    return replace(facts, sending=Sending(sent, hold_off), seen=replace(facts.seen, looks=()))


def after_poll(facts: Facts, answer: PollAnswer, answered: float) -> Facts:
    polls, last = facts.polls, Polled(answer, answered)
    match answer:
        case JobReport():
            return replace(facts, polls=Polls(last))
        case JobUnknown():
            first = answered if polls.unknown_since is None else polls.unknown_since
            return replace(facts, polls=Polls(last, first, polls.unknown_count + 1))
        case Unavailable(error):
            return replace(facts, polls=Polls(last, trouble=failed(polls.trouble, error, answered)))


def elsewhere(facts: Facts, ticks: float) -> Facts:
    """The request's server is another one: what was seen of the old one counts for nothing."""
    return replace(
        new_chapter(facts, ticks),
        seen=Seen(),
        sending=replace(facts.sending, hold_off=None),
        holding=replace(facts.holding, slots_full=False),
    )


def new_chapter(facts: Facts, ticks: float) -> Facts:
    """The phase, attempt or job is another one: what was seen of the old one counts no more."""
    return replace(facts, first_seen=ticks, seen=replace(facts.seen, looks=()), polls=Polls())
