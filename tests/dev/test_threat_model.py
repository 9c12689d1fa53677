"""Each row of the threat model names a test, and each of those is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text().partition("| Threat |")[2]
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| What")]
NAMED = re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", TEXT)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.split("|")[1].strip()[:60]) for row in ROWS])
def test_each_threat_names_a_test(row: str) -> None:
    assert re.search(r"`tests/[a-z0-9_/]+\.py::test_[a-z0-9_]+`", row.rstrip(" |").rpartition("|")[2])


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_of_these_tests_is_there(file: str, name: str) -> None:
    body = ast.parse((ROOT / file).read_text()).body

    assert name in {each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_threats() -> None:
    assert len(ROWS) > 15
