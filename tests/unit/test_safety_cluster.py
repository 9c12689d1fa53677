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
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import (
    SCHEMA_SECONDS,
    Cluster,
    ClusterError,
    Conflict,
    Deleted,
    Invalid,
    NamespaceGoneError,
    Unanswered,
    WriteAnswer,
    Written,
    _Answer,
)
from moorcheh_operator.cluster.history import History, is_newer
from moorcheh_operator.cluster.schema import keeps_unknown_fields
from tests.unit.builders import a_request, a_status

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


def a_list(version: int | str, *items: Any) -> tuple[int, Any]:
    return 200, {"items": items, "metadata": {"resourceVersion": str(version)}}


class Scripted(Cluster):
    """Opens nothing: says what it is told to, and keeps what it was sent."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.history = History()
        self._clock = Clock()
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
        (200, {"items": [BODY], "metadata": {"resourceVersion": "7", "continue": "more"}}),
        (410, {"message": "expired"}),
    )

    with pytest.raises(ClusterError):
        [body async for body in cluster.list("", unfinished=False)]


async def test_the_first_list_leaves_out_nobody() -> None:
    """What has ended tells that a waiting request has to be strict, and may have a job that still runs."""
    cluster = Scripted(a_list(7, BODY), a_list(7))

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

    assert "can't tell whether the CRD fits" in caplog.text


# Rule 15: what a create says of its Kubernetes namespace

TERMINATING = {
    "reason": "Forbidden",
    "message": "unable to create new content in namespace team because it is being terminated",
    "details": {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]},
}
REFUSED = [
    pytest.param(403, TERMINATING, True, id="being-deleted"),
    pytest.param(404, {"message": 'namespaces "team" not found'}, True, id="gone"),
    pytest.param(403, {"message": "not yet ready to handle request"}, False, id="not-ready"),
    pytest.param(403, {"message": "events is forbidden: User"}, False, id="no-right"),
    pytest.param(403, {"details": {"causes": "many"}}, False, id="no-list-of-causes"),
    pytest.param(403, {"message": "exceeded quota", "details": {"causes": None}}, False, id="a-quota"),
    pytest.param(422, TERMINATING, False, id="another-code"),
    pytest.param(429, {"message": "later"}, False, id="throttled"),
    pytest.param(500, {"message": "no"}, False, id="500"),
    pytest.param(200, {}, False, id="an-answer-that-a-create-does-not-give"),
    pytest.param(0, {}, False, id="no-answer"),
]


@pytest.mark.parametrize(("status", "data", "gone"), REFUSED)
async def test_a_namespace_is_gone_only_where_the_api_server_says_so(
    status: int, data: Any, gone: bool
) -> None:
    cluster = Scripted((status, data))

    with pytest.raises(ClusterError) as raised:
        await cluster.check_namespace("team")
    assert isinstance(raised.value, NamespaceGoneError) is gone


async def test_the_question_leaves_nothing_behind() -> None:
    cluster = Scripted((201, {}))
    await cluster.check_namespace("team")

    [(method, path, query, body)] = cluster.sent
    assert (method, path, query) == ("POST", "/api/v1/namespaces/team/events", {"dryRun": "All"})
    assert "name" not in body["metadata"], "one of that name might be there"


async def test_an_event_that_its_namespace_takes_no_more_is_told_apart() -> None:
    cluster = Scripted((403, TERMINATING))

    with pytest.raises(NamespaceGoneError):
        await cluster.post_event(a_request(), "Normal", "Submitted", "m", 1)


# Rule 18: one history of versions


def written(version: str) -> Any:
    return {**BODY, "metadata": {**BODY["metadata"], "resourceVersion": version}}


HISTORIES = [
    pytest.param([a_list(7), a_list(7), a_list(9)], False, id="it-goes-on"),
    pytest.param([a_list(7), a_list(6)], True, id="a-list-that-is-older"),
    pytest.param([a_list(7), a_list("x")], False, id="no-number"),
]


@pytest.mark.parametrize(("answers", "over"), HISTORIES)
async def test_a_list_that_is_older_than_one_before_ends_the_history(answers: Any, over: bool) -> None:
    told: list[str] = []
    cluster = Scripted(*answers)
    cluster.history.begin(lambda: told.append("over"))
    for _ in answers:
        assert [body async for body in cluster.list("", unfinished=True)] == []

    assert (cluster.history.over, told) == (over, ["over"] if over else [])


async def test_a_page_is_as_old_as_the_first_one() -> None:
    """What the watch has told meanwhile is newer."""
    more = {"items": [BODY], "metadata": {"resourceVersion": "7", "continue": "more"}}
    cluster = Scripted((200, more), a_list(7, BODY))
    async for _ in cluster.list("", unfinished=True):
        cluster.history.saw("9")

    assert not cluster.history.over


@pytest.mark.parametrize(
    ("seen", "version", "over"),
    [("7", "8", False), ("9", "8", True), ("9", "7", False)],
    ids=["newest-of-all", "older-than-what-was-seen-before", "it-changed-nothing"],
)
async def test_what_was_just_written_is_the_newest_of_all(seen: str, version: str, over: bool) -> None:
    cluster = Scripted((200, written(version)))
    cluster.history.saw(seen)
    await cluster.write_status(parse(BODY), a_status(Phase.PENDING))

    assert cluster.history.over is over


async def test_the_history_is_looked_at_without_a_list() -> None:
    cluster = Scripted(a_list(7, BODY), a_list(6))
    await cluster.check_history("")
    assert not cluster.history.over
    await cluster.check_history("")

    assert cluster.history.over
    assert cluster.sent[0][2] == {"limit": "1"}


@pytest.mark.parametrize(
    ("version", "other", "newer"),
    [("10", "9", True), ("9", "10", False), ("9", "9", False), ("a", "b", True), ("a", "a", False)],
)
def test_versions_are_numbers_that_grow(version: str, other: str, newer: bool) -> None:
    assert is_newer(version, other) is newer
