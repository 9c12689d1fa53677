"""`python -m tests.faults.report`: what the runs told, as the table of docs/reliability.md."""

from __future__ import annotations

import ast
import importlib
import json
import os
import platform
import subprocess
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from dev.controlplane.version import VERSION
from tests.faults.kinds import DATED, KINDS, Kind

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".pytest_cache" / "faults"
PAGE = ROOT / "docs" / "reliability.md"
KINDS_BEGIN, KINDS_END = "<!-- kinds of server: begin -->", "<!-- kinds of server: end -->"
BEGIN, END = "<!-- written by the runs: begin -->", "<!-- written by the runs: end -->"

Json = dict[str, Any]
HEAD = (
    "| # | Fault | Injected | Tests, worlds | Requests | DELETEs | `OutcomeUnknown`, allowed "
    "| Newer destroyed | Unfinished | DELETEs without a claim |\n|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    told = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    text = f"{before}{BEGIN}\n{rendered(told)}\n{END}{after}"
    before, _, rest = text.partition(KINDS_BEGIN)
    _, _, after = rest.partition(KINDS_END)
    PAGE.write_text(f"{before}{KINDS_BEGIN}\n{kinds_of_rows()}\n{KINDS_END}{after}")


def kinds_of_rows() -> str:
    """Which rows run on which kind of server, by the marks of their tests."""
    lines = [f"| # | {' | '.join(map(str, KINDS))} |", f"|---|{'---|' * len(KINDS)}"]
    for path in sorted(Path(__file__).parent.glob("test_[0-9][0-9]_*.py")):
        runs = _runs(importlib.import_module(f"tests.faults.{path.stem}"))
        cells = ["" if str(kind) not in runs else "yes" if runs[str(kind)] else "long" for kind in KINDS]
        lines.append(f"| {int(path.name[5:7])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _runs(module: ModuleType) -> dict[str, bool]:
    """Kinds of server, and whether `make test` has a test of the module on it."""
    runs: dict[str, bool] = {}
    for test in (each for name, each in vars(module).items() if name.startswith("test_")):
        marks: list[pytest.Mark] = getattr(test, "pytestmark", [])
        fast = not any(mark.name == "slow" for mark in marks)
        for kind, slow in [each for mark in marks for each in _kinds(mark)] or [(str(DATED), False)]:
            runs[kind] = runs.get(kind, False) or (fast and not slow)
    return runs


def _kinds(mark: pytest.Mark) -> list[tuple[str, bool]]:
    """Of one mark, with whether it is slow."""
    if mark.name != "parametrize" or "kind" not in mark.args[0]:
        return []
    cases = [case if isinstance(case, ParameterSet) else pytest.param(case) for case in mark.args[1]]
    found = [
        (value, case) for case in cases for value in (case.values[0], *case.values) if isinstance(value, Kind)
    ]
    return [(str(kind), any(each.name == "slow" for each in case.marks)) for kind, case in found]


def rendered(told: list[Json]) -> str:
    titles = {
        int(path.name[5:7]): _title(path) for path in Path(__file__).parent.glob("test_[0-9][0-9]_*.py")
    }
    rows = [_row(number, title, told) for number, title in sorted(titles.items())]
    runs = [run for one in told for run in one["runs"]]
    total = _cells(runs)
    most_writes = max((run["most_writes"] for run in runs), default=0)
    return "\n".join(
        [
            _machine(told),
            "",
            HEAD,
            *rows,
            *_by_kind(told),
            f"| | **All** | {_total(runs)} faults | {_tests(told)}, {len(runs)} | {' | '.join(total)} |",
            "",
            "Measured on the way:",
            "",
            f"- all rows, status writes of one request at most: {most_writes}",
            *_figures(told),
        ]
    )


def _row(number: int, title: str, told: list[Json]) -> str:
    mine = [one for one in told if one["row"] == number]
    runs = [run for one in mine for run in one["runs"]]
    if not mine:
        return f"| {number} | {title} | not run | | | | | | | |"
    injected = Counter[str]()
    for run in runs:
        injected.update(run["injected"])
    what = ", ".join(f"{times} {kind}" for kind, times in sorted(injected.items())) or "by the requests"
    return f"| {number} | {title} | {what} | {_tests(mine)}, {len(runs)} | {' | '.join(_cells(runs))} |"


def _by_kind(told: list[Json]) -> list[str]:
    """Sums; all of them are in the last line."""
    groups = {kind: [one for one in told if one.get("kind", str(DATED)) == kind] for kind in map(str, KINDS)}
    lines = []
    for kind, ones in groups.items():
        runs = [run for one in ones for run in one["runs"]]
        what = f"{_total(runs)} faults | {_tests(ones)}, {len(runs)} | {' | '.join(_cells(runs))} |"
        lines.append(f"| | Of these, {kind} | {what}")
    return lines


def _failed(told: list[Json]) -> int:
    return sum(not one["passed"] for one in told)


def _tests(told: list[Json]) -> str:
    failed = _failed(told)
    return f"{len(told)} (**{failed} failed**)" if failed else f"{len(told)}"


def _cells(runs: list[Json]) -> list[str]:
    def total(key: str) -> int:
        return sum(int(run[key]) for run in runs)

    unknown = f"{total('outcome_unknown')}, {total('outcome_unknown_allowed')}"
    zeros = [str(total(key)) for key in ("newer_destroyed", "unfinished", "unmatched_deletes")]
    return [str(total("requests")), str(total("deletes")), unknown, *zeros]


def _total(runs: list[Json]) -> int:
    return sum(sum(run["injected"].values()) for run in runs)


def _figures(told: list[Json]) -> list[str]:
    found: dict[tuple[int, str], list[float]] = {}
    for one in told:
        for name, value in one["figures"].items():
            found.setdefault((one["row"], name), []).append(value)
    return [
        f"- row {row}, {name}: {', '.join(f'{value:g}' for value in sorted(values))}"
        for (row, name), values in sorted(found.items())
    ]


def _machine(told: list[Json]) -> str:
    failed = _failed(told)
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h of %cs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    return (
        f"At commit {commit}: Python {platform.python_version()}, kube-apiserver {VERSION} and etcd on "
        f"the same machine, {os.cpu_count()} cores, {platform.system()}. {len(told) - failed} tests "
        f"passed, {failed} failed; the figures are of both."
    )


def _title(path: Path) -> str:
    words = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    return words.partition(": ")[2].rstrip(".")


if __name__ == "__main__":
    main()
