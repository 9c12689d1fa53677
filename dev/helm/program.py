"""Helm, built once from its pinned go.mod."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.gocache import cached
from dev.golang import GoModule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.controlplane.progress import Progress

TITLE = "Building Helm"
MODULE = GoModule(
    Path(__file__).parent,
    ["helm.sh/helm/v4/cmd/helm"],
    TITLE,
    f"{TITLE} from source: 2 to 3 minutes on two cores, once; later runs find it in the cache.",
)
_SECONDS = 120.0


class HelmError(Exception):
    """What Helm said, and that it failed."""


@dataclass(frozen=True)
class Helm:
    program: Path
    home: Path
    """Its caches and settings; nobody's own are read."""
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str | os.PathLike[str]) -> str:
        """Its standard output. Raises `HelmError`."""
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))},
            "HELM_CACHE_HOME": str(self.home / "cache"),
            "HELM_CONFIG_HOME": str(self.home / "config"),
            "HELM_DATA_HOME": str(self.home / "data"),
            "KUBECONFIG": str(self.kubeconfig or self.home / "none"),
        }
        ran = subprocess.run(
            [self.program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if ran.returncode != 0:
            raise HelmError(f"{ran.stderr.strip()}\n{ran.stdout.strip()}")
        return ran.stdout


def prepare(*, environment: Mapping[str, str] = os.environ, progress: Progress | None = None) -> Path:
    """The program. Raises `dev.golang.GoError`; several processes may ask at once."""
    return cached(MODULE, "helm", "helm", environment=environment, progress=progress)
