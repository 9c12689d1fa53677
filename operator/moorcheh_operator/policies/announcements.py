"""What a change of a policy's status is worth telling. Pure."""

from __future__ import annotations

from moorcheh_operator.api.policy import Policy, PolicyStatus, Result
from moorcheh_operator.api.status import Condition
from moorcheh_operator.lifecycle.announcements import Announcement


def run_ended(before: PolicyStatus, after: PolicyStatus) -> Result | None:
    """Of the run that is over with this change; None: none is."""
    run = after.last_run
    if run is None or run == before.last_run or run.result == Result.CREATING:
        return None
    known = before.last_run
    if known is not None and (known.scheduled_time, known.result) == (run.scheduled_time, run.result):
        return None
    return Result(run.result) if run.result in list(Result) else None


def announcements(before: PolicyStatus, after: PolicyStatus) -> tuple[Announcement, ...]:
    news = []
    result, run = run_ended(before, after), after.last_run
    if result is not None and run is not None and result is not Result.NOTHING_TO_DO:
        kind = "Normal" if result is Result.COMPLETED else "Warning"
        news.append(Announcement(kind, str(result), run.message or ""))
    stall, known = _stalled(after), _stalled(before)
    if stall is not None and (known is None or known.reason != stall.reason):
        news.append(Announcement("Warning", stall.reason, stall.message))
    return tuple(news)


def policy_names(policy: Policy) -> dict[str, object]:
    """The fields of a log line about a policy."""
    return {"policy": policy.key, "uid": policy.uid}


def _stalled(status: PolicyStatus) -> Condition | None:
    return next((each for each in status.conditions if each.type == "Stalled"), None)
