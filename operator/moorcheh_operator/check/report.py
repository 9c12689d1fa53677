"""Findings and guarantees as lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Answer, Findings, JobSeen, Leaves, Listing, Trial
from .guarantees import Guarantee, State, Verdict

SAYS = {
    Verdict.ALL: "Every guarantee that can be seen holds on this server; nothing speaks against the others.",
    Verdict.SO_FAR: "Nothing speaks against this server, as far as reading shows. `--write` shows the rest.",
    Verdict.LIMITS: "The operator works with this server, within the limits above.",
    Verdict.UNUSABLE: "Don't use the operator with this server yet: what is broken comes first.",
}
STATES = {
    State.HOLDS: "holds",
    State.ASSUMED: "assumed",
    State.NOT_APPLICABLE: "n/a",
    State.LIMITED: "limited",
    State.BROKEN: "BROKEN",
    State.NOT_SEEN: "not seen",
}
LEAVES = {
    Leaves.BEFORE_END: "while its job still runs",
    Leaves.AT_END: "when its job ends",
    Leaves.AFTER_END: "after its job has ended",
    Leaves.NEVER: "not within 30 s of its end",
    Leaves.UNCLEAR: "with its deletion; too quick to tell whether before the end or after it",
}

DATE_SECONDS = 1.0  # that a `Date` may be off by, as it has no fractions
NOT_SEEN = STATES[State.NOT_SEEN]

Rows = list[tuple[str, str]]


def seen_rows(found: Findings) -> Rows:
    """What was seen: label and words."""
    return [(label, words) for label, words in (*_reading(found), *_writing(found.trial)) if words]


def guarantee_rows(guarantees: tuple[Guarantee, ...]) -> list[tuple[State, str, str]]:
    """State, name, and what follows."""
    return [
        (each.state, each.name, each.words + (f". To do: {each.do}" if each.do else ""))
        for each in guarantees
    ]


def _reading(found: Findings) -> Iterator[tuple[str, str]]:
    reach, listing, clock = found.reach, found.listing, found.clock
    yield "Reachable", reach.error or f"yes, at {', '.join(reach.addresses)}"
    if found.url.startswith("https:"):
        tls = reach.tls
        yield "TLS", f"{tls.version}, its certificate ends {tls.certificate_ends}" if tls else NOT_SEEN
    elif reach.error is not None:
        yield "TLS", NOT_SEEN
    else:
        yield (
            "TLS",
            "none: anybody on the network path can read and change all traffic"
            + (", the key too" if found.key_sent else ""),
        )
    yield "Key", _key(found)
    if found.health is not None:
        health = found.health
        full = (
            f", {health.items:,} of {health.max_items:,} items"
            if health.items is not None and health.max_items is not None
            else ""
        )
        yield "Health", f"{health.answer.words}{f', status {health.status}' if health.status else ''}{full}"
    if listing is not None:
        yield from _listing(listing)
    yield "Redirect", found.between.redirect or ""
    yield "Proxy", "; ".join(found.between.proxy) or ("none shows" if _answered(found) else NOT_SEEN)
    yield "Server", found.between.server or ""
    if clock.ahead_seconds is None:
        yield "Clock", "its answers have no Date" if _answered(found) else NOT_SEEN
    else:
        yield "Clock", _off(clock.ahead_seconds, "this machine")
    yield "An unknown job", _said(found.unknown_job)


def _off(ahead: float, clock: str) -> str:
    """By a `Date`, which has whole seconds."""
    if abs(ahead) <= DATE_SECONDS:
        return f"no difference to {clock} that whole seconds can show"
    return f"{abs(ahead):g} s {'ahead of' if ahead > 0 else 'behind'} {clock}, to the second"


def _answered(found: Findings) -> bool:
    """Whether anything answered at all, with whatever."""
    asked = (found.health, found.listing)
    return any(each is not None and each.answer.code is not None for each in asked)


def _key(found: Findings) -> str:
    if found.key_sent is None:
        return "none sent"
    if found.reach.error is not None:
        return f"{found.key_sent}, not sent"
    without = found.without_key
    if found.listing is None or found.listing.answer.code is None:
        return f"{found.key_sent}, no answer with it"
    if without is None:
        return f"sent as {found.key_sent}"
    needed = (
        f"needed (without it: {without.words})"
        if not without.accepted
        else "NOT needed: the server also answers without it"
    )
    return f"sent as {found.key_sent}; {needed}"


def _listing(listing: Listing) -> Iterator[tuple[str, str]]:
    if listing.error is not None:
        yield "Listing", listing.error
        return
    yield "Namespaces", f"{listing.namespaces:,}, listed in {listing.answer.seconds or 0:g} s"
    every = listing.namespaces
    fields = ", ".join(
        name if count == every else f"{name} ({count:,} of {every:,})"
        for name, count in listing.fields.items()
    )
    yield "Their fields", fields
    yield "Creation times", _times(listing.dated, every, listing.creation_form, zoned=listing.zoned)
    yield "Pages", ", ".join(listing.pages)
    yield "Left by earlier checks", ", ".join(listing.left_over)


def _times(dated: int, total: int, form: str | None, *, zoned: bool) -> str:
    if not total:
        return ""
    if form is None:
        return "none"
    read = "" if dated == total else f", {dated:,} of {total:,} can be read"
    return f"as {form}{read}{'' if zoned else ', without a zone: taken as UTC'}"


def _writing(trial: Trial | None) -> Iterator[tuple[str, str]]:
    if trial is None:
        return
    yield "Throw-away namespace", trial.name
    yield "Creation", _said(trial.create)
    if trial.listed:
        yield "Its fields", ", ".join(trial.fields)
        ahead = trial.creation_ahead_seconds
        off = "" if ahead is None else f", {_off(ahead, 'its clock')}"
        yield "Its creation time", f"as {trial.creation_form}{off}" if trial.creation_form else "none"
    yield "GET of it alone", _said(trial.alone)
    yield (
        "DELETE",
        _said(trial.delete) + (f" ({', '.join(trial.delete_fields)})" if trial.delete_fields else ""),
    )
    yield from _job(trial.job)
    if trial.end_seconds is not None:
        yield "End", f"{trial.end.value.lower()} after {trial.end_seconds:g} s"
    if trial.leaves is not None:
        after = f" ({trial.leaves_seconds:g} s)" if trial.leaves_seconds is not None else ""
        yield "The name leaves", LEAVES[trial.leaves] + after
    if trial.failed_is_listed is not None:
        yield "After the failed job", f"the name is {'still' if trial.failed_is_listed else 'not'} listed"
    quick = "not seen: the deletion was over too soon" if trial.too_quick else ""
    second = {"same": ", the same job", "another": ", ANOTHER job"}.get(trial.second_job or "", "")
    yield "A second DELETE", _said(trial.second_delete) + second if trial.second_delete else quick
    yield "Creation meanwhile", _said(trial.create_meanwhile) or quick
    yield "Job, under another name", _said(trial.job_elsewhere)
    yield "Job, after its end", _said(trial.job_afterwards)
    yield "A list of its jobs", _said(trial.job_list)
    yield "A DELETE of nothing", _said(trial.delete_absent)
    yield "It went no further", trial.stopped or ""


def _job(job: JobSeen | None) -> Iterator[tuple[str, str]]:
    if job is None:
        return
    yield "Job's fields", ", ".join(job.fields)
    yield "Job's states", ", ".join(job.states)
    yield "Job's times", f"as {job.time_form}" if job.time_form else ""
    yield "Job's last_error", job.last_error or ""
    yield "Job's answers", job.error or ""


def _said(answer: Answer | None) -> str:
    return "" if answer is None else answer.words
