"""Namespaces of its own for all that the node runs, and what must be gone afterwards.

Everything is below one process, the first of a process namespace. When that ends, in whatever way, the kernel
ends all the others, and with the last one go their mounts and their network. It gets SIGKILL when `unshare`
ends, and `unshare` when this process does. What no namespace holds are the cgroups; they are removed here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

PREFIX = "moorcheh-e2e-"
INTERFACES = ("node0", "cni0")
CGROUPS = Path("/sys/fs/cgroup")
HOST_NETWORK = "MOORCHEH_E2E_HOST_NETWORK"
"""The variable with the open file of the network namespace that the sandbox was started from."""
MODULE = ("-m", "dev.e2e")
ROOT = Path(__file__).parents[2]
_GONE_SECONDS = 20.0


def run(arguments: Sequence[str], namespaces: set[int]) -> int:
    """`python -m dev.e2e …` in the sandbox: its exit code. All that it started has ended on return.

    Its process namespace is added to `namespaces`.
    """
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--ipc", "--uts"]
    command += ["--net", "--fork", "--kill-child", "--mount-proc"]
    with ExitStack() as undo:
        host_network = os.open("/proc/self/ns/net", os.O_RDONLY)
        undo.callback(os.close, host_network)
        environment = {**os.environ, HOST_NETWORK: str(host_network)}
        inside = subprocess.Popen(
            [*command, sys.executable, *MODULE, *arguments],
            cwd=ROOT,
            env=environment,
            pass_fds=[host_network],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others
        )
        undo.callback(_end, inside)
        namespaces.add(_namespace_of_children(inside.pid))
        return inside.wait()


def _end(inside: subprocess.Popen[bytes]) -> None:
    if inside.poll() is None:
        inside.kill()  # `unshare`, and by --kill-child everything
        inside.wait()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process as Ctrl-C does: what is to be undone is."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def cgroup(name: str) -> Iterator[str]:
    """One of that name in each hierarchy; those that a killed run left are removed, too."""
    for left in {path.name for path in _cgroups()}:
        _remove_cgroups(left, seconds=0.0)  # but those of a run beside this one, which are in use
    try:
        for hierarchy in _hierarchies():
            folder = hierarchy / name
            folder.mkdir()
            for file in ("cpuset.cpus", "cpuset.mems"):  # version 1: empty until somebody says
                if (folder / file).exists() and (hierarchy / "cgroup.clone_children").exists():
                    (folder / file).write_text((hierarchy / file).read_text())
        yield f"/{name}"
    finally:
        _remove_cgroups(name)


def _hierarchies() -> list[Path]:
    """Of version 1 each controller's, with version 2 the only one."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def _cgroups() -> list[Path]:
    return [path for hierarchy in _hierarchies() for path in hierarchy.glob(f"{PREFIX}*")]


def _remove_cgroups(name: str, seconds: float = _GONE_SECONDS) -> None:
    """From the leaves up; a process that was just killed holds its own for a moment."""
    until = time.monotonic() + seconds
    while left := [path for path in _cgroups() if path.name == name]:
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
        if time.monotonic() > until:
            return
        time.sleep(0.1)


def traces(namespaces: set[int]) -> set[str]:
    """What there is of the kinds that a run makes; `namespaces` are its process namespaces, by inode."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = {f"mount {line.split()[4]}" for line in mounts if PREFIX in line}
    found |= {f"cgroup {path}" for path in _cgroups()}
    found |= {f"interface {name}" for name in INTERFACES if Path("/sys/class/net", name).exists()}
    found |= {f"network namespace {path.name}" for path in Path("/run/netns").glob("cni-*")}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "ns" / "pid").stat().st_ino in namespaces:
                found.add(f"process {process.name} {(process / 'comm').read_text().strip()}")
    return found


def left_over(before: set[str], namespaces: set[int]) -> list[str]:
    """What is new since `before`, once what is on its way has gone."""
    until = time.monotonic() + _GONE_SECONDS
    while (left := sorted(traces(namespaces) - before)) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def _namespace_of_children(process: int) -> int:
    """The process namespace that `unshare` has made, once it has; 0 if it has ended before."""
    with suppress(OSError):
        ours = Path("/proc/self/ns/pid").stat().st_ino
        while (made := Path(f"/proc/{process}/ns/pid_for_children").stat().st_ino) == ours:
            time.sleep(0.01)
        return made
    return 0
