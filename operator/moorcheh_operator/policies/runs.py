"""One run: what it will create, the requests, and what becomes of it (docs/safety.md, rule 19). Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from moorcheh_operator.api.policy import POLICY_LABEL, RUN_ANNOTATION, UID_LABEL, LastRun, Policy, Result
from moorcheh_operator.api.request import GROUP, KIND, VERSION
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import JsonObject, render_time
from moorcheh_operator.clock import Now

from .facts import Creations, Facts, Forbidden, Look, Made, Refused, Unanswered
from .schedule import last_until
from .selection import Matches

BATCH = 10  # requests that are created before the run's progress is written
UNDATED_SECONDS = 30.0  # from the look: later, nothing tells the namespace that was seen from a newer one
LABEL_MOST = 63
NAME_PART_MOST = 100  # characters of the policy's and of the target's name in a request's


@dataclass(frozen=True, slots=True)
class Due:
    scheduled: datetime
    missed_before: datetime | None = None  # the first of earlier ones that were not made


def due(policy: Policy, now: Now) -> Due | None:
    """The run that is to be made now. Only times count that the status has announced: after a change of the
    spec no time that has passed is made up for.
    """
    spec, status = policy.spec, policy.status
    announced = status.next_run_time
    if announced is None or announced > now.time or status.observed_generation != policy.generation:
        return None
    latest = last_until(spec.schedule, spec.time_zone, now.time)
    if latest is None or latest <= announced:
        return Due(announced)
    return Due(latest, announced)


def begun(policy: Policy, due: Due, look: Look, found: Matches, facts: Facts) -> LastRun:
    """What is written before anything is created: all that will be."""
    most = policy.spec.max_deletions_per_run
    busy = tuple(name for name in found.names if name in look.busy)
    targets = tuple(name for name in found.names if name not in look.busy)
    run = LastRun(
        scheduled_time=due.scheduled,
        time=look.asked.replace(microsecond=0),
        matched=len(found.names),
        created=0,
        skipped=len(busy),
        unverifiable=found.unverifiable,
        result=Result.NOTHING_TO_DO,
        server=facts.server.url if facts.server else None,
    )
    if len(found.names) > most:
        words = (
            f"{len(found.names)} namespaces match, more than spec.maxDeletionsPerRun ({most}): nothing was "
            "created. Narrow spec.select, or raise it."
        )
        return replace(run, result=Result.TOO_MANY_MATCHES, message=words)
    if not targets:
        return replace(run, message=_missed_words(due, _summary(run)))
    if facts.right is not None and not facts.right.given:
        words = f"{len(targets)} namespaces match. {forbidden(policy)}"
        return replace(run, result=Result.CREATE_FORBIDDEN, message=words)
    return replace(
        run,
        result=Result.CREATING,
        remaining=targets,
        created_before=found.created_before,
        message=_missed_words(due, None),
    )


def missed(policy: Policy, due: Due, why: str | None, now: Now) -> LastRun:
    late = (now.time - due.scheduled).total_seconds()
    words = (
        f"The run of {render_time(due.scheduled)} was not made: it would be {late:.0f} s late, more than "
        f"spec.startingDeadlineSeconds ({policy.spec.starting_deadline_seconds})."
    )
    return LastRun(
        scheduled_time=due.scheduled,
        time=now.time.replace(microsecond=0),
        matched=0,
        created=0,
        skipped=0,
        unverifiable=0,
        result=Result.MISSED,
        message=plain_text(f"{words} {why}" if why else words),
    )


def is_late(policy: Policy, due: Due, now: Now) -> bool:
    return now.time - due.scheduled > timedelta(seconds=policy.spec.starting_deadline_seconds)


def why_cut_short(policy: Policy, run: LastRun, facts: Facts, now: Now) -> str | None:
    """Why what remains of it is not created any more; None: it is."""
    since = (now.time - run.time).total_seconds()
    if policy.generation != policy.status.observed_generation:
        return "the policy was changed"
    if came_back(policy, facts):
        return "the policy came back with an earlier state of the cluster"
    if facts.known and facts.known.made_until and run.scheduled_time <= facts.known.made_until:
        return "this run had ended before the cluster was set back to an earlier state"
    if policy.flaws:
        return f"the policy can't be what was meant: {policy.flaws[0]}"
    if run.created + len(run.remaining) > policy.spec.max_deletions_per_run:
        return "these are more than spec.maxDeletionsPerRun"
    if facts.server is None or facts.server.url != run.server:
        return f'the server "{policy.spec.server}" is not {run.server} any more'
    if facts.shut_out is not None:
        return facts.shut_out
    if since > policy.spec.starting_deadline_seconds:
        return "it was cut short for longer than spec.startingDeadlineSeconds"
    if run.created_before is None and not 0 <= since <= UNDATED_SECONDS:
        return f"the server shows no creation times, and its listing is more than {UNDATED_SECONDS:.0f} s old"
    return None


def came_back(policy: Policy, facts: Facts) -> bool:
    """Somebody has deleted or changed it, in a history of the API server that is lost (rule 18)."""
    known = facts.known
    return known is not None and (known.gone or policy.generation < known.generation)


def advanced(run: LastRun, creations: Creations | None) -> LastRun:
    """With what became of those requests that remained to be created."""
    known = creations.by_target if creations is not None and creations.run == run.scheduled_time else {}
    remaining = []
    for name in run.remaining:
        match known.get(name):
            case None | Unanswered():
                remaining.append(name)
            case Made():
                run = replace(run, created=run.created + 1)
            case Refused(error):
                run = replace(run, message=plain_text(f'"{name}": {error}'))
            case Forbidden(error):
                return cut_short(run, error, Result.CREATE_FORBIDDEN)
    run = replace(run, remaining=tuple(remaining))
    return run if remaining else _ended(run)


def cut_short(run: LastRun, why: str, result: Result = Result.INCOMPLETE) -> LastRun:
    made = f"{run.created} of {run.matched - run.skipped} requests were created"
    words = f"{made}{', and stay' if run.created else ''}; the others are not created by this run: {why}."
    return replace(run, result=result, remaining=(), message=plain_text(words))


def _ended(run: LastRun) -> LastRun:
    missing = run.matched - run.skipped - run.created
    if missing:
        words = (
            f"{missing} of {run.matched - run.skipped} requests could not be created; "
            f"the last error: {run.message}"
        )
        return replace(run, result=Result.INCOMPLETE, message=plain_text(words))
    words = _summary(run) if run.message is None else f"{_summary(run)} {run.message}"
    return replace(run, result=Result.COMPLETED, message=words)


def requests_for(policy: Policy, run: LastRun, names: tuple[str, ...]) -> tuple[tuple[str, JsonObject], ...]:
    """The requests of a run for these targets."""
    return tuple((name, _request(policy, run, name)) for name in names)


def forbidden(policy: Policy) -> str:
    return (
        f"The operator may not create namespacedeletions in {policy.namespace}: install "
        "manifests/components/cleanup-policies."
    )


def _request(policy: Policy, run: LastRun, target: str) -> JsonObject:
    spec, template = policy.spec, policy.spec.template
    bounds: dict[str, object] = {}
    if run.created_before is not None:
        bounds["createdBefore"] = render_time(run.created_before)
    if spec.select.max_items is not None:
        bounds["maxItems"] = spec.select.max_items
    others = {
        "backoffLimit": template.backoff_limit,
        "activeDeadlineSeconds": template.active_deadline_seconds,
        "ttlSecondsAfterFinished": template.ttl_seconds_after_finished,
    }
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": request_name(policy, run.scheduled_time, target),
            "namespace": policy.namespace,
            "labels": {POLICY_LABEL: policy.name, UID_LABEL: policy.uid},
            "annotations": {RUN_ANNOTATION: render_time(run.scheduled_time)},
        },
        "spec": {
            "namespaceName": target,
            "serverRef": {"name": spec.server},
            "ifAbsent": "Succeed",
            **({"preconditions": bounds} if bounds else {}),
            "suspend": template.suspend,
            **{key: value for key, value in others.items() if value is not None},
        },
    }


def request_name(policy: Policy, scheduled: datetime, target: str) -> str:
    """The same for the same run and target, whoever makes it; of another run or policy, another one."""
    what = "/".join((policy.uid, render_time(scheduled), policy.spec.server, target))
    readable = re.sub(r"[^a-z0-9]+", "-", target.lower())[:NAME_PART_MOST].strip("-")
    parts = (
        policy.name[:NAME_PART_MOST].rstrip(".-"),
        readable,
        hashlib.sha256(what.encode()).hexdigest()[:16],
    )
    return "-".join(part for part in parts if part)


def _summary(run: LastRun) -> str:
    parts = [f"{run.matched} matched"]
    if run.created:
        parts.append(f"{run.created} requests created")
    if run.skipped:
        parts.append(f"{run.skipped} have an unfinished request already")
    if run.unverifiable:
        parts.append(f"{run.unverifiable} can't be judged, as the server does not show enough of them")
    return "; ".join(parts) + "."


def _missed_words(due: Due, words: str | None) -> str | None:
    if due.missed_before is None:
        return words
    said = f"Runs from {render_time(due.missed_before)} on were missed; only the last of them is made."
    return said if words is None else f"{words} {said}"
