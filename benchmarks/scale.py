"""What very many finished requests cost: memory, start, relist, etcd, the API server, and what comes on top.

A few requests are carried out, and their objects, as the API server stored them, are copied in etcd until
there are as many as wanted: the bytes are real, and 100,000 take two minutes in place of an hour.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.driver import Driver
from benchmarks.errors import BenchmarkError
from benchmarks.etcd import EVENTS, REQUESTS, Etcd, Room
from benchmarks.machine import ROOT
from benchmarks.meters import Calls, Meter
from benchmarks.results import Spread
from dev.controlplane import ControlPlane
from dev.moorcheh.standin import StandIn
from dev.operator_process import OperatorProcess
from dev.processes import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dev.controlplane import Assets

CRD = "crd/namespacedeletions.moorcheh.ai"
SIZES = (1_000, 20_000, 100_000)
DAILY = 10_000
KEPT_DAYS = 14
"""The time to live of what is copied: longer than the run."""
BURST = 200
JOB_SECONDS = 2.0
IDLE_SECONDS = 130.0
"""Two relists, which come once a minute."""
QUIET_SECONDS = 60.0
EXPIRES_SECONDS = 60
AGE = 86_400
LONG = 600.0
METRICS_SECONDS = 5.0
"""Between two looks at the API server's metrics, which cost it some CPU themselves."""
REST_SHARE = 0.05


@dataclass(frozen=True)
class Used:
    """Seconds of CPU, and of the clock."""

    seconds: float
    operator: float
    api_server: float
    etcd: float
    calls: dict[str, int]


@dataclass(frozen=True)
class Step:
    """With so many finished requests there. MiB, seconds, bytes."""

    finished: int
    object_bytes: int
    event_bytes: int
    filled: Room
    compacted: Room
    defragmented: Room
    api_server_mib: float
    etcd_mib: float
    start: Used
    ready_seconds: float
    start_peak_mib: float
    operator_mib: float
    quiet: Used
    """Without an operator."""
    idle: Used
    burst: Used
    begins: Spread | None
    """From the creation of a request to its DELETE."""
    burst_room: tuple[Room, Room]
    """Before and after the burst."""
    expiry: Used
    """The burst's objects are deleted after their time to live."""
    restart: Used
    """The API server is started anew, and the operator lists everything again."""
    api_server_ready: float


def measure(sizes: list[int], assets: Assets, tell: Callable[[Step], None]) -> list[Step]:
    with (
        scratch_folder("moorcheh-scale-") as folder,
        ControlPlane(assets=assets) as plane,
        StandIn(folder / "moorcheh", job_seconds=JOB_SECONDS, max_items=10_000_000) as moorcheh,
    ):
        plane.kubectl("apply", "-k", str(ROOT / "crds"))
        plane.kubectl("wait", "--for=condition=Established", CRD, "--timeout=30s")
        return asyncio.run(_Stage(plane, moorcheh, folder).play(sizes, tell))


@dataclass(frozen=True)
class _Reading:
    at: float
    operator: float
    api_server: float
    etcd: float
    calls: Calls


class _Stage:
    def __init__(self, plane: ControlPlane, moorcheh: StandIn, folder: Path) -> None:
        self.plane = plane
        self.moorcheh = moorcheh
        self.folder = folder
        self.operator = OperatorProcess(
            kubeconfig=plane.kubeconfig,
            moorcheh_url=moorcheh.url,
            output=folder / "operator.log",
            MOORCHEH_MAX_RUNNING_JOBS="0",
        )
        self._bursts = 0

    async def play(self, sizes: list[int], tell: Callable[[Step], None]) -> list[Step]:
        steps: list[Step] = []
        async with Driver(self.plane) as driver, Etcd(self.plane) as etcd:
            with self.operator:
                await self._burst(driver, ttl=None)
            pattern = (await etcd.values(REQUESTS, 1))[0]
            there = BURST
            for size in sizes:
                await etcd.put(_copies(pattern, there, size))
                there = max(there, size)
                try:
                    steps.append(await self._step(there, driver, etcd))
                finally:
                    self.operator.__exit__(None, None, None)
                tell(steps[-1])
        return steps

    async def _step(self, size: int, driver: Driver, etcd: Etcd) -> Step:
        filled = await etcd.room()
        await etcd.compact()
        compacted = await etcd.room()
        await etcd.defragment()
        defragmented = await etcd.room()
        quiet = await self._while(asyncio.sleep(QUIET_SECONDS))
        before, begun = self._read(running=False), time.monotonic()
        self.operator.start(ready=False)
        await self._until(lambda: self.operator.get("/readyz")[0] == 200)
        ready = time.monotonic() - begun
        await self._rest()
        start = self._used(before)
        peak, resident = self._meter.peak_mib(), self._meter.resident_mib()
        idle = await self._while(asyncio.sleep(IDLE_SECONDS))
        await etcd.compact()
        room = await etcd.room()
        before = self._read()
        begins = await self._burst(driver, ttl=EXPIRES_SECONDS)
        burst, room_after = self._used(before), await etcd.room()
        objects, events = await etcd.values(REQUESTS), await etcd.values(EVENTS)
        before = self._read()
        await self._until(
            lambda: self._counted("DELETE namespacedeletions", before) >= BURST, METRICS_SECONDS
        )
        expiry = self._used(before)
        server_mib = Meter(self.plane.apiserver.pid).resident_mib()
        etcd_mib = Meter(self.plane.etcd.pid).resident_mib()
        before = self._read()
        self.plane.stop_apiserver()
        begun, stopped = time.monotonic(), self._read(server=False)
        self.plane.start_apiserver()
        api_server_ready = time.monotonic() - begun
        await self._until(lambda: self._calls.watches > 0, METRICS_SECONDS)
        await self._rest()
        after = self._read()
        restart = Used(
            after.at - stopped.at,
            after.operator - before.operator,
            after.api_server,
            after.etcd - before.etcd,
            after.calls.since(stopped.calls),
        )
        return Step(
            finished=size,
            object_bytes=_mean(objects),
            event_bytes=_mean(events),
            filled=filled,
            compacted=compacted,
            defragmented=defragmented,
            api_server_mib=server_mib,
            etcd_mib=etcd_mib,
            start=start,
            ready_seconds=ready,
            start_peak_mib=peak,
            operator_mib=resident,
            quiet=quiet,
            idle=idle,
            burst=burst,
            begins=begins,
            burst_room=(room, room_after),
            expiry=expiry,
            restart=restart,
            api_server_ready=api_server_ready,
        )

    async def _burst(self, driver: Driver, ttl: int | None) -> Spread | None:
        self._bursts += 1
        names = [f"burst-{self._bursts}-{number:05d}" for number in range(BURST)]
        self.moorcheh.create_many(BURST, f"burst-{self._bursts}-", items=50, age=AGE)
        spec = {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
        async with driver.witness() as witness:
            sent = await driver.create(names, **spec)
            await self._until(lambda: witness.ended.keys() >= sent.keys())
            if witness.failed:
                raise BenchmarkError(f"a request has failed: {next(iter(witness.failed.items()))}")
        came = {each["name"]: each["monotonic"] for each in reversed(self.moorcheh.record()["deletes"])}
        return Spread.of(came[name] - sent[name] for name in names)

    @property
    def _meter(self) -> Meter:
        return Meter(self.operator.process.pid)

    @property
    def _calls(self) -> Calls:
        return Calls.read(self.plane)

    def _counted(self, call: str, before: _Reading) -> int:
        return self._calls.since(before.calls).get(call, 0)

    def _read(self, *, running: bool = True, server: bool = True) -> _Reading:
        return _Reading(
            time.monotonic(),
            self._meter.cpu() if running else 0.0,
            Meter(self.plane.apiserver.pid).cpu() if server else 0.0,
            Meter(self.plane.etcd.pid).cpu(),
            self._calls if server else Calls.none(),
        )

    def _used(self, before: _Reading) -> Used:
        after = self._read(running=self.operator.process.running)
        return Used(
            after.at - before.at,
            after.operator - before.operator,
            after.api_server - before.api_server,
            after.etcd - before.etcd,
            after.calls.since(before.calls),
        )

    async def _while(self, waited: Any) -> Used:
        running = self.operator.process.running
        before = self._read(running=running)
        await waited
        return self._used(before)

    async def _until(self, condition: Callable[[], bool], pause: float = 0.1) -> None:
        deadline = time.monotonic() + LONG
        while not await asyncio.to_thread(condition):
            if time.monotonic() > deadline or not self.operator.process.running:
                raise BenchmarkError(f"it does not get there:\n{self.operator.process.tail()}")
            await asyncio.sleep(pause)

    async def _rest(self) -> None:
        """Until the operator has used next to nothing for two seconds."""
        used, since, deadline = self._meter.cpu(), time.monotonic(), time.monotonic() + LONG
        while time.monotonic() - since < 2.0 and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            if self._meter.cpu() - used > REST_SHARE:
                used, since = self._meter.cpu(), time.monotonic()


def _copies(pattern: bytes, there: int, size: int) -> Iterator[tuple[str, bytes]]:
    """The object again and again under other names, ended one after the other, DAILY of them a day."""
    now = datetime.now(UTC)  # noqa: TID251 - the API server's clock is this machine's
    name = json.loads(pattern)["metadata"]["name"]
    for number in range(there, size):
        fresh = f"kept-{number:06d}"
        body = json.loads(pattern.replace(name.encode(), fresh.encode()))
        body["metadata"]["uid"] = str(uuid.uuid4())
        body["spec"]["ttlSecondsAfterFinished"] = KEPT_DAYS * 86_400
        end = now - timedelta(days=(number % (DAILY * (KEPT_DAYS - 2))) / DAILY)
        body["metadata"]["creationTimestamp"] = body["status"]["completionTime"] = f"{end:%Y-%m-%dT%H:%M:%SZ}"
        yield f"{REQUESTS}{fresh}", json.dumps(body, separators=(",", ":")).encode()


def _mean(values: list[bytes]) -> int:
    return round(sum(map(len, values)) / len(values)) if values else 0


def save(steps: list[Step], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([dataclasses.asdict(step) for step in steps], indent=1))
