"""What a policy's task does next: by the object, by what this process knows, and by the time. Pure.

As in `lifecycle`, nothing is remembered here: a crash, a stale read or another writer is dealt with by
asking again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec.structs import replace

from moorcheh_operator.api.policy import LastRun, Matching, Policy, PolicyStatus, Result
from moorcheh_operator.api.status import Condition
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import render_time
from moorcheh_operator.clock import Now

from . import selection
from .facts import Facts, Look
from .runs import (
    BATCH,
    LABEL_MOST,
    Due,
    advanced,
    begun,
    came_back,
    cut_short,
    due,
    forbidden,
    is_late,
    missed,
    requests_for,
    why_cut_short,
)
from .schedule import ScheduleError, TimeZoneError, next_after
from .selection import Matches, matches
from .steps import AskRight, Create, LookUp, Record, Step, Wait

PREVIEW_SECONDS = 60.0  # between two looks of the live preview
FRESH_SECONDS = 10.0  # oldest look that a run may rest on
RIGHT_SECONDS = 60.0  # until a right that is missing is asked for again
NAMES_SHOWN = 20


class Reason(StrEnum):
    """Of the conditions."""

    SCHEDULED = "Scheduled"
    SUSPENDED = "Suspended"
    SERVER_UNAVAILABLE = "ServerUnavailable"
    INVALID_SPEC = "InvalidSpec"
    INVALID_SCHEDULE = "InvalidSchedule"
    INVALID_TIME_ZONE = "InvalidTimeZone"
    SERVER_NOT_FOUND = "ServerNotFound"
    NOT_ALLOWED = "NotAllowed"
    CREATE_FORBIDDEN = "CreateForbidden"
    RESTORED_FROM_BACKUP = "RestoredFromBackup"


@dataclass(frozen=True, slots=True)
class Stall:
    """Somebody has to act."""

    reason: Reason
    message: str
    of_spec: bool = False  # no run is planned before the spec has changed
    blind: bool = True  # there is nothing to look up


def next_step(policy: Policy, facts: Facts, now: Now) -> Step:
    if policy.withdrawn:
        return Wait(now.ticks + PREVIEW_SECONDS)
    run = policy.status.last_run
    if run is not None and run.result == Result.CREATING:
        return _go_on(policy, run, facts, now)
    stall = stalled(policy, facts)
    if stall is None and facts.right is None:
        return AskRight()
    if stall is not None and stall.reason is Reason.CREATE_FORBIDDEN and _right_is_old(facts, now):
        return AskRight()
    to_make = None if stall is not None and stall.of_spec else due(policy, now)
    if to_make is not None and to_make.scheduled <= _made_until(policy, facts):
        to_make = None  # the clock was set back
    if to_make is not None:
        return _run(policy, to_make, facts, stall, now)
    if (stall is None or not stall.blind) and (step := _look(facts, now)) is not None:
        return step
    return _show(policy, facts, stall, now)


def stalled(policy: Policy, facts: Facts) -> Stall | None:
    if came_back(policy, facts):
        words = (
            "It came back with an earlier state of the cluster, and had been changed or deleted since. "
            "Create it again, or change its spec, if it is wanted."
        )
        return Stall(Reason.RESTORED_FROM_BACKUP, words, of_spec=True)
    return _by_spec(policy) or _by_surroundings(policy, facts)


def _by_spec(policy: Policy) -> Stall | None:
    spec = policy.spec

    def stall(reason: Reason, message: str) -> Stall:
        return Stall(reason, message, of_spec=True)

    if policy.flaws:
        words = (
            f"This can't be what was meant: {policy.flaws[0]}. Nothing is created until that is taken out."
        )
        return stall(Reason.INVALID_SPEC, words)
    if (flaw := selection.flaw(spec.select)) is not None:
        return stall(Reason.INVALID_SPEC, f"{flaw}.")
    if spec.max_deletions_per_run < 1:
        return stall(Reason.INVALID_SPEC, "spec.maxDeletionsPerRun is below 1.")
    if len(policy.name) > LABEL_MOST:
        words = f"metadata.name has more than {LABEL_MOST} characters: create the policy under a shorter one."
        return stall(Reason.INVALID_SPEC, words)
    try:
        next_after(spec.schedule, spec.time_zone, policy.creation_time)
    except ScheduleError as error:
        words = (
            f'spec.schedule "{plain_text(spec.schedule)}" is no schedule ({error}): it needs five fields '
            '(minute, hour, day of the month, month, day of the week), such as "0 3 * * *", or @daily.'
        )
        return stall(Reason.INVALID_SCHEDULE, words)
    except TimeZoneError:
        words = f'spec.timeZone "{plain_text(spec.time_zone)}" is no IANA time zone such as Europe/Berlin.'
        return stall(Reason.INVALID_TIME_ZONE, words)
    return None


def _by_surroundings(policy: Policy, facts: Facts) -> Stall | None:
    if facts.server is None:
        words = (
            f'There is no server "{policy.spec.server}" (spec.serverRef.name). It waits for one; if the name '
            "is wrong, create another policy."
        )
        return Stall(Reason.SERVER_NOT_FOUND, words)
    if facts.shut_out is not None:
        return Stall(Reason.NOT_ALLOWED, facts.shut_out)
    if facts.right is not None and not facts.right.given:
        return Stall(Reason.CREATE_FORBIDDEN, forbidden(policy), blind=False)
    return None


def _right_is_old(facts: Facts, now: Now) -> bool:
    return facts.right is None or now.ticks >= facts.right.asked + RIGHT_SECONDS


def _made_until(policy: Policy, facts: Facts) -> datetime:
    made = [policy.creation_time]
    if (run := policy.status.last_run) is not None:
        made.append(run.scheduled_time)
    if facts.known is not None and facts.known.made_until is not None:
        made.append(facts.known.made_until)
    return max(made)


def _run(policy: Policy, to_make: Due, facts: Facts, stall: Stall | None, now: Now) -> Step:
    if is_late(policy, to_make, now):
        why = facts.outage.error if facts.outage else stall.message if stall else None
        return _recorded(policy, missed(policy, to_make, why, now), facts, stall, now)
    if stall is not None and stall.blind:
        return _show(policy, facts, stall, now)
    if facts.outage is not None and now.ticks < facts.outage.until:
        return _show(policy, facts, stall, now)
    look = facts.look
    if look is None or facts.outage is not None or look.asked < to_make.scheduled:
        return LookUp(anew=True)
    if now.ticks > look.answered + FRESH_SECONDS:
        return LookUp(anew=True)
    run = begun(policy, to_make, look, _found(policy, facts, look), facts)
    return _recorded(policy, run, facts, stall, now)


def _recorded(policy: Policy, run: LastRun, facts: Facts, stall: Stall | None, now: Now) -> Step:
    return Record(shown(policy, facts, stall, now, run))


def _go_on(policy: Policy, run: LastRun, facts: Facts, now: Now) -> Step:
    """A run that is under way, whoever has begun it: what remains is created, and nothing else."""
    after = advanced(run, facts.creations)
    if after != run:
        return Record(replace(policy.status, last_run=after))
    if (why := why_cut_short(policy, run, facts, now)) is not None:
        return Record(replace(policy.status, last_run=cut_short(run, why)))
    if facts.create_outage is not None and now.ticks < facts.create_outage.until:
        return Wait(facts.create_outage.until)
    return Create(requests_for(policy, run, run.remaining[:BATCH]))


def _look(facts: Facts, now: Now) -> Step | None:
    if facts.outage is not None:
        return LookUp(anew=False) if now.ticks >= facts.outage.until else None
    if facts.look is None or now.ticks >= facts.look.answered + PREVIEW_SECONDS:
        return LookUp(anew=False)
    return None


def _show(policy: Policy, facts: Facts, stall: Stall | None, now: Now) -> Step:
    status = shown(policy, facts, stall, now)
    if status != policy.status:
        return Record(status)
    until = now.ticks + PREVIEW_SECONDS
    if facts.outage is not None:
        until = min(until, max(facts.outage.until, now.ticks + 1))
    elif facts.look is not None:
        until = min(until, max(facts.look.answered + PREVIEW_SECONDS, now.ticks + 1))
    if status.next_run_time is not None and status.next_run_time > now.time:
        until = min(until, now.ticks + (status.next_run_time - now.time).total_seconds())
    return Wait(until)


def shown(
    policy: Policy, facts: Facts, stall: Stall | None, now: Now, run: LastRun | None = None
) -> PolicyStatus:
    """The status as it should be; `run`: one that was begun or skipped just now."""
    before = policy.status
    status = replace(
        before,
        observed_generation=policy.generation,
        last_run=run or before.last_run,
        matching=_matching(policy, facts, stall, before.matching),
    )
    if stall is not None and stall.of_spec:
        status = replace(status, matching=None)
    status = replace(status, next_run_time=_planned(policy, status, facts, stall, now))
    return replace(status, conditions=_conditions(policy, facts, stall, status.next_run_time, now))


def _planned(
    policy: Policy, status: PolicyStatus, facts: Facts, stall: Stall | None, now: Now
) -> datetime | None:
    """One that has come stays until it is made or skipped."""
    spec, before = policy.spec, policy.status
    if spec.suspend or (stall is not None and stall.of_spec):
        return None
    made = _made_until(policy, facts)
    if status.last_run is not None:
        made = max(made, status.last_run.scheduled_time)
    if before.observed_generation == policy.generation:
        announced = before.next_run_time
        if announced is not None and made < announced <= now.time and status.last_run == before.last_run:
            return announced
    try:
        return next_after(spec.schedule, spec.time_zone, max(now.time, made))
    except ScheduleError:
        return None


def _found(policy: Policy, facts: Facts, look: Look) -> Matches:
    assert facts.server is not None  # noqa: S101 - else the policy is stalled
    return matches(policy.spec.select, look.listing, facts.server, look.asked)


def _matching(policy: Policy, facts: Facts, stall: Stall | None, before: Matching | None) -> Matching | None:
    if facts.look is None or (stall is not None and stall.blind):
        return before
    found = _found(policy, facts, facts.look)
    matching = Matching(
        count=len(found.names),
        skipped=sum(name in facts.look.busy for name in found.names),
        unverifiable=found.unverifiable,
        observation_time=facts.look.asked.replace(microsecond=0),
        names=found.names[:NAMES_SHOWN],
    )
    if before is not None and replace(matching, observation_time=before.observation_time) == before:
        return before
    return matching


def _conditions(
    policy: Policy, facts: Facts, stall: Stall | None, planned: datetime | None, now: Now
) -> tuple[Condition, ...]:
    before = policy.status
    if stall is not None:
        values = [
            ("Ready", "False", stall.reason, stall.message),
            ("Stalled", "True", stall.reason, stall.message),
        ]
    elif facts.outage is not None:
        words = f"The server can't be asked what it has: {facts.outage.error}"
        values = [("Ready", "Unknown", Reason.SERVER_UNAVAILABLE, words)]
    elif policy.spec.suspend:
        words = "No runs, as spec.suspend is true; status.matching shows what one would find."
        values = [("Ready", "True", Reason.SUSPENDED, words)]
    else:
        words = "It never runs again." if planned is None else f"The next run is at {render_time(planned)}."
        values = [("Ready", "True", Reason.SCHEDULED, words)]
    known = {condition.type: condition for condition in before.conditions}
    return tuple(
        Condition(
            type=kind,
            status=value,
            reason=str(reason),
            message=message,
            last_transition_time=known[kind].last_transition_time
            if kind in known and known[kind].status == value
            else now.time.replace(microsecond=0),
            observed_generation=policy.generation,
        )
        for kind, value, reason, message in values
    )
