"""The mutation gate: `python -m dev.mutate` breaks each safety line in turn and requires that a test fails.

It works on copies of the tree in a temporary folder. It fails where a mutation survives, and where a line is
no longer what the table says, so that the table can't go stale.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dev.mutations.mutation import Mutation, OutdatedError
from dev.mutations.table import TABLE

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("operator", "tests", "dev", "crds", "manifests", "docs", "pyproject.toml", "README.md")
SECONDS = 300  # for one stage; a mutation may well make a test wait for ever
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (tests/.*?)(?: - .*)?$", re.MULTILINE)

SCENARIOS = "tests/model/test_scenarios.py"
MACHINE = "tests/model/test_machine.py"
# Which tests are asked first about which file; then the machine, then all that are fast.
NEAREST = {
    "moorcheh.py": ("tests/unit/test_moorcheh.py",),
    "cluster.py": ("tests/unit/test_safety_cluster.py", SCENARIOS),
    "reconciler.py": (SCENARIOS,),
    "leadership.py": ("tests/unit/test_leadership.py",),
    "polling.py": ("tests/unit/test_polling.py", "tests/unit/test_lifecycle.py"),
    "retention.py": ("tests/unit/test_retention.py",),
    "access.py": ("tests/unit/test_access.py",),
    "placement.py": ("tests/unit/test_placement.py",),
    "targets.py": ("tests/unit/test_access.py", "tests/unit/test_slots_and_targets.py"),
    "connections.py": ("tests/unit/test_connections.py",),
    "credentials.py": ("tests/unit/test_credentials.py",),
}
DECISIONS = ("tests/unit/test_lifecycle.py", SCENARIOS)


@dataclass(frozen=True, slots=True)
class Result:
    mutation: Mutation
    caught_by: str | None  # None: it survived
    outdated: str | None = None
    seconds: float = 0.0


def run_tests(root: Path, files: tuple[str, ...]) -> str | None:
    """The first test that fails; None: none does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
    environment = {
        **os.environ,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(root / ".hypothesis"),
        "MODEL_FIND_ONLY": "1",
    }
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"none ended within {SECONDS} s"
    if done.returncode in (0, 5):  # 5: no tests were found
        return None
    found = FIRST_FAILURE.search(done.stdout)
    return found.group(1) if found else (done.stdout + done.stderr).strip().splitlines()[-1]


def stages(mutation: Mutation, everything: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield mutation.tests or NEAREST.get(mutation.file, DECISIONS)
    yield (MACHINE,)
    yield everything


def fast_tests(root: Path) -> tuple[str, ...]:
    """All but those of the model, which know nothing of the code, and those that were asked before."""
    chosen = [path for folder in ("unit", "model") for path in (root / "tests" / folder).glob("test_*.py")]
    names = sorted(str(path.relative_to(root)) for path in chosen)
    return tuple(name for name in names if name not in (MACHINE, "tests/model/test_protocol.py"))


def try_one(mutation: Mutation, root: Path, everything: tuple[str, ...]) -> Result:
    started = time.monotonic()
    try:
        before = mutation.apply(root)
    except OutdatedError as error:
        return Result(mutation, None, str(error))
    try:
        caught = next(
            (test for files in stages(mutation, everything) if (test := run_tests(root, files))), None
        )
    finally:
        mutation.undo(root, before)
    return Result(mutation, caught, seconds=time.monotonic() - started)


@contextmanager
def copies(count: int) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        roots = [Path(folder) / str(number) for number in range(count)]
        for root in roots:
            for name in COPIED:
                source = ROOT / name
                if source.is_dir():
                    shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
                elif source.exists():
                    root.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, root / name)
        yield roots


def try_all(
    chosen: list[Mutation], roots: list[Path], everything: tuple[str, ...], console: Console
) -> list[Result]:
    idle: queue.Queue[Path] = queue.Queue()
    for root in roots:
        idle.put(root)
    lock = threading.Lock()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(len(roots)) as pool:
        bar = progress.add_task("mutations", total=len(chosen))

        def work(mutation: Mutation) -> Result:
            root = idle.get()
            try:
                return try_one(mutation, root, everything)
            finally:
                idle.put(root)

        futures: list[Future[Result]] = [pool.submit(work, mutation) for mutation in chosen]
        for future in as_completed(futures):
            result = future.result()
            with lock:
                progress.advance(bar)
                if result.caught_by is None or not console.is_terminal:
                    words = result.caught_by or result.outdated or "SURVIVED"
                    line = f"{result.seconds:4.0f} s  {result.mutation.name}: {words}"
                    progress.console.print(line, style="" if result.caught_by else "red", highlight=False)
                    sys.stdout.flush()
        return [future.result() for future in futures]


def show(results: list[Result], console: Console) -> None:
    table = Table(title="Safety lines, broken one at a time")
    table.add_column("rule", justify="right")
    table.add_column("what is lost")
    table.add_column("caught by", overflow="fold")
    table.add_column("s", justify="right")
    for result in results:
        caught = result.caught_by or f"[red]{'outdated' if result.outdated else 'survived'}[/]"
        mutation = result.mutation
        table.add_row(mutation.rule, mutation.name, caught, f"{result.seconds:.0f}")
    console.print(table)
    caught_ones = sum(result.caught_by is not None for result in results)
    console.print(f"{caught_ones} of {len(results)} caught")


@click.command(help=__doc__)
@click.option("--only", default="", metavar="TEXT", help="Mutations with TEXT in their name or file.")
@click.option("--check", is_flag=True, help="Only see whether the table still fits the code.")
@click.option("--jobs", default=2, show_default=True, help="Mutations at a time.")
@click.option(
    "--also", multiple=True, metavar="PATH", help="Further tests to ask before a mutation survives."
)
def main(only: str, check: bool, jobs: int, also: tuple[str, ...]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    chosen = [mutation for mutation in TABLE if only in mutation.name or only in mutation.file]
    with copies(1 if check else jobs) as roots:
        if check:
            results = []
            for mutation in chosen:
                try:
                    mutation.undo(roots[0], mutation.apply(roots[0]))
                except OutdatedError as error:
                    results.append(Result(mutation, None, str(error)))
            for result in results:
                console.print(f"[red]{result.mutation.name}[/]: {result.outdated}", highlight=False)
            console.print(f"{len(chosen)} mutations, {len(results)} outdated")
            sys.exit(bool(results))
        everything = (*fast_tests(roots[0]), *also)
        with console.status("the tests without a mutation"):
            if failing := run_tests(roots[0], (*everything, MACHINE)):
                console.print(f"without any mutation {failing} fails: mend that first", style="red")
                sys.exit(1)
        results = try_all(chosen, roots, everything, console)
    show(results, console)
    sys.exit(any(result.caught_by is None for result in results))


if __name__ == "__main__":
    main()
