"""When to ask for a job again, and what the answers say about it. Pure."""

from __future__ import annotations

import zlib

from msgspec.structs import replace

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Job, JobStatus
from moorcheh_operator.clock import Now
from moorcheh_operator.moorcheh.answers import JobReport

from .facts import Facts, Polls

POLL_FIRST = 0.2  # seconds from the start of a job to its first poll
POLL_LEAST = 0.3  # between two polls without progress
POLL_NEAR = 0.05  # where progress says that the end is near
POLL_MOST = 10.0
LOST_POLLS = 3  # 404s in a row …
LOST_SECONDS = 15.0  # … over at least this long, before a job counts as unknown (rule 6)


def next_poll(request: Request, facts: Facts, now: Now) -> float:
    """Ticks of the next poll: where the progress seen predicts the end, and never far beyond what is known.

    Without progress after a tenth of the elapsed time; with it not far beyond what has elapsed, as a job that
    starts slowly seems to need far longer than it does.
    """
    polls = facts.polls
    if polls.last is None:
        return facts.first_seen + POLL_FIRST
    at = polls.last.answered
    if polls.trouble is not None:
        return min(polls.trouble.until, at + POLL_MOST)
    if polls.unknown_count:
        return at + LOST_SECONDS / (LOST_POLLS - 1)
    elapsed = _elapsed(request, facts, now, at)
    wait = max(elapsed / 10, POLL_LEAST)
    job = polls.last.answer.job if isinstance(polls.last.answer, JobReport) else None
    if job and job.total_items and job.deleted_items:
        done = min(job.deleted_items / job.total_items, 1.0)
        remaining = elapsed * (1 - done) / done
        wait = min(max(1.02 * remaining, elapsed / 20, POLL_NEAR), 0.75 * elapsed + 0.55)
    jitter = 1 + (zlib.crc32(request.uid.encode()) % 1000) / 20000  # up to 5 % later, so that polls spread
    return at + min(wait, POLL_MOST / 1.05) * jitter


def _elapsed(request: Request, facts: Facts, now: Now, at: float) -> float:
    """Seconds that the job had run by tick `at`.

    What this process saw itself is exact: a claim may wait for seconds on a busy machine, and a job that is
    taken for older than it is would be polled too late. What is recorded survives a restart.
    """
    attempt, sent = request.status.attempt, facts.sending.last
    seen = at - facts.first_seen
    if attempt is None:
        return max(seen, 0.0)
    if sent is not None and sent.attempt_id == attempt.id:
        return max(at - sent.answered, 0.0)
    recorded = (now.time - attempt.start_time).total_seconds() - (now.ticks - at) - 1.0
    return max(seen, recorded, 0.0)


def reported(recorded: Job, polls: Polls) -> Job:
    """The job with this process' newest report; a count that falls is the server's slip, so it stays."""
    report = polls.last.answer.job if polls.last and isinstance(polls.last.answer, JobReport) else None
    if report is None or report.id != recorded.id:
        return recorded
    counts = [count for count in (recorded.deleted_items, report.deleted_items) if count is not None]
    return replace(report, deleted_items=max(counts, default=None))


def job_lost(polls: Polls) -> bool:
    """The server itself said often and long enough that it knows no such job."""
    if polls.unknown_since is None or polls.last is None:
        return False
    return polls.unknown_count >= LOST_POLLS and polls.last.answered - polls.unknown_since >= LOST_SECONDS


def job_over(polls: Polls) -> bool:
    """What this process' polls say of a job that it only follows."""
    if polls.last is not None and isinstance(polls.last.answer, JobReport):
        return polls.last.answer.job.state is not JobStatus.RUNNING
    return job_lost(polls)
