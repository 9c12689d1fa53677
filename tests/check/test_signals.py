"""Whoever interrupts a check finds the server as it was, or is told what is left."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from dev.moorcheh.standin import StandIn
from dev.processes import Process
from tests.check.checking import destroyed, run, throw_away, until_asked
from tests.kubectl.terminal import Terminal

CALLS = {
    "reading, the listing": ("list", 0),
    "reading, a job that there is not": ("job", 0),
    "the creation": ("create", 0),
    "the look after": ("list", 2),
    "the DELETE": ("delete", 0),
    "the first poll": ("job", 1),
    "the second DELETE": ("delete", 1),
    "the second creation": ("create", 1),
    "following": ("list", 5),
}
SIGNALS = dict(zip(CALLS, 3 * (signal.SIGINT, signal.SIGTERM, signal.SIGHUP), strict=False))


def started(moorcheh: StandIn, tmp_path: Path, *more: str) -> Process:
    command = [sys.executable, "-m", "moorcheh_operator", "check", moorcheh.url, "--write", *more]
    return Process(command, output=tmp_path / "output", name="check", env=dict(os.environ))


@pytest.mark.parametrize("call", CALLS)
def test_a_signal_at_any_call_leaves_nothing_behind(moorcheh: StandIn, tmp_path: Path, call: str) -> None:
    operation, skip = CALLS[call]
    moorcheh.create("documents", items=1000)
    moorcheh.fault(operation, kind="answer", skip=skip, hold=0.4)

    with started(moorcheh, tmp_path) as process:
        until_asked(moorcheh, operation, skip + 1)
        process.signal(SIGNALS[call])
        code = process.wait(60)

    assert "Nothing is left" in (tmp_path / "output").read_text()
    assert code == 130
    assert moorcheh.namespaces().keys() == {"documents"}
    assert destroyed(moorcheh) == []


def test_a_second_signal_leaves_it_and_says_what_is_left(moorcheh: StandIn, tmp_path: Path) -> None:
    moorcheh.fault("run", kind="stuck")

    with started(moorcheh, tmp_path) as process:
        until_asked(moorcheh, "create", 2)
        process.signal(signal.SIGINT)
        until_asked(moorcheh, "list", moorcheh.counts()["list"] + 2)
        process.signal(signal.SIGINT)
        code = process.wait(20)

    [name] = throw_away(moorcheh)
    said = (tmp_path / "output").read_text()
    assert f"LEFT at the server: {name}" in said
    assert f"curl -X DELETE {moorcheh.url}/namespaces/{name}" in said
    assert code == 4


def test_after_a_kill_the_next_check_names_what_is_left(moorcheh: StandIn, tmp_path: Path) -> None:
    moorcheh.fault("delete", kind="answer", delay=30)

    with started(moorcheh, tmp_path) as process:
        until_asked(moorcheh, "delete", 1)
        process.kill()

    [name] = throw_away(moorcheh)
    code, out, _ = run(moorcheh.url)
    assert f"Left by earlier checks: {name}" in out
    assert code == 0
    assert throw_away(moorcheh) == {name}, "a check deletes nothing that another one has made"


def test_a_terminal_shows_what_is_being_done_and_ctrl_c_is_told_what_follows(moorcheh: StandIn) -> None:
    moorcheh.knob(job_seconds=3.0)
    command = (sys.executable, "-m", "moorcheh_operator", "check", moorcheh.url, "--write")

    with Terminal(command, dict(os.environ)) as terminal:
        terminal.sees("reading the listing…")
        terminal.sees("waiting for its deletion, ")
        terminal.presses_ctrl_c()
        terminal.sees("removing what was created")
        code = terminal.ends()

    assert "Nothing is left at the server." in terminal.text
    assert code == 130
    assert moorcheh.namespaces() == {}
