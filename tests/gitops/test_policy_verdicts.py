"""What Flux and Argo CD make of a cleanup policy: their own code, on what the API server returned."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dev.gitops import ARGOCD, KSTATUS
from tests.gitops.test_verdicts import GITOPS
from tests.integration.cleanup import CleanupPolicy, may_create
from tests.integration.life import World

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane import ControlPlane

Json = dict[str, Any]


@pytest.fixture(scope="module")
def policies(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """By the reason of their condition Ready, and some that nobody has judged, or not as they are."""
    with World(installed, tmp_path_factory.mktemp("policies")) as world:
        may_create(world)
        names: Json = {"select": {"names": ["ci-*"]}}
        unseen: Json = world.http.post(
            f"{world.path.rpartition('/')[0]}/namespacecleanuppolicies",
            params={"dryRun": "All"},
            json={
                "apiVersion": "moorcheh.ai/v1alpha1",
                "kind": "NamespaceCleanupPolicy",
                "metadata": {"name": "unseen"},
                "spec": {"schedule": "@daily", **names},
            },
        ).json()
        found = {"unseen": unseen}
        world.moorcheh.create("ci-1", age=60)
        for number in range(11):
            world.moorcheh.create(f"many-{number}", age=60)
        braked = CleanupPolicy(world, "braked", select={"names": ["many-*"]})
        reasons: dict[str, Json] = {
            "Scheduled": {},
            "Suspended": {"suspend": True},
            "InvalidSchedule": {"schedule": "0 3 31 2 *"},
            "ServerNotFound": {"serverRef": {"name": "nowhere"}},
        }
        for reason, spec in reasons.items():
            policy = CleanupPolicy(world, reason.lower(), **{**names, **spec})
            policy.becomes(reason)
            found[reason] = policy.body
        braked.becomes("Scheduled")
        braked.runs("TooManyMatches")
        found["TooManyMatches"] = braked.body
    found["ServerUnavailable"] = copy.deepcopy(found["Scheduled"])
    [ready] = found["ServerUnavailable"]["status"]["conditions"]
    ready |= {"status": "Unknown", "reason": "ServerUnavailable"}
    found["stale"] = copy.deepcopy(found["Scheduled"])
    found["stale"]["metadata"]["generation"] += 1
    found["going"] = copy.deepcopy(found["Scheduled"])
    found["going"]["metadata"]["deletionTimestamp"] = "2026-11-27T00:00:00Z"
    return found


def test_flux_knows_without_any_configuration_which_ones_need_somebody(
    policies: dict[str, Json], kstatus: Path
) -> None:
    verdicts = [each.status for each in KSTATUS.judge(kstatus, policies.values())]

    assert dict(zip(policies, verdicts, strict=True)) == {
        "unseen": "InProgress",
        "stale": "InProgress",
        "Scheduled": "Current",
        "Suspended": "Current",
        "TooManyMatches": "Current",  # told by Events and alerts: see docs/gitops.md
        "ServerUnavailable": "InProgress",
        "InvalidSchedule": "Failed",
        "ServerNotFound": "Failed",
        "going": "Terminating",
    }


@pytest.fixture(scope="module")
def argocd_cm(installed: ControlPlane) -> Json:
    config_map: Json = yaml.safe_load(installed.kubectl("kustomize", GITOPS / "argocd"))
    return config_map


@pytest.mark.slow  # a first build takes minutes
def test_argo_cd_shows_which_ones_need_somebody_and_why(
    policies: dict[str, Json], argocd: Path, argocd_cm: Json
) -> None:
    verdicts = dict(zip(policies, ARGOCD.judge(argocd, policies.values(), argocd_cm), strict=True))

    assert {name: each.status for name, each in verdicts.items()} == {
        "unseen": "Progressing",
        "stale": "Progressing",
        "Scheduled": "Healthy",
        "Suspended": "Suspended",
        "TooManyMatches": "Healthy",
        "ServerUnavailable": "Progressing",
        "InvalidSchedule": "Degraded",
        "ServerNotFound": "Degraded",
        "going": "Progressing",
    }
    assert verdicts["InvalidSchedule"].message.startswith('InvalidSchedule: spec.schedule "0 3 31 2 *"')


@pytest.mark.slow
def test_argo_cd_takes_every_hostile_status_for_unfinished(
    policies: dict[str, Json], argocd: Path, argocd_cm: Json
) -> None:
    """An error in the script would read as unknown health, for ever."""
    generation = policies["Scheduled"]["metadata"]["generation"]
    statuses: list[Json] = [
        {},
        {"observedGeneration": generation},
        {"observedGeneration": generation, "conditions": []},
        {"observedGeneration": generation, "conditions": [{"type": "Ready"}]},
        {"observedGeneration": generation, "conditions": [{"type": "Unheard", "status": "True"}]},
    ]

    verdicts = ARGOCD.judge(
        argocd, [policies["Scheduled"] | {"status": status} for status in statuses], argocd_cm
    )

    assert [each.status for each in verdicts] == ["Progressing"] * len(statuses)
