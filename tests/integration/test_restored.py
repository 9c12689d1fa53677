"""Objects that come back from a backup: younger than the data that has their target's name by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dev.controlplane import KubectlError
from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.controlplane import ControlPlane

Json = dict[str, Any]


@pytest.fixture
def world(installed: ControlPlane, tmp_path: Path) -> Iterator[World]:
    with World(installed, tmp_path) as world:
        yield world


def restore(world: World, body: Json, status: Json | None) -> Asked:
    """As Velero does: the object with its label, then, if it was told to, the status."""
    metadata = {"name": body["metadata"]["name"], "labels": {"velero.io/restore-name": "nightly"}}
    created = {key: value for key, value in body.items() if key != "status"} | {"metadata": metadata}
    made = world.http.post(world.path, json=created).raise_for_status().json()
    if status is not None:
        path = f"{world.path}/{metadata['name']}/status"
        world.http.put(path, json={**made, "status": status}).raise_for_status()
    return Asked(world, made)


def backed_up(world: World, asked: Asked) -> Json:
    """The object as a backup has it, which is then lost with its namespace."""
    body: Json = world.http.get(f"{world.path}/{asked.name}").raise_for_status().json()
    asked.withdraw()
    return body


def test_a_finished_request_that_is_restored_without_its_status_does_not_run_again(world: World) -> None:
    world.moorcheh.create("docs")
    asked = world.ask("docs")
    asked.ends("Succeeded/DeletionCompleted")
    body = backed_up(world, asked)
    world.moorcheh.create("docs", precious=True)

    restored = restore(world, body, None)

    restored.ends("Failed/RestoredFromBackup")
    assert restored.deletes == []
    assert "docs" in world.moorcheh.namespaces()


def test_an_end_that_is_restored_stays_the_end(world: World) -> None:
    """Its status comes a moment after the object, and finds it untouched."""
    world.moorcheh.create("docs")
    asked = world.ask("docs")
    ended = asked.ends("Succeeded/DeletionCompleted")
    body = backed_up(world, asked)
    world.moorcheh.create("docs", precious=True)

    restored = restore(world, body, body["status"])
    world.settle()

    assert restored.status["completionTime"] == ended["completionTime"]
    assert restored.trail[-1] == "Succeeded/DeletionCompleted"
    assert restored.deletes == []


def test_one_that_had_not_ended_goes_on_for_the_very_namespace_that_it_was_bound_to(world: World) -> None:
    for name in ("same", "other"):
        world.moorcheh.create(name)
    bodies = []
    for name in ("same", "other"):
        asked = world.ask(name, suspend=True)
        asked.reaches("Suspended")
        bodies.append(backed_up(world, asked))
    world.moorcheh.recreate("other")

    same, other = (restore(world, body, body["status"]) for body in bodies)
    for one in (same, other):
        one.change(suspend=False).raise_for_status()

    same.ends("Succeeded/DeletionCompleted")
    other.ends("Succeeded/TargetReplaced")
    assert other.deletes == []


# Receipts: what `kubectl get -o yaml` has kept, given to kubectl again


def kept(world: World, *asked: Asked, options: tuple[str, ...] = ()) -> str:
    """As a person keeps them, from before the CRD, and with it every object, was taken away."""
    receipts = world.kubectl("get", "nsdel", "-o", "yaml", *options)
    for one in asked:
        one.withdraw()
    return receipts


MANAGED = ("--show-managed-fields",)
GIVEN_AGAIN: list[Any] = [
    pytest.param(("apply",), (), id="apply"),
    pytest.param(("apply", "--validate=false"), (), id="apply, not validated"),
    pytest.param(("create",), (), id="create"),
    pytest.param(("create", "--validate=false"), (), id="create, not validated"),
    pytest.param(("replace", "--force"), (), id="replace"),
    pytest.param(("create", "--save-config"), (), id="create, saved as if applied"),
    pytest.param(("replace", "--force", "--save-config"), (), id="replace, saved as if applied"),
    pytest.param(("apply",), MANAGED, id="apply, with all of the metadata"),
    pytest.param(("create",), MANAGED, id="create, with all of the metadata"),
    pytest.param(("replace", "--force"), MANAGED, id="replace, with all of the metadata"),
]


@pytest.mark.parametrize(("command", "options"), GIVEN_AGAIN)
def test_rule_17_a_receipt_that_is_given_to_kubectl_again_deletes_nothing(
    world: World, command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    for name in ("one", "two"):
        world.moorcheh.create(name)
    asked = [world.ask("one"), world.ask("two")]
    world.all_end(asked)
    receipts = kept(world, *asked, options=options)
    for name in ("one", "two"):
        world.moorcheh.create(name, precious=True)

    world.kubectl(*command, "-f", "-", input=receipts)

    for one in asked:
        copy = world.find(one.name)
        assert "Nothing was sent" in copy.ends("Failed/RestoredFromBackup")["message"]
        assert copy.deletes == []
    assert {"one", "two"} <= set(world.moorcheh.namespaces())


@pytest.mark.parametrize("options", [(), MANAGED], ids=["as shown", "with all of the metadata"])
def test_the_api_server_itself_refuses_to_apply_a_receipt(world: World, options: tuple[str, ...]) -> None:
    asked = world.ask("docs")
    asked.ends("Succeeded/AlreadyAbsent")
    receipts = kept(world, asked, options=options)

    with pytest.raises(KubectlError, match=r"uid mismatch|must be nil"):
        world.kubectl("apply", "--server-side", "-f", "-", input=receipts)


def test_rule_17_a_copy_that_an_admission_policy_has_stamped_deletes_nothing(world: World) -> None:
    world.moorcheh.create("docs", precious=True)
    stamp = {"moorcheh.ai/copy-of": "unknown"}
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": "stamped", "annotations": stamp},
        "spec": {"namespaceName": "docs"},
    }

    copy = Asked(world, world.http.post(world.path, json=body).raise_for_status().json())

    copy.ends("Failed/RestoredFromBackup")
    assert copy.deletes == []


@pytest.mark.parametrize("suspend", [True, False], ids=["held", "to be run"])
def test_what_is_applied_to_the_very_object_that_it_was_taken_from_is_no_copy(
    world: World, *, suspend: bool
) -> None:
    """`kubectl get -o yaml | kubectl apply -f -`, perhaps with another value: the same request."""
    world.moorcheh.create("docs")
    asked = world.ask("docs", suspend=True)
    asked.reaches("Suspended")
    taken = world.kubectl("get", "nsdel", asked.name, "-o", "yaml")
    assert "phase: Suspended" in taken

    words = taken.replace("suspend: true", f"suspend: {str(suspend).lower()}")
    world.kubectl("apply", "-f", "-", input=words)

    if suspend:
        world.settle()
        assert asked.status["phase"] == "Suspended"
        asked.change(suspend=False).raise_for_status()
    asked.ends("Succeeded/DeletionCompleted")
