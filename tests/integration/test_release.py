"""What is released is what was tested, and the same bytes each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from dev import release
from dev.controlplane import prepare
from moorcheh_operator import __version__

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]


def copy_of_the_tree(folder: Path) -> Path:
    """What a checkout of this tree would have, with other times."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    release.build(tree, out, prepare().kubectl)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_building_twice_gives_identical_bytes(built: Path, tmp_path: Path) -> None:
    """In another folder, with other times, by somebody with another umask."""
    before = os.umask(0o077)
    try:
        other = copy_of_the_tree(tmp_path / "elsewhere")
        release.build(other, tmp_path / "out", prepare().kubectl)
    finally:
        os.umask(before)

    assert contents(built) == contents(tmp_path / "out")


def test_a_release_has_these_files(built: Path) -> None:
    assert {file.name for file in built.iterdir()} == {
        f"moorcheh_operator-{__version__}-py3-none-any.whl",
        f"moorcheh_operator-{__version__}.tar.gz",
        "crds.yaml",
        "install.yaml",
        f"moorcheh-operator-{__version__}.tgz",
        "SHA256SUMS",
    }


@pytest.mark.parametrize(("name", "folder"), [("crds.yaml", "crds"), ("install.yaml", "manifests/base")])
def test_each_yaml_is_a_folder_in_one_file(
    control_plane: ControlPlane, built: Path, name: str, folder: str
) -> None:
    objects = yaml.safe_load_all(control_plane.kubectl("kustomize", ROOT / folder))

    assert list(yaml.safe_load_all((built / name).read_text())) == list(objects)


def test_the_chart_is_the_folder_and_what_its_links_lead_to(built: Path, tmp_path: Path) -> None:
    with tarfile.open(built / f"moorcheh-operator-{__version__}.tgz") as archive:
        archive.extractall(tmp_path, filter="data")

    def files(folder: Path) -> dict[str, bytes]:
        return {
            str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()
        }

    assert files(tmp_path / "moorcheh-operator") == files(ROOT / release.CHART)
    assert not [file for file in tmp_path.rglob("*") if file.is_symlink()]


def test_the_wheel_holds_the_packages_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    tops = {name.partition("/")[0] for name in names}
    assert tops == {"moorcheh_operator", "moorcheh_kubectl", f"moorcheh_operator-{__version__}.dist-info"}
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_sdist_is_enough_to_build_the_same_wheel(built: Path, tmp_path: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [unpacked] = tmp_path.iterdir()

    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    subprocess.run(command, cwd=unpacked, capture_output=True, check=True)

    [wheel], [again] = built.glob("*.whl"), (unpacked / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {name: one.read(name) for name in one.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }


@pytest.mark.parametrize("name", release.COPIES)
def test_a_copy_of_the_version_that_says_something_else_stops_a_release(tmp_path: Path, name: str) -> None:
    for each in ["operator/moorcheh_operator/__init__.py", *release.COPIES]:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text((ROOT / each).read_text())
    release.Source(tmp_path).check()

    (tmp_path / name).write_text((tmp_path / name).read_text().replace(__version__, "9.9.9"))

    with pytest.raises(release.ReleaseError, match=r"9\.9\.9"):
        release.Source(tmp_path).check()
