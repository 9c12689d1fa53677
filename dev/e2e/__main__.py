"""`python -m dev.e2e`, which `make e2e` runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from dev.cache import home
from dev.controlplane import ControlPlaneError
from dev.e2e import images, needs, sandbox, wheels
from dev.e2e.errors import E2EError, MissingError
from dev.e2e.programs import prepare_programs
from dev.e2e.results import Report, Row, table
from dev.e2e.stages import run_stage
from dev.e2e.wheels import ROOT
from dev.processes import scratch_folder

STAGES = ("IPv4", "IPv6")


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--yes", is_flag=True, help="Install what is missing by apt-get, without a question.")
@click.option("--keep", type=click.Path(path_type=Path), help="Copy logs into this folder at the end.")
@click.option(
    "--stage", "stages", multiple=True, type=click.Choice(STAGES), default=STAGES, help="Only these nodes."
)
@click.option("--only", multiple=True, metavar="NAME", help="Only these claims, by their functions.")
@click.pass_context
def main(
    context: click.Context, *, yes: bool, keep: Path | None, stages: tuple[str, ...], only: tuple[str, ...]
) -> None:
    """The operator's image on a real node of its own, installed as the README says. A table of what held.

    Exit code 0: all held. 1: something did not, or could not be tried. 3: the machine lacks something.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        needs.ensure(yes=yes, ipv6="IPv6" in stages)
        try:
            prepare_programs()
        except (E2EError, ControlPlaneError) as error:
            raise MissingError(f"No Kubernetes programs to run: {error}") from error
        with _alone():
            rows = _run(stages, only, keep)
    except MissingError as error:
        click.echo(str(error), err=True)
        sys.exit(3)
    except (E2EError, ControlPlaneError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    print(f"\n{table(rows)}")
    sys.exit(0 if rows and all(row.held for row in rows) else 1)


def _run(stages: tuple[str, ...], only: tuple[str, ...], keep: Path | None) -> list[Row]:
    namespaces: set[int] = set()
    before = sandbox.traces(namespaces)
    rows = []
    try:
        with sandbox.ended_in_order(), scratch_folder(sandbox.PREFIX) as folder:
            if not needs.overlay_works_in(folder):
                raise MissingError(
                    f"No overlay file system works in {folder.parent}. Set TMPDIR to a folder on a disk."
                )
            report = Report(folder / "report")
            with report.claim("each pinned requirement has a wheel for arm64") as seen:
                python = images.base_of((ROOT / "Dockerfile").read_text()).python
                found = [f"{wheels.resolve(ROOT / name, python)} of {name}" for name in wheels.PINNED]
                seen.append(f"Python {python}: {', '.join(found)}")
            try:
                for stage in stages:
                    with sandbox.cgroup(folder.name) as cgroup:
                        code = sandbox.run(["inside", stage, str(folder), cgroup, *only], namespaces)
                    if code != 0:
                        report.add(Row(f"{stage}: all was tried", held=False, seen=f"exit code {code}"))
                rows = report.rows()
            finally:
                if keep is not None:
                    _keep(folder, keep)
    finally:
        began = time.monotonic()
        left = sandbox.left_over(before, namespaces)
        words = "\n".join(left) or "no mount, process, network namespace, interface or cgroup"
        last = Row("nothing is left on this machine", not left, words, time.monotonic() - began)
        rows.append(last)
        if sys.exc_info()[0] is not None:
            print(table([last]), flush=True)
    return rows


@contextmanager
def _alone() -> Iterator[None]:
    """One run at a time: what an earlier one has left is removed, and what is left at the end is told."""
    place = home(os.environ) / "e2e" / "run.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            click.echo("Another run is under way; waiting for its end.", err=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@main.command(hidden=True)
@click.argument("stage")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("cgroup")
@click.argument("only", nargs=-1)
def inside(stage: str, folder: Path, cgroup: str, only: tuple[str, ...]) -> None:
    """What the sandbox runs."""
    try:
        run_stage(stage, folder, home(os.environ) / "e2e", cgroup, only)
    except E2EError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _keep(folder: Path, keep: Path) -> None:
    for log in folder.glob("*/logs/*.log"):
        target = keep / log.parent.parent.name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(log, target)
    for log in folder.glob("*/moorcheh/server.log"):
        shutil.copy2(log, keep)


main()
