"""The goals, each judged by the figures of one run. Nothing here is typed in by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.peers import GO, KOPF, OURS
from benchmarks.polls import computed
from benchmarks.scenarios import FINISHED, IDLE, LISTING, MINUTE, SINGLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.results import Measurement

TWENTY, SHORT, LONG = "burst-20", "burst-200", "burst-2000"
HOUR = 3600.0


@dataclass(frozen=True)
class Verdict:
    what: str
    goal: str
    figure: str
    met: bool | None
    """None: not measured."""


@dataclass(frozen=True)
class _Figures:
    medians: Mapping[tuple[str, str], Measurement]

    def of(self, scenario: str, peer: str = OURS) -> Measurement:
        """KeyError if it wasn't measured."""
        return self.medians[scenario, peer]

    def cpu(self, scenario: str, peer: str = OURS) -> float:
        return self.of(scenario, peer).cpu_seconds / self.of(scenario, peer).requests

    def end(self, scenario: str, peer: str = OURS) -> float:
        spread = self.of(scenario, peer).end
        if spread is None:
            raise KeyError(scenario)
        return spread.p99


def verdicts(medians: Mapping[tuple[str, str], Measurement]) -> list[Verdict]:
    figures = _Figures(medians)
    return [_judged(what, goal, judge, figures) for what, goal, judge in _GOALS]


def _judged(
    what: str, goal: str, judge: Callable[[_Figures], tuple[str, bool]], figures: _Figures
) -> Verdict:
    try:
        figure, met = judge(figures)
    except KeyError:
        return Verdict(what, goal, "not measured", None)
    return Verdict(what, goal, figure, met)


def _deletes(figures: _Figures) -> tuple[str, bool]:
    every = [figures.of(name) for name in (TWENTY, SHORT, LONG)]
    sent, asked = sum(each.deletes for each in every), sum(each.requests for each in every)
    return f"{sent / asked:.2f} ({sent:,} for {asked:,})", sent == asked


def _writes(figures: _Figures) -> tuple[str, bool]:
    every = [figures.of(name) for name in (TWENTY, SHORT, LONG)]
    writes = max(each.writes / each.requests for each in every)
    events = max(each.events / each.requests for each in every)
    return f"{writes:.2f}; {events:.2f}", writes <= 3 and events <= 2


def _cpu_against(peer: str, most: Mapping[str, float]) -> Callable[[_Figures], tuple[str, bool]]:
    def judge(figures: _Figures) -> tuple[str, bool]:
        ratios = {name: figures.cpu(name) / figures.cpu(name, peer) for name in most}
        met = all(ratios[name] <= most[name] for name in most)
        return "; ".join(f"{ratio:.2f}" for ratio in ratios.values()), met

    return judge


def _ends(figures: _Figures) -> tuple[str, bool]:
    told, met = [], True
    for name, most in ((SHORT, 0.5), (LONG, 1.5)):
        mine = figures.end(name)
        others = {peer: figures.end(name, peer) for peer in (KOPF, GO)}
        met = met and mine <= most and all(mine < each for each in others.values())
        told.append(f"{mine:.2f} s (kopf {others[KOPF]:.2f}, Go {others[GO]:.2f})")
    return "; ".join(told), met


def _start(name: str, most: float) -> Callable[[_Figures], tuple[str, bool]]:
    def judge(figures: _Figures) -> tuple[str, bool]:
        spread = figures.of(name).start
        if spread is None:
            raise KeyError(name)
        return f"{spread.p50:.3f} s", spread.p50 <= most

    return judge


def _single_end(figures: _Figures) -> tuple[str, bool]:
    p99 = figures.end(SINGLE.name)
    return f"{p99:.3f} s", p99 <= 0.15


def _ready(figures: _Figures) -> tuple[str, bool]:
    seconds = figures.of(SINGLE.name).ready_seconds
    if seconds is None:
        raise KeyError(SINGLE.name)
    return f"{seconds:.1f} s", seconds <= 2.0


def _memory(figures: _Figures) -> tuple[str, bool]:
    peak = figures.of(LONG).peak_mib
    return f"{peak:.0f} MiB", peak <= 130


def _finished(figures: _Figures) -> tuple[str, bool]:
    found = figures.of(FINISHED.name)
    ready, above = found.ready_seconds or 0.0, found.peak_mib - found.empty_mib
    figure = f"{ready:.1f} s, {above:.0f} MiB, {found.writes} writes"
    return figure, ready <= 15 and above <= 100 and found.writes == 0


def _idle(figures: _Figures) -> tuple[str, bool]:
    share = figures.of(IDLE.name).idle_share or 0.0
    return f"{share:.2%}", share <= 0.005


def _polls(figures: _Figures) -> tuple[str, bool]:
    """Measured for the first two; an hour is computed, with progress told and without, and both count."""
    met, polls, late = True, [], []
    for name, seconds, most in ((SHORT, 2.0, 4), (MINUTE.name, MINUTE.job_seconds, 20)):
        found = figures.of(name)
        each, end = found.polls / found.requests, figures.end(name)
        met = met and each <= most and end <= min(seconds / 10, 10.0)
        polls.append(f"{each:.1f}")
        late.append(f"{end:.2f}")
    told, untold = (computed(HOUR, progress=progress) for progress in (True, False))
    latest = max(told.late, untold.late)
    met = met and max(told.polls, untold.polls) <= 400 and latest <= 10.0
    counts = f"{', '.join(polls)}, computed {told.polls} ({untold.polls} where no progress is told)"
    return f"{counts}; noticed and written after {', '.join(late)}, {latest:.1f} s", met


def _listings(figures: _Figures) -> tuple[str, bool]:
    found = figures.of(LISTING.name)
    gap = found.listing_gap
    alone = gap is None or gap >= LISTING.listing_seconds
    told = f"{found.listings} for {found.requests:,} requests"
    return f"{told}, never two at once" if alone else f"{told}, up to two within {gap:.3f} s", alone


def _growth(figures: _Figures) -> tuple[str, bool]:
    small, large = figures.cpu(SHORT) * 1000, figures.cpu(LONG) * 1000
    return f"{large:.1f} ms at 2,000, {small:.1f} ms at 200", large <= small


_GOALS: tuple[tuple[str, str, Callable[[_Figures], tuple[str, bool]]], ...] = (
    ("DELETEs a request", "1.00", _deletes),
    ("Status writes for a short job; Events", "≤ 3; ≤ 2", _writes),
    (
        "CPU a request against the Go operator, at 200; at 2,000",
        "≤ 1.25; ≤ 2",
        _cpu_against(GO, {SHORT: 1.25, LONG: 2.0}),
    ),
    (
        "CPU a request against the usual kopf handler, at 200; at 2,000",
        "≤ 0.5; ≤ 0.5",
        _cpu_against(KOPF, {SHORT: 0.5, LONG: 0.5}),
    ),
    ("One alone: start p50", "≤ 0.04 s", _start(SINGLE.name, 0.04)),
    ("One alone, a job of 0.2 s: end p99", "≤ 0.15 s", _single_end),
    ("Start p50 of 20 at once", "≤ 0.12 s", _start(TWENTY, 0.12)),
    ("Start p50 at 200", "≤ 0.1 s", _start(SHORT, 0.1)),
    ("End p99 at 200; at 2,000", "≤ 0.5 s; ≤ 1.5 s, ahead of both peers", _ends),
    ("Ready after a start with nothing there", "≤ 2 s", _ready),
    ("Memory at 2,000 in flight", "≤ 130 MiB", _memory),
    ("10,000 finished at the start", "ready ≤ 15 s, ≤ 100 MiB above empty, no writes", _finished),
    ("Idle, 1,000 finished", "≤ 0.5 % of a core", _idle),
    (
        "Polls for a job of 2 s, 1 minute, 1 hour",
        "≤ 4, ≤ 20, ≤ 400; the end noticed within 10 % of the run time, at most 10 s",
        _polls,
    ),
    ("Listings in the burst of 2,000, 10,000 namespaces", "one in flight at a time", _listings),
    ("Growth: CPU a request", "at 2,000 ≤ at 200", _growth),
)
