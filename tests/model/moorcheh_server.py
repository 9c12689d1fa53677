"""Moorcheh's part in a fault: namespaces, their incarnations, jobs, a record of every DELETE."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from math import inf

from moorcheh_operator.api.status import Job
from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import (
    Accepted,
    AcceptedWithoutJob,
    Entry,
    JobReport,
    JobUnknown,
    Listing,
    LookUpAnswer,
    NotSent,
    PollAnswer,
    Refused,
    Rejected,
    SendAnswer,
    Unavailable,
    Unclear,
)
from moorcheh_operator.moorcheh.client import Moorcheh
from moorcheh_operator.moorcheh.connection import Connection
from tests.model.api_server import EPOCH, LATENCY

REQUEST_TIMEOUT = 30.0  # seconds
ITEMS = 100


@dataclass(eq=False)
class Incarnation:
    name: str
    born: float  # seconds since the start of the world
    listed: bool = True


@dataclass(eq=False)
class Work:
    """A job, and what it works on."""

    id: str
    incarnation: Incarnation
    uid: str
    attempt: str
    until: float
    status: str = "running"
    known: bool = True
    over: float | None = None  # when it ended


@dataclass(frozen=True, slots=True)
class Arrival:
    """A DELETE on the wire."""

    uid: str
    attempt: str
    left: float
    at: float
    incarnation: Incarnation | None  # what it began to destroy
    work: Work | None
    harmless: bool = False  # it was refused


@dataclass(frozen=True, slots=True)
class SendFault:
    """What happens to one DELETE."""

    kind: str = "none"
    seconds: float = 0.0


class Server:
    def __init__(self, loop: asyncio.AbstractEventLoop, *, offset: float) -> None:
        """`offset`: how far its clock is ahead of the API server's, in seconds."""
        self._loop = loop
        self.offset = offset
        self.namespaces: dict[str, Incarnation] = {}
        self.works: list[Work] = []
        self.arrivals: list[Arrival] = []
        self.judges: list[Callable[[Arrival], None]] = []
        self.absent_at: dict[str, float] = {}  # when a listing last showed that the name is absent
        self.send_faults: deque[SendFault] = deque()
        self.job_seconds = 2.0
        self.fails = 0  # how many of the next jobs fail
        self.hides_times = False
        self.leaves_early = False  # a name leaves the listing when its job starts
        self.down_until = 0.0
        self.polls_down_until = 0.0
        self.slow_polls: deque[float] = deque()  # seconds that the answers to the next polls take

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time() + self.offset)

    def birth(self, incarnation: Incarnation) -> str:
        born = EPOCH + timedelta(seconds=incarnation.born + self.offset)
        return born.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def create(self, name: str) -> None:
        """The owner makes it, after deleting what was there."""
        self.namespaces[name] = Incarnation(name, self._loop.time())

    def listing(self) -> dict[str, Entry]:
        self.settle()
        listed = {name: inc for name, inc in self.namespaces.items() if inc.listed}
        return {
            name: Entry(ITEMS, None if self.hides_times else self.birth(inc)) for name, inc in listed.items()
        }

    def delete(self, name: str, request_id: str, left: float, *, refuse: bool = False) -> SendAnswer:
        """A DELETE has arrived."""
        self.settle()
        uid, attempt = request_id.split("/")
        incarnation = self.namespaces.get(name)
        busy = any(work.status == "running" and work.incarnation is incarnation for work in self.works)
        work = None
        if incarnation is not None and incarnation.listed and not busy and not refuse:
            job = f"job-{len(self.works) + 1}"
            work = Work(job, incarnation, uid, attempt, self._loop.time() + self.job_seconds)
        arrival = Arrival(
            uid, attempt, left, self._loop.time(), work.incarnation if work else None, work, refuse
        )
        for judge in self.judges:
            judge(arrival)
        self.arrivals.append(arrival)
        if refuse:
            return Refused("HTTP 429")
        if work is None:
            return Unclear("HTTP 409: busy" if busy else "HTTP 404: no such namespace", settled=True)
        self.works.append(work)
        work.incarnation.listed = not self.leaves_early
        return Accepted(work.id)

    def settle(self) -> None:
        """Jobs whose time has come."""
        for work in self.works:
            if work.status == "running" and self._loop.time() >= work.until:
                failed = self.fails > 0
                self.fails -= failed
                self.end(work, "failed" if failed else "completed", keeps=failed)

    def end(self, work: Work, status: str, *, keeps: bool) -> None:
        work.status, work.over = status, self._loop.time()
        if self.namespaces.get(work.incarnation.name) is work.incarnation:
            if keeps:
                work.incarnation.listed = True
            else:
                del self.namespaces[work.incarnation.name]

    def restart(self, *, keeps: bool) -> None:
        """Jobs are forgotten; what they worked on is there, or is gone."""
        self.settle()
        for work in self.works:
            if work.status == "running":
                self.end(work, "dead", keeps=keeps)
            work.known = False

    def job(self, name: str, job_id: str) -> PollAnswer:
        self.settle()
        work = next((work for work in self.works if work.id == job_id), None)
        if work is None or not work.known or work.incarnation.name != name:
            return JobUnknown("HTTP 404: no such job")
        done = ITEMS if work.status == "completed" else ITEMS // 2
        error = "disk full" if work.status == "failed" else None
        return JobReport(Job(work.id, work.status, ITEMS, done, error))


class Wire(Connection):
    """One operator's connection, at the public interface of the real one."""

    def __init__(self, server: Server, clock: Clock) -> None:
        """Opens nothing."""
        self._server = server
        self._clock = clock
        self.last_code = None

    async def aclose(self) -> None:
        pass

    async def delete(self, name: str, request_id: str, leave_by: float = inf) -> SendAnswer:
        loop, server = asyncio.get_running_loop(), self._server
        fault = server.send_faults.popleft() if server.send_faults else SendFault()
        left = loop.time()
        if self._clock.ticks() >= leave_by:
            return NotSent("too late")
        if fault.kind == "unsent":
            await asyncio.sleep(LATENCY)
            return NotSent("ConnectError")
        if fault.kind == "lost":
            await asyncio.sleep(REQUEST_TIMEOUT)
            return Unclear("ReadTimeout")
        answers: list[SendAnswer] = []
        loop.call_later(
            fault.seconds if fault.kind == "late" else LATENCY,
            lambda: answers.append(
                server.delete(name, request_id, left, refuse=fault.kind in ("refused", "rejected"))
            ),
        )
        if fault.kind == "late":
            await asyncio.sleep(min(fault.seconds + LATENCY, REQUEST_TIMEOUT))
            return Unclear("ReadTimeout")
        await asyncio.sleep((fault.seconds if fault.kind == "slow" else 0.0) + 2 * LATENCY)
        self._told_time(left)
        match fault.kind:
            case "reset":
                return Unclear("RemoteProtocolError")
            case "no job id":
                answered = answers[0]
                return AcceptedWithoutJob("started") if isinstance(answered, Accepted) else answered
            case "rejected":
                return Rejected("HTTP 400")
            case _:
                return answers[0]

    async def listing(self) -> LookUpAnswer:
        left, server = self._clock.ticks(), self._server
        await asyncio.sleep(LATENCY)
        if left < server.down_until:
            return Unavailable("HTTP 503")
        entries = server.listing()
        await asyncio.sleep(LATENCY)
        self._told_time(left)
        return Listing(entries, self._clock.skew())

    async def job(self, name: str, job_id: str) -> PollAnswer:
        left, server = self._clock.ticks(), self._server
        await asyncio.sleep(LATENCY)
        if left < server.polls_down_until:
            return Unavailable("HTTP 503")
        answer = server.job(name, job_id)
        await asyncio.sleep(server.slow_polls.popleft() if server.slow_polls else LATENCY)
        self._told_time(left)
        return answer

    def _told_time(self, left: float) -> None:
        date = format_datetime(self._server.now().replace(microsecond=0), usegmt=True)
        self._clock.moorcheh.observe(date, left, self._clock.ticks())


class Pool(Moorcheh):
    """The real one's slots and shared look-ups, over `Wire`."""

    def __init__(self, server: Server, clock: Clock, connections: int = 2) -> None:
        super().__init__(lambda: Wire(server, clock), clock, connections, connections)
