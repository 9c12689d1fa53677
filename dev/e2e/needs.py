"""What the machine must have. Debian's packages are installed after a question, nothing silently."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dev.e2e.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = {
    "buildah": "buildah",
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "docker-registry": "docker-registry",
    "dnsmasq": "dnsmasq-base",
    "debootstrap": "debootstrap",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
}
"""Debian's package for each program."""

SYSTEM = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{os.environ.get('PATH', '')}"
"""sbin is not in everybody's PATH."""


def missing_packages(
    find: Callable[[str], str | None] = lambda name: shutil.which(name, path=SYSTEM),
) -> list[str]:
    return sorted({package for program, package in PACKAGES.items() if find(program) is None})


def missing_rights(*, system: str, user: int, cgroups: bool, ipv6: bool) -> list[str]:
    """What no package brings."""
    return [
        words
        for there, words in (
            (system == "linux", "Linux: a kubelet runs nowhere else"),
            (user == 0, "root: `sudo make e2e` (namespaces, mounts and cgroups are made, and removed)"),
            (cgroups, "a writable /sys/fs/cgroup"),
            (ipv6, "a kernel with IPv6 (`python -m dev.e2e --stage IPv4` does without)"),
        )
        if not there
    ]


def ensure(*, yes: bool, ipv6: bool) -> None:
    """Raises `MissingError` where something is missing and is not to be installed."""
    rights = missing_rights(
        system=sys.platform,
        user=os.getuid(),
        cgroups=os.access("/sys/fs/cgroup", os.W_OK),
        ipv6=not ipv6 or Path("/proc/sys/net/ipv6").exists(),
    )
    if rights:
        raise MissingError("`make e2e` needs\n" + "\n".join(f"  - {words}" for words in rights))
    if not (packages := missing_packages()):
        return
    command = ["apt-get", "install", "--no-install-recommends", "--yes", *packages]
    words = f"`make e2e` needs Debian's packages {', '.join(packages)}:\n  {' '.join(command)}"
    if shutil.which("apt-get") is None:
        raise MissingError(
            f"{words}\nThere is no apt-get here: install what has these programs by other means."
        )
    if not yes:
        if not sys.stdin.isatty():
            raise MissingError(f"{words}\nRun that, or `make e2e YES=1`, which does.")
        click.echo(words, err=True)
        if not click.confirm("Install them now?", err=True):
            raise MissingError("Nothing was installed.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    click.echo(f"Running {' '.join(command)}", err=True)
    if subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode != 0:
        raise MissingError("apt-get failed; `apt-get update` may help.")
    if left := missing_packages():
        raise MissingError(f"Still missing after apt-get: {', '.join(left)}")


def overlay_works_in(folder: Path) -> bool:
    """Containers' file systems, and the private /etc and /var, are overlays with a layer in there."""
    for name in ("lower", "upper", "work", "there"):
        (folder / "overlay" / name).mkdir(parents=True)
    base = folder / "overlay"
    options = f"lowerdir={base / 'lower'},upperdir={base / 'upper'},workdir={base / 'work'}"
    command = ["unshare", "--mount", "mount", "-t", "overlay", "-o", options, "overlay", str(base / "there")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
