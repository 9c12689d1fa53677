"""Running: the server accepted the DELETE and gave a job."""

from __future__ import annotations

from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Attempt, Job, JobStatus, Phase, Reason, Status
from moorcheh_operator.clock import Now
from moorcheh_operator.moorcheh.answers import JobReport, JobUnknown, Unavailable

from . import accepted, completed
from .facts import Facts, Polls
from .ownership import deadline_passed
from .polling import job_lost, next_poll, reported
from .retrying import retry_message
from .statuses import deadline_exceeded, ended, job_shown, limit_exceeded, next_status
from .steps import Poll, Record, Step, Wait


def step(request: Request, facts: Facts, now: Now) -> Step:
    attempt, acceptance = request.status.attempt, request.status.acceptance
    if request.status.job is None and acceptance is not None:
        return accepted.step(request, acceptance, facts, now)
    if request.status.job is None or attempt is None:
        message = (
            "The job's id is missing from the status, so it can't be followed; the deletion may still run at "
            "the server. Check there before you create a new request."
        )
        return Record(ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message))
    job = reported(request.status.job, facts.polls)
    match job.state:
        case JobStatus.COMPLETED:
            return completed.step(request, attempt, job, facts, now)
        case JobStatus.FAILED:
            return Record(_job_failed(request, attempt, job, now))
        case JobStatus.RUNNING:
            pass
        case _:
            assert_never(job.state)
    if job_lost(facts.polls):
        error = f"job {job.id} is unknown to the server"
        message = retry_message(request, attempt, error)
        return Record(
            next_status(
                request,
                now,
                Phase.PENDING,
                Reason.RETRYING,
                message,
                last_error=error,
                **job_shown(request, job),
            )
        )
    if deadline_passed(request, now):
        return Record(deadline_exceeded(request, now, job))
    due = next_poll(request, facts, now)
    return Poll(job.id) if now.ticks >= due else Wait(due, _still_running(request, facts.polls, now, job))


def _job_failed(request: Request, attempt: Attempt, job: Job, now: Now) -> Status:
    error = job.last_error or "the job failed without an error"
    if attempt.number > request.spec.backoff_limit:
        return limit_exceeded(request, now, job, error)
    message = retry_message(request, attempt, error)
    return next_status(
        request, now, Phase.PENDING, Reason.RETRYING, message, last_error=error, **job_shown(request, job)
    )


def _still_running(request: Request, polls: Polls, now: Now, job: Job) -> Status:
    reason, message = Reason.JOB_RUNNING, f"The server deletes it; its job is {job.id}."
    last_error = request.status.last_error
    match polls.last.answer if polls.last else None:
        case Unavailable(error) | JobUnknown(error):
            reason = Reason.POLL_FAILING
            message = f"The server does not tell about job {job.id}, which is asked for again: {error}"
            last_error = error
        case None if request.status.reason == Reason.POLL_FAILING:
            return request.status  # after a restart nothing better is known until the first answer
        case JobReport() | None:
            pass
    return next_status(
        request, now, Phase.RUNNING, reason, message, last_error=last_error, **job_shown(request, job)
    )
