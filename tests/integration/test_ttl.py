"""spec.ttlSecondsAfterFinished: receipts that are thrown away, and those that must be kept."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.waiting import WITHIN
from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

RIGHT = Path(__file__).parents[2] / "manifests" / "components" / "ttl-single-namespace" / "role" / "role.yaml"
TRACKING = {"argocd.argoproj.io/tracking-id": "app:moorcheh.ai/NamespaceDeletion:team/wipe"}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With the right that manifests/components/ttl gives."""
    with World(installed, tmp_path_factory.mktemp("ttl")) as world:
        world.kubectl("apply", "-f", str(RIGHT))
        yield world


def ask(world: World, name: str, *, metadata: Json | None = None, **spec: object) -> Asked:
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"namespaceName": name, **spec},
    }
    created = world.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(body))
    return Asked(world, json.loads(created))  # it may be gone by the time that one could ask for it


def is_gone(world: World, asked: Asked, *, within: float = WITHIN) -> bool:
    return world.history.wait(lambda: world.history.is_gone(asked.uid), within)


def test_an_ended_request_is_deleted_after_its_time(world: World) -> None:
    world.moorcheh.create("expires")
    succeeded = ask(world, "expires", ttlSecondsAfterFinished=3)
    failed = ask(world, "absent", ifAbsent="Fail", ttlSecondsAfterFinished=3)
    status = succeeded.ends("Succeeded/DeletionCompleted")
    failed.ends("Failed/TargetAbsent")

    assert is_gone(world, succeeded)
    assert is_gone(world, failed)

    ended = datetime.fromisoformat(status["completionTime"])
    end = world.http.get("/version").headers["Date"]
    assert datetime.strptime(end, "%a, %d %b %Y %H:%M:%S %Z").replace(
        tzinfo=ended.tzinfo
    ) >= ended + timedelta(seconds=3)


def test_without_a_time_it_is_kept(world: World) -> None:
    kept = ask(world, "kept")
    other = ask(world, "not-kept", ttlSecondsAfterFinished=1)

    assert is_gone(world, other)

    kept.ends("Succeeded/AlreadyAbsent")
    assert not world.history.is_gone(kept.uid)


def test_it_can_be_set_and_taken_back_after_the_end(world: World) -> None:
    set_later, taken_back = ask(world, "set-later"), ask(world, "taken-back", ttlSecondsAfterFinished=12)
    set_later.ends("Succeeded/AlreadyAbsent")
    taken_back.ends("Succeeded/AlreadyAbsent")

    taken_back.change(ttlSecondsAfterFinished=None).raise_for_status()
    set_later.change(ttlSecondsAfterFinished=14).raise_for_status()

    assert is_gone(world, set_later)
    assert not world.history.is_gone(taken_back.uid)


def test_what_argo_cd_applies_is_kept_and_an_event_says_why(world: World) -> None:
    """It would be created again, and the deletion would run again."""
    tracked = ask(world, "tracked", metadata={"annotations": TRACKING}, ttlSecondsAfterFinished=1)
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    flux = ask(world, "flux", metadata={"labels": labels}, ttlSecondsAfterFinished=1)
    hook = {"argocd.argoproj.io/hook": "PostSync"}
    hooked = ask(world, "hook", metadata={"annotations": TRACKING | hook}, ttlSecondsAfterFinished=3)

    assert is_gone(world, hooked)

    for kept in (tracked, flux):
        kept.ends("Succeeded/AlreadyAbsent")
        kept.sees_event("Warning", "TTLIgnored")
        assert [reason for _, reason in kept.events()].count("TTLIgnored") == 1
        assert not world.history.is_gone(kept.uid)


def test_it_is_kept_while_an_unfinished_request_has_the_same_target(world: World) -> None:
    """Rule 8: that one must know that another ended meanwhile, or newer data could look like the old."""
    world.moorcheh.create("shared")
    waits = world.ask("shared", suspend=True)
    waits.reaches("Suspended")
    ended = world.ask("shared", ttlSecondsAfterFinished=1)
    ended.ends("Succeeded/DeletionCompleted")
    other = ask(world, "meanwhile", ttlSecondsAfterFinished=2)
    assert is_gone(world, other)

    assert not world.history.is_gone(ended.uid)

    waits.withdraw()
    assert is_gone(world, ended)


def test_time_passes_while_the_operator_is_down(world: World) -> None:
    asked = ask(world, "over-a-restart", ttlSecondsAfterFinished=4)
    asked.ends("Succeeded/AlreadyAbsent")
    world.operator.kill()
    world.operator.start()

    assert is_gone(world, asked)
