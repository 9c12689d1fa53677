"""Cleanup by policy on a real API server: what is created, what is gone, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.controlplane import ControlPlane
from tests.integration.cleanup import CleanupPolicy, may_create
from tests.integration.life import World

WEEK = 7 * 24 * 3600


@pytest.fixture(scope="session")
def with_policies(installed: ControlPlane) -> ControlPlane:
    may_create(installed)
    return installed


def test_a_run_creates_a_request_for_each_match_and_their_receipts_stay(
    with_policies: ControlPlane, tmp_path: Path
) -> None:
    with World(with_policies, tmp_path) as world:
        world.moorcheh.create_many(3, "ci-", age=WEEK)
        world.moorcheh.create("ci-young")
        world.moorcheh.create("other", age=WEEK)
        policy = CleanupPolicy(world, "nightly", select={"names": ["ci-*"], "olderThan": "24h"})

        status = policy.becomes("Scheduled")
        assert status["matching"]["count"] == 3
        assert status["matching"]["names"] == ["ci-00000", "ci-00001", "ci-00002"]
        run = policy.runs("Completed")

        assert (run["matched"], run["created"], run["skipped"]) == (3, 3, 0)
        requests = policy.requests()
        world.all_end(requests)
        assert {one.target for one in requests} == {"ci-00000", "ci-00001", "ci-00002"}
        assert set(world.moorcheh.namespaces()) == {"ci-young", "other"}
