"""All that a person sees: a live board on a terminal, one plain line a change elsewhere."""

from __future__ import annotations

import re
import shlex
import sys
import textwrap
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dev.demo.scenarios import Example, Sight, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_STYLES = {"Succeeded": "green", "Failed": "red", "Suspended": "yellow", "Running": "cyan"}
_BAR = 24
_WIDE = 96


class Screen:
    def __init__(self, *, terminal: bool | None = None) -> None:
        self._live_wanted = sys.stdout.isatty() if terminal is None else terminal
        self._console = Console(force_terminal=self._live_wanted, highlight=False, soft_wrap=True)
        self._live_wanted &= not self._console.is_dumb_terminal
        self._live: Live | None = None
        self._parts = 0

    def heading(self, *lines: str) -> None:
        first, *rest = lines
        self._console.print(Text(first, style="bold"))
        for line in rest:
            self._console.print(Text(line))

    def part(self, title: str) -> None:
        """The heading of the next part."""
        self._parts += 1
        self._console.print(Text(f"\n{self._parts}. {title}", style="bold"))

    def say(self, line: str, style: str = "") -> None:
        self._console.print(Text(f"   {line}" if line else "", style=style))

    def command(self, *words: str, why: str = "") -> None:
        """A command as one would type it, and in a word what for."""
        line = Text("   $ ", style="dim")
        line.append(shlex.join(words), style="bold cyan")
        if why:
            line.append(f"\n     {why}", style="dim")
        self._console.print(line)

    def output(self, text: str, *, indent: str = "") -> None:
        """What a command printed, as it printed it."""
        self._console.print(Text(textwrap.indent(text.rstrip("\n"), indent)))

    def verdict(self, verdict: Verdict) -> None:
        line = Text("   ")
        if verdict.good:
            line.append("as expected   ", "green")
            line.append(f"{verdict.subject:<25}{verdict.words}")
            line.append(f"\n{' ' * 17}{verdict.why}", "dim")
        else:
            line.append("NOT EXPECTED  ", "bold red")
            line.append(f"{verdict.subject:<25}{'; '.join(verdict.complaints)}")
        self._console.print(line)

    def interrupted(self, words: str) -> None:
        """The one line after Ctrl-C, below the `^C` that the terminal shows."""
        print(f"\n{words}", file=sys.stderr, flush=True)

    @contextmanager
    def board(self, examples: tuple[Example, ...]) -> Iterator[Board]:
        """Shows the requests as they change, until the `with` ends; on a terminal the last state stays."""
        if not self._live_wanted:
            yield Board(examples, self, None)
            return
        with Live(console=self._console, auto_refresh=False) as live:
            yield Board(examples, self, live)

    def plain_change(self, request: str, sight: Sight, seconds: float) -> None:
        state = f"{sight.phase or '-'}/{sight.reason or '-'}"
        progress = f"  {sight.progress}" if sight.progress else ""
        self.say(f"{seconds:5.1f} s  {request:<24} {state}{progress}  {sight.message}".rstrip())

    @property
    def width(self) -> int:
        return self._console.width


class Board:
    """What was last seen of each request; told anew where it has changed."""

    def __init__(self, examples: tuple[Example, ...], screen: Screen, live: Live | None) -> None:
        self._examples, self._screen, self._live = examples, screen, live
        self._begun = time.monotonic()
        self._told: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def show(self, seen: Mapping[str, Sequence[Sight]]) -> None:
        """`seen`: by request, all that was seen of it, oldest first."""
        if self._live is not None:
            self._live.update(
                self._drawn({request: sights[-1] for request, sights in seen.items()}), refresh=True
            )
            return
        for request, sights in seen.items():
            for sight in sights[self._told.get(request, 0) :]:
                if sight.phase:
                    self._screen.plain_change(request, sight, self.seconds)
            self._told[request] = len(sights)

    def _drawn(self, latest: Mapping[str, Sight]) -> Group:
        lines: list[Table | Text] = [Text(f"\n   {self.seconds:.0f} s", style="dim")]
        wide = self._screen.width >= _WIDE
        for example in self._examples:
            sight = latest.get(example.request, Sight())
            row = Table.grid(padding=(0, 2))
            for width in (3, 23, 10, 18) if wide else (1, 23, 10, 18):
                row.add_column(width=width, no_wrap=True)
            row.add_column(no_wrap=True)
            style = _STYLES.get(sight.phase, "")
            shown = bar(sight.progress) if wide else sight.progress
            if sight.phase == "Suspended" and sight.items is not None:
                shown = f"holds {sight.items:,} items"
            row.add_row("", example.request, Text(sight.phase or "...", style=style), sight.reason, shown)
            words = Text(
                f"      {sight.message or example.story}", style="dim", no_wrap=True, overflow="ellipsis"
            )
            lines += [row, words]
        return Group(*lines)


def bar(progress: str) -> str:
    """`━━━━━━━━━━──────────────  1200/5000 (24%)`."""
    if (percent := re.search(r"\((\d+)%\)", progress)) is None:
        return progress
    done = _BAR * int(percent[1]) // 100
    return f"{'━' * done}{'─' * (_BAR - done)}  {progress}"
