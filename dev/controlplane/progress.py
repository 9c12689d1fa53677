"""Progress for a person: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

PLAIN_SECONDS = 15.0
"""Between two plain lines."""


class Progress:
    """One task at a time, told on standard error (standard output is for results)."""

    def __init__(self, *, terminal: bool | None = None) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Bar | None = None
        if self._console.is_terminal if terminal is None else terminal:
            self._bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._console.print(line, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def begin(self, task: str, *, total: int | None = None) -> None:
        self._begun = self._told = time.monotonic()
        if self._bar is None:
            self.say(f"{task} ...")
            return
        for old in self._bar.task_ids:
            self._bar.remove_task(old)
        self._bar.add_task(task, total=total)

    def update(self, task: str, done: int, *, total: int | None = None, unit: str = "") -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], description=task, completed=done, total=total)
            return
        now = time.monotonic()
        if now - self._told >= PLAIN_SECONDS:
            self._told = now
            of = f" of {total}" if total is not None else ""
            self.say(f"{task}: {done}{of} {unit}, {now - self._begun:.0f} s".replace(" ,", ","))
