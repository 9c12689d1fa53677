"""Kubernetes' own programs for a node: built once from the pinned go.mod in go/, then in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dev.controlplane import Assets, prepare, prepare_controller_manager
from dev.controlplane.building import ldflags
from dev.controlplane.version import COMMIT, VERSION
from dev.e2e.errors import E2EError
from dev.gocache import cached_folder
from dev.golang import GoError, GoModule

MODULE = Path(__file__).parent / "go"
TITLE = f"Building kubelet, kube-scheduler and kube-proxy {VERSION}"
NODE = GoModule(
    MODULE,
    [
        "k8s.io/kubernetes/cmd/kubelet",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kube-proxy",
        "./pause",
    ],
    TITLE,
    f"{TITLE} from source: 2 to 8 minutes on two cores, once; later runs find them in the cache.",
    ldflags(VERSION, COMMIT),
)


@dataclass(frozen=True)
class Programs:
    assets: Assets
    controller_manager: Path
    node: Path
    """The folder with kubelet, kube-scheduler, kube-proxy and pause."""


def prepare_programs() -> Programs:
    assets = prepare()
    if assets.version != VERSION:
        raise E2EError(
            f"KUBEBUILDER_ASSETS has {assets.version}; the node's programs are of {VERSION}. Unset it."
        )
    try:
        node = cached_folder(NODE, "e2e", "node", [MODULE / "pause" / "main.go"])
    except GoError as error:
        raise E2EError(str(error)) from error
    return Programs(assets, prepare_controller_manager(assets), node)
