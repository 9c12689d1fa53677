"""Install, upgrade, rollback and uninstall with the real Helm on a real API server, a deletion under way.

The operator's process plays the Pod that the Deployment asks for, as there is no node to run it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from dev.helm import Helm, HelmError
from dev.moorcheh.standin import StandIn
from dev.operator_process import OperatorProcess
from tests.dev.waiting import until
from tests.helm.conftest import CHART, on
from tests.integration.life import API, OPTIONS, client_options

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
RELEASE, SYSTEM = "moorcheh-operator", "moorcheh-system"
NAMED = ("-n", SYSTEM)
KEPT = {
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def helm(helm: Helm, plane: ControlPlane) -> Helm:
    return on(helm, plane)


@pytest.fixture
def empty(plane: ControlPlane, helm: Helm) -> Iterator[None]:
    """Before and after: none of ours is there."""
    yield
    for each in json.loads(helm("list", "-A", "-o", "json")):
        helm("uninstall", each["name"], "-n", each["namespace"])
    plane.kubectl("delete", "-k", ROOT / "crds", "--ignore-not-found", "--timeout=120s")


@pytest.fixture
def moorcheh(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path / "moorcheh", job_seconds=0.3) as moorcheh:
        yield moorcheh


def everything(plane: ControlPlane) -> dict[str, str]:
    """All objects, with their uids, but those that the API server or an operator writes again and again."""
    kinds = plane.kubectl("api-resources", "--verbs=list,create", "-o", "name").split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith(("events", "leases")))
    listed = json.loads(plane.kubectl("get", wanted, "-A", "-o", "json"))["items"]
    return {
        f"{each['kind']} {each['metadata'].get('namespace', '-')}/{each['metadata']['name']}": str(
            each["metadata"]["uid"]
        )
        for each in listed
        if each["metadata"].get("namespace") != "kube-system" and each["kind"] != "APIService"
    }


def earlier(folder: Path) -> Path:
    """The chart of a version before this one, without one of today's columns in its CRD."""
    chart = folder / RELEASE
    shutil.copytree(CHART, chart)
    about = chart / "Chart.yaml"
    about.write_text(about.read_text().replace("0.1.0", "0.0.9"))
    crd = chart / "crds" / "namespacedeletions.yaml"
    definition = yaml.safe_load(crd.read_text())
    definition["spec"]["versions"][0]["additionalPrinterColumns"].pop()
    crd.write_text(yaml.safe_dump(definition))
    return chart


def columns(plane: ControlPlane) -> int:
    crd = json.loads(plane.kubectl("get", "crd", "namespacedeletions.moorcheh.ai", "-o", "json"))
    return len(crd["spec"]["versions"][0]["additionalPrinterColumns"])


def deployment(plane: ControlPlane) -> Json:
    found: Json = json.loads(plane.kubectl("get", "deployment", RELEASE, *NAMED, "-o", "json"))
    return found


def can_be_asked(plane: ControlPlane) -> None:
    """Requests can be made, and the operator's service account may list and write."""
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"generateName": "probe-"},
        "spec": {"namespaceName": "probe"},
    }
    operator = client_options(plane) | {"headers": {"Authorization": f"Bearer {plane.token('operator')}"}}
    merge = {"Content-Type": "application/merge-patch+json"}
    path = f"{API}/namespaces/default/namespacedeletions"
    with httpx.Client(**operator) as client, httpx.Client(**client_options(plane)) as admin:
        assert until(lambda: client.get(f"{API}/namespacedeletions").status_code == 200)
        assert until(
            lambda: client.patch(f"{path}/none/status", content="{}", headers=merge).status_code == 404,
        )
        assert until(lambda: admin.post(path, params={"dryRun": "All"}, json=body).is_success)


def asked(plane: ControlPlane, name: str) -> None:
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"namespaceName": name},
    }
    plane.kubectl("create", "-f", "-", input=json.dumps(body))


def wait_for(plane: ControlPlane, name: str, phase: str) -> None:
    plane.kubectl("wait", f"--for=jsonpath={{.status.phase}}={phase}", f"nsdel/{name}", "--timeout=120s")


@pytest.mark.usefixtures("empty")
def test_a_release_is_installed_upgraded_rolled_back_and_uninstalled_with_a_deletion_under_way(
    plane: ControlPlane, helm: Helm, moorcheh: StandIn, tmp_path: Path
) -> None:
    before = everything(plane)
    said = helm("install", RELEASE, earlier(tmp_path), *NAMED, "--create-namespace")
    assert "kubectl create rolebinding" in said, "who may ask"
    can_be_asked(plane)
    old = columns(plane)
    moorcheh.create("under-way", seconds=600)
    moorcheh.create("done", items=12)

    with OperatorProcess(
        kubeconfig=plane.kubeconfig_for("operator"),
        moorcheh_url=moorcheh.url,
        output=tmp_path / "operator.log",
        **OPTIONS | {"LEADER_ELECTION": "on", "LEASE_NAMESPACE": SYSTEM},
    ) as operator:
        for name in ("under-way", "done"):
            asked(plane, name)
        wait_for(plane, "under-way", "Running")
        wait_for(plane, "done", "Succeeded")
        receipts = {
            name: uid for name, uid in everything(plane).items() if name.startswith("NamespaceDeletion")
        }

        said = helm("upgrade", RELEASE, CHART, *NAMED, "--set=replicas=2,ttl.enabled=true")
        assert "helm show crds" in said, "how the CRD comes along"
        assert columns(plane) == old
        # As the notes have it, CHART and a shell's pipe apart.
        crds = helm("show", "crds", CHART)
        plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=crds)
        assert columns(plane) == old + 1
        assert deployment(plane)["spec"]["replicas"] == 2
        assert deployment(plane)["spec"]["strategy"]["type"] == "RollingUpdate"
        assert "moorcheh-operator-ttl" in plane.kubectl("get", "clusterroles", "-o", "name")

        helm("rollback", RELEASE, "1", *NAMED)
        assert deployment(plane)["spec"]["replicas"] == 1
        assert deployment(plane)["spec"]["strategy"] == {"type": "Recreate"}
        [container] = deployment(plane)["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "moorcheh-operator:0.0.9"
        assert "moorcheh-operator-ttl" not in plane.kubectl("get", "clusterroles", "-o", "name")
        assert columns(plane) == old + 1, "a rollback leaves the CRD"
        assert receipts.items() <= everything(plane).items()

        operator.stop()
    said = helm("uninstall", RELEASE, *NAMED)
    assert "kept due to the resource policy" in said

    made = everything(plane).keys() - before.keys()
    assert before.items() <= everything(plane).items()
    assert receipts.items() <= everything(plane).items()
    left = {name.split()[0] for name in made if RELEASE in name}
    assert left == set(), "nothing of the operator's"
    assert {name for name in made if name.split()[0] not in KEPT and name not in receipts} == {
        f"Namespace -/{SYSTEM}",  # --create-namespace: Helm's own, and it does not delete it
        "ClusterRole -/moorcheh-identity-reader",
        "ClusterRoleBinding -/moorcheh-identity-reader",
        "ClusterRole -/moorcheh-namespacedeletion-viewer",
        "ClusterRole -/moorcheh-namespacedeletion-requester",
        "ClusterRole -/moorcheh-namespacecleanuppolicy-viewer",
        "ClusterRole -/moorcheh-namespacecleanuppolicy-author",
    }

    helm("install", RELEASE, CHART, *NAMED)  # takes up what was kept
    can_be_asked(plane)
    moorcheh.create("later", items=3)
    asked(plane, "later")
    with operator:
        wait_for(plane, "later", "Succeeded")
    assert sorted(delete["name"] for delete in moorcheh.record()["deletes"]) == ["done", "later", "under-way"]


@pytest.mark.usefixtures("empty")
def test_a_second_release_leaves_the_api_to_the_first(plane: ControlPlane, helm: Helm) -> None:
    helm("install", RELEASE, CHART, *NAMED, "--create-namespace")
    before = everything(plane)

    with pytest.raises(HelmError, match="exists and cannot be imported"):
        helm("install", "team-a", CHART, "-n", "team-a", "--create-namespace")
    before |= {
        name: uid for name, uid in everything(plane).items() if "/team-a" in name or " team-a/" in name
    }
    if "team-a" in helm("list", "-n", "team-a", "-q"):
        helm("uninstall", "team-a", "-n", "team-a")
    helm(
        "install", "team-a", CHART, "-n", "team-a", "--create-namespace",
        "--set=api.create=false,watchNamespaces={team-a}",
    )  # fmt: skip
    helm("uninstall", "team-a", "-n", "team-a")

    after = everything(plane)
    assert {name for name in before.items() ^ after.items() if "moorcheh" in str(name)} == set()


@pytest.mark.usefixtures("empty")
def test_a_release_of_another_name_takes_up_what_was_kept_when_it_is_told_to(
    plane: ControlPlane, helm: Helm
) -> None:
    helm("install", RELEASE, CHART, *NAMED, "--create-namespace")
    helm("uninstall", RELEASE, *NAMED)

    helm("install", "other", CHART, *NAMED, "--take-ownership")

    assert "moorcheh-identity" in plane.kubectl("get", "validatingadmissionpolicies", "-o", "name")


@pytest.mark.usefixtures("empty")
def test_what_kustomize_installed_helm_takes_over_when_it_is_told_to(plane: ControlPlane, helm: Helm) -> None:
    plane.kubectl("apply", "-k", ROOT / "crds")
    if SYSTEM not in plane.kubectl("get", "namespaces", "-o", "name"):
        plane.kubectl("create", "namespace", SYSTEM)
    plane.kubectl("apply", "-k", ROOT / "manifests" / "base")
    uid = deployment(plane)["metadata"]["uid"]

    helm("install", RELEASE, CHART, *NAMED, "--take-ownership", "--force-conflicts")

    assert deployment(plane)["metadata"]["uid"] == uid


@pytest.mark.usefixtures("empty")
def test_the_api_server_takes_every_value(plane: ControlPlane, helm: Helm) -> None:
    """What needs no other CRD: the Prometheus Operator's are not here."""
    for namespace in ("team-a", "team-b", SYSTEM):
        if f"namespace/{namespace}\n" not in plane.kubectl("get", "namespaces", "-o", "name"):
            plane.kubectl("create", "namespace", namespace)
    values = plane.data / "values.json"
    values.write_text(json.dumps(VALUES))
    helm("install", RELEASE, CHART, *NAMED, "-f", values)

    assert deployment(plane)["spec"]["replicas"] == 3
    with pytest.raises(KubectlError):
        plane.kubectl("get", "clusterrole", RELEASE)


VALUES: Json = {
    "replicas": 3,
    "servers": [
        {
            "name": "archive",
            "url": "https://archive.example.com",
            "apiKeyFile": "/etc/moorcheh/archive/key",
            "allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"archive": "true"}}},
        }
    ],
    "secretMounts": [{"name": "archive", "secretName": "moorcheh-archive"}],
    "watchNamespaces": ["team-a", "team-b"],
    "ttl": {"enabled": True},
    "rightsByTarget": {"enabled": True},
    "runAsUser": None,
    "tolerations": [{"operator": "Exists"}],
    "commonLabels": {"team": "ops"},
    "monitoring": {"dashboard": {"enabled": True}},
}


@pytest.mark.usefixtures("empty")
def test_a_second_release_shares_the_cluster_and_not_the_first_ones_names_or_namespace(
    plane: ControlPlane, helm: Helm
) -> None:
    """In one Kubernetes namespace they would share a Lease: one of them would do nothing, and not say so."""
    elsewhere = ("-n", "moorcheh-archive", "--create-namespace", "--set=api.create=false")
    helm("install", RELEASE, CHART, *NAMED, "--create-namespace")
    with pytest.raises(HelmError, match=f"namespace {SYSTEM} has another operator, the Deployment {RELEASE}"):
        helm("install", "archive", CHART, *NAMED, "--set=api.create=false")
    with pytest.raises(HelmError, match=f'ClusterRole "{RELEASE}".*exists'):
        helm("install", RELEASE, CHART, *elsewhere)
    helm("install", "archive", CHART, *elsewhere)
    helm("upgrade", RELEASE, CHART, *NAMED)

    found = plane.kubectl("get", "clusterrolebindings", "-o", "json")
    accounts = {
        each["metadata"]["name"]: each["subjects"][0]["namespace"]
        for each in json.loads(found)["items"]
        if each["metadata"]["name"].endswith(RELEASE)
    }
    assert accounts == {RELEASE: SYSTEM, f"archive-{RELEASE}": "moorcheh-archive"}
