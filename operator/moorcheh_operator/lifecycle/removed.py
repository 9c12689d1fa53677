"""How many items the jobs of all attempts removed. Pure."""

from __future__ import annotations

from msgspec import Struct

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import MAX_COUNT, Job, JobStatus


class Removed(Struct, frozen=True):
    """What the jobs of all attempts removed."""

    items: int | None
    whole: bool = False  # it is all that they removed, and nothing twice
    gone: int = 0  # of what the first job found


def removed(request: Request, job: Job | None) -> Removed:
    """What a server has restored when it was restarted is not counted twice, and a count that is not known
    makes the sum a lower bound.
    """
    status = request.status
    jobs = [*(each.job for each in status.earlier_attempts), job]
    counts = [each.deleted_items for each in jobs if each is not None and each.deleted_items is not None]
    if not counts:
        return Removed(status.deleted_items)
    attempts = status.attempt.number if status.attempt else 1
    told = len(counts) == attempts and all(each and each.state is JobStatus.FAILED for each in jobs[:-1])
    gone = min(sum(counts), _most(jobs[0], job, sum(counts) if told else max(counts)))
    return Removed(min(max(gone, *counts), MAX_COUNT), told and gone == sum(counts), gone)


def _most(first: Job | None, last: Job | None, unknown: int) -> int:
    """What can be gone of all that the first job found, by what the last one has still to remove."""
    if first is None or first.total_items is None or last is None:
        return unknown
    if last.total_items is None or last.deleted_items is None:
        return unknown
    left = max(last.total_items - last.deleted_items, 0)
    return max(first.total_items, last.total_items, last.deleted_items) - left


def progress(job: Job, gone: int) -> str | None:
    """`1200/5000 (24%)`, of all that the first attempt found; never 100 % before all is gone."""
    if job.deleted_items is None or job.total_items is None:
        return None
    total = gone + max(job.total_items - job.deleted_items, 0)
    percent = 100 * gone // total if total else 100
    return f"{gone}/{total} ({percent}%)"
