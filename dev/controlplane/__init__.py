"""A real Kubernetes control plane on a laptop, for tests and the demo: see docs in `ControlPlane`."""

from dev.controlplane.assets import Assets, prepare
from dev.controlplane.errors import AssetsError, ControlPlaneError, KubectlError, StartError
from dev.controlplane.server import ControlPlane

__all__ = [
    "Assets",
    "AssetsError",
    "ControlPlane",
    "ControlPlaneError",
    "KubectlError",
    "StartError",
    "prepare",
]
