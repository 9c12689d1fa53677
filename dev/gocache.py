"""Go programs of other projects: built once from their pinned module, found in the cache from then on."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from dev.cache import home
from dev.controlplane.progress import Progress
from dev.processes import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dev.golang import GoModule


def cached(
    module: GoModule,
    kind: str,
    name: str,
    sources: Sequence[Path] = (),
    *,
    environment: Mapping[str, str] = os.environ,
    progress: Progress | None = None,
) -> Path:
    """The one program that `module` makes. Raises `dev.golang.GoError`; several processes may ask at once.

    `kind` is the cache's folder; `sources` are those of our own that it is built from.
    """
    return _cached(module, kind, name, sources, environment, progress, _only)


def cached_folder(
    module: GoModule,
    kind: str,
    name: str,
    sources: Sequence[Path] = (),
    *,
    environment: Mapping[str, str] = os.environ,
    progress: Progress | None = None,
) -> Path:
    """The same for a module that makes several: the folder with them."""
    return _cached(module, kind, name, sources, environment, progress, lambda out: out)


def _cached(
    module: GoModule,
    kind: str,
    name: str,
    sources: Sequence[Path],
    environment: Mapping[str, str],
    progress: Progress | None,
    choose: Callable[[Path], Path],
) -> Path:
    cache = home(environment) / kind
    built = cache / f"{name}-{_fingerprint(module, sources)}"
    if built.exists():
        return built
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{module.folder.name}.lock").open("ab") as lock, progress or Progress() as shown:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if built.exists():  # another process has made it meanwhile
            return built
        for old in cache.glob(f"{name}-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        with scratch_folder(f".{module.folder.name}-", cache) as scratch:
            shutil.move(choose(module.build(scratch, environment, shown)), built)
    return built


def _only(out: Path) -> Path:
    [made] = out.iterdir()
    return made


def _fingerprint(module: GoModule, sources: Sequence[Path]) -> str:
    """Of everything that it is built from."""
    digest = hashlib.sha256()
    for file in [module.folder / "go.mod", module.folder / "go.sum", *sources]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
