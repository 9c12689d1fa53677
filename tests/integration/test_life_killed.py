"""The operator killed with SIGKILL while requests are in every phase, and started again.

Starts one stand-in and one operator, kills it once with everything under way, changes the world while it is
down, and starts it again; each test then follows one request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dev.waiting import until
from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

LONG = 240.0  # seconds; what settles and is verified takes thirty
UNANSWERED = ("accepted", "came-to-nothing", "replaced", "late")
"""Those whose DELETE is on the wire, without an answer, when the operator dies."""


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    limits = {"MOORCHEH_TIMEOUT_SECONDS": "5", "MOORCHEH_VERIFY_SECONDS": "22"}
    with World(installed, tmp_path_factory.mktemp("killed"), options=limits) as world:
        yield world


def script(world: World) -> None:
    """The namespaces, and what the server will do about them."""
    moorcheh = world.moorcheh
    for name in (*UNANSWERED, "succeeds", "verified", "failing", "held", "approved", "edited"):
        moorcheh.create(name, items=5, age=60)
    for name in ("goes-on", "ends-meanwhile", "shared", "given-up"):
        moorcheh.create(name, items=5, age=60, seconds=600)
    moorcheh.fault("delete", "accepted", hold=60)
    moorcheh.fault("delete", "came-to-nothing", kind="status", status=503, hold=60)
    moorcheh.fault("delete", "replaced", hold=60)
    moorcheh.fault("delete", "late", delay=6)
    moorcheh.fault("delete", "verified", kind="drop", effect=True)
    moorcheh.fault("run", "failing", kind="fail", last_error="out of memory")
    for name in ("replaced", "ends-meanwhile", "edited"):
        moorcheh.fault("recreate", name, kind="end")


def before_the_kill(world: World) -> dict[str, Asked]:
    """A request in every phase."""
    early = ("succeeds", "edited", "verified", "failing", "goes-on", "ends-meanwhile", "shared")
    asked = {name: world.ask(name) for name in early}
    asked["given-up"] = world.ask("given-up", activeDeadlineSeconds=20)
    asked["fails"] = world.ask("absent", ifAbsent="Fail")
    asked["held"] = world.ask("held", suspend=True)
    asked["approved"] = world.ask("approved", suspend=True)
    for name in ("goes-on", "ends-meanwhile", "shared", "given-up"):
        asked[name].reaches("Running")
    asked["second"] = world.ask("shared")
    asked["withdrawn"] = world.ask("shared")
    for name, shown in {
        "succeeds": "Succeeded",
        "edited": "Succeeded",
        "fails": "Failed",
        "held": "Suspended",
        "approved": "Suspended",
        "verified": "Submitting/Verifying",
        "failing": "Pending/Retrying",
        "second": "Pending/TargetBusy",
        "withdrawn": "Pending/TargetBusy",
    }.items():
        asked[name].reaches(shown)
    asked |= {name: world.ask(name) for name in UNANSWERED}
    world.on_the_wire(*(asked[name] for name in UNANSWERED))
    return asked


def while_it_is_down(world: World, asked: dict[str, Asked]) -> None:
    """Jobs end, namespaces are created anew, people go on working."""
    world.moorcheh.end_jobs("ends-meanwhile")
    world.moorcheh.end_jobs("shared")
    asked["withdrawn"].withdraw()
    asked["approved"].change(suspend=False).raise_for_status()
    asked["edited"].change(backoffLimit=1).raise_for_status()
    world.moorcheh.create("made-meanwhile", age=60)
    asked["made-meanwhile"] = world.ask("made-meanwhile")

    def is_over() -> bool:
        living = world.moorcheh.namespaces()
        anew = all(name in living and living[name]["precious"] for name in ("replaced", "ends-meanwhile"))
        return anew and "shared" not in living and "accepted" not in living

    assert until(is_over)


@pytest.fixture(scope="module")
def phases() -> dict[str, str]:
    """What each request showed when the operator died; for the tests to be sure of what they test."""
    return {}


@pytest.fixture(scope="module")
def asked(world: World, phases: dict[str, str]) -> dict[str, Asked]:
    script(world)
    asked = before_the_kill(world)
    world.operator.kill()
    while_it_is_down(world, asked)
    phases |= {name: one.trail[-1] for name, one in asked.items()}
    world.operator.start()
    return asked


def test_it_died_with_requests_in_every_phase(asked: dict[str, Asked], phases: dict[str, str]) -> None:
    assert asked
    assert {shown.partition("/")[0] for shown in phases.values()} == {
        "-", "Pending", "Suspended", "Submitting", "Running", "Succeeded", "Failed",
    }  # fmt: skip
    assert {phases[name] for name in UNANSWERED} == {"Submitting/Submitting"}
    assert phases["verified"] == "Submitting/Verifying"


def test_a_job_that_went_on_is_followed_to_its_end(world: World, asked: dict[str, Asked]) -> None:
    world.moorcheh.end_jobs("goes-on")
    asked["goes-on"].ends("Succeeded/DeletionCompleted", within=LONG)

    assert len(asked["goes-on"].deletes) == 1


def test_a_job_that_ended_meanwhile_is_a_success_and_the_new_namespace_is_left_alone(
    world: World, asked: dict[str, Asked]
) -> None:
    asked["ends-meanwhile"].ends("Succeeded/DeletionCompleted", within=LONG)

    assert len(asked["ends-meanwhile"].deletes) == 1
    assert world.moorcheh.namespaces()["ends-meanwhile"]["precious"]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("accepted", "Succeeded/VerifiedAbsent"),
        ("late", "Succeeded/VerifiedAbsent"),
        ("replaced", "Succeeded/TargetReplaced"),
        ("came-to-nothing", "Failed/OutcomeUnknown"),
    ],
)
def test_a_delete_that_was_under_way_is_verified_and_never_sent_again(
    asked: dict[str, Asked], name: str, end: str
) -> None:
    asked[name].ends(end, within=LONG)

    assert len(asked[name].deletes) == 1


def test_what_was_being_verified_is_verified_anew(asked: dict[str, Asked]) -> None:
    asked["verified"].ends("Succeeded/VerifiedAbsent", within=LONG)

    assert len(asked["verified"].deletes) == 1


def test_a_retry_that_was_waited_for_still_follows(world: World, asked: dict[str, Asked]) -> None:
    asked["failing"].ends("Succeeded/DeletionCompleted", within=LONG)

    jobs = [job["how"] for job in world.moorcheh.record()["jobs"] if job["name"] == "failing"]
    assert jobs == ["failed", "completed"]
    assert len(asked["failing"].deletes) == 2


def test_a_request_that_waited_for_its_target_finds_it_gone(asked: dict[str, Asked]) -> None:
    asked["shared"].ends("Succeeded/DeletionCompleted", within=LONG)
    asked["second"].ends("Succeeded/VerifiedAbsent", within=LONG)

    assert asked["second"].deletes == []


def test_a_request_deleted_meanwhile_sends_nothing(world: World, asked: dict[str, Asked]) -> None:
    asked["shared"].ends("Succeeded/DeletionCompleted", within=LONG)
    world.settle()

    assert asked["withdrawn"].deletes == []


def test_what_was_suspended_stays_so_until_it_is_approved(world: World, asked: dict[str, Asked]) -> None:
    world.settle()
    assert asked["held"].trail[-1] == "Suspended/Suspended"
    assert asked["held"].deletes == []

    asked["held"].change(suspend=False).raise_for_status()
    asked["held"].ends("Succeeded/DeletionCompleted", within=LONG)


def test_what_was_approved_meanwhile_is_carried_out(asked: dict[str, Asked]) -> None:
    asked["approved"].ends("Succeeded/DeletionCompleted", within=LONG)


def test_what_was_asked_for_meanwhile_is_carried_out(asked: dict[str, Asked]) -> None:
    asked["made-meanwhile"].ends("Succeeded/DeletionCompleted", within=LONG)


def test_what_had_ended_stays_untouched(world: World, asked: dict[str, Asked]) -> None:
    world.settle()

    assert asked["succeeds"].versions[-1]["metadata"]["generation"] == 1
    assert asked["succeeds"].trail[-1] == "Succeeded/DeletionCompleted"
    assert asked["fails"].trail[-1] == "Failed/TargetAbsent"
    assert len(asked["succeeds"].deletes) == 1


def test_what_was_edited_after_its_end_is_observed(world: World, asked: dict[str, Asked]) -> None:
    asked["edited"].until(lambda body: body["status"]["observedGeneration"] == 2)

    assert len(asked["edited"].deletes) == 1
    assert world.moorcheh.namespaces()["edited"]["precious"]


def test_the_deadline_counts_over_the_restart(asked: dict[str, Asked]) -> None:
    asked["given-up"].ends("Failed/DeadlineExceeded", within=LONG)

    assert len(asked["given-up"].deletes) == 1
