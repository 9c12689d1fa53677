"""I1 to I7 (docs/reliability.md), checked after every run by one function, `account_of`.

What every scenario must keep is `tests.integration.invariants`; here is what needs to know of the faults.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any, cast

from tests.integration.invariants import ENDED, check_invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dev.chaos import Call
    from dev.moorcheh.standin import Incarnation, Recorded, SeenDelete
    from tests.faults.witness import Version

Json = dict[str, Any]
ANSWERED_CLEANLY = frozenset({401, 403, 429, 400, 422})
SPOILED = frozenset({"drop", "rst", "half", "body", "job-id", "no-job", "oversized", "endless", "redirect"})

WIRE_DELETE = ("delete", "moorcheh-namespaces")
WRITES_PER_ATTEMPT = 4  # claim, job id or the way back, verifying, end or retry
WRITES_FOR_WAITING = 6  # Pending for this and that reason, its first look, suspension, its end
PROGRESS_SECONDS = 5.0
WATCH_LATE = 0.5
SLACK = 4.0  # creation times are cut to the second, and rule 8 tolerates three


class BrokenInvariantsError(AssertionError):
    """One line for each, and the figures of the run that broke them."""

    def __init__(self, words: str, account: Account) -> None:
        super().__init__(words)
        self.account = account


@dataclass(slots=True)
class Evidence:
    """All that was seen of one run."""

    record: Recorded
    living: Mapping[str, Incarnation]
    versions: Sequence[Version]
    calls: Sequence[Call]
    kills: Sequence[float]  # monotonic: when an operator was killed
    freezes: Sequence[float]
    starts: Sequence[float]  # of operators, in order
    waits_allowed: int  # status writes for waits, beyond the usual
    dated: bool = True  # whether the server shows creation times

    def objects(self) -> dict[str, list[Json]]:
        by_uid: defaultdict[str, list[Json]] = defaultdict(list)
        for version in self.versions:
            if not version.gone:
                by_uid[version.body["metadata"]["uid"]].append(version.body)
        return by_uid


@dataclass(slots=True)
class Account:
    """The figures of one run."""

    requests: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    deletes: int = 0
    destroyed: int = 0
    newer_destroyed: int = 0
    unmatched_deletes: int = 0
    unfinished: int = 0
    outcome_unknown: int = 0
    outcome_unknown_allowed: int = 0
    most_writes: int = 0
    kills: int = 0
    injected: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return json.dumps(asdict(self), indent=1)


def account_of(evidence: Evidence, injected: Mapping[str, int]) -> Account:
    """The figures; `BrokenInvariantsError`, with every one that did not hold, if any did not."""
    objects = evidence.objects()
    account = Account(
        requests=len(objects),
        ends=dict(Counter(_end(versions[-1]) for versions in objects.values())),
        deletes=len(evidence.record["deletes"]),
        destroyed=len(evidence.record["destroyed"]),
        kills=len(evidence.kills),
        injected={kind: times for kind, times in injected.items() if times},
    )
    account.outcome_unknown = account.ends.get("Failed/OutcomeUnknown", 0)
    broken: list[str] = []
    checks: list[Callable[[Evidence, Account], list[str]]] = [
        _shared,
        _i1_once_an_attempt,
        _i2_written_ahead,
        _i3_nothing_newer,
        _i4_all_ended,
        _i6_success_comes_after_the_job,
        _i7_few_writes,
        _few_unknown,
    ]
    for check in checks:
        broken += [f"{check.__name__.strip('_')}: {words}" for words in check(evidence, account)]
    if broken:
        raise BrokenInvariantsError("\n".join([*broken, str(account)]), account)
    return account


def _shared(evidence: Evidence, _: Account) -> list[str]:
    """I1 to I3, I5, I6 as every scenario must keep them."""
    record = cast("Recorded", {**evidence.record, "deletes": _operator_deletes(evidence)})
    # What a resending proxy made of a DELETE is not the operator's.
    resent = {delete["seq"] for delete in evidence.record["deletes"] if _resent(delete)}
    record["destroyed"] = [one for one in record["destroyed"] if one["seq"] not in resent]
    try:
        check_invariants(record, evidence.objects(), evidence.living)
    except AssertionError as error:
        return [str(error)]
    return []


def _i1_once_an_attempt(evidence: Evidence, _: Account) -> list[str]:
    """Another attempt only once the server had ended the first: before the second arrived, not after."""
    broken = []
    jobs = {job["seq"]: job for job in evidence.record["jobs"]}
    by_uid: defaultdict[str, list[SeenDelete]] = defaultdict(list)
    for delete in _operator_deletes(evidence):
        by_uid[(delete["request_id"] or "").partition("/")[0]].append(delete)
    for deletes in by_uid.values():
        for first, second in pairwise(sorted(deletes, key=lambda delete: delete["seq"])):
            job = jobs.get(first["seq"])
            ended = job is not None and job["ended"] is not None and job["ended"] <= second["monotonic"]
            if not ended and first.get("status") not in (401, 403, 429):
                broken.append(f"{second} left while {first} ({job}) had not been ended by the server")
    return broken


def _i2_written_ahead(evidence: Evidence, account: Account) -> list[str]:
    """The claim was in etcd before its DELETE arrived. When: as told by the watch, or by the API server's
    answer to the operator if that passed the proxy sooner.
    """
    known: dict[str, float] = {}
    for version in evidence.versions:
        _know(known, version.body, version.seen)
    written = set(known)
    for call in evidence.calls:
        if call.answered is not None and call.status == 200 and call.answer:
            body = json.loads(call.answer)
            if body.get("kind") == "NamespaceDeletion":
                _know(known, body, call.answered)
    broken = []
    for delete in evidence.record["deletes"]:
        claim = delete["request_id"] or "-"
        if claim not in written:
            account.unmatched_deletes += 1
            broken.append(f"no version of the object has the attempt of {delete}")
        elif known[claim] > delete["monotonic"]:
            broken.append(f"{delete} arrived {known[claim] - delete['monotonic']:.3f} s before its claim")
    return broken


def _know(known: dict[str, float], body: Json, at: float) -> None:
    if claim := _claim(body):
        known[claim] = min(at, known.get(claim, at))


def _i3_nothing_newer(evidence: Evidence, account: Account) -> list[str]:
    """No precious incarnation, none born after its request, never two for one request."""
    broken, objects = [], evidence.objects()
    victims: defaultdict[str, set[str]] = defaultdict(set)
    for victim in evidence.record["destroyed"]:
        uid = (victim["request_id"] or "").partition("/")[0]
        victims[uid].add(victim["incarnation"])
        versions = objects.get(uid)
        made = (
            datetime.fromisoformat(versions[0]["metadata"]["creationTimestamp"]).timestamp()
            if versions
            else 0.0
        )
        if victim["precious"] or victim["born"] > made + SLACK:
            account.newer_destroyed += 1
            broken.append(f"{victim} is newer than its request of {made}")
    broken += [
        f"{uid} destroyed two incarnations: {which}" for uid, which in victims.items() if len(which) > 1
    ]
    return broken


def _i4_all_ended(evidence: Evidence, account: Account) -> list[str]:
    gone = {version.body["metadata"]["uid"] for version in evidence.versions if version.gone}
    unfinished = [
        versions[-1]
        for uid, versions in evidence.objects().items()
        if uid not in gone and versions[-1]["status"].get("phase") not in ENDED
    ]
    account.unfinished = len(unfinished)
    return [f"not finished: {body['metadata']['name']} {body['status']}" for body in unfinished]


def _i6_success_comes_after_the_job(evidence: Evidence, _: Account) -> list[str]:
    """Not only true at the end of the run: true when it was written. What says "gone" or "replaced" is held
    against the jobs on the incarnation that it was bound to, whoever had asked for them.
    """
    jobs = evidence.record["jobs"]
    destroyed = {
        victim["seq"]: (victim["name"], victim["created_at"]) for victim in evidence.record["destroyed"]
    }
    first: dict[str, Version] = {}
    for version in evidence.versions:
        if version.body["status"].get("phase") == "Succeeded":
            first.setdefault(version.body["metadata"]["uid"], version)
    broken = []
    for version in first.values():
        status, name = version.body["status"], version.body["spec"]["namespaceName"]
        if status["reason"] == "DeletionCompleted":
            ends = [job["ended"] for job in jobs if job["job_id"] == status["job"]["id"]] or [None]
        else:
            bound = status.get("target", {}).get("creationTime")
            ends = [
                job["ended"]
                for job in jobs
                if job["how"] in ("running", "completed")
                and (
                    destroyed.get(job["seq"]) == (name, bound)
                    if bound or evidence.dated
                    else job["name"] == name and job["began"] < version.seen  # whichever had the name then
                )
            ]
        late = [at for at in ends if at is None or at > version.seen]
        if late:
            broken.append(f"{name} was called {status['reason']} at {version.seen:.3f}, its job ended {late}")
    return broken


def _i7_few_writes(evidence: Evidence, account: Account) -> list[str]:
    """Writes that landed, and tries that did not: each conflict has a foreign write behind it."""
    broken = []
    patches: defaultdict[str, list[Call]] = defaultdict(list)
    for call in evidence.calls:
        if (call.meaning.verb, call.meaning.resource) == ("patch", "namespacedeletions/status"):
            patches[call.meaning.name].append(call)
    seen: defaultdict[str, list[Version]] = defaultdict(list)
    for version in evidence.versions:
        seen[version.body["metadata"]["uid"]].append(version)
    for versions in seen.values():
        bodies = [version.body for version in versions if not version.gone]
        written = sum(before["status"] != after["status"] for before, after in pairwise(bodies))
        foreign = len(bodies) - 1 - written
        attempts = len({body["status"].get("attempt", {}).get("id") for body in bodies} - {None})
        took = versions[-1].seen - versions[0].seen
        budget = WRITES_FOR_WAITING + WRITES_PER_ATTEMPT * attempts + took / PROGRESS_SECONDS
        budget += evidence.waits_allowed
        account.most_writes = max(account.most_writes, written)
        name = bodies[0]["metadata"]["name"]
        if written > budget:
            broken.append(f"{name}: {written} writes in {took:.0f} s, {budget:.0f} are allowed")
        # A name may have had more than one object; conflicts of all of them count, so do their writes.
        conflicts = sum(call.status == 409 and call.fault is None for call in patches[name])
        namesakes = [other for other in seen.values() if other[0].body["metadata"]["name"] == name]
        if len(namesakes) == 1 and conflicts > 2 * (foreign + written) + 2:
            broken.append(f"{name}: {conflicts} conflicts, though others wrote only {foreign} times")
    return broken


def _few_unknown(evidence: Evidence, account: Account) -> list[str]:
    """The last attempt of each has lost its answer: which they are is bounded, not only how many."""
    lost = _answers_lost(evidence)
    account.outcome_unknown_allowed = len(lost)
    return [
        f"{bodies[-1]['metadata']['name']} ended OutcomeUnknown, but its DELETE was not in flight at a kill,"
        f" nor did it lose its answer: {_claim(bodies[-1])}"
        for bodies in evidence.objects().values()
        if _end(bodies[-1]) == "Failed/OutcomeUnknown" and _claim(bodies[-1]) not in lost
    ]


def _answers_lost(evidence: Evidence) -> set[str]:
    """The attempts in flight at a kill or freeze, and those whose answer was lost: each once."""
    in_flight = {
        claim
        for claim, (begun, over) in _times_in_flight(evidence).items()
        if any(begun <= until and at <= over for at, until in _interruptions(evidence))
    }
    spoiled = {delete["request_id"] for delete in evidence.record["deletes"] if _is_spoiled(delete)}
    not_passed_on = {
        call.request_id
        for call in evidence.calls
        if (call.meaning.verb, call.meaning.resource) == WIRE_DELETE and (call.fault or call.status is None)
    }
    # Its job was lost, and nothing tells whether the name is still the target's.
    forgotten = {job["seq"] for job in evidence.record["jobs"] if job["how"] in ("forgotten", "lost")}
    undated = set() if evidence.dated else forgotten
    adrift = {delete["request_id"] for delete in evidence.record["deletes"] if delete["seq"] in undated}
    return {claim for claim in in_flight.union(spoiled, not_passed_on, adrift) if claim}


def _interruptions(evidence: Evidence) -> list[tuple[float, float]]:
    """From when to when a claim may arrive that nobody sends for any more: what the one that was killed had
    written comes late on a busy machine, even after the next start, but what comes after the next one's own
    first call, before which it claims nothing, is not the dead one's.
    """
    firsts = [call.at for call in evidence.calls if _is_first(call)]
    kills = [(at, _next(firsts, _next(evidence.starts, at))) for at in evidence.kills]
    return kills + [(at, at) for at in evidence.freezes]


def _next(times: Sequence[float], after: float) -> float:
    return next((at for at in times if at > after), inf)


def _is_first(call: Call) -> bool:
    """A process begins with a look whether it may list."""
    return call.meaning.resource == "namespacedeletions" and call.path.endswith("?limit=1")


def _is_spoiled(delete: SeenDelete) -> bool:
    status = delete.get("status")
    if status in ANSWERED_CLEANLY:
        return False
    return status != 202 or delete.get("fault") in SPOILED


def _times_in_flight(evidence: Evidence) -> dict[str, tuple[float, float]]:
    """For each attempt, from when to when its DELETE may have been under way: from the first write of its
    claim until a version shows what came of it. One that is being verified was in flight before, not now.
    """
    written: dict[str, float] = {}
    for call in evidence.calls:
        if call.meaning.resource == "namespacedeletions/status" and call.body:
            attempt = json.loads(call.body).get("status", {}).get("attempt") or {}
            written.setdefault(attempt.get("id", ""), call.at)
    times: dict[str, tuple[float, float]] = {}
    open_now: dict[str, str] = {}  # claims, by uid
    for version in evidence.versions:
        uid, claim = version.body["metadata"]["uid"], _claim(version.body)
        is_open = claim is not None and version.body["status"].get("reason") == "Submitting"
        before = open_now.pop(uid, None)
        if before is not None and (before != claim or not is_open):
            times[before] = times[before][0], version.seen
        if claim is not None and is_open:
            begun = written.get(claim.partition("/")[2], version.seen - WATCH_LATE)
            times.setdefault(claim, (begun, inf))
            open_now[uid] = claim
    return times


def _claim(body: Json) -> str | None:
    """As on the wire: <uid>/<attempt.id>."""
    attempt = body.get("status", {}).get("attempt")
    return attempt and f"{body['metadata']['uid']}/{attempt['id']}"


def _operator_deletes(evidence: Evidence) -> list[SeenDelete]:
    return [delete for delete in evidence.record["deletes"] if not _resent(delete)]


def _resent(delete: SeenDelete) -> bool:
    return bool(cast("Json", delete).get("duplicate"))


def _end(body: Json) -> str:
    return f"{body['status'].get('phase', '-')}/{body['status'].get('reason', '-')}"
