"""The build: `go build` from the pinned go.mod beside this file. Some minutes, once a machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dev.controlplane.errors import UnusableError
from dev.controlplane.version import COMMIT, VERSION
from dev.golang import GoError, GoModule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.controlplane.progress import Progress

MODULE = Path(__file__).parent / "go"
PROGRAMS = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
}


def build(scratch: Path, environment: Mapping[str, str], progress: Progress) -> Path:
    """The folder with the three programs, inside `scratch`."""
    title = f"Building Kubernetes {VERSION}"
    note = (
        f"{title} and etcd from source: 4 to 8 minutes on two cores, once; later runs find it in the cache."
    )
    module = GoModule(MODULE, list(PROGRAMS.values()), title, note, _ldflags())
    try:
        out = module.build(scratch, environment, progress)
    except GoError as error:
        raise UnusableError(str(error)) from error
    (out / "server").rename(out / "etcd")
    return out


def _ldflags() -> str:
    major, minor, _ = VERSION.removeprefix("v").split(".")
    facts = {
        "gitVersion": VERSION,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": COMMIT,
        "gitTreeState": "clean",
    }
    places = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {place}.{key}={value}" for place in places for key, value in facts.items())]
    )
