"""The tasks: one a request. Each asks `lifecycle` for the next step, does it, notes the facts, asks again.

Everything that waits, wakes: by an event, by its own time, or by the relist once a minute. Nothing here
decides what a request may do; what is here is when, in which order, and with which connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, assert_never

from moorcheh_operator.api.request import MalformedRequestError, Request, identity, parse
from moorcheh_operator.api.status import ENDED, Phase, Status
from moorcheh_operator.clock import Clock, Now
from moorcheh_operator.cluster.client import (
    Cluster,
    ClusterError,
    Conflict,
    Invalid,
    Unanswered,
    WriteAnswer,
    Written,
    retry_pause,
)
from moorcheh_operator.cluster.labels import Labels
from moorcheh_operator.lifecycle.access import Access, access, same_refusal, seen_at
from moorcheh_operator.lifecycle.announcements import announcement, log_fields, log_names, long_wait
from moorcheh_operator.lifecycle.facts import (
    Facts,
    Sent,
    after_look,
    after_poll,
    after_send,
    elsewhere,
    new_chapter,
)
from moorcheh_operator.lifecycle.guards import CLOCK_ERROR
from moorcheh_operator.lifecycle.next_step import next_step
from moorcheh_operator.lifecycle.ownership import follows_job, uses_slot
from moorcheh_operator.lifecycle.placement import Place, needs_labels, place, url_of, working_at
from moorcheh_operator.lifecycle.retention import ignored
from moorcheh_operator.lifecycle.statuses import bare
from moorcheh_operator.lifecycle.steps import (
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
from moorcheh_operator.metrics import Metrics
from moorcheh_operator.moorcheh.answers import NotSent, PollAnswer, SendAnswer, Unavailable
from moorcheh_operator.moorcheh.client import Lane, Moorcheh

from .connections import Connection, Connections
from .events import Events
from .expirations import Expirations
from .relist import CRASH_SECONDS, RELIST_SECONDS, Relist
from .targets import Targets

UNWRITABLE_SECONDS = 30.0  # before a status that the schema rejects is tried again
ENDS_KEPT = timedelta(hours=1)  # what is older than an unfinished request decides nothing for it
EVENTS_DRAIN_SECONDS = 2.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """An HTTP slot for a DELETE, and whose it is."""

    lane: Lane
    moorcheh: Moorcheh
    since: float  # ticks


@dataclass(slots=True, eq=False)
class Tracked:
    """One request in work: what the object says, what this process knows, what it holds."""

    request: Request
    facts: Facts
    server: Connection | None = None  # None: there is none for it
    place: Place | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    held: Held | None = None  # from before the look-up to the DELETE's answer
    target_since: float | None = None  # ticks; None while another request has the target
    waiting: tuple[str, str, float] | None = None  # phase and reason that a wait would show, since when
    unanswered: int = 0  # status writes in a row without an answer
    shown_since: float = 0.0  # ticks: since when, for this process, the status has had its phase and reason
    wait_told: bool = False  # that it has had them for long
    task: asyncio.Task[None] | None = None


class Reconciler:
    def __init__(
        self,
        cluster: Cluster,
        connections: Connections,
        clock: Clock,
        namespaces: tuple[str, ...],
        metrics: Metrics,
        leads: Callable[[], bool],
        own_namespace: str | None = None,
    ) -> None:
        """`own_namespace`: the operator's, for servers that take requests from there alone."""
        self._cluster = cluster
        self._connections = connections
        self._clock = clock
        self._own_namespace = own_namespace
        self._labels = Labels(cluster, clock)
        self._metrics = metrics
        self._started = clock.ticks()
        self._tracked: dict[str, Tracked] = {}
        self._left: dict[str, tuple[Request, float]] = {}  # what tasks left off at, and when (ticks)
        self._targets = Targets(self._wake, lambda: clock.now().time, self._place)
        self._events = Events(cluster)
        self._background: list[asyncio.Task[None]] = []
        self._relist = Relist(cluster, clock, namespaces, self.observe, self._check_missing, self._listed)
        self._leads = leads
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._expirations = Expirations(
            cluster, clock, self._may_expire, self._is_wanted, self._events.announce
        )

    # From outside: start, stop, lead, and what the watch saw

    def start(self) -> None:
        self._background = [
            asyncio.create_task(self._relist.run(), name="relist"),
            asyncio.create_task(self._expirations.run(), name="expirations"),
        ]
        self._events.start()

    def leadership_changed(self) -> None:
        for tracked in self._tracked.values():
            # A refusal must stand for a minute with the one that leads: a standby may have an older file.
            tracked.facts = dataclasses.replace(
                tracked.facts, looks=(), outage=None, access_since=self._clock.ticks()
            )
            tracked.wake.set()
        self._expirations.wake()

    def servers_changed(self) -> None:
        """The servers file says something else: everybody asks anew whether, and where, they may."""
        for tracked in self._tracked.values():
            tracked.wake.set()

    @property
    def list_age(self) -> float | None:
        """Seconds since the last complete list; None before the first one."""
        return self._relist.age

    def measure(self) -> None:
        """Bring the gauges up to date."""
        now = self._clock.now().time
        requests = [tracked.request for tracked in self._tracked.values()]
        self._metrics.show_requests(request.status.phase or Phase.PENDING for request in requests)
        ages = [
            (now - request.creation_time).total_seconds()
            for request in requests
            if not (request.spec.suspend or request.withdrawn or request.status.phase in ENDED)
        ]
        self._metrics.oldest.set(max(ages, default=0.0))
        limits = [connection.slots.limit for connection in self._connections.all]
        self._metrics.job_slots.set(sum(limits) if all(limits) else 0)
        self._metrics.job_slots_used.set(sum(each.slots.used for each in self._connections.all))
        self._metrics.leader.set(self._leads())
        age = self.list_age
        self._metrics.list_age.set(self._clock.ticks() - self._started if age is None else age)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, record every answer that comes within `seconds`, then stop."""
        self._stopping = True
        for tracked in self._tracked.values():
            tracked.wake.set()
        for task in self._background:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        for tracked in list(self._tracked.values()):
            if tracked.task is not None:
                logger.warning(
                    "stopped before the answer came; the next start will verify",
                    extra=log_names(tracked.request),
                )
                tracked.task.cancel()
        await self._events.drain(EVENTS_DRAIN_SECONDS)

    def observe(self, body: dict[str, Any], *, deleted: bool = False) -> None:
        """What the watch or a list showed. It may be stale: it only wakes; every write is compare-and-set."""
        uid, version = identity(body)
        tracked = self._tracked.get(uid) if uid else None
        if tracked is not None and not deleted and version == tracked.request.resource_version:
            return  # the echo of our own write
        try:
            request = parse(body)
        except MalformedRequestError as error:
            logger.error("left alone, as it can't be read: %s", error, extra={"object": str(body)[:200]})
            return
        if deleted:
            request = dataclasses.replace(request, withdrawn=True)
        if request.status.phase in ENDED:
            self._targets.note_end(request)
        if tracked is None:
            if self._left_behind(request):
                return
            if self._worth_a_task(request):
                self._track(request)
            else:
                self._expirations.note(request)
        elif deleted or _newer(request, tracked.request):
            self._adopt(tracked, request)
            tracked.wake.set()

    def _left_behind(self, request: Request) -> bool:
        """A version from before its task ended, late from the watch: a task for it would hold the target and
        do nothing but lose its compare-and-set.
        """
        left = self._left.get(request.uid)
        if left is None:
            return False
        if request.resource_version == left[0].resource_version:
            return request.withdrawn or request.status.phase in ENDED
        return not _newer(request, left[0])

    @staticmethod
    def _worth_a_task(request: Request) -> bool:
        if request.status.phase not in ENDED:
            return not request.withdrawn or follows_job(request, Facts())
        behind = request.status.observed_generation != request.generation
        return (behind and not request.withdrawn) or follows_job(request, Facts())

    # The loop of one request

    def _track(self, request: Request) -> None:
        ticks = self._clock.ticks()
        # One that may not must not for a moment keep those waiting who may.
        facts = Facts(first_seen=ticks, access=self._access(request), access_since=ticks)
        tracked = Tracked(request, facts, shown_since=facts.first_seen)
        self._tracked[request.uid] = tracked
        self._idle.clear()
        self._adopt(tracked, request)
        tracked.task = asyncio.create_task(self._run(tracked), name=request.key)

    async def _run(self, tracked: Tracked) -> None:
        try:
            while True:
                try:
                    if not await self._advance(tracked):
                        return
                except Exception:
                    logger.exception("unexpected error; going on", extra=log_names(tracked.request))
                    self._let_go(tracked)
                    await asyncio.sleep(CRASH_SECONDS)
        finally:
            self._let_go(tracked)
            self._release_slot(tracked)
            self._targets.remove(tracked)
            self._tracked.pop(tracked.request.uid, None)
            self._left[tracked.request.uid] = tracked.request, self._clock.ticks()
            self._expirations.note(tracked.request)
            if not self._tracked:
                self._idle.set()

    async def _advance(self, tracked: Tracked) -> bool:
        """One step. False: the task is over."""
        if tracked.held is None and needs_labels(tracked.request, self._connections.servers):
            await self._labels.refresh(tracked.request.namespace)
        step, now = self._decide(tracked)
        if not isinstance(step, Claim):
            self._let_go(tracked)
            if uses_slot(tracked.request, tracked.facts, now):
                self._occupy_slot(tracked)
            elif not tracked.facts.slots_full and step != LookUp(to_claim=True):
                self._release_slot(tracked)
        if isinstance(step, Forget):
            return False
        if not self._may_act(tracked, step):
            return await self._stand_by(tracked, now)
        match step:
            case Wait():
                await self._wait(tracked, step, now)
            case LookUp(to_claim):
                await self._look(tracked, to_claim=to_claim)
            case Claim():
                await self._claim_and_send(tracked, now)
            case Poll(job_id):
                await self._poll(tracked, job_id)
            case Record(status):
                await self._record(tracked, status)
            case _:
                assert_never(step)
        return True

    async def _stand_by(self, tracked: Tracked, now: Now) -> bool:
        """False: it is over, as this process is."""
        self._let_go(tracked)
        if not uses_slot(tracked.request, tracked.facts, now):
            self._release_slot(tracked)
        if self._stopping:
            return False
        await self._sleep(tracked, None)
        return True

    def _may_act(self, tracked: Tracked, step: Step) -> bool:
        """One that does not lead, or is stopping, only records what it has sent itself. Every replica follows
        a deleted object's job: no list shows it, and whoever leads next must know who has the target.
        """
        if not self._stopping and (self._leads() or tracked.request.withdrawn):
            return True
        return isinstance(step, Record) and own_send(tracked.request, tracked.facts) is not None

    def _may_expire(self) -> bool:
        """Not before the first complete list: an unfinished request may need to know of an ended one."""
        return self._leads() and not self._stopping and self._relist.at is not None

    def _decide(self, tracked: Tracked) -> tuple[Step, Now]:
        now = self._clock.now()
        request = tracked.request
        self._place_anew(tracked, now.ticks)
        holder = self._targets.holder(request)
        blocked = holder is not None and holder.uid != request.uid
        if blocked:
            tracked.target_since = None
        elif tracked.target_since is None:
            # What was seen of the target while another request had it decides nothing.
            tracked.target_since = now.ticks
            tracked.facts = dataclasses.replace(tracked.facts, looks=())
        tracked.facts = dataclasses.replace(
            tracked.facts,
            may_claim=self._relist.at is not None,
            holder=holder.key if holder is not None and blocked else None,
            queued=tracked.facts.queued or blocked,
            rival_end=self._targets.last_end(request),
            held_since=None
            if tracked.held is None or tracked.target_since is None
            else max(tracked.held.since, tracked.target_since),
        )
        limits = tracked.server.limits if tracked.server else self._connections.default_limits
        return next_step(request, tracked.facts, now, limits), now

    def _let_go(self, tracked: Tracked) -> None:
        if tracked.held is not None:
            tracked.held.moorcheh.release(tracked.held.lane)
            tracked.held = None

    @staticmethod
    def _occupy_slot(tracked: Tracked) -> None:
        if tracked.server is not None:
            tracked.server.slots.occupy(tracked.request.uid)

    @staticmethod
    def _release_slot(tracked: Tracked) -> None:
        if tracked.server is not None:
            tracked.server.slots.release(tracked.request.seniority)

    # Which server, and whether it may

    def _place_anew(self, tracked: Tracked, ticks: float) -> None:
        """By what the servers file says now. What was seen at another server counts for nothing."""
        url = working_at(tracked.request, tracked.facts, self._connections.servers)
        server = None if url is None else self._connections.at(url)
        there = self._place(tracked.request)
        if server is not tracked.server:
            self._release_slot(tracked)
            tracked.server = server
            # Its place in the old one's queue is gone, and nobody would wake it for a free slot.
            tracked.facts = dataclasses.replace(tracked.facts, slots_full=False)
        if tracked.place not in (None, there):
            tracked.facts = elsewhere(tracked.facts, ticks)
        tracked.place = there
        verdict = self._access(tracked.request)
        if verdict != tracked.facts.access:
            since = tracked.facts.access_since if same_refusal(verdict, tracked.facts.access) else ticks
            tracked.facts = dataclasses.replace(tracked.facts, access=verdict, access_since=since)
        self._targets.update(tracked)

    def _servers_in_use(self) -> list[Connection]:
        """Also of those whose tasks have not begun."""
        tracked = self._tracked.values()
        urls = {url for each in tracked if (url := seen_at(each.request)) is not None}
        return [
            *(each.server for each in tracked if each.server is not None),
            *(server for url in urls if (server := self._connections.at(url)) is not None),
        ]

    def _place(self, request: Request) -> Place:
        return place(request, self._connections.servers)

    def _is_wanted(self, server: str, name: str) -> bool:
        return self._targets.is_wanted((url_of(server, self._connections.servers), name))

    def _access(self, request: Request) -> Access:
        named = self._connections.servers.get(request.spec.server)
        return access(request, named, self._own_namespace, self._labels.of(request.namespace))

    async def _wait(self, tracked: Tracked, step: Wait, now: Now) -> None:
        self._tell_long_wait(tracked, now.ticks)
        until = wake_at(step, tracked.request, now)
        if step.status != tracked.request.status:
            shown = (str(step.status.phase), str(step.status.reason))
            if tracked.waiting is None or tracked.waiting[:2] != shown:
                tracked.waiting = (*shown, now.ticks)
            due = write_due(tracked.request, step.status, tracked.waiting[2], tracked.facts)
            if now.ticks >= due:
                await self._record(tracked, step.status)
                return
            until = due if until is None else min(until, due)
        await self._sleep(tracked, None if until is None else until - now.ticks)

    async def _sleep(self, tracked: Tracked, seconds: float | None) -> None:
        """Until woken, `seconds` at the most; None: the relist wakes it at the latest."""
        most = RELIST_SECONDS if seconds is None else min(seconds, RELIST_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await tracked.wake.wait()
        tracked.wake.clear()

    async def _look(self, tracked: Tracked, *, to_claim: bool) -> None:
        server, name = tracked.server, tracked.request.spec.namespace_name
        if server is None:
            now, gone = self._clock.ticks(), Unavailable(_no_server(tracked.request))
            tracked.facts = after_look(tracked.facts, name, gone, now, now)
            return
        moorcheh = server.moorcheh
        if to_claim:
            taken = server.slots.take(tracked.request.seniority, functools.partial(_slot_free, tracked))
            tracked.facts = dataclasses.replace(tracked.facts, slots_full=not taken)
            if taken:
                tracked.held = Held(await moorcheh.acquire(), moorcheh, self._clock.ticks())
        started, answer, answered = await moorcheh.look_up()
        if self._place(tracked.request)[0] == server.url:  # else it tells of a server that is not meant now
            tracked.facts = after_look(tracked.facts, name, answer, started, answered, server.url)

    async def _poll(self, tracked: Tracked, job_id: str) -> None:
        chapter, server = _chapter(tracked.request), tracked.server
        answer: PollAnswer
        if server is None:
            answer = Unavailable(_no_server(tracked.request))
        else:
            answer = await server.moorcheh.job(tracked.request.spec.namespace_name, job_id)
        if _chapter(tracked.request) == chapter:  # else it may be about the job of an earlier attempt
            tracked.facts = after_poll(tracked.facts, answer, self._clock.ticks())

    async def _claim_and_send(self, tracked: Tracked, now: Now) -> None:
        """Rule 3: only the coroutine that won the claim sends, once, at once."""
        before, look = tracked.request.status, tracked.facts.looks[-1]  # the claim forgets all looks
        attempt_id = str(uuid.uuid4())
        status = claim(tracked.request, tracked.facts, now, attempt_id)
        # From here on nobody else may come to hold the target, older or not: the claim may land any moment.
        self._set_claiming(tracked, claiming=True)
        try:
            answer = await self._write(tracked, status)
        finally:
            self._set_claiming(tracked, claiming=False)
        attempt = tracked.request.status.attempt
        landed = attempt is not None and attempt.id == attempt_id
        if isinstance(answer, Conflict) and not landed:
            return
        sent: SendAnswer
        if not landed:
            # It may still land. This process knows that nothing was sent for it, and will take it back.
            words = (
                answer.error if isinstance(answer, Invalid | Unanswered) else "another write came after it"
            )
            sent = NotSent(f"the claim could not be recorded: {words}")
        elif tracked.request.withdrawn:
            sent = NotSent("the request was deleted before its DELETE was sent")
        elif (
            tracked.held is None
            or tracked.server is None
            or abs(tracked.server.clock.skew() - look.skew) > CLOCK_ERROR
        ):
            # A machine that slept: the look-up was judged by a clock that had stood still (rule 8).
            sent = NotSent("the clocks moved between the look-up and the claim")
        else:
            sent = await self._send_delete(tracked, tracked.held.lane, attempt_id, now)
        tracked.facts = after_send(tracked.facts, Sent(attempt_id, sent, self._clock.ticks(), before))

    def _set_claiming(self, tracked: Tracked, *, claiming: bool) -> None:
        tracked.facts = dataclasses.replace(tracked.facts, claiming=claiming)
        self._targets.update(tracked)

    async def _send_delete(self, tracked: Tracked, lane: Lane, attempt_id: str, claimed: Now) -> SendAnswer:
        request = tracked.request
        started = self._clock.ticks()
        leave_by = claimed.ticks + SEND_WINDOW
        answer = await lane.delete(request.spec.namespace_name, f"{request.uid}/{attempt_id}", leave_by)
        logger.info(
            "DELETE %s: %s",
            type(answer).__name__,
            getattr(answer, "error", None) or getattr(answer, "job_id", ""),
            extra={
                **log_fields(request),
                "job": getattr(answer, "job_id", None),
                "code": lane.last_code,
                "created_at": request.status.target.creation_time if request.status.target else None,
                "seconds": round(self._clock.ticks() - started, 3),
            },
        )
        return answer

    # Writes

    async def _record(self, tracked: Tracked, status: Status) -> None:
        built_on = tracked.request.resource_version
        match await self._write(tracked, status):
            case Invalid(error):
                logger.error("the API server rejects the status: %s", error, extra=log_names(tracked.request))
                if tracked.request.resource_version != built_on:
                    return  # somebody else wrote meanwhile, perhaps a claim: decide anew
                if isinstance(await self._write(tracked, bare(status)), Invalid):
                    await self._sleep(tracked, UNWRITABLE_SECONDS)
            case Written() | Conflict() | Unanswered():
                pass

    async def _write(self, tracked: Tracked, status: Status) -> WriteAnswer:
        """Compare-and-set. Where it did not land the object is read: what follows builds on the truth."""
        before = tracked.request.status
        answer = await self._cluster.write_status(tracked.request, status)
        match answer:
            case Written(request):
                self._adopt(tracked, request)
                tracked.facts = dataclasses.replace(tracked.facts, written=self._clock.ticks())
                tracked.waiting, tracked.unanswered = None, 0
                self._tell(before, request)
            case Conflict() | Invalid():
                version = tracked.request.resource_version
                await self._read(tracked)
                if isinstance(answer, Conflict) and tracked.request.resource_version == version:
                    # Not the version: an admission webhook's 409, say, or no /status in the CRD.
                    await self._pause_writing(tracked, "the object has not changed, and still it conflicts")
            case Unanswered(error):
                await self._pause_writing(tracked, error)
                await self._read(tracked)
            case _:
                assert_never(answer)
        return answer

    async def _pause_writing(self, tracked: Tracked, error: str) -> None:
        tracked.unanswered += 1
        if tracked.unanswered == 1:
            words = "status write in vain, to be decided anew: %s"
            logger.warning(words, error, extra=log_names(tracked.request))
        await asyncio.sleep(retry_pause(tracked.unanswered))

    async def _read(self, tracked: Tracked) -> None:
        """Until the API server answers: without it nothing can be decided."""
        failures = 0
        while not tracked.request.withdrawn:
            try:
                request = await self._cluster.read(tracked.request.namespace, tracked.request.name)
            except ClusterError as error:
                failures += 1
                if failures == 1:
                    logger.warning("can't read: %s", error, extra=log_names(tracked.request))
                await asyncio.sleep(retry_pause(failures))
                continue
            if request is None or request.uid != tracked.request.uid:
                request = dataclasses.replace(tracked.request, withdrawn=True)
            self._adopt(tracked, request)
            return

    def _adopt(self, tracked: Tracked, request: Request) -> None:
        chapter = _chapter(tracked.request)
        if tracked.request.withdrawn and not request.withdrawn:
            request = dataclasses.replace(request, withdrawn=True)
        before, after = tracked.request.status, request.status
        if (before.phase, before.reason) != (after.phase, after.reason):
            tracked.shown_since, tracked.wait_told = self._clock.ticks(), False
        tracked.request = request
        if _chapter(request) != chapter:
            tracked.facts = new_chapter(tracked.facts, self._clock.ticks())
        if request.status.phase in ENDED:
            self._targets.note_end(request)
        self._targets.update(tracked)

    def _tell(self, before: Status, request: Request) -> None:
        """Metrics, a log line and an Event for what was just written."""
        age = (self._clock.now().time - request.creation_time).total_seconds()
        self._metrics.count_write(before, request, age)
        if (kept := ignored(before, request)) is not None:
            self._events.announce(request, kept)
        news = announcement(before, request)
        if news is None:
            return
        if request.status.phase is not Phase.RUNNING:  # the DELETE has its own line
            level = logging.WARNING if news.type == "Warning" else logging.INFO
            logger.log(level, "%s: %s", news.reason, news.message, extra=log_fields(request))
        self._events.announce(request, news)

    def _tell_long_wait(self, tracked: Tracked, ticks: float) -> None:
        news = None if tracked.wait_told else long_wait(tracked.request, ticks - tracked.shown_since)
        if news is not None:
            tracked.wait_told = True
            logger.info("still %s: %s", news.reason, news.message, extra=log_fields(tracked.request))
            self._events.announce(tracked.request, news)

    # What wakes

    def _listed(self, started: float) -> None:
        if self._relist.at is None:
            logger.info("first list complete: %d requests are unfinished", len(self._tracked))
        self._targets.forget_ends(self._clock.now().time - ENDS_KEPT)
        self._labels.forget(started)
        self._connections.leave(self._servers_in_use())
        self._left = {uid: left for uid, left in self._left.items() if left[1] > started - RELIST_SECONDS}
        for tracked in self._tracked.values():
            tracked.wake.set()
        self._expirations.wake()

    async def _check_missing(self, seen: set[str], started: float) -> None:
        """What is in work but not in the list has ended, is gone, or is newer than the list: read it."""
        for uid, tracked in list(self._tracked.items()):
            if uid in seen or tracked.request.withdrawn or tracked.facts.first_seen >= started:
                continue
            try:
                request = await self._cluster.read(tracked.request.namespace, tracked.request.name)
            except MalformedRequestError as error:
                logger.error("it can't be read any more: %s", error, extra=log_names(tracked.request))
                continue
            if request is None or request.uid != uid:
                self._adopt(tracked, dataclasses.replace(tracked.request, withdrawn=True))
            elif _newer(request, tracked.request):
                self._adopt(tracked, request)
            tracked.wake.set()

    def _wake(self, uid: str) -> None:
        if (tracked := self._tracked.get(uid)) is not None:
            tracked.wake.set()


def _slot_free(tracked: Tracked) -> None:
    tracked.facts = dataclasses.replace(tracked.facts, slots_full=False)
    tracked.wake.set()


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


def _newer(one: Request, other: Request) -> bool:
    """Resource versions are numbers that grow (KEP-5504); where they are not, assume it is newer."""
    try:
        return int(one.resource_version) > int(other.resource_version)
    except ValueError:
        return one.resource_version != other.resource_version
