"""Child processes that end with their parent, however it ends.

Each child is a direct child in a session of its own, so that a terminal's Ctrl-C reaches only the parent,
which then ends its children in order: on leaving a `with` block, or at exit. A parent that a signal ends
(SIGTERM, SIGKILL, SIGHUP) can do nothing any more; for that case there is one watchdog a parent, which
holds the read end of a pipe whose write end dies with the parent. This file is the watchdog's program too,
hence standard library only.

A child runs nothing before the watchdog knows it: a shell waits for a line on its standard input and then
becomes the child (same process id).
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GRACE_SECONDS = 3.0
"""How long the watchdog lets orphans end by themselves after SIGTERM."""

_WAIT_FOR_GO = 'read -r go && exec "$@" </dev/null'

# Below what Linux (32768) and macOS (49152) hand to outgoing connections: a client that keeps trying to reach
# a stopped server could otherwise be given that very port, and be connected to itself.
_PORTS = range(20_000, 32_000)


class Process:
    """A child process: standard input empty, both outputs appended to a file.

    Signals go to the child's whole process group, so that what it started ends with it.
    """

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        output: Path,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        program, *arguments = (os.fspath(part) for part in argv)
        if (found := shutil.which(program)) is None:
            msg = f"no program {program!r} to run"
            raise FileNotFoundError(msg)
        self.name = name or Path(program).name
        self.output = output
        self._guard = _guard()
        with output.open("ab") as log:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", _WAIT_FOR_GO, "sh", found, *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        self.pid = self._child.pid
        self._guard.watch(self)
        if self._child.stdin is not None:
            with suppress(BrokenPipeError), self._child.stdin as gate:
                gate.write(b"go\n")

    def __repr__(self) -> str:
        return f"<{self.name} pid={self.pid} returncode={self.returncode}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def returncode(self) -> int | None:
        """None while it runs; the negative signal number if a signal ended it."""
        code = self._child.poll()
        if code is not None:
            self._guard.forget(self)
        return code

    @property
    def running(self) -> bool:
        return self.returncode is None

    def signal(self, number: int) -> None:
        """Does nothing once the process has ended."""
        if self.running:
            _signal_group(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Its return code; TimeoutError if it still runs after `timeout` seconds."""
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired as expired:
            msg = f"{self.name} (pid {self.pid}) still runs after {timeout} s"
            raise TimeoutError(msg) from expired
        self._guard.forget(self)
        return self._child.returncode

    def stop(self, timeout: float = 10.0) -> int:
        """End it with SIGTERM, after `timeout` seconds SIGKILL; one frozen by SIGSTOP is woken first."""
        if self.running:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)
            with suppress(TimeoutError):
                self.wait(timeout)
            _signal_group(self.pid, signal.SIGKILL)
        return self.wait()

    def kill(self) -> int:
        self.signal(signal.SIGKILL)
        return self.wait()

    def tail(self, lines: int = 20) -> str:
        """The last lines of its output."""
        text = self.output.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder that is removed however this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    guard = _guard()
    guard.tell("folder", str(folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        guard.tell("removed", str(folder))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that no other process here is given meanwhile."""
    reserved = _reserved_ports()
    first = random.randrange(_PORTS.start, _PORTS.stop)  # noqa: S311 - no secret; two processes seldom meet
    for port in chain(range(first, _PORTS.stop), range(_PORTS.start, first)):
        if reserved.take(port):
            return port
    msg = f"no free port on 127.0.0.1 from {_PORTS.start} to {_PORTS.stop - 1}"
    raise OSError(msg)


class _ReservedPorts:
    """One byte of a shared file is locked for each port; the locks end with this process."""

    def __init__(self) -> None:
        path = Path(tempfile.gettempdir()) / f"moorcheh-dev-ports-{os.getuid()}"
        # No file object: its end is this process's, closing it would give the locks back.
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        self._taken: set[int] = set()

    def take(self, port: int) -> bool:
        if port in self._taken:
            return False
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)
                return False
        self._taken.add(port)
        return True


@functools.cache
def _reserved_ports() -> _ReservedPorts:
    return _ReservedPorts()


class _Guard:
    """This process's children and its watchdog."""

    def __init__(self) -> None:
        read_end, self._write_end = os.pipe()
        self._owner = os.getpid()
        self._children: dict[int, Process] = {}
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_end)
        atexit.register(self.end)
        os.register_at_fork(after_in_child=self._let_go)

    def tell(self, verb: str, value: str) -> None:
        if os.getpid() == self._owner:
            os.write(self._write_end, f"{verb} {value}\n".encode())

    def watch(self, child: Process) -> None:
        self._children[child.pid] = child
        self.tell("run", f"{child.pid} {_birth(child.pid)}")

    def forget(self, child: Process) -> None:
        if self._children.pop(child.pid, None) is not None:
            self.tell("ended", str(child.pid))

    def end(self) -> None:
        if os.getpid() != self._owner:
            return
        for child in reversed(list(self._children.values())):
            child.stop(GRACE_SECONDS)
        os.close(self._write_end)
        self._watchdog.wait()

    def _let_go(self) -> None:
        """In a forked copy of this process, which must neither hold the pipe open nor end our children."""
        os.close(self._write_end)
        self._children.clear()
        _guard.cache_clear()


@functools.cache
def _guard() -> _Guard:
    return _Guard()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped doesn't."""
    return _birth(pid) is not None


def _signal_group(leader: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(leader, number)


def _birth(pid: int) -> str | None:
    """When the process started, in whatever unit the system has; None if it has ended. Tells a reused id."""
    with suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else fields[18]
    if Path("/proc/self/stat").exists():
        return None
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]  # macOS
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else "_".join(started.split())


def _watch_parent() -> None:
    """The watchdog: learn from the pipe what runs, and end it when the pipe's other side is gone."""
    births: dict[int, str] = {}
    folders: list[str] = []
    for line in sys.stdin:
        verb, _, value = line.rstrip("\n").partition(" ")
        match verb:
            case "run":
                pid, _, birth = value.partition(" ")
                births[int(pid)] = birth
            case "ended":
                births.pop(int(value), None)
            case "folder":
                folders.append(value)
            case "removed":
                folders.remove(value)
    orphans = [pid for pid, birth in reversed(births.items()) if _birth(pid) == birth]
    for pid in orphans:
        _signal_group(pid, signal.SIGTERM)
        _signal_group(pid, signal.SIGCONT)
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until and any(_birth(pid) == births[pid] for pid in orphans):
        time.sleep(0.02)
    for pid in orphans:
        _signal_group(pid, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _watch_parent()
