"""docs/architecture.md is a map of the code: it names every file, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
OPERATOR = ROOT / "operator" / "moorcheh_operator"
PLUGIN = ROOT / "operator" / "moorcheh_kubectl"
UNNAMED = {"__init__.py", "__main__.py"}
THE_PLUGIN = PAGE.partition("## The kubectl plugin")[2].partition("\n## ")[0]
CONSTANTS = re.findall(r"^\| `([A-Z_]+)` \| ([\d.]+) \| `([a-z_/]+\.py)` \|", PAGE, re.MULTILINE)
NAMES = re.findall(r"`([a-z_./-]+\.(?:py|yaml))` \(`(\w+)`", PAGE)
PATHS = sorted(set(re.findall(r"`([a-z_./-]+\.(?:py|yaml|json|toml|md))`", PAGE.replace(THE_PLUGIN, ""))))


def test_every_file_of_the_operator_has_its_line() -> None:
    rooms = PAGE.partition("## The rooms")[2].partition("\n## ")[0]
    files = {str(path.relative_to(OPERATOR)) for path in OPERATOR.rglob("*.py") if path.name not in UNNAMED}

    assert set(re.findall(r"^\| `([a-z_/]+\.py)` \|", rooms, re.MULTILINE)) == files


def test_every_file_of_the_plugin_has_its_line() -> None:
    files = {path.name for path in PLUGIN.glob("*.py") if path.name not in UNNAMED}

    assert set(re.findall(r"^\| `([a-z_]+\.py)` \|", THE_PLUGIN, re.MULTILINE)) == files


@pytest.mark.parametrize("path", PATHS)
def test_what_it_names_is_there(path: str) -> None:
    assert (OPERATOR / path).exists() or (ROOT / path).exists()


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMES)))
def test_each_name_that_it_gives_is_in_the_file(path: str, name: str) -> None:
    file = next(folder / path for folder in (OPERATOR, ROOT) if (folder / path).exists())

    assert re.search(rf"\b{name}\b", file.read_text())


@pytest.mark.parametrize(("name", "seconds", "file"), CONSTANTS)
def test_the_time_constants_are_what_it_says(name: str, seconds: str, file: str) -> None:
    code = (OPERATOR / file).read_text()
    [value] = re.findall(rf"^{name} = (?:timedelta\(seconds=)?([\d._]+)", code, re.MULTILINE)

    assert float(value) == float(seconds)


def test_there_are_constants() -> None:
    assert len(CONSTANTS) > 30
