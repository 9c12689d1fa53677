"""`make demo` as a stranger runs it, without a terminal; and what it calls an end as it should be."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.controlplane import prepare
from dev.demo.scenarios import EXAMPLES, Evidence, Example, Sight, examples, verdict
from dev.demo.screen import bar
from dev.demo.tour import Step, steps
from tests.kubectl.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "dev.demo"]


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    """Made before a test's time runs."""
    prepare()


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[tuple[int, str, str]]:
    """Exit code, output, and the scratch folder's content of a demo that got Ctrl-C at the first request."""
    output = tmp_path / "output"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with output.open("wb") as file:
        demo = subprocess.Popen(COMMAND, cwd=ROOT, stdout=file, stderr=file, env=environment)
    try:
        until = time.monotonic() + 300
        while "examples/delete.yaml" not in output.read_text() and time.monotonic() < until:
            assert demo.poll() is None, output.read_text()
            time.sleep(0.05)
        demo.send_signal(signal.SIGINT)
        code = demo.wait(120)
        left = " ".join(path.name for path in scratch.iterdir() if path.is_dir())
        yield code, output.read_text(), left
    finally:
        demo.kill()


@pytest.mark.parametrize(
    "undated", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["dated", "undated"]
)
def test_demo_ends_with_each_example_as_it_should(*, undated: bool) -> None:
    """Exit 0, a verdict for each example, its progress seen to move, and what kubectl shows. Policies are not
    shown without creation times.
    """
    command = [*COMMAND, "--undated"] if undated else COMMAND
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout
    ends = dict(re.findall(r"^ +as expected +(\S+) +(\w+/\w+, \w+ DELETEs?)$", ran.stdout, re.MULTILINE))
    assert ends == {
        "delete-my-documents": "Succeeded/DeletionCompleted, 1 DELETE",
        "review-old-embeddings": "Succeeded/DeletionCompleted, 1 DELETE",
        "delete-chat-logs": "Failed/JobFailed, 1 DELETE"
        if undated
        else "Succeeded/DeletionCompleted, 2 DELETEs",
        "delete-customer-4711": "Failed/TargetAbsent, no DELETE",
        "delete-scratch-if-empty": "Failed/PreconditionFailed, no DELETE",
    }
    assert "the new my-documents is still there, with its 320 items" in ran.stdout
    assert "customer-records is still there, with its 25,000 items" in ran.stdout
    if not undated:
        assert "Completed: ci-4711, ci-4712, ci-4713 are gone, and nothing else" in ran.stdout
        assert "TooManyMatches: nothing was created" in ran.stdout
        assert re.search(r"A run then: +would have created 3 requests", ran.stdout)
    assert "NOT EXPECTED" not in ran.stdout
    assert "the Moorcheh server is a stand-in" in ran.stdout
    assert len(re.findall(r"delete-my-documents +Running/JobRunning +\d+/48000", ran.stdout)) >= 2
    assert re.search(r"^NAME +TARGET +PHASE .* FINISHED$", ran.stdout, re.MULTILINE)
    assert re.search(r"Warning +JobFailed " if undated else r"Warning +Retrying ", ran.stdout)


def test_demo_stops_everything_on_ctrl_c(interrupted: tuple[int, str, str]) -> None:
    """One line, exit 130, no traceback, and no folder left behind."""
    code, output, left = interrupted

    assert (code, left) == (130, "")
    assert output.endswith("\nStopping everything that was started.\n")
    assert "Traceback" not in output


def test_demo_without_a_control_plane_says_so_in_one_message(tmp_path: Path) -> None:
    """No traceback; what is wrong, and exit 1."""
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(tmp_path)}

    ran = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "The demo can't go on: " in ran.stderr
    assert "KUBEBUILDER_ASSETS" in ran.stderr


class Kept:
    """`make demo KEEP=1` at a terminal, until its test is over."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        terminal.sees("The admin's kubeconfig:", within=480)
        page = terminal.text.partition("Paste this first:")[2].replace("\r", "")
        first, _, then = page.partition("Then, in this order:")
        self.surroundings = [line for line in first.splitlines() if line.startswith(("cd ", "export "))]
        self.commands = re.findall(r"^(?:kubectl|moorcheh-operator|curl|tail) .*", then, re.MULTILINE)

    def last_word(self, beginning: str) -> str:
        [command] = [each for each in self.commands if each.startswith(beginning)]
        return shlex.split(command)[-1]

    def runs(self, step: Step) -> None:
        """In a terminal of its own, as a person who pastes it."""
        script = "\n".join([*self.surroundings, f"exec {step.command}"])
        with Terminal(["/bin/bash", "-c", script], {**os.environ, "KUBECACHEDIR": "/dev/null"}) as terminal:
            if step.asks:
                terminal.sees("[y/N]")
                terminal.types("y\n")
            terminal.sees(step.shows)
            if step.endless:
                terminal.presses_ctrl_c()
            code = terminal.ends()
            assert code in ((step.code, -signal.SIGINT) if step.endless else (step.code,)), terminal.text


def test_each_command_that_a_kept_demo_prints_works_in_the_order_printed() -> None:
    """And its Ctrl-C is an end in order, to make too."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with Terminal(["/usr/bin/env", "make", "-C", str(ROOT), "demo", "KEEP=1"], environment) as terminal:
        kept = Kept(terminal)
        viewer, log = Path(kept.last_word("kubectl get nsdel --kube")), Path(kept.last_word("tail"))
        author = Path(kept.last_word("kubectl moorcheh preview-policy"))
        moorcheh = kept.last_word("curl").removesuffix("/namespaces")
        tour = steps(viewer=viewer, author=author, log=log, moorcheh=moorcheh)
        assert [step.command for step in tour] == kept.commands
        for step in tour:
            kept.runs(step)
        terminal.presses_ctrl_c()
        terminal.ends()
        assert "Stopping everything that was started." in terminal.text
        assert "Everything is stopped and removed" in terminal.text
        assert "***" not in terminal.text


ORDINARY, HELD, RETRIED, ABSENT, EMPTY_ONLY = EXAMPLES
DONE = Sight("Succeeded", "DeletionCompleted")
UNDATED = examples(undated=True)[2]
LEFT_HALF = Sight("Failed", "JobFailed")
MOVED = [Sight("Running", "JobRunning", progress=f"{n}/48000 (0%)") for n in (0, 10, 20)]


@pytest.mark.parametrize(
    ("example", "seen", "evidence", "complaint"),
    [
        pytest.param(ORDINARY, [*MOVED, DONE], Evidence({"my-documents": 1}, {}), None, id="as-it-should"),
        pytest.param(
            ORDINARY, [*MOVED[:2], DONE], Evidence({"my-documents": 1}, {}), "did not move", id="still"
        ),
        pytest.param(
            ORDINARY, [*MOVED, DONE], Evidence({"my-documents": 2}, {}), "2 DELETEs", id="sent-twice"
        ),
        pytest.param(ORDINARY, MOVED, Evidence({"my-documents": 1}, {}), "did not end", id="never-ends"),
        pytest.param(ORDINARY, [], Evidence({}, {}), "did not end: no phase", id="never-seen"),
        pytest.param(
            ORDINARY,
            [*MOVED, DONE],
            Evidence({"my-documents": 1}, {"my-documents": 1}),
            "still there",
            id="left",
        ),
        pytest.param(HELD, [DONE], Evidence({"old-embeddings": 1}, {}), "not seen Suspended", id="not-held"),
        pytest.param(
            UNDATED,
            [LEFT_HALF],
            Evidence({"chat-logs": 1}, {"chat-logs": 4500}),
            None,
            id="undated-as-it-should",
        ),
        pytest.param(
            UNDATED,
            [LEFT_HALF],
            Evidence({"chat-logs": 2}, {"chat-logs": 4500}),
            "2 DELETEs",
            id="undated-sent-twice",
        ),
        pytest.param(
            UNDATED, [LEFT_HALF], Evidence({"chat-logs": 1}, {}), "chat-logs is gone", id="undated-and-gone"
        ),
        pytest.param(
            ABSENT, [replace(DONE, reason="AlreadyAbsent")], Evidence({}, {}), "instead of", id="another-end"
        ),
        pytest.param(
            EMPTY_ONLY,
            [Sight("Failed", "PreconditionFailed")],
            Evidence({}, {"scratch": 11}),
            "holds 11 of 12 items",
            id="lost-an-item",
        ),
    ],
)
def test_verdict(example: Example, seen: list[Sight], evidence: Evidence, complaint: str | None) -> None:
    """Each way in which an example can go wrong is a complaint of its own."""
    given = verdict(example, seen, evidence)

    assert (complaint is None) == given.good
    assert complaint is None or complaint in "; ".join(given.complaints)


def test_bar_is_as_full_as_the_progress() -> None:
    """A quarter of the bar for a quarter of the items."""
    assert f"{'━' * 6}{'─' * 18}  1200/5000 (25%)" == bar("1200/5000 (25%)")
