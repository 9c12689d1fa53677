"""What the API server itself holds of a NamespaceCleanupPolicy: what it takes, and what it refuses."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from tests.dev.waiting import until
from tests.integration.conftest import api_folder
from tests.integration.life import API, client_options

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
CRDS = Path(__file__).parents[2] / "crds"
CRD: Json = yaml.safe_load((CRDS / "namespacecleanuppolicies.yaml").read_text())
VERSION: Json = CRD["spec"]["versions"][0]
SCHEMA: Json = VERSION["schema"]["openAPIV3Schema"]
LISTS = f"{API}/namespaces/default/namespacecleanuppolicies"
GOOD: Json = {"schedule": "0 3 * * *", "select": {"names": ["ci-*"]}}


@pytest.fixture(scope="module")
def http(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """The API with the policies beside it, all in force."""
    control_plane.kubectl("apply", "--kustomize", str(api_folder(control_plane)))
    with httpx.Client(**client_options(control_plane)) as client:
        assert until(lambda: "unknown field" in tried(client, {**GOOD, "none": 1}).text)
        assert until(lambda: "nscp" in control_plane.kubectl("api-resources", "--api-group=moorcheh.ai"))
        yield client


def policy(spec: object, name: str | None = None, **beside: object) -> Json:
    metadata = {"name": name or f"policy-{uuid.uuid4()}", "namespace": "default"}
    kind = {"apiVersion": "moorcheh.ai/v1alpha1", "kind": "NamespaceCleanupPolicy"}
    return {**kind, "metadata": metadata, "spec": spec, **beside}


def tried(client: httpx.Client, spec: object, name: str | None = None, **beside: object) -> httpx.Response:
    return client.post(LISTS, params={"dryRun": "All"}, json=policy(spec, name, **beside))


def created(client: httpx.Client, spec: object = GOOD) -> str:
    made = client.post(LISTS, json=policy(spec))
    assert made.status_code == 201, made.text
    return str(made.json()["metadata"]["name"])


def changed(client: httpx.Client, name: str, change: object) -> httpx.Response:
    headers = {"Content-Type": "application/merge-patch+json"}
    return client.patch(f"{LISTS}/{name}", content=json.dumps(change), headers=headers)


def selecting(**select: object) -> Json:
    return GOOD | {"select": {"names": ["ci-*"]} | select}


def test_what_is_left_out_takes_its_default(http: httpx.Client) -> None:
    made = tried(http, GOOD).json()

    assert made["spec"] == GOOD | {
        "serverRef": {"name": "default"},
        "timeZone": "Etc/UTC",
        "startingDeadlineSeconds": 3600,
        "suspend": False,
        "maxDeletionsPerRun": 10,
        "template": {},
    }
    assert made["status"] == {"observedGeneration": -1}


WHOLE: Json = {
    "serverRef": {"name": "archive"},
    "schedule": "*/5 8-18/2 1,15 JAN-mar MON-FRI",
    "timeZone": "America/Argentina/Buenos_Aires",
    "startingDeadlineSeconds": 10,
    "suspend": True,
    "select": {
        "names": ["*"],
        "exceptNames": ["keep-*", "Prod_?"],
        "olderThan": "168h0m30s",
        "maxItems": 0,
    },
    "maxDeletionsPerRun": 1000,
    "template": {
        "suspend": True,
        "backoffLimit": 0,
        "activeDeadlineSeconds": 60,
        "ttlSecondsAfterFinished": 60,
    },
}


def test_every_field_that_there_is_is_taken_as_written(http: httpx.Client) -> None:
    """The field policy knows each of them."""
    assert tried(http, WHOLE).json()["spec"] == WHOLE
    fields = SCHEMA["properties"]["spec"]["properties"]
    assert WHOLE.keys() == fields.keys()
    for part in ("serverRef", "select", "template"):
        assert WHOLE[part].keys() == fields[part]["properties"].keys()


@pytest.mark.parametrize(
    "schedule",
    [
        *("@daily", "@hourly", "@weekly", "@monthly", "@yearly", "@annually", "@midnight"),
        *("* * * * *", "0  3 * * *", "59 23 31 12 7", "00 03 01 01 0", "5/15 * * * *"),
        "0 3 * * sun,Mon-fri/2",
    ],
)
def test_a_schedule_that_a_cron_job_may_have_is_taken(http: httpx.Client, schedule: str) -> None:
    assert tried(http, GOOD | {"schedule": schedule}).status_code == 201


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("", "must be five fields"),
        ("0 3 * *", "must be five fields"),
        ("0 0 3 * * *", "must be five fields"),
        (" 0 3 * * *", "must be five fields"),
        ("0 3 * * *\n", "must be five fields"),
        ("0\t3 * * *", "must be five fields"),
        ("@every 5m", "must be five fields"),
        ("@reboot", "must be five fields"),
        ("@Daily", "must be five fields"),
        ("daily", "must be five fields"),
        ("TZ=UTC 3 * * *", "the first field, the minute"),
        ("60 3 * * *", "the first field, the minute"),
        ("0, 3 * * *", "the first field, the minute"),
        ("*/0 3 * * *", "the first field, the minute"),
        ("-5 3 * * *", "the first field, the minute"),
        ("٣ 3 * * *", "the first field, the minute"),
        ("0 24 * * *", "the second field, the hour"),
        ("0 3am * * *", "the second field, the hour"),
        ("0 3 0 * *", "the third field, the day of the month"),
        ("0 3 32 * *", "the third field, the day of the month"),
        ("0 3 L * *", "the third field, the day of the month"),
        ("0 3 ? * *", "the third field, the day of the month"),
        ("0 3 * 13 *", "the fourth field, the month"),
        ("0 3 * JANUARY *", "the fourth field, the month"),
        ("0 3 * * 8", "the fifth field, the day of the week"),
        ("0 3 * * 5#2", "the fifth field, the day of the week"),
        ("0 3 * * Sunday", "the fifth field, the day of the week"),
    ],
)
def test_another_one_is_refused_with_the_field_that_is_wrong(
    http: httpx.Client, schedule: str, words: str
) -> None:
    refused = tried(http, GOOD | {"schedule": schedule})

    assert refused.status_code == 422
    assert re.search(rf"spec\.schedule: Invalid value: .*: {words}", refused.json()["message"], re.DOTALL)


@pytest.mark.parametrize(
    "select",
    [
        pytest.param({"names": ["ci-*", "a", "Z_?9", "-a"]}, id="globs"),
        pytest.param({"names": 20 * ["c" * 255]}, id="as many and as long as may be"),
        pytest.param({"names": ["*"], "olderThan": "1h"}, id="everything old"),
        pytest.param({"names": ["?*"], "maxItems": 0}, id="everything empty"),
        pytest.param({"exceptNames": ["*"]}, id="except everything"),
        pytest.param({"exceptNames": []}, id="except nothing"),
        pytest.param({"olderThan": "168h"}, id="a week"),
        pytest.param({"olderThan": "0h1m"}, id="a minute"),
        pytest.param({"olderThan": "36h30m5s"}, id="hours, minutes and seconds"),
        pytest.param({"maxItems": 2**63 - 1}, id="the largest count"),
    ],
)
def test_a_selection_that_says_something_is_taken(http: httpx.Client, select: Json) -> None:
    assert tried(http, selecting(**select)).status_code == 201


EVERYTHING = "means every namespace: it needs olderThan or maxItems beside it"
DURATION = "each a whole number of at most six digits"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(selecting(names=["*"]), EVERYTHING, id="everything"),
        pytest.param(selecting(names=["ci-*", "**"]), EVERYTHING, id="everything, beside a glob"),
        pytest.param(selecting(names=["?*"]), EVERYTHING, id="everything that has a name"),
        pytest.param(selecting(names=["?????"]), EVERYTHING, id="all names of five letters"),
        pytest.param(selecting(names=["*"], exceptNames=["prod"]), EVERYTHING, id="everything but one"),
        pytest.param(selecting(names=["*"], olderThan=None), EVERYTHING, id="everything, a null age"),
        pytest.param(selecting(names=["*"], maxItems=None), EVERYTHING, id="everything, a null count"),
        pytest.param(selecting(names=[]), "spec.select.names", id="no glob"),
        pytest.param(selecting(names=21 * ["a"]), "spec.select.names: Too many: 21", id="too many globs"),
        pytest.param(selecting(names=[""]), "spec.select.names[0]", id="an empty glob"),
        pytest.param(selecting(names=["a" * 256]), "spec.select.names[0]: Too long", id="a long glob"),
        pytest.param(selecting(names=["ci/*"]), "spec.select.names[0]", id="a slash"),
        pytest.param(selecting(names=["ci.*"]), "spec.select.names[0]", id="a regular expression"),
        pytest.param(selecting(names=["ci-[0-9]"]), "spec.select.names[0]", id="a set"),
        pytest.param(selecting(names=["ci-{a,b}"]), "spec.select.names[0]", id="braces"),
        pytest.param(selecting(names=["ci-*\n"]), "spec.select.names[0]", id="a line end"),
        pytest.param(selecting(names="ci-*"), "spec.select.names", id="a text for a list"),
        pytest.param(selecting(exceptNames=["a b"]), "spec.select.exceptNames[0]", id="a blank"),
        pytest.param(selecting(olderThan="7d"), DURATION, id="days"),
        pytest.param(selecting(olderThan=""), DURATION, id="no duration"),
        pytest.param(selecting(olderThan="0h"), DURATION, id="no time"),
        pytest.param(selecting(olderThan="-1h"), DURATION, id="a negative age"),
        pytest.param(selecting(olderThan="1.5h"), DURATION, id="a fraction"),
        pytest.param(selecting(olderThan="0.5h"), "half an hour is 30m", id="half an hour"),
        pytest.param(selecting(olderThan="1000000h"), DURATION, id="seven digits"),
        pytest.param(selecting(olderThan="1h "), DURATION, id="a blank after it"),
        pytest.param(selecting(olderThan="168"), DURATION, id="no unit"),
        pytest.param(selecting(olderThan="P7D"), DURATION, id="ISO 8601"),
        pytest.param(selecting(olderThan=604800), "spec.select.olderThan", id="a number for a duration"),
        pytest.param(selecting(maxItems=-1), "spec.select.maxItems", id="a negative count"),
        pytest.param({"schedule": "@daily"}, "spec.select: Required value", id="no selection"),
        pytest.param(
            {"schedule": "@daily", "select": {"maxItems": 0}}, "select.names: Required", id="no names"
        ),
        pytest.param({"select": {"names": ["a"]}}, "spec.schedule: Required value", id="no schedule"),
        pytest.param(GOOD | {"timeZone": ""}, "name of a time zone", id="no zone"),
        pytest.param(GOOD | {"timeZone": "Local"}, "name of a time zone", id="the machine's zone"),
        pytest.param(GOOD | {"timeZone": "../etc/passwd"}, "name of a time zone", id="a path"),
        pytest.param(GOOD | {"timeZone": "/UTC"}, "name of a time zone", id="another path"),
        pytest.param(GOOD | {"timeZone": "+02:00"}, "name of a time zone", id="an offset"),
        pytest.param(GOOD | {"startingDeadlineSeconds": 9}, "spec.startingDeadlineSeconds", id="too short"),
        pytest.param(
            GOOD | {"startingDeadlineSeconds": 2592001}, "spec.startingDeadlineSeconds", id="too long"
        ),
        pytest.param(GOOD | {"maxDeletionsPerRun": 0}, "spec.maxDeletionsPerRun", id="a brake that is on"),
        pytest.param(GOOD | {"maxDeletionsPerRun": 1001}, "spec.maxDeletionsPerRun", id="no brake"),
        pytest.param(GOOD | {"template": {"backoffLimit": 21}}, "spec.template.backoffLimit", id="backoff"),
        pytest.param(
            GOOD | {"template": {"activeDeadlineSeconds": 0}}, "spec.template.activeDeadline", id="deadline"
        ),
        pytest.param(
            GOOD | {"template": {"ttlSecondsAfterFinished": 0}}, "spec.template.ttlSeconds", id="time to live"
        ),
        pytest.param(GOOD | {"serverRef": {"name": "http://a"}}, "spec.serverRef.name", id="a URL"),
        pytest.param(GOOD | {"suspend": None}, "spec.suspend: Unsupported value", id="null, or it would run"),
        pytest.param(
            GOOD | {"template": {"suspend": None}},
            "spec.template.suspend: Unsupported value",
            id="null, or it would not wait for its approval",
        ),
    ],
)
def test_what_is_beyond_its_bounds_is_refused_at_its_field(
    http: httpx.Client, spec: Json, words: str
) -> None:
    refused = tried(http, spec)

    assert refused.status_code == 422, refused.text
    assert words in refused.json()["message"]


@pytest.mark.parametrize(
    ("spec", "beside", "words"),
    [
        pytest.param(selecting(olderthan="1h"), {}, "unknown field spec.select.olderthan", id="in select"),
        pytest.param(GOOD | {"olderThan": "1h"}, {}, "unknown field spec.olderThan", id="in the spec"),
        pytest.param(
            GOOD | {"template": {"suspended": True}},
            {},
            "unknown field spec.template.suspended",
            id="template",
        ),
        pytest.param(
            GOOD | {"serverRef": {"server": "a"}}, {}, "unknown field spec.serverRef.server", id="a server"
        ),
        pytest.param(GOOD, {"suspend": True}, "unknown field suspend", id="beside the spec"),
        pytest.param(selecting(olderThan=None), {}, "spec.select.olderThan is null", id="null age"),
        pytest.param(
            selecting(exceptNames=None), {}, "spec.select.exceptNames is null", id="null exceptions"
        ),
        pytest.param(
            GOOD | {"maxDeletionsPerRun": None}, {}, "spec.maxDeletionsPerRun is null", id="null brake"
        ),
        pytest.param(GOOD | {"template": None}, {}, "spec.template is null", id="null template"),
        pytest.param(
            GOOD | {"template": {"backoffLimit": None}},
            {},
            "spec.template.backoffLimit is null",
            id="null below",
        ),
        pytest.param(GOOD | {"serverRef": None}, {}, "spec.serverRef is null", id="null server"),
        pytest.param(
            GOOD | {"serverRef": {"name": None}}, {}, "spec.serverRef.name is null", id="null server's name"
        ),
        pytest.param(GOOD | {"timeZone": None}, {}, "spec.timeZone is null", id="null zone"),
    ],
)
def test_a_field_that_asks_for_nothing_is_refused_by_its_name(
    http: httpx.Client, spec: Json, beside: Json, words: str
) -> None:
    """For every client, and in a change as well: a misspelled bound would be no bound."""
    refused = tried(http, spec, **beside)
    change = changed(http, created(http), {"spec": spec, **beside})

    assert refused.status_code == 422, refused.text
    assert words in refused.json()["message"]
    if "null" not in words:  # in a merge patch null removes
        assert change.status_code == 422, change.text
        assert words in change.json()["message"]


def test_its_name_becomes_a_label(http: httpx.Client) -> None:
    refused = tried(http, GOOD, "p" * 64)

    assert tried(http, GOOD, "p" * 63).status_code == 201
    assert refused.status_code == 422
    assert "metadata.name can't be longer than 63 characters" in refused.json()["message"]


@pytest.mark.parametrize(
    "change",
    [{"serverRef": {"name": "archive"}}, {"serverRef": {"name": None}}, {"serverRef": None}],
    ids=["another", "no name", "none"],
)
def test_its_server_cannot_be_changed(http: httpx.Client, change: Json) -> None:
    name = created(http, GOOD | {"serverRef": {"name": "staging"}})

    refused = changed(http, name, {"spec": change})

    assert refused.status_code == 422, refused.text
    assert "spec.serverRef cannot be changed after creation" in refused.json()["message"]
    assert changed(http, name, {"spec": {"suspend": True, "schedule": "@weekly"}}).is_success


def test_the_creator_cannot_bring_a_status_and_a_status_is_strict(http: httpx.Client) -> None:
    made = http.post(LISTS, json=policy(GOOD, status={"observedGeneration": 1})).json()
    path = f"{LISTS}/{made['metadata']['name']}/status"
    headers = {"Content-Type": "application/merge-patch+json"}

    unknown = http.patch(
        path,
        params={"fieldValidation": "Strict"},
        content='{"status": {"lastRun": {"done": 1}}}',
        headers=headers,
    )

    assert made["status"] == {"observedGeneration": -1}
    assert unknown.status_code == 422
    assert 'unknown field "status.lastRun.done"' in unknown.json()["message"]


STATUS: Json = {
    "observedGeneration": 1,
    "lastRun": {
        "scheduledTime": "2026-11-27T03:00:00Z",
        "time": "2026-11-27T03:00:01Z",
        "matched": 3,
        "created": 2,
        "skipped": 1,
        "unverifiable": 0,
        "remaining": ["ci-1"],
        "result": "Completed",
        "message": "2 requests were created.",
    },
    "nextRunTime": "2099-11-28T03:00:00Z",
    "matching": {
        "count": 5,
        "names": ["ci-1"],
        "skipped": 1,
        "unverifiable": 2,
        "observationTime": "2026-11-27T04:00:00Z",
    },
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-27T04:00:00Z",
            "reason": "Scheduled",
            "message": "It runs next at 2099-11-28T03:00:00Z.",
        }
    ],
}


def test_kubectl_prints_the_columns(http: httpx.Client, control_plane: ControlPlane) -> None:
    name = created(http)
    headers = {"Content-Type": "application/merge-patch+json"}
    body = json.dumps({"status": STATUS})
    written = http.patch(f"{LISTS}/{name}/status", content=body, headers=headers)

    [head, row] = control_plane.kubectl("get", "nscp", name).splitlines()
    [wide, wider] = control_plane.kubectl("get", "nscp", name, "-o", "wide").splitlines()

    assert written.json()["status"] == STATUS
    assert re.split(r" {2,}", head.strip()) == [
        *("NAME", "SCHEDULE", "MATCHING", "LAST RUN", "RESULT", "NEXT", "REASON", "AGE")
    ]
    assert re.split(r" {2,}", row)[:3] == [name, "0 3 * * *", "5"]
    assert re.split(r" {2,}", row)[4:7] == ["Completed", "2099-11-28T03:00:00Z", "Scheduled"]
    assert re.split(r" {2,}", wide.strip())[8:] == ["SERVER", "ZONE", "SUSPEND", "CREATED", "MESSAGE"]
    assert "It runs next at" in wider


@pytest.mark.parametrize("reason", ["InvalidSchedule", "InvalidTimeZone", "InvalidSpec", "ServerNotFound"])
def test_a_policy_that_can_not_run_is_told_from_a_new_one(
    http: httpx.Client, control_plane: ControlPlane, reason: str
) -> None:
    name = created(http)
    new = control_plane.kubectl("get", "nscp", name, "--no-headers")
    stalled = [
        {**STATUS["conditions"][0], "type": kind, "status": status, "reason": reason}
        for kind, status in (("Ready", "False"), ("Stalled", "True"))
    ]
    written = http.patch(
        f"{LISTS}/{name}/status",
        content=json.dumps({"status": {"observedGeneration": 1, "conditions": stalled}}),
        headers={"Content-Type": "application/merge-patch+json"},
    )

    assert written.status_code == 200
    assert reason not in new
    assert control_plane.kubectl("get", "nscp", name, "--no-headers").split()[-2] == reason


def described(schema: Json, path: str = "") -> Iterator[tuple[str, str]]:
    if path not in {"", ".metadata"}:
        yield path, schema.get("description", "")
    for key, each in schema.get("properties", {}).items():
        yield from described(each, f"{path}.{key}")
    if "items" in schema:
        yield from described(schema["items"], f"{path}[]")


def test_every_field_and_column_is_explained(http: httpx.Client, control_plane: ControlPlane) -> None:
    """By kubectl, with more than its name."""
    fields = dict(described(SCHEMA))
    assert until(lambda: "NamespaceCleanupPolicy" in http.get(f"/openapi/v3{API}").text)

    explained = control_plane.kubectl("explain", "nscp", "--recursive").split()
    spec = control_plane.kubectl("explain", "nscp.spec")

    assert {path.rpartition(".")[2].removesuffix("[]") for path in fields} <= set(explained)
    for path, words in fields.items():
        assert words.endswith("."), path
        assert len(words) > len(path.rpartition(".")[2]), path
    assert all(column["description"] for column in VERSION["additionalPrinterColumns"])
    assert "A brake, not a quota" in " ".join(spec.split())


@pytest.mark.parametrize("words", ["nscp", "namespacecleanuppolicy", "namespacecleanuppolicies", "moorcheh"])
def test_policies_go_by_short_name_names_and_category(
    http: httpx.Client, control_plane: ControlPlane, words: str
) -> None:
    name = created(http)

    assert f"namespacecleanuppolicy.moorcheh.ai/{name}" in control_plane.kubectl("get", words, "-o", "name")


@pytest.mark.usefixtures("http")
def test_kubectl_shows_the_words(control_plane: ControlPlane) -> None:
    """Not validated by kubectl, as Argo CD's client-side apply may be."""
    manifest = yaml.safe_dump(policy(selecting(olderthan="1h")))

    with pytest.raises(KubectlError, match=r"unknown field spec\.select\.olderthan: nothing is deleted"):
        control_plane.kubectl("apply", "--validate=false", "-f", "-", input=manifest)
