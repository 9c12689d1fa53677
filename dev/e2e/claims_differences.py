"""What clusters differ in, by the patches of docs/install.md, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from dev.e2e import document
from dev.e2e.errors import E2EError
from dev.e2e.images import PASSWORD, PRIVATE, USER
from dev.e2e.node import wait
from dev.e2e.place import NAMESPACE
from dev.helm import Helm
from dev.helm import prepare as prepare_helm

if TYPE_CHECKING:
    from dev.e2e.place import Place

IMAGE = f"{PRIVATE}/moorcheh-operator"
OTHER = "ops"
"""A Kubernetes namespace of one's own choice."""
RANDOM_USER = {"runAsUser": 1000680000, "runAsGroup": 0, "fsGroup": 1000680000}
"""As OpenShift's restricted-v2 gives to a Pod that asks for none."""


def random_user(place: Place) -> None:
    with place.report.claim(
        "OpenShift: any user with group 0 may run the image (patch of docs/install.md)"
    ) as seen:
        chosen = {"spec": {"template": {"spec": {"securityContext": RANDOM_USER}}}}
        patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _named(NAMESPACE), **chosen}
        free = place.variant("openshift", patches=_patches(place, "OpenShift"))
        shown = place.node.kubectl("kustomize", str(free))
        if "runAsUser" in shown or "runAsGroup" in shown:
            raise E2EError("the patch leaves a user")
        place.apply(place.variant("random-user", patches=[{"patch": yaml.safe_dump(patch)}]))
        [pod] = place.pods()
        seen.append(_identity(place, pod))
        if "Uid 1000680000" not in seen[0] or "Gid 0" not in seen[0]:
            raise E2EError("another user")
        _deletes(place, "by-a-random-user")
    place.apply(place.folder)


def quota(place: Place) -> None:
    """In a namespace of one's own: the outer `namespace:` is tried at once."""
    with place.report.claim(
        "a ResourceQuota that wants a CPU limit: it says so; with docs/install.md's patch it runs"
    ) as seen:
        place.node.kubectl("delete", "-k", str(place.folder), "--wait=true")
        place.node.kubectl("create", "namespace", OTHER)
        hard = "requests.cpu=1,requests.memory=1Gi,limits.cpu=4,limits.memory=1Gi"
        place.node.kubectl("create", "quota", "all", "-n", OTHER, f"--hard={hard}")
        place.node.kubectl("apply", "-k", str(place.variant("plain-quota", namespace=OTHER)))

        def refused() -> str:
            events = place.node.kubectl("get", "events", "-n", OTHER, "-o", "jsonpath={.items[*].message}")
            return "must specify limits.cpu" if "must specify limits.cpu" in events else ""

        wait("the quota's words", refused)
        seen.append(f"without: `{refused()}`")
        place.apply(place.variant("quota", namespace=OTHER, patches=_patches(place, "A quota")), OTHER)
    with place.report.claim("an outer `namespace:` in kustomize: the operator runs and deletes there"):
        _deletes(place, "from-ops")
        lease: Any = place.node.get("lease", "moorcheh-operator", "-n", OTHER)
        if not lease["spec"]["holderIdentity"]:
            raise E2EError("nobody leads")
    place.node.kubectl("delete", "-k", str(place.folder / "quota"))
    place.node.kubectl("delete", "namespace", OTHER, "--timeout=60s")
    place.apply(place.folder)


def private_registry(place: Place) -> None:
    with place.report.claim(
        "a private registry: refused without a Secret, pulled with docs/install.md's patch"
    ) as seen:
        images = [{"name": "moorcheh-operator", "newName": IMAGE, "newTag": "0.1.0"}]
        place.node.kubectl("apply", "-k", str(place.variant("no-secret", images=images)))

        def waiting() -> str:
            for pod in place.pods():
                for container in pod["status"].get("containerStatuses", []):
                    reason = container["state"].get("waiting", {}).get("reason", "")
                    if reason in {"ErrImagePull", "ImagePullBackOff"}:
                        return str(reason)
            return ""

        wait("the pull is refused", waiting)
        seen.append(f"without: {waiting()}")
        _make_secret(place, NAMESPACE)
        place.apply(place.variant("secret", images=images, patches=_patches(place, "A private registry")))
        [pod] = place.pods()
        seen.append(f"with: {pod['spec']['containers'][0]['image']}")
        _deletes(place, "from-a-private-registry")
    place.apply(place.folder)


def helm(place: Place) -> None:
    """Last: the API comes with the chart."""
    with place.report.claim(
        "Helm, with a private registry and a user of the cluster's choice: installs, deletes, goes"
    ) as seen:
        run = Helm(prepare_helm(), place.folder / "helm", place.node.plane.kubeconfig)
        place.node.kubectl("create", "namespace", NAMESPACE)
        _make_secret(place, NAMESPACE)
        run(
            "install", "moorcheh-operator", place.checkout / "charts" / "moorcheh-operator", "-n", NAMESPACE,
            "--set", f"image.repository={IMAGE}", "--set", "image.pullSecrets={registry-password}",
            "--set", "baseUrl=http://moorcheh.my-namespace.svc:8080", "--set", "runAsUser=null",
            "--wait", "--timeout=90s",
        )  # fmt: skip
        _deletes(place, "by-helm")
        [pod] = place.pods()
        seen.append(f"{pod['spec']['containers'][0]['image']}, {_identity(place, pod)}")
        run("uninstall", "moorcheh-operator", "-n", NAMESPACE, "--wait")
        wait("its Pods are gone", lambda: not place.pods())
        if place.status("by-helm").get("phase") != "Succeeded":
            raise E2EError("the receipt is gone")


def _patches(place: Place, heading: str) -> list[Any]:
    """Of the kustomization in that section of docs/install.md."""
    [text] = document.yaml_blocks(document.section(place.guide, heading))
    return list(yaml.safe_load(text)["patches"])


def _make_secret(place: Place, namespace: str) -> None:
    """By the command of docs/install.md, with the words in capitals filled in."""
    [command] = document.commands(document.section(place.guide, "A private registry"))
    words = {"REGISTRY": PRIVATE, "USER": USER, "PASSWORD": PASSWORD}
    for word, value in words.items():
        command = command.replace(word, value)
    place.sh(command.replace(NAMESPACE, namespace))


def _deletes(place: Place, name: str) -> None:
    place.moorcheh.create(name, items=10)
    place.ask(name)
    place.succeeds_with_one_delete(name)


def _identity(place: Place, pod: dict[str, Any]) -> str:
    """User and group of its process, as the kernel has them."""
    status = place.processes(pod)[0].joinpath("status").read_text()
    found = {
        line.split()[0].rstrip(":"): line.split()[1]
        for line in status.splitlines()
        if line[:4] in {"Uid:", "Gid:"}
    }
    return f"Uid {found['Uid']}, Gid {found['Gid']}"


def _named(namespace: str) -> dict[str, str]:
    return {"name": "moorcheh-operator", "namespace": namespace}
