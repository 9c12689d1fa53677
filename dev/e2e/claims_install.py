"""Installing as the README says, what then runs, and uninstalling."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dev.e2e import document
from dev.e2e.errors import E2EError
from dev.e2e.images import REGISTRY
from dev.e2e.node import wait
from dev.e2e.place import NAMESPACE, SELECTOR

if TYPE_CHECKING:
    from dev.e2e.place import Place

STARTS = 3
UNHURRIED = 4.0
"""Seconds of a start. One that takes longer may be asked too early, after 5 s, and then has its Warning."""
INSTALL = "Install it into a cluster"


def build_image(place: Place) -> None:
    """The README's first commands; they are typed in the checkout."""
    commands = [
        command
        for command in document.commands(document.section(place.readme, INSTALL))
        if command.startswith("docker ")
    ]
    if [command.split()[1] for command in commands] != ["build", "push"]:
        raise E2EError(f"the README does not build and push the image any more: {commands}")
    for command in commands:
        place.sh(command, checkout=True, seconds=1200)


def install(place: Place) -> list[str]:
    """The rest of the README's section, in its order. What was typed."""
    text = document.section(place.readme, INSTALL)
    [kustomization] = document.yaml_blocks(text)
    (place.folder / "kustomization.yaml").write_text(kustomization)
    commands = [command for command in document.commands(text) if command.startswith("kubectl ")]
    if not any("apply -k ." in command for command in commands):
        raise E2EError(f"the README does not install with `kubectl apply -k .` any more: {commands}")
    for command in commands:
        place.sh(command)
    return commands


def built(place: Place) -> None:
    with place.report.claim("the image is built and pushed as the README says", vital=True) as seen:
        build_image(place)
        seen.append(f"by buildah, to {REGISTRY}")


def installed(place: Place) -> None:
    with place.report.claim("installed as the README says, word for word; it runs", vital=True) as seen:
        commands = install(place)
        [status] = [
            command
            for command in document.commands(document.section(place.guide, "3. Install"))
            if command.startswith("kubectl rollout status")
        ]
        began = time.monotonic()
        try:
            place.sh(f"timeout 90 {status}")
        except E2EError as error:
            raise E2EError(f"{error}\n{place.told()}") from error
        seen.append(f"{len(commands)} commands; rolled out in {time.monotonic() - began:.1f} s")
    with place.report.claim("the namespace may enforce the restricted Pod Security Standard") as seen:
        [label] = [
            command
            for command in document.commands(document.section(place.guide, "3. Install"))
            if command.startswith("kubectl label namespace")
        ]
        place.sh(label)
        place.node.kubectl("delete", "pod", "-n", NAMESPACE, "-l", SELECTOR)
        place.rolled_out()
        seen.append("the next Pod was admitted")
    with place.report.claim("a start leaves no Warning") as seen:
        for _ in range(STARTS):
            place.node.kubectl("delete", "pod", "-n", NAMESPACE, "-l", SELECTOR)
            place.rolled_out()
            [pod] = place.pods()
            seconds, warnings = _start_seconds(place, pod), _warnings(place, pod)
            seen.append(f"started in {seconds:.0f} s" + (", with a Warning" if warnings else ""))
            if not warnings:
                break
            if seconds < UNHURRIED:
                raise E2EError(warnings)
        else:
            seen.append("not judged, busy as this machine is")


def _start_seconds(place: Place, pod: dict[str, Any]) -> float:
    """From the container's start to the operator's first line."""
    name = pod["metadata"]["name"]
    first = place.node.kubectl("logs", "-n", NAMESPACE, name, "--timestamps").split(" ", 1)[0]
    began = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    return (datetime.fromisoformat(first[:19]) - datetime.fromisoformat(began[:19])).total_seconds()


def _warnings(place: Place, pod: dict[str, Any]) -> str:
    chosen = f"type=Warning,involvedObject.name={pod['metadata']['name']}"
    return place.node.kubectl("get", "events", "-n", NAMESPACE, f"--field-selector={chosen}", "--no-headers")


def tried(place: Place) -> None:
    with place.report.claim("`Try it` of docs/install.md deletes, with one DELETE") as seen:
        place.moorcheh.create("my-documents", items=1000, seconds=1)
        for command in document.commands(document.section(place.guide, "4. Try it")):
            place.sh(command, checkout=True)
        status = place.status("delete-my-documents")
        if status.get("phase") != "Succeeded" or place.deletes("my-documents") != 1:
            raise E2EError(f"{place.deletes('my-documents')} DELETEs; {status}")
        seen.append(str(status.get("progress", "")))


def metrics(place: Place) -> None:
    with place.report.claim(
        f"the kubelet's probes and /metrics answer at a Pod's {place.node.network.name} address"
    ) as seen:
        [pod] = place.pods()
        page = place.node.kubectl(
            "get",
            "--raw",
            f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics",
        )
        found = re.search(r"^moorcheh_operator_\w+", page, re.MULTILINE)
        conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
        if found is None or conditions["Ready"] != "True":
            raise E2EError(f"{conditions}; {page[:300]}")
        seen.append(f"Pod at {pod['status']['podIP']}")


def uninstalled(place: Place) -> None:
    with place.report.claim("uninstalled with 20 requests under way: receipts stay, nothing hangs") as seen:
        place.moorcheh.create_many(20, prefix="last-", items=10, seconds=120)
        for name in sorted(name for name in place.moorcheh.namespaces() if name.startswith("last-")):
            place.ask(name)
        began = time.monotonic()
        commands = document.inline_commands(_paragraph(place.readme, "**Uninstall**"), "kubectl")
        operator, api = commands
        before = _receipts(place)
        place.sh(operator)
        for command in document.commands(document.section(place.guide, "Uninstall")):
            if command.startswith("kubectl delete lease"):
                place.sh(command)
        wait("no Pod of the operator is left", lambda: not _all_pods(place), 60)
        seen.append(f"{time.monotonic() - began:.0f} s, {len(before)} requests stay")
        if _receipts(place) != before:
            raise E2EError("requests or receipts went away")
        left = place.node.kubectl(
            "get", "all,roles,rolebindings,networkpolicies,pdb,leases,serviceaccounts", "-n", NAMESPACE,
            "-l", SELECTOR, "--no-headers",
        )  # fmt: skip
        left += place.node.kubectl(
            "get", "clusterroles,clusterrolebindings", "moorcheh-operator", "--ignore-not-found"
        )
        if left:
            raise E2EError(f"left:\n{left}")
    with place.report.claim("its namespace, and then the API with all requests, can be deleted"):
        place.node.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")
        place.sh(api)
        if "namespacedeletions" in place.node.kubectl(
            "api-resources", "--api-group=moorcheh.ai", "-o", "name"
        ):
            raise E2EError("the API is still there")


def _receipts(place: Place) -> dict[str, Any]:
    found: Any = place.node.get("nsdel", "-A")["items"]
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


def _all_pods(place: Place) -> list[Any]:
    found: Any = place.node.get("pods", "-n", NAMESPACE, "-l", SELECTOR)["items"]
    return list(found)


def _paragraph(page: str, start: str) -> str:
    [found] = [each for each in page.split("\n\n") if each.startswith(start)]
    return found
