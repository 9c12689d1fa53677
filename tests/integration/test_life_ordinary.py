"""Lives that go as planned, and those that are stopped at a fence. Starts a stand-in and an operator."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dev.controlplane import KubectlError
from moorcheh_operator.api.request import parse
from moorcheh_operator.api.status import render
from tests.dev.waiting import until
from tests.integration.life import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

Json = dict[str, Any]


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(installed, tmp_path_factory.mktemp("ordinary")) as world:
        yield world


def written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def now(world: World) -> datetime:
    """By the API server's clock, which is this machine's."""
    return datetime.fromisoformat(world.ask("nothing-there").made)


def manifest(name: str, target: str, **spec: object) -> str:
    return json.dumps(
        {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name},
            "spec": {"namespaceName": target, **spec},
        }
    )


def conditions(status: Json) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


# The ordinary life


def test_an_ordinary_request_deletes_its_namespace_and_keeps_the_receipt(world: World) -> None:
    made = world.moorcheh.create("ordinary", items=40)

    asked = world.ask("ordinary")
    status = asked.ends("Succeeded/DeletionCompleted")

    [delete] = asked.deletes
    assert asked.trail == [
        "-/-", "Submitting/Submitting", "Running/JobRunning", "Succeeded/DeletionCompleted",
    ]  # fmt: skip
    assert status["observedGeneration"] == 1
    assert status["target"]["found"] is True
    assert status["target"]["itemCount"] == 40
    assert status["target"]["creationTime"] == made["created_at"]
    assert delete["request_id"] == f"{asked.uid}/{status['attempt']['id']}"
    assert status["attempt"]["number"] == 1
    assert status["job"]["id"] == delete["job_id"]
    assert status["job"]["status"] == "completed"
    assert (status["job"]["totalItems"], status["job"]["deletedItems"]) == (40, 40)
    assert status["progress"] == "40/40 (100%)"
    assert "lastError" not in status
    assert conditions(status) == {"Ready": "True", "Finished": "True"}
    assert "ordinary" not in world.moorcheh.namespaces()


def test_the_claim_is_on_record_before_the_delete_takes_effect(world: World) -> None:
    world.moorcheh.create("announced")
    world.moorcheh.fault("delete", "announced", delay=1)

    asked = world.ask("announced")
    world.on_the_wire(asked)
    [delete] = asked.deletes

    recorded = world.find(asked.name)
    status = world.http.get(f"{world.path}/{recorded.name}").json()["status"]
    assert (status["phase"], f"{asked.uid}/{status['attempt']['id']}") == ("Submitting", delete["request_id"])
    assert "job" not in status
    asked.ends("Succeeded/DeletionCompleted")


def test_progress_moves_while_the_job_runs(world: World) -> None:
    world.moorcheh.create("large", items=1000, seconds=12)

    asked = world.ask("large")
    asked.ends("Succeeded/DeletionCompleted")

    shown = [body["status"]["progress"] for body in asked.versions if "progress" in body["status"]]
    assert len(set(shown)) > 2
    assert shown == sorted(shown, key=lambda text: int(text.partition("/")[0]))


def test_kubectl_wait_returns_when_the_request_has_ended(world: World) -> None:
    world.moorcheh.create("waited", seconds=1)

    world.kubectl("create", "--filename", "-", input=manifest("waited", "waited"))
    world.kubectl("wait", "--for=condition=Finished", "--timeout=120s", "nsdel/waited")

    shown = world.kubectl("get", "nsdel", "waited", "--output", "jsonpath={.status.phase}/{.status.reason}")
    assert shown == "Succeeded/DeletionCompleted"


def test_kubectl_wait_for_ready_fails_no_sooner_for_what_has_failed(world: World) -> None:
    """Ready is False, and Finished True, so one wait serves both ends."""
    world.kubectl("create", "--filename", "-", input=manifest("typo", "tpyo", ifAbsent="Fail"))
    world.kubectl("wait", "--for=condition=Finished", "--timeout=120s", "nsdel/typo")
    world.kubectl("wait", "--for=condition=Ready=False", "--timeout=120s", "nsdel/typo")
    world.kubectl("wait", "--for=condition=Stalled", "--timeout=120s", "nsdel/typo")


# Absent targets


@pytest.mark.parametrize(
    ("if_absent", "end"), [("Succeed", "Succeeded/AlreadyAbsent"), ("Fail", "Failed/TargetAbsent")]
)
def test_an_absent_target_means_what_if_absent_says(world: World, if_absent: str, end: str) -> None:
    asked = world.ask("never-there", ifAbsent=if_absent)

    status = asked.ends(end)

    assert status["target"]["found"] is False
    assert "attempt" not in status
    assert asked.deletes == []


# Preconditions


def test_preconditions_that_are_met_let_the_delete_through(world: World) -> None:
    world.moorcheh.create("small-and-old", items=5, age=3600)
    before = written(now(world) - timedelta(minutes=30))

    asked = world.ask("small-and-old", preconditions={"createdBefore": before, "maxItems": 5})

    asked.ends("Succeeded/DeletionCompleted")


def test_a_namespace_created_too_late_is_refused(world: World) -> None:
    world.moorcheh.create("too-young", age=60)
    before = written(now(world) - timedelta(minutes=30))

    asked = world.ask("too-young", preconditions={"createdBefore": before})
    status = asked.ends("Failed/PreconditionFailed")

    assert "createdBefore" in status["message"]
    assert asked.deletes == []
    assert "too-young" in world.moorcheh.namespaces()


@pytest.mark.parametrize(("items", "most"), [(6, 5), (1, 0)])
def test_a_namespace_with_too_many_items_is_refused(world: World, items: int, most: int) -> None:
    world.moorcheh.create(f"too-full-{most}", items=items)

    asked = world.ask(f"too-full-{most}", preconditions={"maxItems": most})
    status = asked.ends("Failed/PreconditionFailed")

    assert "maxItems" in status["message"]
    assert asked.deletes == []
    assert f"too-full-{most}" in world.moorcheh.namespaces()


def test_max_items_zero_lets_an_empty_namespace_through(world: World) -> None:
    world.moorcheh.create("empty", items=0)

    world.ask("empty", preconditions={"maxItems": 0}).ends("Succeeded/DeletionCompleted")


def test_the_same_manifest_replayed_never_touches_a_newer_namespace(world: World) -> None:
    world.moorcheh.create("replayed", age=3600)
    preconditions = {"createdBefore": written(now(world) - timedelta(minutes=1))}
    world.ask("replayed", preconditions=preconditions).ends("Succeeded/DeletionCompleted")
    world.moorcheh.recreate("replayed", age=30)

    again = world.ask("replayed", preconditions=preconditions)
    again.ends("Failed/PreconditionFailed")

    assert again.deletes == []
    assert world.moorcheh.namespaces()["replayed"]["precious"]


# Never newer than the request


def test_a_target_newer_than_the_request_is_left_alone(world: World) -> None:
    world.moorcheh.create("newer", age=-10, precious=True)

    asked = world.ask("newer")
    asked.ends("Failed/TargetNewerThanRequest")

    assert asked.deletes == []
    assert "newer" in world.moorcheh.namespaces()


def test_a_target_created_while_the_request_was_held_is_left_alone(world: World) -> None:
    asked = world.ask("created-later", suspend=True)
    assert asked.reaches("Suspended")["target"]["found"] is False
    world.moorcheh.create("created-later", age=-4, precious=True)

    asked.change(suspend=False).raise_for_status()
    asked.ends("Failed/TargetNewerThanRequest")

    assert asked.deletes == []


# Suspend


def test_a_suspended_request_previews_its_target_and_sends_nothing_before_approval(world: World) -> None:
    world.moorcheh.create("held", items=7)
    asked = world.ask("held", suspend=True)

    preview = asked.reaches("Suspended/Suspended")
    world.settle()

    assert preview["target"]["found"] is True
    assert preview["target"]["itemCount"] == 7
    assert "approve" in preview["message"]
    assert "startTime" not in preview
    assert conditions(preview) == {"Finished": "False"}
    assert asked.deletes == []

    asked.change(suspend=False).raise_for_status()
    asked.ends("Succeeded/DeletionCompleted")
    assert len(asked.deletes) == 1


def test_a_preview_says_if_approval_would_be_refused(world: World) -> None:
    world.moorcheh.create("held-full", items=7)

    asked = world.ask("held-full", suspend=True, preconditions={"maxItems": 3})

    assert "would be refused (PreconditionFailed)" in asked.reaches("Suspended")["message"]


def test_the_incarnation_that_was_previewed_is_the_one_that_approval_means(world: World) -> None:
    world.moorcheh.create("swapped", age=60)
    asked = world.ask("swapped", suspend=True)
    asked.reaches("Suspended")
    world.moorcheh.recreate("swapped", age=30)

    asked.change(suspend=False).raise_for_status()
    asked.ends("Succeeded/TargetReplaced")

    assert asked.deletes == []
    assert world.moorcheh.namespaces()["swapped"]["precious"]


def test_a_running_request_cannot_be_suspended_but_an_ended_one_may_say_so_for_ever(world: World) -> None:
    world.moorcheh.create("gitops", seconds=600)
    held, approved = (manifest("gitops", "gitops", suspend=suspend) for suspend in (True, False))
    world.kubectl("apply", "--filename", "-", input=held)
    asked = world.find("gitops")
    asked.reaches("Suspended")
    world.kubectl("apply", "--filename", "-", input=approved)
    asked.reaches("Running")

    with pytest.raises(KubectlError, match="cannot become true while an attempt is open"):
        world.kubectl("apply", "--filename", "-", input=held)

    world.moorcheh.end_jobs("gitops")
    asked.ends("Succeeded/DeletionCompleted")
    world.kubectl("apply", "--filename", "-", input=held)
    generation = asked.until(lambda body: body["metadata"]["generation"] == 3)["metadata"]["generation"]
    asked.until(lambda body: body["status"]["observedGeneration"] == generation)
    world.kubectl("wait", "--for=condition=Finished", "--timeout=120s", "nsdel/gitops")
    assert asked.status["phase"] == "Succeeded"
    assert len(asked.deletes) == 1


# After the end


def test_a_spec_edited_after_the_end_is_observed_and_changes_nothing(world: World) -> None:
    world.moorcheh.create("edited")
    asked = world.ask("edited")
    before = dict(asked.ends("Succeeded/DeletionCompleted"))
    world.moorcheh.recreate("edited")

    asked.change(backoffLimit=7, activeDeadlineSeconds=5).raise_for_status()
    asked.until(lambda body: body["status"]["observedGeneration"] == 2)
    world.kubectl("wait", "--for=condition=Finished", "--timeout=120s", f"nsdel/{asked.name}")
    world.settle()

    follow = {"observedGeneration", "conditions"}
    assert {key: value for key, value in asked.status.items() if key not in follow} == {
        key: value for key, value in before.items() if key not in follow
    }
    assert {condition["observedGeneration"] for condition in asked.status["conditions"]} == {2}
    assert len(asked.deletes) == 1
    assert world.moorcheh.namespaces()["edited"]["precious"]


def test_an_ended_request_never_acts_again_when_its_namespace_comes_back(world: World) -> None:
    world.moorcheh.create("back-again")
    world.moorcheh.fault("recreate", "back-again", kind="end")

    asked = world.ask("back-again")
    asked.ends("Succeeded/DeletionCompleted")
    world.settle()

    assert len(asked.deletes) == 1
    assert world.moorcheh.namespaces()["back-again"]["precious"]


# Two requests for one target


def test_of_two_requests_for_one_target_the_second_waits_and_sends_nothing(world: World) -> None:
    world.moorcheh.create("shared", seconds=600)
    first = world.ask("shared")
    first.reaches("Running")

    second = world.ask("shared")
    busy = second.reaches("Pending/TargetBusy")
    world.moorcheh.end_jobs("shared")
    first.ends("Succeeded/DeletionCompleted")
    second.ends("Succeeded/VerifiedAbsent")

    assert first.name in busy["message"]
    assert busy["target"]["found"] is True
    assert len(first.deletes) == 1
    assert second.deletes == []


def test_a_second_request_never_takes_the_namespace_that_came_after_the_first(world: World) -> None:
    world.moorcheh.create("shared-and-back", seconds=600)
    world.moorcheh.fault("recreate", "shared-and-back", kind="end")
    first = world.ask("shared-and-back")
    first.reaches("Running")

    second = world.ask("shared-and-back")
    second.reaches("Pending/TargetBusy")
    world.moorcheh.end_jobs("shared-and-back")
    first.ends("Succeeded/DeletionCompleted")
    second.ends("Succeeded/TargetReplaced")

    assert second.deletes == []
    assert world.moorcheh.namespaces()["shared-and-back"]["precious"]


def test_of_requests_made_at_once_for_one_target_one_alone_sends(world: World) -> None:
    """Within a second the smaller uid is the older one, also where the other has begun: many rounds."""
    world.moorcheh.create_many(30, "raced-", seconds=600)

    pairs = [[world.ask(f"raced-{number:05d}") for _ in range(2)] for number in range(30)]
    assert until(lambda: all(any("job" in one.status for one in pair) for pair in pairs))
    assert world.moorcheh.end_jobs("raced-*") == 30
    world.all_end(one for pair in pairs for one in pair)

    for pair in pairs:
        assert sorted(len(one.deletes) for one in pair) == [0, 1]
        assert {"DeletionCompleted", "VerifiedAbsent"} == {one.status["reason"] for one in pair}


# The deadline


def test_a_job_that_never_ends_is_given_up_at_the_deadline(world: World) -> None:
    world.moorcheh.create("stuck", items=10)
    world.moorcheh.fault("run", "stuck", kind="stuck")

    asked = world.ask("stuck", activeDeadlineSeconds=8)
    status = asked.ends("Failed/DeadlineExceeded")

    lived = datetime.fromisoformat(status["completionTime"]) - datetime.fromisoformat(status["startTime"])
    assert lived >= timedelta(seconds=8)
    assert "may go on at the server" in status["message"]
    assert status["job"]["status"] == "running"
    assert len(asked.deletes) == 1


def test_a_request_that_waits_is_given_up_at_its_deadline_and_sends_nothing(world: World) -> None:
    world.moorcheh.create("occupied", seconds=600)
    first = world.ask("occupied")
    first.reaches("Running")

    second = world.ask("occupied", activeDeadlineSeconds=2)
    status = second.ends("Failed/DeadlineExceeded")

    assert "Nothing of it is under way" in status["message"]
    assert second.deletes == []
    world.moorcheh.end_jobs("occupied")
    first.ends("Succeeded/DeletionCompleted")


# The object deleted in each phase


def test_deleted_while_it_waits_for_its_target_it_sends_nothing(world: World) -> None:
    world.moorcheh.create("withdrawn-pending", seconds=600)
    world.moorcheh.fault("recreate", "withdrawn-pending", kind="end")
    first = world.ask("withdrawn-pending")
    first.reaches("Running")
    second = world.ask("withdrawn-pending")
    second.reaches("Pending/TargetBusy")

    second.withdraw()
    world.moorcheh.end_jobs("withdrawn-pending")
    first.ends("Succeeded/DeletionCompleted")
    world.settle()

    assert second.deletes == []


def test_deleted_while_suspended_it_sends_nothing(world: World) -> None:
    world.moorcheh.create("withdrawn-suspended")
    asked = world.ask("withdrawn-suspended", suspend=True)
    asked.reaches("Suspended")

    asked.withdraw()
    world.settle()

    assert asked.deletes == []
    assert "withdrawn-suspended" in world.moorcheh.namespaces()


@pytest.mark.parametrize("phase", ["Submitting", "Running"])
def test_deleted_while_an_attempt_is_open_its_target_stays_held_until_the_job_ended(
    world: World, phase: str
) -> None:
    target = f"withdrawn-{phase.lower()}"
    world.moorcheh.create(target, seconds=600)
    if phase == "Submitting":
        world.moorcheh.fault("delete", target, hold=4)
    first = world.ask(target)
    world.on_the_wire(first)
    first.reaches(phase)
    waiting = world.ask(target)
    if phase == "Running":
        waiting.reaches("Pending/TargetBusy")

    first.withdraw()
    second = world.ask(target)
    second.reaches("Pending/TargetBusy")
    if phase == "Running":
        deleted = f"Waiting for {world.namespace}/{first.name} (deleted, but its job may still run)"
        waiting.until(lambda body: deleted in body["status"].get("message", ""))
    world.moorcheh.end_jobs(target)
    second.ends("Succeeded/VerifiedAbsent")

    [job] = [job for job in world.moorcheh.record()["jobs"] if job["name"] == target]
    assert job["how"] == "completed"
    assert len(first.deletes) == 1
    assert second.deletes == []
    assert phase in first.trail[-1]


def test_deleted_after_its_end_a_new_one_of_the_same_name_starts_afresh(world: World) -> None:
    world.moorcheh.create("once-more")
    first = world.ask("once-more", name="same-name")
    first.ends("Succeeded/DeletionCompleted")
    first.withdraw()
    world.moorcheh.create("once-more", age=30)

    second = world.ask("once-more", name="same-name")
    status = second.ends("Succeeded/DeletionCompleted")

    assert second.trail[0] == "-/-"
    assert status["attempt"]["number"] == 1
    assert (len(first.deletes), len(second.deletes)) == (1, 1)


# The server says no


@pytest.mark.parametrize(
    ("code", "retry_after", "pause"), [(401, None, 0.9), (403, None, 0.9), (429, 3, 3.0), (429, None, 0.9)]
)
def test_a_refused_delete_is_asked_again_later_and_counts_as_no_attempt(
    world: World, code: int, retry_after: int | None, pause: float
) -> None:
    target = f"refused-{code}-{retry_after}"
    world.moorcheh.create(target)
    waits = {} if retry_after is None else {"retry_after": retry_after}
    world.moorcheh.fault("delete", target, kind="status", status=code, **waits)

    asked = world.ask(target, backoffLimit=0)
    refused = asked.reaches("Pending/Refused")
    status = asked.ends("Succeeded/DeletionCompleted")

    first, second = asked.deletes
    assert str(code) in refused["lastError"]
    assert "attempt" not in refused
    assert first["request_id"] != second["request_id"]
    assert second["monotonic"] - first["monotonic"] >= pause
    assert status["attempt"]["number"] == 1
    assert str(code) in status["lastError"]


@pytest.mark.parametrize("code", [400, 422])
def test_a_rejected_delete_is_the_end(world: World, code: int) -> None:
    world.moorcheh.create(f"rejected-{code}")
    world.moorcheh.fault("delete", f"rejected-{code}", kind="status", status=code)

    asked = world.ask(f"rejected-{code}")
    status = asked.ends("Failed/Rejected")

    assert str(code) in status["lastError"]
    assert len(asked.deletes) == 1
    assert f"rejected-{code}" in world.moorcheh.namespaces()


def test_a_poll_that_fails_for_a_while_is_shown_and_survived(world: World) -> None:
    world.moorcheh.create("unpolled", seconds=4)
    world.moorcheh.fault("job", "unpolled", kind="status", status=503, count=3)

    asked = world.ask("unpolled")
    failing = asked.reaches("Running/PollFailing")
    asked.ends("Succeeded/DeletionCompleted")

    assert "503" in failing["lastError"]


# What is written


def test_every_status_that_was_written_passes_strict_validation_and_is_kept_whole(world: World) -> None:
    """A field that the schema would prune fails here. Written again where no operator looks."""
    statuses = {
        json.dumps(render(parse(body).status), sort_keys=True)
        for versions in world.history.objects().values()
        for body in versions
        if "phase" in body["status"]
    }
    assert len(statuses) > 20

    for status in map(json.loads, sorted(statuses)):
        answer = world.write_elsewhere(status)
        assert answer.is_success, answer.text
        assert answer.json()["status"] == status
