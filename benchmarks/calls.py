"""What each of the operator's calls costs the API server.

The calls are made by the operator's own client, with statuses by its own rules; nothing else runs.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import statistics
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.driver import Driver, run_all
from benchmarks.errors import BenchmarkError
from benchmarks.meters import Meter
from moorcheh_operator.api.request import Request, parse
from moorcheh_operator.api.status import Job, Phase, Reason, Status, VerificationResult
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.api_server import ApiServer
from moorcheh_operator.cluster.client import Cluster, Written
from moorcheh_operator.cluster.credentials import Credential, Credentials, Refusals
from moorcheh_operator.lifecycle.facts import Facts, Look, Seen
from moorcheh_operator.lifecycle.statuses import ended, job_shown, next_status, verification
from moorcheh_operator.lifecycle.submitting import claim
from moorcheh_operator.moorcheh.answers import Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from dev.controlplane import ControlPlane

NAMESPACE = "default"
WARM = 20
"""Requests that are made first: for them the API server reads what it keeps from then on."""
WARM_SECONDS = 3.0
REST_SECONDS = 0.5
"""For what it does after its answer: it tells its watchers."""
ATTEMPT = "6f1d3a52-0c1f-4a8e-9d7d-2a6f6a1f7c11"
JOB = Job("job-7d40d9825819439e970db472137d0037")
BEGUN, SEEN, OVER = (f"2026-11-23T12:00:{second}.123Z" for second in ("05", "07", "09"))
RUNNING = Job(JOB.id, "running", 50, 20, start_time=BEGUN, update_time=SEEN)
COMPLETED = Job(JOB.id, "completed", 50, 50, start_time=BEGUN, update_time=OVER, finish_time=OVER)


@dataclass(frozen=True)
class Cost:
    """Of one call, on average. `read` and `written`: KiB that the API server exchanged with all others."""

    what: str
    cpu: float  # ms, of its process
    etcd_cpu: float
    read: float
    written: float


def table(rounds: list[list[Cost]]) -> str:
    """Medians, as Markdown."""
    lines = ["| call | ms | etcd, ms | read, KiB | written, KiB |", "|---|--:|--:|--:|--:|"]
    for costs in zip(*rounds, strict=True):
        cpu, etcd, read, written = (
            statistics.median(getattr(cost, name) for cost in costs)
            for name in ("cpu", "etcd_cpu", "read", "written")
        )
        lines.append(f"| {costs[0].what} | {cpu:.1f} | {etcd:.1f} | {read:.1f} | {written:.1f} |")
    return "\n".join(lines)


async def measure(plane: ControlPlane, count: int, watches: int) -> list[Cost]:
    """Each kind of call for so many requests; so many clients watch all of them, as the operator does."""
    names = [f"asked-{number:05d}" for number in range(count)]
    async with Driver(plane) as driver, _client(plane) as cluster, driver.audience(watches):
        await driver.create(f"warm-{number:05d}" for number in range(WARM))
        await asyncio.sleep(WARM_SECONDS)
        bench = _Bench(plane, cluster, names)
        await bench.time("creation of a request", driver.create_one)
        bench.requests = {request.name: request for request in await _listed(cluster)}
        await bench.time("status: the claim", functools.partial(bench.write, _claimed))
        await bench.time("status: the job's id", functools.partial(bench.write, _running))
        await bench.time("Event", functools.partial(bench.tell, "Submitted"))
        await bench.time("status: progress", functools.partial(bench.write, _progress))
        await bench.time("status: the end", functools.partial(bench.write, _ended))
        await bench.time("Event of the end", functools.partial(bench.tell, "DeletionCompleted"))
        await bench.time("whether the namespace ends (dry run)", bench.ask)
        await bench.time("reading a request", bench.read)
        return bench.costs


class _Bench:
    def __init__(self, plane: ControlPlane, cluster: Cluster, names: list[str]) -> None:
        self.requests: dict[str, Request] = {}
        self.costs: list[Cost] = []
        self._plane = plane
        self._cluster = cluster
        self._names = names
        self._clock = Clock()

    async def time(self, what: str, call: Callable[[str], Awaitable[object]]) -> None:
        before = self._counted()
        await run_all(call, self._names)
        await asyncio.sleep(REST_SECONDS)
        used = [
            (after - once) / len(self._names) for once, after in zip(before, self._counted(), strict=True)
        ]
        cpu, etcd_cpu, read, written = used
        self.costs.append(Cost(what, cpu * 1000, etcd_cpu * 1000, read / 1024, written / 1024))

    def _counted(self) -> tuple[float, float, int, int]:
        server, etcd = Meter(self._plane.apiserver.pid), Meter(self._plane.etcd.pid)
        return server.cpu(), etcd.cpu(), *server.io()

    async def write(self, change: Callable[[Request, Clock], Status], name: str) -> None:
        request = self.requests[name]
        answer = await self._cluster.write_status(request, change(request, self._clock))
        if not isinstance(answer, Written):
            raise BenchmarkError(f"the status of {name} could not be written: {answer}")
        self.requests[name] = answer.request

    async def tell(self, reason: str, name: str) -> None:
        request = self.requests[name]
        await self._cluster.post_event(request, "Normal", reason, request.status.message or "", 1)

    async def ask(self, _: str) -> None:
        await self._cluster.check_namespace(NAMESPACE)

    async def read(self, name: str) -> None:
        await self._cluster.read(NAMESPACE, name)


def _claimed(request: Request, clock: Clock) -> Status:
    now = clock.now()
    look = Look(Entry(50, BEGUN), now.ticks, now.ticks, server="http://moorcheh:8080")
    return claim(request, Facts(now.ticks, seen=Seen(looks=(look,))), now, ATTEMPT)


def _running(request: Request, clock: Clock) -> Status:
    message = f"The server deletes it; its job is {JOB.id}."
    return next_status(request, clock.now(), Phase.RUNNING, Reason.JOB_RUNNING, message, job=JOB)


def _progress(request: Request, clock: Clock) -> Status:
    message = f"The server deletes it; its job is {JOB.id}."
    shown = job_shown(request, RUNNING)
    return next_status(request, clock.now(), Phase.RUNNING, Reason.JOB_RUNNING, message, **shown)


def _ended(request: Request, clock: Clock) -> Status:
    now = clock.now()
    looked = verification(VerificationResult.ABSENT, now)
    shown = job_shown(request, COMPLETED)
    message = "The job completed: 50 items were removed."
    return ended(
        request, now, Phase.SUCCEEDED, Reason.DELETION_COMPLETED, message, verification=looked, **shown
    )


async def _listed(cluster: Cluster) -> Iterable[Request]:
    return [parse(body) async for body in cluster.list(NAMESPACE, unfinished=True)]


@asynccontextmanager
async def _client(plane: ControlPlane) -> AsyncIterator[Cluster]:
    clock, tls = Clock(), ssl.create_default_context(cafile=str(plane.ca_file))

    async def admin() -> Credential:
        return Credential(f"Bearer {plane.admin_token}", tls)

    credentials = Credentials("the admin's token", admin, clock)
    server = ApiServer(plane.url, credentials, Refusals(credentials, plane.url, clock.ticks))
    cluster = Cluster(server, clock)
    try:
        yield cluster
    finally:
        await cluster.aclose()
