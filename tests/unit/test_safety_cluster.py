"""What the API server's answers mean for a write, and which lists are complete."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from moorcheh_operator.api.request import parse
from moorcheh_operator.api.status import Phase, Reason, Status
from moorcheh_operator.cluster.client import (
    SCHEMA_SECONDS,
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
from moorcheh_operator.cluster.schema import keeps_unknown_fields
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
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: object = None,
        *,
        lane: str = "",  # noqa: ARG002 - nobody waits here
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


# The CRD (docs/safety.md, rule 16)


CRD = Path(__file__).parents[2] / "crds" / "namespacedeletions.yaml"
KEEPS = "x-kubernetes-preserve-unknown-fields"


def published() -> Any:
    """As /openapi/v3 has it, beside the schemas of others."""
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    kind = {"group": "moorcheh.ai", "version": "v1alpha1", "kind": "NamespaceDeletion"}
    schema = {**version["schema"]["openAPIV3Schema"], "x-kubernetes-group-version-kind": [kind]}
    return {
        "components": {"schemas": {"ai.moorcheh.v1alpha1.NamespaceDeletion": schema, "meta.v1.Status": {}}}
    }


def part(schema: Any, *path: str) -> Any:
    schema = schema["components"]["schemas"]["ai.moorcheh.v1alpha1.NamespaceDeletion"]
    for key in path:
        schema = schema["properties"][key]
    return schema


PARTS = [(), ("spec",), ("spec", "serverRef"), ("spec", "preconditions")]


def test_rule_16_this_crd_keeps_what_it_does_not_know() -> None:
    assert keeps_unknown_fields(published())


@pytest.mark.parametrize("path", PARTS, ids=["the object", "the spec", "its server", "its preconditions"])
def test_rule_16_one_that_drops_fields_anywhere_is_told(path: tuple[str, ...]) -> None:
    schema = published()
    del part(schema, *path)[KEEPS]

    assert not keeps_unknown_fields(schema)


@pytest.mark.parametrize("schema", [{}, [], None, {"components": {"schemas": {}}}])
def test_rule_16_what_says_nothing_of_the_api_is_no_proof(schema: Any) -> None:
    assert not keeps_unknown_fields(schema)


class Impatient(Scripted):
    """The time for the schema to follow is over at the first look."""

    server = "https://cluster"

    def __init__(self, *answers: tuple[int, Any]) -> None:
        super().__init__((200, {"metadata": {}, "items": []}), *answers)
        self._clock = SimpleNamespace(ticks=iter((0.0, SCHEMA_SECONDS + 1)).__next__)  # type: ignore[assignment]


async def test_rule_16_the_operator_does_not_start_with_a_crd_that_drops_fields() -> None:
    old = published()
    del part(old, "spec")[KEEPS]

    with pytest.raises(ClusterError, match=r"older than this operator.*kubectl apply -k crds"):
        await Impatient((200, old)).check(())


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_where_the_schema_can_t_be_read_it_starts_and_says_so(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    await Impatient((status, {"message": "no"})).check(())

    assert "can't tell whether the CRD is the one" in caplog.text
