"""The plugin as one file that Python runs as it is.

With its code, what it requires, and msgspec's extension module for each Python and machine. Tools that make
such files make one for each of them (shiv), or start a second Python at each call (pex).
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cache import home
from dev.processes import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REQUIREMENTS = "requirements-kubectl.txt"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = {
    "linux-x86_64": ("x86_64-manylinux2014", "x86_64-unknown-linux-musl"),
    "linux-aarch64": ("aarch64-manylinux2014", "aarch64-unknown-linux-musl"),
    "darwin-x86_64": ("x86_64-apple-darwin",),
    "darwin-arm64": ("aarch64-apple-darwin",),
}
"""As Python names a machine, and as uv does."""

OURS = (
    "moorcheh_kubectl",
    "moorcheh_operator/__init__.py",
    "moorcheh_operator/clock.py",
    "moorcheh_operator/api",
)
START = Path(__file__).with_name("start_plugin.py")
SHEBANG = b"#!/usr/bin/env python3\n"
LEFT_OUT = {"bin", "RECORD", "INSTALLER", "REQUESTED", ".lock", "__pycache__"}
"""What an installation writes down about itself."""


class PluginError(Exception):
    """What is required can't be had; the words are the message."""


def plugin(root: Path, version: str, epoch: int, environment: Mapping[str, str] = os.environ) -> bytes:
    """The file's bytes. Raises `PluginError`."""
    required = _required(root / REQUIREMENTS, environment)
    operator = root / "operator"
    ours = {
        str(file.relative_to(operator)): file.read_bytes()
        for name in OURS
        for file in _files(operator / name)
    }
    pure = {str(file.relative_to(required / "site")): file.read_bytes() for file in _files(required / "site")}
    site = zipped({**pure, **ours, "moorcheh_kubectl/LICENSE": (root / "LICENSE").read_bytes()}, epoch)
    native = {str(file.relative_to(required)): file.read_bytes() for file in _files(required / "native")}
    digest = hashlib.sha256(site + b"".join(native[name] for name in sorted(native))).hexdigest()[:12]
    start = START.read_text().replace("@RELEASE@", f"{version}-{digest}").encode()
    return SHEBANG + zipped({"__main__.py": start, "site.zip": site, **native}, epoch)


def zipped(files: Mapping[str, bytes], epoch: int) -> bytes:
    """The same bytes each time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, time.gmtime(epoch)[:6])
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix
            packed = zipfile.ZIP_STORED if name.endswith(".zip") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name], packed, 9)
    return out.getvalue()


def _files(place: Path) -> Iterable[Path]:
    if place.is_file():
        return [place]
    return [file for file in sorted(place.rglob("*")) if file.is_file() and not LEFT_OUT & set(file.parts)]


def _required(requirements: Path, environment: Mapping[str, str]) -> Path:
    """Installed once, from PyPI: what is the same everywhere in `site`, the extension modules in `native`."""
    cache = home(environment) / "plugin"
    wanted = repr((requirements.read_text(), PYTHONS, MACHINES))
    folder = cache / hashlib.sha256(wanted.encode()).hexdigest()[:12]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with scratch_folder(".install-", cache) as scratch:
                _install(requirements, scratch, environment)
                (scratch / "out").rename(folder)
    return folder


def _install(requirements: Path, scratch: Path, environment: Mapping[str, str]) -> None:
    out = scratch / "out"
    out.mkdir()
    for machine, platforms in MACHINES.items():
        (out / "native" / machine).mkdir(parents=True)
        for python, platform in ((python, platform) for platform in platforms for python in PYTHONS):
            target = scratch / f"{python}-{platform}"
            command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(target)]
            command += ["--python-platform", platform, "--python-version", python, "--only-binary", ":all:"]
            command += ["--no-deps", "--require-hashes", "-r", str(requirements)]
            ran = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                raise PluginError(
                    f"{requirements.name}, for Python {python} on {platform}:\n{ran.stderr.strip()}"
                )
            [module] = (target / "msgspec").glob("_core.*.so")
            module.rename(out / "native" / machine / module.name)
            if not (out / "site").exists():
                for extension in target.rglob("*.so"):  # PyYAML's, which it can do without
                    extension.unlink()
                target.rename(out / "site")
