"""A server that shows neither creation times nor counts: nothing tells one incarnation from the next.

Starts such a stand-in and an operator, once; the requests of every test are applied together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

LONG = 240.0  # seconds; what settles and is verified takes thirty

PRECONDITIONS: dict[str, dict[str, object]] = {
    "created-before": {"createdBefore": "2999-01-01T00:00:00Z"},
    "max-items": {"maxItems": 1000},
    "both": {"createdBefore": "2999-01-01T00:00:00Z", "maxItems": 1000},
}


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    limits = {"MOORCHEH_TIMEOUT_SECONDS": "2", "MOORCHEH_VERIFY_SECONDS": "15"}
    knobs: dict[str, Any] = {"created_field": "none", "items_field": "none"}
    with World(installed, tmp_path_factory.mktemp("undated"), knobs=knobs, options=limits) as world:
        yield world


@pytest.fixture(scope="module")
def asked(world: World) -> dict[str, Asked]:
    for name in ("plain", "fails", "lost", "unsent", "shared"):
        world.moorcheh.create(name, age=60, seconds=2 if name == "shared" else 0.3)
    world.moorcheh.fault("run", "fails", kind="fail", last_error="no space")
    world.moorcheh.fault("delete", "lost", kind="drop", effect=True)
    world.moorcheh.fault("delete", "unsent", kind="drop")
    world.moorcheh.fault("recreate", "shared", kind="end")
    asked = {name: world.ask(name) for name in ("plain", "fails", "lost", "unsent", "shared")}
    asked["shared"].reaches("Running")
    asked["second"] = world.ask("shared")
    return asked


@pytest.mark.parametrize("kind", PRECONDITIONS)
def test_a_precondition_that_the_server_does_not_let_us_check_is_not_met(world: World, kind: str) -> None:
    world.moorcheh.create(f"unverifiable-{kind}", items=1, age=60)

    asked = world.ask(f"unverifiable-{kind}", preconditions=PRECONDITIONS[kind])
    asked.ends("Failed/PreconditionUnverifiable")

    assert asked.deletes == []
    assert f"unverifiable-{kind}" in world.moorcheh.namespaces()


def test_a_first_delete_is_allowed_and_what_is_true_of_the_server_is_said_once(
    world: World, asked: dict[str, Asked]
) -> None:
    request = asked["plain"]
    status = request.ends("Succeeded/DeletionCompleted")

    assert status["target"]["found"] is True
    assert "creationTime" not in status["target"]
    assert len(request.deletes) == 1
    request.sees_event("Normal", "Submitted")
    undated = f"the Moorcheh server default at {world.moorcheh.url} shows no creation times"
    said = [line for line in world.operator.output.read_text().splitlines() if undated in line]
    assert len(said) == 1
    code, words = world.operator.get("/readyz")
    assert (code, undated in words) == (200, True)
    assert 'shows_creation_times{server="default"} 0' in world.operator.get("/metrics")[1]


def test_after_a_failed_job_no_second_delete_is_sent(world: World, asked: dict[str, Asked]) -> None:
    request = asked["fails"]
    status = request.ends("Failed/JobFailed", within=LONG)

    assert len(request.deletes) == 1
    assert status["lastError"] == "no space"
    assert "fails" in world.moorcheh.namespaces()


def test_a_refused_delete_is_tried_again(world: World) -> None:
    world.moorcheh.create("refused", age=60)
    world.moorcheh.fault("delete", "refused", kind="status", status=401)

    request = world.ask("refused", backoffLimit=0)
    status = request.ends("Succeeded/DeletionCompleted")

    assert status["attempt"]["number"] == 1
    assert len(request.deletes) == 2


def test_a_lost_answer_is_a_success_once_the_name_is_gone(asked: dict[str, Asked]) -> None:
    request = asked["lost"]
    request.ends("Succeeded/VerifiedAbsent", within=LONG)

    assert len(request.deletes) == 1


def test_a_lost_answer_is_unknown_while_the_name_is_there(asked: dict[str, Asked]) -> None:
    request = asked["unsent"]
    request.ends("Failed/OutcomeUnknown", within=LONG)

    assert len(request.deletes) == 1


def test_a_request_that_waited_behind_another_sends_nothing(world: World, asked: dict[str, Asked]) -> None:
    asked["shared"].ends("Succeeded/DeletionCompleted")
    asked["second"].ends("Failed/PreconditionUnverifiable")

    assert asked["second"].deletes == []
    assert world.moorcheh.namespaces()["shared"]["precious"]


@pytest.fixture(scope="module")
def declared(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same server, of which somebody says that its names are not used again while a request is open."""
    limits = {"MOORCHEH_TIMEOUT_SECONDS": "2", "MOORCHEH_NAME_REUSE": "Never"}
    folder = tmp_path_factory.mktemp("declared")
    with World(installed, folder, knobs={"created_field": "none"}, options=limits) as world:
        yield world


MANY = 5


def test_where_names_are_not_used_again_a_failed_job_is_followed_by_another(declared: World) -> None:
    """And what the declaration costs where they are all the same: what took a name in between."""
    moorcheh = declared.moorcheh
    kinds = ("failed", "forgotten", "swapped")
    for name in (f"{kind}-{number}" for kind in kinds for number in range(MANY)):
        moorcheh.create(name, items=10, age=60)
        moorcheh.fault("run", name, kind="stuck" if name.startswith("forgotten") else "fail")
    asked = {
        kind: [declared.ask(f"{kind}-{number}", backoffLimit=1) for number in range(MANY)] for kind in kinds
    }
    for one in asked["forgotten"]:
        one.reaches("Running")
    moorcheh.forget("forgotten-*")
    for number, one in enumerate(asked["swapped"]):
        one.reaches("Pending/Retrying")
        moorcheh.recreate(f"swapped-{number}", precious=False)

    for one in (one for kind in kinds for one in asked[kind]):
        assert one.ends("Succeeded/DeletionCompleted", within=LONG)["attempt"]["number"] == 2
        assert len(one.deletes) == 2
    record = moorcheh.record()
    first = {each["name"]: each["incarnation"] for each in reversed(record["incarnations"])}
    newer = [each["name"] for each in record["destroyed"] if each["incarnation"] != first[each["name"]]]
    assert sorted(newer) == [f"swapped-{number}" for number in range(MANY)]
