"""What runs inside the sandbox: a node, and on it everything that is claimed of the operator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dev.controlplane import ControlPlaneError
from dev.e2e import claims_deleting, claims_differences, claims_install, images, inside
from dev.e2e.errors import E2EError
from dev.e2e.network import NETWORKS
from dev.e2e.node import Node
from dev.e2e.place import Place
from dev.e2e.programs import prepare_programs
from dev.e2e.results import Report, Row
from dev.e2e.sandbox import HOST_NETWORK, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CLAIMS: dict[str, Sequence[Callable[[Place], None]]] = {
    "IPv4": (
        claims_install.tried,
        claims_install.metrics,
        claims_deleting.restarted,
        claims_deleting.force_deleted,
        claims_deleting.stopped_in_flight,
        claims_deleting.idle_stop,
        claims_deleting.killed_in_flight,
        claims_deleting.failed_over,
        claims_deleting.drained,
        claims_deleting.misconfigured,
        claims_differences.random_user,
        claims_differences.quota,
        claims_differences.private_registry,
        claims_deleting.memory,
        claims_install.uninstalled,
        claims_differences.helm,
    ),
    "IPv6": (claims_install.tried, claims_install.metrics, claims_deleting.restarted),
}
"""For each kind of node, after the installation. Each leaves the operator as the README installs it."""


def run_stage(name: str, folder: Path, cache: Path, cgroup: str, only: Sequence[str] = ()) -> None:
    """Raises `E2EError` where nothing more can be tried; all else is a row of the report."""
    network = NETWORKS[name]
    report = Report(folder / "report")
    mine = folder / name
    mine.mkdir()
    with report.claim(f"mounts and an {name} network of its own can be made", vital=True):
        inside.make_mounts(mine)
        inside.make_network(network, list(images.PORTS))
    buildah = images.Buildah(folder / "buildah")
    buildah.set_up(int(os.environ[HOST_NETWORK]))
    programs = prepare_programs()
    with Node(mine, network, programs, cgroup, folder / "registry") as node:
        place = Place(mine, node, report, buildah)
        place.set_up()
        if not node.has_image("moorcheh-operator"):
            with report.claim("the base image is there", vital=True) as seen:
                seen.append(buildah.base(images.base_of((ROOT / "Dockerfile").read_text()), cache))
            claims_install.built(place)
            buildah.pause(programs.node / "pause")
        with report.claim(f"a node is Ready, {network.name} only", vital=True) as seen:
            node.start()
            seen.append(" ".join(node.kubectl("get", "node", "--no-headers", "-o", "wide").split()))
        claims_install.installed(place)
        for claim in CLAIMS[name]:
            if only and claim.__name__ not in only:
                continue
            try:
                claim(place)
            except (E2EError, ControlPlaneError) as error:
                report.add(Row(f"after {claim.__name__} all is as before", held=False, seen=str(error)))
