"""The protocol of design section 3 as a small machine: who may do what next, in a world that does its worst.

One target; operators that may all believe they lead; requests for the target; a server that bears jobs, fails
and forgets them; an owner who creates the namespace anew whenever he likes. Incarnations of the target are
numbered 0, 1, 2 … by age. What an operator knows is a view that may be stale. A DELETE, its answer and a
status write may be late or lost, and an operator may crash at any point.

What the real code measures in seconds is here an order of events: the settle time is over once no DELETE of
the attempt can arrive any more, and a request is young while a new incarnation still falls under the
tolerance of rule 8. Not covered by the rules, so not counted as wrong: an incarnation created between
the look and the arrival of the DELETE (rule 14).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TypeVar

import msgspec

T = TypeVar("T")

ABSENT = -1
NONE = -1
PENDING, SUBMITTING, RUNNING, SUCCEEDED, FAILED = "Pending", "Submitting", "Running", "Succeeded", "Failed"
ENDED = (SUCCEEDED, FAILED)
OPEN = (SUBMITTING, RUNNING)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules as they are. Each field is a way in which an earlier draft of them lost data."""

    blind_writes: tuple[str, ...] = ()  # kinds of status writes without compare-and-set
    oldest_takes_all: bool = False  # also from a request whose job runs
    verdict_unsettled: bool = False  # looks count at once
    retry_after_unknown: bool = False  # "still there" is taken for "was never deleted"
    retry_any_incarnation: bool = False
    tolerance_for_all: bool = False  # also for a request that waited behind another one
    looks_rebind: bool = False  # the newest look says which incarnation the request is for
    resume_attempts: bool = False  # a restarted operator sends for an attempt that it finds
    claim_before_list: bool = False  # a started operator acts on the first request that it sees
    keep_attempt_id: bool = False  # another attempt goes under the id of the one before
    retry_without_job: bool = False  # "still there" is taken for "the server has given up"


@dataclass(frozen=True, slots=True)
class Setting:
    operators: int = 1
    requests: int = 1
    limit: int = 1  # further attempts
    dated: bool = True  # the server shows creation times
    never_reused: bool = False  # the servers file says so …
    reused: bool = False  # … and it is not true
    jobless: bool = False  # the server accepts without a job, as in the cloud
    held: bool = False  # the older request starts out suspended
    tolerance: bool = False  # requests start out young
    # How often each fault may strike.
    crashes: int = 1
    late_writes: int = 1
    lost: int = 1  # DELETEs or answers
    births: int = 2  # new incarnations
    failures: int = 1  # of jobs, by failing or by being forgotten


class Value(msgspec.Struct, frozen=True):
    """What a state is made of. States share most of it, so each is hashed once."""

    def but(self, **changes: Any) -> Self:
        return msgspec.structs.replace(self, **changes)


class Status(Value, frozen=True, gc=False, cache_hash=True):
    phase: str = PENDING
    number: int = 0
    attempt: int = 0  # its id
    job: int = 0  # its id
    over: str = ""  # how the server ended the last job: failed, unknown
    target: int = NONE
    busy: bool = False  # TargetBusy
    verifying: bool = False


class Truth(Value, frozen=True, gc=False, cache_hash=True):
    """A request as the API server has it, and what the world remembers of it."""

    status: Status = Status()
    made: bool = False
    held: bool = False
    old: int = 0  # the newest incarnation when it was made
    tolerated: int = 0  # the newest one that was born within the tolerance
    young: bool = True
    ids: int = 0
    bound: int = NONE  # the first target that was written
    rival_ended: bool = False  # after this one was made
    sent: tuple[int, ...] = ()  # attempts whose DELETE left


class Task(Value, frozen=True, gc=False, cache_hash=True):
    """What an operator knows of one request."""

    view: Status | None = None
    current: bool = False  # the view is what the API server has
    queued: bool = False
    bound: int = NONE
    looks: tuple[int, ...] = ()  # the first and the last that agree
    was_gone: bool = False  # an earlier look of this chapter showed it absent
    own: int = 0  # the attempt that it claimed itself …
    hand: str = ""  # … and what became of it: won, sent, accepted, unsent, unclear, answered
    job: int = 0
    seen: int = NONE  # by the look that led to the claim
    back: Status | None = None


class Delete(Value, frozen=True, gc=False, cache_hash=True):
    """A DELETE on its way."""

    request: int
    attempt: int
    number: int
    seen: int


class Job(Value, frozen=True, gc=False, cache_hash=True):
    id: int
    request: int
    attempt: int
    incarnation: int
    state: str = "running"  # done, failed, unknown


class Write(Value, frozen=True, gc=False, cache_hash=True):
    """A status write that is late: its sender has given up on an answer."""

    request: int
    kind: str
    old: Status
    new: Status
    current: bool = True  # nothing has landed since it was built


class Faults(Value, frozen=True, gc=False, cache_hash=True):
    crashes: int
    late_writes: int
    lost: int
    births: int
    failures: int


class World(Value, frozen=True, gc=False, cache_hash=True):
    faults: Faults
    requests: tuple[Truth, ...]
    operators: tuple[tuple[Task, ...] | None, ...]  # None: not running
    present: int = 0
    born: int = 0
    deletes: tuple[Delete, ...] = ()
    jobs: tuple[Job, ...] = ()
    writes: tuple[Write, ...] = ()


def first_world(setting: Setting) -> World:
    truths = tuple(
        Truth(made=number == 0, held=setting.held and number == 0, young=setting.tolerance)
        for number in range(setting.requests)
    )
    faults = Faults(setting.crashes, setting.late_writes, setting.lost, setting.births, setting.failures)
    return World(faults, truths, (None,) * setting.operators)


def shape(world: World) -> World:
    """Operators are alike: which is called 0 and which 1 makes no difference."""
    if len(world.operators) > 1 and hash(world.operators[0]) > hash(world.operators[1]):
        return world.but(operators=world.operators[::-1])
    return world


def all_ended(world: World) -> bool:
    return all(truth.made and truth.status.phase in ENDED for truth in world.requests)


def swap(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    return (*items[:place], item, *items[place + 1 :])
