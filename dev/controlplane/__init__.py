"""A real Kubernetes control plane on a laptop, for the tests and the demo."""

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
