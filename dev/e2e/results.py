"""What held: rows that are written while it runs, and the table at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dev.controlplane import ControlPlaneError
from dev.e2e.errors import E2EError
from dev.helm import HelmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Row:
    claim: str
    held: bool
    seen: str = ""
    """What was measured, or what went wrong."""
    seconds: float = 0.0


class Report:
    """Rows in a file, so that none is lost with the process that wrote it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, row: Row) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        print(f"{mark(row)}  {row.claim} ({row.seconds:.0f} s)  {row.seen}", flush=True)

    def rows(self) -> list[Row]:
        if not self._path.exists():
            return []
        return [Row(**json.loads(line)) for line in self._path.read_text().splitlines()]

    @contextmanager
    def claim(self, words: str, *, vital: bool = False) -> Iterator[list[str]]:
        """A row, held unless the block raises; it appends what it saw. `vital`: nothing goes on without."""
        began = time.monotonic()
        seen: list[str] = []
        try:
            yield seen
        except (
            E2EError,
            ControlPlaneError,
            HelmError,
            subprocess.SubprocessError,
            OSError,
            LookupError,
        ) as error:
            if isinstance(error, LookupError):
                traceback.print_exc(file=sys.stderr)
            told = "; ".join([*seen, f"{error}".strip() or type(error).__name__])
            self.add(Row(words, held=False, seen=told, seconds=time.monotonic() - began))
            if vital:
                raise E2EError(f"{words}: {error}") from error
        else:
            self.add(Row(words, held=True, seen="; ".join(seen), seconds=time.monotonic() - began))


def mark(row: Row) -> str:
    return "held  " if row.held else "FAILED"


def table(rows: Sequence[Row]) -> str:
    """Plain text, a row a line; long words of a failure are cut to their first lines."""
    wide = max((len(row.claim) for row in rows), default=0)
    lines = []
    for row in rows:
        seen = row.seen if row.held else "\n".join(row.seen.splitlines()[:12])
        first, *more = seen.splitlines() or [""]
        lines.append(f"{mark(row)}  {row.claim:<{wide}}  {row.seconds:>4.0f} s  {first}".rstrip())
        lines += [f"{'':8}  {line}" for line in more]
    held = sum(row.held for row in rows)
    return "\n".join([*lines, f"{held} of {len(rows)} held."])
