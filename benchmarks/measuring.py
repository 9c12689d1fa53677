"""One measurement: a control plane, a stand-in and an operator of their own, a load, and what it cost."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.driver import Driver
from benchmarks.errors import BenchmarkError
from benchmarks.machine import ROOT
from benchmarks.meters import Calls, Meter, own_cpu
from benchmarks.results import Measurement, Spread
from dev.controlplane import ControlPlane
from dev.moorcheh.standin import StandIn
from dev.processes import Process, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.driver import Witness
    from benchmarks.peers import Peer
    from benchmarks.scenarios import Scenario
    from dev.controlplane import Assets

CRD = "crd/namespacedeletions.moorcheh.ai"
ITEMS = 50
"""In each namespace, which the stand-in takes away evenly: 2,000 of them make a real server full."""
DAY = 86_400
REST_SECONDS = 1.0
"""An operator is at rest when it has used next to nothing for so long."""
REST_SHARE = 0.05
LOOK_SECONDS = 0.1


def measure(peer: Peer, scenario: Scenario, assets: Assets) -> Measurement:
    """BenchmarkError, with the operator's last lines, if not every request succeeds."""
    with (
        scratch_folder("moorcheh-bench-") as folder,
        ControlPlane(assets=assets) as plane,
        StandIn(folder / "moorcheh", job_seconds=scenario.job_seconds, max_items=10_000_000) as moorcheh,
    ):
        install_api(plane, ROOT / "crds")
        if scenario.bystanders:
            moorcheh.create_many(scenario.bystanders, "bystander-", items=ITEMS, age=DAY)
        if scenario.requests:
            moorcheh.create_many(scenario.requests, "asked-", items=ITEMS, age=DAY)
        if scenario.listing_seconds:
            moorcheh.fault("list", count=-1, delay=scenario.listing_seconds)
        try:
            return asyncio.run(_Stage(peer, scenario, plane, moorcheh, folder).play())
        except ExceptionGroup as errors:  # of the tasks that drive it
            raise _first(errors) from None


def install_api(plane: ControlPlane, folder: Path) -> None:
    plane.kubectl("apply", "-k", str(folder))
    plane.kubectl("wait", "--for=condition=Established", CRD, "--timeout=30s")


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


@dataclass(frozen=True)
class _Reading:
    """Of everything that counts upwards."""

    at: float
    operator_cpu: float
    others_cpu: dict[str, float]
    calls: Calls


@dataclass(frozen=True)
class _Start:
    """What a start costs where there is nothing to do."""

    cpu: float
    peak_mib: float


@dataclass(frozen=True)
class _Stage:
    peer: Peer
    scenario: Scenario
    plane: ControlPlane
    moorcheh: StandIn
    folder: Path

    async def play(self) -> Measurement:
        scenario = self.scenario
        names = [f"asked-{number:05d}" for number in range(scenario.requests)]
        async with Driver(self.plane) as driver:
            empty = await self._empty_start() if scenario.starts_with_objects else None
            await driver.create_finished(f"finished-{number:05d}" for number in range(scenario.finished))
            if scenario.before_start:
                await driver.create(names)
            async with driver.witness() as witness:
                begun = self._read(None)
                sent = dict.fromkeys(names, begun.at)
                with self._operator() as process:
                    meter = Meter(process.pid)
                    ready = None if scenario.before_start else await self._ready(process, begun)
                    if empty is None:
                        empty = _Start(0.0, meter.peak_mib())
                        begun = self._read(meter)
                    if scenario.one_by_one:
                        for number, name in enumerate(names, 1):
                            sent |= await driver.create([name])
                            await self._have_ended(number, process, witness)
                    elif not scenario.before_start:
                        sent = await driver.create(names)
                    await self._have_ended(len(names), process, witness)
                    await self._rest(process)
                    ended = self._read(meter)
                    idle = await self._idle(meter)
                    peak = meter.peak_mib()
        record, counts = self.moorcheh.record(), self.moorcheh.counts()
        came = {delete["name"]: delete["monotonic"] for delete in reversed(record["deletes"])}
        over = {job["name"]: job["ended"] for job in record["jobs"] if job["ended"] is not None}
        timed = names[1:] if scenario.one_by_one else names
        return Measurement(
            peer=self.peer.key,
            title=self.peer.title,
            scenario=scenario.name,
            requests=scenario.requests,
            cpu_seconds=ended.operator_cpu - begun.operator_cpu - empty.cpu,
            seconds=ended.at - begun.at,
            start=Spread.of(came[name] - sent[name] for name in timed),
            end=Spread.of(witness.ended[name] - over[name] for name in timed),
            deletes=len(record["deletes"]),
            polls=counts.get("job", 0),
            listings=counts.get("list", 0),
            listing_gap=self._listing_gap(),
            peak_mib=peak,
            empty_mib=empty.peak_mib,
            ready_seconds=ready,
            idle_share=idle,
            calls=ended.calls.since(begun.calls),
            others_cpu={key: used - begun.others_cpu[key] for key, used in ended.others_cpu.items()},
        )

    def _read(self, meter: Meter | None) -> _Reading:
        others = {
            "kube-apiserver": self.plane.apiserver,
            "etcd": self.plane.etcd,
            "Moorcheh stand-in": self.moorcheh.process,
        }
        used = {name: Meter(process.pid).cpu() for name, process in others.items()}
        cpu = meter.cpu() if meter else 0.0
        return _Reading(time.monotonic(), cpu, {**used, "driver": own_cpu()}, Calls.read(self.plane))

    @contextmanager
    def _operator(self) -> Iterator[Process]:
        with Process(
            self.peer.command,
            output=self.folder / "operator.log",
            name=self.peer.title,
            env=self.peer.environment(self.plane.kubeconfig, self.moorcheh.url),
        ) as process:
            yield process

    async def _empty_start(self) -> _Start:
        begun = self._read(None)
        with self._operator() as process:
            await self._ready(process, begun)
            meter = Meter(process.pid)
            started = _Start(meter.cpu(), meter.peak_mib())
        self.moorcheh.reset("record")
        return started

    async def _ready(self, process: Process, before: _Reading) -> float:
        """Wait until it watches and is at rest; the seconds until then."""
        while True:
            at = await self._rest(process)
            if Calls.read(self.plane).watches > before.calls.watches:
                return at - before.at

    async def _have_ended(self, wanted: int, process: Process, witness: Witness) -> None:
        if not await witness.until(wanted, self.scenario.most_seconds, alive=lambda: process.running):
            failed = "".join(f"\n{name}: {why}" for name, why in list(witness.failed.items())[:3])
            raise self._complaint(process, f"{len(witness.ended)} of {wanted} requests ended{failed}")

    async def _rest(self, process: Process) -> float:
        """Wait until the operator has nothing to do; the time (monotonic) from which on it was so."""
        meter, deadline = Meter(process.pid), time.monotonic() + self.scenario.most_seconds
        since, used = time.monotonic(), meter.cpu()
        while time.monotonic() - since < REST_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            if not process.running:
                raise self._complaint(process, f"it ended by itself (exit {process.returncode})")
            if time.monotonic() > deadline:
                raise self._complaint(process, "it does not come to rest")
            if meter.cpu() - used > REST_SHARE * REST_SECONDS:
                since, used = time.monotonic(), meter.cpu()
        return since

    async def _idle(self, meter: Meter) -> float | None:
        if not self.scenario.idle_seconds:
            return None
        begun, used = time.monotonic(), meter.cpu()
        await asyncio.sleep(self.scenario.idle_seconds)  # the time itself is what is measured
        return (meter.cpu() - used) / (time.monotonic() - begun)

    def _listing_gap(self) -> float | None:
        came = [each["monotonic"] for each in self.moorcheh.requests() if each["operation"] == "list"]
        return min((later - earlier for earlier, later in pairwise(came)), default=None)

    def _complaint(self, process: Process, what: str) -> BenchmarkError:
        told = f"{self.peer.title}, {self.scenario.name}: {what}. Its last lines:\n{process.tail()}"
        return BenchmarkError(told)
