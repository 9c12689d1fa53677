"""kube-apiserver, etcd and kubectl for this machine: found, downloaded or built, in that order.

And kube-controller-manager, for those who need it: no archive has it, and the demo does without.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cache import home
from dev.controlplane.building import CONTROLLER_MANAGER, SERVERS, build
from dev.controlplane.downloading import RELEASES, Release, download
from dev.controlplane.errors import AssetsError, UnusableError
from dev.controlplane.progress import Progress
from dev.controlplane.version import VERSION
from dev.processes import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OLDEST = (1, 31)
"""The first Kubernetes with selectableFields of CRDs on by default, which the operator's lists need."""

_VERSION_ARGUMENTS = {
    "kube-apiserver": ["--version"],
    "etcd": ["--version"],
    "kubectl": ["version", "--client"],
}
_CHECK_SECONDS = 60.0  # a first start from a cold disk, on a busy machine


@dataclass(frozen=True)
class Assets:
    folder: Path
    origin: str
    """Where they come from, in words."""
    version: str
    """The API server's, such as `v1.36.2`."""

    @property
    def apiserver(self) -> Path:
        return self.folder / "kube-apiserver"

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def kubectl(self) -> Path:
        return self.folder / "kubectl"


def target() -> str:
    """This machine as Go names it, such as `linux-amd64`."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def cache_folder(environment: Mapping[str, str]) -> Path:
    return home(environment) / "control-plane" / f"{VERSION}-{target()}"


def prepare(
    *,
    environment: Mapping[str, str] = os.environ,
    releases: Mapping[str, Release] = RELEASES,
    progress: Progress | None = None,
) -> Assets:
    """Find or make the three programs; AssetsError, with what may be done, where no way works.

    Any number of processes may ask at once: one makes them, the others wait for it.
    """
    if chosen := environment.get("KUBEBUILDER_ASSETS"):
        return _chosen(Path(chosen), progress)
    cache = cache_folder(environment)
    try:
        return _checked(cache, f"the cache, {cache}")
    except UnusableError:
        pass
    with progress or Progress() as shown, _lock(cache, shown):
        return _make(cache, environment, releases, shown)


def prepare_controller_manager(
    assets: Assets, *, environment: Mapping[str, str] = os.environ, progress: Progress | None = None
) -> Path:
    """Find or build kube-controller-manager for these programs; AssetsError, with the reason, without it."""
    [name] = CONTROLLER_MANAGER.packages
    chosen = environment.get("KUBEBUILDER_ASSETS")
    if chosen and (Path(chosen) / name).exists():
        try:
            return _running(Path(chosen) / name)
        except UnusableError as error:
            msg = f"KUBEBUILDER_ASSETS={chosen} can't be used: {error}."
            raise AssetsError(msg) from error
    if assets.version != VERSION:
        msg = (
            f"No {name} {assets.version} in {assets.folder}, "
            f"and the one that is built here is of Kubernetes {VERSION}."
        )
        raise AssetsError(msg)
    cache = cache_folder(environment)
    with suppress(UnusableError):
        return _running(cache / name)
    with progress or Progress() as shown, _lock(cache, shown):
        with suppress(UnusableError):
            return _running(cache / name)  # another process may have made it meanwhile
        with scratch_folder(f".{cache.name}-", cache.parent) as scratch:
            try:
                made = build(CONTROLLER_MANAGER, scratch, environment, shown)
                _running(made / name)
            except UnusableError as error:
                msg = (
                    f"No {name}, which can only be built: {error}. "
                    f"Put one into {assets.folder}, or see to access to Go modules, and to PyPI or Go 1.26."
                )
                raise AssetsError(msg) from error
            _move(made, cache)
    return cache / name


def _chosen(folder: Path, progress: Progress | None) -> Assets:
    """What the user points at is used or refused, never passed over in silence."""
    try:
        assets = _checked(folder, f"KUBEBUILDER_ASSETS, {folder}")
    except UnusableError as error:
        msg = f"KUBEBUILDER_ASSETS={folder} can't be used: {error}. Unset it to find or make others."
        raise AssetsError(msg) from error
    if assets.version != VERSION:
        line = (
            f"Note: KUBEBUILDER_ASSETS has Kubernetes {assets.version}; the tests are written on {VERSION}."
        )
        (progress or Progress(terminal=False)).say(line)
    return assets


def _make(
    cache: Path, environment: Mapping[str, str], releases: Mapping[str, Release], progress: Progress
) -> Assets:
    tried = []
    try:
        return _checked(cache, f"the cache, {cache}")  # another process may have made them meanwhile
    except UnusableError as error:
        tried.append(f"the cache: {error}")
    ways: dict[str, Callable[[Path], Path]] = {
        "downloaded": lambda folder: download(folder, releases.get(target()), progress),
        "built": lambda folder: build(SERVERS, folder, environment, progress),
    }
    for origin, way in ways.items():
        with scratch_folder(f".{cache.name}-", cache.parent) as scratch:
            try:
                made = way(scratch)
                _checked(made, origin)
            except UnusableError as error:
                progress.say(f"Not {origin}: {error}")
                tried.append(f"not {origin}: {error}")
                continue
            _move(made, cache)
        return _checked(cache, f"the cache, {origin} just now, {cache}")
    raise AssetsError(_no_way(cache, tried))


def _move(made: Path, cache: Path) -> None:
    """What else is in the cache stays; a program that runs is none the worse for being replaced."""
    cache.mkdir(exist_ok=True)
    for program in made.iterdir():
        program.replace(cache / program.name)


def _no_way(cache: Path, tried: list[str]) -> str:
    release = RELEASES.get(target())
    download_way = (
        f"download {release.url} with a browser, and unpack the three files into that folder"
        if release
        else f"(no download is known for {target()})"
    )
    return "\n".join(
        [
            f"No kube-apiserver, etcd and kubectl for {target()}. What was tried:",
            *(f"  - {one}" for one in tried),
            "Any one of these four ways gives them:",
            "  1. set KUBEBUILDER_ASSETS to a folder that has the three programs (setup-envtest makes one)",
            f"  2. put the three programs into {cache}",
            f"  3. {download_way}",
            "  4. see to access to Go modules, and to PyPI or Go 1.26 or newer; they are then built here",
        ]
    )


def _checked(folder: Path, origin: str) -> Assets:
    """All three there, running, and the API server new enough."""
    answers = {program: _answer(folder / program, *rest) for program, rest in _VERSION_ARGUMENTS.items()}
    version = re.search(r"v(\d+)\.(\d+)\.\S+", answers["kube-apiserver"])
    if version is None:
        msg = f"{folder / 'kube-apiserver'} doesn't tell its version: {answers['kube-apiserver'][:200]!r}"
        raise UnusableError(msg)
    if (int(version[1]), int(version[2])) < OLDEST:
        msg = f"kube-apiserver {version[0]} is older than 1.{OLDEST[1]}, which the operator needs"
        raise UnusableError(msg)
    return Assets(folder, origin, version[0])


def _running(program: Path) -> Path:
    _answer(program, "--version")
    return program


def _answer(program: Path, *arguments: str) -> str:
    if not os.access(program, os.X_OK):
        msg = f"no {program.name} in {program.parent}"
        raise UnusableError(msg)
    try:
        ran = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"{program} doesn't run here ({error})"
        raise UnusableError(msg) from error
    if ran.returncode != 0:
        msg = f"{program} doesn't run here (exit {ran.returncode}): {ran.stdout.strip()[-200:]}"
        raise UnusableError(msg)
    return ran.stdout


@contextmanager
def _lock(cache: Path, progress: Progress) -> Iterator[None]:
    cache.parent.mkdir(parents=True, exist_ok=True)
    with (cache.parent / f"{cache.name}.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("Another process is making the control plane's programs; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        for half_done in cache.parent.glob(f".{cache.name}-*"):
            shutil.rmtree(half_done, ignore_errors=True)
        yield
