"""Lives that go wrong at the server, all at once: one stand-in and one operator, started once, the requests
of every test applied together, so that their waits (10 s before a second attempt, two looks 5 s apart) pass
side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane
    from dev.moorcheh.standin import SeenDelete

WORDS = "the disk is full: 0 bytes left"
LONG = 240.0  # seconds; what settles and is verified takes thirty


@dataclass(frozen=True)
class Scenario:
    """`faults`: operation and rule. `spec`: beside the target, which is named after the scenario."""

    faults: list[tuple[str, dict[str, Any]]]
    spec: dict[str, Any] = field(default_factory=dict)
    items: int = 10
    seconds: float = 0.3


def delete(**rule: object) -> tuple[str, dict[str, Any]]:
    return "delete", rule


def run(**rule: object) -> tuple[str, dict[str, Any]]:
    return "run", rule


RECREATED = ("recreate", {"kind": "end"})

LOST_ANSWERS = {
    "dropped": delete(kind="drop", effect=True),
    "reset": delete(kind="rst", effect=True),
    "timed-out": delete(kind="answer", hold=8),
    "half": delete(kind="half"),
    "error-after-effect": delete(kind="status", status=500, effect=True),
    "hostile-job-id": delete(kind="job-id", job_id="../../health"),
    "no-json": delete(kind="body", body="<html>accepted</html>"),
    "oversized": delete(kind="oversized"),
    "not-found-after-effect": delete(kind="body", status=404, json={"status": "failure", "message": "gone"}),
}
NO_EFFECT = {
    "dropped-before": delete(kind="drop"),
    "error": delete(kind="status", status=500),
    "unavailable": delete(kind="status", status=503),
    "not-found": delete(kind="status", status=404),
    "conflict": delete(kind="status", status=409),
    "redirected": delete(kind="redirect", location="/namespaces/bystander"),
}

SCENARIOS = {
    "fails-once": Scenario([run(kind="fail", last_error=WORDS)]),
    "fails-for-good": Scenario([run(kind="fail", last_error=WORDS, count=-1)], {"backoffLimit": 1}),
    "fails-without-retry": Scenario([run(kind="fail", last_error=WORDS, count=-1)], {"backoffLimit": 0}),
    "fails-and-is-replaced": Scenario([run(kind="fail", last_error=WORDS)]),
    "forgotten-and-stopped": Scenario([], seconds=600),
    "forgotten-but-done": Scenario([], seconds=12),
    "forgotten-and-replaced": Scenario([], seconds=600),
    **{f"lost-{name}": Scenario([fault]) for name, fault in LOST_ANSWERS.items()},
    **{f"unsent-{name}": Scenario([fault]) for name, fault in NO_EFFECT.items()},
    "lost-and-replaced": Scenario([LOST_ANSWERS["dropped"], RECREATED]),
    "late": Scenario([delete(kind="answer", delay=4)]),
}


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("failures")
    limits = {"MOORCHEH_TIMEOUT_SECONDS": "2", "MOORCHEH_VERIFY_SECONDS": "15"}
    with World(installed, folder, options=limits) as world:
        yield world


@pytest.fixture(scope="module")
def asked(world: World) -> dict[str, Asked]:
    """Every scenario's request, under way."""
    world.moorcheh.create("bystander", precious=True)
    for name, scenario in SCENARIOS.items():
        world.moorcheh.create(name, items=scenario.items, seconds=scenario.seconds, age=60)
        for operation, rule in scenario.faults:
            world.moorcheh.fault(operation, name, **rule)
    asked = {name: world.ask(name, name=name, **scenario.spec) for name, scenario in SCENARIOS.items()}
    for name in ("forgotten-and-stopped", "forgotten-but-done", "forgotten-and-replaced"):
        asked[name].reaches("Running")
        world.moorcheh.forget(name, stop=name != "forgotten-but-done")
    world.moorcheh.recreate("forgotten-and-replaced")
    asked["fails-and-is-replaced"].reaches("Pending/Retrying")
    world.moorcheh.recreate("fails-and-is-replaced")
    return asked


def jobs(world: World, target: str) -> list[str]:
    """What became of each job for this target."""
    return [job["how"] for job in world.moorcheh.record()["jobs"] if job["name"] == target]


def gap(first: SeenDelete, second: SeenDelete) -> float:
    return second["monotonic"] - first["monotonic"]


# Jobs that fail


def test_a_failed_job_is_tried_again_after_a_wait(world: World, asked: dict[str, Asked]) -> None:
    request = asked["fails-once"]
    retrying = request.reaches("Pending/Retrying")
    status = request.ends("Succeeded/DeletionCompleted", within=LONG)

    first, second = request.deletes
    assert retrying["lastError"] == WORDS
    assert retrying["job"]["status"] == "failed"
    assert jobs(world, "fails-once") == ["failed", "completed"]
    assert status["attempt"]["number"] == 2
    assert status["lastError"] == WORDS  # kept after recovery
    assert "lastError" not in status["job"]
    assert gap(first, second) >= 10


def test_a_new_attempt_clears_the_job_of_the_one_before(asked: dict[str, Asked]) -> None:
    request = asked["fails-once"]
    request.ends("Succeeded/DeletionCompleted", within=LONG)

    second_claim = request.until(lambda body: body["status"].get("attempt", {}).get("number") == 2)

    assert second_claim["status"]["phase"] == "Submitting"
    assert "job" not in second_claim["status"]
    assert "progress" not in second_claim["status"]


def test_a_job_that_fails_for_good_ends_with_the_servers_words(world: World, asked: dict[str, Asked]) -> None:
    request = asked["fails-for-good"]
    status = request.ends("Failed/BackoffLimitExceeded", within=LONG)

    assert len(request.deletes) == 2
    assert jobs(world, "fails-for-good") == ["failed", "failed"]
    assert status["lastError"] == WORDS
    assert status["job"]["lastError"] == WORDS
    assert WORDS in status["message"]
    assert "completionTime" in status
    assert "fails-for-good" in world.moorcheh.namespaces()


def test_a_backoff_limit_of_zero_allows_one_attempt(asked: dict[str, Asked]) -> None:
    request = asked["fails-without-retry"]
    status = request.ends("Failed/BackoffLimitExceeded")

    assert len(request.deletes) == 1
    assert status["lastError"] == WORDS


def test_no_second_attempt_follows_on_a_namespace_that_was_replaced(
    world: World, asked: dict[str, Asked]
) -> None:
    request = asked["fails-and-is-replaced"]
    request.ends("Succeeded/TargetReplaced", within=LONG)

    assert len(request.deletes) == 1
    assert world.moorcheh.namespaces()["fails-and-is-replaced"]["precious"]


# Jobs that the server forgets


def test_a_forgotten_job_whose_target_is_still_there_is_tried_again(
    world: World, asked: dict[str, Asked]
) -> None:
    request = asked["forgotten-and-stopped"]
    lost = request.reaches("Pending/Retrying", within=LONG)
    world.on_the_wire(request, times=2, within=LONG)

    first, second = request.deletes
    assert "unknown to the server" in lost["lastError"]
    assert jobs(world, "forgotten-and-stopped") == ["forgotten", "running"]
    assert gap(first, second) >= 15


def test_a_forgotten_job_whose_target_is_gone_is_a_success(world: World, asked: dict[str, Asked]) -> None:
    request = asked["forgotten-but-done"]
    request.ends("Succeeded/VerifiedAbsent", within=LONG)

    assert len(request.deletes) == 1
    assert "forgotten-but-done" not in world.moorcheh.namespaces()


def test_a_forgotten_job_whose_target_was_replaced_is_a_success(
    world: World, asked: dict[str, Asked]
) -> None:
    request = asked["forgotten-and-replaced"]
    request.ends("Succeeded/TargetReplaced", within=LONG)

    assert len(request.deletes) == 1
    assert world.moorcheh.namespaces()["forgotten-and-replaced"]["precious"]


# Answers that are lost


@pytest.mark.parametrize("how", LOST_ANSWERS)
def test_a_delete_whose_answer_is_lost_is_verified_and_never_sent_again(
    world: World, asked: dict[str, Asked], how: str
) -> None:
    request = asked[f"lost-{how}"]
    verifying = request.reaches("Submitting/Verifying")
    status = request.ends("Succeeded/VerifiedAbsent", within=LONG)

    [sent] = request.deletes
    assert sent["effect"] is True
    assert "job" not in status
    assert "lastError" in verifying
    assert f"lost-{how}" not in world.moorcheh.namespaces()


@pytest.mark.parametrize("how", NO_EFFECT)
def test_a_delete_that_came_to_nothing_without_saying_so_ends_as_unknown_and_is_never_sent_again(
    world: World, asked: dict[str, Asked], how: str
) -> None:
    request = asked[f"unsent-{how}"]
    request.reaches("Submitting/Verifying")
    status = request.ends("Failed/OutcomeUnknown", within=LONG)

    [sent] = request.deletes
    assert sent["effect"] is False
    assert "may still take effect" in status["message"]
    assert "create a new request" in status["message"]
    assert f"unsent-{how}" in world.moorcheh.namespaces()


def test_a_redirect_is_not_followed(world: World, asked: dict[str, Asked]) -> None:
    asked["unsent-redirected"].ends("Failed/OutcomeUnknown", within=LONG)

    assert "bystander" in world.moorcheh.namespaces()
    assert [one for one in world.moorcheh.record()["deletes"] if one["name"] == "bystander"] == []


def test_a_lost_answer_and_a_namespace_created_anew_leaves_the_new_one_alone(
    world: World, asked: dict[str, Asked]
) -> None:
    request = asked["lost-and-replaced"]
    request.ends("Succeeded/TargetReplaced", within=LONG)

    assert len(request.deletes) == 1
    assert world.moorcheh.namespaces()["lost-and-replaced"]["precious"]


def test_a_delete_that_takes_effect_after_its_client_gave_up_is_found_out(
    world: World, asked: dict[str, Asked]
) -> None:
    request = asked["late"]
    request.ends("Succeeded/VerifiedAbsent", within=LONG)

    assert len(request.deletes) == 1
    assert "late" not in world.moorcheh.namespaces()
