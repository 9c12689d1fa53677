"""How long an ended request is kept, as tables."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from moorcheh_operator.api.request import Request, parse
from moorcheh_operator.api.status import Phase, Status
from moorcheh_operator.lifecycle import retention
from tests.unit.builders import CLAIMED, a_request, a_spec

if TYPE_CHECKING:
    from datetime import datetime

MINUTE = a_spec(ttl_seconds_after_finished=60)
TRACKED = {"argocd.argoproj.io/tracking-id": "app:moorcheh.ai/NamespaceDeletion:team/wipe"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            a_request(Phase.SUCCEEDED, spec=MINUTE), CLAIMED + timedelta(seconds=60), id="succeeded"
        ),
        pytest.param(a_request(Phase.FAILED, spec=MINUTE), CLAIMED + timedelta(seconds=60), id="failed"),
        pytest.param(a_request(Phase.SUCCEEDED), None, id="without-a-time-it-is-kept"),
        pytest.param(a_request(Phase.RUNNING, spec=MINUTE), None, id="unfinished"),
        pytest.param(a_request(spec=MINUTE), None, id="never-seen"),
        pytest.param(
            a_request(Phase.SUCCEEDED, spec=MINUTE, completion_time=None), None, id="nobody-knows-since-when"
        ),
        pytest.param(a_request(Phase.SUCCEEDED, spec=MINUTE, withdrawn=True), None, id="going-already"),
        pytest.param(
            dataclasses.replace(a_request(Phase.SUCCEEDED, spec=MINUTE), recreated_by="Flux"),
            None,
            id="it-would-come-back-and-run-again",
        ),
    ],
)
def test_an_ended_request_expires_after_its_time(request_: Request, expected: datetime | None) -> None:
    assert expected == retention.expires_at(request_)


def parsed(labels: dict[str, str], annotations: dict[str, str]) -> Request:
    metadata = {
        "namespace": "team",
        "name": "wipe",
        "uid": "uid-1",
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-23T12:00:00Z",
        "labels": labels,
        "annotations": annotations,
    }
    return parse({"metadata": metadata, "spec": {"namespaceName": "docs", "ttlSecondsAfterFinished": 60}})


@pytest.mark.parametrize(
    ("labels", "annotations", "expected"),
    [
        pytest.param({}, {}, None, id="applied-by-hand"),
        pytest.param({}, TRACKED, "Argo CD", id="argo-cd"),
        pytest.param({}, TRACKED | {"argocd.argoproj.io/hook": "Sync"}, None, id="argo-cd-hook"),
        pytest.param({}, TRACKED | {"helm.sh/hook": "pre-delete"}, None, id="helm-hook-in-argo-cd"),
        pytest.param({"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, "Flux", id="flux-kustomization"),
        pytest.param({"helm.toolkit.fluxcd.io/name": "apps"}, {}, "Flux", id="flux-helm-release"),
        pytest.param({}, {"meta.helm.sh/release-name": "apps"}, "Helm", id="helm"),
        pytest.param({"app.kubernetes.io/instance": "apps"}, {}, None, id="a-label-that-everybody-uses"),
    ],
)
def test_who_would_create_it_again(
    labels: dict[str, str], annotations: dict[str, str], expected: str | None
) -> None:
    assert expected == parsed(labels, annotations).recreated_by


OWNED: dict[str, Any] = {"spec": MINUTE}


def owned(phase: Phase, *, generation: int = 1, **fields: Any) -> Request:
    request = a_request(phase, generation=generation, observed_generation=generation, **OWNED, **fields)
    return dataclasses.replace(request, recreated_by="Argo CD")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(owned(Phase.RUNNING).status, owned(Phase.SUCCEEDED), True, id="at-its-end"),
        pytest.param(Status(), owned(Phase.FAILED), True, id="at-its-end-at-first-sight"),
        pytest.param(
            owned(Phase.FAILED).status, owned(Phase.FAILED, generation=2), True, id="set-after-its-end"
        ),
        pytest.param(owned(Phase.FAILED).status, owned(Phase.FAILED), False, id="not-twice"),
        pytest.param(Status(), owned(Phase.RUNNING), False, id="not-before"),
        pytest.param(
            a_request(Phase.RUNNING).status, a_request(Phase.SUCCEEDED, spec=MINUTE), False, id="obeyed"
        ),
        pytest.param(
            Status(),
            dataclasses.replace(a_request(Phase.SUCCEEDED), recreated_by="Flux"),
            False,
            id="none-was-set",
        ),
    ],
)
def test_that_it_is_ignored_is_said_once(before: Status, after: Request, *, told: bool) -> None:
    assert told == (retention.ignored(before, after) is not None)
