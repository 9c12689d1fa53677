"""The operators that are compared. Each is a command that finds its servers in the environment."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cache import home
from dev.golang import GoModule
from dev.processes import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dev.controlplane.progress import Progress

HERE = Path(__file__).parent

OURS = "ours"
KOPF = "kopf"
GO = "go"
OTHER = "other"


@dataclass(frozen=True)
class Peer:
    key: str
    title: str
    command: tuple[str, ...]
    knows_ends: bool = True
    """It leaves a request alone whose status says that it has ended, even if another operator wrote that."""

    def environment(self, kubeconfig: Path, moorcheh_url: str) -> dict[str, str]:
        """Nothing of the caller's own cluster gets in."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("KUBERNETES_")}
        return {**inherited, "KUBECONFIG": str(kubeconfig), "MOORCHEH_BASE_URL": moorcheh_url}


def ours(_: Progress) -> Peer:
    command = [sys.executable, "-m", "moorcheh_operator", "run", "--moorcheh-max-running-jobs", "0"]
    here = ["--leader-election", "off", "--http-address", "127.0.0.1:0"]
    return Peer(OURS, "this operator", (*command, *here))


def kopf_handler(_: Progress) -> Peer:
    handler = str(HERE / "kopf_handler.py")
    command = (sys.executable, "-m", "kopf", "run", "--all-namespaces", "--standalone", handler)
    # It tells by an annotation of its own what it has handled.
    return Peer(KOPF, "usual kopf handler", command, knows_ends=False)


def controller_runtime(progress: Progress) -> Peer:
    return Peer(GO, "controller-runtime, Go", (str(_built(progress)),))


def other(command: str) -> Peer:
    """ValueError if the command's quotes don't match."""
    return Peer(OTHER, command, tuple(shlex.split(command)))


PEERS: Mapping[str, Callable[[Progress], Peer]] = {OURS: ours, KOPF: kopf_handler, GO: controller_runtime}


def _built(progress: Progress) -> Path:
    """From the pinned go.mod, or the cache. Raises `dev.golang.GoError`."""
    module = HERE / "controller_runtime"
    cache = home(os.environ) / "benchmarks"
    digest = hashlib.sha256()
    for file in (module / "go.mod", module / "go.sum", *sorted(module.glob("*.go"))):
        digest.update(file.read_bytes())
    built = cache / f"controller-runtime-{digest.hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            for old in cache.glob("controller-runtime-*"):
                old.unlink()
            title = "Building the controller-runtime operator"
            note = f"{title} from source: 1 to 3 minutes on two cores, once; later runs find it in the cache."
            with scratch_folder(".build-", cache) as scratch:
                [made] = GoModule(module, ["."], title, note).build(scratch, os.environ, progress).iterdir()
                shutil.move(made, built)
    return built
