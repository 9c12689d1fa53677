"""From an empty cluster to an empty cluster, with the commands of docs/install.md and the real kubectl.

Kubernetes' own controllers are at work. The operator's process plays the Pod that the Deployment asks for, as
there is no node to run it.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from dev.controlplane import ControllerManager, ControlPlane, KubectlError
from dev.moorcheh.standin import StandIn
from dev.operator_process import OperatorProcess
from tests.integration.conftest import api_folder, install
from tests.integration.life import API, OPTIONS, client_options

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFESTS = Path(__file__).parents[2] / "manifests"
BASE = MANIFESTS / "base"
SYSTEM = "moorcheh-system"


@pytest.fixture(scope="module")
def plane(controller_manager: Path) -> Iterator[ControlPlane]:
    """A fresh one: what is uninstalled here must not be missed elsewhere."""
    with ControlPlane() as plane, ControllerManager(plane, controller_manager):
        yield plane


@pytest.fixture
def moorcheh(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path / "moorcheh", job_seconds=0.3) as moorcheh:
        yield moorcheh


@pytest.fixture
def operator(plane: ControlPlane, moorcheh: StandIn, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Installed and running, for all namespaces, with a lease, under its own service account."""
    install(plane)
    with OperatorProcess(
        kubeconfig=plane.kubeconfig_for("operator"),
        moorcheh_url=moorcheh.url,
        output=tmp_path / "operator.log",
        **OPTIONS | {"LEADER_ELECTION": "on", "LEASE_NAMESPACE": SYSTEM},
    ) as operator:
        yield operator


def requests_under_way(plane: ControlPlane, moorcheh: StandIn, namespace: str) -> None:
    """One in each phase that it may be caught in."""
    for name in ("running", "submitting", "suspended", "done"):
        moorcheh.create(f"{namespace}-{name}", seconds=0.2 if name == "done" else 600)
    moorcheh.fault("delete", f"{namespace}-submitting", hold=30)

    def ask(name: str, target: str) -> None:
        body = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name},
            "spec": {"namespaceName": f"{namespace}-{target}", "suspend": name == "suspended"},
        }
        plane.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(body))

    for name in ("running", "submitting", "suspended", "done"):
        ask(name, name)
    wait_for(plane, namespace, "running", "Running")
    ask("pending", "running")
    for name, phase in {
        "pending": "Pending",
        "submitting": "Submitting",
        "suspended": "Suspended",
        "done": "Succeeded",
    }.items():
        wait_for(plane, namespace, name, phase)


def wait_for(plane: ControlPlane, namespace: str, name: str, phase: str) -> None:
    plane.kubectl(
        "wait",
        "-n",
        namespace,
        f"--for=jsonpath={{.status.phase}}={phase}",
        f"nsdel/{name}",
        "--timeout=120s",
    )


def nothing_is_left(plane: ControlPlane) -> None:
    with httpx.Client(**client_options(plane)) as http:
        assert http.get(f"{API}/namespacedeletions").status_code == 404
        assert http.get(f"/api/v1/namespaces/{SYSTEM}").status_code == 200, "nobody's but who made it"
        crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/namespacedeletions.moorcheh.ai"
        assert http.get(crd).status_code == 404
    for kind in ("clusterroles", "clusterrolebindings"):
        assert "moorcheh" not in plane.kubectl("get", kind, "-o", "name")


@pytest.mark.usefixtures("operator")
def test_install_apply_wait_and_uninstall_in_that_order(plane: ControlPlane, moorcheh: StandIn) -> None:
    moorcheh.create("my-documents", items=12)

    plane.kubectl("apply", "-f", MANIFESTS / "examples" / "delete.yaml")
    plane.kubectl("wait", "--for=condition=Finished", "nsdel/delete-my-documents", "--timeout=120s")
    shown = plane.kubectl("get", "nsdel", "delete-my-documents")
    plane.kubectl("delete", "-k", BASE, "--timeout=120s")
    plane.kubectl("delete", "-k", api_folder(plane), "--timeout=120s")

    assert "Succeeded" in shown
    assert "12/12 (100%)" in shown
    assert "my-documents" not in moorcheh.namespaces()
    nothing_is_left(plane)


@pytest.mark.parametrize("before", ["the-operator-runs-on", "the-operator-was-killed"])
def test_uninstalling_with_requests_under_way_leaves_nothing_stuck(
    plane: ControlPlane, moorcheh: StandIn, operator: OperatorProcess, before: str
) -> None:
    namespace = before
    plane.kubectl("create", "namespace", namespace)
    requests_under_way(plane, moorcheh, namespace)
    if before == "the-operator-was-killed":
        operator.kill()

    plane.kubectl("delete", "-k", BASE, "--timeout=120s")
    plane.kubectl("delete", "-k", api_folder(plane), "--timeout=120s")

    nothing_is_left(plane)
    if operator.process.running:
        assert operator.stop() in (0, -signal.SIGTERM)
    sent = [delete["name"] for delete in moorcheh.record()["deletes"]]
    assert len(sent) == len(set(sent)), "no second DELETE"
    assert f"{namespace}-suspended" in moorcheh.namespaces()
    plane.kubectl("delete", "namespace", namespace, "--timeout=120s")


def test_a_namespace_full_of_requests_under_way_can_be_deleted(
    plane: ControlPlane, moorcheh: StandIn, operator: OperatorProcess
) -> None:
    plane.kubectl("create", "namespace", "team")
    requests_under_way(plane, moorcheh, "team")

    plane.kubectl("delete", "namespace", "team", "--timeout=120s")

    with pytest.raises(KubectlError, match="NotFound"):
        plane.kubectl("get", "namespace", "team")
    # The operator goes on, for others.
    moorcheh.create("my-documents")
    plane.kubectl("apply", "-f", MANIFESTS / "examples" / "delete.yaml")
    plane.kubectl("wait", "--for=condition=Ready", "nsdel/delete-my-documents", "--timeout=120s")
    assert operator.process.running
    sent = [delete["name"] for delete in moorcheh.record()["deletes"]]
    assert len(sent) == len(set(sent)), "no second DELETE"
    assert {"team-suspended"} < moorcheh.namespaces().keys(), "nothing that waited was sent"
    plane.kubectl("delete", "nsdel", "--all")
