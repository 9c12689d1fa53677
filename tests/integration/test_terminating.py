"""A Kubernetes namespace that the real namespace controller is deleting: Pods first, then the rest."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.waiting import WITHIN, until
from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dev.controlplane import ControlPlane

Json = dict[str, Any]
PODS_FIRST = 33
"""1.33: a namespace's Pods are deleted before all else in it (OrderedNamespaceDeletion)."""
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


@pytest.fixture
def five_jobs_at_once(installed_cluster: ControlPlane, tmp_path: Path) -> Iterator[World]:
    options = {"MOORCHEH_MAX_RUNNING_JOBS": "5"}
    with World(installed_cluster, tmp_path, knobs={"job_seconds": 1.0}, options=options) as world:
        yield world


def hold(world: World) -> None:
    """Put a Pod into its namespace that doesn't end by itself."""
    version = world.plane.assets.version
    if int(version.split(".")[1]) < PODS_FIRST:
        pytest.skip(f"Kubernetes {version} does not delete Pods first: requests go at once")
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


def delete_namespace(world: World) -> int:
    """The version of the cluster's state in which it is being deleted."""
    answer = world.http.delete(f"/api/v1/namespaces/{world.namespace}").raise_for_status().json()
    assert "deletionTimestamp" in answer["metadata"]
    return int(answer["metadata"]["resourceVersion"])


def claimed_at(asked: Asked, attempt: str) -> int:
    """The version in which the attempt was first seen."""
    return min(
        int(body["metadata"]["resourceVersion"])
        for body in asked.versions
        if body["status"].get("attempt", {}).get("id") == attempt
    )


def check_sent_before(world: World, asked: Iterable[Asked], deletion: int) -> int:
    """All that was sent had been claimed when the namespace was still there. How much that is."""
    by_uid, sent = {one.uid: one for one in asked}, world.moorcheh.record()["deletes"]
    for delete in sent:
        uid, _, attempt = (delete["request_id"] or "").partition("/")
        assert claimed_at(by_uid[uid], attempt) < deletion, f"sent too late: {by_uid[uid].trail}"
    return len(sent)


def warned_of_refusals(world: World) -> list[str]:
    """What the namespace's end makes the API server refuse is nothing to warn of; a late answer is."""
    log = world.operator.output.read_text().splitlines()
    return [line for line in log if re.search(r"WARNING.*(HTTP 40\d|being terminated)", line)]


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


def test_nothing_that_waits_is_deleted_after_the_namespace_s_deletion(five_jobs_at_once: World) -> None:
    """A Pod keeps the namespace for as long as it takes to end, and all requests with it."""
    world = five_jobs_at_once
    hold(world)
    for number in range(120):
        world.moorcheh.create(f"many-{number}")
    asked = [world.ask(f"many-{number}") for number in range(120)]
    held = world.ask("many-0", suspend=True)
    held.reaches("Suspended")
    asked[10].reaches("Succeeded")

    deletion = delete_namespace(world)

    assert world.history.wait(lambda: all(terminating(one) or one.finished for one in asked), 2 * WITHIN)
    assert world.history.wait(lambda: "NamespaceTerminating" in held.status.get("message", ""), 2 * WITHIN)
    assert check_sent_before(world, asked, deletion) < 120 - 20
    untouched = [one for one in asked if terminating(one)]
    assert {one.target for one in untouched} <= set(world.moorcheh.namespaces())
    assert all(world.namespace in one.status["message"] for one in untouched)
    assert warned_of_refusals(world) == []

    let_go(world)
    assert until(lambda: namespace_is_gone(world), within=WITHIN)
    assert check_sent_before(world, asked, deletion) == 120 - len(untouched)


def terminating(asked: Asked) -> bool:
    return bool(asked.status.get("reason") == "NamespaceTerminating")


def test_an_operator_that_starts_afterwards_sends_nothing(world: World) -> None:
    world.moorcheh.create("left")
    world.operator.stop()
    left = world.ask("left")
    hold(world)
    deletion = delete_namespace(world)
    world.operator.start()

    left.reaches("Pending/NamespaceTerminating")
    let_go(world)

    assert until(lambda: namespace_is_gone(world), within=WITHIN)
    assert check_sent_before(world, [left], deletion) == 0
    assert "left" in world.moorcheh.namespaces()


def test_a_finalizer_of_another_keeps_a_request_and_its_end_is_shown(world: World) -> None:
    world.moorcheh.create("running", seconds=6)
    world.moorcheh.create("kept")
    running, kept = world.ask("running"), world.ask("kept", suspend=True)
    running.reaches("Running")
    kept.reaches("Suspended")
    for one in (running, kept):
        finalize(world, one, ["example.com/keep"])
    delete_namespace(world)

    kept.ends("Failed/Withdrawn")
    running.ends("Succeeded/DeletionCompleted")
    for one in (running, kept):
        finalize(world, one, [])

    assert until(lambda: namespace_is_gone(world), within=WITHIN)
    assert kept.deletes == []
    assert warned_of_refusals(world) == []


def finalize(world: World, asked: Asked, finalizers: list[str]) -> None:
    world.http.patch(
        f"{world.path}/{asked.name}",
        content=json.dumps({"metadata": {"finalizers": finalizers}}),
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()


@pytest.mark.slow
def test_without_a_pod_either(world: World) -> None:
    """The namespace controller takes seconds for as many, and has them in no order."""
    names = [f"many-{number}" for number in range(1500)]
    for name in names:
        world.moorcheh.create(name)
    asked = [world.ask(name) for name in names[:-1]]
    deletion = delete_namespace(world)

    assert until(lambda: namespace_is_gone(world), within=3 * WITHIN)
    world.history.wait(lambda: all(world.history.is_gone(one.uid) for one in asked), WITHIN)
    check_sent_before(world, asked, deletion)
    assert warned_of_refusals(world) == []
