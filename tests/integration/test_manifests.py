"""The manifests on the real API server: they install, their Pods may run and do no more than they must."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from moorcheh_operator import __version__
from moorcheh_operator.process import cli
from moorcheh_operator.servers.definitions import parse
from tests.integration.conftest import api_folder, install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
API, BASE = ROOT / "crds", MANIFESTS / "base"
SEVERAL = MANIFESTS / "overlays" / "several-operators"
OVERLAYS = sorted(
    path.parent
    for path in (
        *MANIFESTS.glob("overlays/*/kustomization.yaml"),
        *SEVERAL.glob("*/kustomization.yaml"),
    )
)
EXAMPLES = sorted(MANIFESTS.glob("examples/**/*.yaml"))
INSTALLS = [BASE, *OVERLAYS]

SYSTEM = "moorcheh-system"
OPERATOR = f"system:serviceaccount:{SYSTEM}:moorcheh-operator"
GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"]

FOR_PEOPLE = {"moorcheh-namespacedeletion-requester", "moorcheh-namespacecleanuppolicy-author"}

Json = dict[str, Any]


def rendered(control_plane: ControlPlane, folder: Path) -> list[Json]:
    return list(yaml.safe_load_all(control_plane.kubectl("kustomize", folder)))


def one(objects: list[Json], kind: str, name: str = "moorcheh-operator") -> Json:
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture(scope="module")
def http(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=control_plane.url,
        headers={"Authorization": f"Bearer {control_plane.admin_token}"},
        verify=ssl.create_default_context(cafile=str(control_plane.ca_file)),
        trust_env=False,
        timeout=30,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, http: httpx.Client) -> ControlPlane:
    install(control_plane)
    eventually(lambda: may(http, "create", "leases.coordination.k8s.io", namespace=SYSTEM))
    return control_plane


def may(
    http: httpx.Client,
    verb: str,
    resource: str,
    *,
    namespace: str = "",
    name: str = "",
    user: str = OPERATOR,
    groups: list[str] = GROUPS,
) -> bool:
    resource, _, subresource = resource.partition("/")
    resource, _, group = resource.partition(".")
    attributes = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    }
    response = http.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review)
    assert response.is_success, response.text
    return bool(response.json()["status"]["allowed"])


@pytest.fixture
def namespace(installed: ControlPlane) -> str:
    name = f"manifests-{uuid.uuid4()}"
    installed.kubectl("create", "namespace", name)
    return name


# Installing


def test_the_base_installs_and_installing_it_again_changes_nothing(installed: ControlPlane) -> None:
    def state() -> dict[str, str]:
        listed = json.loads(installed.kubectl("get", "-k", BASE, "-o", "json"))
        return {
            f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["uid"] for each in listed["items"]
        }

    before = state()
    generation = installed.kubectl(
        "get", "deployment", "moorcheh-operator", "-n", SYSTEM, "-o", "jsonpath={.metadata.generation}"
    )
    installed.kubectl("apply", "-k", api_folder(installed))
    installed.kubectl("apply", "-k", BASE)

    assert len(before) == len(rendered(installed, BASE))
    assert state() == before
    assert generation == installed.kubectl(
        "get", "deployment", "moorcheh-operator", "-n", SYSTEM, "-o", "jsonpath={.metadata.generation}"
    )


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: str(folder.name))
def test_an_overlay_passes_a_dry_run(installed: ControlPlane, folder: Path) -> None:
    for namespace in {each["metadata"].get("namespace", SYSTEM) for each in rendered(installed, folder)}:
        if f"namespace/{namespace}" not in installed.kubectl("get", "namespaces", "-o", "name").split():
            installed.kubectl("create", "namespace", namespace)
    # Conflicts are forced: the base was applied by the client, as the README has it.
    installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", folder)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.stem))
def test_an_example_passes_a_dry_run_as_written(installed: ControlPlane, namespace: str, file: Path) -> None:
    """Nothing in it is unknown, or changed by the server other than by a default."""
    answer = installed.kubectl(
        "apply", "--server-side", "--dry-run=server", "-n", namespace, "-f", file, "-o", "json"
    )

    [written] = list(yaml.safe_load_all(file.read_text()))
    assert written["spec"].items() <= json.loads(answer)["spec"].items()


def test_there_are_overlays_and_examples_to_try() -> None:
    assert {"high-availability", "single-namespace", "watched-namespace"} <= {
        folder.name for folder in OVERLAYS
    }
    assert len(EXAMPLES) >= 5


def test_the_requester_role_is_enough_to_apply_every_example(installed: ControlPlane, namespace: str) -> None:
    installed.kubectl(
        "create", "rolebinding", "requesters", "-n", namespace,
        "--clusterrole=moorcheh-namespacedeletion-requester", "--user=jane",
    )  # fmt: skip

    def applied() -> bool:
        try:
            installed.kubectl(
                "apply", "--as=jane", "--dry-run=server", "-n", namespace, "-f", MANIFESTS / "examples"
            )
        except KubectlError as error:
            if "forbidden" in str(error):
                return False
            raise
        return True

    eventually(applied)


# Pods


def pod_template(control_plane: ControlPlane, folder: Path) -> Json:
    template: Json = one(rendered(control_plane, folder), "Deployment")["spec"]["template"]
    return template


@pytest.fixture
def restricted(installed: ControlPlane) -> str:
    name = f"restricted-{uuid.uuid4()}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    installed.kubectl("create", "-f", "-", input=json.dumps(body))
    return name


def create_pod(control_plane: ControlPlane, namespace: str, template: Json) -> None:
    metadata = {
        "name": f"pod-{uuid.uuid4()}",
        "namespace": namespace,
        "labels": template["metadata"]["labels"],
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    control_plane.kubectl("create", "--validate=strict", "-f", "-", input=json.dumps(body))


@pytest.mark.parametrize("folder", INSTALLS, ids=lambda folder: str(folder.name))
def test_pods_pass_the_restricted_standard(installed: ControlPlane, restricted: str, folder: Path) -> None:
    create_pod(installed, restricted, pod_template(installed, folder))


def test_a_pod_that_asks_for_more_is_refused(installed: ControlPlane, restricted: str) -> None:
    """Or the test above would prove nothing."""
    template = pod_template(installed, BASE)
    del template["spec"]["securityContext"]["runAsNonRoot"]

    with pytest.raises(KubectlError, match="violates PodSecurity"):
        create_pod(installed, restricted, template)


@pytest.mark.parametrize("folder", INSTALLS, ids=lambda folder: str(folder.name))
def test_pods_are_hardened_beyond_the_standard(control_plane: ControlPlane, folder: Path) -> None:
    spec = pod_template(control_plane, folder)["spec"]
    [container] = spec["containers"]

    assert spec["securityContext"]["runAsUser"] >= 10000
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "memory" in container["resources"]["limits"]
    assert [
        each for each in spec.get("volumes", []) if not set(each) <= {"name", "configMap", "secret"}
    ] == []
    assert "hostNetwork" not in spec


def test_a_stopping_pod_has_time_to_record_what_it_began(control_plane: ControlPlane) -> None:
    """One request to Moorcheh may be under way; its answer is recorded before the process ends."""
    spec = pod_template(control_plane, BASE)["spec"]
    [timeout] = [
        each["value"] for each in spec["containers"][0]["env"] if each["name"] == "MOORCHEH_TIMEOUT_SECONDS"
    ]

    assert spec["terminationGracePeriodSeconds"] >= int(timeout) + 10


def test_a_process_that_hangs_is_gone_in_40_s_and_before_another_settles_what_it_began(
    control_plane: ControlPlane,
) -> None:
    [container] = pod_template(control_plane, BASE)["spec"]["containers"]
    probe = container["livenessProbe"]
    [timeout] = [each["value"] for each in container["env"] if each["name"] == "MOORCHEH_TIMEOUT_SECONDS"]

    noticed = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    gone = noticed + probe["terminationGracePeriodSeconds"]

    assert gone <= 40
    assert gone < 2 * int(timeout) + 5, "the settle time"


def test_probes_metrics_and_policy_use_the_port_that_the_operator_listens_on(
    control_plane: ControlPlane,
) -> None:
    objects = rendered(control_plane, BASE)
    [container] = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    [port] = container["ports"]
    [address] = [each["value"] for each in container["env"] if each["name"] == "HTTP_ADDRESS"]

    assert address.endswith(f":{port['containerPort']}")
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    assert [each["targetPort"] for each in one(objects, "Service")["spec"]["ports"]] == [port["name"]]
    [ingress] = one(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [each["port"] for each in ingress["ports"]] == [port["name"]]


def test_the_deployment_sets_every_option_to_a_value_that_the_operator_takes(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped variable would be ignored in silence, a wrong value would crash the Pod for ever."""
    [container] = pod_template(control_plane, BASE)["spec"]["containers"]
    environment = {each["name"]: each.get("value", "") for each in container["env"]}

    # SERVERS_FILE is what components/servers sets instead of MOORCHEH_BASE_URL. MOORCHEH_NAME_REUSE is a
    # declaration: only who knows the server makes it.
    left_out = {"SERVERS_FILE", "MOORCHEH_NAME_REUSE"}
    options = {option.envvar for option in cli.run.params if option.envvar} - left_out
    assert environment.keys() == options
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cli.run.make_context("moorcheh-operator run", [])


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "PodDisruptionBudget", "Deployment"])
def test_selectors_find_the_operators_pods(control_plane: ControlPlane, kind: str) -> None:
    objects = rendered(control_plane, BASE)
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    spec = one(objects, kind)["spec"]
    selector = spec.get("selector") or spec.get("podSelector")

    assert selector.get("matchLabels", selector).items() <= labels.items()


# Rights of the operator


ALLOWED = [
    ("get", "namespacedeletions.moorcheh.ai", "anywhere", ""),
    ("list", "namespacedeletions.moorcheh.ai", "", ""),
    ("watch", "namespacedeletions.moorcheh.ai", "", ""),
    ("patch", "namespacedeletions.moorcheh.ai/status", "anywhere", ""),
    ("list", "namespacecleanuppolicies.moorcheh.ai", "", ""),
    ("watch", "namespacecleanuppolicies.moorcheh.ai", "", ""),
    ("patch", "namespacecleanuppolicies.moorcheh.ai/status", "anywhere", ""),
    ("create", "events", "anywhere", ""),
    ("patch", "events", "anywhere", ""),
    ("create", "leases.coordination.k8s.io", SYSTEM, ""),
    ("get", "leases.coordination.k8s.io", SYSTEM, "moorcheh-operator"),
    ("update", "leases.coordination.k8s.io", SYSTEM, "moorcheh-operator"),
]
FORBIDDEN = [
    *[
        (verb, f"{kind}.moorcheh.ai", "anywhere", "")
        for kind in ("namespacedeletions", "namespacecleanuppolicies")
        for verb in ("create", "update", "patch", "delete", "deletecollection")
    ],
    ("update", "namespacedeletions.moorcheh.ai/status", "anywhere", ""),
    ("update", "namespacedeletions.moorcheh.ai/finalizers", "anywhere", ""),
    *[(verb, "events", "anywhere", "") for verb in ("get", "list", "update", "delete")],
    *[
        (verb, resource, namespace, "")
        for resource in ("secrets", "configmaps", "pods", "namespaces", "serviceaccounts")
        for namespace in ("anywhere", SYSTEM)
        for verb in ("get", "list", "watch", "create", "delete")
    ],
    ("create", "serviceaccounts/token", SYSTEM, "moorcheh-operator"),
    *[
        (verb, "customresourcedefinitions.apiextensions.k8s.io", "", "")
        for verb in ("get", "list", "watch", "patch")
    ],
    ("create", "leases.coordination.k8s.io", "anywhere", ""),
    ("get", "leases.coordination.k8s.io", "anywhere", "moorcheh-operator"),
    ("update", "leases.coordination.k8s.io", SYSTEM, "another"),
    *[
        (verb, "leases.coordination.k8s.io", SYSTEM, "moorcheh-operator")
        for verb in ("list", "watch", "patch", "delete")
    ],
    ("*", "*.*", "", ""),
]


def words(right: object) -> str:
    return str(right).replace(".moorcheh.ai", "") or "-"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("verb", "resource", "namespace", "name"), ALLOWED, ids=words)
def test_the_operator_may(http: httpx.Client, verb: str, resource: str, namespace: str, name: str) -> None:
    assert may(http, verb, resource, namespace=namespace, name=name)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("verb", "resource", "namespace", "name"), FORBIDDEN, ids=words)
def test_the_operator_may_not(
    http: httpx.Client, verb: str, resource: str, namespace: str, name: str
) -> None:
    assert not may(http, verb, resource, namespace=namespace, name=name)


def rules(objects: list[Json], kind: str, name: str = "moorcheh-operator") -> set[tuple[str, ...]]:
    """Each right by itself, whichever rule gives it."""
    return {
        (verb, f"{resource}.{group}".rstrip("."), *rule.get("resourceNames", []))
        for rule in one(objects, kind, name)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


RIGHTS = {
    *[
        (verb, f"{kind}.moorcheh.ai")
        for kind in ("namespacedeletions", "namespacecleanuppolicies")
        for verb in ("get", "list", "watch")
    ],
    ("patch", "namespacedeletions/status.moorcheh.ai"),
    ("patch", "namespacecleanuppolicies/status.moorcheh.ai"),
    ("create", "events"),
    ("patch", "events"),
}


def test_the_operators_roles_give_exactly_this(control_plane: ControlPlane) -> None:
    """The two tables above can't name every right there is; this one leaves no room."""
    objects = rendered(control_plane, BASE)

    assert rules(objects, "ClusterRole") == RIGHTS
    assert rules(objects, "Role", "moorcheh-operator-leader-election") == {
        ("create", "leases.coordination.k8s.io"),
        ("get", "leases.coordination.k8s.io", "moorcheh-operator"),
        ("update", "leases.coordination.k8s.io", "moorcheh-operator"),
    }
    bound = [
        each["roleRef"]["name"]
        for each in objects
        if each["kind"] in {"ClusterRoleBinding", "RoleBinding"}
        and any(subject["name"] == "moorcheh-operator" for subject in each["subjects"])
    ]
    assert sorted(bound) == ["moorcheh-operator", "moorcheh-operator-leader-election"]


def test_with_its_own_token_the_operator_records_and_nothing_else(
    installed: ControlPlane, http: httpx.Client, namespace: str
) -> None:
    example = MANIFESTS / "examples" / "delete.yaml"
    installed.kubectl("create", "-n", namespace, "-f", example)
    request = f"/apis/moorcheh.ai/v1alpha1/namespaces/{namespace}/namespacedeletions/delete-my-documents"

    def answer(method: str, path: str, patch: Json | None = None) -> int:
        headers = {
            "Authorization": f"Bearer {installed.token('operator')}",
            "Content-Type": "application/merge-patch+json",
        }
        content = json.dumps(patch) if patch else None
        return http.request(method, path, headers=headers, content=content).status_code

    assert {
        "read": answer("GET", request),
        "record": answer("PATCH", f"{request}/status", {"status": {"phase": "Pending"}}),
    } == {"read": 200, "record": 200}
    must_not = {
        "suspend": answer("PATCH", request, {"spec": {"suspend": True}}),
        "change the spec": answer("PATCH", request, {"spec": {"backoffLimit": 20}}),
        "add a finalizer": answer("PATCH", request, {"metadata": {"finalizers": ["moorcheh.ai/stuck"]}}),
        "annotate": answer("PATCH", request, {"metadata": {"annotations": {"moorcheh.ai/seen": "yes"}}}),
        "delete": answer("DELETE", request),
        "read secrets": answer("GET", "/api/v1/secrets"),
        "read its own namespace's secrets": answer("GET", f"/api/v1/namespaces/{SYSTEM}/secrets"),
        "list namespaces": answer("GET", "/api/v1/namespaces"),
        "read CRDs": answer("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    }
    assert must_not == dict.fromkeys(must_not, 403)


# Rights of people


def test_nobody_can_ask_for_deletions_by_aggregation(control_plane: ControlPlane) -> None:
    """`view` may read them. Whoever may edit a namespace may not, by that, destroy data at Moorcheh."""
    aggregation = "rbac.authorization.k8s.io/aggregate-to-"
    aggregated = {
        (each["metadata"]["name"], label.removeprefix(aggregation))
        for each in rendered(control_plane, API)
        for label, value in each["metadata"].get("labels", {}).items()
        if label.startswith(aggregation) and value == "true"
    }

    assert aggregated == {
        ("moorcheh-namespacedeletion-viewer", "view"),
        ("moorcheh-namespacecleanuppolicy-viewer", "view"),
    }


READ, WRITE = {"get", "list", "watch"}, {"create", "update", "patch", "delete"}


@pytest.mark.parametrize(
    ("role", "kind", "verbs"),
    [
        ("moorcheh-namespacedeletion-viewer", "namespacedeletions", READ),
        ("moorcheh-namespacedeletion-requester", "namespacedeletions", READ | WRITE),
        ("moorcheh-namespacecleanuppolicy-viewer", "namespacecleanuppolicies", READ),
        ("moorcheh-namespacecleanuppolicy-author", "namespacecleanuppolicies", READ | WRITE),
    ],
)
def test_people_get_these_rights_and_never_the_status(
    installed: ControlPlane, http: httpx.Client, namespace: str, role: str, kind: str, verbs: set[str]
) -> None:
    """Who could write a status could forge an end, an attempt, or a run. No role gives the other kind's."""
    user = f"user-{uuid.uuid4()}"
    installed.kubectl(
        "create", "rolebinding", user, "-n", namespace, f"--clusterrole={role}", f"--user={user}"
    )

    def allowed(verb: str, resource: str) -> bool:
        groups = ["system:authenticated"]
        return may(http, verb, resource, namespace=namespace, user=user, groups=groups)

    every = [*READ, *WRITE, "deletecollection"]
    eventually(lambda: allowed("get", f"{kind}.moorcheh.ai"))
    for each in ("namespacedeletions", "namespacecleanuppolicies"):
        given = {verb for verb in every if allowed(verb, f"{each}.moorcheh.ai")}
        assert given == (verbs if each == kind else set())
        assert not any(allowed(verb, f"{each}.moorcheh.ai/status") for verb in every)
    assert not any(allowed(verb, resource) for verb in every for resource in ("secrets", "events"))


# Overlays


@pytest.mark.parametrize(
    ("overlay", "role", "watched"),
    [
        ("single-namespace", "moorcheh-operator-requests", SYSTEM),
        ("watched-namespace", "moorcheh-operator", "default"),
    ],
)
def test_for_one_namespace_the_operator_has_rights_there_and_nowhere_else(
    control_plane: ControlPlane, overlay: str, role: str, watched: str
) -> None:
    objects = rendered(control_plane, MANIFESTS / "overlays" / overlay)

    assert rules(objects, "Role", role) == RIGHTS, "the same as in the base"
    assert not [each for each in objects if each["kind"].startswith("Cluster")]
    assert one(objects, "Role", role)["metadata"]["namespace"] == watched
    [binding] = [
        each for each in objects if each["kind"] == "RoleBinding" and each["roleRef"]["name"] == role
    ]
    assert binding["metadata"]["namespace"] == watched
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "moorcheh-operator", "namespace": SYSTEM}
    ]


def test_several_operators_have_no_object_in_common_and_serve_each_name_once(
    control_plane: ControlPlane,
) -> None:
    installs = [rendered(control_plane, SEVERAL / each) for each in ("first", "archive")]
    names = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for objects in installs
        for each in objects
    ]
    files = [
        parse(one(objects, "ConfigMap", "moorcheh-servers")["data"]["servers.yaml"]) for objects in installs
    ]

    assert len(names) == len(set(names))
    for objects in installs:
        [account] = [each["metadata"] for each in objects if each["kind"] == "ServiceAccount"]
        roles = {each["metadata"]["name"] for each in objects if each["kind"] in ("Role", "ClusterRole")}
        bindings = [each for each in objects if each["kind"].endswith("Binding")]
        assert len(bindings) == 2
        assert {each["roleRef"]["name"] for each in bindings} == roles
        assert {each["subjects"][0]["namespace"] for each in bindings} == {account["namespace"]}
    for name in ("default", "archive", "misspelled"):
        assert [file.serves(name) for file in files].count(True) == 1, name


def test_each_key_that_the_servers_file_names_is_mounted_from_a_secret_that_is_there(
    control_plane: ControlPlane,
) -> None:
    objects = rendered(control_plane, MANIFESTS / "overlays" / "server-with-key")
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    secrets = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    there = {
        f"{mount['mountPath']}/{key}"
        for mount in pod["containers"][0]["volumeMounts"]
        if mount["name"] in secrets
        for key in one(objects, "Secret", secrets[mount["name"]])["stringData"]
    }
    servers = parse(one(objects, "ConfigMap", "moorcheh-servers")["data"]["servers.yaml"])

    assert {each.api_key_file for each in servers.definitions} == {None, *there}
    assert there


def test_high_availability_never_stops_both(control_plane: ControlPlane) -> None:
    objects = rendered(control_plane, MANIFESTS / "overlays" / "high-availability")
    spec = one(objects, "Deployment")["spec"]

    assert spec["replicas"] == 2
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    }
    assert spec["template"]["spec"]["affinity"]["podAntiAffinity"]
    assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


# The rights that components add: to delete, for spec.ttlSecondsAfterFinished; to create, for policies


def kustomization(folder: Path, text: str) -> Path:
    """Beside the manifests, as docs/install.md has it."""
    own = folder / "moorcheh"
    own.mkdir()
    (own / "kustomization.yaml").write_text(text)
    return own


def gives_delete(objects: list[Json]) -> set[tuple[str, str]]:
    return {
        (each["kind"], each["metadata"]["name"])
        for each in objects
        for rule in each.get("rules", ())
        if {"delete", "deletecollection", "*"} & set(rule["verbs"])
        and each["metadata"]["name"] not in FOR_PEOPLE
    }


@pytest.mark.parametrize("folder", INSTALLS, ids=lambda folder: str(folder.name))
def test_by_default_the_operator_may_delete_nothing(control_plane: ControlPlane, folder: Path) -> None:
    assert gives_delete(rendered(control_plane, folder)) == set()


@pytest.mark.parametrize("base", ["base", "overlays/high-availability"])
def test_the_ttl_component_adds_the_one_right_to_delete(
    installed: ControlPlane, copied: Path, base: str
) -> None:
    text = f"resources: [../manifests/{base}]\ncomponents: [../manifests/components/ttl]\n"
    own = kustomization(copied, text)
    objects = rendered(installed, own)

    assert gives_delete(objects) == {("ClusterRole", "moorcheh-operator-ttl")}
    assert rules(objects, "ClusterRole", "moorcheh-operator-ttl") == {
        ("delete", "namespacedeletions.moorcheh.ai")
    }
    subjects = one(objects, "ClusterRoleBinding", "moorcheh-operator-ttl")["subjects"]
    assert subjects == one(objects, "ClusterRoleBinding")["subjects"]
    installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", own)


def gives_delete_in(installed: ControlPlane, folder: Path) -> set[str]:
    """A Role, in these Kubernetes namespaces. The API server takes it."""
    objects = rendered(installed, folder)
    assert gives_delete(objects) == {("Role", "moorcheh-operator-ttl")}
    installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", folder)
    return {
        each["metadata"]["namespace"]
        for each in objects
        if each["metadata"]["name"] == "moorcheh-operator-ttl"
    }


def test_in_a_single_namespace_the_ttl_component_gives_it_there_alone(
    installed: ControlPlane, copied: Path
) -> None:
    text = (
        "resources: [../manifests/overlays/single-namespace]\n"
        "components: [../manifests/components/ttl-single-namespace]\n"
    )

    assert gives_delete_in(installed, kustomization(copied, text)) == {SYSTEM}


def test_in_a_watched_namespace_the_ttl_component_gives_it_there_alone(
    installed: ControlPlane, copied: Path
) -> None:
    overlay = copied / "manifests" / "overlays" / "watched-namespace"
    watched = overlay / "watched" / "kustomization.yaml"
    text = watched.read_text()
    watched.write_text(text.replace("# components:", "components:").replace("#   - ../", "  - ../"))

    assert gives_delete_in(installed, overlay) == {"default"}


CREATING = {
    ("create", "namespacedeletions.moorcheh.ai"),
    ("approve", "namespacedeletions.moorcheh.ai"),
    ("delete", "moorchehnamespaces.moorcheh.ai"),
}


@pytest.mark.parametrize(
    ("base", "component", "kind"),
    [
        ("base", "cleanup-policies", "ClusterRole"),
        ("overlays/high-availability", "cleanup-policies", "ClusterRole"),
        ("overlays/single-namespace", "cleanup-policies-single-namespace", "Role"),
    ],
)
def test_the_cleanup_policies_component_adds_the_right_to_create_requests(
    installed: ControlPlane, copied: Path, base: str, component: str, kind: str
) -> None:
    text = f"resources: [../manifests/{base}]\ncomponents: [../manifests/components/{component}]\n"
    own = kustomization(copied, text)
    objects, name = rendered(installed, own), "moorcheh-operator-cleanup-policies"

    assert rules(objects, kind, name) == CREATING
    [binding] = [each for each in objects if each.get("roleRef", {}).get("name") == name]
    assert binding["kind"] == f"{kind}Binding"
    assert binding["metadata"].get("namespace", SYSTEM) == SYSTEM
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "moorcheh-operator", "namespace": SYSTEM}
    ]
    others = [each for each in objects if each["metadata"]["name"] != name]
    assert others == rendered(installed, MANIFESTS / base)
    installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", own)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with a copy of the manifests, to change."""
    for name in ("manifests", "crds"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_kustomization_of_the_install_guide_works_as_written(
    installed: ControlPlane, copied: Path
) -> None:
    text = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "install.md").read_text(), re.DOTALL)[0]
    own = kustomization(copied, text)

    [container] = pod_template(installed, own)["spec"]["containers"]
    [plain] = pod_template(installed, BASE)["spec"]["containers"]

    assert container["image"] == f"registry.example.com/moorcheh-operator:{__version__}"
    address = "http://moorcheh.my-namespace.svc:8080"
    changed = {each["name"]: each.get("value") for each in container["env"]}
    assert changed == {each["name"]: each.get("value") for each in plain["env"]} | {
        "MOORCHEH_BASE_URL": address
    }
    installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", own)


# The image


def test_the_image_is_the_one_that_the_dockerfile_makes(control_plane: ControlPlane) -> None:
    spec = pod_template(control_plane, BASE)["spec"]
    [container] = spec["containers"]
    dockerfile = (ROOT / "Dockerfile").read_text()

    def instruction(name: str) -> str:
        return str(re.findall(rf"^{name} (.*)$", dockerfile, re.MULTILINE)[-1])

    assert container["image"] == f"moorcheh-operator:{__version__}"
    assert f"VERSION={__version__}" in re.findall(r"^ARG (.*)$", dockerfile, re.MULTILINE)
    assert json.loads(instruction("ENTRYPOINT")) == container["command"]
    user, group = spec["securityContext"]["runAsUser"], spec["securityContext"]["runAsGroup"]
    assert instruction("USER") == f"{user}:{group}"
