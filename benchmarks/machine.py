"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Machine:
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    go: str
    """Empty if there is none."""
    kubernetes: str
    commit: str
    """Of this project; ends with `+` if files were changed since."""
    day: str


def this_machine(kubernetes: str) -> Machine:
    cpu = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    changed = _output("git", "status", "--porcelain", "--untracked-files=no")
    go = _output("go", "env", "GOVERSION")
    return Machine(
        processor=cpu[1] if cpu else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(int(memory[1]) / 1024**2, 1) if memory else 0.0,
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        python=platform.python_version(),
        go=go.removeprefix("go"),
        kubernetes=kubernetes,
        commit=_output("git", "rev-parse", "--short", "HEAD") + ("+" if changed else ""),
        day=datetime.now(UTC).date().isoformat(),  # noqa: TID251 - the day of the run, for the page
    )


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _output(*command: str) -> str:
    """Empty if there is no such program, or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
