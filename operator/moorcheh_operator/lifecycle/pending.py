"""Pending: nothing of the request is under way at Moorcheh. May it begin?"""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Reason
from moorcheh_operator.clock import Now

from .access import Open
from .facts import Facts, Look
from .guards import judge
from .incarnation import is_dated
from .kubernetes_namespace import Untold, active_since, too_slow
from .ownership import deadline_passed, stood_behind
from .retrying import before_retry
from .statuses import deadline_exceeded, unverifiable_after_another
from .steps import CheckNamespace, Claim, LookUp, Record, Step
from .waits import behind, namespace_slow, namespace_untold, not_taken, outage_wait, shut_out, wait

LOOK_FRESH = 2.0  # seconds from the look-up's answer to the claim (rule 3)
SLOW_SECONDS = 10.0  # after an answer that came too late for its look-up


def step(request: Request, facts: Facts, now: Now) -> Step:
    if deadline_passed(request, now):
        return Record(deadline_exceeded(request, now, request.status.job))
    if not isinstance(facts.admission.access, Open):
        return shut_out(request, facts, facts.admission.access, now)
    if facts.rivals.owner is not None:
        return behind(request, facts, now)
    if request.status.attempt is not None:
        if stood_behind(request, facts.rivals) and not is_dated(request.status.target):
            return Record(unverifiable_after_another(request, now))  # what is there by now may be newer
        step = before_retry(request, request.status.attempt, facts, now)
        if step is not None:
            return step
    if (trouble := facts.sending.hold_off) is not None and now.ticks < trouble.until:
        reason, message = not_taken(request, facts.admission, trouble.error, refused=trouble.refused)
        return wait(request, facts, now, trouble.until, reason, message, trouble.error)
    if facts.seen.outage is not None:
        return outage_wait(request, facts, facts.seen.outage, now)
    if not facts.seen.looks:
        return LookUp(to_claim=True)
    look = facts.seen.looks[-1]
    fresh = now.ticks - look.answered <= LOOK_FRESH  # an outage may lie between the look and what comes of it
    if (verdict := judge(request, facts, look, now)) is not None:
        return Record(verdict) if fresh else LookUp(to_claim=True)
    return _unless_held_up(request, facts, look, now, fresh=fresh)


def _unless_held_up(request: Request, facts: Facts, look: Look, now: Now, *, fresh: bool) -> Step:
    """The target may be deleted. What the claim waits for: a job slot, and word of its Kubernetes namespace
    from after the look.
    """
    held = facts.holding.since is not None and look.started >= facts.holding.since
    if not held and facts.holding.slots_full:
        message = (
            "Waiting for a job slot: as many jobs run at the server as the operator allows "
            "(maxRunningJobs, MOORCHEH_MAX_RUNNING_JOBS)."
        )
        return wait(request, facts, now, None, Reason.WAITING_FOR_SLOT, message)
    if isinstance(facts.admission.namespace, Untold) and now.ticks < facts.admission.namespace.trouble.until:
        reason, message = namespace_untold(request, facts.admission.namespace)
        return wait(request, facts, now, facts.admission.namespace.trouble.until, reason, message)
    again = look.answered + LOOK_FRESH + SLOW_SECONDS
    if too_slow(facts.admission.namespace, look.answered, LOOK_FRESH) and now.ticks < again:
        # Without a wait it would look and ask for ever, and keep its job slot.
        reason, message = namespace_slow(request)
        return wait(request, facts, now, again, reason, message)
    if not (held and fresh):
        return LookUp(to_claim=True)
    return Claim() if active_since(facts.admission.namespace, look.answered) else CheckNamespace()
