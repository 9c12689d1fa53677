"""Where words go: a terminal with colours and a moving bar, or plain lines. With `-o`, to standard error."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Phase, Reason
from moorcheh_operator.api.texts import plain_text

from .api import JsonObject, Seen
from .rate import Rate
from .texts import APPROVED, Lines, approved_unseen, change_line, long_time

if TYPE_CHECKING:
    from rich.console import Console, Group

COLOURS = {
    Phase.PENDING: "yellow",
    Phase.SUSPENDED: "magenta",
    Phase.SUBMITTING: "cyan",
    Phase.RUNNING: "cyan",
    Phase.SUCCEEDED: "green",
    Phase.FAILED: "red",
}


CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "magenta": 35, "cyan": 36}


def _styled(words: str, style: str | None, stream: TextIO) -> str:
    """As rich would; it is not imported for a line."""
    if not style or not words or os.environ.get("NO_COLOR") or not _can_move(stream):
        return words
    return f"\x1b[{';'.join(str(CODES[each]) for each in style.split())}m{words}\x1b[0m"


def _can_move(stream: TextIO) -> bool:
    """A terminal that knows more than lines; rich knows no other signs of one that does not."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


class Following(Protocol):
    """What shows a request on its way."""

    def show(self, request: Request, ticks: float) -> None: ...

    def note(self, words: str | None) -> None:
        """What is wrong with following it, or None."""


class OutputGoneError(KeyboardInterrupt):
    """Nobody reads the output any more, or it can't be written. Whoever follows a request leaves it, as at a
    Ctrl-C: in order. Nothing more is written then.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Screen:
    def __init__(self, output: str | None) -> None:
        self._output = output
        self._out = sys.stdout  # while something moves on the terminal, rich has its own in this place
        self._stream = sys.stderr if output else sys.stdout
        self.terminal = _can_move(self._stream)
        self.interactive = self._stream.isatty() and sys.stdin.isatty()
        self._console: Console | None = None
        self._gone: OutputGoneError | None = None
        self._whole: list[str] | None = None

    def leave(self) -> None:
        """Says that the output was gone, if it was, once all is in order."""
        if self._gone is not None:
            raise self._gone

    @property
    def gone(self) -> OutputGoneError | None:
        """That nobody reads the output any more, or it can't be written."""
        return self._gone

    @property
    def has_data(self) -> bool:
        """Whether standard output is for objects."""
        return self._output is not None

    @property
    def shows_data(self) -> bool:
        """Whether the objects go to a terminal, where nothing else may move."""
        return self.has_data and self._out.isatty()

    @property
    def console(self) -> Console:
        """Only with a terminal: importing it takes its time."""
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415 - slow to import

            self._console = Console(file=self._stream, highlight=False)
        return self._console

    def prepare(self) -> None:
        """Import now what later calls take. Where Ctrl-C breaks off an import, CPython ends by that signal in
        the end (-2, not 130), though it was caught: what `exec` is told by a dataclass is remembered.
        """
        if self.terminal:
            import rich.live  # noqa: PLC0415 - slow to import
            import rich.padding  # noqa: PLC0415 - the same
            import rich.progress  # noqa: PLC0415 - the same
            import rich.table  # noqa: F401, PLC0415 - the same, and for the import alone

    def leave_with_the_reader(self) -> None:
        """For who may have nothing to write for hours, and would not be told that nobody reads any more."""
        if not self._out.isatty():
            threading.Thread(target=self._wait_for_no_reader, daemon=True).start()

    def _wait_for_no_reader(self) -> None:
        reader = select.poll()
        reader.register(self._out.fileno(), 0)  # what is wrong with it comes unasked
        reader.poll()
        if self._gone is not None:
            return  # a write has told it
        self._gone = OutputGoneError(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def say(self, words: str, style: str | None = None) -> None:
        text = f"{_styled(words, style, self._stream)}\n"
        if self._whole is None:
            self._write(text, self._stream)
        else:
            self._whole.append(text)

    @contextlib.contextmanager
    def as_one(self) -> Iterator[None]:
        """One write, as kubectl's: `| head -1` ends it in peace, unless it is more than a pipe holds."""
        if self.terminal:
            yield  # rich writes too, there
            return
        whole = self._whole = []
        yield
        self._whole = None
        self._write("".join(whole), self._stream)

    def say_aside(self, words: str) -> None:
        """To standard error: in standard output a program would take it for what was asked for."""
        self._write(f"{words}\n", sys.stderr)

    def _write(self, text: str, stream: TextIO, encoding: str | None = None) -> None:
        if self._gone is not None:
            return
        try:
            left = memoryview(text.encode(encoding or stream.encoding, stream.errors or "strict"))
            stream.flush()
            while left:  # an unbuffered stream's own write drops what the first try leaves
                left = left[os.write(stream.fileno(), left) :]
        except OSError as error:
            self._gone = OutputGoneError(error)
            raise self._gone from error

    def complain(self, words: str) -> None:
        """An error, to standard error."""
        sys.stderr.write(f"{_styled('Error:', 'red', sys.stderr)} {words}\n")
        sys.stderr.flush()

    def pairs(self, lines: Lines, *, indent: int = 2) -> None:
        width = max(len(label) for label, _ in lines) + 2
        for label, words in lines:
            if not self.terminal:
                self.say(" " * indent + f"{label + ':':<{width}}{words}")
                continue
            from rich.padding import Padding  # noqa: PLC0415 - slow to import
            from rich.table import Table  # noqa: PLC0415 - slow to import
            from rich.text import Text  # noqa: PLC0415 - slow to import

            grid = Table.grid(padding=(0, 0))
            grid.add_column(width=width, no_wrap=True)
            grid.add_column(overflow="fold")
            style = "red" if label in ("But", "Newest error", "Job's error") else ""
            grid.add_row(Text(label, style="dim"), Text(words, style=style))
            self.console.print(Padding(grid, (0, 0, 0, indent)))

    def rows(self, rows: Sequence[Sequence[str]], phases: Sequence[Phase | None]) -> None:
        """A header and aligned rows; on a terminal each in its phase's colour."""
        with self.as_one():
            for cells, phase in zip(rows, (None, *phases), strict=True):
                line = "   ".join(cells).rstrip()
                bold = "bold" if cells is rows[0] else None
                self.say(line, COLOURS[phase] if phase else bold)

    def ask(self, question: str) -> bool:
        """No, unless it is answered with yes. Only where `interactive`."""
        self._stream.write(f"{question} [y/N] ")
        self._stream.flush()
        answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            self._stream.write("\n")
        return answer.strip().lower() in ("y", "yes")

    def data(self, body: JsonObject, *, stream: bool = False) -> None:
        """To standard output, if `-o` was given. `stream`: one of many, a line or a document each."""
        if self._output is None:
            return
        if self._output == "json":
            text = json.dumps(body) if stream else json.dumps(body, indent=4)
        else:
            from .yaml_output import dumped  # noqa: PLC0415 - slow to import

            text = ("---\n" if stream else "") + dumped(body)
        self._write(text.rstrip("\n") + "\n", self._out, "utf-8")  # for programs: whatever the locale

    @contextlib.contextmanager
    def following(self) -> Iterator[Following]:
        if not self.terminal:
            yield _Plain(self)
            return
        with _Bar(self.console) as bar:
            yield bar

    @contextlib.contextmanager
    def busy(self, words: str) -> Iterator[None]:
        """A sign of life for a wait of seconds."""
        if not self.terminal:
            yield
            return
        with self.console.status(words, spinner=_spinner(self.console)):
            yield


def _spinner(console: Console) -> str:
    return "dots" if console.encoding.startswith("utf") else "line"


def shown_body(seen: Seen) -> JsonObject:
    return without_managed_fields(seen.body)


def without_managed_fields(body: JsonObject) -> JsonObject:
    """For `-o`: as kubectl shows it."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}


class _Plain:
    """One line a change."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown: str | None = None
        self._noted: str | None = None

    def show(self, request: Request, ticks: float) -> None:  # noqa: ARG002 - the bar needs it
        if request.status.phase in ENDED:
            return
        line = change_line(request)
        if line != self._shown:
            self._shown = line
            plain = approved_unseen(request) or request.status.reason == Reason.JOB_RUNNING
            why = None if plain else request.status.message
            self._screen.say(line + (f"  {plain_text(why)}" if why else ""))

    def note(self, words: str | None) -> None:
        if words is not None and words != self._noted:
            self._screen.say(words)
        self._noted = words


class _Bar:
    """A bar with items, rate and time left; below it, why it waits or what is wrong.

    Reports come some seconds apart. In between it moves on at the rate that was seen, and says so by a "~".
    """

    def __init__(self, console: Console) -> None:
        from rich.live import Live  # noqa: PLC0415 - slow to import
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415 - the same

        self._progress = Progress(
            SpinnerColumn(_spinner(console), finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[items]}", markup=False),
            TextColumn("{task.fields[rate]}", style="dim", markup=False),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("Asked", total=None, items="", rate="")
        self._rate = Rate()
        self._why: str | None = None
        self._note: str | None = None
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _render(self) -> Group:
        from rich.console import Group  # noqa: PLC0415 - slow to import
        from rich.padding import Padding  # noqa: PLC0415 - slow to import
        from rich.text import Text  # noqa: PLC0415 - slow to import

        below = [Text(f"  {words}", style="yellow") for words in (self._why, self._note) if words]
        # Room at the end of the line: the terminal echoes a Ctrl-C as ^C, which must not begin another one.
        return Group(Padding(self._progress, (0, 3, 0, 0)), *below)

    def note(self, words: str | None) -> None:
        self._note = words

    def show(self, request: Request, ticks: float) -> None:
        status, job = request.status, request.status.job
        total = job.total_items if job else None
        removed = likely = (job.deleted_items if job else None) or 0
        approved = approved_unseen(request)
        plain = status.phase in (None, *ENDED) or status.reason in (Reason.JOB_RUNNING, Reason.SUBMITTING)
        self._why = None if plain or approved else plain_text(f"{status.reason}: {status.message}")
        if job is not None and status.phase is Phase.RUNNING:
            self._rate.note(job, ticks)
            likely = self._rate.guess(removed, total, ticks)
        end = max(total or 0, removed, 1)
        of = "" if total is None else f"/{max(total, removed):,}"
        about = "~" if likely > removed else ""
        self._progress.update(
            self._task,
            description=APPROVED if approved else str(status.phase or "Asked"),
            total=end if total is not None or status.phase in ENDED else None,
            completed=end if status.phase is Phase.SUCCEEDED else likely,
            items=f"{about}{likely:,}{of} items" if job is not None and job.deleted_items is not None else "",
            rate=self._words(request, total, ticks),
        )

    def _words(self, request: Request, total: int | None, ticks: float) -> str:
        if request.status.phase is not Phase.RUNNING or self._rate.per_second is None:
            return ""
        rate = (
            f"{self._rate.per_second:,.0f}/s"
            if self._rate.per_second >= 10
            else f"{self._rate.per_second:.1f}/s"
        )
        left = self._rate.left(total, ticks)
        return rate if left is None else f"{rate}, {long_time(left)} left"
