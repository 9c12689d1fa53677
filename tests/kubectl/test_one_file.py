"""The plugin as one file: a Python that has nothing installed runs it."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.release.plugin import MACHINES, PYTHONS, START, PluginError, plugin
from moorcheh_operator import __version__
from tests.kubectl.conftest import environment

if TYPE_CHECKING:
    from tests.integration.life import World

ROOT = Path(__file__).parents[2]
EPOCH = 1_764_547_200
BARE = [sys.executable, "-I", "-S"]
"""Python without site-packages, and without what the environment says."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        made = plugin(ROOT, __version__, EPOCH)
    except PluginError as error:
        pytest.skip(f"what is in the file comes from PyPI: {error}")
    file = tmp_path_factory.mktemp("plugin") / "kubectl-moorcheh"
    file.write_bytes(made)
    file.chmod(0o755)
    return file


@dataclass(frozen=True)
class Machine:
    """Where the file is run, with a cache of its own."""

    file: Path
    home: Path
    env: dict[str, str]

    def runs(self, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
        """`before`: code that runs first, to make this machine another one."""
        script = f"import runpy, sys; {before}; runpy.run_path(sys.argv[0], run_name='__main__')"
        script = f"import sys; sys.argv[:] = [{str(self.file)!r}, *sys.argv[1:]]; {script}"
        command = [*BARE, "-c", script] if before else [*BARE, str(self.file)]
        return subprocess.run(
            [*command, *arguments], env=self.env, capture_output=True, text=True, timeout=100, check=False
        )

    @property
    def unpacked(self) -> list[Path]:
        folder = self.home / ".cache" / "kubectl-moorcheh"
        return list(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def machine(file: Path, tmp_path: Path) -> Machine:
    (tmp_path / "tmp").mkdir()
    return Machine(
        file, tmp_path, {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TMPDIR": f"{tmp_path}/tmp"}
    )


def test_it_asks_the_cluster_and_shows_what_it_says(machine: Machine, world: World) -> None:
    world.moorcheh.create("one-file", items=12)
    env = environment(world.plane.assets, world.plane.kubeconfig) | machine.env
    env["PATH"] = os.pathsep.join([str(world.plane.assets.kubectl.parent), machine.env["PATH"]])
    person = replace(machine, env=env)

    shown = person.runs("delete", "one-file", "--preview", "-n", world.namespace)
    written = person.runs("delete", "one-file", "--yes", "-o", "yaml", "-n", world.namespace)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "12" in shown.stdout
    assert written.returncode == 0, written.stderr
    assert "phase: Succeeded" in written.stdout


def test_it_is_unpacked_once(machine: Machine) -> None:
    first = machine.runs("--version")
    [folder] = machine.unpacked
    (folder / "moorcheh_kubectl" / "cli.py").write_text("def main() -> None: print('as it was left')")
    second = machine.runs("--version")

    assert first.stdout.strip().endswith(__version__)
    assert second.stdout == "as it was left\n"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_later_release_is_unpacked_beside_it(machine: Machine, tmp_path: Path) -> None:
    machine.runs("--version")
    other = tmp_path / "other"
    other.write_bytes(plugin(ROOT, "9.9.9", EPOCH))

    replace(machine, file=other).runs("--version")

    assert sorted(folder.name[:6] for folder in machine.unpacked) == [f"{__version__}-", "9.9.9-"]


def test_many_at_once_unpack_it_as_one(machine: Machine) -> None:
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(lambda _: machine.runs("--version"), range(4)))

    assert [each.stderr for each in ran] == [""] * 4
    assert len(machine.unpacked) == 1


def test_without_a_cache_it_runs_and_leaves_nothing(machine: Machine) -> None:
    (machine.home / ".cache").write_text("in the way")

    ran = machine.runs("--version")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert list((machine.home / "tmp").iterdir()) == []


def test_without_any_place_it_says_so(machine: Machine) -> None:
    (machine.home / ".cache").write_text("in the way")
    broken = "import tempfile; tempfile._get_default_tempdir = lambda: '/nowhere'"

    ran = replace(machine, env=machine.env | {"TMPDIR": "/nowhere"}).runs("--version", before=broken)

    assert ran.returncode == 1
    assert ran.stderr.startswith("kubectl moorcheh has no place to unpack itself")
    assert "Traceback" not in ran.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_what_somebody_else_has_put_there_is_not_run(machine: Machine) -> None:
    machine.runs("--version")
    [folder] = machine.unpacked
    (folder / "moorcheh_kubectl" / "cli.py").write_text("def main() -> None: print('theirs')")
    os.chown(folder, 12345, 12345)

    assert machine.runs("--version").stdout.strip().endswith(__version__)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        pytest.param(
            "sys.version_info = (3, 9, 2, 'final', 0)",
            "kubectl moorcheh needs Python 3.11 or newer; the `python3` in PATH is 3.9.",
            id="older Python",
        ),
        pytest.param(
            "import importlib.machinery as m; m.EXTENSION_SUFFIXES[:] = ['.cpython-399-x86_64-linux-gnu.so']",
            "knows no CPython .* pipx",
            id="newer Python",
        ),
        pytest.param(
            "import platform; platform.machine = lambda: 'riscv64'",
            "knows no CPython .*riscv64.* pipx",
            id="other machine",
        ),
    ],
)
def test_where_it_can_not_run_it_says_what_would(machine: Machine, before: str, words: str) -> None:
    ran = machine.runs("--version", before=before)

    assert ran.returncode == 1
    assert re.search(words, ran.stderr)
    assert "Traceback" not in ran.stderr
    assert machine.unpacked == []


def test_older_pythons_understand_its_start() -> None:
    """Or they would tell of a syntax error, and not of their age."""
    ast.parse(START.read_text(), feature_version=(3, 6))


def test_it_completes_under_the_name_that_kubectl_asks_for(machine: Machine) -> None:
    completer = machine.file.with_name("kubectl_complete-moorcheh")
    completer.symlink_to(machine.file)

    offered = replace(machine, file=completer).runs("appr")

    assert offered.stdout.startswith("approve")


def test_it_has_the_extension_module_for_each_python_and_machine(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        native = [name for name in archive.namelist() if name.startswith("native/")]

    assert len(native) == len(PYTHONS) * sum(len(platforms) for platforms in MACHINES.values())
    assert {name.split("/")[1] for name in native} == MACHINES.keys()
