"""Receipts that are kept ask for nothing again, and say whose word the names in them are."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.controlplane.errors import KubectlError
from moorcheh_kubectl.identity import SETTLING, Name, Vouching, vouching
from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import Spec
from tests.integration.conftest import api_folder
from tests.kubectl.test_approval import applied

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.life import Asked, World
    from tests.kubectl.conftest import Person

MADE = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture
def ended(world: World, person: Person) -> Asked:
    """One that `admin` asked for and approved; its name would be a number to a careless reader of YAML."""
    target = f"{uuid.uuid4().hex[:4]}e01"
    world.moorcheh.create(target, items=5, seconds=0.3, age=86400)
    made = json.loads(person.runs("delete", target, "--yes", "-o", "json").stdout)
    return world.find(made["metadata"]["name"])


# As a record


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_a_receipt_has_all_that_is_known(person: Person, world: World, ended: Asked, output: str) -> None:
    exported = yaml.safe_load(person.runs("receipts", "-o", output).stdout)
    body = world.http.get(f"{world.path}/{ended.name}").json()
    [receipt] = [each for each in exported["receipts"] if each["request"]["name"] == ended.name]

    assert (receipt["spec"], receipt["status"]) == (body["spec"], body["status"])
    assert {"namespace", "name", "uid", "creationTimestamp", "annotations"} <= receipt["request"].keys()
    assert receipt["requestId"] == f"{ended.uid}/{body['status']['attempt']['id']}"
    assert {receipt["requestedBy"]["name"], receipt["approvedBy"]["name"]} == {"admin"}
    assert exported["exported"]["by"] == "admin"
    assert exported["cluster"]["uid"] == world.plane.kubectl(
        "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"
    )
    assert exported["cluster"]["address"].endswith(world.plane.url.rpartition(":")[2])


def test_without_a_format_receipts_are_a_table(person: Person, ended: Asked) -> None:
    header, *rows = person.runs("receipts").stdout.splitlines()
    [row] = [row for row in rows if row.startswith(f"{ended.name} ")]

    assert header.split("  ")[0] == "NAME"
    assert header.index("ASKED BY") == row.index("admin")
    assert row.split()[2:5] == ["Succeeded", "DeletionCompleted", "5"]


@pytest.mark.parametrize("form", ["yaml", "json", "table", "one yaml", "one json"])
@pytest.mark.parametrize(
    "command",
    [
        ["apply"],
        ["apply", "--validate=false"],
        ["apply", "--server-side"],
        ["apply", "--server-side", "--force-conflicts", "--validate=false"],
        ["create"],
        ["create", "--validate=false"],
        ["replace", "--force"],
        ["replace", "--force", "--validate=false"],
    ],
    ids=" ".join,
)
def test_no_command_of_kubectl_makes_a_request_of_a_receipt(
    person: Person, world: World, ended: Asked, tmp_path: Path, form: str, command: list[str]
) -> None:
    """Also not of one of them alone, and not where the requests themselves are gone by then."""
    output = [] if form == "table" else ["-o", form.removeprefix("one ")]
    text = person.runs("receipts", "-A", *output).stdout
    if form.startswith("one "):
        text = json.dumps(yaml.safe_load(text)["receipts"][0])
    ended.withdraw()
    before = {item["metadata"]["uid"] for item in world.http.get(world.path).json()["items"]}
    file = tmp_path / f"receipts.{'json' if 'json' in form else 'yaml'}"
    file.write_text(text)

    with pytest.raises(KubectlError) as refusal:
        world.kubectl(*command, "-f", str(file))

    if form in ("yaml", "json"):
        assert "records-that-ask-for-nothing" in str(refusal.value)
        assert 'no matches for kind "DeletionReceipts"' in str(refusal.value)
    assert before == {item["metadata"]["uid"] for item in world.http.get(world.path).json()["items"]}


def test_what_is_printed_as_yaml_means_the_same_to_kubectl(person: Person, world: World) -> None:
    """Names that are numbers, dates or truth values to another reader of YAML."""
    targets = ["25921e05", "1e3", "0x1F", "0o17", "017", "1_000", "yes", "No", "on", "y", "N", "null", "true"]
    targets += ["2026-11-23", "12345678901234567890", "0b1", "_1", "-1", "NaN", "e5", "-"]
    for number, target in enumerate(targets):
        world.ask(target, name=f"yaml-{number}", suspend=True)
    listed = person.runs("list", "-o", "yaml").stdout
    applied = world.kubectl("apply", "--dry-run=server", "-o", "json", "-f", "-", input=listed)
    names = {item["spec"]["namespaceName"] for item in json.loads(applied)["items"]}

    assert set(targets) <= names


CAREFUL_READERS_DIFFER = [
    *[
        "12:30:00",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "~",
        "",
        " ",
        "1.",
        ".5",
        "+1",
        "1,000",
        "=",
        "<<",
        ".inf",
    ],
    *[
        "0x1F",
        "0b1",
        "0o7",
        "1_000",
        "1e3",
        "25921e05",
        ".NaN",
        "null",
        "Null",
        "yes",
        "On",
        "y",
        "N",
        "TRUE",
    ],
    *[
        "a: b",
        "a #b",
        "- a",
        "? a",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "'a",
        '"a',
        "{a}",
        "[a]",
        "a,",
    ],
    *[
        "a\n",
        "\na",
        "a\n\nb",
        " a",
        "a ",
        "a\tb",
        "\t",
        "\r",
        "\x00",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
    ],
    *["größer", "日本", "🗑", "a" * 500, "word " * 60, "---", "...", "--- a", "a:", ":a", "\\n"],
]


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=40, max_size=40))
def test_any_text_in_yaml_comes_back_through_kubectl_unchanged(
    stranger: Person, world: World, texts: list[str]
) -> None:
    notes = {f"example.com/{number}": text for number, text in enumerate([*CAREFUL_READERS_DIFFER, *texts])}
    notes |= dict.fromkeys(("y", "1e3", "0x1F", "null", "12345", "no", "a" * 60 + "." + "b" * 63 + "/c"), "")
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": "in-yaml", "annotations": notes},
        "spec": {"namespaceName": "1e3", "suspend": True},
    }
    path = f"/apis/moorcheh.ai/v1alpha1/namespaces/{stranger.namespace}/namespacedeletions"
    world.http.post(path, json=body).raise_for_status()
    for command in (["describe", "in-yaml"], ["list"]):
        printed = stranger.runs(*command, "-o", "yaml").stdout
        applied = json.loads(
            world.plane.kubectl("apply", "--dry-run=server", "-o", "json", "-f", "-", input=printed)
        )
        [found] = applied.get("items", [applied])
        assert notes.items() <= found["metadata"]["annotations"].items()
        assert found["spec"]["namespaceName"] == "1e3"
    world.http.delete(f"{path}/in-yaml").raise_for_status()


# Names


def test_a_name_is_the_api_servers_word_where_the_policy_stands(
    person: Person, world: World, ended: Asked
) -> None:
    """From a minute after it on, by the API server's own times."""
    policy, binding = (
        json.loads(world.plane.kubectl("get", kind, "moorcheh-identity", "-o", "json"))
        for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding")
    )
    since = vouching(policy, binding).since
    assert since is not None
    created = datetime.fromisoformat(
        world.http.get(f"{world.path}/{ended.name}").json()["metadata"]["creationTimestamp"]
    )
    described = person.runs("describe", ended.name).stdout
    expected = "admin" if created >= since else str(Name("admin", vouched=False))

    assert [line.split(":", 1)[1].strip() for line in described.splitlines() if " By:" in line] == [expected]


def policy_and_binding(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    metadata: dict[str, Any] = {"creationTimestamp": "2026-11-23T09:00:00Z"}
    policy: dict[str, Any] = {"metadata": metadata, "spec": {"failurePolicy": "Fail"}}
    binding: dict[str, Any] = {
        "metadata": metadata,
        "spec": {"policyName": "moorcheh-identity", "validationActions": ["Deny"]},
    }
    for path, value in changes.items():
        whose, part, key = path.split("__")
        body = policy if whose == "policy" else binding
        body[part] = {**body[part], key: value}
    return policy, binding


def test_a_policy_vouches_from_a_minute_after_the_later_of_its_two_objects() -> None:
    later = policy_and_binding(binding__metadata__creationTimestamp="2026-11-23T09:30:00Z")

    assert vouching(*later).since == datetime(2026, 11, 23, 9, 30, tzinfo=UTC) + SETTLING


@pytest.mark.parametrize(
    "changes",
    [
        {"policy__metadata__deletionTimestamp": "2026-11-23T09:30:00Z"},
        {"binding__metadata__deletionTimestamp": "2026-11-23T09:30:00Z"},
        {"policy__metadata__creationTimestamp": None},
        {"policy__spec__failurePolicy": "Ignore"},
        {"binding__spec__policyName": "another"},
        {"binding__spec__validationActions": ["Warn", "Audit"]},
        {"binding__spec__matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}},
        {"binding__spec__paramRef": {"name": "p"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_policy_that_is_not_as_it_is_shipped_vouches_for_nothing(changes: dict[str, Any]) -> None:
    assert vouching(*policy_and_binding(**changes)).since is None


@pytest.mark.parametrize(
    ("since", "name"),
    [
        (None, Name("jane", vouched=False)),
        (MADE + timedelta(seconds=1), Name("jane", vouched=False)),
        (MADE, Name("jane", vouched=True)),
    ],
    ids=["no policy", "made before", "made after"],
)
def test_a_name_that_no_policy_saw_is_a_claim(since: datetime | None, name: Name) -> None:
    request = Request("ns", "docs-1", "uid", "1", 1, MADE, Spec("docs"))

    assert Vouching(since).name("jane", request) == name
    assert Vouching(since).name(None, request) is None


def test_where_no_policy_stands_a_name_is_claimed(person: Person, world: World, ended: Asked) -> None:
    world.plane.kubectl("delete", "validatingadmissionpolicybinding", "moorcheh-identity")
    try:
        described = person.runs("describe", ended.name)
        exported = yaml.safe_load(person.runs("receipts", "-o", "yaml").stdout)
    finally:
        world.plane.kubectl("apply", "--kustomize", str(api_folder(world.plane)))

    assert described.returncode == 0
    words = (
        "claimed by admin: no admission policy vouched for it when the request was created "
        "(one counts from a minute after it was applied)"
    )
    assert words in described.stdout
    [receipt] = [each for each in exported["receipts"] if each["request"]["name"] == ended.name]
    assert receipt["requestedBy"] == {"name": "admin", "vouchedFor": False}


def test_one_that_is_held_again_was_approved_and_is_not(person: Person, world: World) -> None:
    target = f"docs-{uuid.uuid4().hex[:8]}"
    world.moorcheh.create(target, items=5, seconds=600, age=86400)
    world.ask(target).reaches("Running")
    asked = applied(world, target, "kubectl", {})
    asked.reaches("Suspended")
    assert person.runs("approve", asked.name, "--yes", "--no-wait").returncode == 0
    asked.change(suspend=True).raise_for_status()
    described = person.runs("describe", asked.name).stdout
    asked.withdraw()
    world.moorcheh.end_jobs(target)

    assert "Approved by:" not in described
    assert "Was approved:" in described
    assert "admin" in described.partition("Was approved:")[2].partition("\n")[0]
    assert ", held again" in described
