"""The admission policy that asks RBAC about the target: on the real API server, through kubectl, as people.

On a control plane of its own: the policy is for the whole cluster.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from dev.controlplane import ControlPlane, KubectlError
from tests.dev.waiting import until
from tests.integration.conftest import install
from tests.integration.life import API, client_options

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = Path(__file__).parents[2] / "manifests" / "components" / "rights-by-target"
SPACE = "team"
PEOPLE = {
    "asker": ("system:authenticated",),  # may ask, for docs
    "approver": ("system:authenticated",),  # may ask and approve, for docs
    "stranger": ("system:authenticated",),  # may ask, for nothing
    "author": ("system:authenticated",),  # may write policies, for every name
    "lister": ("system:authenticated",),  # the same, for the names that its role has
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[ControlPlane]:
    with ControlPlane(users=PEOPLE) as plane:
        install(plane)
        plane.kubectl("create", "namespace", SPACE)
        plane.kubectl("apply", "-n", SPACE, "-f", str(POLICY / "roles-example.yaml"))
        for person in PEOPLE:
            bind(plane, person, "--clusterrole=moorcheh-namespacedeletion-requester")
        for person in ("asker", "approver"):
            bind(plane, person, "--role=moorcheh-delete-docs")
        bind(plane, "approver", "--role=moorcheh-approver")
        for person in ("author", "lister"):
            bind(plane, person, "--clusterrole=moorcheh-namespacecleanuppolicy-author")
        bind(plane, "author", "--role=moorcheh-delete-by-glob")
        bind(plane, "lister", "--role=moorcheh-delete-docs")
        bind(plane, "lister", "--role=moorcheh-approver")
        plane.kubectl("apply", "-f", str(POLICY / "policy.yaml"))
        # The policy and the rights are read from caches that follow the writes.
        assert until(lambda: "RBAC gives no right" in refused(plane, "stranger", "docs"))
        assert until(lambda: asks(plane, "approver", "docs", "--dry-run=server") is None)
        assert until(lambda: asks(plane, "asker", "docs", "--dry-run=server", suspend=True) is None)
        assert until(lambda: "a policy may come to match" in (writes(plane, "lister") or ""))
        assert until(lambda: writes(plane, "author", "--dry-run=server", approval=True) is None)
        yield plane


def bind(plane: ControlPlane, person: str, role: str) -> None:
    name = f"{person}-{role.partition('=')[2]}"
    plane.kubectl("create", "rolebinding", name, "-n", SPACE, role, f"--user={person}")


def asks(
    plane: ControlPlane,
    person: str,
    target: str,
    *options: str,
    suspend: bool = False,
    server: str = "default",
    name: str | None = None,
) -> str | None:
    """What kubectl says against it; None: it was taken."""
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": name} if name else {"generateName": "asked-"},
        "spec": {"namespaceName": target, "suspend": suspend, "serverRef": {"name": server}},
    }
    try:
        plane.kubectl("create", "-n", SPACE, *options, "-f", "-", user=person, input=json.dumps(body))
    except KubectlError as error:
        return str(error)
    return None


def refused(plane: ControlPlane, person: str, target: str) -> str:
    return asks(plane, person, target, "--dry-run=server", suspend=True) or ""


NO_RIGHT, NO_APPROVAL = "RBAC gives no right to delete", "someone with the verb approve"


@pytest.mark.parametrize(
    ("person", "target", "server", "suspend", "words"),
    [
        pytest.param("asker", "docs", "default", True, None, id="asks, suspended"),
        pytest.param("asker", "docs", "default", False, NO_APPROVAL, id="asks, but approves not"),
        pytest.param("asker", "other", "default", True, NO_RIGHT, id="asks for another's"),
        pytest.param("asker", "logs-2024", "archive", True, None, id="asks on another server"),
        pytest.param("asker", "docs", "archive", True, NO_RIGHT, id="the same name on another server"),
        pytest.param("asker", "logs-2024", "default", True, NO_RIGHT, id="another server's on this one"),
        pytest.param("approver", "docs", "default", False, None, id="asks and approves"),
        pytest.param("approver", "other", "default", False, NO_RIGHT, id="approves nothing else"),
        pytest.param("stranger", "docs", "default", True, NO_RIGHT, id="a stranger"),
        pytest.param("admin", "anything", "default", False, None, id="a cluster admin"),
    ],
)
def test_who_may_ask_for_what(
    guarded: ControlPlane, person: str, target: str, server: str, suspend: bool, words: str | None
) -> None:
    said = asks(guarded, person, target, suspend=suspend, server=server)

    assert (said is None) if words is None else (words in (said or "")), said


@pytest.mark.parametrize(
    ("person", "words"), [("asker", NO_APPROVAL), ("stranger", NO_RIGHT), ("approver", None), ("admin", None)]
)
def test_who_may_resume(guarded: ControlPlane, person: str, words: str | None) -> None:
    name = f"resumed-by-{person}"
    assert asks(guarded, "asker", "docs", suspend=True, name=name) is None
    try:
        patch(guarded, name, {"spec": {"suspend": False}}, person)
        said = None
    except KubectlError as error:
        said = str(error)

    assert (said is None) if words is None else (words in (said or "")), said


def test_labels_may_be_changed_by_whoever_may_write_and_ends_recorded_by_the_operator(
    guarded: ControlPlane,
) -> None:
    assert asks(guarded, "approver", "docs", name="labelled") is None

    patch(guarded, "labelled", {"metadata": {"labels": {"seen": "yes"}}}, "stranger")
    options = client_options(guarded) | {"headers": {"Authorization": f"Bearer {guarded.token('operator')}"}}
    with httpx.Client(**options) as operator:
        recorded = operator.patch(
            f"{API}/namespaces/{SPACE}/namespacedeletions/labelled/status",
            content=json.dumps({"status": {"phase": "Pending"}}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
    assert recorded.status_code == 200, recorded.text


def patch(plane: ControlPlane, name: str, change: object, person: str, kind: str = "nsdel") -> None:
    plane.kubectl("patch", kind, name, "-n", SPACE, "--type=merge", "-p", json.dumps(change), user=person)


# Policies


def writes(
    plane: ControlPlane,
    person: str,
    *options: str,
    server: str = "default",
    approval: bool = False,
    name: str | None = None,
) -> str | None:
    """What kubectl says against this policy, of which each deletion waits for an approval or not."""
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceCleanupPolicy",
        "metadata": {"name": name} if name else {"generateName": "policy-"},
        "spec": {
            "serverRef": {"name": server},
            "schedule": "@daily",
            "suspend": True,  # it shows what it matches, and can be resumed: the same rights
            "select": {"names": ["docs"]},
            "template": {"suspend": True} if approval else {},
        },
    }
    try:
        plane.kubectl("create", "-n", SPACE, *options, "-f", "-", user=person, input=json.dumps(body))
    except KubectlError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("person", "server", "approval", "words"),
    [
        pytest.param("author", "default", True, None, id="every name, with approval"),
        pytest.param("author", "default", False, NO_APPROVAL, id="every name, but approves not"),
        pytest.param("author", "archive", True, None, id="on another server"),
        pytest.param("author", "staging", True, '"staging:*"', id="on a third one"),
        pytest.param("lister", "default", True, '"*"', id="the right to the very name is not enough"),
        pytest.param("lister", "archive", False, '"archive:*"', id="nor is the right to approve"),
        pytest.param("asker", "default", True, "cannot create", id="who may only ask"),
        pytest.param("admin", "staging", False, None, id="a cluster admin"),
    ],
)
def test_who_may_write_a_policy(
    guarded: ControlPlane, person: str, server: str, approval: bool, words: str | None
) -> None:
    said = writes(guarded, person, server=server, approval=approval)

    assert (said is None) if words is None else (words in (said or "")), said


def test_whoever_changes_a_policy_needs_the_same_rights(guarded: ControlPlane) -> None:
    assert writes(guarded, "author", approval=True, name="changed") is None

    def change(person: str, **spec: object) -> str:
        try:
            patch(guarded, "changed", {"spec": spec}, person, kind="nscp")
        except KubectlError as error:
            return str(error)
        return ""

    assert "a policy may come to match any name" in change("lister", suspend=False)
    assert NO_APPROVAL in change("author", template={"suspend": False})
    assert change("author", suspend=False) == ""
    patch(guarded, "changed", {"metadata": {"labels": {"seen": "yes"}}}, "lister", kind="nscp")


def test_the_operator_may_create_what_a_policy_says(guarded: ControlPlane) -> None:
    """With the component; without it not even that."""

    def creates() -> str | None:
        return asks(guarded, "operator", "whatever", "--dry-run=server")

    without = creates()
    component = POLICY.parent / "cleanup-policies" / "role.yaml"
    guarded.kubectl("apply", "-f", str(component))

    assert "cannot create resource" in (without or "")
    assert until(lambda: creates() is None), creates()
