"""A Kubernetes namespace that the real namespace controller is deleting: Pods first, then the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.waiting import until
from tests.integration.life import WITHIN, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.controlplane import ControlPlane

Json = dict[str, Any]
HOLDER = "holder"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": HOLDER},
    "spec": {
        # Nobody is there to end it, so it stays until `let_go`. Once the grace is over the namespace
        # controller looks again and again, at growing intervals.
        "nodeName": "none-such",
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "one", "image": "none-such"}],
    },
}


@pytest.fixture
def world(installed_cluster: ControlPlane, tmp_path: Path) -> Iterator[World]:
    with World(installed_cluster, tmp_path) as world:
        yield world


def hold(world: World) -> None:
    """Put a Pod into its namespace that doesn't end by itself."""
    world.kubectl("create", "-f", "-", input=json.dumps(POD))


def terminate(world: World) -> None:
    """Ask for the namespace's deletion, and see that the namespace controller has begun with the Pod."""
    world.kubectl("delete", "namespace", world.namespace, "--wait=false")
    assert until(lambda: "deletionTimestamp" in pod(world)["metadata"], within=WITHIN)


def let_go(world: World) -> None:
    """What the kubelet does once the Pod's containers have ended."""
    world.kubectl("delete", "pod", HOLDER, "--grace-period=0", "--force")


def pod(world: World) -> Json:
    answer = world.http.get(f"/api/v1/namespaces/{world.namespace}/pods/{HOLDER}")
    body: Json = answer.raise_for_status().json()
    return body


def namespace_is_gone(world: World) -> bool:
    return world.http.get(f"/api/v1/namespaces/{world.namespace}").status_code == 404


def test_requests_stay_until_the_last_pod_is_gone(world: World) -> None:
    """So whoever deletes a namespace has not withdrawn what waits in it: its requests do not show it yet."""
    world.moorcheh.create("busy", seconds=600)
    world.moorcheh.create("held")
    running = world.ask("busy")
    running.reaches("Running")
    waiting, suspended = world.ask("busy"), world.ask("held", suspend=True)
    waiting.reaches("Pending/TargetBusy")
    suspended.reaches("Suspended")
    hold(world)

    terminate(world)

    listed = world.http.get(world.path).raise_for_status().json()["items"]
    assert {each["metadata"]["uid"] for each in listed} == {running.uid, waiting.uid, suspended.uid}
    assert [each for each in listed if "deletionTimestamp" in each["metadata"]] == []
    refused = world.http.post(
        world.path,
        json={
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": "late"},
            "spec": {"namespaceName": "late"},
        },
    )
    assert (refused.status_code, refused.json()["details"]["causes"][0]["reason"]) == (
        403,
        "NamespaceTerminating",
    )

    let_go(world)

    assert until(lambda: namespace_is_gone(world), within=WITHIN)
    asked = (running, waiting, suspended)
    assert world.history.wait(lambda: all(world.history.is_gone(each.uid) for each in asked), WITHIN)
    assert "held" in world.moorcheh.namespaces()
    assert waiting.deletes == suspended.deletes == []
