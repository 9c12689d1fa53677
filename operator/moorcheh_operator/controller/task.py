"""One request in work: asks `lifecycle` for the next step, does it, notes the facts, asks again.

Nothing here decides what a request may do; what is here is when, and with which connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import uuid
from typing import assert_never

from msgspec.structs import replace

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, OPEN_ATTEMPT, Phase, Status
from moorcheh_operator.clock import Now
from moorcheh_operator.cluster.client import Conflict, Invalid, Unanswered, WriteAnswer, Written
from moorcheh_operator.lifecycle.access import same_refusal, seen_at
from moorcheh_operator.lifecycle.announcements import log_names
from moorcheh_operator.lifecycle.facts import (
    Admission,
    Facts,
    Look,
    Rivals,
    Seen,
    Sent,
    after_look,
    after_poll,
    after_send,
    elsewhere,
    new_chapter,
)
from moorcheh_operator.lifecycle.incarnation import CLOCK_ERROR
from moorcheh_operator.lifecycle.kubernetes_namespace import Active
from moorcheh_operator.lifecycle.next_step import next_step
from moorcheh_operator.lifecycle.ownership import uses_slot
from moorcheh_operator.lifecycle.placement import Place, needs_labels, working_at
from moorcheh_operator.lifecycle.statuses import bare
from moorcheh_operator.lifecycle.steps import (
    CheckNamespace,
    Claim,
    Forget,
    LookUp,
    Poll,
    Record,
    Step,
    Wait,
    wake_at,
    write_due,
)
from moorcheh_operator.lifecycle.submitting import SEND_WINDOW, claim, own_send
from moorcheh_operator.moorcheh.answers import NotSent, PollAnswer, SendAnswer, Unavailable
from moorcheh_operator.moorcheh.connection import Connection

from .holdings import Holdings
from .live_servers import LiveServer
from .relist import CRASH_SECONDS, RELIST_SECONDS
from .shared import Shared
from .stored import StoredRequest

UNWRITABLE_SECONDS = 30.0  # before a status that the schema rejects is tried again

logger = logging.getLogger(__name__)


class RequestTask:
    def __init__(self, request: Request, shared: Shared) -> None:
        self._shared = shared
        self._clock = shared.clock
        ticks = self._clock.ticks()
        # One that may not must not for a moment keep those waiting who may.
        self.facts = Facts(
            ticks,
            Admission(
                access=shared.access(request, None),
                access_since=ticks,
                lost=shared.past.lost(request) if shared.past else None,
            ),
            Rivals(rewound=shared.past is not None and request.uid in shared.past.known),
        )
        self._stored = StoredRequest(request, shared.cluster, self._changed, shared.reporter.written)
        self._holdings = Holdings(request, self._clock)
        self._place: Place | None = None
        self._wake = asyncio.Event()
        self._doubted = False  # the API server is to be asked what the object is
        self._target_since: float | None = None  # ticks; None while another request has the target
        self._waiting: tuple[str, str, float] | None = None  # phase and reason of a wait, since when
        self._shown_since = ticks  # since when, for this process, the status has had its phase and reason
        self._wait_told = False  # that it has had them for long
        self._changed(request, request)

    @property
    def request(self) -> Request:
        """The newest version that is known."""
        return self._stored.request

    @property
    def server(self) -> LiveServer | None:
        return self._holdings.server

    @property
    def may_be_left(self) -> bool:
        """No DELETE of it is under way, or may be."""
        return not self.facts.holding.claiming and self.request.status.phase not in OPEN_ATTEMPT

    def adopt(self, request: Request) -> None:
        """A newer version, that somebody has seen."""
        self._stored.adopt(request)
        self.wake()

    def doubt(self, request: Request, *, listed: bool) -> None:
        """A version that is not newer, and not the known one: stale, or of another history. A watch may be
        late with what was known before; a list is not.
        """
        if self._stored.contradicts(request) or listed:
            self._doubted = True
            self.wake()

    def mark_gone(self) -> None:
        """Its object is gone."""
        self._stored.mark_gone()
        self.wake()

    def wake(self) -> None:
        self._wake.set()

    def leadership_changed(self) -> None:
        # A refusal must stand for a minute with the one that leads: a standby may have an older file.
        admission = replace(self.facts.admission, access_since=self._clock.ticks())
        self.facts = replace(self.facts, admission=admission, seen=Seen(self.facts.seen.bound))
        self.wake()

    async def run(self) -> None:
        """To its end, or until it is cancelled; then it holds nothing any more."""
        try:
            while True:
                try:
                    if not await self._advance():
                        return
                except Exception:
                    logger.exception(
                        "unexpected error with this request; it is tried again", extra=log_names(self.request)
                    )
                    self._holdings.let_go()
                    await asyncio.sleep(CRASH_SECONDS)
        finally:
            self._holdings.let_go()
            self._holdings.release_slot()
            self._shared.targets.remove(self)

    async def _advance(self) -> bool:
        """One step. False: the task is over."""
        if self._doubted:
            self._doubted = False
            await self._stored.read()
        if self._holdings.held is None and needs_labels(self.request, self._shared.servers.defined):
            await self._shared.labels.refresh(self.request.namespace)
        step, now = self._decide()
        if not isinstance(step, CheckNamespace | Claim):
            self._give_back(step, now)
        if isinstance(step, Forget):
            return False
        if not self._may_act(step):
            return await self._stand_by(now)
        match step:
            case Wait():
                await self._wait(step, now)
            case LookUp(to_claim):
                await self._look(to_claim=to_claim)
            case CheckNamespace():
                await self._shared.namespaces.ask(self.request.namespace)
            case Claim():
                await self._claim_and_send(now)
            case Poll(job_id):
                await self._poll(job_id)
            case Record(status):
                await self._record(status)
            case _:
                assert_never(step)
        return True

    def _give_back(self, step: Step, now: Now) -> None:
        """What it does not need for this step. What is held for a claim is held until it is made."""
        self._holdings.let_go()
        if uses_slot(self.request, self.facts.polls, now):
            self._holdings.occupy_slot()
        elif not self.facts.holding.slots_full and step != LookUp(to_claim=True):
            self._holdings.release_slot()

    async def _stand_by(self, now: Now) -> bool:
        """False: it is over, as this process is."""
        self._holdings.let_go()
        if not uses_slot(self.request, self.facts.polls, now):
            self._holdings.release_slot()
        if self._shared.closing:
            return False
        await self._sleep(None)
        return True

    def _may_act(self, step: Step) -> bool:
        """One that does not lead, is stopping, or leaves the request's server to another operator, only
        records what it has sent itself. Every replica follows the job of an object that is gone: no list
        shows it, and who leads next must know who has the target.
        """
        ours = self._shared.leads() and self._shared.serves(self.request.spec.server)
        if not self._shared.closing and (ours or self.request.gone):
            return True
        return isinstance(step, Record) and own_send(self.request, self.facts.sending) is not None

    def _decide(self) -> tuple[Step, Now]:
        now = self._clock.now()
        request, targets, held = self.request, self._shared.targets, self._holdings.held
        self._place_anew(now.ticks)
        facts = self.facts
        owner = targets.owner(request)
        blocked = owner is not None and owner.uid != request.uid
        if blocked:
            self._target_since = None
        elif self._target_since is None:
            # What was seen of the target while another request had it decides nothing.
            self._target_since = now.ticks
            facts = replace(facts, seen=replace(facts.seen, looks=()))
        rivals = replace(
            facts.rivals,
            owner=_named(owner) if owner is not None and blocked else None,
            queued=facts.rivals.queued or blocked,
            last_end=targets.last_end(request),
        )
        both = None if held is None or self._target_since is None else max(held.since, self._target_since)
        self.facts = replace(
            facts,
            admission=replace(facts.admission, listed=self._shared.listed),
            rivals=rivals,
            holding=replace(facts.holding, since=both),
            name_reuse=self._shared.name_reuse(request),
        )
        limits = self.server.limits if self.server else self._shared.servers.default_limits
        return next_step(request, self.facts, now, limits), now

    def _place_anew(self, ticks: float) -> None:
        """By what the servers file says now. What was seen at another server counts for nothing."""
        servers = self._shared.servers
        url = working_at(self.request, self.facts.polls, servers.defined)
        if self._holdings.move(None if url is None else servers.at(url)):
            # Its place in the old one's queue is gone, and nobody would wake it for a free slot.
            self._slots_full(full=False)
        there = self._shared.place(self.request)
        if self._place not in (None, there):
            self.facts = elsewhere(self.facts, ticks)
        self._place = there
        namespace = self._shared.namespaces.of(self.request.namespace, self.facts.first_seen)
        if namespace is not self.facts.admission.namespace:
            self.facts = replace(self.facts, admission=replace(self.facts.admission, namespace=namespace))
        verdict = self._shared.access(self.request, namespace)
        known = self.facts.admission
        if verdict != known.access:
            since = known.access_since if same_refusal(verdict, known.access) else ticks
            self.facts = replace(self.facts, admission=replace(known, access=verdict, access_since=since))
        self._shared.targets.update(self)

    # The steps

    async def _wait(self, step: Wait, now: Now) -> None:
        if not self._wait_told:
            self._wait_told = self._shared.reporter.waits(self.request, now.ticks - self._shown_since)
        until = wake_at(step, self.request, now)
        if step.status != self.request.status:
            shown = (str(step.status.phase), str(step.status.reason))
            if self._waiting is None or self._waiting[:2] != shown:
                self._waiting = (*shown, now.ticks)
            due = write_due(self.request, step.status, self._waiting[2], self.facts)
            if now.ticks >= due:
                await self._record(step.status)
                return
            until = due if until is None else min(until, due)
        await self._sleep(None if until is None else until - now.ticks)

    async def _sleep(self, seconds: float | None) -> None:
        """Until woken, `seconds` at the most; None: the relist wakes it at the latest."""
        most = RELIST_SECONDS if seconds is None else min(seconds, RELIST_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await self._wake.wait()
        self._wake.clear()

    async def _look(self, *, to_claim: bool) -> None:
        server, name = self.server, self.request.spec.namespace_name
        if server is None:
            now, gone = self._clock.ticks(), Unavailable(_no_server(self.request))
            self.facts = after_look(self.facts, name, gone, now, now)
            return
        moorcheh = server.moorcheh
        if to_claim:
            taken = await self._holdings.take(self._slot_free)
            self._slots_full(full=not taken)
        started, answer, answered = await moorcheh.look_up()
        if self._shared.place(self.request)[0] == server.url:  # else it tells of one that is not meant now
            self.facts = after_look(self.facts, name, answer, started, answered, server.url)

    def _slot_free(self) -> None:
        self._slots_full(full=False)
        self.wake()

    def _slots_full(self, *, full: bool) -> None:
        self.facts = replace(self.facts, holding=replace(self.facts.holding, slots_full=full))

    async def _poll(self, job_id: str) -> None:
        chapter, server = _chapter(self.request), self.server
        answer: PollAnswer
        if server is None:
            answer = Unavailable(_no_server(self.request))
        else:
            answer = await server.moorcheh.job(self.request.spec.namespace_name, job_id)
        if _chapter(self.request) == chapter:  # else it may be about the job of an earlier attempt
            self.facts = after_poll(self.facts, answer, self._clock.ticks())

    async def _claim_and_send(self, now: Now) -> None:
        """Rule 3: only the coroutine that won the claim sends, once, at once."""
        built_on, look = self.request, self.facts.seen.looks[-1]  # the claim forgets all looks
        attempt_id = str(uuid.uuid4())
        status = claim(self.request, self.facts, now, attempt_id)
        # From here on nobody else may come to hold the target, older or not: the claim may land any moment.
        self._set_claiming(claiming=True)
        try:
            answer = await self._write(status)
        finally:
            self._set_claiming(claiming=False)
        attempt = self.request.status.attempt
        landed = attempt is not None and attempt.id == attempt_id
        if isinstance(answer, Conflict) and not landed:
            return
        sent: SendAnswer
        if landed:
            claimed = dataclasses.replace(built_on, status=status)
            sent = await self._send(attempt_id, claimed, now, look)
        else:
            # It may still land. This process knows that nothing was sent for it, and will take it back.
            words = (
                answer.error if isinstance(answer, Invalid | Unanswered) else "another write came after it"
            )
            sent = NotSent(f"the claim could not be recorded: {words}")
        self.facts = after_send(self.facts, Sent(attempt_id, sent, self._clock.ticks(), built_on.status))

    async def _send(self, attempt_id: str, claimed: Request, now: Now, look: Look) -> SendAnswer:
        """The claim, decided at `now`, is written: the DELETE, unless something has come between, or the
        object is not `claimed` in all but its version (rule 18).
        """
        # Asked only now: who deletes the namespace after this answer deletes a request that was claimed.
        namespace = await self._shared.namespaces.ask(self.request.namespace)
        held, server = self._holdings.held, self.server
        if self._shared.cluster.history.over or not self.request.says_the_same(claimed):
            return NotSent("the request has changed, or was deleted, since its claim was made")
        if not isinstance(namespace, Active):
            return NotSent(f"the Kubernetes namespace {self.request.namespace} may be being deleted")
        if held is None or server is None or abs(server.clock.skew() - look.skew) > CLOCK_ERROR:
            # A machine that slept: the look-up was judged by a clock that had stood still (rule 8).
            return NotSent("the clocks moved between the look-up and the claim")
        return await self._send_delete(held.connection, attempt_id, now)

    def _set_claiming(self, *, claiming: bool) -> None:
        self.facts = replace(self.facts, holding=replace(self.facts.holding, claiming=claiming))
        self._shared.targets.update(self)

    async def _send_delete(self, connection: Connection, attempt_id: str, claimed: Now) -> SendAnswer:
        request = self.request
        started = self._clock.ticks()
        leave_by = claimed.ticks + SEND_WINDOW
        answer = await connection.delete(request.spec.namespace_name, f"{request.uid}/{attempt_id}", leave_by)
        self._shared.reporter.deleted(request, answer, connection.last_code, self._clock.ticks() - started)
        return answer

    # The object

    async def _record(self, status: Status) -> None:
        built_on = self.request.resource_version
        match await self._write(status):
            case Invalid(error):
                logger.error(
                    "the API server rejects the status, which is tried again with less in it: %s; is the "
                    "CRD this operator's?",
                    error,
                    extra=log_names(self.request),
                )
                if self.request.resource_version != built_on:
                    return  # somebody else wrote meanwhile, perhaps a claim: decide anew
                if isinstance(await self._write(bare(status)), Invalid):
                    await self._sleep(UNWRITABLE_SECONDS)
            case Written() | Conflict() | Unanswered():
                pass

    async def _write(self, status: Status) -> WriteAnswer:
        answer = await self._stored.write(status)
        if isinstance(answer, Written):
            self.facts = replace(self.facts, written=self._clock.ticks())
            self._waiting = None
        return answer

    def _changed(self, before: Request, request: Request) -> None:
        """There is a new version of the object, by whomever."""
        if (before.status.phase, before.status.reason) != (request.status.phase, request.status.reason):
            self._shown_since, self._wait_told = self._clock.ticks(), False
        if _chapter(before) != _chapter(request):
            self.facts = new_chapter(self.facts, self._clock.ticks())
        if request.status.phase in ENDED:
            self._shared.targets.note_end(request)
        self._shared.targets.update(self)
        if request.withdrawn and not before.withdrawn:
            self._shared.targets.wake_others(request)  # they name one that nobody finds any more


def _named(request: Request) -> str:
    return f"{request.key} (deleted, but its job may still run)" if request.withdrawn else request.key


def _no_server(request: Request) -> str:
    where = seen_at(request) or f'the server "{request.spec.server}"'
    return f"the servers file does not name {where}, where this attempt is"


def _chapter(request: Request) -> tuple[Phase, str | None, bool, str | None]:
    """While it stays the same, what was seen before still counts. An older look than the one that bound the
    request, by another process perhaps, would read as "seen before and gone".
    """
    status, attempt, target = request.status, request.status.attempt, request.status.target
    return (
        status.phase or Phase.PENDING,
        attempt.id if attempt else None,
        request.spec.suspend,
        target.creation_time if target else None,
    )
