"""What an installation makes, its uninstallation removes, and nothing else: in a namespace of one's own,
beside others, after an upgrade. With the real kubectl on a real API server.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from tests.dev.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
API, MANIFESTS = ROOT / "crds", ROOT / "manifests"
SYSTEM, OWN = "moorcheh-system", "ops"
COMPONENTS = ("servers", "servers-selector", "rights-by-target", "ttl")
INSTALLS = {
    "base": ("base", ()),
    "high-availability": ("overlays/high-availability", ()),
    "single-namespace": ("overlays/single-namespace", ()),
    "base-with-all-components": ("base", COMPONENTS),
    "high-availability-with-all-components": ("overlays/high-availability", COMPONENTS),
    "single-namespace-with-components": (
        "overlays/single-namespace",
        ("servers", "rights-by-target", "ttl-single-namespace"),
    ),
}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        plane.kubectl("apply", "-k", API)
        plane.kubectl("wait", "--for=condition=Established", "crd/namespacedeletions.moorcheh.ai")
        yield plane


def kustomization(folder: Path, text: str) -> Path:
    """Of one's own, beside a checkout of this one."""
    (folder / "moorcheh-operator").symlink_to(ROOT)
    own = folder / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(text)
    return own


def over(folder: Path, install: str, namespace: str | None = OWN, prefix: str = "") -> Path:
    base, components = INSTALLS[install]
    manifests = "../moorcheh-operator/manifests"
    text = {
        "resources": [f"{manifests}/{base}"],
        "components": [f"{manifests}/components/{component}" for component in components],
        "namePrefix": prefix,
    }
    own = text | ({"namespace": namespace} if namespace else {})
    return kustomization(folder, yaml.safe_dump(own))


def built(plane: ControlPlane, folder: Path) -> list[Json]:
    return [each for each in yaml.safe_load_all(plane.kubectl("kustomize", folder)) if each]


@pytest.fixture(scope="module")
def kinds(plane: ControlPlane) -> str:
    named = plane.kubectl("api-resources", "--verbs=list,create", "-o", "name").split()
    return ",".join(kind for kind in named if not kind.startswith("events"))


def everything(plane: ControlPlane, kinds: str) -> dict[str, Json]:
    """All objects of the cluster, but for what the API server itself writes again and again."""
    listed = json.loads(plane.kubectl("get", kinds, "-A", "-o", "json"))["items"]
    return {
        f"{each['kind']} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}": each
        for each in listed
        if each["metadata"].get("namespace") != "kube-system" and each["kind"] not in ("APIService", "Event")
    }


def namespace_of_somebody(plane: ControlPlane, name: str) -> None:
    """In which there is something already."""
    labels = {"team": "ops", "pod-security.kubernetes.io/enforce": "privileged"}
    for body in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": name}},
    ):
        plane.kubectl("apply", "-f", "-", input=json.dumps(body))


def steady(plane: ControlPlane, kinds: str) -> dict[str, tuple[str, str]]:
    """Objects by what tells that they are the same and unchanged."""
    found = everything(plane, kinds)
    return {
        name: (each["metadata"]["uid"], json.dumps(each["metadata"].get("labels")))
        for name, each in found.items()
    }


# A namespace of one's own


@pytest.mark.parametrize("install", INSTALLS)
def test_in_a_namespace_of_ones_own_it_leaves_what_was_there_and_nothing_of_itself(
    plane: ControlPlane, kinds: str, tmp_path: Path, install: str
) -> None:
    namespace_of_somebody(plane, OWN)
    own = over(tmp_path, install)
    before = steady(plane, kinds)

    plane.kubectl("apply", "-k", own)
    between = steady(plane, kinds)
    plane.kubectl("delete", "-k", own, "--timeout=120s")

    assert before.items() <= between.items(), "nothing of anybody else's was changed"
    assert len(between) > len(before) + 5
    assert steady(plane, kinds) == before


@pytest.mark.parametrize("install", INSTALLS)
@pytest.mark.parametrize("namespace", [OWN, None], ids=["of-ones-own", "as-it-is"])
def test_all_of_it_goes_to_that_namespace(
    plane: ControlPlane, tmp_path: Path, install: str, namespace: str | None
) -> None:
    where = namespace or SYSTEM

    objects = built(plane, over(tmp_path, install, namespace))

    assert "Namespace" not in {each["kind"] for each in objects}
    assert "CustomResourceDefinition" not in {each["kind"] for each in objects}
    # kustomize takes each kind that it has not heard of for one of a namespace; the API server does not mind.
    assert {each["metadata"].get("namespace", where) for each in objects} == {where}
    accounts = [subject for each in objects for subject in each.get("subjects", ())]
    assert {account["namespace"] for account in accounts} == {where}
    roles = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert all(
        (each["roleRef"]["kind"], each["roleRef"]["name"]) in roles for each in objects if "roleRef" in each
    )


@pytest.mark.parametrize("install", ["base", "single-namespace"])
def test_there_the_operator_may_do_what_it_must(plane: ControlPlane, tmp_path: Path, install: str) -> None:
    namespace_of_somebody(plane, OWN)
    own = over(tmp_path, install)
    plane.kubectl("apply", "-k", own)

    def may(verb: str, resource: str, *options: str, namespace: str = OWN) -> bool:
        account = f"--as=system:serviceaccount:{OWN}:moorcheh-operator"
        try:
            plane.kubectl("auth", "can-i", verb, resource, *options, "-n", namespace, account, "--quiet")
        except KubectlError:
            return False
        return True

    assert until(lambda: may("list", "namespacedeletions"))
    assert may("patch", "namespacedeletions", "--subresource=status")
    assert may("create", "events")
    assert may("create", "leases")
    assert may("list", "namespacedeletions", namespace="default") is (install == "base")
    plane.kubectl("delete", "-k", own)


@pytest.mark.parametrize("namespace", [OWN, None], ids=["of-ones-own", "as-it-is"])
def test_the_single_namespace_that_it_serves_is_the_one_that_it_is_in(
    plane: ControlPlane, tmp_path: Path, namespace: str | None
) -> None:
    objects = built(plane, over(tmp_path, "single-namespace", namespace))

    [deployment] = [each for each in objects if each["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    [watched] = [each for each in container["env"] if each["name"] == "WATCH_NAMESPACES"]
    assert watched == {
        "name": "WATCH_NAMESPACES",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
    }


def test_without_the_namespace_the_api_server_says_which_one_is_missing(
    plane: ControlPlane, tmp_path: Path
) -> None:
    own = over(tmp_path, "base", "none-such")

    with pytest.raises(KubectlError, match='namespaces "none-such" not found'):
        plane.kubectl("apply", "-k", own)

    plane.kubectl("delete", "-k", own, "--ignore-not-found")


# Two namespaces: the operator's and the one that it serves

WATCHED = MANIFESTS / "overlays" / "watched-namespace"


def test_two_namespaces_are_told_apart(plane: ControlPlane) -> None:
    objects = {(each["kind"], each["metadata"]["namespace"]): each for each in built(plane, WATCHED)}

    binding = objects["RoleBinding", "default"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "moorcheh-operator", "namespace": SYSTEM}
    ]
    [container] = objects["Deployment", SYSTEM]["spec"]["template"]["spec"]["containers"]
    assert {"name": "WATCH_NAMESPACES", "value": "default"} in container["env"]


def test_both_are_named_in_a_copy_of_the_overlay(plane: ControlPlane, tmp_path: Path) -> None:
    files = {
        "kustomization.yaml": (WATCHED / "kustomization.yaml").read_text(),
        "operator/kustomization.yaml": (WATCHED / "operator" / "kustomization.yaml")
        .read_text()
        .replace(f"namespace: {SYSTEM}", f"namespace: {OWN}")
        .replace("../../../base", "../../moorcheh-operator/manifests/base"),
        "watched/kustomization.yaml": (WATCHED / "watched" / "kustomization.yaml")
        .read_text()
        .replace("namespace: default", "namespace: team-a")
        .replace("#   - ../../../", "  - ../../moorcheh-operator/manifests/")
        .replace("# components:", "components:"),
        "watched/role.yaml": (WATCHED / "watched" / "role.yaml").read_text(),
    }
    own = kustomization(tmp_path, "")
    for name, text in files.items():
        (own / name).parent.mkdir(exist_ok=True)
        (own / name).write_text(text)

    objects = built(plane, own)

    assert {each["metadata"]["namespace"] for each in objects} == {OWN, "team-a"}
    assert {subject["namespace"] for each in objects for subject in each.get("subjects", ())} == {OWN}
    [deployment] = [each for each in objects if each["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "WATCH_NAMESPACES", "value": "team-a"} in container["env"]
    rights = {
        each["metadata"]["name"]: each["metadata"]["namespace"] for each in objects if each["kind"] == "Role"
    }
    assert rights == {
        "moorcheh-operator": "team-a",
        "moorcheh-operator-ttl": "team-a",
        "moorcheh-operator-leader-election": OWN,
    }


def test_a_namespace_over_both_is_refused_with_words(plane: ControlPlane, tmp_path: Path) -> None:
    text = f"namespace: {OWN}\nresources: [../moorcheh-operator/manifests/overlays/watched-namespace]\n"

    with pytest.raises(
        KubectlError, match="An outer namespace would make one of the operator's and the watched"
    ):
        plane.kubectl("kustomize", kustomization(tmp_path, text))


# Beside others


def test_two_in_two_namespaces_know_nothing_of_each_other(
    plane: ControlPlane, kinds: str, tmp_path: Path
) -> None:
    one, other = ((tmp_path / name) for name in ("one", "other"))
    for folder in (one, other):
        folder.mkdir()
        plane.kubectl("create", "namespace", f"team-{folder.name}")
    first = over(one, "single-namespace", "team-one")
    second = over(other, "single-namespace", "team-other")
    plane.kubectl("apply", "-k", first)
    before = steady(plane, kinds)

    plane.kubectl("apply", "-k", second)
    plane.kubectl("delete", "-k", second)

    assert steady(plane, kinds) == before
    plane.kubectl("delete", "-k", first)


def test_a_prefix_keeps_two_for_the_whole_cluster_apart(
    plane: ControlPlane, kinds: str, tmp_path: Path
) -> None:
    one, other = ((tmp_path / name) for name in ("one", "other"))
    for folder in (one, other):
        folder.mkdir()
    namespace_of_somebody(plane, OWN)
    namespace_of_somebody(plane, "canary")
    first = over(one, "base-with-all-components")
    second = over(other, "base-with-all-components", "canary", "canary-")
    plane.kubectl("apply", "-k", first)
    before = steady(plane, kinds)

    plane.kubectl("apply", "-k", second)
    plane.kubectl("delete", "-k", second)

    assert steady(plane, kinds) == before
    plane.kubectl("delete", "-k", first)


# The API, and what was asked


def test_requests_and_receipts_outlive_the_operator_and_go_with_the_api() -> None:
    with ControlPlane() as plane:
        plane.kubectl("apply", "-k", API)
        plane.kubectl("create", "namespace", SYSTEM)
        plane.kubectl("apply", "-k", MANIFESTS / "base")
        plane.kubectl("wait", "--for=condition=Established", "crd/namespacedeletions.moorcheh.ai")
        assert until(lambda: _created(plane))

        plane.kubectl("delete", "-k", MANIFESTS / "base")
        assert (
            plane.kubectl("get", "nsdel", "-o", "name")
            == "namespacedeletion.moorcheh.ai/delete-my-documents\n"
        )

        plane.kubectl("delete", "-k", API)
        left = plane.kubectl(
            "get",
            "crd,clusterroles,clusterrolebindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings,"
            "validatingadmissionpolicies,validatingadmissionpolicybindings",
            "-o",
            "name",
        )
        assert "moorcheh" not in left
        assert SYSTEM in plane.kubectl("get", "namespaces", "-o", "name")


def _created(plane: ControlPlane) -> bool:
    try:
        plane.kubectl("apply", "-f", MANIFESTS / "examples" / "delete.yaml")
    except KubectlError:
        return False
    return True


def test_no_gitops_tool_removes_the_api_because_a_manifest_no_longer_names_it(plane: ControlPlane) -> None:
    crds = [each for each in built(plane, API) if each["kind"] == "CustomResourceDefinition"]

    assert len(crds) == 2
    for crd in crds:
        assert crd["metadata"]["annotations"] == {
            "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
            "helm.sh/resource-policy": "keep",
            "kustomize.toolkit.fluxcd.io/prune": "disabled",
        }


# Upgrades from manifests that held the Namespace and the CRD

LABEL = "app.kubernetes.io/part-of=moorcheh-operator"
EARLIER = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {
        "name": SYSTEM,
        "labels": {
            "app.kubernetes.io/name": "moorcheh-operator",
            "app.kubernetes.io/part-of": "moorcheh-operator",
            "pod-security.kubernetes.io/enforce": "restricted",
        },
    },
}
DETACH = (
    ("label", "namespace", SYSTEM, "app.kubernetes.io/part-of-"),
    ("annotate", "namespace", SYSTEM, "kubectl.kubernetes.io/last-applied-configuration-"),
)
"""As docs/install.md has it."""


def earlier(folder: Path) -> Path:
    (folder / "moorcheh-operator").symlink_to(ROOT)
    old = folder / "earlier"
    old.mkdir()
    (old / "namespace.yaml").write_text(yaml.safe_dump(EARLIER))
    (old / "kustomization.yaml").write_text(
        "resources: [../moorcheh-operator/crds, namespace.yaml, ../moorcheh-operator/manifests/base]\n"
    )
    return old


@pytest.mark.parametrize(
    ("detached", "prune", "stays"),
    [
        pytest.param(False, (), True, id="without-prune"),
        pytest.param(True, ("--prune", "-l", LABEL), True, id="pruned-after-the-two-commands"),
        pytest.param(False, ("--prune", "-l", LABEL), False, id="pruned-without-them"),
    ],
)
def test_after_an_upgrade_the_namespace_stays_unless_it_is_pruned_as_a_part_of_the_old_manifests(
    tmp_path: Path, detached: bool, prune: tuple[str, ...], stays: bool
) -> None:
    """The last case is Kubernetes' own doing, and the reason for the two commands."""
    with ControlPlane() as plane:
        plane.kubectl("apply", "-k", earlier(tmp_path))
        for command in DETACH * detached:
            plane.kubectl(*command)

        plane.kubectl("apply", "-k", API)
        plane.kubectl("apply", "-k", MANIFESTS / "base", *prune)

        namespace = json.loads(plane.kubectl("get", "namespace", SYSTEM, "-o", "json"))
        assert ("deletionTimestamp" not in namespace["metadata"]) is stays
        assert "customresourcedefinition" in plane.kubectl("get", "crd", "-o", "name")
        if stays:
            plane.kubectl("delete", "-k", MANIFESTS / "base")
            namespace = json.loads(plane.kubectl("get", "namespace", SYSTEM, "-o", "json"))
            assert "deletionTimestamp" not in namespace["metadata"]


def test_the_commands_of_the_upgrade_guide_are_these() -> None:
    guide = (ROOT / "docs" / "upgrade.md").read_text()

    for command in DETACH:
        assert f"$ kubectl {' '.join(command)}\n" in guide
