"""What the API server itself holds of the API: each rule with what it accepts and what it rejects."""

from __future__ import annotations

import json
import re
import ssl
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from moorcheh_operator.api import request as api
from moorcheh_operator.api.request import GROUP, KIND, PLURAL, parse
from moorcheh_operator.api.spec import Spec
from moorcheh_operator.api.status import (
    Acceptance,
    Attempt,
    Condition,
    EarlierAttempt,
    Job,
    Phase,
    Status,
    Target,
    Verification,
    render,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CRD = Path(__file__).parents[2] / "crds" / "namespacedeletions.yaml"
MANIFEST: dict[str, Any] = yaml.safe_load(CRD.read_text())
VERSION: dict[str, Any] = MANIFEST["spec"]["versions"][0]
SCHEMA: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]
RESOURCE = "/apis/moorcheh.ai/v1alpha1"

Json = dict[str, Any]
PHASES = ["Pending", "Suspended", "Submitting", "Running", "Succeeded", "Failed"]
ATTEMPT_OPEN = {"Submitting", "Running"}
ENDED = {"Succeeded", "Failed"}

FULL_STATUS = Status(
    observed_generation=1,
    phase=Phase.RUNNING,
    reason="JobRunning",
    message="Moorcheh is deleting docs: 1200 of 5000 items are gone.",
    target=Target(
        found=True,
        item_count=5000,
        creation_time="2026-05-21T12:10:00.000Z",
        observation_time=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
        server="https://moorcheh.example/" + 487 * "x",
    ),
    attempt=Attempt(
        number=2,
        id="6f1d0d1c-9a51-4f0e-8d7c-3b0f5a1f2c44",
        start_time=datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC),
    ),
    job=Job(
        id="job-682efd0be4484e49b7bf787466d6e9a4",
        status="running",
        total_items=5000,
        deleted_items=1200,
        last_error="none yet",
        start_time="2026-11-23T10:00:02.000Z",
        update_time="2026-11-23T10:00:04.000Z",
        finish_time="2026-11-23T10:00:06.000Z",
    ),
    acceptance=Acceptance(datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC), "Started.", "2 minutes"),
    progress="1200/5000 (24%)",
    deleted_items=3000,
    earlier_attempts=(
        EarlierAttempt(
            number=1,
            id="0b6c5d0e-33f4-4a4e-9f61-8f7c2b8f6f10",
            start_time=datetime(2026, 11, 23, 9, 59, 1, tzinfo=UTC),
            job=Job(
                id="job-0",
                status="failed",
                total_items=6800,
                deleted_items=1800,
                last_error="no space left",
                start_time="2026-11-23T09:59:02.000Z",
                update_time="2026-11-23T09:59:04.000Z",
                finish_time="2026-11-23T09:59:06.000Z",
            ),
        ),
    ),
    verification=Verification("Absent", datetime(2026, 11, 23, 10, 1, tzinfo=UTC)),
    last_error="ReadTimeout: the answer to a poll did not come within 30 s",
    start_time=datetime(2026, 11, 23, 9, 59, tzinfo=UTC),
    completion_time=datetime(2026, 11, 23, 10, 1, tzinfo=UTC),
    conditions=(
        Condition(
            type="Ready",
            status="Unknown",
            reason="JobRunning",
            message="",
            last_transition_time=datetime(2026, 11, 23, 10, 0, 2, tzinfo=UTC),
            observed_generation=1,
        ),
    ),
)


@dataclass(frozen=True)
class Requests:
    """The NamespaceDeletions of one Kubernetes namespace, as the API server keeps them."""

    http: httpx.Client
    namespace: str

    def path(self, name: str = "", subresource: str = "") -> str:
        parts = [RESOURCE, "namespaces", self.namespace, "namespacedeletions", name, subresource]
        return "/".join(part for part in parts if part)

    def try_create(
        self, spec: object, *, name: str | None = None, status: Json | None = None
    ) -> httpx.Response:
        body = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name or f"request-{uuid.uuid4()}"},
            "spec": spec,
        } | ({"status": status} if status else {})
        return self.http.post(self.path(), params={"fieldValidation": "Strict"}, json=body)

    def create(self, *, phase: str | None = None, name: str | None = None, **spec: object) -> str:
        created = accepted(self.try_create({"namespaceName": "docs"} | spec, name=name))
        name = str(created["metadata"]["name"])
        if phase is not None:
            accepted(self.try_write_status(name, {"phase": phase}))
        return name

    def read(self, name: str) -> Json:
        return accepted(self.http.get(self.path(name)))

    def try_change(self, name: str, spec: Json) -> httpx.Response:
        return self._merge(self.path(name), {"spec": spec})

    def try_write_status(
        self, name: str, status: Json | None, *, resource_version: str | None = None
    ) -> httpx.Response:
        metadata = {"metadata": {"resourceVersion": resource_version}} if resource_version else {}
        return self._merge(self.path(name, "status"), metadata | {"status": status})

    def try_replace(self, body: Json, subresource: str = "") -> httpx.Response:
        path = self.path(body["metadata"]["name"], subresource)
        return self.http.put(path, params={"fieldValidation": "Strict"}, json=body)

    def names(self, field_selector: str) -> set[str]:
        found = accepted(self.http.get(self.path(), params={"fieldSelector": field_selector}))
        return {item["metadata"]["name"] for item in found["items"]}

    def _merge(self, path: str, patch: Json) -> httpx.Response:
        return self.http.patch(
            path,
            params={"fieldValidation": "Strict"},
            content=json.dumps(patch),
            headers={"Content-Type": "application/merge-patch+json"},
        )


def accepted(response: httpx.Response) -> Json:
    assert response.is_success, response.text
    body: Json = response.json()
    return body


def refusal(response: httpx.Response) -> tuple[str, str]:
    """The field and the words of the first cause of a 422."""
    assert response.status_code == 422, response.text
    cause = response.json()["details"]["causes"][0]
    return cause["field"], cause["message"]


@pytest.fixture(scope="module")
def http(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=control_plane.url,
        headers={"Authorization": f"Bearer {control_plane.admin_token}"},
        verify=ssl.create_default_context(cafile=str(control_plane.ca_file)),
        trust_env=False,
        timeout=30,
    ) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def crd(control_plane: ControlPlane, http: httpx.Client) -> None:
    """Installed, served and described."""
    control_plane.kubectl("apply", "-f", str(CRD))
    control_plane.kubectl("wait", "--for=condition=Established", f"crd/{MANIFEST['metadata']['name']}")
    # Established is said some moments before it is.
    eventually(lambda: http.get(f"{RESOURCE}/namespacedeletions").is_success)
    eventually(lambda: "v1alpha1.NamespaceDeletion" in http.get(f"/openapi/v3{RESOURCE}").text)
    # kubectl keeps what it found at its first call, the one above; this asks anew.
    eventually(lambda: "nsdel" in control_plane.kubectl("api-resources", "--api-group=moorcheh.ai"))


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def new_namespace(http: httpx.Client) -> str:
    name = f"crd-{uuid.uuid4()}"
    accepted(http.post("/api/v1/namespaces", json={"metadata": {"name": name}}))
    return name


@pytest.fixture(scope="module")
def requests(http: httpx.Client) -> Requests:
    return Requests(http, new_namespace(http))


@pytest.fixture
def own_requests(http: httpx.Client) -> Requests:
    """In a namespace that no other test uses, for those that list."""
    return Requests(http, new_namespace(http))


# Creation


DEFAULTS = {
    "serverRef": {"name": "default"},
    "suspend": False,
    "ifAbsent": "Succeed",
    "backoffLimit": 3,
    "activeDeadlineSeconds": 86400,
}


def test_what_is_left_out_takes_its_default(requests: Requests) -> None:
    created = accepted(requests.try_create({"namespaceName": "docs"}))

    assert created["spec"] == {"namespaceName": "docs"} | DEFAULTS


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"namespaceName": "d"}, id="name of one character"),
        pytest.param({"namespaceName": "d" * 255}, id="name of 255 characters"),
        pytest.param({"namespaceName": "My_docs-2"}, id="name with everything it may have"),
        pytest.param({"namespaceName": "-"}, id="name of a hyphen"),
        pytest.param({"suspend": True}, id="suspended from the start"),
        pytest.param({"serverRef": {"name": "a"}}, id="server of one character"),
        pytest.param({"serverRef": {"name": "a-" + 60 * "0" + "z"}}, id="server of 63 characters"),
        pytest.param({"ifAbsent": "Succeed"}, id="ifAbsent Succeed"),
        pytest.param({"ifAbsent": "Fail"}, id="ifAbsent Fail"),
        pytest.param({"backoffLimit": 0}, id="backoffLimit 0"),
        pytest.param({"backoffLimit": 20}, id="backoffLimit 20"),
        pytest.param({"activeDeadlineSeconds": 1}, id="deadline of a second"),
        pytest.param({"activeDeadlineSeconds": 2**31 - 1}, id="deadline of 68 years"),
        pytest.param({"ttlSecondsAfterFinished": 1}, id="time to live of a second"),
        pytest.param({"ttlSecondsAfterFinished": 2**31 - 1}, id="time to live of 68 years"),
        pytest.param({"preconditions": {"maxItems": 0}}, id="only if empty"),
        pytest.param({"preconditions": {"maxItems": 2**63 - 1}}, id="the largest maxItems"),
        pytest.param({"preconditions": {"createdBefore": "2026-11-23T00:00:00Z"}}, id="createdBefore, UTC"),
        pytest.param({"preconditions": {"createdBefore": "2026-11-23T01:00:00.5+01:00"}}, id="with a zone"),
        pytest.param(
            {"preconditions": {"createdBefore": "2026-11-23T00:00:00Z", "maxItems": 10}}, id="both together"
        ),
    ],
)
def test_a_good_spec_is_accepted_as_written(requests: Requests, spec: Json) -> None:
    created = accepted(requests.try_create({"namespaceName": "docs"} | spec))

    assert {"namespaceName": "docs"} | DEFAULTS | spec == created["spec"]


def created_before(text: object) -> Json:
    return {"preconditions": {"createdBefore": text}}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        *[
            pytest.param({"namespaceName": name}, "spec.namespaceName", id=f"name {what}")
            for what, name in {
                "empty": "",
                "of 256 characters": "d" * 256,
                "with a slash": "a/b",
                "with a dot": "a.b",
                "of two dots": "..",
                "with a percent sign": "%2e%2e",
                "with a space": "a b",
                "with a line break at its end": "docs\n",
                "with a letter outside ASCII": "dócs",
                "that is a number": 7,
                "that is null": None,
            }.items()
        ],
        pytest.param({"suspend": "true"}, "spec.suspend", id="suspend as a string"),
        pytest.param({"serverRef": {"name": ""}}, "spec.serverRef.name", id="server without a name"),
        pytest.param({"serverRef": {"name": "http://evil"}}, "spec.serverRef.name", id="server by URL"),
        pytest.param({"serverRef": {"name": "a.b"}}, "spec.serverRef.name", id="server by host"),
        pytest.param({"serverRef": {"name": 64 * "a"}}, "spec.serverRef.name", id="server's name too long"),
        pytest.param({"serverRef": "default"}, "spec.serverRef", id="server as a text"),
        pytest.param({"ifAbsent": "fail"}, "spec.ifAbsent", id="ifAbsent in small letters"),
        pytest.param({"ifAbsent": ""}, "spec.ifAbsent", id="ifAbsent empty"),
        pytest.param({"backoffLimit": -1}, "spec.backoffLimit", id="backoffLimit -1"),
        pytest.param({"backoffLimit": 21}, "spec.backoffLimit", id="backoffLimit 21"),
        pytest.param({"backoffLimit": 1.5}, "spec.backoffLimit", id="backoffLimit 1.5"),
        pytest.param({"backoffLimit": "3"}, "spec.backoffLimit", id="backoffLimit as a string"),
        pytest.param({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds", id="deadline 0"),
        pytest.param({"activeDeadlineSeconds": 2**31}, "spec.activeDeadlineSeconds", id="deadline too far"),
        pytest.param({"ttlSecondsAfterFinished": 0}, "spec.ttlSecondsAfterFinished", id="time to live 0"),
        pytest.param(
            {"ttlSecondsAfterFinished": 2**31}, "spec.ttlSecondsAfterFinished", id="time to live too far"
        ),
        pytest.param({"preconditions": {"maxItems": -1}}, "spec.preconditions.maxItems", id="maxItems -1"),
        pytest.param(
            {"preconditions": {"maxItems": 2**63}}, "spec.preconditions.maxItems", id="maxItems beyond int64"
        ),
        # Fail closed: whoever writes preconditions must not end up with none.
        pytest.param({"preconditions": {}}, "spec.preconditions", id="preconditions that say nothing"),
        *[
            pytest.param(created_before(text), "spec.preconditions.createdBefore", id=f"createdBefore {what}")
            for what, text in {
                "without a zone": "2026-11-23T00:00:00",
                "without a time": "2026-11-23",
                "in words": "yesterday",
                "empty": "",
                "of a day that is not": "2026-02-30T00:00:00Z",
                "with a decimal comma": "2026-11-23T00:00:00,5Z",
                "in small letters": "2026-11-23t00:00:00z",
                "in a zone that is not": "2026-11-23T00:00:00+24:00",
                "before all clocks": "0001-01-01T00:00:00+01:00",
                "as a number": 1790000000,
            }.items()
        ],
    ],
)
def test_a_spec_beyond_its_bounds_is_refused_at_its_field(requests: Requests, spec: Json, field: str) -> None:
    found, _ = refusal(requests.try_create({"namespaceName": "docs"} | spec))

    assert field == found


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({}, "spec.namespaceName: Required value", id="an empty spec"),
        pytest.param(None, "spec: Required value", id="no spec"),
    ],
)
def test_a_request_must_name_its_target(requests: Requests, spec: object, words: str) -> None:
    response = requests.try_create(spec)

    assert response.status_code == 422
    assert words in response.json()["message"]


# Changes of the spec


CREATED_BEFORE = {"createdBefore": "2026-11-23T00:00:00Z"}
BOTH = CREATED_BEFORE | {"maxItems": 10}


@pytest.mark.parametrize(
    ("before", "change", "field"),
    [
        pytest.param({}, {"namespaceName": "other"}, "namespaceName", id="another target"),
        pytest.param({}, {"serverRef": {"name": "other"}}, "serverRef", id="another server"),
        pytest.param({"serverRef": {"name": "a"}}, {"serverRef": None}, "serverRef", id="server removed"),
        pytest.param(
            {"serverRef": {"name": "a"}}, {"serverRef": {"name": None}}, "serverRef", id="its name removed"
        ),
        pytest.param({}, {"ifAbsent": "Fail"}, "ifAbsent", id="ifAbsent changed"),
        pytest.param({"ifAbsent": "Fail"}, {"ifAbsent": None}, "ifAbsent", id="ifAbsent removed"),
        pytest.param({}, {"preconditions": {"maxItems": 0}}, "preconditions", id="preconditions added"),
        pytest.param(
            {"preconditions": BOTH}, {"preconditions": None}, "preconditions", id="preconditions removed"
        ),
        pytest.param(
            {"preconditions": BOTH},
            {"preconditions": {"createdBefore": "2026-11-24T00:00:00Z"}},
            "preconditions",
            id="createdBefore changed",
        ),
        pytest.param(
            {"preconditions": BOTH},
            {"preconditions": {"maxItems": 11}},
            "preconditions",
            id="maxItems changed",
        ),
        pytest.param(
            {"preconditions": CREATED_BEFORE},
            {"preconditions": {"maxItems": 10}},
            "preconditions",
            id="maxItems added",
        ),
        pytest.param(
            {"preconditions": BOTH},
            {"preconditions": {"maxItems": None}},
            "preconditions",
            id="maxItems removed",
        ),
        pytest.param(
            {"preconditions": BOTH},
            {"preconditions": {"createdBefore": None}},
            "preconditions",
            id="createdBefore removed",
        ),
        pytest.param(
            {"preconditions": CREATED_BEFORE},
            {"preconditions": {"createdBefore": None, "maxItems": 10}},
            "preconditions",
            id="one precondition for the other",
        ),
    ],
)
@pytest.mark.parametrize("phase", [None, "Running", "Succeeded"])
def test_target_if_absent_and_preconditions_cannot_be_changed(
    requests: Requests, before: Json, change: Json, field: str, phase: str | None
) -> None:
    name = requests.create(phase=phase, **before)

    found, message = refusal(requests.try_change(name, change))

    assert f"spec.{field}" == found
    assert f"spec.{field} cannot be" in message, "it names the field"
    assert "create a new NamespaceDeletion" in message, "it names the way out"


@pytest.mark.parametrize(
    ("before", "change"),
    [
        pytest.param({}, {"namespaceName": "docs"}, id="the same target"),
        pytest.param({}, {"serverRef": {"name": "default"}}, id="the default server, written out"),
        pytest.param(
            {"serverRef": {"name": "default"}}, {"serverRef": None}, id="the default server, removed"
        ),
        pytest.param({}, {"ifAbsent": "Succeed"}, id="the default, written out"),
        pytest.param({"ifAbsent": "Succeed"}, {"ifAbsent": None}, id="the default, removed"),
        pytest.param({"preconditions": BOTH}, {"preconditions": BOTH}, id="the same preconditions"),
        pytest.param(
            {"preconditions": CREATED_BEFORE},
            {"preconditions": {"createdBefore": "2026-11-23T01:00:00+01:00"}},
            id="the same instant in another zone",
        ),
        pytest.param({}, {"backoffLimit": 0}, id="backoffLimit"),
        pytest.param({}, {"activeDeadlineSeconds": 60}, id="activeDeadlineSeconds"),
        pytest.param({}, {"ttlSecondsAfterFinished": 60}, id="ttlSecondsAfterFinished added"),
        pytest.param({"ttlSecondsAfterFinished": 60}, {"ttlSecondsAfterFinished": None}, id="and removed"),
        pytest.param({}, {"suspend": True}, id="suspended"),
        pytest.param({"suspend": True}, {"suspend": False}, id="approved"),
    ],
)
def test_what_says_the_same_and_what_is_mutable_can_be_written(
    requests: Requests, before: Json, change: Json
) -> None:
    name = requests.create(**before)

    changed = accepted(requests.try_change(name, change))

    expected = {key: value for key, value in change.items() if value is not None}
    assert expected.items() <= changed["spec"].items()


def test_a_replacement_cannot_drop_the_preconditions(requests: Requests) -> None:
    body = requests.read(requests.create(preconditions=BOTH))
    del body["spec"]["preconditions"]

    field, _ = refusal(requests.try_replace(body))

    assert field == "spec.preconditions"


def test_removing_suspend_is_the_approval(requests: Requests) -> None:
    """The default fills it in, so the description says so."""
    name = requests.create(suspend=True)

    changed = accepted(requests.try_change(name, {"suspend": None}))

    assert changed["spec"]["suspend"] is False
    assert "so is removing the field" in SCHEMA["properties"]["spec"]["properties"]["suspend"]["description"]


# Suspension


@pytest.mark.parametrize("phase", [None, *PHASES])
def test_suspend_cannot_become_true_while_an_attempt_is_open(requests: Requests, phase: str | None) -> None:
    name = requests.create(phase=phase)

    response = requests.try_change(name, {"suspend": True})

    if phase in ATTEMPT_OPEN:
        field, message = refusal(response)
        assert field == "spec.suspend"
        assert "spec.suspend cannot become true while an attempt is open" in message
        assert "delete this NamespaceDeletion" in message, "it names the way out"
    else:
        assert accepted(response)["spec"]["suspend"] is True


@pytest.mark.parametrize("phase", [None, *PHASES])
def test_suspend_can_become_false_at_any_time(requests: Requests, phase: str | None) -> None:
    name = requests.create(phase=phase, suspend=True)

    assert accepted(requests.try_change(name, {"suspend": False}))["spec"]["suspend"] is False


@pytest.mark.parametrize("phase", ["Submitting", "Running"])
def test_a_request_that_says_suspend_already_takes_every_other_write(requests: Requests, phase: str) -> None:
    """The rule is about becoming; were it about being, it could keep out a job's id."""
    name = requests.create(suspend=True)

    accepted(requests.try_write_status(name, {"phase": phase, "job": {"id": "job-1"}}))
    accepted(requests.try_change(name, {"suspend": True, "backoffLimit": 1}))


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_manifest_that_says_suspend_can_be_applied_for_ever_after_the_end(
    requests: Requests, control_plane: ControlPlane, phase: str
) -> None:
    name = f"request-{uuid.uuid4()}"
    manifest = json.dumps(
        {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name, "namespace": requests.namespace},
            "spec": {"namespaceName": "docs", "suspend": True},
        }
    )
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    control_plane.kubectl(*apply, input=manifest)
    accepted(requests.try_change(name, {"suspend": False}))
    accepted(requests.try_write_status(name, {"phase": phase}))

    for _ in range(2):
        control_plane.kubectl(*apply, input=manifest)

    assert requests.read(name)["spec"]["suspend"] is True


# The phase


@pytest.mark.parametrize("after", [None, *PHASES])
@pytest.mark.parametrize("before", [None, *PHASES])
def test_only_an_ended_phase_is_final(requests: Requests, before: str | None, after: str | None) -> None:
    name = requests.create(phase=before)

    response = requests.try_write_status(name, {"phase": after})

    if before in ENDED and after != before:
        field, message = refusal(response)
        assert field == "status.phase"
        assert "status.phase is final" in message
        assert "create a new NamespaceDeletion" in message, "it names the way out"
        assert requests.read(name)["status"]["phase"] == before
    else:
        assert accepted(response)["status"].get("phase") == after


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_end_cannot_be_removed_with_its_status(requests: Requests, phase: str) -> None:
    name = requests.create(phase=phase)
    body = requests.read(name)

    removed = requests.try_write_status(name, None)
    emptied = requests.try_replace(body | {"status": {}}, "status")
    left_out = requests.try_replace({key: body[key] for key in body if key != "status"}, "status")

    assert [refusal(response)[0] for response in (removed, emptied, left_out)] == ["status.phase"] * 3


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_after_the_end_the_rest_of_the_status_can_still_be_written(requests: Requests, phase: str) -> None:
    """A spec edited after the end needs its observedGeneration, or `kubectl wait` never answers."""
    name = requests.create(phase=phase)
    status = render(FULL_STATUS) | {"phase": phase, "observedGeneration": 2}

    assert status == accepted(requests.try_write_status(name, status))["status"]


def test_the_phase_has_the_six_values_and_no_other(requests: Requests) -> None:
    name = requests.create()

    field, _ = refusal(requests.try_write_status(name, {"phase": "Done"}))

    assert field == "status.phase"
    assert [phase.value for phase in Phase] == PHASES
    assert SCHEMA["properties"]["status"]["properties"]["phase"]["enum"] == PHASES


# The status


def test_a_request_that_nobody_has_seen_says_so(own_requests: Requests) -> None:
    """kstatus takes an object without a status for done."""
    created = accepted(own_requests.try_create({"namespaceName": "docs"}))
    read = own_requests.read(created["metadata"]["name"])
    [listed] = accepted(own_requests.http.get(own_requests.path()))["items"]

    assert [body["status"] for body in (created, read, listed)] == [{"observedGeneration": -1}] * 3


def test_a_watch_shows_minus_one_too(own_requests: Requests) -> None:
    own_requests.create()

    path, parameters = own_requests.path(), {"watch": "true", "timeoutSeconds": "1", "resourceVersion": "0"}
    with own_requests.http.stream("GET", path, params=parameters) as response:
        event = json.loads(next(response.iter_lines()))

    assert event["object"]["status"] == {"observedGeneration": -1}


def test_the_creator_cannot_bring_a_status(requests: Requests) -> None:
    response = requests.try_create({"namespaceName": "docs"}, status={"phase": "Succeeded"})

    assert accepted(response)["status"] == {"observedGeneration": -1}


def test_a_write_to_the_object_leaves_its_status_alone(requests: Requests) -> None:
    name = requests.create(phase="Pending")

    changed = requests.http.patch(
        requests.path(name),
        content=json.dumps({"status": {"phase": "Running"}}),
        headers={"Content-Type": "application/merge-patch+json"},
    )

    assert accepted(changed)["status"]["phase"] == "Pending"


@pytest.mark.parametrize("emptied", [None, {"observedGeneration": None}])
def test_an_emptied_status_is_one_that_nobody_has_seen(requests: Requests, emptied: Json | None) -> None:
    name = requests.create()

    assert accepted(requests.try_write_status(name, emptied))["status"] == {"observedGeneration": -1}


def test_the_operators_whole_status_is_kept_to_the_last_field(requests: Requests) -> None:
    status = render(FULL_STATUS)
    name = requests.create()

    written = accepted(requests.try_write_status(name, status))

    assert status == written["status"] == requests.read(name)["status"]
    assert parse(written).status == FULL_STATUS


def test_who_manages_a_status_is_kept_by_its_parts(requests: Requests) -> None:
    """Kept for each field, that was a third of what is stored, sent to watchers and read at each write."""
    written = accepted(requests.try_write_status(requests.create(), render(FULL_STATUS)))

    [own] = [each for each in written["metadata"]["managedFields"] if each.get("subresource") == "status"]
    fields = own["fieldsV1"]["f:status"]
    conditions = fields.pop("f:conditions")
    assert {name for name, below in fields.items() if below} == set()
    assert {name for name, below in conditions.items() if below} == set()
    assert "f:reason" in fields  # the operator reads who wrote it


def leaves(body: object, path: str = "") -> set[str]:
    match body:
        case dict():
            return set().union(*(leaves(value, f"{path}.{key}") for key, value in body.items()))
        case list():
            return set().union(*(leaves(value, f"{path}[]") for value in body))
        case _:
            return {path}


def schema_leaves(schema: Json, path: str = "") -> set[str]:
    if properties := schema.get("properties"):
        return set().union(*(schema_leaves(each, f"{path}.{key}") for key, each in properties.items()))
    if items := schema.get("items"):
        return schema_leaves(items, f"{path}[]")
    return {path}


def test_schema_and_operator_know_the_same_status_fields() -> None:
    assert schema_leaves(SCHEMA["properties"]["status"]) == leaves(render(FULL_STATUS))


def spec_fields(kind: type[msgspec.Struct]) -> Json:
    """By the names of the API."""
    return {
        field.encode_name: spec_fields(field.type)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
        else None
        for field in msgspec.structs.fields(kind)
    }


def schema_fields(schema: Json) -> Json | None:
    if "properties" not in schema:
        return None
    return {name: schema_fields(each) for name, each in schema["properties"].items()}


def test_schema_and_operator_know_the_same_spec_fields() -> None:
    """A default for a field that an older operator does not know would end all of its requests."""
    assert schema_fields(SCHEMA["properties"]["spec"]) == spec_fields(Spec)


@pytest.mark.parametrize("place", ["", "target", "attempt", "job", "conditions"])
def test_an_unknown_status_field_is_refused_not_pruned(requests: Requests, place: str) -> None:
    name = requests.create()
    status = render(FULL_STATUS)
    match place:
        case "":
            status["surprise"] = 1
        case "conditions":
            status["conditions"][0]["surprise"] = 1
        case _:
            status[place]["surprise"] = 1

    response = requests.try_write_status(name, status)

    assert response.status_code == 422  # a patch; other writes get 400
    assert re.search(r'unknown field "status\.\S*surprise"', response.json()["message"])


@pytest.mark.parametrize("phase", [None, *PHASES])
def test_a_status_of_a_phase_alone_is_enough(requests: Requests, phase: str | None) -> None:
    assert requests.create(phase=phase)


@pytest.mark.parametrize(
    "path",
    [
        *[[key] for key in SCHEMA["properties"]["status"]["properties"] if key != "observedGeneration"],
        *[
            [part, key]
            for part in ("target", "attempt", "job", "acceptance")
            for key in SCHEMA["properties"]["status"]["properties"][part]["properties"]
            if key not in SCHEMA["properties"]["status"]["properties"][part].get("required", ())
        ],
    ],
    ids=".".join,
)
def test_null_in_a_merge_patch_removes(requests: Requests, path: list[str]) -> None:
    name = requests.create()
    accepted(requests.try_write_status(name, render(FULL_STATUS)))
    patch: Json = {path[-1]: None}
    expected = render(FULL_STATUS)
    if len(path) == 2:
        patch = {path[0]: patch}
        del expected[path[0]][path[1]]
    else:
        del expected[path[0]]

    assert expected == accepted(requests.try_write_status(name, patch))["status"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-21T12:10:00.000Z",
        "2026-05-21T12:10:00",
        "2026-05-21 12:10:00.123456",
        "21/05/2026",
        "1779365400",
        "",
        "zwölf Uhr",
        "t" * 64,
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        ("target", "creationTime"),
        ("job", "startTime"),
        ("job", "updateTime"),
        ("job", "finishTime"),
    ],
    ids=".".join,
)
def test_the_servers_times_are_kept_verbatim(requests: Requests, path: tuple[str, str], text: str) -> None:
    """A status write that can't land loses the job's id."""
    name = requests.create()

    written = accepted(requests.try_write_status(name, {path[0]: {path[1]: text}}))

    assert text == written["status"][path[0]][path[1]]


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"message": "ü" * 1024}, id="message of 1024 characters"),
        pytest.param({"lastError": "\u2028" * 1024}, id="lastError of 1024 characters"),
        pytest.param({"job": {"status": "x" * 1024}}, id="job.status of 1024 characters"),
        pytest.param({"job": {"lastError": "x" * 1024}}, id="job.lastError of 1024 characters"),
        pytest.param({"job": {"id": "j" * 128}}, id="job.id of 128 characters"),
        pytest.param({"job": {"status": "PAUSED"}}, id="job.status that nobody knows"),
        pytest.param({"reason": "SomethingNew"}, id="reason that nobody knows"),
        pytest.param({"progress": f"{2**63 - 1}/{2**63 - 1} (100%)"}, id="the longest progress"),
        pytest.param(
            {"job": {"totalItems": 2**63 - 1, "deletedItems": 0}, "target": {"itemCount": 0}},
            id="counts at their ends",
        ),
        pytest.param({"job": {"totalItems": 1, "deletedItems": 2}}, id="more deleted than there were"),
        pytest.param({"attempt": {"number": 0}}, id="attempt 0"),
    ],
)
def test_whatever_the_operator_may_write_lands(requests: Requests, status: Json) -> None:
    name = requests.create()

    assert status.items() <= accepted(requests.try_write_status(name, status))["status"].items()


@pytest.mark.parametrize(
    ("status", "field"),
    [
        pytest.param({"message": "x" * 1025}, "status.message", id="message"),
        pytest.param({"lastError": "x" * 1025}, "status.lastError", id="lastError"),
        pytest.param({"job": {"lastError": "x" * 1025}}, "status.job.lastError", id="job.lastError"),
        pytest.param({"job": {"id": "../../health"}}, "status.job.id", id="job.id that is a path"),
        pytest.param({"job": {"id": ""}}, "status.job.id", id="job.id that is empty"),
        pytest.param({"job": {"startTime": "t" * 65}}, "status.job.startTime", id="a server's time"),
        pytest.param({"job": {"totalItems": -1}}, "status.job.totalItems", id="count below zero"),
        pytest.param({"job": {"totalItems": 2**63}}, "status.job.totalItems", id="count beyond int64"),
        pytest.param({"startTime": "yesterday"}, "status.startTime", id="the operator's own time"),
        pytest.param(
            {"conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": ""}]},
            "status.conditions[0].lastTransitionTime",
            id="half a condition",
        ),
        pytest.param(
            {"conditions": render(FULL_STATUS)["conditions"] * 2},
            "status.conditions[1]",
            id="two conditions of one type",
        ),
    ],
)
def test_a_status_beyond_its_bounds_is_refused(requests: Requests, status: Json, field: str) -> None:
    name = requests.create()

    found, _ = refusal(requests.try_write_status(name, status))

    assert field == found


def test_a_status_write_with_a_stale_resource_version_is_refused(requests: Requests) -> None:
    """The one primitive of every status write: a compare-and-set."""
    name = requests.create()
    stale = requests.read(name)["metadata"]["resourceVersion"]
    fresh = accepted(requests.try_write_status(name, {"phase": "Pending"}, resource_version=stale))

    response = requests.try_write_status(name, {"phase": "Submitting"}, resource_version=stale)

    assert response.status_code == 409
    assert requests.read(name)["status"]["phase"] == "Pending"
    version = fresh["metadata"]["resourceVersion"]
    accepted(requests.try_write_status(name, {"phase": "Submitting"}, resource_version=version))


# Finding requests


@pytest.fixture
def one_of_each(own_requests: Requests) -> Requests:
    own_requests.create(name="unseen", namespaceName="other")
    for phase in PHASES:
        own_requests.create(name=phase.lower(), phase=phase)
    return own_requests


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (
            "status.phase!=Succeeded,status.phase!=Failed",
            {"unseen", "pending", "suspended", "submitting", "running"},
        ),
        ("status.phase=Running", {"running"}),
        ("status.phase=", {"unseen"}),
        ("spec.namespaceName=other", {"unseen"}),
        ("spec.namespaceName=docs,status.phase=Failed", {"failed"}),
        ("spec.namespaceName=nothing", set()),
    ],
)
def test_requests_can_be_selected_by_target_and_phase(
    one_of_each: Requests, selector: str, names: set[str]
) -> None:
    assert names == one_of_each.names(selector)


def test_other_fields_cannot_be_selected(requests: Requests) -> None:
    response = requests.http.get(requests.path(), params={"fieldSelector": "spec.suspend=true"})

    assert response.status_code == 400


# What a person sees


def table(text: str) -> list[list[str]]:
    """kubectl's rows; columns are separated by three blanks or more."""
    return [re.split(r" {3,}", line.rstrip()) for line in text.splitlines()]


AGE = re.compile(r"\d+[smhd](\d+[smh])?")


def test_kubectl_prints_the_columns(own_requests: Requests, control_plane: ControlPlane) -> None:
    name = own_requests.create(name="wipe-docs")
    accepted(own_requests.try_write_status(name, render(FULL_STATUS)))

    head, row = table(control_plane.kubectl("get", "nsdel", "-n", own_requests.namespace))

    assert head == ["NAME", "TARGET", "PHASE", "PROGRESS", "REASON", "AGE"]
    assert row[:-1] == ["wipe-docs", "docs", "Running", "1200/5000 (24%)", "JobRunning"]
    assert AGE.fullmatch(row[-1])


def test_kubectl_prints_more_columns_if_wide(own_requests: Requests, control_plane: ControlPlane) -> None:
    name = own_requests.create(name="wipe-docs")
    status = render(FULL_STATUS) | {"lastError": "ReadTimeout"}
    accepted(own_requests.try_write_status(name, status))

    head, row = table(control_plane.kubectl("get", "nsdel", "-o", "wide", "-n", own_requests.namespace))

    assert head[5:] == ["AGE", "ITEMS", "ATTEMPTS", "JOB", "ERROR", "FINISHED"]
    assert row[6:-1] == ["5000", "2", "job-682efd0be4484e49b7bf787466d6e9a4", "ReadTimeout"]


def test_finished_is_the_time_since_the_end(own_requests: Requests, control_plane: ControlPlane) -> None:
    """Not the time itself: kubectl renders a date as an age, like AGE."""
    name = own_requests.create(phase="Succeeded")
    accepted(own_requests.try_write_status(name, {"completionTime": "2020-01-01T00:00:00Z"}))

    _, row = table(control_plane.kubectl("get", "nsdel", "-o", "wide", "-n", own_requests.namespace))

    assert re.fullmatch(r"\d+y(\d+d)?", row[-1])


def described(schema: Json, path: str = "") -> Iterator[tuple[str, str]]:
    if path not in {"", ".metadata"}:  # the API server describes the metadata, and lets nobody else do it
        yield path, schema.get("description", "")
    for key, each in schema.get("properties", {}).items():
        yield from described(each, f"{path}.{key}")
    if "items" in schema:
        yield from described(schema["items"], f"{path}[]")


@pytest.mark.parametrize(("path", "text"), [pytest.param(*each, id=each[0]) for each in described(SCHEMA)])
def test_every_field_has_a_description(path: str, text: str) -> None:
    assert len(text) > len(path.rpartition(".")[2]), "it says more than the field's name"
    assert text.endswith(".")


@pytest.mark.parametrize(
    "column", VERSION["additionalPrinterColumns"], ids=lambda column: str(column["name"])
)
def test_every_column_has_a_description(column: Json) -> None:
    assert column["description"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nsdel", "asks for the deletion of one namespace"),
        ("nsdel.spec.suspend", "Setting it to false is the approval"),
        ("nsdel.spec.preconditions.createdBefore", "RFC 3339"),
        ("nsdel.status.job.lastError", "the server's own words"),
        ("nsdel.status.conditions", "--for=condition=Finished"),
    ],
)
def test_kubectl_explains(control_plane: ControlPlane, path: str, words: str) -> None:
    explained = control_plane.kubectl("explain", path)

    assert words in " ".join(explained.split())


def test_kubectl_explains_every_field(control_plane: ControlPlane) -> None:
    explained = set(control_plane.kubectl("explain", "nsdel", "--recursive").split())

    assert {path.rpartition(".")[2].removesuffix("[]") for path, _ in described(SCHEMA)} <= explained


@pytest.mark.parametrize("words", ["nsdel", "namespacedeletion", "namespacedeletions", "moorcheh"])
def test_requests_go_by_short_name_names_and_category(
    own_requests: Requests, control_plane: ControlPlane, words: str
) -> None:
    name = own_requests.create()

    listed = control_plane.kubectl("get", words, "-n", own_requests.namespace, "-o", "name")

    assert f"namespacedeletion.moorcheh.ai/{name}" == listed.strip()


def test_requests_are_not_part_of_all(own_requests: Requests, control_plane: ControlPlane) -> None:
    """`kubectl delete all --all` must not eat the records."""
    name = own_requests.create()

    control_plane.kubectl("delete", "all", "--all", "-n", own_requests.namespace)

    assert own_requests.read(name)


def test_kubectl_shows_the_words_of_a_rule(requests: Requests, control_plane: ControlPlane) -> None:
    name = requests.create(phase="Running")

    with pytest.raises(KubectlError, match=r"spec\.suspend cannot become true while an attempt is open"):
        control_plane.kubectl(
            "patch", "nsdel", name, "-n", requests.namespace, "--type=merge", '-p={"spec":{"suspend":true}}'
        )


def test_the_operator_and_the_schema_use_the_same_names() -> None:
    spec = MANIFEST["spec"]

    assert (spec["group"], VERSION["name"]) == (GROUP, api.VERSION)
    assert (spec["names"]["kind"], spec["names"]["plural"]) == (KIND, PLURAL)
