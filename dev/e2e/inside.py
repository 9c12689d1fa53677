"""Inside the sandbox: mounts of its own, so that the machine stays as it is; a network without an outside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dev.e2e.errors import E2EError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dev.e2e.network import Network

SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet sets for the whole machine. It gets files that say so already."""


def call(*command: str | os.PathLike[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise E2EError(f"{' '.join(map(str, command))}: {ran.stderr.strip()}")
    return ran.stdout


def make_mounts(folder: Path) -> None:
    """/etc and /var as they are, with changes kept in `folder`; an empty /run."""
    resolver = Path("/etc/resolv.conf")
    names = resolver.read_text() if resolver.exists() else ""
    for top in ("etc", "var"):
        upper, work = folder / f"{top}-upper", folder / f"{top}-work"
        upper.mkdir()
        work.mkdir()
        options = f"lowerdir=/{top},upperdir={upper},workdir={work}"
        call("mount", "-t", "overlay", "-o", options, "overlay", f"/{top}")
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    resolver.unlink(missing_ok=True)  # often a link into /run
    resolver.write_text(names)
    said = folder / "sysctls"
    for name, value in SYSCTLS.items():
        if (place := Path("/proc/sys") / name).exists():
            file = said / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{value}\n")
            call("mount", "--bind", file, place)


def make_network(network: Network, names: Sequence[str]) -> None:
    """`names` are the node, too, for the programs that run on it."""
    with Path("/etc/hosts").open("a") as hosts:
        hosts.write(f"{network.node} {' '.join(names)}\n")
    call("ip", "link", "set", "lo", "up")
    sysctl = Path("/proc/sys/net")
    (sysctl / "ipv4/ip_forward").write_text("1")
    if (sysctl / "ipv6").exists():
        (sysctl / "ipv6/conf/all/forwarding").write_text("1")
        (sysctl / "ipv6/conf/default/accept_dad").write_text("0")  # an address can be used at once
    call("ip", "link", "add", "node0", "type", "bridge")
    call("ip", "address", "add", f"{network.node}/{network.prefix}", "dev", "node0", *_at_once(network))
    call("ip", "link", "set", "node0", "up")
    # So that the node reaches the addresses of Services: kube-proxy's rules come after the routing.
    call("ip", "route", "add", network.everywhere, "dev", "node0")


def _at_once(network: Network) -> list[str]:
    return ["nodad"] if ":" in network.node else []
