"""What Kubernetes' own controllers make of the manifests: roles are filled, owned objects collected."""

from __future__ import annotations

import copy
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from tests.dev.waiting import WITHIN, until
from tests.integration.life import World, client_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
INSTALLS = [
    MANIFESTS / "base",
    *sorted(path.parent for path in MANIFESTS.glob("overlays/*/kustomization.yaml")),
]
POLICY = "ValidatingAdmissionPolicy"
WRITTEN = [*MANIFESTS.rglob("*.yaml"), *(ROOT / "crds").glob("*.yaml")]
POLICIES = [
    pytest.param(each, id=each["metadata"]["name"])
    for path in sorted(WRITTEN)
    for each in yaml.safe_load_all(path.read_text())
    if each and each.get("kind") == POLICY
]

READ = {"get", "list", "watch"}
REQUESTER = "moorcheh-namespacedeletion-requester"

Json = dict[str, Any]


@pytest.fixture
def http(installed_cluster: ControlPlane) -> Iterator[httpx.Client]:
    with httpx.Client(**client_options(installed_cluster)) as http:
        yield http


@pytest.fixture
def namespace(installed_cluster: ControlPlane) -> str:
    name = f"controllers-{uuid.uuid4()}"
    installed_cluster.kubectl("create", "namespace", name)
    return name


def get(http: httpx.Client, path: str) -> Json:
    body: Json = http.get(path).raise_for_status().json()
    return body


def verbs(role: Json) -> set[str]:
    """On requests, by name: cluster admins may do all to everything."""
    return {
        verb
        for rule in role["rules"] or ()
        if "namespacedeletions" in rule.get("resources", ())
        for verb in rule["verbs"]
    }


# Roles


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_an_aggregated_role_is_filled_with_reading(http: httpx.Client, role: str) -> None:
    """All that was granted by the viewer's label arrives, and no more."""
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}"

    assert until(lambda: verbs(get(http, path)) == READ, within=WITHIN), get(http, path)["rules"]


def test_the_requester_is_part_of_no_other_role(http: httpx.Client) -> None:
    """Of all that the cluster has, built-in ones too."""
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    assert until(lambda: verbs(get(http, f"{roles}/admin")), within=WITHIN)

    write = {each["metadata"]["name"] for each in get(http, roles)["items"] if verbs(each) - READ}

    assert write == {REQUESTER}


@pytest.mark.parametrize(
    ("bound", "allowed"),
    [
        pytest.param(["admin"], {"list"}, id="admin of a namespace"),
        pytest.param(["edit"], {"list"}, id="editor of a namespace"),
        pytest.param(["view", REQUESTER], {"list", "create", "patch", "delete"}, id="requester"),
    ],
)
def test_what_a_person_may_do(
    installed_cluster: ControlPlane, http: httpx.Client, namespace: str, bound: list[str], allowed: set[str]
) -> None:
    for role in bound:
        installed_cluster.kubectl(
            "create", "rolebinding", role, f"--clusterrole={role}", "--user=jane", "-n", namespace
        )

    def may() -> set[str]:
        return {verb for verb in ("list", "create", "patch", "delete") if _may(http, verb, namespace)}

    assert until(lambda: may() == allowed, within=WITHIN), may()
    assert not _may(http, "list", "default"), "bound in one namespace only"


def _may(http: httpx.Client, verb: str, namespace: str) -> bool:
    wanted = {"verb": verb, "group": "moorcheh.ai", "resource": "namespacedeletions", "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "jane", "resourceAttributes": wanted},
    }
    answer = http.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review)
    return bool(answer.raise_for_status().json()["status"]["allowed"])


# Owners


@pytest.mark.parametrize("folder", INSTALLS, ids=lambda folder: str(folder.name))
def test_the_deployment_makes_its_pods_and_takes_them_along(
    installed_cluster: ControlPlane, http: httpx.Client, folder: Path
) -> None:
    """Admitted where Pods must be as restricted as can be, and collected when the Deployment is gone."""
    namespace = f"installed-{uuid.uuid4()}"
    objects = list(yaml.safe_load_all(installed_cluster.kubectl("kustomize", folder)))
    [deployment] = [each for each in objects if each["kind"] == "Deployment"]
    deployment["metadata"]["namespace"] = namespace
    metadata = {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    installed_cluster.kubectl(
        "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    )
    installed_cluster.kubectl("create", "-f", "-", input=json.dumps(deployment))

    def left() -> list[int]:
        paths = (f"/apis/apps/v1/namespaces/{namespace}/replicasets", f"/api/v1/namespaces/{namespace}/pods")
        return [len(get(http, path)["items"]) for path in paths]

    wanted = [1, deployment["spec"].get("replicas", 1)]
    assert until(lambda: left() == wanted, within=WITHIN), left()

    installed_cluster.kubectl("delete", "deployment", "moorcheh-operator", "-n", namespace)

    assert until(lambda: left() == [0, 0], within=WITHIN), left()


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_a_request_goes_with_its_owner_and_sends_nothing(
    installed_cluster: ControlPlane, tmp_path: Path, cascade: str
) -> None:
    """Whatever makes requests for others: when it is removed, what still waits is withdrawn with it."""
    with World(installed_cluster, tmp_path) as world:
        world.moorcheh.create("owned")
        owner = world.http.post(
            f"/api/v1/namespaces/{world.namespace}/configmaps", json={"metadata": {"name": "owner"}}
        ).json()
        reference = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "owner",
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        asked = world.ask("owned", suspend=True)
        asked.reaches("Suspended")
        patch = {"metadata": {"ownerReferences": [reference]}}
        world.kubectl("patch", "nsdel", asked.name, "--type=merge", "-p", json.dumps(patch))

        world.kubectl("delete", "configmap", "owner", f"--cascade={cascade}", "--wait=false")

        assert world.history.wait(lambda: world.history.is_gone(asked.uid), WITHIN)
        assert asked.deletes == []
        assert "owned" in world.moorcheh.namespaces()


# Policies


@pytest.mark.parametrize("policy", POLICIES)
def test_the_types_of_a_policys_expressions_are_right(
    installed_cluster: ControlPlane, http: httpx.Client, policy: Json
) -> None:
    """As the API server's own checker finds, with the schema of the CRD at hand."""
    body = copy.deepcopy(policy)
    body["metadata"]["name"] += f"-{uuid.uuid4()}"  # without a binding, so that it refuses nothing
    for rule in body["spec"]["matchConstraints"]["resourceRules"]:
        rule["apiVersions"] = ["v1alpha1"]  # the checker passes over what says `*`
    installed_cluster.kubectl("create", "-f", "-", input=json.dumps(body))
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{body['metadata']['name']}"

    assert until(lambda: "typeChecking" in get(http, path)["status"], within=WITHIN)
    assert get(http, path)["status"]["typeChecking"].get("expressionWarnings", []) == []
