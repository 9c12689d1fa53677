"""The benchmark itself works: a few requests, of which only the counts are asked, never the times."""

from __future__ import annotations

import asyncio
import gc
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from benchmarks.command import INTERRUPTED, main
from benchmarks.driver import Driver
from benchmarks.errors import BenchmarkError
from benchmarks.machine import ROOT
from benchmarks.measuring import measure
from benchmarks.peers import GO, KOPF, OURS, PEERS, other
from benchmarks.scenarios import Scenario, burst
from dev.controlplane.progress import Progress
from dev.processes import Process, alive
from tests.dev.waiting import until

if TYPE_CHECKING:
    from benchmarks.results import Measurement
    from dev.controlplane import Assets, ControlPlane

FEW = 5


def measured(key: str, scenario: Scenario, assets: Assets) -> Measurement:
    with Progress() as progress:
        return measure(PEERS[key](progress), scenario, assets)


def test_ours_costs_one_delete_three_writes_two_events_and_few_polls_a_request(assets: Assets) -> None:
    found = measured(OURS, burst(FEW), assets)
    assert found.deletes == FEW
    assert found.writes == 3 * FEW
    assert found.events == 2 * FEW
    assert FEW <= found.polls <= 5 * FEW  # where a machine stands still for a moment, one more
    assert 1 <= found.listings <= 2 * FEW  # one before the DELETE, and one after the job


def test_one_after_another_each_is_made_when_the_one_before_has_ended(assets: Assets) -> None:
    alone = Scenario("alone", "one alone", FEW, job_seconds=0.2, one_by_one=True)
    found = measured(OURS, alone, assets)
    assert (found.deletes, found.writes) == (FEW, 3 * FEW)
    assert found.listings == 2 * FEW  # nobody there to share one with


def test_ours_writes_nothing_where_all_have_ended_before(assets: Assets) -> None:
    found = measured(OURS, Scenario("finished", "ended before", finished=FEW), assets)
    assert (found.writes, found.events, found.deletes) == (0, 0, 0)


def test_ours_takes_up_what_it_finds_at_the_start(assets: Assets) -> None:
    found = measured(OURS, Scenario("backlog", "there before", FEW, before_start=True), assets)
    assert (found.deletes, found.writes) == (FEW, 3 * FEW)


@pytest.mark.usefixtures("assets")
def test_each_of_the_operators_calls_has_its_cost() -> None:
    ran = CliRunner().invoke(main, ["calls", "--requests", str(FEW)])

    assert ran.exit_code == 0, ran.output
    rows = [line.split("|")[1:-1] for line in ran.output.splitlines() if line.startswith("| ")][1:]
    assert {what.partition(":")[0].strip() for what, *_ in rows} > {
        "creation of a request",
        "status",
        "Event",
    }
    assert all(float(kib) > 0 for *_, read, written in rows for kib in (read, written))


def test_the_driver_leaves_no_socket_behind(control_plane: ControlPlane) -> None:
    """Pytest fails the test in which the garbage collector finds one that is open."""
    control_plane.kubectl("apply", "--kustomize", str(ROOT / "crds"))

    async def look_on() -> None:
        async with Driver(control_plane) as driver, driver.witness():
            pass

    for _ in range(8):  # whether the API server says goodbye in time is chance
        asyncio.run(look_on())
    gc.collect()


def test_the_kopf_peer_deletes_once_and_writes_more_than_ours(assets: Assets) -> None:
    found = measured(KOPF, burst(FEW), assets)
    assert found.deletes == FEW
    assert found.writes > 3 * FEW
    assert found.polls >= FEW


@pytest.mark.slow  # building client-go takes minutes
@pytest.mark.timeout(1200)
def test_the_go_peer_does_the_same_work_as_ours(assets: Assets) -> None:
    found = measured(GO, burst(FEW), assets)
    assert (found.deletes, found.writes, found.events) == (FEW, 3 * FEW, 2 * FEW)


def test_an_operator_that_ends_is_told_with_its_last_words(assets: Assets) -> None:
    command = shlex.join([sys.executable, "-c", "print('no such luck')"])
    with pytest.raises(BenchmarkError, match=r"ended by itself(?s:.*)no such luck"):
        measure(other(command), burst(FEW), assets)


def test_ctrl_c_ends_all_that_was_started(assets: Assets, tmp_path: Path) -> None:
    del assets  # they are there
    words = ["-m", "benchmarks", "run", "--peer", OURS, "--size", "5", "--results", str(tmp_path / "r.json")]
    with Process([sys.executable, *words], output=tmp_path / "log", cwd=ROOT) as bench:
        assert until(lambda: len(children(bench.pid)) >= 3)  # etcd and others, and the watchdog
        started = children(bench.pid)
        bench.signal(signal.SIGINT)
        assert bench.wait(60) == INTERRUPTED
    assert "Interrupted" in bench.tail()
    assert "Traceback" not in bench.output.read_text()
    assert until(lambda: not any(map(alive, started)))


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()] if found.exists() else []
