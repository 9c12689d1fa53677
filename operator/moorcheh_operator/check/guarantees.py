"""Which of the operator's guarantees hold on a server of which this was found. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from moorcheh_operator.servers.definitions import NameReuse

from .findings import End, Findings, Leaves, Listing, Trial

CLOCK_SECONDS = 3.0  # that a creation time may be off by (docs/safety.md, rule 8)
NAME_REUSE = (
    "`nameReuse: Never` in the servers file, or MOORCHEH_NAME_REUSE=Never, if names are never used again "
    "there while a request is open"
)


NO_PROXY = "not contradicted: no proxy shows (one that hides can't be seen)"


class State(StrEnum):
    HOLDS = "Holds"
    ASSUMED = "Assumed"  # nothing that was seen speaks against it, and it can't be seen
    NOT_APPLICABLE = "NotApplicable"
    LIMITED = "Limited"
    BROKEN = "Broken"
    NOT_SEEN = "NotSeen"


class Verdict(StrEnum):
    ALL = "AllGuarantees"  # that can be seen, and none is contradicted
    SO_FAR = "NothingAgainstIt"  # only reading, and so not all was seen
    LIMITS = "Limits"
    UNUSABLE = "Unusable"


class Guarantee(Struct, frozen=True, rename="camel"):
    name: str
    state: State
    words: str
    do: str | None = None  # what to set or to change


def judge(found: Findings) -> tuple[Guarantee, ...]:
    usable = _usable(found)
    if usable.state is State.BROKEN or found.listing is None:
        return (usable,)
    return (
        usable,
        _one_delete(found),
        _accepted(found.trial),
        _end(found.trial),
        _gone(found.trial),
        _incarnation(found, found.listing),
        _retries(found, found.listing),
        _lost_jobs(found),
        _preconditions(found, found.listing),
    )


def is_usable(found: Findings) -> bool:
    return _usable(found).state is State.HOLDS


def verdict(guarantees: tuple[Guarantee, ...], *, wrote: bool) -> Verdict:
    states = {each.state for each in guarantees}
    if State.BROKEN in states:
        return Verdict.UNUSABLE
    if State.LIMITED in states:
        return Verdict.LIMITS
    if State.NOT_SEEN in states:
        return Verdict.LIMITS if wrote else Verdict.SO_FAR
    return Verdict.ALL


def _usable(found: Findings) -> Guarantee:
    name = "It can be asked"
    listing = found.listing
    if found.reach.error is not None:
        return Guarantee(name, State.BROKEN, found.reach.error, found.reach.do)
    if listing is None:
        return Guarantee(name, State.BROKEN, "the listing was not read")
    if found.between.redirect is not None and listing.error is not None:
        return Guarantee(
            name,
            State.BROKEN,
            f"it redirects to {found.between.redirect}, and no redirect is followed",
            "name that address as the server's url, if it is the server",
        )
    if listing.answer.code in (401, 403):
        sent = f"the key in {found.key_sent} is not accepted" if found.key_sent else "it asks for a key"
        return Guarantee(
            name,
            State.BROKEN,
            f"{sent} ({listing.answer.words})",
            "`apiKeyFile` (sent as X-Api-Key) or `bearerTokenFile` in the servers file",
        )
    if listing.error is not None:
        path = "if the API has a path before /namespaces (the cloud's is /v1), the url must end with it"
        return Guarantee(
            name,
            State.BROKEN,
            f"it gives no listing that can be used: {listing.error}",
            path if listing.answer.code == 404 else None,
        )
    if listing.pages:
        return Guarantee(
            name,
            State.BROKEN,
            f"its listing seems to be only a part ({', '.join(listing.pages)}): what is missing there would "
            "count as gone",
        )
    return Guarantee(name, State.HOLDS, "reachable, and its listing can be read")


def _one_delete(found: Findings) -> Guarantee:
    name, trial = "One DELETE for an attempt", found.trial
    if trial is not None and trial.create is not None and trial.create.code == 409:
        return Guarantee(
            name,
            State.BROKEN,
            "the creation of a name that nobody else knows got 409: something sends requests twice",
            "turn off that proxy's retries",
        )
    if trial is not None and trial.listed and trial.delete is not None and trial.delete.code in (404, 409):
        return Guarantee(
            name,
            State.BROKEN,
            f"the first DELETE of a namespace that was listed got {trial.delete.words}: something may send "
            "requests twice",
            "turn off that proxy's retries",
        )
    if found.between.proxy:
        return Guarantee(
            name,
            State.LIMITED,
            f"a proxy stands in between ({'; '.join(found.between.proxy)}), and whether it sends requests "
            "again can't be seen from here",
            "turn its retries off, and its caching",
        )
    if trial is not None and trial.second_job == "another":
        return Guarantee(
            name,
            State.ASSUMED,
            f"{NO_PROXY}. A second DELETE would start a second job here: never let anything resend one",
        )
    return Guarantee(name, State.ASSUMED, NO_PROXY)


def _accepted(trial: Trial | None) -> Guarantee:
    name = "A deletion's acceptance is known"
    if trial is None or trial.delete is None:
        return _not_seen(name, trial)
    if trial.has_job:
        return Guarantee(name, State.HOLDS, f"HTTP {trial.delete.code} with a job id")
    if trial.delete.accepted and "job_id" in trial.delete_fields:
        return Guarantee(
            name,
            State.LIMITED,
            f"HTTP {trial.delete.code} with a job id that can't be used (128 of A-Z, a-z, 0-9, - and _): "
            "what becomes of a DELETE is seen in the listing alone, within MOORCHEH_VERIFY_SECONDS",
        )
    if trial.delete.accepted:
        return Guarantee(
            name,
            State.LIMITED,
            f"HTTP {trial.delete.code} without a job id: accepted, and the end is seen in the listing alone",
        )
    return Guarantee(name, State.BROKEN, f"the DELETE was answered: {trial.delete.words}")


def _end(trial: Trial | None) -> Guarantee:
    name = "A deletion's end is the server's word"
    if trial is None or trial.delete is None or not trial.delete.accepted:
        return _not_seen(name, trial)
    why = trial.job.error if trial.job is not None and trial.job.error else None
    match trial.end:
        case End.COMPLETED:
            return Guarantee(name, State.HOLDS, f"its job was completed after {trial.end_seconds:g} s")
        case End.GONE:
            return Guarantee(name, State.LIMITED, "there is no job to ask: gone from the listing is the end")
        case End.FAILED:
            error = trial.job.last_error if trial.job is not None else None
            words = f"the job failed ({error or 'without a last_error'})"
            return Guarantee(name, State.LIMITED, f"{words}; the server's log may tell why")
        case End.FORGOTTEN:
            return Guarantee(name, State.BROKEN, "the server did not know the job that it had named")
        case End.UNSEEN if why is not None:
            return Guarantee(name, State.BROKEN, f"the job's answers are of no use: {why}")
        case End.UNSEEN:
            return Guarantee(
                name, State.NOT_SEEN, "it had not ended when the check did", "a longer `--wait-seconds`"
            )
        case never:
            assert_never(never)


def _gone(trial: Trial | None) -> Guarantee:
    name = "Gone is seen in the listing"
    match trial.leaves if trial is not None else None:
        case None:
            return _not_seen(name, trial)
        case Leaves.AT_END:
            return Guarantee(name, State.HOLDS, "the name is listed until its job has ended, and no longer")
        case Leaves.UNCLEAR:
            return Guarantee(name, State.HOLDS, "the name left the listing with its deletion")
        case Leaves.AFTER_END:
            seconds = trial.leaves_seconds if trial is not None else None
            return Guarantee(
                name, State.HOLDS, f"the name left the listing {seconds or 0:g} s after its job had ended"
            )
        case Leaves.BEFORE_END:
            return Guarantee(
                name,
                State.LIMITED,
                "the name leaves the listing while its job still runs: if the job gets lost, a request ends "
                "as gone though items may be left, and the name may be taken again meanwhile",
            )
        case Leaves.NEVER:
            return Guarantee(
                name, State.BROKEN, "the name was still listed long after its deletion had ended"
            )
        case never:
            assert_never(never)


def _incarnation(found: Findings, listing: Listing) -> Guarantee:
    name, trial = "Newer data under an old name is left alone", found.trial
    total, dated = _known(found, listing, "dated")
    ahead = trial.creation_ahead_seconds if trial is not None else None
    if not total:
        return _not_seen(name, trial, "the server has no namespace to tell by")
    if not dated:
        unread = listing.creation_form or (trial.creation_form if trial is not None else None)
        shows = f"creation times that can't be read ({unread})" if unread else "no creation times"
        return Guarantee(
            name,
            State.LIMITED,
            f"the listing shows {shows}: one DELETE is sent for a request, and what was created anew under "
            "the name before it can't be told from the old",
        )
    if dated < total:
        return Guarantee(
            name, State.LIMITED, f"only {dated} of {total} entries have a creation time that can be read"
        )
    if ahead is not None and ahead < -CLOCK_SECONDS:
        return Guarantee(
            name,
            State.BROKEN,
            f"a new namespace's creation time is {-ahead:g} s in the past: one that is created after a "
            "request may look older than it",
            "have the server write UTC, or times with a zone, and set its clock",
        )
    if ahead is not None and ahead > CLOCK_SECONDS:
        return Guarantee(
            name,
            State.LIMITED,
            f"a new namespace's creation time is {ahead:g} s in the future: requests that follow it sooner "
            "are refused",
            "have the server write UTC, or times with a zone, and set its clock",
        )
    if not found.clock.has_date:
        return Guarantee(
            name,
            State.LIMITED,
            "its answers have no Date, so its clock is taken to agree with the API server's",
            "keep the clocks of both machines right (NTP)",
        )
    if not listing.zoned and ahead is None:
        return Guarantee(
            name, State.LIMITED, "its creation times name no zone and are taken as UTC", "see with `--write`"
        )
    return Guarantee(name, State.HOLDS, "every entry has a creation time")


def _retries(found: Findings, listing: Listing) -> Guarantee:
    name, trial = "A failed job may be tried again", found.trial
    if _is_jobless(trial):
        return Guarantee(
            name, State.NOT_APPLICABLE, "no job is told of: a DELETE that was accepted is not sent again"
        )
    total, dated = _known(found, listing, "dated")
    if not total:
        return _not_seen(name, trial, "the server has no namespace to tell by")
    if dated:
        words = "it rests on creation times, which tell whether it is still the same namespace"
        return _unless_seen(Guarantee(name, State.HOLDS, words), trial)
    meanwhile = trial.create_meanwhile if trial is not None else None
    if found.name_reuse is NameReuse.NEVER:
        words = "`nameReuse: Never` declares that no name is used again while a request for it is open"
        if meanwhile is None or meanwhile.code == 409:
            return _unless_seen(Guarantee(name, State.HOLDS, words), trial)
        return Guarantee(
            name,
            State.LIMITED,
            f"{words}, but the server lets a name be created anew while its job runs ({meanwhile.words})",
            "take the declaration back, unless you are sure of all who create namespaces there",
        )
    if meanwhile is None:
        more = ""
    elif meanwhile.code == 409:
        more = "; while a job runs the server refuses to create its name (409)"
    else:
        more = f"; the name can be created anew while its job runs ({meanwhile.words})"
    return Guarantee(
        name,
        State.LIMITED,
        f"without creation times there is no second DELETE, and `backoffLimit` has no use{more}",
        NAME_REUSE,
    )


def _unless_seen(retries: Guarantee, trial: Trial | None) -> Guarantee:
    """With what was seen of jobs: whether there are any only a deletion shows."""
    if trial is None or not trial.has_job:
        words = f"{retries.words}; whether there are jobs was not seen"
        return replace(retries, state=State.ASSUMED, words=words)
    seen = "its job failed" if trial.end is End.FAILED else "no job failed here"
    return replace(retries, words=f"{retries.words}; {seen}")


def _is_jobless(trial: Trial | None) -> bool:
    """Whether a DELETE was accepted without a job that can be asked for."""
    return trial is not None and trial.delete is not None and trial.delete.accepted and not trial.has_job


def _lost_jobs(found: Findings) -> Guarantee:
    name, unknown = "A job that the server has forgotten is noticed", found.unknown_job
    if _is_jobless(found.trial):
        return Guarantee(name, State.NOT_APPLICABLE, "no job is told of that could be forgotten")
    if unknown is None:
        return _not_seen(name, found.trial)
    if unknown.code == 404 and found.unknown_job_is_told:
        elsewhere = found.trial.job_elsewhere if found.trial is not None else None
        if elsewhere is not None and elsewhere.code != 404:
            return Guarantee(
                name, State.LIMITED, f"a job asked for under another name is answered: {elsewhere.words}"
            )
        return Guarantee(name, State.HOLDS, "an unknown job is answered with 404 and a message")
    return Guarantee(
        name,
        State.LIMITED,
        f"an unknown job is answered: {unknown.words}, not with 404 and a JSON message: a request whose job "
        "was lost is followed until its deadline",
        "set `spec.activeDeadlineSeconds`",
    )


def _preconditions(found: Findings, listing: Listing) -> Guarantee:
    name = "Preconditions can be checked"
    total, dated = _known(found, listing, "dated")
    _, counted = _known(found, listing, "counted")
    if not total:
        return _not_seen(name, found.trial, "the server has no namespace to tell by")
    missing = [
        words
        for words, known in (
            ("`maxItems` (no number of items)", counted),
            ("`createdBefore` (no time)", dated),
        )
        if known < total
    ]
    if missing:
        some = "" if not counted or not dated else " for some namespaces"
        return Guarantee(name, State.LIMITED, f"requests with {' or '.join(missing)} fail{some}")
    return Guarantee(name, State.HOLDS, "`maxItems` and `createdBefore`")


def _not_seen(name: str, trial: Trial | None, why: str = "") -> Guarantee:
    if trial is None:
        return Guarantee(name, State.NOT_SEEN, why or "only a deletion shows it", "`--write`")
    return Guarantee(name, State.NOT_SEEN, trial.stopped or why or "the trial did not come so far")


def _known(found: Findings, listing: Listing, what: str) -> tuple[int, int]:
    """Of how many entries, and how many of them are `dated`, or `counted`."""
    total, known = listing.namespaces, listing.dated if what == "dated" else listing.counted
    if found.trial is not None and found.trial.listed:
        total += 1
        known += found.trial.dated if what == "dated" else found.trial.counted
    return total, known
