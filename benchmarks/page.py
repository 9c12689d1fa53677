"""docs/performance.md and its picture, made of a run's figures; benchmarks/profile.md goes in as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.goals import verdicts
from benchmarks.machine import ROOT
from benchmarks.plot import Panel, bars
from benchmarks.scenarios import BURSTS, scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.machine import Machine
    from benchmarks.results import Measurement, Run, Spread

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "pictures" / "performance.svg"
PROFILE = ROOT / "benchmarks" / "profile.md"

COLUMNS: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
    ("CPU a request, ms", lambda found: _number(found.cpu_ms, 1)),
    ("DELETEs", lambda found: _each(found, found.deletes, 2)),
    ("writes", lambda found: _each(found, found.writes, 2)),
    ("Events", lambda found: _each(found, found.events, 2)),
    ("polls", lambda found: _each(found, found.polls, 1)),
    ("listings in all", lambda found: f"{found.listings:,}" if found.requests else ""),
    ("start p50 / p99, s", lambda found: _spread(found.start)),
    ("end p50 / p99, s", lambda found: _spread(found.end)),
    ("API server CPU, ms", lambda found: _number(_api_server_ms(found), 1)),
    ("memory, MiB (empty)", lambda found: f"{found.peak_mib:.0f} ({found.empty_mib:.0f})"),
    ("ready, s", lambda found: _number(found.ready_seconds, 1)),
)


def write(run: Run) -> None:
    """The page and the picture."""
    medians = run.medians()
    PAGE.write_text(page(run, PROFILE.read_text()))
    PICTURE.write_text(picture(medians))


def page(run: Run, profile: str) -> str:
    medians = run.medians()
    repeats = max((len(_repeats(run, key)) for key in medians), default=0)
    parts = [
        "# Performance",
        "<!-- Written by `make bench`. What is written by hand is in benchmarks/profile.md. -->",
        _introduction(repeats),
        "## The machine",
        _machine(run.machine),
        "## The goals",
        _goals(medians),
        "![CPU, end latency and memory of each operator](pictures/performance.svg)",
        "## All figures",
        _legend(),
        _figures(medians),
        _starts(medians),
        profile.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def picture(medians: Mapping[tuple[str, str], Measurement]) -> str:
    """SVG: the bursts."""
    sizes = [size for size in BURSTS if any(name == f"burst-{size}" for name, _ in medians)]
    peers = {key: found.title for (name, key), found in medians.items() if name.startswith("burst-")}

    def values(figure: Callable[[Measurement], float | None]) -> list[list[float | None]]:
        return [
            [figure(found) if (found := medians.get((f"burst-{size}", peer))) else None for size in sizes]
            for peer in peers
        ]

    groups = [f"{size:,}" for size in sizes]
    panels = (
        Panel("CPU a request, ms", groups, values(lambda found: found.cpu_ms)),
        Panel("End p99, s", groups, values(lambda found: found.end.p99 if found.end else None)),
        Panel("Memory, MiB", groups, values(lambda found: found.peak_mib)),
    )
    return bars(list(peers.values()), panels)


def summary(found: Measurement) -> str:
    """One line for a terminal."""
    told = [f"{name} {value}" for name, show in COLUMNS if (value := show(found))]
    if found.idle_share is not None:
        told.append(f"idle {found.idle_share:.2%} of a core")
    return f"{found.scenario}, {found.title}: " + "; ".join(told)


def _introduction(repeats: int) -> str:
    times = "once"
    if repeats > 1:
        times = f"{repeats} times in turn, what takes minutes once; the medians are shown"
    return f"""\
This operator beside two that an engineer might write instead, under the same load on the same machine, one
after the other. [A kopf handler](../benchmarks/peers/kopf_handler.py) is written as kopf's documentation
teaches it, and posts no Events. [An operator in Go](../benchmarks/peers/controller_runtime) with
controller-runtime does the same work for a request as ours: a claim before the DELETE, three status writes,
two Events, 16 workers. Neither looks a namespace up first, nor has any of the [safety rules](safety.md).

`make bench` measures it all and writes this page; `python -m benchmarks --help` tells how to measure any
other operator. Each measurement has a control plane (etcd, kube-apiserver), a Moorcheh stand-in and an
operator of its own, each its own process, and was done {times}. The operators share the machine with the
API server, so times are for orientation: it is the ratios within a run that count."""


def _machine(machine: Machine) -> str:
    go = f", Go {machine.go}" if machine.go else ""
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, {machine.system}. "
        f"Python {machine.python}{go}, kube-apiserver {machine.kubernetes}. "
        f"Measured on {machine.day} at commit {machine.commit}."
    )


def _goals(medians: Mapping[tuple[str, str], Measurement]) -> str:
    words = {True: "met", False: "**not met**", None: ""}
    rows = [(each.what, each.goal, each.figure, words[each.met]) for each in verdicts(medians)]
    return _table(("", "goal", "figure", ""), rows)


def _legend() -> str:
    return """\
Counts are for each request. Start: from the creation of a request to its DELETE at the server (for a
backlog, from the operator's start). End: from the job's end at the server to the terminal status in a
watch. p50 and p99: half of the requests, and 99 of 100, took at most that long. CPU: user and system time of
the operator's process, until it is at rest again, without its start. Writes: all PATCHes and PUTs of the
request, by the API server's counters. API server CPU: what its process took for a request meanwhile, its
creation and the watches included. Memory: the most that was resident (after an empty start). Ready: from the
start of the process, with nothing there, until it watches and has come to rest."""


def _figures(medians: Mapping[tuple[str, str], Measurement]) -> str:
    rows = []
    for (name, _), found in medians.items():
        if found.requests:
            rows.append((scenario(name).what, found.title, *(show(found) for _, show in COLUMNS)))
    return _table(("", "", *(name for name, _ in COLUMNS)), rows, numbers_from=2) if rows else ""


def _starts(medians: Mapping[tuple[str, str], Measurement]) -> str:
    """Where there is nothing to do."""
    rows = [
        (
            scenario(name).what,
            found.title,
            _number(found.ready_seconds, 1),
            f"{found.cpu_seconds:.1f}",
            f"{found.writes}",
            f"{found.peak_mib - found.empty_mib:.0f}",
            "" if found.idle_share is None else f"{found.idle_share:.2%}",
        )
        for (name, _), found in medians.items()
        if not found.requests
    ]
    columns = ("ready, s", "CPU above an empty start, s", "writes", "MiB above empty", "idle, of a core")
    return _table(("", "", *columns), rows, numbers_from=2) if rows else ""


def _repeats(run: Run, key: tuple[str, str]) -> list[Measurement]:
    return [each for each in run.measurements if (each.scenario, each.peer) == key]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None) -> str:
    from_there = len(heads) if numbers_from is None else numbers_from
    rule = ["---" if index < from_there else "--:" for index in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _each(found: Measurement, count: int, digits: int) -> str:
    return _number(found.a_request(count), digits)


def _api_server_ms(found: Measurement) -> float | None:
    used = found.others_cpu.get("kube-apiserver")
    return None if used is None or not found.requests else used * 1000 / found.requests


def _spread(spread: Spread | None) -> str:
    """Below a second to the millisecond, as that is what a single deletion is about."""
    if spread is None:
        return ""
    return " / ".join(f"{each:.3f}" if each < 1 else f"{each:.1f}" for each in (spread.p50, spread.p99))
