"""The plugin as a person runs it: a process of its own in a terminal, or with its output in pipes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING, Self

from tests.dev.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLUGIN = (sys.executable, "-m", "moorcheh_kubectl")
WITHIN = 120.0
"""Seconds; how long what takes one second may take on a busy machine."""

# Ctrl-C reaches a process only through its controlling terminal.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_CONTROL = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")


def ran(
    command: Sequence[str | os.PathLike[str]], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """To its end, without a terminal."""
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
    )


class Terminal:
    """A process whose standard streams are a terminal; a context manager. `size`: lines and columns."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], size: tuple[int, int] = (30, 100)
    ) -> None:
        self._screen, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *command],
            env={
                "TERM": "xterm-256color",
                **{key: value for key, value in env.items() if key != "TERM" or value == "dumb"},
            },
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        self._bytes = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._screen)

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._screen, 65536)
            except OSError:  # Linux answers EIO once the other side is closed
                return
            if not part:
                return
            self._bytes += part

    @property
    def text(self) -> str:
        """All that was ever written, without the control sequences."""
        return _CONTROL.sub("", self._bytes.decode("utf-8", "replace"))

    @property
    def raw(self) -> str:
        return self._bytes.decode("utf-8", "replace")

    def sees(self, words: str, *, within: float = WITHIN) -> None:
        assert until(lambda: words in self.text, within=within), f"no {words!r} in:\n{self.text}"

    def sees_in_pieces(self, words: str) -> None:
        """Over several lines, perhaps, of a terminal that is too narrow."""
        letters = words.replace(" ", "")
        seen = until(lambda: letters in "".join(self.text.split()), within=WITHIN)
        assert seen, f"no {words!r} in:\n{self.text}"

    def sees_match(self, pattern: str, *, within: float = WITHIN) -> None:
        assert until(lambda: re.search(pattern, self.text), within=within), f"no {pattern!r} in:\n{self.text}"

    def types(self, words: str) -> None:
        os.write(self._screen, words.encode())

    def presses_ctrl_c(self) -> None:
        self.types("\x03")

    def closes(self) -> None:
        """The window is closed: the kernel sends SIGHUP."""
        self._process.send_signal(signal.SIGHUP)

    def ends(self) -> int:
        """Its exit code."""
        code = self._process.wait(timeout=WITHIN)
        self._reader.join()
        return code
