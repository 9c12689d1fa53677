"""The build: `go build` from the pinned go.mod beside this file. Some minutes, once a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.controlplane.errors import UnusableError
from dev.controlplane.version import COMMIT, VERSION
from dev.golang import GoError, GoModule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.controlplane.progress import Progress

MODULE = Path(__file__).parent / "go"


@dataclass(frozen=True)
class Build:
    """What is built at once."""

    what: str
    minutes: str
    """How long it takes on two cores, in words."""
    packages: Mapping[str, str]
    """By the program's name."""


SERVERS = Build(
    f"Kubernetes {VERSION} and etcd",
    "4 to 8 minutes",
    {
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        "etcd": "go.etcd.io/etcd/server/v3",
    },
)
CONTROLLER_MANAGER = Build(
    f"kube-controller-manager {VERSION}",
    "1 to 2 minutes after a build of the others, else 4 to 8",
    {"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager"},
)


def build(wanted: Build, scratch: Path, environment: Mapping[str, str], progress: Progress) -> Path:
    """The folder with the programs, inside `scratch`."""
    title = f"Building {wanted.what}"
    note = f"{title} from source: {wanted.minutes} on two cores, once; later runs find it in the cache."
    module = GoModule(MODULE, list(wanted.packages.values()), title, note, ldflags(VERSION, COMMIT))
    try:
        out = module.build(scratch, environment, progress)
    except GoError as error:
        raise UnusableError(str(error)) from error
    for program, package in wanted.packages.items():
        (out / _binary(package)).rename(out / program)
    return out


def _binary(package: str) -> str:
    """As `go build` names it: without the major version."""
    return re.sub(r"/v\d+$", "", package).rpartition("/")[2]


def ldflags(version: str, commit: str = "") -> str:
    major, minor, _ = version.removeprefix("v").split(".", 2)
    facts = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": commit,
        "gitTreeState": "clean",
    }
    places = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {place}.{key}={value}" for place in places for key, value in facts.items())]
    )
