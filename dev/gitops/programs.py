"""The programs: built once from their pinned go.mod, found in the cache from then on."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.gocache import cached
from dev.golang import GoModule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dev.controlplane.progress import Progress

HERE = Path(__file__).parent
_SECONDS = 60.0


@dataclass(frozen=True)
class Verdict:
    status: str
    """The tool's own word; `none` where it has no check for such an object."""
    message: str


@dataclass(frozen=True)
class Program:
    """One folder with a `main` package, in the module folder `module`."""

    module: str
    package: str
    what: str
    minutes: str
    """How long a first build takes on two cores, in words."""

    def judge(self, built: Path, objects: Iterable[Mapping[str, Any]], *arguments: object) -> list[Verdict]:
        """What it says of each object. `built`: from `prepare`; arguments that are no text go as JSON."""
        words = [each if isinstance(each, str) else json.dumps(each) for each in arguments]
        lines = "\n".join(json.dumps(each) for each in objects)
        ran = subprocess.run(
            [built, *words], input=lines, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if ran.returncode != 0:
            msg = f"{self.what}: exit {ran.returncode}\n{ran.stderr.strip()}"
            raise RuntimeError(msg)
        return [Verdict(**json.loads(line)) for line in ran.stdout.splitlines()]


KSTATUS = Program("flux", "kstatus", "kstatus", "a minute")
EXPRESSIONS = Program("flux", "expressions", "Flux's health check expressions", "2 to 3 minutes")
ARGOCD = Program("argocd", "health", "Argo CD's Lua engine", "4 to 6 minutes")


def prepare(
    program: Program, *, environment: Mapping[str, str] = os.environ, progress: Progress | None = None
) -> Path:
    """The program. Raises `dev.golang.GoError`; several processes may ask at once."""
    folder = HERE / program.module
    title = f"Building {program.what}"
    note = f"{title} from source: {program.minutes} on two cores, once; later runs find it in the cache."
    module = GoModule(folder, [f"./{program.package}"], title, note)
    name = f"{program.module}-{program.package}"
    sources = sorted((folder / program.package).glob("*.go"))
    return cached(module, "gitops", name, sources, environment=environment, progress=progress)
