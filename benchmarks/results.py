"""The figures of a run, raw as JSON and as medians."""

from __future__ import annotations

import dataclasses
import json
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Spread:
    """Seconds."""

    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        ordered = sorted(values)
        if not ordered:
            return None

        def quantile(part: float) -> float:
            """The smallest value that so large a part of all does not exceed."""
            return ordered[max(0, -int(-part * len(ordered) // 1) - 1)]

        return cls(quantile(0.5), quantile(0.99), ordered[-1])


@dataclass(frozen=True)
class Measurement:
    """One operator in one scenario, once. Seconds, MiB and plain counts."""

    peer: str
    title: str
    scenario: str
    requests: int
    cpu_seconds: float
    """Of the operator, from just before the load until it rests; without what an empty start takes."""
    seconds: float
    """The same on the clock."""
    start: Spread | None
    """From the creation of a request to the arrival of its DELETE."""
    end: Spread | None
    """From the end of a job to the terminal status in a watch."""
    deletes: int
    polls: int
    listings: int
    listing_gap: float | None
    """The least time between the arrivals of two listings."""
    peak_mib: float
    empty_mib: float
    """Its peak right after an empty start."""
    ready_seconds: float | None
    """From its start until it watches and has come to rest."""
    idle_share: float | None
    """Of a core, with nothing to do."""
    calls: dict[str, int] = field(default_factory=dict)
    """What the API server counted, without the driver's own calls."""
    others_cpu: dict[str, float] = field(default_factory=dict)
    """Seconds of CPU that the other programs took meanwhile: how busy the machine was."""

    @property
    def cpu_ms(self) -> float | None:
        """Of a request."""
        return self.cpu_seconds * 1000 / self.requests if self.requests else None

    @property
    def writes(self) -> int:
        """Of the requests' objects: status and all else."""
        return self._count("PUT namespacedeletions", "PATCH namespacedeletions")

    @property
    def events(self) -> int:
        return self._count("POST events", "PATCH events")

    def a_request(self, count: int) -> float | None:
        return count / self.requests if self.requests else None

    def _count(self, *starts: str) -> int:
        stored = {call: count for call, count in self.calls.items() if "(dry run)" not in call}
        return sum(count for call, count in stored.items() if call.startswith(starts))


@dataclass(frozen=True)
class Run:
    machine: Machine
    measurements: tuple[Measurement, ...]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(dataclasses.asdict(self), indent=1))
        draft.replace(path)

    def medians(self) -> dict[tuple[str, str], Measurement]:
        """By scenario and peer, in the order in which they were measured."""
        repeats: dict[tuple[str, str], list[Measurement]] = {}
        for each in self.measurements:
            repeats.setdefault((each.scenario, each.peer), []).append(each)
        return {key: median(each) for key, each in repeats.items()}


def load(path: Path) -> Run:
    body: dict[str, Any] = json.loads(path.read_text())
    return Run(Machine(**body["machine"]), tuple(_measurement(each) for each in body["measurements"]))


def _measurement(body: dict[str, Any]) -> Measurement:
    spreads = {name: Spread(**body[name]) if body[name] else None for name in ("start", "end")}
    return Measurement(**{**body, **spreads})


def median(repeats: list[Measurement]) -> Measurement:
    """Of each figure by itself."""
    merged: Measurement = _median(repeats)
    return merged


def _median(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, Measurement | Spread):
        names = [field.name for field in dataclasses.fields(first)]
        return type(first)(**{name: _median([getattr(each, name) for each in values]) for name in names})
    if isinstance(first, dict):
        keys = dict.fromkeys(key for each in values for key in each)
        return {key: _median([each.get(key, 0) for each in values]) for key in keys}
    if isinstance(first, int | float):
        middle = statistics.median(values)
        return round(middle) if isinstance(first, int) else middle
    return first
