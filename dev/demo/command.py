"""The command: one run of the demo, and its exit code."""

from __future__ import annotations

import signal
import sys
import time

import click

from dev.controlplane import ControlPlaneError
from dev.demo.errors import DemoError
from dev.demo.play import play
from dev.demo.screen import Screen
from dev.demo.stage import STOPPING, Stage, prepare_tour, staged
from dev.demo.tour import AUTHOR, REQUESTER, TEAM, VIEWER, steps, surroundings

INTERRUPTED = 130
LOG_LINES = 30


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@click.option("--undated", is_flag=True, help="On a server that shows no creation times.")
def main(*, keep: bool, undated: bool) -> None:
    """Watch real NamespaceDeletions being carried out, on a real API server on this machine.

    Everything listens on 127.0.0.1 only and is stopped and removed at the end. Exit code 0 says that each
    example ended as it should.
    """
    if keep and undated:
        raise click.UsageError("KEEP and UNDATED don't go together: what there is to try needs the times.")
    signal.signal(signal.SIGINT, _interrupt)
    begun = time.monotonic()
    screen = Screen()
    screen.heading(
        "The operator deletes namespaces of a Moorcheh server, as Kubernetes objects ask it to.",
        "The API server and the operator are real, the Moorcheh server is a stand-in. Everything runs on",
        "this machine, for this demo only, and is removed at the end. Your own clusters and your kubeconfig",
        "are not touched. Ctrl-C stops it at any time.",
    )
    try:
        code = _run(screen, keep=keep, undated=undated)
    except (ControlPlaneError, DemoError, OSError) as error:
        click.echo(f"\nThe demo can't go on: {error}", err=True)
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code != INTERRUPTED:
        screen.say("")
        screen.say(f"Everything is stopped and removed, after {time.monotonic() - begun:.0f} s.")
    if code == 0 and not keep:
        screen.say("To try it yourself: make demo KEEP=1")
    sys.exit(code)


def _run(screen: Screen, *, keep: bool, undated: bool) -> int:
    with staged(screen, undated=undated) as stage:
        try:
            verdicts = play(stage, screen)
        except (ControlPlaneError, DemoError):
            _show_log(stage, screen)
            raise
        screen.part("Did each end as it should?")
        for verdict in verdicts:
            screen.verdict(verdict)
        good = all(verdict.good for verdict in verdicts)
        if not good:
            _show_log(stage, screen)
        if keep:
            _keep(stage, screen)
        return 0 if good else 1


def _show_log(stage: Stage, screen: Screen) -> None:
    """Before it is removed with everything else."""
    screen.say(f"The operator's last {LOG_LINES} lines:")
    screen.output(stage.operator.process.tail(LOG_LINES))


def _interrupt(*_: object) -> None:
    """Only once: what was started ends within seconds, and a second Ctrl-C would only get in the way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _keep(stage: Stage, screen: Screen) -> None:
    """Until Ctrl-C, which is its end in order, or until a part of it ends by itself."""
    prepare_tour(stage)
    screen.part("All of it goes on, until Ctrl-C here: try it from another terminal")
    screen.say(
        f"As {REQUESTER}, who may ask for deletions in the Kubernetes namespace {TEAM}. Paste this first:"
    )
    screen.output(f"\n{surroundings(stage.plane)}\n")
    screen.say("Then, in this order:")
    log, moorcheh = stage.operator.output, stage.moorcheh.url
    viewer, author = (stage.plane.kubeconfig_for(user) for user in (VIEWER, AUTHOR))
    for step in steps(viewer=viewer, author=author, log=log, moorcheh=moorcheh):
        ends = " Ctrl-C leaves." if step.endless else ""
        screen.say("")
        screen.say(f"{step.why}{ends}")
        screen.output(step.command)
    screen.say("")
    screen.say(f"The admin's kubeconfig: {stage.plane.kubeconfig}")
    try:
        while True:
            stage.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        screen.interrupted(STOPPING)
