"""A field that does not exist, or is null: refused by its name, or else nothing is sent (rule 16)."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from moorcheh_operator.api.spec import Spec
from tests.dev.waiting import until
from tests.integration.conftest import api_folder, install
from tests.integration.life import API, Asked, World, client_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
CRDS = Path(__file__).parents[2] / "crds"
GOOD: Json = {"namespaceName": "docs"}
LISTS = f"{API}/namespaces/default/namespacedeletions"

# What somebody wrote beside or into a good spec, and the words that name it.
FLAWED: dict[str, tuple[Json, str]] = {
    "misspelled": ({"spec": GOOD | {"suspended": True}}, "unknown field spec.suspended"),
    "of another case": ({"spec": GOOD | {"Suspend": True}}, "unknown field spec.Suspend"),
    "a precondition of its own": ({"spec": GOOD | {"maxItems": 1}}, "unknown field spec.maxItems"),
    "a misspelled precondition": (
        {"spec": GOOD | {"preconditions": {"maxItem": 1}}},
        "unknown field spec.preconditions.maxItem",
    ),
    "beside a good precondition": (
        {"spec": GOOD | {"preconditions": {"createdBefore": "2099-01-01T00:00:00Z", "maxItem": 1}}},
        "unknown field spec.preconditions.maxItem",
    ),
    "a server by another word": (
        {"spec": GOOD | {"serverRef": {"server": "archive"}}},
        "unknown field spec.serverRef.server",
    ),
    "beside the spec": ({"suspend": True, "spec": GOOD}, "unknown field suspend"),
    "null preconditions": ({"spec": GOOD | {"preconditions": None}}, "spec.preconditions is null"),
    "a null precondition": (
        {"spec": GOOD | {"preconditions": {"createdBefore": None, "maxItems": 1}}},
        "spec.preconditions.createdBefore is null",
    ),
    "a null server": ({"spec": GOOD | {"serverRef": None}}, "spec.serverRef is null"),
    "a null server's name": ({"spec": GOOD | {"serverRef": {"name": None}}}, "spec.serverRef.name is null"),
    "a null number": ({"spec": GOOD | {"backoffLimit": None}}, "spec.backoffLimit is null"),
}
BY_SCHEMA: dict[str, tuple[Json, str]] = {
    "null, or it would run": ({"spec": GOOD | {"suspend": None}}, "spec.suspend: Unsupported value"),
    "null for a choice": ({"spec": GOOD | {"ifAbsent": None}}, "spec.ifAbsent: Unsupported value"),
}


def rows(table: dict[str, tuple[Json, str]]) -> list[Any]:
    return [pytest.param(*row, id=name) for name, row in table.items()]


def manifest(parts: Json, **metadata: object) -> Json:
    name = f"request-{uuid.uuid4()}"
    kind = {"apiVersion": "moorcheh.ai/v1alpha1", "kind": "NamespaceDeletion"}
    return kind | {"metadata": {"name": name, "namespace": "default", **metadata}} | parts


@pytest.fixture(scope="module")
def http(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """The API with the policy beside it, both in force."""
    control_plane.kubectl("apply", "--kustomize", str(api_folder(control_plane)))
    with httpx.Client(**client_options(control_plane)) as client:
        probe = manifest({"spec": GOOD | {"none": 1}})
        assert until(
            lambda: "unknown field" in client.post(LISTS, params={"dryRun": "All"}, json=probe).text,
        )
        yield client


def merged(client: httpx.Client, path: str, patch: object, kind: str = "merge-patch") -> httpx.Response:
    headers = {"Content-Type": f"application/{kind}+json"}
    return client.patch(path, content=json.dumps(patch), headers=headers)


def server_side(client: httpx.Client, body: Json) -> httpx.Response:
    path = f"{LISTS}/{body['metadata']['name']}"
    headers = {"Content-Type": "application/apply-patch+yaml"}
    return client.patch(path, content=json.dumps(body), headers=headers, params={"fieldManager": "test"})


def posted(validation: str) -> Callable[[httpx.Client, Json], httpx.Response]:
    return lambda client, body: client.post(LISTS, json=body, params={"fieldValidation": validation})


CREATIONS: dict[str, Callable[[httpx.Client, Json], httpx.Response]] = {
    "posted": lambda client, body: client.post(LISTS, json=body),
    "posted, not validated": posted("Ignore"),
    "posted, with a warning": posted("Warn"),
    "posted, validated": posted("Strict"),
    "applied by the server": server_side,
}


@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in CREATIONS.items()])
@pytest.mark.parametrize(("parts", "words"), rows(FLAWED | BY_SCHEMA))
def test_a_field_that_asks_for_nothing_is_refused_by_its_name(
    http: httpx.Client, way: Callable[[httpx.Client, Json], httpx.Response], parts: Json, words: str
) -> None:
    answer = way(http, manifest(parts))

    assert answer.status_code == 422, answer.text
    assert words in answer.json()["message"]


def test_every_field_that_there_is_is_taken(http: httpx.Client) -> None:
    spec = GOOD | {
        "serverRef": {"name": "archive"},
        "suspend": True,
        "ifAbsent": "Fail",
        "preconditions": {"createdBefore": "2026-11-23T00:00:00Z", "maxItems": 0},
        "backoffLimit": 0,
        "activeDeadlineSeconds": 60,
        "ttlSecondsAfterFinished": 60,
    }

    body = http.post(LISTS, json=manifest({"spec": spec})).raise_for_status().json()

    assert body["spec"] == spec
    assert spec.keys() == {field.encode_name for field in msgspec.structs.fields(Spec)}


KUBECTL = {
    "apply": ("apply",),
    "apply, with a warning": ("apply", "--validate=warn"),
    "apply, not validated, as Argo CD's client-side apply may be": ("apply", "--validate=false"),
    "apply --server-side": ("apply", "--server-side"),
    "apply --dry-run=server": ("apply", "--dry-run=server"),
    "create": ("create",),
    "create, not validated": ("create", "--validate=false"),
    "replace --force": ("replace", "--force"),
}


@pytest.mark.parametrize("command", [pytest.param(words, id=name) for name, words in KUBECTL.items()])
@pytest.mark.parametrize(
    ("parts", "words"),
    rows({key: FLAWED[key] for key in ("misspelled", "a misspelled precondition", "beside the spec")}),
)
@pytest.mark.usefixtures("http")
def test_kubectl_shows_which(
    control_plane: ControlPlane, command: tuple[str, ...], parts: Json, words: str
) -> None:
    with pytest.raises(KubectlError, match=words.replace(".", r"\.")):
        control_plane.kubectl(*command, "-f", "-", input=yaml.safe_dump(manifest(parts)))


def change(client: httpx.Client, way: str, body: Json) -> httpx.Response:
    path, flawed = f"{LISTS}/{body['metadata']['name']}", GOOD | {"suspended": True}
    match way:
        case "merge patch":
            return merged(client, path, {"spec": flawed})
        case "JSON patch":
            operations = [{"op": "add", "path": "/spec/suspended", "value": True}]
            return merged(client, path, operations, "json-patch")
        case "replacement":
            return client.put(path, json={**body, "spec": body["spec"] | flawed})
        case _:
            return server_side(client, manifest({"spec": flawed}, name=body["metadata"]["name"]))


@pytest.mark.parametrize("way", ["merge patch", "JSON patch", "replacement", "server-side apply"])
def test_a_change_that_brings_one_is_refused(http: httpx.Client, way: str) -> None:
    body = http.post(LISTS, json=manifest({"spec": GOOD})).raise_for_status().json()

    answer = change(http, way, body)

    assert answer.status_code == 422, answer.text
    assert "unknown field spec.suspended" in answer.json()["message"]


def test_what_landed_in_the_metadata_is_refused_by_whoever_validates(
    http: httpx.Client, control_plane: ControlPlane
) -> None:
    """The API server itself drops it, before any schema or policy; a plain client gets a warning."""
    body = manifest({"spec": GOOD}, suspend=True)

    plain = http.post(LISTS, json=body, params={"dryRun": "All"})
    strict = http.post(LISTS, json=body, params={"fieldValidation": "Strict"})

    assert 'unknown field \\"metadata.suspend\\"' in plain.headers["Warning"]
    assert 'unknown field "metadata.suspend"' in strict.json()["message"]
    for options in ([], ["--server-side"]):
        with pytest.raises(KubectlError, match=r"metadata\.suspend"):
            control_plane.kubectl("apply", *options, "-f", "-", input=json.dumps(body))


# Where the policy is missing, the operator sees what the schema has kept


@pytest.fixture(scope="module")
def without_policy() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        install(plane)
        plane.kubectl("delete", "--filename", str(CRDS / "field-policy.yaml"))
        with httpx.Client(**client_options(plane)) as client:
            probe = manifest({"spec": GOOD | {"none": 1}})
            assert until(lambda: client.post(LISTS, params={"dryRun": "All"}, json=probe).is_success)
        yield plane


@pytest.fixture(scope="module")
def world(without_policy: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(without_policy, tmp_path_factory.mktemp("world")) as world:
        world.moorcheh.create("docs", precious=True)
        yield world


def let_in(world: World, parts: Json) -> Asked:
    body = manifest(parts, namespace=world.namespace)
    return Asked(world, world.http.post(world.path, json=body).raise_for_status().json())


@pytest.mark.parametrize(("parts", "words"), rows(FLAWED))
def test_the_operator_ends_what_the_api_server_let_in_and_sends_nothing(
    world: World, parts: Json, words: str
) -> None:
    asked = let_in(world, parts)

    status = asked.ends("Failed/InvalidSpec")

    assert words in status["message"]
    assert "Nothing was sent" in status["message"]
    assert asked.deletes == []
    assert asked.trail == ["-/-", "Failed/InvalidSpec"]


def test_one_that_is_held_says_so_and_can_be_corrected(world: World) -> None:
    world.moorcheh.create("correct")
    asked = let_in(world, {"spec": {"namespaceName": "correct", "suspend": True, "suspended": True}})
    shown = asked.reaches("Suspended")
    assert "Approval would be refused (InvalidSpec)" in shown["message"]

    asked.change(suspended=None).raise_for_status()
    asked.until(lambda body: "To approve the deletion" in body["status"].get("message", ""))
    asked.change(suspend=False).raise_for_status()

    asked.ends("Succeeded/DeletionCompleted")


def test_one_that_is_approved_with_it_ends(world: World) -> None:
    asked = let_in(world, {"spec": GOOD | {"suspend": True, "suspended": True}})
    asked.reaches("Suspended")

    asked.change(suspend=False).raise_for_status()

    asked.ends("Failed/InvalidSpec")
    assert asked.deletes == []


def test_one_with_such_a_field_keeps_no_other_from_its_target(world: World) -> None:
    world.moorcheh.create("wanted")
    flawed = let_in(world, {"spec": {"namespaceName": "wanted", "suspended": True}})
    other = world.ask("wanted")

    other.ends("Succeeded/DeletionCompleted")
    flawed.ends("Failed/InvalidSpec")
    assert "Pending/TargetBusy" not in other.trail


@pytest.mark.parametrize("command", [("apply", "--validate=false"), ("apply", "--validate=warn")])
def test_what_the_api_server_dropped_is_found_in_the_manifest_that_was_applied(
    world: World, command: tuple[str, ...]
) -> None:
    body = manifest({"spec": GOOD}, suspend=True, namespace=world.namespace)

    world.kubectl(*command, "-f", "-", input=json.dumps(body))

    asked = world.find(body["metadata"]["name"])
    assert "unknown field metadata.suspend" in asked.ends("Failed/InvalidSpec")["message"]
    assert asked.deletes == []


@pytest.mark.parametrize("field", ["suspend", "ifAbsent", "preconditions"])
def test_a_null_that_kubectl_dropped_is_found_in_the_manifest_that_was_applied(
    world: World, field: str
) -> None:
    """Client-side apply sends no null, so nothing can refuse it: the stored request has the default."""
    body = manifest({"spec": GOOD | {field: None}}, namespace=world.namespace)

    world.kubectl("apply", "-f", "-", input=json.dumps(body))

    asked = world.find(body["metadata"]["name"])
    assert f"spec.{field} is null" in asked.ends("Failed/InvalidSpec")["message"]
    assert asked.deletes == []


def test_what_is_under_way_is_recorded_whatever_comes_into_its_spec(
    without_policy: ControlPlane, tmp_path: Path
) -> None:
    """A status write that the field kept out would lose the job's id."""
    with World(without_policy, tmp_path, knobs={"job_seconds": 3.0}) as world:
        world.moorcheh.create("docs")
        asked = world.ask("docs")
        asked.reaches("Running")

        asked.change(suspended=True, serverRef={"nam": "x"}).raise_for_status()

        asked.ends("Succeeded/DeletionCompleted")
        assert len(asked.deletes) == 1


def test_the_policy_lets_the_flawed_be_labelled_corrected_and_ended(
    without_policy: ControlPlane, world: World
) -> None:
    """One from before the policy: its finalizers must be removable, or it could never go."""
    asked = let_in(world, {"spec": GOOD | {"suspended": True}})
    asked.ends("Failed/InvalidSpec")
    path = f"{world.path}/{asked.name}"
    without_policy.kubectl("apply", "--filename", str(CRDS / "field-policy.yaml"))
    try:
        probe = manifest({"spec": GOOD | {"none": 1}})
        assert until(lambda: not world.http.post(LISTS, params={"dryRun": "All"}, json=probe).is_success)
        merged(world.http, path, {"metadata": {"finalizers": ["example.com/x"]}}).raise_for_status()
        merged(world.http, path, {"metadata": {"finalizers": None}}).raise_for_status()
        assert merged(world.http, path, {"spec": {"maxItem": 1}}).status_code == 422
        merged(world.http, path, {"spec": {"suspended": None}}).raise_for_status()
    finally:
        without_policy.kubectl("delete", "--filename", str(CRDS / "field-policy.yaml"))
