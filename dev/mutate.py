"""The mutation gate: `python -m dev.mutate` breaks each safety line in turn and requires that a test fails.

It works on copies of the tree in a temporary folder. A mutation is caught where pytest names a test that
failed, and only there. The test that caught it last is asked first (`--remember` notes which), then the
others; what caught something must pass without a mutation. The gate fails where one survives, where the tests
did not end or could not be run, and where a line is no longer what the table says, so that the table can't
go stale.
"""

from __future__ import annotations

import json
import queue
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from dev.mutations.mutation import Mutation, OutdatedError
from dev.mutations.table import TABLE
from dev.mutations.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("operator", "tests", "dev", "crds", "manifests", "docs", "pyproject.toml", "README.md")
REMEMBERED = ROOT / "dev" / "mutations" / "caught_by.json"
SECONDS = 900  # for one stage; pytest-timeout ends most tests that hang, and they are named then
# A file that can't be collected is an ERROR too, but has no `::`.
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (tests/\S+?::.*?)(?: - .*)?$", re.MULTILINE)
TESTS_FAILED = 1  # pytest's exit code; all but 0 and this say that it could not do its work

SCENARIOS = "tests/model/test_scenarios.py"
MACHINE = "tests/model/test_machine.py"
WIRE = "tests/faults/test_connection.py"
WANTED = ("tests/unit/test_wanted.py", "tests/model/test_wanted_now.py")
POLICIES = ("tests/unit/test_policy_steps.py", "tests/unit/test_policy_task.py")
# Which tests are asked first about which file; then the machine, then all that are fast.
NEAREST = {
    "moorcheh/client.py": ("tests/unit/test_moorcheh.py",),
    "moorcheh/connection.py": ("tests/unit/test_moorcheh.py", WIRE),
    "moorcheh/network.py": (WIRE, "tests/unit/test_moorcheh.py"),
    "moorcheh/parsing.py": ("tests/unit/test_moorcheh.py",),
    "moorcheh/pool.py": ("tests/unit/test_moorcheh.py",),
    "cluster/client.py": ("tests/unit/test_safety_cluster.py", SCENARIOS),
    "controller/namespaces.py": ("tests/unit/test_namespaces.py", *WANTED),
    "controller/reconciler.py": (SCENARIOS, *WANTED),
    "controller/shared.py": WANTED,
    "controller/stored.py": (SCENARIOS, *WANTED),
    "controller/task.py": (SCENARIOS, *WANTED),
    "cluster/leader_election.py": ("tests/unit/test_leadership.py",),
    "cluster/schema.py": ("tests/unit/test_safety_cluster.py",),
    "lifecycle/polling.py": ("tests/unit/test_polling.py", "tests/unit/test_lifecycle.py"),
    "lifecycle/retention.py": ("tests/unit/test_retention.py",),
    "lifecycle/access.py": ("tests/unit/test_access.py",),
    "lifecycle/placement.py": ("tests/unit/test_placement.py",),
    "controller/targets.py": ("tests/unit/test_access.py", "tests/unit/test_slots_and_targets.py"),
    "controller/live_servers.py": ("tests/unit/test_live_servers.py",),
    "moorcheh/credentials.py": ("tests/unit/test_credentials.py",),
    "clock.py": ("tests/unit/test_clock.py",),
    "shared_call.py": ("tests/unit/test_namespaces.py", "tests/unit/test_moorcheh.py"),
    "controller/expirations.py": ("tests/unit/test_expirations.py",),
    "api/wire.py": ("tests/unit/test_model.py", "tests/unit/test_memory.py"),
    "api/doubts.py": ("tests/unit/test_model.py",),
    "api/request.py": ("tests/unit/test_model.py",),
    "api/spec.py": ("tests/unit/test_model.py",),
    "api/status.py": ("tests/unit/test_model.py",),
    "api/times.py": ("tests/unit/test_model.py",),
    "controller/relist.py": ("tests/unit/test_relist.py",),
    "turns.py": ("tests/unit/test_turns.py",),
    "controller/slots.py": ("tests/unit/test_slots_and_targets.py",),
    "process/kopf_session.py": ("tests/unit/test_memory.py",),
    "api/policy.py": POLICIES,
    "cluster/policies.py": POLICIES,
    "controller/policy_task.py": POLICIES,
    "policies/next_step.py": POLICIES,
    "policies/runs.py": POLICIES,
    "policies/schedule.py": ("tests/unit/test_policy_schedule.py",),
    "policies/selection.py": ("tests/unit/test_policy_selection.py",),
}
DECISIONS = ("tests/unit/test_lifecycle.py", *WANTED, SCENARIOS)


class Verdict(Enum):
    CAUGHT = "caught"
    SURVIVED = "survived"
    HUNG = "the tests did not end"
    BROKEN = "the tests could not be run"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    words: str = ""  # caught: the first test that failed


@dataclass(frozen=True, slots=True)
class Result:
    mutation: Mutation
    outcome: Outcome
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return self.outcome.verdict is Verdict.CAUGHT

    def __str__(self) -> str:
        verdict, words = self.outcome.verdict, self.outcome.words
        if verdict is Verdict.CAUGHT:
            return words
        return f"{verdict.value.upper()}{words and f': {words}'}"


@dataclass(frozen=True)
class Bench:
    """A copy of the tree, and what runs its tests."""

    root: Path
    pytest: Warm

    def run(self, *arguments: str) -> Outcome:
        environment = {"HYPOTHESIS_STORAGE_DIRECTORY": str(self.root / ".hypothesis"), "MODEL_FIND_ONLY": "1"}
        command = ["-x", "-q", "-p", "no:cacheprovider", *arguments]
        done = self.pytest.run(self.root, command, environment, SECONDS)
        if done is None:
            return Outcome(Verdict.HUNG, f"none failed, nor had all passed, after {SECONDS} s")
        return judged(*done)


def judged(code: int, out: str) -> Outcome:
    """What a run of pytest says. One that breaks off for another reason than a failed test shows nothing."""
    if code == 0:
        return Outcome(Verdict.SURVIVED)
    if code == TESTS_FAILED and (found := FIRST_FAILURE.search(out)):
        return Outcome(Verdict.CAUGHT, found.group(1))
    lines = out.strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    return Outcome(Verdict.BROKEN, [f"pytest ended with {code}", *lines[-1:], *errors[-1:]][-1])


def stages(mutation: Mutation, everything: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """One file at a time: to collect them all takes longer than to find out."""
    nearest = mutation.tests or NEAREST.get(mutation.file, DECISIONS)
    yield from ((each,) for each in (*nearest, MACHINE))
    yield everything


def fast_tests(root: Path) -> tuple[str, ...]:
    """All but those of the model, which know nothing of the code, and those that were asked before."""
    chosen = [path for folder in ("unit", "model") for path in (root / "tests" / folder).glob("test_*.py")]
    names = sorted(str(path.relative_to(root)) for path in chosen)
    return tuple(name for name in names if name not in (MACHINE, "tests/model/test_protocol.py"))


def noticed(bench: Bench, mutation: Mutation, first: str | None, everything: tuple[str, ...]) -> Outcome:
    """`first`: the test that caught it last. Renamed, or no longer the one, it costs a moment."""
    if first is not None and (outcome := bench.run(first)).verdict is Verdict.CAUGHT:
        return outcome
    outcomes = (bench.run(*files) for files in stages(mutation, everything))
    words = (outcome for outcome in outcomes if outcome.verdict is not Verdict.SURVIVED)
    return next(words, Outcome(Verdict.SURVIVED))


def try_one(mutation: Mutation, bench: Bench, first: str | None, everything: tuple[str, ...]) -> Result:
    started = time.monotonic()
    try:
        before = mutation.apply(bench.root)
    except OutdatedError as error:
        return Result(mutation, Outcome(Verdict.OUTDATED, str(error)))
    try:
        outcome = noticed(bench, mutation, first, everything)
    finally:
        mutation.undo(bench.root, before)
    return Result(mutation, outcome, time.monotonic() - started)


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
    chosen: list[Mutation],
    benches: list[Bench],
    remembered: dict[str, str],
    everything: tuple[str, ...],
    console: Console,
) -> list[Result]:
    idle: queue.Queue[Bench] = queue.Queue()
    for each in benches:
        idle.put(each)
    lock = threading.Lock()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(len(benches)) as pool:
        bar = progress.add_task("mutations", total=len(chosen))

        def work(mutation: Mutation) -> Result:
            bench = idle.get()
            try:
                return try_one(mutation, bench, remembered.get(mutation.key), everything)
            finally:
                idle.put(bench)

        futures: list[Future[Result]] = [pool.submit(work, mutation) for mutation in chosen]
        for future in as_completed(futures):
            result = future.result()
            with lock:
                progress.advance(bar)
                if not (result.good and console.is_terminal):
                    line = escape(f"{result.seconds:4.0f} s  {result.mutation.name}: {result}")
                    progress.console.print(line, style="" if result.good else "red", highlight=False)
                    sys.stdout.flush()
        return [future.result() for future in futures]


def show(results: list[Result], console: Console) -> None:
    table = Table(title="Safety lines, broken one at a time")
    table.add_column("rule", justify="right")
    table.add_column("what is lost")
    table.add_column("caught by", overflow="fold")
    table.add_column("s", justify="right")
    for result in results:
        words = Text(str(result), style="" if result.good else "red")
        mutation = result.mutation
        table.add_row(mutation.rule, mutation.name, words, f"{result.seconds:.0f}")
    console.print(table)
    verdicts = Counter(result.outcome.verdict for result in results)
    caught = verdicts.pop(Verdict.CAUGHT, 0)
    others = [f"{count} {verdict.value}" for verdict, count in verdicts.items()]
    console.print(", ".join([f"{caught} of {len(results)} caught", *others]))


@click.command(help=__doc__)
@click.option("--only", default="", metavar="TEXT", help="Mutations with TEXT in their name or file.")
@click.option("--check", is_flag=True, help="Only see whether the table still fits the code.")
@click.option("--jobs", default=2, show_default=True, help="Mutations at a time.")
@click.option("--remember", is_flag=True, help="Note which test caught which, for the next time.")
@click.option(
    "--also", multiple=True, metavar="PATH", help="Further tests to ask before a mutation survives."
)
def main(only: str, check: bool, jobs: int, remember: bool, also: tuple[str, ...]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    chosen = [mutation for mutation in TABLE if only in mutation.name or only in mutation.file]
    with copies(1 if check else jobs) as roots, ExitStack() as stack:
        if check:
            results = []
            for mutation in chosen:
                try:
                    mutation.undo(roots[0], mutation.apply(roots[0]))
                except OutdatedError as error:
                    results.append(Result(mutation, Outcome(Verdict.OUTDATED, str(error))))
            for result in results:
                console.print(escape(f"{result.mutation.name}: {result}"), style="red", highlight=False)
            console.print(f"{len(chosen)} mutations, {len(results)} outdated")
            sys.exit(bool(results))
        benches = [Bench(root, stack.enter_context(Warm())) for root in roots]
        everything = (*fast_tests(roots[0]), *also)
        remembered: dict[str, str] = json.loads(REMEMBERED.read_text())
        results = try_all(chosen, benches, remembered, everything, console)
        caught_by = {result.mutation.key: result.outcome.words for result in results if result.good}
        with console.status("the same tests without a mutation"):
            caught = sorted(set(caught_by.values()))
            plain = benches[0].run("-n", str(jobs), *caught) if caught else Outcome(Verdict.SURVIVED)
    show(results, console)
    if plain.verdict is not Verdict.SURVIVED:
        words = f"without any mutation: {plain.words} (mend that first: what it caught shows nothing)"
        console.print(escape(words), style="red")
        sys.exit(1)
    if remember:
        known = {mutation.key for mutation in TABLE}
        noted = {key: test for key, test in (remembered | caught_by).items() if key in known}
        REMEMBERED.write_text(json.dumps(noted, indent=1, sort_keys=True) + "\n")
    sys.exit(not all(result.good for result in results))


if __name__ == "__main__":
    main()
