"""The life of a request: (request, facts, now) -> the next step. docs/safety.md as code.

Pure: no I/O, no clock of its own, nothing remembered. The controller carries one step out, adds what it
learned to the facts and asks again, so whatever happened in between (another write, a crash, a stale read)
is taken in by deciding anew.
"""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Phase
from moorcheh_operator.clock import Now

from . import doubtful, ended, pending, running, submitting, suspended
from .facts import Facts
from .steps import Limits, Step, Wait


def next_step(request: Request, facts: Facts, now: Now, limits: Limits) -> Step:
    if request.withdrawn or request.status.phase in ENDED:
        return ended.step(request, facts, now, limits)
    match request.status.phase:
        case Phase.SUBMITTING:
            return submitting.step(request, facts, now, limits)
        case Phase.RUNNING:
            return running.step(request, facts, now)
        case _ if not facts.may_claim:
            return Wait(None, request.status)
        case _ if (step := doubtful.step(request, facts, now)) is not None:
            return step
        case _ if request.spec.suspend:
            return suspended.step(request, facts, now)
        case _:
            return pending.step(request, facts, now)
