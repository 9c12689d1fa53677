"""Deletions while the operator is restarted, killed, replaced and misconfigured."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import yaml

from dev.controlplane import KubectlError
from dev.e2e.errors import E2EError
from dev.e2e.node import wait
from dev.e2e.place import CHECKOUT, DEPLOYMENT, NAMESPACE, SELECTOR, seconds_until

if TYPE_CHECKING:
    from dev.e2e.place import Place

AT_ONCE = 4.0
"""Seconds; kopf, if it is left to end by itself, takes 5."""


def restarted(place: Place) -> None:
    with place.report.claim("`rollout restart` in the middle of a deletion: one DELETE"):
        _running(place, "restarted")
        place.node.kubectl("rollout", "restart", "-n", NAMESPACE, DEPLOYMENT)
        place.rolled_out()
        place.succeeds_with_one_delete("restarted")


def force_deleted(place: Place) -> None:
    with place.report.claim("a Pod deleted by force in the middle of a deletion: one DELETE"):
        _running(place, "forced")
        place.node.kubectl("delete", "pod", "-n", NAMESPACE, "-l", SELECTOR, "--force", "--grace-period=0")
        place.rolled_out()
        place.succeeds_with_one_delete("forced")


def stopped_in_flight(place: Place) -> None:
    with place.report.claim(
        "SIGTERM while a DELETE has no answer yet: it is waited for and recorded"
    ) as seen:
        _in_flight(place, "stopped", hold=8)
        [pod] = place.pods()
        log = place.follow_log(pod)
        began = time.monotonic()
        place.node.kubectl("delete", "pod", "-n", NAMESPACE, pod["metadata"]["name"], "--timeout=90s")
        seen.append(f"the Pod was gone after {time.monotonic() - began:.0f} s")
        if place.status("stopped").get("phase") not in {"Running", "Succeeded"}:
            raise E2EError(f"its answer was not recorded: {place.status('stopped')}\n{log.tail(8)}")
        place.rolled_out()
        place.succeeds_with_one_delete("stopped")


def idle_stop(place: Place) -> None:
    with place.report.claim("SIGTERM with nothing under way ends it at once, with exit code 0") as seen:
        [pod] = place.pods()
        place.kill(pod, signal.SIGTERM)
        seconds = seconds_until(lambda: not place.processes(pod), "the process is gone")
        seen.append(f"{seconds:.1f} s")
        if seconds > AT_ONCE:
            raise E2EError("that is not at once")

        def ended() -> dict[str, Any]:
            [now] = place.pods()
            state = now["status"]["containerStatuses"][0].get("lastState", {})
            return dict(state.get("terminated", {}))

        wait("its exit code is known", ended)
        if (code := ended()["exitCode"]) != 0:
            raise E2EError(f"exit code {code}")
        place.rolled_out()


def killed_in_flight(place: Place) -> None:
    with place.report.claim(
        "SIGKILL while a DELETE has no answer yet: nothing is sent again, it is looked up"
    ) as seen:
        _in_flight(place, "killed", hold=30)
        [pod] = place.pods()
        began = time.monotonic()
        place.kill(pod)
        place.succeeds_with_one_delete("killed", seconds=150)
        seen.append(f"settled after {time.monotonic() - began:.0f} s")


def failed_over(place: Place) -> None:
    with place.report.claim(
        "two replicas (overlays/high-availability): one is killed, the other takes over"
    ) as seen:
        place.apply(_two_replicas(place))
        wait("two Pods are ready", lambda: len(_ready(place)) == 2)
        wait("one leads", place.holder)
        _running(place, "failed-over", seconds=30)
        leader = _leader(place)
        before = place.holder()
        place.node.kubectl("cordon", "e2e")  # as with its node: it does not come back by itself
        place.kill(leader)
        place.node.kubectl(
            "delete", "pod", "-n", NAMESPACE, leader["metadata"]["name"], "--force", "--grace-period=0"
        )
        took = seconds_until(lambda: place.holder() not in {before, ""}, "the other one leads", 40)
        seen.append(f"it leads after {took:.1f} s")
        place.node.kubectl("uncordon", "e2e")
        place.succeeds_with_one_delete("failed-over", seconds=90)
    place.node.kubectl("uncordon", "e2e")
    place.apply(place.folder)


def drained(place: Place) -> None:
    with place.report.claim(
        "a drain of the only node waits for two replicas, as documented; with one it goes"
    ) as seen:
        drain = ["drain", "e2e", "--ignore-daemonsets", f"--pod-selector={SELECTOR}"]
        place.apply(_two_replicas(place))
        try:
            place.node.kubectl(*drain, "--timeout=15s")
        except KubectlError as error:
            if "disruption budget" not in str(error):
                raise
            seen.append("two replicas: `violate the pod's disruption budget`")
        else:
            raise E2EError("both replicas were evicted")
        place.node.kubectl("uncordon", "e2e")
        place.node.kubectl("scale", "-n", NAMESPACE, DEPLOYMENT, "--replicas=1")
        wait("one Pod is left", lambda: len(place.pods()) == 1)
        place.node.kubectl(*drain, "--timeout=90s")
        place.node.kubectl("uncordon", "e2e")
        place.rolled_out()
    place.apply(place.folder)


def misconfigured(place: Place) -> None:
    """The servers file, by a ConfigMap that is mounted."""
    url = "http://moorcheh.my-namespace.svc:8080"
    good = f"servers:\n  - name: default\n    url: {url}\n    allowedNamespaces: {{from: All}}\n"
    bad = good.replace("allowedNamespaces", "allowedNamespace")
    with place.report.claim(
        "a bad servers file at the start: the Pod says in its own words what is wrong"
    ) as seen:
        place.node.kubectl("apply", "-k", str(_servers(place, bad)))

        def told() -> str:
            for pod in place.pods():
                for container in pod["status"].get("containerStatuses", []):
                    state = container.get("lastState", {}).get("terminated") or container["state"].get(
                        "terminated"
                    )
                    if state and "allowedNamespace" in state.get("message", ""):
                        return str(state["message"]).strip()
            return ""

        wait("`kubectl describe pod` shows the operator's line", told, 60)
        seen.append(told().splitlines()[-1])
    with place.report.claim("the file is mended: it runs") as seen:
        place.node.kubectl("apply", "-k", str(_servers(place, good)))
        place.node.kubectl("rollout", "restart", "-n", NAMESPACE, DEPLOYMENT)
        place.rolled_out()
        place.moorcheh.create("by-servers-file", items=1)
        place.ask("by-servers-file")
        place.succeeds_with_one_delete("by-servers-file")
    with place.report.claim("a bad servers file later: it is told, and the last good one counts") as seen:
        place.node.kubectl("apply", "-k", str(_servers(place, bad)))
        seconds = seconds_until(lambda: "allowedNamespace" in _page(place, "readyz"), "/readyz tells", 150)
        seen.append(f"/readyz tells after {seconds:.0f} s: {_page(place, 'readyz').strip().splitlines()[-1]}")
        place.moorcheh.create("by-the-last-good-one", items=1)
        place.ask("by-the-last-good-one")
        place.succeeds_with_one_delete("by-the-last-good-one")
    place.node.kubectl("delete", "configmap", "-n", NAMESPACE, "moorcheh-servers")
    place.node.kubectl(
        "delete", "-n", NAMESPACE, DEPLOYMENT
    )  # apply would not take the component's parts out
    place.apply(place.folder)


def memory(place: Place, requests: int = 300) -> None:
    with place.report.claim(f"{requests} requests at once: far below the memory limit, no restart") as seen:
        place.moorcheh.create_many(requests, prefix="many-", items=10, seconds=0.1)
        names = sorted(name for name in place.moorcheh.namespaces() if name.startswith("many-"))
        objects = [
            {
                "apiVersion": "moorcheh.ai/v1alpha1",
                "kind": "NamespaceDeletion",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"namespaceName": name},
            }
            for name in names
        ]
        most = place.memory()
        seen.append(f"{most} MiB before")
        began = time.monotonic()
        place.node.kubectl(
            "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

        def over() -> bool:
            nonlocal most
            most = max(most, place.memory())
            phases = place.node.kubectl(
                "get", "nsdel", "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.phase} {end}"
            )
            return (
                sum(each.startswith("many-") and each.endswith("=Succeeded") for each in phases.split())
                == requests
            )

        wait("all have succeeded", over, 240)
        seen.append(f"{most} MiB at most; {time.monotonic() - began:.0f} s")
        if len(place.moorcheh.record()["deletes"]) != len(
            {each["name"] for each in place.moorcheh.record()["deletes"]}
        ):
            raise E2EError("a DELETE was sent twice")
        [pod] = place.pods()
        if restarts := pod["status"]["containerStatuses"][0]["restartCount"]:
            raise E2EError(f"{restarts} restarts")
        if most > 512 // 2:
            raise E2EError(f"{most} MiB of 512")


def _running(place: Place, name: str, *, seconds: float = 15) -> None:
    place.moorcheh.create(name, items=1000, seconds=seconds)
    place.ask(name)
    place.reaches(name, "Running")


def _in_flight(place: Place, name: str, *, hold: float) -> None:
    """Its DELETE takes effect, and is not answered for `hold` seconds."""
    place.moorcheh.create(name, items=10, seconds=3)
    place.moorcheh.fault("delete", name, kind="answer", hold=hold)
    place.ask(name)
    wait(f"the DELETE of {name} is sent", lambda: place.deletes(name), 60)


def _two_replicas(place: Place) -> Any:
    return place.variant("two-replicas", resources=[f"{CHECKOUT}/manifests/overlays/high-availability"])


def _ready(place: Place) -> list[dict[str, Any]]:
    return [
        pod
        for pod in place.pods()
        if any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in pod["status"].get("conditions", [])
        )
    ]


def _leader(place: Place) -> dict[str, Any]:
    holder = place.holder()
    [pod] = [pod for pod in place.pods() if pod["metadata"]["name"] in holder]
    return pod


def _servers(place: Place, text: str) -> Any:
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "moorcheh-servers", "namespace": NAMESPACE},
        "data": {"servers.yaml": text},
    }
    folder = place.variant("servers", components=[f"../{CHECKOUT}/manifests/components/servers"])
    wanted = folder / "kustomization.yaml"
    # The component takes MOORCHEH_BASE_URL out, so the README's patch, which sets it, has no place here.
    wanted.write_text(
        json.dumps({**yaml.safe_load(wanted.read_text()), "patches": [{"patch": json.dumps(config)}]})
    )
    return folder


def _page(place: Place, path: str) -> str:
    [pod] = place.pods()
    return place.node.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/{path}"
    )
