from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.processes import Process, alive, free_port, scratch_folder
from tests.dev.waiting import WITHIN, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

STUBBORN = ["sh", "-c", 'trap "" TERM HUP INT; echo deaf; while :; do sleep 1; done']
"""Ends by SIGKILL only, and has children of its own."""

WAITING_PARENT = """
import signal, sys, threading
from pathlib import Path
from dev.processes import Process, scratch_folder

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests with nohup hands down a deaf one
with scratch_folder("moorcheh-test-") as folder, Process(sys.argv[2:], output=Path(sys.argv[1])) as child:
    print(child.pid, folder, flush=True)
    threading.Event().wait()
"""


@contextmanager
def parent(program: str, output: Path, *child: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A Python program that starts children, in a process group of its own; and the first line it printed."""
    command = [sys.executable, "-c", program, str(output), *child]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as started:
        assert started.stdout is not None
        try:
            yield started, started.stdout.readline().split()
        finally:
            started.kill()


@pytest.mark.parametrize(
    ("number", "child"),
    [
        pytest.param(signal.SIGKILL, ["sleep", "300"], id="killed"),
        pytest.param(signal.SIGTERM, ["sleep", "300"], id="terminated"),
        pytest.param(signal.SIGHUP, ["sleep", "300"], id="terminal closed"),
        pytest.param(signal.SIGKILL, STUBBORN, id="with a stubborn child"),
    ],
)
def test_children_end_when_a_signal_ends_their_parent(
    number: signal.Signals, child: list[str], tmp_path: Path
) -> None:
    """Nothing of it is left, a scratch folder neither, though the parent could do nothing."""
    with parent(WAITING_PARENT, tmp_path / "log", *child) as (killed, (pid, folder)):
        assert alive(int(pid))

        killed.send_signal(number)

        assert -number == killed.wait(WITHIN)
        assert until(lambda: not alive(int(pid)))
        assert until(lambda: not Path(folder).exists())


def test_a_frozen_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    with parent(WAITING_PARENT, tmp_path / "log", "sleep", "300") as (killed, (pid, _)):
        os.kill(int(pid), signal.SIGSTOP)

        killed.kill()

        assert until(lambda: not alive(int(pid)))


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    """A terminal sends SIGINT to the parent's group; the parent ends the child on its way out."""
    with parent(WAITING_PARENT, tmp_path / "log", "sleep", "300") as (interrupted, (pid, folder)):
        os.killpg(interrupted.pid, signal.SIGINT)

        assert interrupted.wait(WITHIN) != 0
        assert not alive(int(pid))
        assert not Path(folder).exists()


@pytest.mark.parametrize("last_words", ["", "raise SystemExit(3)", "raise RuntimeError"])
def test_children_that_nobody_stopped_end_with_their_parent(last_words: str, tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from dev.processes import Process
print(Process(["sleep", "300"], output=Path(sys.argv[1])).pid, flush=True)
{last_words}
"""
    with parent(program, tmp_path / "log") as (ended, (pid,)):
        ended.wait(WITHIN)

        assert not alive(int(pid))


def test_a_forked_copy_of_the_parent_keeps_no_child_alive(tmp_path: Path) -> None:
    """Neither by living on, nor does it end the parent's children by ending."""
    program = """
import os, sys, threading
from pathlib import Path
from dev.processes import Process
child = Process(["sleep", "300"], output=Path(sys.argv[1]))
if os.fork() == 0:
    sys.exit()
os.wait()
copy = os.fork()
if copy:
    print(child.pid, copy, child.running, flush=True)
threading.Event().wait()
"""
    with parent(program, tmp_path / "log") as (killed, (pid, copy, running)):
        assert running == "True"

        killed.kill()

        try:
            assert until(lambda: not alive(int(pid)))
            assert alive(int(copy))
        finally:
            os.kill(int(copy), signal.SIGKILL)


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    with Process(["sh", "-c", "sleep 300 & echo $!; wait"], output=tmp_path / "log") as child:
        assert until(child.tail)
        grandchild = int(child.tail())
        assert alive(grandchild)

    assert until(lambda: not alive(grandchild))


def test_stop_asks_first(tmp_path: Path) -> None:
    script = 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.05; done'
    child = Process(["sh", "-c", script], output=tmp_path / "log")
    assert until(lambda: child.tail() == "up")

    assert child.stop() == 7
    assert child.tail(1) == "bye"
    assert child.stop() == 7, "a second time changes nothing"


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    child = Process(STUBBORN, output=tmp_path / "log")
    assert until(child.tail)

    assert child.stop(timeout=0.2) == -signal.SIGKILL


def test_stop_wakes_a_frozen_process(tmp_path: Path) -> None:
    child = Process(["sleep", "300"], output=tmp_path / "log")
    child.signal(signal.SIGSTOP)

    assert child.stop() == -signal.SIGTERM


def test_a_return_code_is_none_until_the_end(tmp_path: Path) -> None:
    with Process(["sleep", "300"], output=tmp_path / "log") as child:
        assert child.returncode is None
        with pytest.raises(TimeoutError, match=r"sleep .* still runs after 0\.05 s"):
            child.wait(timeout=0.05)
        assert child.kill() == -signal.SIGKILL
        assert not child.running
        child.signal(signal.SIGTERM)


def test_output_is_appended(tmp_path: Path) -> None:
    """So a restarted server's log has both lives; standard error is in it, standard input is empty."""
    command = ["sh", "-c", "cat; echo one; echo two >&2; exit 4"]
    assert Process(command, output=tmp_path / "log").wait(WITHIN) == 4
    again = Process(command, output=tmp_path / "log")
    assert again.wait(WITHIN) == 4

    assert again.tail() == "one\ntwo\none\ntwo"
    assert again.tail(1) == "two"


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no program 'no-such-program' to run"):
        Process(["no-such-program"], output=tmp_path / "log")


def test_a_scratch_folder_goes_with_its_block() -> None:
    with scratch_folder("moorcheh-test-") as folder:
        (folder / "file").touch()

    assert not folder.exists()


def test_two_processes_are_not_given_the_same_port() -> None:
    """Nor is a port given that the system hands to outgoing connections."""
    ours = {free_port() for _ in range(300)}
    asking = "from dev.processes import free_port; print(*(free_port() for _ in range(300)))"
    theirs = subprocess.run(
        [sys.executable, "-c", asking], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert len(ours) == 300
    assert not ours & {int(port) for port in theirs}
    assert max(ours) < 32_768
