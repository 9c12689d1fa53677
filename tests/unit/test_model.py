"""Objects of the API server in, status patches out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from moorcheh_operator.api import wire
from moorcheh_operator.api.request import MalformedRequestError, Request, parse
from moorcheh_operator.api.spec import IfAbsent, Preconditions, ServerRef, Spec
from moorcheh_operator.api.status import (
    Acceptance,
    Attempt,
    Condition,
    EarlierAttempt,
    Job,
    JobStatus,
    Phase,
    Reason,
    Status,
    Target,
    Verification,
    merge_patch,
    render,
)
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import parse_time, render_time

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def an_object(**parts: Any) -> dict[str, Any]:
    return {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {
            "namespace": "team",
            "name": "wipe",
            "uid": "uid-1",
            "resourceVersion": "7",
            "generation": 1,
            "creationTimestamp": "2026-11-23T12:00:00Z",
        },
        "spec": {"namespaceName": "documents"},
        "status": {"observedGeneration": -1},
    } | parts


# parse


def test_a_new_object_has_the_schema_s_defaults() -> None:
    assert parse(an_object()) == Request("team", "wipe", "uid-1", "7", 1, NOON, Spec("documents"), Status())


@pytest.mark.parametrize(
    "body",
    [an_object(status={}), an_object(status=None), {k: v for k, v in an_object().items() if k != "status"}],
    ids=["empty", "null", "missing"],
)
def test_a_status_that_somebody_emptied_is_a_new_one(body: dict[str, Any]) -> None:
    assert parse(body).status == Status()


def test_every_field_of_the_spec_is_read() -> None:
    spec = {
        "namespaceName": "documents",
        "serverRef": {"name": "archive"},
        "suspend": True,
        "ifAbsent": "Fail",
        "preconditions": {"createdBefore": "2026-11-23T13:00:00+01:00", "maxItems": 0},
        "backoffLimit": 0,
        "activeDeadlineSeconds": 60,
        "ttlSecondsAfterFinished": 3600,
    }

    assert parse(an_object(spec=spec)).spec == Spec(
        "documents",
        server_ref=ServerRef("archive"),
        suspend=True,
        if_absent=IfAbsent.FAIL,
        preconditions=Preconditions(NOON, 0),
        backoff_limit=0,
        active_deadline_seconds=60,
        ttl_seconds_after_finished=3600,
    )


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, False, id="alive"),
        pytest.param(
            {"deletionTimestamp": "2026-11-23T12:00:00Z", "finalizers": ["x/y"]},
            True,
            id="rule-11-whatever-keeps-it",
        ),
    ],
)
def test_a_deletion_timestamp_withdraws(metadata: dict[str, Any], *, expected: bool) -> None:
    assert parse(an_object(metadata=an_object()["metadata"] | metadata)).withdrawn is expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(None, False, id="no-labels"),
        pytest.param({"app": "x"}, False, id="others"),
        pytest.param({"velero.io/restore-name": "nightly"}, True, id="restored"),
        pytest.param({"velero.io/restore-name": ""}, True, id="restored-by-whatever"),
    ],
)
def test_velero_s_label_tells_a_restored_one(labels: dict[str, str] | None, *, expected: bool) -> None:
    assert parse(an_object(metadata=an_object()["metadata"] | {"labels": labels})).restored is expected


WRONG: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("no-metadata", lambda body: body.pop("metadata")),
    ("metadata-null", lambda body: body.update(metadata=None)),
    ("metadata-a-list", lambda body: body.update(metadata=[])),
    ("no-uid", lambda body: body["metadata"].pop("uid")),
    ("no-resource-version", lambda body: body["metadata"].pop("resourceVersion")),
    ("no-creation-time", lambda body: body["metadata"].pop("creationTimestamp")),
    ("creation-time-a-word", lambda body: body["metadata"].update(creationTimestamp="noon")),
    ("generation-a-word", lambda body: body["metadata"].update(generation="one")),
    ("labels-a-number", lambda body: body["metadata"].update(labels=7)),
    ("no-spec", lambda body: body.pop("spec")),
    ("spec-a-string", lambda body: body.update(spec="documents")),
    ("spec-a-list", lambda body: body.update(spec=["documents"])),
    ("no-name", lambda body: body["spec"].pop("namespaceName")),
    ("name-null", lambda body: body["spec"].update(namespaceName=None)),
    ("name-a-number", lambda body: body["spec"].update(namespaceName=7)),
    ("suspend-a-word", lambda body: body["spec"].update(suspend="false")),
    ("if-absent-unknown", lambda body: body["spec"].update(ifAbsent="Ignore")),
    ("backoff-a-word", lambda body: body["spec"].update(backoffLimit="three")),
    ("preconditions-a-string", lambda body: body["spec"].update(preconditions="all")),
    ("created-before-a-word", lambda body: body["spec"].update(preconditions={"createdBefore": "noon"})),
    (
        "created-before-a-date",
        lambda body: body["spec"].update(preconditions={"createdBefore": "2026-11-23"}),
    ),
    ("max-items-a-string", lambda body: body["spec"].update(preconditions={"maxItems": "0"})),
    ("max-items-a-fraction", lambda body: body["spec"].update(preconditions={"maxItems": 0.5})),
    ("status-a-string", lambda body: body.update(status="done")),
    ("phase-unknown", lambda body: body.update(status={"phase": "Done"})),
    ("target-a-string", lambda body: body.update(status={"target": "documents"})),
    (
        "attempt-without-id",
        lambda body: body.update(status={"attempt": {"number": 1, "startTime": "2026-11-23T12:00:00Z"}}),
    ),
    ("attempt-without-start", lambda body: body.update(status={"attempt": {"number": 1, "id": "x"}})),
    ("job-without-id", lambda body: body.update(status={"job": {"status": "running"}})),
    ("job-a-string", lambda body: body.update(status={"job": "job-1"})),
    ("conditions-of-strings", lambda body: body.update(status={"conditions": ["Ready"]})),
]


@pytest.mark.parametrize("spoil", [pytest.param(spoil, id=name) for name, spoil in WRONG])
def test_an_object_that_can_t_be_read_is_told(spoil: Callable[[dict[str, Any]], Any]) -> None:
    """Read wrongly it might delete: rule 9 holds for what can't be understood, too."""
    body = copy.deepcopy(an_object())
    spoil(body)

    with pytest.raises(MalformedRequestError) as raised:
        parse(body)

    assert len(str(raised.value)) < 150


def test_the_field_that_can_t_be_read_is_named_and_not_its_value() -> None:
    with pytest.raises(
        MalformedRequestError, match=r"^Expected `int.*`, got `str` - at `\$\.spec\.backoffLimit`$"
    ):
        parse(an_object(spec={"namespaceName": "documents", "backoffLimit": "hunter2"}))


@pytest.mark.parametrize("body", [{}, {"metadata": {}}, {"metadata": "x", "spec": {}}])
def test_what_is_no_object_at_all_is_told(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequestError):
        parse(body)


# Fields that ask for nothing (docs/safety.md, rule 16)


def applied(manifest: object) -> dict[str, str]:
    """The annotation that `kubectl apply` leaves."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return {"kubectl.kubernetes.io/last-applied-configuration": text}


def of(body: dict[str, Any], **metadata: Any) -> Request:
    return parse(body | {"metadata": body["metadata"] | metadata})


TARGET_ALONE = {"namespaceName": "documents"}
FLAWED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "misspelled": ({"spec": TARGET_ALONE | {"suspended": True}}, ("unknown field spec.suspended",)),
    "of another case": ({"spec": TARGET_ALONE | {"Suspend": True}}, ("unknown field spec.Suspend",)),
    "a precondition of its own": ({"spec": TARGET_ALONE | {"maxItems": 1}}, ("unknown field spec.maxItems",)),
    "a misspelled precondition": (
        {"spec": TARGET_ALONE | {"preconditions": {"maxItem": 1}}},
        ("unknown field spec.preconditions.maxItem",),
    ),
    "a server by another word": (
        {"spec": TARGET_ALONE | {"serverRef": {"server": "archive"}}},
        ("unknown field spec.serverRef.server",),
    ),
    "beside the spec": ({"suspend": True}, ("unknown field suspend",)),
    "null, or it would run": ({"spec": TARGET_ALONE | {"suspend": None}}, ("spec.suspend is null",)),
    "null, or it would go to another server": (
        {"spec": TARGET_ALONE | {"serverRef": {"name": None}}},
        ("spec.serverRef.name is null",),
    ),
    "null preconditions": ({"spec": TARGET_ALONE | {"preconditions": None}}, ("spec.preconditions is null",)),
    "a null precondition": (
        {"spec": TARGET_ALONE | {"preconditions": {"createdBefore": None, "maxItems": 1}}},
        ("spec.preconditions.createdBefore is null",),
    ),
    "two": (
        {"spec": TARGET_ALONE | {"suspended": True, "backoffLimit": None}},
        ("unknown field spec.suspended", "spec.backoffLimit is null"),
    ),
    "of two lines": ({"spec": TARGET_ALONE | {"a\nb": 1}}, ("unknown field spec.a b",)),
    "without end": ({"spec": TARGET_ALONE | {999 * "x": 1}}, ("unknown field spec." + 59 * "x",)),
}


@pytest.mark.parametrize(("parts", "told"), [pytest.param(*row, id=name) for name, row in FLAWED.items()])
def test_rule_16_a_field_that_asks_for_nothing_is_named(parts: dict[str, Any], told: tuple[str, ...]) -> None:
    assert parse(an_object(**parts)).flaws == told


@pytest.mark.parametrize(("parts", "told"), [pytest.param(*row, id=name) for name, row in FLAWED.items()])
def test_rule_16_also_where_only_the_applied_manifest_shows_it(
    parts: dict[str, Any], told: tuple[str, ...]
) -> None:
    """What the API server dropped, as an older schema did, or from the metadata."""
    manifest = {"apiVersion": "moorcheh.ai/v1alpha1", "kind": "NamespaceDeletion", "spec": TARGET_ALONE}

    assert of(an_object(), annotations=applied(manifest | parts)).flaws == told


def test_what_a_newer_api_server_keeps_in_the_metadata_is_no_flaw() -> None:
    """It drops what it does not know itself, and reads the same however large the object is."""
    body = an_object(metadata=an_object()["metadata"] | {"shardHints": {"zone": "a"}})

    assert parse(body).flaws == ()


def test_rule_16_a_field_that_landed_in_the_metadata_is_named() -> None:
    manifest = {"metadata": {"name": "wipe", "suspend": True}, "spec": TARGET_ALONE}

    assert of(an_object(), annotations=applied(manifest)).flaws == ("unknown field metadata.suspend",)


def test_a_good_object_has_no_flaws() -> None:
    spec = {
        "namespaceName": "documents",
        "serverRef": {"name": "archive"},
        "suspend": True,
        "ifAbsent": "Fail",
        "preconditions": {"createdBefore": "2026-11-23T13:00:00+01:00", "maxItems": 0},
        "backoffLimit": 0,
        "activeDeadlineSeconds": 60,
        "ttlSecondsAfterFinished": 3600,
    }
    manifest = an_object(spec=spec) | {
        "metadata": {"name": "wipe", "namespace": "team", "annotations": {}, "creationTimestamp": None}
    }

    request = of(an_object(spec=spec), annotations=applied(manifest))

    assert (request.flaws, request.copied, request.doubtful) == ((), None, False)


def test_not_more_is_told_than_a_message_holds() -> None:
    assert len(parse(an_object(spec=TARGET_ALONE | {f"x{n}": n for n in range(9999)})).flaws) == 5


@pytest.mark.parametrize("place", ["spec", "annotation"])
def test_however_deep_a_field_is_it_is_one(place: str) -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = {"x": deep}
    text = 5000 * '{"x":' + "1" + 5000 * "}"

    request = (
        parse(an_object(spec=TARGET_ALONE | {"x": deep}))
        if place == "spec"
        else of(an_object(), annotations=applied(f'{{"spec": {{"x": {text}}}}}'))
    )

    assert request.doubtful


# Copies of another object (docs/safety.md, rule 17)


KEPT = an_object(status={"observedGeneration": 1, "phase": "Succeeded"})
COPIES: dict[str, tuple[dict[str, Any], str | None]] = {
    "of another uid": (applied(KEPT | {"metadata": {"uid": "uid-0"}}), "another object's uid"),
    "of another uid, not ended": (applied({"metadata": {"uid": "uid-0"}}), "another object's uid"),
    "with a status": (applied({"metadata": {"name": "wipe"}, "status": {"phase": "Failed"}}), "has a status"),
    "with a generation": (applied({"metadata": {"generation": 1}}), "metadata.generation"),
    "with a version": (applied({"metadata": {"resourceVersion": "7"}}), "metadata.resourceVersion"),
    "with a time": (
        applied({"metadata": {"creationTimestamp": "2026-11-23T12:00:00Z"}}),
        "creationTimestamp",
    ),
    "stamped": ({"moorcheh.ai/copy-of": "unknown"}, "moorcheh.ai/copy-of"),
    "stamped without a word": ({"moorcheh.ai/copy-of": ""}, "moorcheh.ai/copy-of"),
    "no JSON": (applied("{"), "can't be read"),
    "a list": (applied("[]"), "can't be read"),
    "deep beyond reading": (applied(9999 * "["), "can't be read"),
    # It was taken from this object and applied to it again: it still is what was asked for.
    "its own": (applied(KEPT | {"metadata": {"uid": "uid-1", "generation": 1}}), None),
    "its own while it waits": (applied({"metadata": {"uid": "uid-1"}, "status": {"phase": "Pending"}}), None),
    "no manifest": (applied(""), None),
    "a fresh one": (applied({"metadata": {"name": "wipe"}, "spec": TARGET_ALONE}), None),
    "a fresh one, by a client's dry run": (
        applied({"metadata": {"name": "wipe", "creationTimestamp": None}, "status": {}}),
        None,
    ),
    "a status that nobody wrote": (applied({"metadata": {}, "status": {"observedGeneration": -1}}), None),
    "parts that are none": (applied({"metadata": 1, "spec": 2, "status": 3}), None),
}


@pytest.mark.parametrize(
    ("annotations", "why"), [pytest.param(*row, id=name) for name, row in COPIES.items()]
)
def test_rule_17_a_copy_is_told_by_what_only_a_stored_object_has(
    annotations: dict[str, str], why: str | None
) -> None:
    request = of(an_object(), annotations=annotations)

    assert request.doubtful is bool(why)
    assert (why or "None") in str(request.copied)


WRITTEN = {"manager": "moorcheh-operator", "operation": "Update", "subresource": "status"}
TYPED = {"manager": "kubectl", "operation": "Update"}


@pytest.mark.parametrize(
    ("managers", "status", "expected"),
    [
        pytest.param([TYPED, WRITTEN], {"observedGeneration": -1}, True, id="its-status-is-lost"),
        pytest.param([TYPED, WRITTEN], {"phase": "Pending"}, False, id="its-status-is-there"),
        pytest.param([TYPED], {}, False, id="nobody-has-written-one"),
        pytest.param(None, {}, False, id="none-are-shown"),
    ],
)
def test_rule_17_a_copy_with_all_of_the_metadata_is_told_by_who_wrote_its_status(
    managers: Any, status: dict[str, Any], *, expected: bool
) -> None:
    request = of(an_object(status=status), managedFields=managers)

    assert bool(request.copied) is request.doubtful is expected


# What is left of an object on its way in


@pytest.mark.parametrize("parts", [pytest.param(row[0], id=name) for name, row in FLAWED.items()])
@pytest.mark.parametrize("place", ["object", "applied manifest"])
def test_rules_16_and_17_hold_for_what_the_operator_reads_of_an_object(
    parts: dict[str, Any], place: str
) -> None:
    """Of each the names, and nothing of what stands in it."""
    metadata = an_object()["metadata"] | {"managedFields": [TYPED, WRITTEN, WRITTEN]}
    body = an_object(metadata=metadata, **(parts if place == "object" else {}))
    if place != "object":
        metadata["annotations"] = applied({"metadata": {"uid": "uid-0", "x": "y" * 999}} | parts)

    read = json.loads(wire.trimmed(json.dumps(body).encode()))

    assert parse(read) == parse(body)
    assert parse(body).doubtful


@pytest.mark.parametrize("annotations", [pytest.param(row[0], id=name) for name, row in COPIES.items()])
def test_rule_17_holds_for_what_the_operator_reads_of_an_object(annotations: dict[str, str]) -> None:
    body = an_object(metadata=an_object()["metadata"] | {"annotations": annotations})

    assert parse(json.loads(wire.trimmed(json.dumps(body).encode()))) == parse(body)


DEEP = 9990 * '{"x":' + "1" + 9990 * "}"
DEEP_IN = {
    "the spec": ("spec", '{{"namespaceName": "documents", "x": {}}}'),
    "a part of it": ("spec", '{{"namespaceName": "documents", "preconditions": {{"x": {}}}}}'),
    "a field beside it": ("x", "{}"),
    "the managed fields": ("metadata", '{{"managedFields": [{{"fieldsV1": {}}}]}}'),
    "the applied manifest": (
        "metadata",
        '{{"annotations": {{"kubectl.kubernetes.io/last-applied-configuration": "{}"}}}}',
    ),
}


@pytest.mark.parametrize(("key", "shape"), [pytest.param(*row, id=name) for name, row in DEEP_IN.items()])
def test_however_deep_a_request_is_it_stops_nobody(key: str, shape: str) -> None:
    """The API server takes 10,000 levels; one such object in a list, or a watch, must not end the reading."""
    body = an_object()
    marked = body | {key: "MARK"}
    deep = shape.format(DEEP.replace('"', '\\"') if "last-applied" in shape else DEEP)
    if key == "metadata":
        deep = json.dumps(body["metadata"])[:-1] + ", " + deep[1:]
    text = json.dumps(marked).replace('"MARK"', deep).encode()

    listed = [
        json.loads(wire.trimmed(item)) for item in wire.page(b'{"metadata": {}, "items": [%s]}' % text).items
    ]
    event = wire.event(b'{"type": "ADDED", "object": %s}' % text)

    assert event is not None
    assert parse(listed[0]) == parse(json.loads(event.object))
    assert parse(listed[0]).doubtful or key == "metadata"


def test_what_is_beside_a_deep_object_reads_as_it_is() -> None:
    """Brackets in strings are none, and a deep object ends where it ends."""
    marks = '{"a": "]}\\"[", "b": [{"c": "\\\\"}, []]}'
    item = json.dumps(an_object()).encode()
    deep = b'{"metadata": {}, "x": [%s, %s]}' % (DEEP.encode(), marks.encode())

    page = wire.page(b'{"metadata": {"resourceVersion": "7"}, "items": [%s, %s, %s]}' % (item, deep, item))

    assert page.metadata.resource_version == "7"
    assert [bytes(page.items[0]), bytes(page.items[2])] == [item, item]
    assert json.loads(bytes(page.items[1]))["x"][1] == json.loads(marks)


def test_no_depth_is_one_too_many() -> None:
    """Also where Python is about to give up: what reads the parts stands deeper in the stack than what reads
    the whole.
    """
    for levels in range(850, 1050):
        body = an_object(spec=TARGET_ALONE | {"x": "MARK", "preconditions": {"y": "MARK"}})
        text = json.dumps(body).replace('"MARK"', levels * "[" + levels * "]").encode()
        assert parse(json.loads(wire.trimmed(text))).doubtful


# Times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-11-23T12:00:00Z", NOON, id="kubernetes"),
        pytest.param("2026-11-23T12:00:00.000Z", NOON, id="milliseconds"),
        pytest.param("2026-11-23T12:00:00.123456789Z", NOON.replace(microsecond=123456), id="nanoseconds"),
        pytest.param("2026-11-23T13:00:00+01:00", NOON, id="another-zone"),
        pytest.param("2026-11-23T12:00:00", NOON, id="no-zone-is-utc"),
        pytest.param("2026-11-23 12:00:00", NOON, id="with-a-space"),
        pytest.param("2026-11-23", None, id="a-date-alone"),
        pytest.param("2026-11-23T12", None, id="an-hour-alone"),
        pytest.param("2026-11-23T12:00Z", None, id="without-seconds"),
        pytest.param("2026-W48-1", None, id="a-week-day"),
        pytest.param("20261123", None, id="a-date-without-hyphens"),
        pytest.param("2026-13-23T12:00:00Z", None, id="a-thirteenth-month"),
        pytest.param("2026-11-23T12:00:00+99:99", None, id="a-zone-that-is-none"),
        pytest.param("0001-01-01T00:00:00+23:00", None, id="before-all-time"),
        pytest.param("9999-12-31T23:59:59-23:00", None, id="after-all-time"),
        pytest.param("yesterday", None, id="a-word"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="none"),
        pytest.param(1763899200, None, id="a-number"),
        pytest.param("٢٠٢٦-11-23T12:00:00Z", None, id="other-digits"),
    ],
)
def test_a_time_is_read_to_the_second_or_not_at_all(text: object, expected: datetime | None) -> None:
    assert parse_time(text) == expected


# Status: there and back again

times = some.integers(0, 10**9).map(lambda seconds: NOON + timedelta(seconds=seconds))
zones = some.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))


@given(times, zones)
def test_a_written_time_is_read_back(time: datetime, zone: timezone) -> None:
    assert parse_time(render_time(time.astimezone(zone))) == time


texts = some.text(max_size=8)
counts = some.integers(0, 2**63 - 1)


def maybe(strategy: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    return some.none() | strategy


statuses = some.builds(
    Status,
    observed_generation=some.integers(-1, 9),
    phase=maybe(some.sampled_from(Phase)),
    reason=maybe(some.sampled_from(Reason).map(str) | texts),
    message=maybe(texts),
    target=maybe(
        some.builds(Target, some.booleans(), maybe(counts), maybe(texts), maybe(times), maybe(texts))
    ),
    attempt=maybe(some.builds(Attempt, some.integers(0, 21), texts, times)),
    job=maybe(some.builds(Job, texts, *[maybe(texts)], *[maybe(counts)] * 2, *[maybe(texts)] * 4)),
    progress=maybe(texts),
    last_error=maybe(texts),
    start_time=maybe(times),
    completion_time=maybe(times),
    conditions=some.lists(
        some.builds(Condition, texts, texts, texts, texts, times, some.integers(0, 9)), max_size=3
    ).map(tuple),
)


@given(statuses)
def test_a_written_status_is_read_back(status: Status) -> None:
    stored = json.loads(json.dumps(render(status)))

    assert parse(an_object(status=stored)).status == status


def patched(patch: Any, target: Any) -> Any:
    """RFC 7386, section 2, as it stands there."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(value, result.get(name))
    return result


@given(statuses, statuses)
def test_the_patch_turns_one_status_into_another(old: Status, new: Status) -> None:
    assert patched(merge_patch(old, new), render(old)) == render(new)


def test_what_another_version_wrote_is_neither_in_the_way_nor_lost() -> None:
    """An upgrade that is taken back: the status has fields that this version has never heard of."""
    stored = {
        "observedGeneration": 1,
        "phase": "Running",
        "attempt": {"number": 1, "id": "a", "startTime": "2026-11-23T12:00:00Z", "zone": "eu"},
        "job": {"id": "job-1", "status": "running", "speed": 7},
        "cost": {"sum": 3},
        "conditions": [],
    }
    seen = parse(an_object(status=copy.deepcopy(stored))).status
    job = Job("job-1", "running", deleted_items=5)

    written = patched(merge_patch(seen, msgspec.structs.replace(seen, job=job, message="Words.")), stored)

    assert written == stored | {"job": stored["job"] | {"deletedItems": 5}, "message": "Words."}  # type: ignore[operator]


@given(statuses)
def test_the_patch_to_the_same_is_empty(status: Status) -> None:
    assert merge_patch(status, status) == {}


def test_rule_1_a_new_attempt_takes_the_old_job_away() -> None:
    """A job id of the attempt before would be polled for this one."""
    old = Status(attempt=Attempt(1, "a", NOON), job=Job("job-1", "failed", 5, 3))
    new = Status(attempt=Attempt(2, "b", NOON))

    assert merge_patch(old, new) == {"attempt": {"number": 2, "id": "b"}, "job": None}


def test_what_the_server_no_longer_tells_of_a_job_goes() -> None:
    old = Status(job=Job("job-1", "running", 5, 3, "oh"))
    new = Status(job=Job("job-1", "completed", 5, 5))

    assert merge_patch(old, new) == {"job": {"status": "completed", "deletedItems": 5, "lastError": None}}


def test_keys_are_those_of_the_schema() -> None:
    status = Status(
        3,
        Phase.FAILED,
        "JobFailed",
        "Words.",
        Target(False, 0, "t", NOON),
        Attempt(1, "a", NOON),
        Job("job-1", "failed", 5, 3, "oh", "s", "u", "f"),
        Acceptance(NOON, "Soon.", "2 minutes"),
        "3/5 (60%)",
        3,
        (EarlierAttempt(1, "a", NOON, Job("job-0", "failed")),),
        Verification("Unverifiable", NOON),
        "oh",
        NOON,
        NOON,
        (Condition("Ready", "False", "JobFailed", "Words.", NOON, 3),),
    )
    noon = "2026-11-23T12:00:00Z"

    assert render(status) == {
        "observedGeneration": 3,
        "phase": "Failed",
        "reason": "JobFailed",
        "message": "Words.",
        "target": {"found": False, "itemCount": 0, "creationTime": "t", "observationTime": noon},
        "attempt": {"number": 1, "id": "a", "startTime": noon},
        "job": {
            "id": "job-1",
            "status": "failed",
            "totalItems": 5,
            "deletedItems": 3,
            "lastError": "oh",
            "startTime": "s",
            "updateTime": "u",
            "finishTime": "f",
        },
        "acceptance": {"time": noon, "message": "Soon.", "estimatedCompletion": "2 minutes"},
        "progress": "3/5 (60%)",
        "deletedItems": 3,
        "earlierAttempts": [
            {"number": 1, "id": "a", "startTime": noon, "job": {"id": "job-0", "status": "failed"}}
        ],
        "verification": {"result": "Unverifiable", "time": noon},
        "lastError": "oh",
        "startTime": noon,
        "completionTime": noon,
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "JobFailed",
                "message": "Words.",
                "lastTransitionTime": noon,
                "observedGeneration": 3,
            }
        ],
    }


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("running", JobStatus.RUNNING),
        ("Completed", JobStatus.COMPLETED),
        ("FAILED", JobStatus.FAILED),
        ("failed.", JobStatus.RUNNING),
        ("success", JobStatus.RUNNING),
        ("", JobStatus.RUNNING),
        (None, JobStatus.RUNNING),
    ],
)
def test_any_other_word_is_still_running(word: str | None, expected: JobStatus) -> None:
    assert Job("job-1", word).state is expected


# Texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("as it is", "as it is", id="as-it-is"),
        pytest.param("a\r\n\tb\x00\x1b[0m", "a b [0m", id="control-characters"),
        pytest.param("a\u2028b\u202ec\u200bd", "a b c d", id="invisible-ones"),
        pytest.param("a\ud800b", "a b", id="half-a-surrogate-pair"),
        pytest.param("  a   b  ", "a b", id="spaces"),
        pytest.param("x" * 1024, "x" * 1024, id="just-fits"),
        pytest.param("x" * 1025, "x" * 1021 + "…", id="one-too-many"),
        pytest.param("💾" * 256, "💾" * 256, id="four-bytes-each-just-fits"),
        pytest.param("💾" * 257, "💾" * 255 + "…", id="four-bytes-each-one-too-many"),
        pytest.param("\n" * 10**6, "", id="a-million-newlines"),
    ],
)
def test_a_text_for_a_person_is_one_line_of_a_kibibyte(text: str, expected: str) -> None:
    assert plain_text(text) == expected


@given(some.text(some.characters(), max_size=3000))
def test_whatever_the_text(text: str) -> None:
    shown = plain_text(text)

    assert len(shown.encode()) <= 1024
    assert shown.isprintable()
    assert plain_text(shown) == shown


@pytest.mark.parametrize("text", ["💾" * 10**5, "\ud83d" * 10**5, "e\u0301" * 10**5, "x" * 10**7])
def test_however_long(text: str) -> None:
    assert len(plain_text(text).encode()) <= 1024
