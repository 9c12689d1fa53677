"""docs/upgrade.md: the API first, then the operator; back, the operator alone.

Each file in `earlier` is the API of a release. The process on both sides is this tree's: what one has stored
another one reads. A made-up later API has what it does not know. With UPGRADE_FROM, a checkout of a release
with its .venv, the earlier side's API and process are that one's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dev.controlplane import ControlPlane
from tests.dev.waiting import until
from tests.integration.conftest import api_folder, install
from tests.integration.life import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import Assets
    from tests.integration.life import Asked

CHECKOUT = os.environ.get("UPGRADE_FROM")
EARLIER = sorted((Path(__file__).parent / "earlier").glob("*.yaml"))
EARLIER_PYTHON = f"{CHECKOUT}/.venv/bin/python" if CHECKOUT else sys.executable


@pytest.fixture
def plane(assets: Assets) -> Iterator[ControlPlane]:
    """A fresh one, for an API of its own."""
    with ControlPlane(assets=assets) as plane:
        yield plane


def folder_of(objects: list[dict[str, Any]], folder: Path) -> Path:
    folder.mkdir()
    (folder / "api.yaml").write_text(yaml.safe_dump_all(objects))
    (folder / "kustomization.yaml").write_text("resources: [api.yaml]\n")
    return folder


def api_of(plane: ControlPlane, text: str) -> list[dict[str, Any]]:
    """Without what this Kubernetes doesn't know yet."""
    kinds = {each["kind"] for each in yaml.safe_load_all(plane.kubectl("kustomize", api_folder(plane)))}
    return [each for each in yaml.safe_load_all(text) if each["kind"] in kinds]


def later(plane: ControlPlane) -> list[dict[str, Any]]:
    """This tree's API and a field more, in the spec and in the status."""
    objects = api_of(plane, plane.kubectl("kustomize", api_folder(plane)))
    for each in objects:
        if each["metadata"]["name"] == "namespacedeletions.moorcheh.ai":
            schema = each["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            schema["spec"]["properties"]["newer"] = {"type": "boolean"}
            schema["status"]["properties"]["newer"] = {"type": "string"}
        if each["kind"] == "ValidatingAdmissionPolicy" and each["metadata"]["name"] == "moorcheh-fields":
            [flaws] = each["spec"]["variables"]
            flaws["expression"] = flaws["expression"].replace("'suspend',", "'suspend', 'newer',")
    return objects


def under_way(world: World) -> dict[str, Asked]:
    """A request in each phase that an upgrade may find it in."""
    for name in ("running", "submitting", "suspended", "done"):
        world.moorcheh.create(name, items=5, age=60, seconds={"running": 8}.get(name, 0.2))
    world.moorcheh.fault("delete", "submitting", hold=60)
    asked = {name: world.ask(name, suspend=name == "suspended") for name in ("running", "suspended", "done")}
    asked["submitting"] = world.ask("submitting")
    asked["running"].reaches("Running")
    asked["waiting"] = world.ask("running", name="waiting")
    for name, phase in {"submitting": "Submitting", "suspended": "Suspended", "waiting": "Pending"}.items():
        asked[name].reaches(phase)
    asked["done"].ends("Succeeded/DeletionCompleted")
    world.on_the_wire(asked["submitting"])
    return asked


def stored(world: World) -> dict[str, tuple[object, object]]:
    # While the API server takes a changed CRD into use it answers 429: "storage is (re)initializing".
    assert until(lambda: world.http.get(world.path).status_code == 200)
    listed = world.http.get(world.path).raise_for_status().json()["items"]
    return {each["metadata"]["name"]: (each["spec"], each["status"]) for each in listed}


def all_end_as_asked(asked: dict[str, Asked]) -> None:
    asked["running"].ends("Succeeded/DeletionCompleted")
    asked["submitting"].ends("Succeeded/VerifiedAbsent")
    asked["waiting"].ends("Succeeded/VerifiedAbsent")
    assert asked["suspended"].status["phase"] == "Suspended"
    assert asked["suspended"].deletes == []
    asked["suspended"].change(suspend=False)
    asked["suspended"].ends("Succeeded/DeletionCompleted")
    assert {name: len(each.deletes) for name, each in asked.items()} == {
        "running": 1, "submitting": 1, "suspended": 1, "done": 1, "waiting": 0,
    }  # fmt: skip


@pytest.mark.parametrize("earlier", EARLIER, ids=lambda path: str(path.stem))
def test_requests_under_way_are_carried_over_an_upgrade(
    plane: ControlPlane, earlier: Path, tmp_path: Path
) -> None:
    """API, then operator. Each request goes on where it was; what had ended is left as it is."""
    text = plane.kubectl("kustomize", f"{CHECKOUT}/crds") if CHECKOUT else earlier.read_text()
    install(plane, api=folder_of(api_of(plane, text), tmp_path / "earlier"))
    with World(plane, tmp_path, operator_up=False, denials=None) as world:
        world.operator.python = EARLIER_PYTHON
        world.operator.start()
        asked = under_way(world)
        done = asked["done"].status

        plane.kubectl("apply", "-k", api_folder(plane))
        world.operator.kill()  # with a DELETE on the wire
        world.operator.python = sys.executable
        before = stored(world)
        world.operator.start()

        assert before.keys() == {each.name for each in asked.values()}
        all_end_as_asked(asked)
        assert asked["done"].status == done


def test_an_operator_that_is_rolled_back_goes_on_and_does_what_it_understands(
    plane: ControlPlane, tmp_path: Path
) -> None:
    """Beside a later API. For a field that it does not know nothing is deleted; what was written stays."""
    install(plane, api=folder_of(later(plane), tmp_path / "later"))
    with World(plane, tmp_path, denials=None) as world:
        asked = under_way(world)
        world.operator.stop()
        name = asked["running"].name
        world.http.patch(
            f"{world.path}/{name}/status",
            json={"status": {"newer": "kept"}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
        world.moorcheh.create("spared", items=5, age=60)
        newer = world.ask("spared", newer=True)

        world.operator.python = EARLIER_PYTHON
        world.operator.start()

        assert "newer" in newer.ends("Failed/InvalidSpec")["message"]
        assert newer.deletes == []
        assert "spared" in world.moorcheh.namespaces()
        all_end_as_asked(asked)
        assert asked["running"].status["newer"] == "kept"
