"""What the API server's answers mean for a write, and which lists are complete."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moorcheh_operator.api.request import parse
from moorcheh_operator.api.status import Phase, Reason, Status
from moorcheh_operator.cluster.client import (
    Cluster,
    ClusterError,
    Conflict,
    Deleted,
    Invalid,
    Unanswered,
    WriteAnswer,
    Written,
    _Answer,
)
from tests.unit.builders import a_status

BODY = {
    "metadata": {
        "namespace": "team",
        "name": "wipe",
        "uid": "uid-1",
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-23T12:00:00Z",
    },
    "spec": {"namespaceName": "documents"},
}


class Scripted(Cluster):
    """Opens nothing: says what it is told to, and keeps what it was sent."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self._answers = list(answers)
        self._manager = "this-process"
        self.sent: list[tuple[str, str, dict[str, str], Any]] = []

    async def _call(
        self, method: str, path: str, query: dict[str, str] | None = None, body: object = None
    ) -> _Answer:
        self.sent.append((method, path, dict(query or {}), body))
        status, data = self._answers.pop(0)
        if status == 0:
            raise ClusterError("no answer")
        return _Answer(status, json.dumps(data).encode())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(404, Conflict, id="gone"),
        pytest.param(409, Conflict, id="changed"),
        pytest.param(400, Invalid, id="bad"),
        pytest.param(422, Invalid, id="rejected"),
        pytest.param(0, Unanswered, id="no-answer"),
        *(pytest.param(code, Unanswered, id=str(code)) for code in (401, 403, 429, 500, 503, 504)),
    ],
)
async def test_a_write_did_surely_not_land_only_where_the_server_says_so(
    status: int, expected: type[WriteAnswer]
) -> None:
    cluster = Scripted((status, {"message": "no"}))

    assert isinstance(await cluster.write_status(parse(BODY), a_status(Phase.PENDING)), expected)
    assert len(cluster.sent) == 1


@pytest.mark.parametrize(
    "status",
    [
        *(pytest.param(a_status(phase), id=str(phase)) for phase in Phase),
        pytest.param(a_status(Phase.SUBMITTING, Reason.VERIFYING), id="Verifying"),
    ],
)
async def test_every_write_names_the_version_that_it_was_built_on(status: Status) -> None:
    cluster = Scripted((200, BODY))

    assert isinstance(await cluster.write_status(parse(BODY), status), Written)
    assert cluster.sent[0][3]["metadata"] == {"resourceVersion": "7"}
    assert cluster.sent[0][1].endswith("/namespacedeletions/wipe/status")


async def test_a_write_is_refused_rather_than_pruned_where_the_crd_is_older() -> None:
    """A claim without `target.server`, say, would be followed at whatever server has its name by then."""
    cluster = Scripted((200, BODY))
    await cluster.write_status(parse(BODY), a_status(Phase.SUBMITTING))

    assert cluster.sent[0][2]["fieldValidation"] == "Strict"


async def test_a_list_of_which_a_page_is_missing_is_none() -> None:
    cluster = Scripted(
        (200, {"items": [BODY], "metadata": {"continue": "more"}}), (410, {"message": "expired"})
    )

    with pytest.raises(ClusterError):
        [body async for body in cluster.list("", unfinished=False)]


async def test_the_first_list_leaves_out_nobody() -> None:
    """What has ended tells that a waiting request has to be strict, and may have a job that still runs."""
    cluster = Scripted((200, {"items": [BODY], "metadata": {}}), (200, {"items": [], "metadata": {}}))

    assert [body async for body in cluster.list("", unfinished=False)] == [BODY]
    assert [body async for body in cluster.list("", unfinished=True)] == []
    assert "fieldSelector" not in cluster.sent[0][2]
    assert "fieldSelector" in cluster.sent[1][2]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, Deleted.GONE), (404, Deleted.GONE), (409, Deleted.CHANGED), (403, Deleted.FORBIDDEN)],
)
async def test_an_expired_object_is_deleted_only_as_it_was_seen(status: int, expected: Deleted) -> None:
    cluster = Scripted((status, {}))

    assert await cluster.delete("team", "wipe", "uid-1", "7") is expected
    assert cluster.sent[0][3]["preconditions"] == {"uid": "uid-1", "resourceVersion": "7"}
