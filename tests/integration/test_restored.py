"""Objects that come back from a backup: younger than the data that has their target's name by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

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
    made = world.http.post(world.path, json={**body, "metadata": metadata}).raise_for_status().json()
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
