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
        plane.kubectl("apply", "-f", str(POLICY / "policy.yaml"))
        # The policy and the rights are read from caches that follow the writes.
        assert until(lambda: "RBAC gives no right" in refused(plane, "stranger", "docs"), within=60)
        assert until(lambda: asks(plane, "approver", "docs", "--dry-run=server") is None, within=60)
        assert until(
            lambda: asks(plane, "asker", "docs", "--dry-run=server", suspend=True) is None, within=60
        )
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


def patch(plane: ControlPlane, name: str, change: object, person: str) -> None:
    plane.kubectl("patch", "nsdel", name, "-n", SPACE, "--type=merge", "-p", json.dumps(change), user=person)
