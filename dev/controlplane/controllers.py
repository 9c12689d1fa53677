"""Kubernetes' own controllers at work on a control plane: the real kube-controller-manager."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from dev.controlplane.identities import CONTROLLER_MANAGER
from dev.controlplane.readiness import get, opener, wait_until_up
from dev.processes import Process, free_port

if TYPE_CHECKING:
    import urllib.request
    from collections.abc import Sequence
    from pathlib import Path

    from dev.controlplane.server import ControlPlane

LOG = "kube-controller-manager.log"
"""In the control plane's folder."""

CONTROLLERS = (
    "namespace-controller",  # ends what is in a terminating namespace, Pods first
    "clusterrole-aggregation-controller",  # fills `view`, `edit` and `admin`
    "garbage-collector-controller",  # what an owner leaves behind
    "deployment-controller",  # so that what the manifests install owns something: ReplicaSets,
    "replicaset-controller",  # and Pods, which the namespace's Pod security admits or refuses
    "validatingadmissionpolicy-status-controller",  # finds wrong types in a policy's expressions
)
"""Those whose work the operator, its manifests or its promises rely on.

Left out on purpose: pod-garbage-collector would remove a Pod of a node that isn't there, and tests hold a
namespace by one, as a kubelet would. serviceaccount makes a `default` in each namespace, which nobody needs
while ServiceAccount admission is off. All the others look after nodes, volumes and workloads of others.
"""


class ControllerManager:
    """A context manager. Its controllers work when `with` is entered; the control plane outlives it."""

    def __init__(
        self,
        plane: ControlPlane,
        program: Path,
        *,
        controllers: Sequence[str] = CONTROLLERS,
        flags: Sequence[str] = (),
    ) -> None:
        """`program`: from `prepare_controller_manager`."""
        self._plane = plane
        self._program = program
        self._controllers = controllers
        self._flags = flags
        self._port = free_port()
        self.process: Process

    def __enter__(self) -> Self:
        data = self._plane.data
        self.process = Process(
            [
                self._program,
                f"--kubeconfig={self._plane.kubeconfig_for(CONTROLLER_MANAGER)}",
                "--use-service-account-credentials",  # each with its own rights, as in a cluster
                f"--controllers={','.join(self._controllers)}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._port}",
                f"--cert-dir={data / 'controller-manager'}",
                *self._flags,
            ],
            output=data / LOG,
        )
        try:
            wait_until_up(self.process, self._works)
        except BaseException:
            self.process.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def _works(self) -> bool:
        """It answers before it has started any."""
        told = get(self._https, f"https://127.0.0.1:{self._port}/healthz?verbose")
        return all(f"[+]{controller} ok" in told for controller in self._controllers)

    @cached_property
    def _https(self) -> urllib.request.OpenerDirector:
        return opener(self._plane.data / "controller-manager" / "kube-controller-manager.crt")
