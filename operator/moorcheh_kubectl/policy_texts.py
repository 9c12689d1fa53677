"""What is shown of a cleanup policy, as text: rows, the preview. Pure."""

from __future__ import annotations

from datetime import datetime

from moorcheh_operator.api.policy import Policy
from moorcheh_operator.api.status import Condition, Phase
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import render_time

from .texts import Lines, short_time

HEADER = ("NAME", "SCHEDULE", "MATCHING", "LAST RUN", "RESULT", "NEXT", "AGE")
WIDE = ("SERVER", "ZONE", "SUSPEND", "CREATED", "MESSAGE")
BRAKE = "TooManyMatches"
RENEWED = ", the newest look that found a change (the operator looks once a minute)"
"""A look that finds the same is not written: docs/reference.md, status.matching."""


def _condition(policy: Policy, kind: str) -> Condition | None:
    return next((each for each in policy.status.conditions if each.type == kind), None)


def is_shown(policy: Policy) -> bool:
    """Whether the operator has looked, or said why it can't, for the spec as it is."""
    if policy.status.observed_generation != policy.generation:
        return False
    return policy.status.matching is not None or _condition(policy, "Stalled") is not None


def too_many(policy: Policy) -> bool:
    matching = policy.status.matching
    return matching is not None and matching.count > policy.spec.max_deletions_per_run


def would_run(policy: Policy) -> bool:
    """Whether nothing keeps a run from creating what matches, if anything does."""
    return policy.status.matching is not None and not too_many(policy) and _trouble(policy) is None


def _trouble(policy: Policy) -> Condition | None:
    ready = _condition(policy, "Ready")
    return _condition(policy, "Stalled") or (
        ready if ready is not None and ready.status == "Unknown" else None
    )


def colour(policy: Policy) -> Phase | None:
    """As the phase of a request that is shown like that."""
    run = policy.status.last_run
    if _condition(policy, "Stalled") is not None or (run is not None and run.result == BRAKE):
        return Phase.FAILED
    return Phase.SUSPENDED if policy.spec.suspend else None


def row(policy: Policy, now: datetime, *, with_namespace: bool, wide: bool) -> list[str]:
    status, run = policy.status, policy.status.last_run
    ready = _condition(policy, "Ready")
    cells = [
        policy.name,
        plain_text(policy.spec.schedule),
        str(status.matching.count) if status.matching else "",
        short_time(now - run.time) if run else "",
        plain_text(run.result) if run else "",
        _next(policy, now),
        short_time(now - policy.creation_time),
    ]
    more = [
        policy.spec.server,
        plain_text(policy.spec.time_zone),
        str(policy.spec.suspend).lower(),
        str(run.created) if run else "",
        plain_text(ready.message) if ready else "",
    ]
    return [*([policy.namespace] if with_namespace else []), *cells, *(more if wide else [])]


def _next(policy: Policy, now: datetime) -> str:
    stalled = _condition(policy, "Stalled")
    if policy.spec.suspend:
        return "suspended"
    if policy.status.next_run_time is None:
        return stalled.reason if stalled else ""
    left = policy.status.next_run_time - now
    return f"in {short_time(left)}" if left.total_seconds() > 0 else "now"


def preview(policy: Policy, now: datetime, *, of_copy: bool) -> tuple[Lines, list[str]]:
    """The lines, and the names that are known of what matches."""
    spec, matching = policy.spec, policy.status.matching
    lines: Lines = [("Server", spec.server), ("Schedule", _schedule(policy, now, of_copy=of_copy))]
    if matching is not None:
        lines.append(("Matches", _count(matching.count, "namespace")))
        if matching.skipped:
            has = "has a request that has" if matching.skipped == 1 else "have requests that have"
            lines.append(("Skipped", f"{matching.skipped} of them {has} not ended yet"))
        if matching.unverifiable:
            many = _count(matching.unverifiable, "namespace")
            words = "the server shows no creation time or count, so they are left alone"
            lines.append(("Not judged", f"{many} more: {words}"))
        looked = render_time(matching.observation_time)
        lines.append(("Looked up", looked if of_copy else looked + RENEWED))
    lines.append(("A run then", _outcome(policy)))
    if (trouble := _trouble(policy)) is not None:
        lines.append(("But", plain_text(f"{trouble.reason}: {trouble.message}")))
    if matching is None:
        return lines, []
    names = [plain_text(name) for name in matching.names]
    hidden = matching.count - len(names)
    return lines, [*names, *([f"... and {hidden} more"] if hidden > 0 else [])]


def _outcome(policy: Policy) -> str:
    spec, matching = policy.spec, policy.status.matching
    if matching is None:
        return "is not known"
    if too_many(policy):
        return (
            f"would have created nothing: {matching.count} are more than maxDeletionsPerRun "
            f"({spec.max_deletions_per_run}), and ended as {BRAKE}"
        )
    if _trouble(policy) is not None:
        return "would have created nothing"
    requests = matching.count - matching.skipped
    if not requests:
        return "would have created nothing"
    held = ", suspended: each waits for its approval" if spec.template.suspend else ""
    return f"would have created {_count(requests, 'request')}{held}"


def _schedule(policy: Policy, now: datetime, *, of_copy: bool) -> str:
    spec = policy.spec
    words = f"{plain_text(spec.schedule)} ({plain_text(spec.time_zone)})"
    if of_copy:
        return words
    if spec.suspend:
        return f"{words}, suspended: no runs"
    if policy.status.next_run_time is None:
        return words
    return f"{words}, next at {render_time(policy.status.next_run_time)}, {_next(policy, now)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
