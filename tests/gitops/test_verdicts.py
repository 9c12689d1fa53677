"""What Flux and Argo CD make of a request in every phase: their own code, on what the API server returned."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dev.gitops import ARGOCD, EXPRESSIONS, KSTATUS
from tests.gitops.lives import EVERY, HOOK, lives, observed

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

GITOPS = Path(__file__).parents[2] / "manifests" / "gitops"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def versions(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    return lives(installed, tmp_path_factory.mktemp("lives"))


def is_hook(body: Json) -> bool:
    return HOOK in body["metadata"].get("annotations", {})


def table(versions: list[Json], verdicts: list[str]) -> dict[str, set[str]]:
    """What was said of each phase. One word a phase, or the tool was told something ambiguous."""
    assert len(versions) == len(verdicts)
    said: dict[str, set[str]] = {}
    for body, verdict in zip(versions, verdicts, strict=True):
        key = f"{observed(body)}{' hook' if is_hook(body) else ''}"
        said.setdefault(key, set()).add(verdict)
    return said


def test_the_lives_show_every_phase(versions: list[Json]) -> None:
    assert {observed(body) for body in versions} == EVERY
    assert any(is_hook(body) and observed(body) == "Suspended" for body in versions)


# kstatus: Flux without any configuration, and whatever else builds on it


def test_kstatus_waits_fails_fast_and_knows_the_end(versions: list[Json], kstatus: Path) -> None:
    verdicts = [each.status for each in KSTATUS.judge(kstatus, versions)]

    assert table(versions, verdicts) == {
        "unseen": {"InProgress"},
        "unseen hook": {"InProgress"},
        "stale": {"InProgress"},
        "Pending": {"InProgress"},
        "Suspended": {"Current"},  # by precedent: see docs/gitops.md
        "Suspended hook": {"Current"},
        "Submitting": {"InProgress"},
        "Running": {"InProgress"},
        "Succeeded": {"Current"},
        "Failed": {"Failed"},
        "going": {"Terminating"},
    }


def test_without_the_default_status_kstatus_would_take_unseen_for_done(
    versions: list[Json], kstatus: Path
) -> None:
    """Why the schema gives a new object `observedGeneration: -1`."""
    [unseen, *_] = [copy.deepcopy(body) for body in versions if observed(body) == "unseen"]
    del unseen["status"]

    [verdict] = KSTATUS.judge(kstatus, [unseen])

    assert verdict.status == "Current"


# Flux with the health check expressions of the example


def flux_kustomization() -> Json:
    objects = yaml.safe_load_all((GITOPS / "flux" / "example" / "flux-kustomization.yaml").read_text())
    [found] = [each for each in objects if "healthCheckExprs" in each["spec"]]
    return dict(found)


@pytest.mark.slow  # a first build takes minutes
def test_with_the_expressions_a_suspended_request_holds_up_what_depends_on_it(
    versions: list[Json], expressions: Path
) -> None:
    verdicts = EXPRESSIONS.judge(expressions, versions, flux_kustomization())

    said = table(versions, [each.status for each in verdicts])
    # Terminating is kstatus' own word, which Flux asks for before it evaluates any expression.
    assert said.pop("going") == {"InProgress"}
    assert said == {
        "unseen": {"InProgress"},
        "unseen hook": {"InProgress"},
        "stale": {"InProgress"},
        "Pending": {"InProgress"},
        "Suspended": {"InProgress"},
        "Suspended hook": {"InProgress"},
        "Submitting": {"InProgress"},
        "Running": {"InProgress"},
        "Succeeded": {"Current"},
        "Failed": {"Failed"},
    }


# Argo CD with the Lua that is shipped


@pytest.fixture(scope="module")
def argocd_cm(installed: ControlPlane) -> Json:
    config_map: Json = yaml.safe_load(installed.kubectl("kustomize", GITOPS / "argocd"))
    return config_map


@pytest.mark.slow  # a first build takes minutes
def test_argo_cd_waits_degrades_and_knows_the_end(
    versions: list[Json], argocd: Path, argocd_cm: Json
) -> None:
    verdicts = [each.status for each in ARGOCD.judge(argocd, versions, argocd_cm)]

    assert table(versions, verdicts) == {
        "unseen": {"Progressing"},
        "unseen hook": {"Progressing"},
        "stale": {"Progressing"},
        "Pending": {"Progressing"},
        "Suspended": {"Suspended"},
        "Suspended hook": {"Progressing"},  # Suspended would count as done, and let the app go
        "Submitting": {"Progressing"},
        "Running": {"Progressing"},
        "Succeeded": {"Healthy"},
        "Failed": {"Degraded"},
        "going": {"Progressing"},
    }


@pytest.mark.slow
def test_argo_cd_shows_the_reason_and_the_sentence(
    versions: list[Json], argocd: Path, argocd_cm: Json
) -> None:
    [failed, *_] = [body for body in versions if observed(body) == "Failed"]

    [verdict] = ARGOCD.judge(argocd, [failed], argocd_cm)

    assert verdict.message == f"TargetAbsent: {failed['status']['message']}"


@pytest.mark.slow
def test_argo_cd_takes_every_hostile_status_for_unfinished(
    versions: list[Json], argocd: Path, argocd_cm: Json
) -> None:
    """An error in the script would read as unknown health, for ever."""
    [body, *_] = [body for body in versions if observed(body) == "Succeeded"]
    generation = body["metadata"]["generation"]
    statuses: list[Json | None] = [
        None,
        {},
        {"phase": "Succeeded"},
        {"observedGeneration": generation},
        {"observedGeneration": generation, "phase": "Unheard"},
        {"observedGeneration": generation + 1, "phase": "Succeeded"},
    ]
    objects = [{key: value for key, value in body.items() if key != "status"} for _ in statuses]
    for each, status in zip(objects, statuses, strict=True):
        if status is not None:
            each["status"] = status

    verdicts = ARGOCD.judge(argocd, objects, argocd_cm)

    assert [each.status for each in verdicts] == ["Progressing"] * len(statuses)


@pytest.mark.slow
def test_without_the_lua_argo_cd_has_no_opinion(versions: list[Json], argocd: Path) -> None:
    """And so calls it healthy the moment it exists: why the Lua is needed at all."""
    verdicts = ARGOCD.judge(argocd, versions, {"data": {}})

    assert {each.status for each in verdicts if each.status != "Progressing"} == {"none"}


def test_a_write_of_progress_is_one_that_argo_cd_is_told_to_ignore(
    versions: list[Json], argocd_cm: Json
) -> None:
    key = "resource.customizations.ignoreResourceUpdates.moorcheh.ai_NamespaceDeletion"
    ignored = yaml.safe_load(argocd_cm["data"][key])["jsonPointers"]

    def without(body: Json) -> str:
        kept = copy.deepcopy(body)
        for name in ("resourceVersion", "generation", "managedFields"):  # what Argo CD ignores by itself
            kept["metadata"].pop(name, None)
        for pointer in ignored:
            *path, last = pointer.removeprefix("/").split("/")
            at = kept
            for step in path:
                at = at.get(step, {})
            at.pop(last, None)
        return json.dumps(kept, sort_keys=True)

    running: dict[str, list[Json]] = {}
    for body in versions:
        if observed(body) == "Running":
            running.setdefault(body["metadata"]["uid"], []).append(body)
    progress = [each for each in running.values() if len(each) > 1]

    assert progress, "no job was seen to go on"
    for each in progress:
        assert len({without(body) for body in each}) == 1


def test_the_argo_cd_customization_leaves_other_keys_alone(installed: ControlPlane, tmp_path: Path) -> None:
    """The command is the one that its comment gives; `kubectl apply --server-side` took the others out."""
    installed.kubectl("create", "namespace", "argocd")
    before = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "argocd-cm",
            "namespace": "argocd",
            "labels": {"app.kubernetes.io/part-of": "argocd"},
        },
        "data": {"url": "https://argocd.example.com", "accounts.ci": "apiKey"},
    }
    installed.kubectl("apply", "-f", "-", input=json.dumps(before))

    patch = tmp_path / "patch.yaml"
    patch.write_text(installed.kubectl("kustomize", GITOPS / "argocd"))
    installed.kubectl(
        "patch", "configmap", "argocd-cm", "-n", "argocd", "--type=merge", f"--patch-file={patch}"
    )

    after = json.loads(installed.kubectl("get", "configmap", "argocd-cm", "-n", "argocd", "-o", "json"))
    assert {"url", "accounts.ci"} < after["data"].keys()
    assert len(after["data"]) == 6
    assert after["metadata"]["labels"] == {"app.kubernetes.io/part-of": "argocd"}


@pytest.mark.parametrize(
    "file",
    sorted(GITOPS.glob("*/example/deletions/*.yaml")),
    ids=lambda file: str(file.relative_to(GITOPS).parts[0]),
)
def test_a_deletion_in_an_example_passes_a_dry_run_and_is_fenced(installed: ControlPlane, file: Path) -> None:
    installed.kubectl("apply", "--server-side", "--dry-run=server", "-n", "default", "-f", file)

    [body] = yaml.safe_load_all(file.read_text())
    assert "createdBefore" in body["spec"]["preconditions"], "it may be applied again for ever"
    assert "ttlSecondsAfterFinished" not in body["spec"]
