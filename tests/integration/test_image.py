"""The Dockerfile's own steps, without a container engine: into a clean place, then run from there by nobody.

What only an engine can do is left: the base image, the layers and the USER switch.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.moorcheh.standin import StandIn
from dev.processes import free_port
from tests.dev.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
NOBODY = 65532


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def test_the_context_is_what_the_build_copies_and_no_more() -> None:
    *patterns, _ = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in patterns if line.startswith("!")}
    copied = {
        name
        for instruction, words in instructions()
        if instruction == "COPY" and "--from" not in words
        for name in words.split()[:-1]
    }

    assert kept == copied
    assert "*" in patterns


def test_it_needs_no_shell_and_is_nobody() -> None:
    last_stage = " ".join(" ".join(each) for each in instructions()).rpartition("FROM ")[2]

    assert "RUN" not in last_stage
    assert f"USER {NOBODY}:{NOBODY}" in last_stage
    assert 'ENTRYPOINT ["moorcheh-operator", "run"]' in last_stage
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in last_stage


def last_environment() -> dict[str, str]:
    """What the last ENV sets; nothing else is there when an engine starts it as a user without a name."""
    words = [words for name, words in instructions() if name == "ENV"][-1]
    return dict(part.split("=", 1) for part in shlex.split(words))


def pins(name: str) -> set[tuple[str, str]]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {(project.lower().replace("_", "-"), version) for project, version in found}


def test_the_wheel_is_built_by_the_versions_that_it_is_developed_with() -> None:
    assert pins("requirements-build.txt") <= pins("requirements-dev.txt")


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The root of the file system that the last stage would have."""
    folder = Path(tempfile.mkdtemp(prefix="moorcheh-image-"))
    folder.chmod(0o755)
    try:
        build(folder)
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=False)
        shutil.rmtree(folder)


def build(folder: Path) -> None:
    """COPY and RUN of the first stage, with every absolute path under `folder`."""
    source = folder / "src"
    source.mkdir()
    # Stands for the base image's own Python.
    subprocess.run([base_python(folder), "-m", "venv", folder / "python"], check=True)
    environment = {
        "PATH": f"{folder / 'python' / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        **{
            key: value
            for key, value in os.environ.items()
            if key.startswith("PIP_") or "proxy" in key.lower()
        },
    }
    (first, *_) = " ".join(f"\0{name} {words}" for name, words in instructions()).split("\0FROM ")[1:]
    for step in first.split("\0")[1:]:
        name, words = step.split(maxsplit=1)
        words = re.sub(r"(?<![\w.])/(opt|wheels|src)\b", rf"{folder}/\1", words)
        if name == "COPY":
            *names, target = words.split()
            for each in names:
                copy(ROOT / each, source / target if target not in ("./", ".") else source / each)
        elif name == "RUN":
            ran = subprocess.run(
                ["/bin/sh", "-c", words],
                cwd=source,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr[-2000:]
    shutil.rmtree(source)
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


def base_python(folder: Path) -> Path:
    """This machine's Python, or a copy of it where it lies in a folder that nobody else may enter."""
    base = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in (base, *base.parents)):
        return base / "bin" / name
    left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "*.a")
    for part in ("bin", "lib"):
        shutil.copytree(base / part, folder / "usr" / part, symlinks=True, ignore=left_out)
    return folder / "usr" / "bin" / name


def copy(source: Path, target: Path) -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("**/")]
    if source.is_dir():
        shutil.copytree(
            source,
            target,
            ignore=lambda _, names: [
                name for name in names if any(fnmatch(name, line.removeprefix("**/")) for line in ignored)
            ],
        )
    else:
        shutil.copyfile(source, target)


def state(folder: Path) -> dict[str, float]:
    return {str(path): path.lstat().st_mtime for path in folder.rglob("*")}


@pytest.mark.slow
def test_the_built_program_runs_as_nobody_on_a_read_only_tree(
    image: Path, installed: ControlPlane, tmp_path: Path
) -> None:
    before = state(image)
    [entrypoint] = [json.loads(words) for name, words in instructions() if name == "ENTRYPOINT"]
    home = Path(tempfile.mkdtemp(prefix="moorcheh-nobody-"))
    home.chmod(0o755)
    kubeconfig = home / "kubeconfig"
    kubeconfig.write_bytes(installed.kubeconfig_for("operator").read_bytes())
    kubeconfig.chmod(0o644)  # a token of this test's own API server
    port = free_port()
    with StandIn(tmp_path / "moorcheh", job_seconds=0.2) as moorcheh, (tmp_path / "log").open("wb") as log:
        moorcheh.create("my-documents")
        environment = {
            **last_environment(),
            "PATH": str(image / "opt" / "moorcheh-operator" / "bin"),  # no shell, no other program
            "KUBECONFIG": str(kubeconfig),
            "MOORCHEH_BASE_URL": moorcheh.url,
            "HTTP_ADDRESS": f"127.0.0.1:{port}",
            "LEADER_ELECTION": "off",
        }
        if (image / "usr").exists():  # a copied Python looks for its library where it came from
            environment["LD_LIBRARY_PATH"] = str(image / "usr" / "lib")
        program = image / "opt" / "moorcheh-operator" / "bin" / entrypoint[0]
        running = subprocess.Popen(
            [program, *entrypoint[1:]],
            cwd="/",
            env=environment,
            stdout=log,
            stderr=log,
            user=NOBODY if os.geteuid() == 0 else None,
            group=NOBODY if os.geteuid() == 0 else None,
        )
        try:
            example = ROOT / "manifests" / "examples" / "delete.yaml"
            installed.kubectl("apply", "-f", example)
            finished = until(
                lambda: "Succeeded" in installed.kubectl("get", "-f", example) or running.poll() is not None,
            )
            assert finished, (tmp_path / "log").read_text()
            assert running.poll() is None, (tmp_path / "log").read_text()
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(60) == 0, (tmp_path / "log").read_text()
            installed.kubectl("delete", "-f", example, "--ignore-not-found")
            shutil.rmtree(home)
    assert state(image) == before, "nothing is written into the tree"


@pytest.mark.slow
def test_what_is_in_the_image_is_the_lock_file_and_the_wheel(image: Path) -> None:
    python = image / "opt" / "moorcheh-operator" / "bin" / "python"
    code = (
        "import importlib.metadata, json;"
        "print(json.dumps([[each.name, each.version] for each in importlib.metadata.distributions()]))"
    )
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env={})
    locked = pins("requirements.txt")
    installed = {(name.lower().replace("_", "-"), version) for name, version in json.loads(found.stdout)}

    extra = installed - locked
    assert {name for name, _ in extra} == {"moorcheh-operator"}
