"""What is released is what was tested, and the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import os
import re
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
from dev.release import image
from dev.release.plugin import PluginError
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
    try:
        release.build(tree, out, prepare().kubectl)
    except PluginError as error:
        pytest.skip(f"what is in the plugin's file comes from PyPI: {error}")
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
        f"moorcheh-operator-{__version__}.cdx.json",
        "kubectl-moorcheh",
        f"kubectl-moorcheh-{__version__}.tar.gz",
        f"kubectl-moorcheh-{__version__}.cdx.json",
        "moorcheh.yaml",
        "SHA256SUMS",
    }


@pytest.mark.parametrize(("name", "folder"), [("crds.yaml", "crds"), ("install.yaml", "manifests/base")])
def test_each_yaml_is_a_folder_in_one_file(
    control_plane: ControlPlane, built: Path, name: str, folder: str
) -> None:
    """And the image is where it will be published."""
    rendered = control_plane.kubectl("kustomize", ROOT / folder)
    address = release.Source(ROOT).published("image")
    published = rendered.replace("image: moorcheh-operator:", f"image: {address}:")

    assert list(yaml.safe_load_all((built / name).read_text())) == list(yaml.safe_load_all(published))


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
    [sdist] = built.glob("moorcheh_operator-*.tar.gz")
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


def test_the_checksums_are_those_of_all_files(built: Path) -> None:
    said = dict(line.split("  ")[::-1] for line in (built / "SHA256SUMS").read_text().splitlines())

    assert said == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in contents(built).items()
        if name != "SHA256SUMS"
    }


def test_krew_is_given_the_plugin_and_its_checksum(built: Path, tmp_path: Path) -> None:
    archive = built / f"kubectl-moorcheh-{__version__}.tar.gz"
    body = yaml.safe_load((built / "moorcheh.yaml").read_text())
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")

    assert body["spec"]["version"] == f"v{__version__}"
    for platform in body["spec"]["platforms"]:
        assert platform["uri"].endswith(f"/v{__version__}/{archive.name}")
        assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        assert all((tmp_path / file["from"]).is_file() for file in platform["files"])
        assert os.access(tmp_path / platform["bin"], os.X_OK)
    assert (tmp_path / "kubectl-moorcheh").read_bytes() == (built / "kubectl-moorcheh").read_bytes()
    assert os.access(built / "kubectl-moorcheh", os.X_OK)


@pytest.mark.parametrize(
    ("name", "requirements"),
    [("moorcheh-operator", "requirements.txt"), ("kubectl-moorcheh", "requirements-kubectl.txt")],
)
def test_a_bill_of_materials_has_each_requirement_with_its_hashes(
    built: Path, name: str, requirements: str
) -> None:
    bom = json.loads((built / f"{name}-{__version__}.cdx.json").read_text())
    text = (ROOT / requirements).read_text()

    assert bom["specVersion"] == "1.6"
    assert bom["metadata"]["component"]["name"] == name
    assert {f"{part['name']}=={part['version']}" for part in bom["components"]} == set(
        re.findall(r"^\S+==\S+", text, re.MULTILINE)
    )
    hashes = [each["content"] for part in bom["components"] for each in part["hashes"]]
    assert sorted(hashes) == sorted(re.findall(r"sha256:(\w+)", text))
    [root] = [each for each in bom["dependencies"] if each["ref"] == f"{name}@{__version__}"]
    assert len(root["dependsOn"]) == len(bom["components"])


def test_what_is_in_the_plugins_file_has_the_versions_that_are_tested() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements-kubectl.txt") <= pins("requirements-dev.txt")


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        pytest.param({"docker": 0, "buildah": 0}, "docker", id="both"),
        pytest.param({"docker": 1, "buildah": 0}, "buildah", id="docker without its daemon"),
        pytest.param({"docker": 1}, None, id="none that answers"),
        pytest.param({}, None, id="none"),
    ],
)
def test_the_image_is_built_by_what_is_there(
    installed: dict[str, int], taken: str | None, tmp_path: Path
) -> None:
    for name, code in installed.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)

    assert image.builder(str(tmp_path)) == (taken and str(tmp_path / taken))


def test_the_image_says_its_version_and_commit() -> None:
    words = image.command("/usr/bin/buildah", release.Source(ROOT), "here:1", "python@sha256:1")

    assert words[:4] == ["/usr/bin/buildah", "build", "--tag", "here:1"]
    assert words[-1] == str(ROOT)
    arguments = {words[at + 1] for at, word in enumerate(words) if word == "--build-arg"}
    assert {f"VERSION={__version__}", "PYTHON=python@sha256:1"} < arguments
    assert any(re.fullmatch(r"REVISION=([0-9a-f]{40}|unknown)", each) for each in arguments)


@pytest.mark.parametrize("name", release.COPIES)
def test_a_copy_of_the_version_that_says_something_else_stops_a_release(tmp_path: Path, name: str) -> None:
    for each in ["operator/moorcheh_operator/__init__.py", *release.COPIES]:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text((ROOT / each).read_text())
    release.Source(tmp_path).check()

    (tmp_path / name).write_text((tmp_path / name).read_text().replace(__version__, "9.9.9"))

    with pytest.raises(release.ReleaseError, match=r"9\.9\.9"):
        release.Source(tmp_path).check()
