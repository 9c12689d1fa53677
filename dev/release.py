"""A release: wheel, sdist, two YAML files, the chart, and their checksums. The same bytes each time.

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
from dataclasses import dataclass
from pathlib import Path

import click

from dev.controlplane import ControlPlaneError, prepare

ROOT = Path(__file__).parents[1]
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
        command = ["git", "-C", str(self.root), "log", "-1", "--format=%ct"]
        try:
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return EPOCH
        return asked.stdout.strip() or EPOCH


def build(root: Path, out: Path, kubectl: Path) -> list[Path]:
    """The files of a release of the tree at `root`, in the folder `out`, which is emptied before."""
    source = Source(root)
    source.check()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    _run([sys.executable, "-m", "hatchling", "build", "-d", str(out)], root, SOURCE_DATE_EPOCH=source.epoch())
    (out / ".gitignore").unlink(missing_ok=True)
    for name, folder, words in RENDERED:
        rendered = _run([str(kubectl), "kustomize", folder], root)
        header = f"# moorcheh-operator {source.version}: {words}\n"
        (out / name).write_text(header + rendered)
    package(root / CHART, out / f"moorcheh-operator-{source.version}.tgz", int(source.epoch()))
    files = sorted(out.iterdir())
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (out / "SHA256SUMS").write_text("".join(sums))
    return [*files, out / "SHA256SUMS"]


def package(chart: Path, out: Path, epoch: int) -> None:
    """As `helm package`, which puts the time of day into it: the files that links lead to, not the links."""
    with (
        out.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=epoch, fileobj=raw) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for file in sorted(each for each in chart.rglob("*") if each.is_file()):
            entry = tarfile.TarInfo(f"{chart.name}/{file.relative_to(chart)}")
            data = file.read_bytes()
            entry.size, entry.mtime, entry.mode = len(data), epoch, 0o644
            archive.addfile(entry, io.BytesIO(data))


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


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "dist", help="Default: dist")
def main(out: Path) -> None:
    """Build wheel, sdist, crds.yaml, install.yaml and the chart, reproducibly."""
    try:
        files = build(ROOT, out, prepare().kubectl)
    except (ReleaseError, ControlPlaneError) as error:
        raise click.ClickException(str(error)) from error
    for file in files:
        click.echo(f"{file.stat().st_size:>9}  {file}")


if __name__ == "__main__":
    main()
