"""The build: `go build` from the pinned go.mod beside this file. Some minutes, once a machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dev.controlplane.errors import UnusableError
from dev.controlplane.version import COMMIT, VERSION
from dev.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dev.controlplane.progress import Progress

MODULE = Path(__file__).parent / "go"
PROGRAMS = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
}
_LOOK_SECONDS = 0.2


def build(scratch: Path, environment: Mapping[str, str], progress: Progress) -> Path:
    """The folder with the three programs, inside `scratch`."""
    if (go := shutil.which("go", path=environment.get("PATH"))) is None:
        msg = "no `go` in PATH"
        raise UnusableError(msg)
    (scratch / "tmp").mkdir()
    # GOTMPDIR: what an interrupted build leaves goes with the scratch folder.
    # GOWORK, GOFLAGS: the user's own must not get in.
    variables = {
        **environment,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GOTMPDIR": str(scratch / "tmp"),
    }
    log = scratch / "go.log"

    modules = sum(1 for line in (MODULE / "go.sum").read_text().splitlines() if "/go.mod" not in line)
    task = "Downloading Go modules"
    progress.begin(task, total=modules)

    def downloaded(lines: list[str]) -> None:
        done = sum(1 for line in lines if line.startswith("go: downloading "))
        progress.update(task, done, total=modules, unit="modules at most")

    lines = _run([go, "list", "-deps", *PROGRAMS.values()], variables, log, downloaded)
    packages = sum(1 for line in lines if not line.startswith("go: "))

    title = f"Building Kubernetes {VERSION}"
    progress.say(
        f"{title} and etcd from source: 4 to 8 minutes on two cores, once; later runs find it in the cache."
    )
    progress.begin(title, total=packages)

    def built(lines: list[str]) -> None:
        progress.update(title, len(lines), total=packages, unit="packages")

    log.unlink()
    out = scratch / "out"
    out.mkdir()
    command = [go, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", _ldflags(), "-o", f"{out}/"]
    _run([*command, *PROGRAMS.values()], variables, log, built)
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


def _run(
    command: list[str], environment: Mapping[str, str], log: Path, show: Callable[[list[str]], None]
) -> list[str]:
    """Run go in the module to its end, telling `show` its lines so far. Its lines, or UnusableError."""
    with Process(command, output=log, env=environment, cwd=MODULE, name="go") as go:
        while go.running:
            show(log.read_text(errors="replace").splitlines())
            time.sleep(_LOOK_SECONDS)
    lines = log.read_text(errors="replace").splitlines()
    if go.returncode != 0:
        told = [line for line in lines if not line.startswith("go: downloading ")][-8:]
        msg = f"`go {command[1]}` failed (exit {go.returncode}):\n" + _without_hosts(
            "\n".join(told), environment
        )
        raise UnusableError(msg)
    return lines


def _without_hosts(text: str, environment: Mapping[str, str]) -> str:
    """A module proxy's address may be private, with a password in it; logs of tests get about."""
    asked = subprocess.run(
        ["go", "env", "GOPROXY", "GOSUMDB"], env=environment, capture_output=True, text=True, check=False
    )
    for host in re.findall(r"(?:https?://)?([^\s,|/]+\.[^\s,|/]+)", asked.stdout):
        text = text.replace(host, "<module proxy>")
        text = text.replace(host.rpartition("@")[2].partition(":")[0], "<module proxy>")
    return text
