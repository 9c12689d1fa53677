"""The seven next steps, and when a wait is over or worth a write. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Reason, Status
from moorcheh_operator.clock import Now

from .facts import Facts
from .incarnation import is_dated
from .ownership import deadline_left

SETTLE_EXTRA = 5.0  # seconds, on top of two request timeouts (rule 5)
WAIT_WRITTEN = 1.0  # seconds a wait must last to be worth a write
PROGRESS_SECONDS = 5.0  # between two writes that show no more than progress


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator was started with, in seconds."""

    request_timeout: float = 30.0
    verify_seconds: float = 600.0

    @property
    def settle(self) -> float:
        return 2 * self.request_timeout + SETTLE_EXTRA


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing is left to do, and nothing to hold."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until `until` (ticks; None: until something happens), showing `status` if it lasts."""

    until: float | None
    status: Status


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the server for its listing; `to_claim`: holding target, job slot and HTTP slot if they are free."""

    to_claim: bool = False


@dataclass(frozen=True, slots=True)
class CheckNamespace:
    """Ask the API server whether the request's Kubernetes namespace is being deleted."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Write the claim (`claim`), and if it lands send the DELETE, once, at once."""


@dataclass(frozen=True, slots=True)
class Poll:
    job_id: str


@dataclass(frozen=True, slots=True)
class Record:
    status: Status


Step = Forget | Wait | LookUp | CheckNamespace | Claim | Poll | Record


def wake_at(step: Wait, request: Request, now: Now) -> float | None:
    """When to decide again (ticks): the step's own time, or the deadline if that comes first."""
    left = deadline_left(request, now)
    if request.gone or request.status.phase in ENDED or left is None or left <= 0:
        return step.until
    deadline = now.ticks + left
    return deadline if step.until is None else min(step.until, deadline)


def write_due(request: Request, status: Status, waiting_since: float, facts: Facts) -> float:
    """From when on (ticks) a status that only shows a wait is worth a write."""
    recorded = request.status
    if recorded.observed_generation not in (-1, status.observed_generation):
        return 0.0
    if (recorded.phase, recorded.reason) != (status.phase, status.reason):
        if status.reason == Reason.TARGET_BUSY and (status.attempt is None or not is_dated(status.target)):
            return waiting_since  # rule 8 is stricter with it, and after a kill nothing else tells that
        return waiting_since + WAIT_WRITTEN
    return facts.written + PROGRESS_SECONDS
