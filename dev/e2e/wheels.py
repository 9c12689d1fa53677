"""Whether the image can be built for arm64: each pinned requirement has a wheel for its Python there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from dev.e2e.errors import E2EError

ROOT = Path(__file__).parents[2]
PINNED = ("requirements.txt", "requirements-build.txt")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
"""Of both kinds: some projects name the one, some the other."""
_SECONDS = 300.0


def resolve(requirements: Path, python: str) -> int:
    """How many there are; E2EError with pip's words if one has no wheel for arm64, or another hash."""
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    with tempfile.TemporaryDirectory() as nowhere:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps"]
        command += [*platforms, f"--python-version={python}", "--only-binary=:all:", "--require-hashes"]
        command += [f"--target={nowhere}", "--disable-pip-version-check", "-r", str(requirements)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if ran.returncode != 0:
        raise E2EError(f"{requirements.name}: {ran.stderr.strip()[-1000:]}")
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("Would install ")]
    return len(line.split()) - 2
