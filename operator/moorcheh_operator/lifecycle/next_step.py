"""The life of a request: (request, facts, now) -> the next step. docs/safety.md as code.

Pure: no I/O, no clock of its own, nothing remembered. The controller carries one step out, adds what it
learned to the facts and asks again, so whatever happened in between (another write, a crash, a stale read)
is taken in by deciding anew.
"""

from __future__ import annotations

import dataclasses

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Phase, Reason, Status
from moorcheh_operator.clock import Now

from . import doubtful, ended, pending, running, statuses, submitting, suspended, withdrawn
from .facts import Facts
from .kubernetes_namespace import ask_due
from .steps import CheckNamespace, Limits, Record, Step, Wait


def next_step(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    if request.gone or request.status.phase in ENDED:
        return ended.step(request, facts, now, limits)
    match request.status.phase:
        case Phase.SUBMITTING:
            return submitting.step(request, facts, now, limits)
        case Phase.RUNNING:
            return running.step(request, facts, now)
        case _ if request.withdrawn:
            return withdrawn.step(request, facts, now)
        case _ if not facts.admission.listed:
            return Wait(None, request.status)
        case _ if facts.admission.lost is not None:
            return Record(_came_back(request, facts.admission.lost, now))
        case _ if (step := doubtful.step(request, facts, now)) is not None:
            return step
        case _ if request.spec.suspend:
            return _or_ask(suspended.step(request, facts, now), facts, now)
        case _:
            return _or_ask(pending.step(request, facts, now), facts, now)


def _or_ask(step: Step, facts: Facts, now: Now) -> Step:
    """One that waits asks now and then whether its Kubernetes namespace is being deleted (rule 15)."""
    if not isinstance(step, Wait):
        return step
    due = ask_due(facts.admission.namespace)
    if now.ticks >= due:
        return CheckNamespace()
    return step if step.until is not None and step.until <= due else dataclasses.replace(step, until=due)


def _came_back(request: Request, lost: str, now: Now) -> Status:
    """Who wants it now is not certain, and it may have been carried out."""
    message = (
        f"The API server was set back to an earlier state, as by a restore of etcd: before that, {lost}. "
        "Nothing more is sent. Create a new request to delete the namespace."
    )
    return statuses.ended(request, now, Phase.FAILED, Reason.RESTORED_FROM_BACKUP, message)
