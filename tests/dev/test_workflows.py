"""What runs at GitHub is what runs here, with as few rights as can be."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev import gotoolchain
from dev.controlplane.progress import Progress

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = ROOT / "dev" / "actionlint"
TARGETS = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

Json = dict[str, Any]

workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.stem))


def steps(path: Path) -> list[Json]:
    jobs: dict[str, Json] = yaml.safe_load(path.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def actionlint(*files: Path) -> str:
    try:
        go = gotoolchain.find(os.environ, Progress())
    except gotoolchain.NoGoError as error:
        pytest.skip(f"actionlint is built: {error}")
    environment = {**os.environ, **go.variables, "GOWORK": "off", "GOFLAGS": f"-mod=readonly {go.flags}"}
    # Neither shellcheck nor pyflakes: whether they are installed must not matter.
    command: list[str | Path] = [
        go.program,
        "-C",
        ACTIONLINT,
        "tool",
        "actionlint",
        "-no-color",
        "-shellcheck=",
        "-pyflakes=",
        *files,
    ]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stderr
    return str(ran.stdout)


def test_there_are_these_workflows() -> None:
    assert {path.stem for path in WORKFLOWS} == {"check", "test", "release"}


def test_actionlint_finds_nothing() -> None:
    assert actionlint(*WORKFLOWS) == ""


def test_actionlint_finds_what_is_wrong(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:"))

    assert 'unexpected key "run-on"' in actionlint(wrong)


@workflow
def test_a_workflow_calls_make_and_nothing_else(path: Path) -> None:
    commands = [step["run"] for step in steps(path) if "run" in step]

    assert commands
    assert {command.split()[0] for command in commands} == {"make"}
    assert {command.split()[1] for command in commands} <= set(TARGETS)


@workflow
def test_what_others_wrote_is_named_by_its_commit_and_gets_no_rights(path: Path) -> None:
    text = path.read_text()

    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (\S+)(.*)$", text, re.MULTILINE)
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action, _ in used)
    assert all(re.fullmatch(r"  # v\d+\.\d+\.\d+", version) for _, version in used)
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_a_commit_is_checked_as_in_ci() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    [hook] = repository["hooks"]

    assert (repository["repo"], hook["entry"], hook["always_run"]) == ("local", "make check", True)


def test_each_go_module_is_kept_up_to_date() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    folders = {
        each["package-ecosystem"]: each.get("directories", [each.get("directory")]) for each in updates
    }

    assert folders.keys() == {"pip", "docker", "github-actions", "gomod"}
    assert sorted(folders["gomod"]) == sorted(
        f"/{path.parent.relative_to(ROOT)}" for path in (ROOT / "dev").rglob("go.mod")
    )


def test_the_guide_for_contributors_names_files_and_commands_that_are_there() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", guide + (ROOT / "SECURITY.md").read_text())
    package = ROOT / "operator" / "moorcheh_operator"
    named = re.findall(r"`((?:api|lifecycle|controller|dev|crds|tests|docs)/[\w./-]*)`", guide)
    tests = re.findall(r"tests/[\w/]+(?:\.py)?", guide)

    assert [link for link in links if not (ROOT / link).exists()] == []
    assert [
        name for name in [*named, *tests] if not any((top / name).exists() for top in (ROOT, package))
    ] == []
    assert {
        one or other for one, other in re.findall(r"`make ([a-z0-9-]+)`|\$ make ([a-z0-9-]+)", guide)
    } <= set(TARGETS)
