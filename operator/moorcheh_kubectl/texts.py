"""What is shown of a request, as text: rows, the preview, the receipt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from moorcheh_operator.api.policy import POLICY_LABEL, RUN_ANNOTATION
from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import DEFAULT_SERVER
from moorcheh_operator.api.status import (
    ENDED,
    OPEN_ATTEMPT,
    EarlierAttempt,
    Phase,
    Reason,
    Status,
    VerificationResult,
)
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import parse_time, render_time

from .api import Seen
from .identity import Name, Vouching
from .request_body import APPROVED_BY, REQUESTED_BY, RETRY_OF, RequestBody, conditions

HOOKS = frozenset({"argocd.argoproj.io/hook", "helm.sh/hook"})  # made to run again, and to be deleted
WOULD_BE_REFUSED = "Approval would be refused"
"""How the operator's message on a suspended request begins to say so (lifecycle/suspended.py)."""
LOOKED_UP = ("To approve the deletion of ", "Approved now, it would end as ")
"""And how it begins where it tells what an approval would do. Everything else does not tell it."""

_NOTHING_SENT = "Sure that nothing was removed by this request: no DELETE was sent."
_NONE_ACCEPTED = "By the server's word nothing was removed by this request: it accepted no DELETE."
_SENT_BEFORE = "An earlier attempt of this request had been sent. Some of the items may be gone."
_PARTLY = "The server says that its job failed. Some of the items may be gone."
HOW_SURE: dict[str, str] = {
    Reason.ALREADY_ABSENT: "Sure that none of this name was there at the first look.",
    Reason.VERIFIED_ABSENT: (
        "Sure that it is gone, as two looks agreed. No job was seen to end, so what removed it, and how many "
        "items, is not known."
    ),
    Reason.TARGET_REPLACED: (
        "Sure that the one asked for is gone: the one of that name now was created later. It was left alone."
    ),
    Reason.STILL_LISTED: (
        "Sure that it was still listed half a minute after the server's own job reported that it completed."
    ),
    Reason.JOB_FAILED: _PARTLY,
    Reason.BACKOFF_LIMIT_EXCEEDED: "The last attempt did not succeed either. Some of the items may be gone.",
    Reason.REJECTED: "Sure that nothing was removed by this request: the server rejected it.",
    Reason.RESTORED_FROM_BACKUP: "Sure that nothing was removed since the restore: no DELETE was sent.",
    Reason.OUTCOME_UNKNOWN: "Not sure: the DELETE may have been sent, and may still take effect.",
}
"""For the reasons to end whose certainty does not depend on how far the request had come."""


COMPLETED: dict[str, str] = {
    VerificationResult.ABSENT: "Sure: the server's own job completed, and the name had left its listing.",
    VerificationResult.REPLACED: (
        "Sure: the server's own job completed. The one of that name now was created later. It was left alone."
    ),
    VerificationResult.UNVERIFIABLE: (
        "By the server's word: its own job completed. What the listing showed then does not prove it."
    ),
}
"""For `DeletionCompleted`, by what the listing showed."""


def how_sure(request: Request) -> str:
    status = request.status
    match status.phase:
        case phase if phase not in ENDED:
            return "Not ended yet."
        case _ if status.reason == Reason.DELETION_COMPLETED:
            shown = status.verification.result if status.verification else ""
            return COMPLETED.get(shown, "Sure: the server's own job reported that it completed.")
        case _ if status.reason == Reason.REJECTED and status.earlier_attempts:
            return _SENT_BEFORE
        case _ if status.reason == Reason.VERIFIED_ABSENT and status.attempt is None:
            return "Sure that it is gone: it was listed, and then it was not. What removed it is not known."
        case _ if (words := HOW_SURE.get(status.reason or "")) is not None:
            return words
        case _ if status.attempt is None:
            return _NOTHING_SENT if _sent_none(status) else _NONE_ACCEPTED
        case _ if status.reason == Reason.DEADLINE_EXCEEDED and (status.job or status.acceptance):
            return "The deletion may go on at the server: it cannot be told to stop."
        case _:
            return _SENT_BEFORE


def _sent_none(status: Status) -> bool:
    """A DELETE that was refused is no attempt: its claim recorded the target, and its answer the error."""
    return status.attempt is None and (status.last_error is None or status.target is None)


# Already asked, and the end


def already_asked(request: Request) -> str:
    name, key = request.spec.namespace_name, request.key
    if request.status.phase in OPEN_ATTEMPT:
        return f'The Moorcheh namespace "{name}" is being deleted already, by the request {key}'
    return f'There is a request to delete the Moorcheh namespace "{name}" already: {key}'


def not_kept(wanted: RequestBody, asked: Seen) -> str:
    yours, theirs = (
        ", ".join(f"{key} {plain_text(str(value))}" for key, value in conditions(spec).items()) or "none"
        for spec in (wanted.spec, asked.body["spec"])
    )
    return (
        f"{already_asked(asked.request)}, which has conditions of its own ({theirs}). "
        f"Yours ({yours}) can't be checked any more"
    )


class Retrying(Enum):
    """Whether it is worth a try to ask for the same again, by the reason of a failure."""

    NOW = auto()
    ONCE_MENDED = auto()  # as things are, it would fail again
    NEVER = auto()  # it is something else that has to be asked for


RETRYING: dict[str, Retrying] = {
    Reason.TARGET_ABSENT: Retrying.NEVER,
    Reason.PRECONDITION_FAILED: Retrying.NEVER,
    Reason.INVALID_SPEC: Retrying.NEVER,
    Reason.WITHDRAWN: Retrying.NEVER,
    Reason.PRECONDITION_UNVERIFIABLE: Retrying.ONCE_MENDED,
    Reason.REJECTED: Retrying.ONCE_MENDED,
    Reason.NOT_ALLOWED: Retrying.ONCE_MENDED,
    Reason.PROTECTED: Retrying.ONCE_MENDED,
}


def retrying(request: Request) -> Retrying:
    return RETRYING.get(request.status.reason or "", Retrying.NOW)


def success(request: Request) -> str:
    """What is so now of the name that was asked for."""
    status, name = request.status, request.spec.namespace_name
    proven = status.verification is None or status.verification.result == VerificationResult.ABSENT
    once = status.attempt is None or status.attempt.number == 1  # else the message tells how sure it is
    if status.reason == Reason.DELETION_COMPLETED and proven and once and status.deleted_items is not None:
        return f"Gone: {name}. {status.deleted_items:,} items were removed."
    words = plain_text(status.message or "")
    if status.reason == Reason.ALREADY_ABSENT:
        return f"Nothing to delete: {words}"
    return f"Gone: {name}. {words}".rstrip()


# Held, and by whom


def held(request: Request) -> bool:
    """By `spec.suspend`, which the API server takes only where no attempt is open."""
    return request.spec.suspend and request.status.phase not in (*OPEN_ATTEMPT, *ENDED)


def _managers(seen: Seen) -> list[dict[str, Any]]:
    """Of the object but its status, as the API server keeps them."""
    managed = seen.body["metadata"].get("managedFields") or []
    return [entry for entry in managed if not entry.get("subresource")]


def last_set_by(seen: Seen) -> str:
    """Who wrote spec.suspend last, and when."""
    owners = [
        entry
        for entry in _managers(seen)
        if "f:suspend" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    if not owners:
        return "somebody not recorded (see the audit log)"
    newest = max(owners, key=lambda entry: str(entry.get("time") or ""))
    return plain_text(f"{newest.get('manager')} at {newest.get('time')}")


def gitops_warning(seen: Seen) -> str | None:
    """What becomes of an approval of an object that a GitOps tool keeps as it is in Git."""
    match _kept_by(seen):
        case "Flux":
            when, way = "the next run of Flux", ""
        case "Argo CD":
            when, way = "Argo CD's self-heal or next sync", ", or add ignoreDifferences on /spec/suspend"
        case _:
            return None
    return (
        f"Where Git says suspend: true, {when} holds it again, unless the deletion has begun by then. "
        f"An approval that lasts: commit suspend: false{way}."
    )


def _kept_by(seen: Seen) -> str | None:
    if seen.request.recreated_by is not None:
        return seen.request.recreated_by
    if HOOKS & seen.annotations.keys():
        return None
    for entry in _managers(seen):
        manager = str(entry.get("manager"))
        if manager in ("kustomize-controller", "helm-controller"):
            return "Flux"
        if manager.startswith("argocd"):
            return "Argo CD"
    return None


def gone_words(request: Request) -> str:
    """Of a request that is deleted, by what was last known of it."""
    if request.status.phase in OPEN_ATTEMPT:
        return "The request is deleted. What it began goes on at the server, and nothing follows it any more."
    return (
        "The request is deleted. Nothing of it was seen to begin; what began in the last moment would go on "
        "at the server."
    )


def made_with(seen: Seen) -> str | None:
    """The program's own word."""
    return next((plain_text(str(entry.get("manager"))) for entry in _managers(seen)), None)


# Rows

HEADER = ("NAME", "TARGET", "PHASE", "PROGRESS", "REASON", "AGE")


def row(request: Request, now: datetime, *, with_namespace: bool) -> list[str]:
    status = request.status
    cells = [
        request.name,
        request.spec.namespace_name,
        str(status.phase or "-"),
        plain_text(status.progress or "") or "-",
        plain_text(status.reason or "") or "-",
        short_time(now - request.creation_time),
    ]
    return [request.namespace, *cells] if with_namespace else cells


def aligned(rows: list[list[str]]) -> list[list[str]]:
    """Each cell padded to its column's width, the last one left as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)] + row[-1:] for row in rows
    ]


APPROVED = "Approved; waiting for the operator"


def approved_unseen(request: Request) -> bool:
    """Its status is still that of before the approval."""
    status = request.status
    old = status.observed_generation < request.generation
    return old and status.phase is Phase.SUSPENDED and not request.spec.suspend


def change_line(request: Request) -> str:
    """One change, where there is no terminal."""
    status = request.status
    if approved_unseen(request):
        return f"{request.key}  {request.spec.namespace_name}  {APPROVED}"
    parts = [
        f"{request.key}  {request.spec.namespace_name}",
        f"{status.phase or 'not seen yet'}" + (f"/{plain_text(status.reason)}" if status.reason else ""),
        plain_text(status.progress or ""),
    ]
    return "  ".join(part for part in parts if part)


# Receipts to keep

RECEIPTS = ("NAME", "TARGET", "PHASE", "REASON", "ITEMS", "LISTED", "ASKED BY", "APPROVED BY", "ENDED")


def receipt_row(seen: Seen, vouching: Vouching, *, with_namespace: bool) -> list[str]:
    request, status = seen.request, seen.request.status
    names = [vouching.name(seen.annotations.get(note), request) for note in (REQUESTED_BY, APPROVED_BY)]
    asker, approver = (
        "-" if name is None else name.text if name.vouched else f"{name.text} (claimed)" for name in names
    )
    if (policy := _policy(seen)) is not None:
        asker = f"{asker}, policy {policy} (claimed)"
    removed = status.deleted_items
    cells = [
        request.name,
        request.spec.namespace_name,
        str(status.phase or "-"),
        plain_text(status.reason or "") or "-",
        "-" if removed is None else str(removed),
        plain_text(status.verification.result) if status.verification else "-",
        asker,
        approver,
        "-" if status.completion_time is None else render_time(status.completion_time),
    ]
    return [request.namespace, *cells] if with_namespace else cells


def records(
    found: Sequence[Seen], vouching: Vouching, *, cluster: dict[str, Any], by: str | None, now: datetime
) -> dict[str, Any]:
    """Receipts in a form that no kubectl command takes for requests: of a kind that no cluster knows."""
    return {
        "apiVersion": "records.moorcheh.invalid/v1",
        "kind": "DeletionReceipts",
        "metadata": {"name": "records-that-ask-for-nothing"},
        "cluster": cluster,
        "exported": {"time": render_time(now), "by": by},
        "receipts": [_record(seen, vouching) for seen in found],
    }


def _record(seen: Seen, vouching: Vouching) -> dict[str, Any]:
    """All that the object says, but what the API server keeps for itself."""
    request, notes, metadata = seen.request, seen.annotations, seen.body["metadata"]
    attempt = request.status.attempt
    kept = ("namespace", "name", "uid", "creationTimestamp", "deletionTimestamp", "labels", "annotations")
    return {
        "request": {key: metadata[key] for key in kept if key in metadata},
        "requestedBy": _named(vouching.name(notes.get(REQUESTED_BY), request)),
        "approvedBy": _named(vouching.name(notes.get(APPROVED_BY), request)),
        "madeWith": made_with(seen),
        "requestId": f"{request.uid}/{attempt.id}" if attempt else None,
        "howSure": how_sure(request),
        "spec": seen.body["spec"],
        "status": seen.body.get("status", {}),
    }


def _named(name: Name | None) -> dict[str, Any] | None:
    return None if name is None else {"name": name.text, "vouchedFor": name.vouched}


# Preview and receipt: (label, text) pairs

Lines = list[tuple[str, str]]


def preview(seen: Seen, *, name_request: bool, waited: bool) -> Lines:
    """`name_request`: it stays, so why it would be refused is said where its approval is. `waited`: it may
    have been looked up long ago.
    """
    request, target = seen.request, seen.request.status.target
    lines = [("Namespace", request.spec.namespace_name)]
    if target is None:
        lines.append(("Found", "not known: the server was not asked"))
    elif not target.found:
        lines.append(("Found", "no"))
    else:
        items = "number not known" if target.item_count is None else f"{target.item_count:,}"
        lines.append(("Items", items))
        lines.append(("Created", plain_text(target.creation_time or "not known")))
    if target is not None and target.observation_time is not None:
        lines.append((_looked(request) if waited else "Looked up", render_time(target.observation_time)))
    lines += _conditions(request)
    if name_request:
        lines.append(("Request", request.key))
    absent = target is not None and not target.found
    if would_be_refused(request) and not absent and not name_request:
        lines.append(("But", what_is_wrong(request)))
    return lines


def _looked(request: Request) -> str:
    """The operator looks at a suspended one once a minute, and writes what has changed."""
    return "Unchanged since" if looked_up(request) else "Looked up"


def why_suspended(request: Request) -> str:
    """The operator's message without its first word, which says nothing new here."""
    return why_waiting(request).removeprefix("Suspended. ")


def why_waiting(request: Request) -> str:
    return plain_text(request.status.message or "")


def what_is_wrong(request: Request) -> str:
    """Without what the operator advises about a request that waits, for one that does not."""
    first = f"{why_suspended(request).partition('. ')[0].rstrip('.')}."
    return first.replace(WOULD_BE_REFUSED, "It would be refused", 1)


def would_be_refused(request: Request) -> bool:
    return request.status.phase is Phase.SUSPENDED and WOULD_BE_REFUSED in (request.status.message or "")


def looked_up(request: Request) -> bool:
    """Whether its status shows what an approval would do, as the server shows it now."""
    status = request.status
    told = status.phase is Phase.SUSPENDED and why_suspended(request).startswith(LOOKED_UP)
    return told and status.target is not None


def receipt(
    seen: Seen, events: Iterable[dict[str, Any]], vouching: Vouching, now: datetime
) -> Iterator[tuple[str, Lines]]:
    """Sections of (label, text)."""
    request, status = seen.request, seen.request.status
    reason = f" ({plain_text(status.reason)})" if status.reason else ""
    yield (
        f"Request {request.key}",
        [
            ("State", f"{status.phase or 'not seen by an operator yet'}{reason}"),
            *([("Meaning", plain_text(status.message))] if status.message else []),
            ("How sure", how_sure(request)),
            *(
                [("Listing then", f"{plain_text(proof.result)}, at {render_time(proof.time)}")]
                if (proof := status.verification)
                else []
            ),
            *([("Newest error", plain_text(status.last_error))] if status.last_error else []),
        ],
    )
    yield (
        "Asked for",
        [("Delete", f"the Moorcheh namespace {request.spec.namespace_name}"), *_asked(seen, vouching)],
    )
    yield "Target, as it was looked up", _target(request)
    yield "Attempts and job", _job(request)
    yield "Cluster's clock", _cluster_times(request, now)
    told = [
        (
            str(event.get("lastTimestamp") or event.get("eventTime") or "-"),
            f"{event.get('reason')}: {plain_text(str(event.get('message') or ''))}",
        )
        for event in events
    ]
    if told:
        yield "Events", told


def _asked(seen: Seen, vouching: Vouching) -> Lines:
    request, notes = seen.request, seen.annotations
    by = vouching.name(notes.get(REQUESTED_BY), request)
    lines = [("By", str(by) if by else "not recorded; the audit log has the name")]
    if (policy := _policy(seen)) is not None:
        run = notes.get(RUN_ANNOTATION)
        when = f", run of {plain_text(run)}" if run else ""
        lines.append(
            ("By policy", f"{policy}{when} (claimed: its label says so, which anybody may have typed)")
        )
    if tool := made_with(seen):
        lines.append(("Made with", tool))
    if approver := vouching.name(notes.get(APPROVED_BY), request):
        again = held(request)
        lines.append(
            ("Was approved" if again else "Approved by", f"{approver}" + (", held again" if again else ""))
        )
    if RETRY_OF in notes:
        lines.append(("Retry of", plain_text(notes[RETRY_OF])))
    lines += _conditions(request)
    if request.spec.server != DEFAULT_SERVER:
        lines.append(("Server", request.spec.server))
    lines.append(("If absent", str(request.spec.if_absent)))
    if request.spec.suspend:
        lines.append(("Held", f"spec.suspend is true, set by {last_set_by(seen)}"))
    lines.append(("Further attempts", f"at most {request.spec.backoff_limit}"))
    lines.append(("Deadline", f"{long_time(request.spec.active_deadline_seconds)} after the start"))
    return lines


def _policy(seen: Seen) -> str | None:
    """The name of the cleanup policy that a label names."""
    name = (seen.body["metadata"].get("labels") or {}).get(POLICY_LABEL)
    return plain_text(name) if name else None


def _conditions(request: Request) -> Lines:
    wanted = request.spec.preconditions
    lines = []
    if wanted.created_before is not None:
        lines.append(("Only if", f"created before {render_time(wanted.created_before)}"))
    if wanted.max_items is not None:
        lines.append(("Only if", f"at most {wanted.max_items:,} items"))
    return lines


def _target(request: Request) -> Lines:
    target = request.status.target
    if target is None:
        return [("Found", "not looked up yet")]
    lines = [("Found", "yes" if target.found else "no")]
    if target.item_count is not None:
        lines.append(("Items", f"{target.item_count:,}"))
    if target.creation_time is not None:
        lines.append(("Created", f"{plain_text(target.creation_time)} (server's clock)"))
    if target.observation_time is not None:
        lines.append((_looked(request), f"{render_time(target.observation_time)} (cluster's clock)"))
    return lines


def _job(request: Request) -> Lines:
    attempt, job = request.status.attempt, request.status.job
    if attempt is None:
        none = "no DELETE was sent" if _sent_none(request.status) else "no DELETE was accepted"
        return [("Attempts", f"none: {none}")]
    lines = [("Attempts", f"{attempt.number}, the last one at {render_time(attempt.start_time)}")]
    lines += [(f"Attempt {each.number}", _earlier(each)) for each in request.status.earlier_attempts]
    lines.append(("Sent as", f"X-Request-Id: {request.uid}/{plain_text(attempt.id)}"))
    if (acceptance := request.status.acceptance) is not None:
        lines.append(("Accepted", f"{render_time(acceptance.time)}, without a job"))
        said = (("Server says", acceptance.message), ("Estimated end", acceptance.estimated_completion))
        return [*lines, *((label, plain_text(words)) for label, words in said if words)]
    if job is None:
        return [*lines, ("Job", "none that is known")]
    lines.append(("Job", f"{job.id}, {plain_text(job.status or 'not reported yet')}"))
    if job.deleted_items is not None:
        total = "an unknown number" if job.total_items is None else f"{job.total_items:,}"
        lines.append(("Removed", f"{job.deleted_items:,} of {total} items"))
    if request.status.earlier_attempts and request.status.deleted_items is not None:
        lines.append(("Removed by all", f"{request.status.deleted_items:,} items"))
    if job.last_error is not None:
        lines.append(("Job's error", plain_text(job.last_error)))
    times = {"began": job.start_time, "last change": job.update_time, "ended": job.finish_time}
    told = [f"{what} {plain_text(time)}" for what, time in times.items() if time is not None]
    if told:
        lines.append(("Server's clock", ", ".join(told)))
    began, ended = parse_time(job.start_time), parse_time(job.finish_time)
    if began is not None and ended is not None and ended >= began:
        lines.append(("Job took", long_time((ended - began).total_seconds())))
    return lines


def _earlier(attempt: EarlierAttempt) -> str:
    job = attempt.job
    if job is None:
        return "no job that is known"
    removed = "an unknown number of" if job.deleted_items is None else f"{job.deleted_items:,}"
    why = f" ({plain_text(job.last_error)})" if job.last_error else ""
    return f"job {job.id}, {plain_text(job.status or 'not reported')}{why}, removed {removed} items"


def _cluster_times(request: Request, now: datetime) -> Lines:
    status = request.status
    lines = [
        ("Asked", f"{render_time(request.creation_time)}, {short_time(now - request.creation_time)} ago")
    ]
    if status.start_time is not None:
        lines.append(("Started", render_time(status.start_time)))
    if status.completion_time is not None:
        lines.append(("Ended", render_time(status.completion_time)))
        if status.start_time is not None:
            took = (status.completion_time - status.start_time).total_seconds()
            lines.append(("Took", long_time(took)))
    return lines


# Numbers


def short_time(span: timedelta) -> str:
    """`42s`, `7m`, `3h`, `5d`, as kubectl's AGE in short."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def long_time(seconds: float) -> str:
    """`5 s`, `4 min 10 s`, `2 h 5 min`, `3 d 1 h`."""
    whole = max(round(seconds), 0)
    for size, unit, rest, less in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            remainder = whole % size // rest
            return f"{whole // size} {unit}" + (f" {remainder} {less}" if remainder else "")
    return f"{whole} s"
