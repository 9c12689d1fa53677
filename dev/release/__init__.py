"""A release: all that docs/releasing.md lists, and the checksums. The same bytes each time.

The version is said once, in moorcheh_operator/__init__.py. Where a file needs a copy of it, a release is
refused while the copy says something else.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.release.bom import bill
from dev.release.krew import manifest
from dev.release.plugin import REQUIREMENTS, plugin

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
CHART = "charts/moorcheh-operator"
COPIES = {
    "manifests/base/kustomization.yaml": r'newTag: "(.*)"',
    "Dockerfile": r"^ARG VERSION=(.*)$",
    f"{CHART}/Chart.yaml": r'^version: (.*)\nappVersion: "\1"$',  # one for both
}
RENDERED = (
    ("crds.yaml", "crds", "kubectl apply -f crds.yaml. With the CRD go all requests and receipts"),
    (
        "install.yaml",
        "manifests/base",
        """kubectl apply -f install.yaml, after crds.yaml and kubectl create namespace moorcheh-system
# Set the Deployment's MOORCHEH_BASE_URL to your server's address""",
    ),
)
EPOCH = "1764547200"
"""For the times in the archives where there is neither SOURCE_DATE_EPOCH nor a commit (an unpacked sdist)."""


class ReleaseError(Exception):
    """One sentence for the person who makes the release."""


@dataclass(frozen=True)
class Source:
    root: Path

    @property
    def version(self) -> str:
        text = (self.root / "operator" / "moorcheh_operator" / "__init__.py").read_text()
        return _only(r'^__version__ = "(.*)"$', text, "moorcheh_operator/__init__.py")

    def check(self) -> None:
        for name, pattern in COPIES.items():
            said = _only(pattern, (self.root / name).read_text(), name)
            if said != self.version:
                msg = f"{name} says version {said}, moorcheh_operator/__init__.py says {self.version}"
                raise ReleaseError(msg)

    def epoch(self) -> str:
        """When the newest commit was made: what a later checkout of it finds, too."""
        if given := os.environ.get("SOURCE_DATE_EPOCH"):
            return given
        return self._git("log", "-1", "--format=%ct") or EPOCH

    def revision(self) -> str:
        return self._git("rev-parse", "HEAD") or "unknown"

    def published(self, what: str) -> str:
        """An address of pyproject.toml."""
        with (self.root / "pyproject.toml").open("rb") as file:
            return str(tomllib.load(file)["tool"]["publishing"][what])

    def _git(self, *arguments: str) -> str:
        """Nothing where there is no git, or no history."""
        command = ["git", "-C", str(self.root), *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            return ""


def build(root: Path, out: Path, kubectl: Path) -> list[Path]:
    """The files of a release of the tree at `root`, in the folder `out`, which is emptied before."""
    source = Source(root)
    source.check()
    version, epoch = source.version, int(source.epoch())
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    _run([sys.executable, "-m", "hatchling", "build", "-d", str(out)], root, SOURCE_DATE_EPOCH=str(epoch))
    (out / ".gitignore").unlink(missing_ok=True)
    image = f"image: {source.published('image')}:{version}"
    for name, folder, words in RENDERED:
        rendered = _run([str(kubectl), "kustomize", folder], root)
        header = f"# moorcheh-operator {version}: {words}\n"
        (out / name).write_text(header + rendered.replace(f"image: moorcheh-operator:{version}", image))
    package(contents(root / CHART), out / f"moorcheh-operator-{version}.tgz", epoch)
    _plugin(source, out, epoch)
    for name, requirements in {
        "moorcheh-operator": "requirements.txt",
        "kubectl-moorcheh": REQUIREMENTS,
    }.items():
        (out / f"{name}-{version}.cdx.json").write_text(bill(name, version, root / requirements, epoch))
    made = sorted(out.iterdir())
    sums = [f"{_sha256(file)}  {file.name}\n" for file in made]
    (out / "SHA256SUMS").write_text("".join(sums))
    return [*made, out / "SHA256SUMS"]


def _plugin(source: Source, out: Path, epoch: int) -> None:
    """As a file to run, as krew wants it, and krew's manifest."""
    program = out / "kubectl-moorcheh"
    program.write_bytes(plugin(source.root, source.version, epoch))
    program.chmod(0o755)
    archive = out / f"kubectl-moorcheh-{source.version}.tar.gz"
    licence = (source.root / "LICENSE").read_bytes()
    package({"kubectl-moorcheh": program.read_bytes(), "LICENSE": licence}, archive, epoch)
    repository = source.published("repository")
    url = f"{repository}/releases/download/v{source.version}/{archive.name}"
    (out / "moorcheh.yaml").write_text(manifest(source.version, url, _sha256(archive), repository))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def contents(top: Path) -> dict[str, bytes]:
    """The files in it, under its name: what links lead to, not the links."""
    files = [file for file in top.rglob("*") if file.is_file()]
    return {f"{top.name}/{file.relative_to(top)}": file.read_bytes() for file in files}


def package(files: Mapping[str, bytes], out: Path, epoch: int) -> None:
    """An archive with no time of day in it. What is run is named kubectl-moorcheh."""
    with (
        out.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=epoch, fileobj=raw) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(files[name]), epoch
            entry.mode = 0o755 if name == "kubectl-moorcheh" else 0o644
            archive.addfile(entry, io.BytesIO(files[name]))


def _only(pattern: str, text: str, name: str) -> str:
    found = re.findall(pattern, text, re.MULTILINE)
    if len(found) != 1:
        msg = f"{name} says its version {len(found)} times"
        raise ReleaseError(msg)
    return str(found[0])


def _run(command: list[str], root: Path, **environment: str) -> str:
    ran = subprocess.run(
        command, cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        msg = f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr.strip()}"
        raise ReleaseError(msg)
    return ran.stdout
