"""`kubectl moorcheh policies` and `preview-policy`: what a run would create, and nothing created for it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.dev.waiting import until
from tests.integration.cleanup import YEARLY, CleanupPolicy, may_create

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.life import World
    from tests.kubectl.conftest import Person

Json = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def server(world: World) -> None:
    may_create(world)
    for number in range(25):
        world.moorcheh.create(f"ci-{number:02}", items=1, age=60)
    for number in range(3):
        world.moorcheh.create(f"scratch-{number}", items=0, age=60)


def written(
    folder: Path, *, kind: str = "NamespaceCleanupPolicy", namespace: str = "", **spec: object
) -> str:
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": kind,
        "metadata": {"name": "nightly", **({"namespace": namespace} if namespace else {})},
        "spec": {"schedule": YEARLY, "select": {"names": ["scratch-*"]}, **spec},
    }
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump(body))
    return str(file)


def there_are(person: Person, world: World, kind: str) -> list[str]:
    return str(world.plane.kubectl("get", kind, "-n", person.namespace, "-o", "name")).split()


def test_the_list_shows_what_each_matches_and_does(world: World, person: Person) -> None:
    first = CleanupPolicy(world, "alpha", select={"names": ["scratch-*"]}, timeZone="Europe/Berlin")
    held = CleanupPolicy(world, "beta", select={"names": ["ci-*"]}, suspend=True)
    first.becomes("Scheduled")
    held.becomes("Suspended")

    short = person.runs("policies").stdout.splitlines()
    wide = person.runs("policies", "-o", "wide").stdout.splitlines()
    everywhere = person.runs("policies", "-A").stdout.splitlines()
    as_json = json.loads(person.runs("policies", "-o", "json").stdout)
    as_yaml = yaml.safe_load(person.runs("policies", "-o", "yaml").stdout)

    assert short[0].split("   ")[0] == "NAME"
    rows = {line.split()[0]: re.split(r" {3,}", line) for line in short[1:]}
    assert rows["alpha"][1:3] == [YEARLY, "3"]
    assert re.search(r" in \d+d ", short[1])
    assert rows["beta"][2] == "25"
    assert "suspended" in rows["beta"]
    assert "Europe/Berlin" in wide[1]
    assert {tuple(line.split()[:2]) for line in everywhere} >= {
        ("NAMESPACE", "NAME"),
        (world.namespace, "alpha"),
        (world.namespace, "beta"),
    }
    for listed in (as_json, as_yaml):
        assert [each["metadata"]["name"] for each in listed["items"]] == ["alpha", "beta"]
        assert "managedFields" not in listed["items"][0]["metadata"]
    for each in ("alpha", "beta"):
        world.kubectl("delete", "nscp", each)


def test_where_there_are_none_it_says_so_aside(stranger: Person) -> None:
    listed = stranger.runs("policies")

    assert (listed.returncode, listed.stdout) == (0, "")
    assert "No policies found in the namespace unserved-" in listed.stderr


def test_the_preview_of_one_in_the_cluster(world: World, person: Person) -> None:
    CleanupPolicy(world, "by-name", select={"names": ["scratch-*", "ci-0?"]}, maxDeletionsPerRun=20)

    shown = person.runs("preview-policy", "by-name")

    assert shown.returncode == 0, shown.stderr
    assert re.search(r"Matches: +13 namespaces", shown.stdout)
    assert re.search(r"Looked up: +20\S+Z, the newest look that found a change", shown.stdout)
    assert re.search(r"A run then: +would have created 13 requests\n", shown.stdout)
    assert re.search(
        r"Schedule: +0 0 1 1 \* \(Etc/UTC\), next at \d{4}-01-01T00:00:00Z, in \d+d", shown.stdout
    )
    assert "\n  ci-00\n  ci-01\n" in shown.stdout
    from_list = person.runs("preview-policy", "namespacecleanuppolicy.moorcheh.ai/by-name", "-o", "json")
    assert json.loads(from_list.stdout)["status"]["matching"]["count"] == 13
    assert there_are(person, world, "nsdel") == []
    world.kubectl("delete", "nscp", "by-name")


def test_the_preview_of_one_in_a_file_leaves_nothing(world: World, person: Person, tmp_path: Path) -> None:
    shown = person.runs("preview-policy", written(tmp_path, template={"suspend": True}))
    of_input = person.runs("preview-policy", written(tmp_path, namespace=world.namespace))

    assert shown.returncode == 0, shown.stderr
    assert re.search(
        r"A run then: +would have created 3 requests, suspended: each waits for its appr", shown.stdout
    )
    assert shown.stdout.endswith("  scratch-0\n  scratch-1\n  scratch-2\n")
    assert of_input.returncode == 0, of_input.stderr
    assert there_are(person, world, "nscp") == []
    assert there_are(person, world, "nsdel") == []


def test_what_the_brake_would_stop_is_told_and_ends_with_1(person: Person, tmp_path: Path) -> None:
    shown = person.runs("preview-policy", written(tmp_path, select={"names": ["ci-*"]}))

    assert shown.returncode == 1
    assert "would have created nothing: 25 are more than maxDeletionsPerRun (10)" in shown.stdout
    assert shown.stdout.endswith("  ci-19\n  ... and 5 more\n")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"select": {"names": ["*"]}}, "means every namespace", id="by the schema"),
        pytest.param({"selects": {}}, "unknown field spec.selects", id="by the field policy"),
    ],
)
def test_what_the_api_server_refuses_is_told_in_its_words(
    world: World, person: Person, tmp_path: Path, spec: Json, words: str
) -> None:
    refused = person.runs("preview-policy", written(tmp_path, **spec))

    assert refused.returncode == 1
    assert words in refused.stderr
    assert there_are(person, world, "nscp") == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"schedule": "0 3 31 2 *"}, "InvalidSchedule: ", id="a day that never comes"),
        pytest.param({"timeZone": "Europe/Atlantis"}, "InvalidTimeZone: ", id="a zone that is none"),
        pytest.param({"serverRef": {"name": "nowhere"}}, "ServerNotFound: ", id="a server that is none"),
    ],
)
def test_what_the_operator_refuses_is_told_in_its_words(
    world: World, person: Person, tmp_path: Path, spec: Json, words: str
) -> None:
    shown = person.runs("preview-policy", written(tmp_path, **spec))

    assert shown.returncode == 1
    assert re.search(rf"But: +{words}", shown.stdout), shown.stdout + shown.stderr
    assert there_are(person, world, "nscp") == []


def test_a_file_that_has_no_policy_is_refused_before_anything_is_created(
    person: Person, tmp_path: Path
) -> None:
    absent = person.runs("preview-policy", str(tmp_path / "none.yaml"))
    (tmp_path / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    other = person.runs("preview-policy", str(tmp_path / "other.yaml"))
    elsewhere = person.runs("preview-policy", written(tmp_path, namespace="elsewhere"))
    missing = person.runs("preview-policy", "no-such")

    assert absent.returncode == other.returncode == elsewhere.returncode == missing.returncode == 1
    assert "none.yaml" in absent.stderr
    assert "no NamespaceCleanupPolicy in it" in other.stderr
    assert "does not match the namespace" in elsewhere.stderr
    assert '"no-such" not found' in missing.stderr


def test_whoever_may_not_create_policies_is_told_why_a_file_takes_it(
    world: World, person: Person, reader: Person, tmp_path: Path
) -> None:
    CleanupPolicy(world, "readable", select={"names": ["scratch-*"]}).becomes("Scheduled")

    refused = reader.runs("preview-policy", written(tmp_path))
    by_name = reader.runs("preview-policy", "readable")

    assert refused.returncode == 1
    assert "you may not do that" in refused.stderr
    assert "it takes the right to create policies" in refused.stderr
    assert "may be left" not in refused.stdout + refused.stderr
    assert by_name.returncode == 0, by_name.stderr
    assert person.runs("preview-policy", "readable").stdout == by_name.stdout
    world.kubectl("delete", "nscp", "readable")


def test_where_no_operator_looks_the_copy_is_removed_also_at_ctrl_c(
    world: World, stranger: Person, tmp_path: Path
) -> None:
    file = written(tmp_path)
    with stranger.sits_at("preview-policy", file) as terminal:
        assert until(lambda: len(there_are(stranger, world, "nscp")) == 1)
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
    assert there_are(stranger, world, "nscp") == []

    waited = stranger.runs("preview-policy", file)

    assert waited.returncode == 1
    assert "no operator has looked at the policy" in waited.stderr
    assert there_are(stranger, world, "nscp") == []
