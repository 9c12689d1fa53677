"""Approvals that last, that don't, and that can't be; and that what is said of a request is true of it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.waiting import until
from tests.kubectl.test_wire import (  # noqa: F401 - fixtures
    ABSENT,
    FOUND,
    OUTAGE,
    REFUSED,
    TARGET,
    Server,
    jane,
    looked_up,
    server,
)

if TYPE_CHECKING:
    from tests.integration.life import Asked, World
    from tests.kubectl.conftest import Person

FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
ARGO_CD = {"annotations": {"argocd.argoproj.io/tracking-id": "apps:moorcheh.ai/NamespaceDeletion:a/b"}}


def applied(
    world: World, target: str, manager: str, metadata: dict[str, Any], *, name: str | None = None
) -> Asked:
    """Suspended, as a GitOps tool applies what is in Git."""
    name = name or f"docs-{uuid.uuid4().hex[:6]}"
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": name, **metadata},
        "spec": {"namespaceName": target, "suspend": True},
    }
    apply = ["apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-"]
    world.kubectl(*apply, input=json.dumps(body))
    return world.find(name)


@pytest.fixture
def target(world: World) -> str:
    name = f"Docs_{uuid.uuid4().hex[:8]}"
    world.moorcheh.create(name, items=5000, seconds=0.5, age=86400)
    return name


# Under GitOps


@pytest.mark.parametrize(
    ("manager", "metadata", "way"),
    [
        ("kustomize-controller", FLUX, "commit suspend: false."),
        ("kustomize-controller", {}, "commit suspend: false."),
        ("helm-controller", {}, "commit suspend: false."),
        ("argocd-controller", ARGO_CD, "or add ignoreDifferences on /spec/suspend."),
        ("argocd-controller", {}, "or add ignoreDifferences on /spec/suspend."),
    ],
    ids=["flux", "flux by its manager", "flux helm", "argo cd", "argo cd by its manager"],
)
def test_before_it_asks_it_warns_that_an_approval_does_not_last_where_git_says_otherwise(
    person: Person, world: World, target: str, manager: str, metadata: dict[str, Any], way: str
) -> None:
    asked = applied(world, target, manager, metadata)
    asked.reaches("Suspended")
    with person.sits_at("approve", asked.name) as terminal:
        terminal.sees("[y/N]")
        before, _, _ = terminal.text.replace("\r\n", " ").partition("Approve the deletion")
        assert "Where Git says suspend: true" in before
        assert way in before
        terminal.types("n\n")
        assert terminal.ends() == 1
        terminal.sees("Not approved. The request stays suspended")


@pytest.mark.parametrize("hook", ["argocd.argoproj.io/hook", None], ids=["a hook", "by hand"])
def test_an_approval_that_nothing_sets_back_is_not_warned_of(
    person: Person, world: World, target: str, hook: str | None
) -> None:
    metadata = {"annotations": {hook: "PreDelete"}} if hook else {}
    asked = applied(world, target, "argocd-controller" if hook else "kubectl", metadata)
    asked.reaches("Suspended")
    approved = person.runs("approve", asked.name, "--yes")

    assert (approved.returncode, "Git" in approved.stdout) == (0, False)


def test_one_that_is_held_again_ends_the_waiting_and_says_by_whom(person: Person, world: World) -> None:
    target = f"Docs_{uuid.uuid4().hex[:8]}"
    world.moorcheh.create(target, items=10, seconds=600, age=86400)
    first = world.ask(target)
    first.reaches("Running")
    asked = applied(world, target, "kustomize-controller", FLUX)
    asked.reaches("Suspended")
    with person.sits_at("approve", asked.name, "--yes") as terminal:
        terminal.sees("TargetBusy")
        applied(world, target, "kustomize-controller", FLUX, name=asked.name)
        assert terminal.ends() == 1
        said = terminal.text.replace("\r\n", " ")
        assert "Held again, by kustomize-controller at 20" in said
        assert "Nothing is deleted until it is approved." in said
        assert "An approval that lasts: commit suspend: false." in said
        assert "goes on without you" not in said
    world.moorcheh.end_jobs(target)
    first.ends("Succeeded/DeletionCompleted")

    described = person.runs("describe", asked.name).stdout
    assert "Held:" in described
    assert "kustomize-controller at 20" in described


# What is not shown is not approved


NOT_SHOWN = {
    "no such server": looked_up(f"{REFUSED} (ServerNotFound): There is no server.", None),
    "not allowed by now": looked_up(f"{REFUSED} (NotAllowed): Not from here.", TARGET),
    "a precondition": looked_up(f"{REFUSED} (PreconditionFailed): More than 1.", TARGET),
    "an outage later": looked_up(OUTAGE, TARGET),
}


def suspended(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
    status: dict[str, Any],
    **spec: Any,
) -> str:
    """Its name."""
    jane.runs("delete", "docs", "--yes", "--no-wait")
    server.becomes(metadata={}, spec={"suspend": True, **spec}, status=status)
    return next(iter(server.kept))


@pytest.mark.parametrize("status", NOT_SHOWN.values(), ids=NOT_SHOWN)
def test_what_would_be_refused_or_is_not_shown_can_not_be_approved(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
    status: dict[str, Any],
) -> None:
    approved = jane.runs("approve", suspended(jane, server, status), "--yes")

    assert (approved.returncode, server.asked.count("PATCH")) == (1, 0)
    assert approved.stdout.endswith("Not approved. The request stays suspended, and nothing is deleted.\n")
    [line] = approved.stderr.splitlines()
    why = status["message"].removeprefix("Suspended. ")
    assert line.startswith("Error: ")
    assert why.rstrip(".") in line
    assert "Approve it once that is no longer so" in line or "Try again once it can" in line
    assert why not in approved.stdout


def test_at_a_terminal_there_is_no_question_about_what_would_be_refused(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
) -> None:
    name = suspended(jane, server, NOT_SHOWN["no such server"])
    with jane.sits_at("approve", name) as terminal:
        assert terminal.ends() == 1
        assert "[y/N]" not in terminal.text
        assert "The request stays suspended" in terminal.text


@pytest.mark.parametrize(
    "flaw", [{"serverRef": None}, {"suspended": False}], ids=["a null", "an unknown field"]
)
def test_a_flaw_that_an_approval_would_end_the_request_for_can_be_mended_first(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
    flaw: dict[str, Any],
) -> None:
    name = suspended(jane, server, FOUND, **flaw)
    approved = jane.runs("approve", name, "--yes")

    assert (approved.returncode, server.asked.count("PATCH")) == (1, 0)
    assert f"spec.{next(iter(flaw))}" in approved.stderr
    assert f"kubectl edit nsdel -n default {name}" in approved.stderr


def test_what_becomes_refusable_while_it_is_asked_is_not_approved(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
) -> None:
    name = suspended(jane, server, FOUND)
    server.refuses = {"PATCH": (409, STATUS | {"code": 409, "message": "it has changed"})}
    server.changes = {"metadata": {}, "status": NOT_SHOWN["a precondition"]}
    approved = jane.runs("approve", name, "--yes")

    assert (approved.returncode, server.asked.count("PATCH")) == (1, 1)
    assert "PreconditionFailed" in approved.stderr


@pytest.mark.parametrize("status", [FOUND, ABSENT], ids=["found", "absent"])
def test_of_one_that_waits_it_is_said_since_when_nothing_has_changed(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
    status: dict[str, Any],
) -> None:
    approved = jane.runs("approve", suspended(jane, server, status), "--yes", "--no-wait")

    assert (approved.returncode, server.asked.count("PATCH")) == (0, 1)
    assert "Unchanged since: 2026-11-23T10:00:00Z" in approved.stdout


# Meanwhile


def test_one_that_somebody_else_approves_while_it_is_asked_is_followed(
    person: Person, world: World, target: str
) -> None:
    asked = world.ask(target, suspend=True)
    asked.reaches("Suspended")
    with person.sits_at("approve", asked.name) as terminal:
        terminal.sees("[y/N]")
        asked.change(suspend=False).raise_for_status()
        terminal.types("y\n")
        terminal.sees("It was approved meanwhile, by ")
        assert terminal.ends() == 0
        assert f"Gone: {target}." in terminal.text


def test_one_that_is_being_deleted_can_not_be_approved(person: Person, world: World, target: str) -> None:
    asked = applied(world, target, "kubectl", {"finalizers": ["example.com/slow"]})
    world.http.delete(f"{world.path}/{asked.name}").raise_for_status()
    approved = person.runs("approve", asked.name, "--yes")
    world.kubectl("patch", "nsdel", asked.name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')

    assert approved.returncode == 1
    assert "can't be approved: it is being deleted" in approved.stderr


def test_one_that_is_made_anew_under_its_name_is_not_approved(
    person: Person, world: World, target: str
) -> None:
    asked = world.ask(target, suspend=True)
    asked.reaches("Suspended")
    with person.sits_at("approve", asked.name) as terminal:
        terminal.sees("[y/N]")
        asked.withdraw()
        assert until(lambda: world.http.get(f"{world.path}/{asked.name}").status_code == 404)
        world.ask(target, name=asked.name, suspend=True)
        terminal.types("y\n")
        assert terminal.ends() == 1
        said = terminal.text.replace("\r\n", " ")
        assert "another request has its name" in said
        assert "It was not approved here." in said

    assert world.http.get(f"{world.path}/{asked.name}").json()["spec"]["suspend"]


def test_who_may_not_approve_is_told_that_it_stays_held(reader: Person, world: World, target: str) -> None:
    asked = world.ask(target, suspend=True)
    asked.reaches("Suspended")
    approved = reader.runs("approve", asked.name, "--yes")

    assert (approved.returncode, "you may not do that" in approved.stderr) == (1, True)
    assert "Not approved. The request stays suspended, and nothing is deleted." in approved.stdout


def test_in_a_namespace_that_is_being_deleted_nothing_can_be_asked_for(
    stranger: Person, world: World
) -> None:
    world.plane.kubectl("delete", "namespace", stranger.namespace, "--wait=false")
    asked = stranger.runs("delete", "docs", "--yes")

    assert asked.returncode == 1
    assert "the Kubernetes namespace is being deleted, nothing can be asked for in it" in asked.stderr


# Refused

ENDED = {"phase": "Failed", "reason": "TargetAbsent"}
DELETED = "The request is deleted. Nothing of it was seen to begin"

STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}


@pytest.mark.parametrize(
    ("code", "changes", "words"),
    [
        (403, None, "Not approved. The request stays suspended"),
        (422, None, "Not approved. The request stays suspended"),
        (500, None, "Not approved. The request stays suspended"),
        (404, {}, "It was not approved here."),
        (409, {}, "It was not approved here."),
        (409, {"metadata": {}, "uid": "other"}, "It was not approved here."),
        (409, {"metadata": {"deletionTimestamp": "2026-11-23T10:00:01Z"}}, "Not approved."),
        (
            409,
            {"metadata": {}, "status": {"phase": "Failed", "reason": "TargetAbsent"}},
            "Failed: TargetAbsent.",
        ),
    ],
    ids=["403", "422", "500", "404", "gone", "made anew", "being deleted", "ended"],
)
def test_after_an_approval_that_was_refused_nothing_sounds_as_if_it_went_on(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
    code: int,
    changes: dict[str, Any] | None,
    words: str,
) -> None:
    server.status = FOUND
    jane.runs("delete", "docs", "--yes", "--no-wait")
    server.becomes(metadata={}, spec={"suspend": True})
    server.refuses = {"PATCH": (code, STATUS | {"code": code, "message": "the words of the refusal"})}
    server.changes = changes
    approved = jane.runs("approve", next(iter(server.kept)), "--yes")

    assert approved.returncode == 1
    assert words in approved.stdout
    assert "goes on" not in approved.stdout + approved.stderr


# Left

RUNNING = {"observedGeneration": 1, "phase": "Running", "reason": "JobRunning"}
VERIFYING = {"observedGeneration": 1, "phase": "Submitting", "reason": "Verifying"}
WAITING = {"observedGeneration": 1, "phase": "Pending", "reason": "TargetBusy", "message": "Another has it."}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"metadata": {}}, "It still waits. To withdraw it:"),
        (WAITING, {"metadata": {}}, "It still waits (Another has it.). To withdraw it:"),
        (RUNNING, {"metadata": {}}, "The deletion goes on without you."),
        (VERIFYING, {"metadata": {}}, "It is not known whether the deletion took effect"),
        (RUNNING, {}, "The request is deleted. What it began goes on at the server"),
        (WAITING, {}, DELETED),
        (
            WAITING,
            {"metadata": {}, "uid": "other"},
            DELETED,
        ),
        (WAITING, {"metadata": {}, "spec": {"suspend": True}}, "Held again, by "),
        (
            WAITING,
            {"metadata": {"deletionTimestamp": "2026-11-23T10:00:01Z"}},
            DELETED,
        ),
        (WAITING, {"metadata": {}, "status": {"phase": "Failed", "reason": "Rejected"}}, "Failed: Rejected."),
    ],
    ids=[
        "not seen yet",
        "waits",
        "runs",
        "verifying",
        "deleted while it runs",
        "deleted while it waits",
        "made anew",
        "held again",
        "being deleted",
        "ended",
    ],
)
def test_who_leaves_is_told_what_is_true_of_the_request(
    jane: Person,  # noqa: F811 - a fixture
    server: Server,  # noqa: F811 - the same
    before: dict[str, Any],
    after: dict[str, Any],
    words: str,
) -> None:
    server.status = before
    with jane.sits_at("delete", "docs", "--yes") as terminal:
        terminal.sees(str(before.get("phase", "Asked")) + " ")
        server.becomes(**after)
        terminal.presses_ctrl_c()
        terminal.ends()
        said = terminal.text.replace("\r\n", " ").replace("  ", " ")

    assert words in said
    if before is not RUNNING or after != {"metadata": {}}:
        assert "goes on without you" not in said
