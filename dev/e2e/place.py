"""The cluster as its user sees it: a folder beside the checkout, kubectl, and a Moorcheh server."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dev.controlplane import KubectlError
from dev.e2e import document
from dev.e2e.errors import E2EError
from dev.e2e.inside import call
from dev.e2e.needs import SYSTEM
from dev.e2e.node import run, wait
from dev.moorcheh.standin import StandIn
from dev.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dev.e2e.images import Buildah
    from dev.e2e.node import Node
    from dev.e2e.results import Report

ROOT = Path(__file__).parents[2]
NAMESPACE = "moorcheh-system"
DEPLOYMENT = "deployment/moorcheh-operator"
SELECTOR = "app.kubernetes.io/name=moorcheh-operator"
CHECKOUT = "moorcheh-operator"
"""The checkout's folder, as the README names it."""


class Place:
    def __init__(self, folder: Path, node: Node, report: Report, buildah: Buildah) -> None:
        self.node = node
        self.report = report
        self.folder = folder / "place"
        self.checkout = self.folder / CHECKOUT
        self.readme = (ROOT / "README.md").read_text()
        self.guide = (ROOT / "docs" / "install.md").read_text()
        self.moorcheh = StandIn(folder / "moorcheh", host=node.network.node, port=8080, job_seconds=0.2)
        self._buildah = buildah

    def set_up(self) -> None:
        self.checkout.mkdir(parents=True)
        call("mount", "--bind", ROOT, self.checkout)
        call("mount", "-o", "remount,bind,ro", self.checkout)  # nothing here changes the checkout
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "kubectl").symlink_to(self.node.plane.assets.kubectl)
        self.moorcheh.start()
        self.node.kubectl("create", "namespace", "my-namespace")
        self.node.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(self._moorcheh_service()))

    def sh(self, command: str, *, checkout: bool = False, seconds: float = 300.0) -> str:
        """A command of a document, where it is meant to be typed."""
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("KUBE")},
            "PATH": f"{self.folder / 'bin'}:{self._buildah.docker}:{SYSTEM}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "KUBECONFIG": str(self.node.plane.kubeconfig),
        }
        print(f"        $ {command}", flush=True)
        return run(command, self.checkout if checkout else self.folder, environment, seconds)

    @property
    def kustomization(self) -> dict[str, Any]:
        """The README's own, to make variants of."""
        [text] = document.yaml_blocks(document.section(self.readme, "Install it into a cluster"))
        return dict(yaml.safe_load(text))

    def variant(self, name: str, *, patches: Sequence[object] = (), **changes: object) -> Path:
        """The README's kustomization with these fields; `patches` are added to its own."""
        wanted = self.kustomization
        wanted |= {**changes, "patches": [*wanted["patches"], *patches]}
        wanted["resources"] = [f"../{each}" for each in wanted["resources"]]
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
        return folder

    def apply(self, folder: Path, namespace: str = NAMESPACE, *, seconds: int = 90) -> None:
        """And the operator runs, in this way, on return."""
        self.node.kubectl("apply", "-k", str(folder))
        self.rolled_out(namespace, seconds=seconds)

    def rolled_out(self, namespace: str = NAMESPACE, *, seconds: int = 90) -> None:
        try:
            self.node.kubectl("rollout", "status", "-n", namespace, DEPLOYMENT, f"--timeout={seconds}s")
        except KubectlError as error:
            raise E2EError(f"{error}\n{self.told(namespace)}") from error

    def told(self, namespace: str = NAMESPACE) -> str:
        """What Kubernetes and the operator say of Pods that do not run."""
        words = ["get", "events", "-n", namespace, "--field-selector=type!=Normal", "--no-headers"]
        events = self.node.kubectl(*words).splitlines()[-4:]
        with suppress(KubectlError):
            events += self.node.kubectl("logs", "-n", namespace, "-l", SELECTOR, "--tail=4").splitlines()
        return "\n".join(events)

    def pods(self, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
        """Those that are not being deleted."""
        found = self.node.get("pods", "-n", namespace, "-l", SELECTOR)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ask(self, name: str, namespace: str = "default", **spec: object) -> None:
        wanted = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"namespaceName": name, **spec},
        }
        self.node.kubectl("apply", "-f", "-", input=json.dumps(wanted))

    def status(self, name: str, namespace: str = "default") -> dict[str, Any]:
        found: Any = self.node.get("nsdel", name, "-n", namespace)
        return dict(found.get("status") or {})

    def reaches(self, name: str, phase: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """The status, once the request is in that phase; at once an error if it ended in another."""

        def reached() -> bool:
            now = self.status(name).get("phase")
            if now in {"Succeeded", "Failed"} and now != phase:
                raise E2EError(f"{name} ended: {json.dumps(self.status(name))}")
            return now == phase

        wait(f"{name} is {phase}", reached, seconds)
        return self.status(name)

    def deletes(self, name: str) -> int:
        """How many DELETEs for that name came over the wire."""
        return sum(each["name"] == name for each in self.moorcheh.record()["deletes"])

    def succeeds_with_one_delete(self, name: str, *, seconds: float = 60.0) -> None:
        self.reaches(name, "Succeeded", seconds=seconds)
        if (sent := self.deletes(name)) != 1:
            raise E2EError(f"{sent} DELETEs were sent for {name}")

    def processes(self, pod: dict[str, Any]) -> list[Path]:
        """The operator's in that Pod, in /proc."""
        uid = pod["metadata"]["uid"]
        return [path.parent for path in Path("/proc").glob("[0-9]*/cgroup") if _is_operator(path, uid)]

    def kill(self, pod: dict[str, Any], number: int = signal.SIGKILL) -> None:
        """From outside, as the kernel's OOM killer would."""
        found = self.processes(pod)
        if not found:
            raise E2EError(f"no process of the operator in Pod {pod['metadata']['name']}")
        for process in found:
            os.kill(int(process.name), number)

    def follow_log(self, pod: dict[str, Any]) -> Process:
        """Into a file, from now to its end: a Pod that is deleted takes its log with it."""
        name = pod["metadata"]["name"]
        environment = {**os.environ, "KUBECONFIG": str(self.node.plane.kubeconfig)}
        command = [self.node.plane.assets.kubectl, "logs", "--follow", "-n", NAMESPACE, name]
        return Process(command, output=self.folder / f"{name}.log", name=f"log of {name}", env=environment)

    def holder(self) -> str:
        lease: Any = self.node.get("lease", "moorcheh-operator", "-n", NAMESPACE)
        return str(lease["spec"].get("holderIdentity") or "")

    def memory(self) -> int:
        """MiB that the operator's container works with, as the kubelet counts them."""
        summary = json.loads(self.node.kubectl("get", "--raw", "/api/v1/nodes/e2e/proxy/stats/summary"))
        bytes_ = [
            container["memory"]["workingSetBytes"]
            for pod in summary["pods"]
            if pod["podRef"]["namespace"] == NAMESPACE
            for container in pod.get("containers", [])
            if "workingSetBytes" in container.get("memory", {})
        ]
        return max(bytes_, default=0) // 2**20

    def _moorcheh_service(self) -> list[dict[str, Any]]:
        """What the README's address leads to: a Service whose one endpoint is the stand-in."""
        network = self.node.network
        metadata = {"name": "moorcheh", "namespace": "my-namespace"}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"clusterIP": network.moorcheh, "ports": [{"port": 8080}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "moorcheh"}},
                "addressType": network.name,
                "ports": [{"port": 8080, "name": "", "protocol": "TCP"}],
                "endpoints": [{"addresses": [network.node], "conditions": {"ready": True}}],
            },
        ]


def _is_operator(cgroup: Path, pod_uid: str) -> bool:
    with suppress(OSError):
        if f"pod{pod_uid}" in cgroup.read_text():
            return b"moorcheh-operator" in (cgroup.parent / "cmdline").read_bytes()
    return False


def seconds_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> float:
    began = time.monotonic()
    wait(what, condition, seconds)
    return time.monotonic() - began
