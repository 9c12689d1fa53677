"""What a process used, and what the API server counted."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

TICKS = os.sysconf("SC_CLK_TCK")
RESOURCE = "namespacedeletions"


@dataclass(frozen=True)
class Meter:
    """A program's processes: the one that was started, which leads its group, and what it started itself."""

    group: int

    def cpu(self) -> float:
        """Seconds so far, of all threads, with those of children that have ended."""
        # Of proc_pid_stat(5), counted from the state: utime, stime, cutime, cstime.
        return sum(int(ticks) for _, stat in self._members() for ticks in stat[11:15]) / TICKS

    def peak_mib(self) -> float:
        """The most memory that each had resident so far."""
        texts = (_read(proc / "status") for proc, _ in self._members())
        peaks = (re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE) for text in texts)
        return sum(int(peak[1]) for peak in peaks if peak) / 1024

    def resident_mib(self) -> float:
        texts = (_read(proc / "status") for proc, _ in self._members())
        found = (re.search(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE) for text in texts)
        return sum(int(each[1]) for each in found if each) / 1024

    def io(self) -> tuple[int, int]:
        """Bytes read and written so far, through sockets too."""
        texts = [_read(proc / "io") for proc, _ in self._members()]
        read, written = (
            sum(int(count) for text in texts for count in re.findall(rf"^{name}: (\d+)$", text, re.MULTILINE))
            for name in ("rchar", "wchar")
        )
        return read, written

    def _members(self) -> Iterator[tuple[Path, list[str]]]:
        for proc in Path("/proc").glob("[0-9]*"):
            stat = _read(proc / "stat").rpartition(")")[2].split()
            if stat and int(stat[2]) == self.group:
                yield proc, stat


def _read(path: Path) -> str:
    """Empty if the process has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""


@dataclass(frozen=True)
class Calls:
    """What the API server has counted, by verb, resource (with subresource) and code."""

    counted: Counter[tuple[str, str, str]]
    watches: int
    """Open on the requests."""

    @classmethod
    def none(cls) -> Calls:
        """As after a start."""
        return cls(Counter(), 0)

    @classmethod
    def read(cls, plane: ControlPlane) -> Calls:
        counted: Counter[tuple[str, str, str]] = Counter()
        watches = 0
        for line in plane.metrics().splitlines():
            if line.startswith("apiserver_request_total{"):
                label, value = _parsed(line)
                resource = "/".join(filter(None, (label["resource"], label["subresource"])))
                tried = " (dry run)" if label["dry_run"] else ""  # nothing is stored
                counted[label["verb"], resource + tried, label["code"]] += round(value)
            elif line.startswith("apiserver_longrunning_requests{"):
                label, value = _parsed(line)
                if (label["verb"], label["resource"]) == ("WATCH", RESOURCE):
                    watches += round(value)
        return cls(counted, watches)

    def since(self, before: Calls) -> dict[str, int]:
        """`VERB resource` (with the code where it is none of success): how many more."""
        told: Counter[str] = Counter()
        for (verb, resource, code), count in (self.counted - before.counted).items():
            told[f"{verb} {resource}" if code.startswith("2") else f"{verb} {resource} {code}"] += count
        return dict(sorted(told.items()))


def _parsed(line: str) -> tuple[dict[str, str], float]:
    labels, _, value = line.partition("{")[2].rpartition("} ")
    return dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)


def own_cpu() -> float:
    return time.process_time()
