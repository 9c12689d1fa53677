"""The same requests on every kind of server: with creation times, without, and in the cloud, where a deletion
has no job. Each behind a key, as the servers file has it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.controlplane import ControlPlane

Json = dict[str, Any]
KEY = "sesame"
LONG = 240.0  # seconds; what settles and is verified takes thirty
UNDATED = {"created_field": "none"}

KINDS: dict[str, tuple[Json, Json]] = {
    "dated": ({"created_field": "createdAt", "items_field": "items", "accepts_with": 200}, {}),
    "undated": (UNDATED | {"items_field": "none"}, {}),
    "undated-never-reused": (UNDATED, {"nameReuse": "Never"}),
    "cloud": ({"product": "cloud"}, {}),
    "cloud-undated": ({"product": "cloud", "accepts_with": 200, **UNDATED}, {}),
}
"""Knobs of the stand-in, and fields of its entry in the servers file. What should make no difference is not
as the vendor's pages have it.
"""

GONE = "Succeeded/DeletionCompleted Absent"
SEEN_GONE = "Succeeded/VerifiedAbsent Absent"
OVER = "Failed/DeadlineExceeded -"
UNKNOWN = "Failed/OutcomeUnknown -"
ENDS: dict[str, dict[str, str]] = {
    "plain": dict.fromkeys(KINDS, GONE) | dict.fromkeys(("cloud", "cloud-undated"), SEEN_GONE),
    "absent": dict.fromkeys(KINDS, "Succeeded/AlreadyAbsent Absent"),
    "refused": dict.fromkeys(KINDS, GONE) | dict.fromkeys(("cloud", "cloud-undated"), SEEN_GONE),
    "lost": dict.fromkeys(KINDS, SEEN_GONE),
    "unsent": dict.fromkeys(KINDS, UNKNOWN),
    "fails": {
        "dated": GONE,
        "undated": "Failed/JobFailed -",
        "undated-never-reused": GONE,
        "cloud": OVER,
        "cloud-undated": OVER,
    },
    "again": {
        "dated": "Succeeded/DeletionCompleted Replaced",
        "undated": "Succeeded/DeletionCompleted Unverifiable",
        "undated-never-reused": "Succeeded/DeletionCompleted Unverifiable",
        "cloud": "Succeeded/TargetReplaced Replaced",
        "cloud-undated": OVER,
    },
}
"""How each request ends, and what `status.verification` says. `again`: created anew at the job's end."""


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(installed: ControlPlane, tmp_path: Path, kind: str) -> Iterator[World]:
    knobs, fields = KINDS[kind]
    file = tmp_path / "servers.yaml"
    limits = {"MOORCHEH_TIMEOUT_SECONDS": "2", "MOORCHEH_VERIFY_SECONDS": "15"}
    world = World(
        installed,
        tmp_path,
        knobs={"api_key": KEY, **knobs},
        options={"MOORCHEH_BASE_URL": "", "SERVERS_FILE": str(file), **limits},
        operator_up=False,
    )
    (tmp_path / "key").write_text(KEY)
    entry = {"name": "default", "url": world.moorcheh.url, "apiKeyFile": str(tmp_path / "key")}
    file.write_text(json.dumps({"servers": [entry | {"allowedNamespaces": {"from": "All"}} | fields]}))
    with world:
        world.operator.start()
        yield world


def shown(asked: Asked) -> str:
    status = asked.status
    return f"{status['phase']}/{status['reason']} {status.get('verification', {}).get('result', '-')}"


def test_every_kind_of_server_has_its_ends(world: World, kind: str) -> None:
    moorcheh = world.moorcheh
    for name in ENDS.keys() - {"absent"}:
        moorcheh.create(name, items=10, age=60)
    moorcheh.fault("run", "fails", kind="fail")
    moorcheh.fault("recreate", "again", kind="end", precious=True)
    moorcheh.fault("delete", "lost", kind="drop", effect=True)
    moorcheh.fault("delete", "unsent", kind="drop")
    spent: Json = {"status": "failure", "message": "Monthly quota exceeded"}
    moorcheh.fault("delete", "refused", kind="status", status=429, json=spent, retry_after=3)
    deadline: Json = {"activeDeadlineSeconds": 25} if kind.startswith("cloud") else {}
    asked = {
        name: world.ask(name, name=None, **(deadline if ends[kind] == OVER else {}))
        for name, ends in ENDS.items()
    }
    refused = asked["refused"].reaches("Pending/Refused")
    world.all_end(asked.values(), within=LONG)

    seen = {name: shown(one) for name, one in asked.items()}
    assert seen == {name: ends[kind] for name, ends in ENDS.items()}
    assert "a quota is used up" in refused["message"]
    sent = {name: len(one.deletes) for name, one in asked.items() if name not in ("absent", "fails")}
    assert sent == {"plain": 1, "refused": 2, "lost": 1, "unsent": 1, "again": 1}
    assert moorcheh.namespaces()["again"]["precious"]
    plain = asked["plain"].status
    if kind.startswith("cloud"):
        assert "started" in plain["acceptance"]["message"]
        assert plain["acceptance"]["estimatedCompletion"]
        assert "Running/DeletionAccepted" in asked["plain"].trail
        asked["plain"].sees_event("Normal", "Submitted")
    else:
        assert plain["deletedItems"] == 10
    if ENDS["fails"][kind] == GONE:
        again = asked["fails"].status
        assert [each["job"]["status"] for each in again["earlierAttempts"]] == ["failed"]
        assert again["deletedItems"] == 10
