"""`go build` of a pinned module, its progress told: for the control plane, and for other tools' own code."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev import gotoolchain
from dev.gotoolchain import GoError, NoGoError
from dev.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dev.controlplane.progress import Progress

__all__ = ["GoError", "GoModule", "NoGoError", "without_hosts"]

_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class GoModule:
    folder: Path
    """With its go.mod and go.sum, which nothing here changes."""
    packages: Sequence[str]
    title: str
    """For the progress, such as `Building Kubernetes v1.36.2`."""
    note: str
    """A line that stays: what is built, and how long it takes."""
    ldflags: str = "-s -w"

    def build(self, scratch: Path, environment: Mapping[str, str], progress: Progress) -> Path:
        """The folder with the programs, inside `scratch`. Raises `GoError`."""
        found = gotoolchain.find(environment, progress)
        go = str(found.program)
        (scratch / "tmp").mkdir()
        # GOTMPDIR: what an interrupted build leaves goes with the scratch folder.
        # GOWORK, GOFLAGS: the user's own must not get in.
        variables = {
            **environment,
            **found.variables,
            "CGO_ENABLED": "0",
            "GOFLAGS": f"-mod=readonly {found.flags}",
            "GOWORK": "off",
            "GOTMPDIR": str(scratch / "tmp"),
        }
        log = scratch / "go.log"

        sums = (self.folder / "go.sum").read_text().splitlines()
        modules = sum(1 for line in sums if "/go.mod" not in line)
        task = "Downloading Go modules"
        progress.begin(task, total=modules)

        def downloaded(lines: list[str]) -> None:
            done = sum(1 for line in lines if line.startswith("go: downloading "))
            progress.update(task, done, total=modules, unit="modules at most")

        lines = self._run([go, "list", "-deps", *self.packages], variables, log, downloaded)
        packages = sum(1 for line in lines if not line.startswith("go: "))

        progress.say(self.note)
        progress.begin(self.title, total=packages)

        def built(lines: list[str]) -> None:
            progress.update(self.title, len(lines), total=packages, unit="packages")

        log.unlink()
        out = scratch / "out"
        out.mkdir()
        command = [go, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", self.ldflags]
        self._run([*command, "-o", f"{out}/", *self.packages], variables, log, built)
        return out

    def _run(
        self, command: list[str], environment: Mapping[str, str], log: Path, show: Callable[[list[str]], None]
    ) -> list[str]:
        """Run go in the module to its end, telling `show` its lines so far. Its lines, or GoError."""
        with Process(command, output=log, env=environment, cwd=self.folder, name="go") as go:
            while go.running:
                show(log.read_text(errors="replace").splitlines())
                time.sleep(_LOOK_SECONDS)
        lines = log.read_text(errors="replace").splitlines()
        if go.returncode != 0:
            told = [line for line in lines if not line.startswith("go: downloading ")][-8:]
            msg = f"`go {command[1]}` failed (exit {go.returncode}):\n" + without_hosts(
                "\n".join(told), command[0], environment
            )
            raise GoError(msg)
        return lines


def without_hosts(text: str, go: str, environment: Mapping[str, str]) -> str:
    """A module proxy's address may be private, with a password in it; logs of tests get about."""
    asked = subprocess.run(
        [go, "env", "GOPROXY", "GOSUMDB"], env=environment, capture_output=True, text=True, check=False
    )
    for host in re.findall(r"(?:https?://)?([^\s,|/]+\.[^\s,|/]+)", asked.stdout):
        text = text.replace(host, "<module proxy>")
        text = text.replace(host.rpartition("@")[2].partition(":")[0], "<module proxy>")
    return text
