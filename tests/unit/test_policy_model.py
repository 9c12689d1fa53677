"""A cleanup policy as the API server shows it, read strictly, and the same fields as in the CRD."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct
from msgspec.structs import fields

from moorcheh_operator.api.policy import (
    LastRun,
    MalformedPolicyError,
    Matching,
    PolicySpec,
    PolicyStatus,
    Result,
    Select,
    Template,
    parse_policy,
)
from moorcheh_operator.api.spec import ServerRef
from moorcheh_operator.api.status import Condition, merge_patch, render

CRD = Path(__file__).parents[2] / "crds" / "namespacecleanuppolicies.yaml"
SCHEMA = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SPEC = {"schedule": "@daily", "select": {"names": ["ci-*"]}}


def an_object(spec: Any = SPEC, **others: Any) -> dict[str, Any]:
    metadata = {
        "namespace": "team",
        "name": "nightly",
        "uid": "policy-1",
        "resourceVersion": "7",
        "generation": 2,
        "creationTimestamp": "2026-11-27T12:00:00Z",
    }
    return {"apiVersion": "moorcheh.ai/v1alpha1", "kind": "NamespaceCleanupPolicy", "metadata": metadata,
            "spec": spec} | others  # fmt: skip


def test_what_is_left_out_has_the_schema_s_defaults() -> None:
    policy = parse_policy(an_object())

    assert policy.spec == PolicySpec("@daily", Select(("ci-*",)))
    assert (policy.status, policy.flaws, policy.generation) == (PolicyStatus(), (), 2)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        pytest.param(PolicySpec, SCHEMA["spec"], id="spec"),
        pytest.param(ServerRef, SCHEMA["spec"]["properties"]["serverRef"], id="serverRef"),
        pytest.param(Select, SCHEMA["spec"]["properties"]["select"], id="select"),
        pytest.param(Template, SCHEMA["spec"]["properties"]["template"], id="template"),
        pytest.param(PolicyStatus, SCHEMA["status"], id="status"),
        pytest.param(LastRun, SCHEMA["status"]["properties"]["lastRun"], id="lastRun"),
        pytest.param(Matching, SCHEMA["status"]["properties"]["matching"], id="matching"),
        pytest.param(Condition, SCHEMA["status"]["properties"]["conditions"]["items"], id="conditions"),
    ],
)
def test_the_fields_are_those_of_the_crd(kind: type[Struct], schema: dict[str, Any]) -> None:
    assert {field.encode_name for field in fields(kind)} == set(schema["properties"])


@pytest.mark.parametrize(
    ("path", "value"),
    [(("serverRef", "name"), "default"), (("timeZone",), "Etc/UTC"), (("startingDeadlineSeconds",), 3600),
     (("suspend",), False), (("maxDeletionsPerRun",), 10)],
)  # fmt: skip
def test_the_defaults_are_those_of_the_crd(path: tuple[str, ...], value: object) -> None:
    schema = SCHEMA["spec"]
    for key in path:
        schema = schema["properties"][key]

    assert schema["default"] == value


FLAWED = [
    pytest.param({**SPEC, "selekt": {}}, "unknown field spec.selekt", id="top"),
    pytest.param({**SPEC, "select": {"names": ["a"], "olderThen": "1h"}}, "select.olderThen", id="select"),
    pytest.param({**SPEC, "template": {"suspended": True}}, "spec.template.suspended", id="template"),
    pytest.param({**SPEC, "serverRef": {"url": "http://x"}}, "spec.serverRef.url", id="server"),
    pytest.param({**SPEC, "maxDeletionsPerRun": None}, "spec.maxDeletionsPerRun is null", id="null-brake"),
    pytest.param({**SPEC, "select": {"names": ["a"], "olderThan": None}}, "olderThan is null", id="null-age"),
    pytest.param({**SPEC, "select": {"names": ["a"], "exceptNames": None}}, "is null", id="null-except"),
    pytest.param({**SPEC, "template": None}, "spec.template is null", id="null-template"),
    pytest.param({**SPEC, "template": {"suspend": None}}, "spec.template.suspend is null", id="null-suspend"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "says"), FLAWED)
def test_a_field_that_is_unknown_or_null_is_a_doubt(spec: dict[str, Any], says: str) -> None:
    [flaw] = parse_policy(an_object(spec)).flaws

    assert says in flaw


def test_what_kubectl_was_given_counts_too() -> None:
    """The API server drops what lands in metadata; the manifest that was applied still has it."""
    body = an_object()
    applied = '{"metadata": {"suspend": true}, "spec": {"schedule": "@daily"}}'
    body["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": applied}

    assert parse_policy(body).flaws == ("unknown field metadata.suspend",)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"schedule": "@daily"},
        {"schedule": "@daily", "select": {}},
        {"schedule": 3, "select": {"names": ["a"]}},
        {"schedule": "@daily", "select": {"names": "ci-*"}},
        {"schedule": "@daily", "select": {"names": [1]}},
        {**SPEC, "suspend": "true"},
        {**SPEC, "maxDeletionsPerRun": "10"},
        {**SPEC, "select": {"names": ["a"], "maxItems": "0"}},
    ],
    ids=str,
)
def test_what_the_schema_would_not_have_let_in_is_left_alone(spec: Any) -> None:
    with pytest.raises(MalformedPolicyError):
        parse_policy(an_object(spec))


def test_a_status_is_written_as_the_schema_has_it_and_read_again() -> None:
    run = LastRun(
        NOON, NOON, 3, 1, 0, 0, Result.CREATING, None, ("ci-1", "ci-2"), NOON, "http://moorcheh:8080"
    )
    matching = Matching(1, 0, 0, NOON, ("ci-1",))
    condition = Condition("Ready", "True", "Scheduled", "Words.", NOON, 2)
    status = PolicyStatus(2, run, NOON, matching, (condition,))

    assert parse_policy(an_object(status=render(status))).status == status
    over = PolicyStatus(2, LastRun(NOON, NOON, 3, 3, 0, 0, Result.COMPLETED), NOON, matching, (condition,))
    assert merge_patch(status, over) == {
        "lastRun": {
            "remaining": None,
            "createdBefore": None,
            "server": None,
            "created": 3,
            "result": "Completed",
        }
    }
