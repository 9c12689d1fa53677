"""A real Kubernetes control plane on a laptop, for the tests and the demo."""

from dev.controlplane.assets import Assets, prepare, prepare_controller_manager
from dev.controlplane.controllers import ControllerManager
from dev.controlplane.errors import AssetsError, ControlPlaneError, KubectlError, StartError
from dev.controlplane.server import ControlPlane

__all__ = [
    "Assets",
    "AssetsError",
    "ControlPlane",
    "ControlPlaneError",
    "ControllerManager",
    "KubectlError",
    "StartError",
    "prepare",
    "prepare_controller_manager",
]
