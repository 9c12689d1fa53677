"""Cleanup by policy on a real API server: what is created, what is gone, and what is left alone."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from dev.controlplane import ControlPlane
from tests.dev.waiting import WITHIN, until
from tests.integration.cleanup import CleanupPolicy, may_create
from tests.integration.life import Asked, World

HOUR, WEEK = 3600, 7 * 24 * 3600
MATCHING = ("ci-", "agent-", "tmp-")
NAMESPACES = [  # how many, called what, how old, and with how many items
    (60, "ci-", WEEK, 1),
    (60, "agent-", 2 * HOUR, 0),
    (30, "tmp-", WEEK, 1),
    (20, "ci-young-", 60, 1),
    (20, "agent-full-", 2 * HOUR, 5),
    (10, "docs-", WEEK, 9),
]


def test_a_run_creates_a_request_for_each_match_and_their_receipts_stay(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with World(installed, tmp_path) as world:
        may_create(world)
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


def kill(world: World) -> None:
    """Out of the blue, and started again at once."""
    world.operator.signal(signal.SIGKILL)
    world.operator.process.wait(WITHIN)
    world.operator.start()


def test_three_policies_clean_a_server_over_five_runs_with_kills_in_between(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """By age, empty only, and with approval: of 200 namespaces the 150 that match are gone, each with a
    receipt. What comes back under a name of theirs stays, and a glob that matches too much creates nothing.
    """
    with World(installed, tmp_path) as world:
        may_create(world)
        for count, prefix, age, items in NAMESPACES:
            world.moorcheh.create_many(count, prefix, age=age, items=items)
        for prefix in MATCHING:  # ten of each come back
            world.moorcheh.fault("recreate", f"{prefix}0000?", kind="end", count=-1, precious=True)
        everything = CleanupPolicy(world, "everything", select={"names": ["*"], "olderThan": "1s"})
        cleaning = [
            CleanupPolicy(world, name, select=select, maxDeletionsPerRun=60, template={"suspend": suspend})
            for name, select, suspend in (
                ("by-age", {"names": ["ci-*"], "olderThan": "24h"}, False),
                ("empty", {"names": ["agent-*"], "olderThan": "1h", "maxItems": 0}, False),
                ("approved", {"names": ["tmp-*"], "olderThan": "24h"}, True),
            )
        ]
        for policy in (everything, *cleaning):
            policy.becomes("Scheduled")
        assert everything.status["matching"]["count"] == 200
        requests: list[Asked] = []
        for number in range(5):
            scheduled = [(policy, policy.fall_due()) for policy in (everything, *cleaning)]
            if number % 2 == 0:
                kill(world)
            results = [policy.ends(time)["result"] for policy, time in scheduled]
            assert results[0] == "TooManyMatches", results
            # One that was killed around its DELETE may have to be asked for again.
            assert set(results[1:]) <= {"Completed"} | ({"NothingToDo"} if number else set()), results
            requests = [one for policy in cleaning for one in policy.requests()]
            for one in requests:
                if one.name.startswith("approved") and not one.finished:
                    one.reaches("Suspended")
                    one.change(suspend=False).raise_for_status()
            if number == 1:
                kill(world)
            world.all_end(requests)

        receipts = {one.target for one in requests if one.status["phase"] == "Succeeded"}
        assert Counter(name[:-5] for name in receipts) == {"ci-": 60, "agent-": 60, "tmp-": 30}
        assert everything.requests() == []
        left = world.moorcheh.namespaces()
        assert sum(one["precious"] for one in left.values()) == 30
        assert {name for name, one in left.items() if not one["precious"]} == {
            f"{prefix}{number:05}" for count, prefix, _, _ in NAMESPACES[3:] for number in range(count)
        }


def test_what_the_server_does_not_show_is_not_deleted(installed: ControlPlane, tmp_path: Path) -> None:
    """Without creation times and counts: nothing by age or by what it holds, and what is asked for by name
    alone is asked for without the bound that could never be met.
    """
    with World(installed, tmp_path, knobs={"created_field": "none", "items_field": "none"}) as world:
        may_create(world)
        world.moorcheh.create_many(3, "ci-", age=WEEK)
        aged = CleanupPolicy(world, "aged", select={"names": ["ci-*"], "olderThan": "1h"})
        empty = CleanupPolicy(world, "empty", select={"names": ["ci-*"], "maxItems": 0})
        named = CleanupPolicy(world, "named", select={"names": ["ci-00001"]})
        for policy in (aged, empty, named):
            policy.becomes("Scheduled")

        for policy in (aged, empty):
            run = policy.runs("NothingToDo")
            assert (run["matched"], run["unverifiable"]) == (0, 3)
        named.runs("Completed")

        [request] = named.requests()
        assert "preconditions" not in request.versions[0]["spec"]
        request.ends("Succeeded/DeletionCompleted")
        assert set(world.moorcheh.namespaces()) == {"ci-00000", "ci-00002"}


BAD_LISTINGS: list[dict[str, object]] = [
    {"kind": "half"},
    {"kind": "body", "json": {"namespaces": [{"namespace_name": "ci-1"}, {"item_count": 0}]}},
    {"kind": "body", "json": {"namespaces": [{"namespace_name": "ci-1"}, {"namespace_name": "ci-1"}]}},
]


def test_a_broken_or_hostile_listing_creates_nothing_and_its_run_is_made_when_it_can_be_read(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with World(installed, tmp_path) as world:
        may_create(world)
        world.moorcheh.create("ci-1", age=WEEK)
        world.moorcheh.create_many(5000, "many-", age=WEEK)
        policy = CleanupPolicy(world, "nightly", select={"names": ["ci-*"]})
        many = CleanupPolicy(world, "many", select={"names": ["many-*"]}, maxDeletionsPerRun=1000)
        policy.becomes("Scheduled")
        matching = many.becomes("Scheduled")["matching"]
        assert (matching["count"], len(matching["names"])) == (5000, 20)
        assert many.runs("TooManyMatches")["matched"] == 5000
        many.sees_event("Warning", "TooManyMatches")
        for listing in BAD_LISTINGS:
            world.moorcheh.fault("list", **listing)  # type: ignore[arg-type]  # a kind, and what it takes
        scheduled = policy.fall_due()
        assert until(lambda: all(rule["used"] for rule in world.moorcheh.faults()))

        assert policy.ends(scheduled)["result"] == "Completed"
        [request] = policy.requests()
        request.ends("Succeeded/DeletionCompleted")
        assert len(world.moorcheh.namespaces()) == 5000


def test_what_is_wrong_with_a_policy_it_says_and_creates_nothing(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """What the schema can't refuse; once it is mended, the policy goes on with its next time."""
    with World(installed, tmp_path) as world:
        may_create(world)
        world.moorcheh.create("ci-1", age=WEEK)
        select = {"names": ["ci-*"]}
        never = CleanupPolicy(world, "never", select=select, schedule="0 0 31 2 *")
        nowhere = CleanupPolicy(world, "nowhere", select=select, timeZone="Europe/Atlantis")
        elsewhere = CleanupPolicy(world, "elsewhere", select=select, serverRef={"name": "other"})

        for policy, reason, field in (
            (never, "InvalidSchedule", "spec.schedule"),
            (nowhere, "InvalidTimeZone", "spec.timeZone"),
            (elsewhere, "ServerNotFound", "spec.serverRef.name"),
        ):
            status = policy.becomes(reason)
            stalled = policy.condition("Stalled")
            assert stalled is not None
            assert field in stalled["message"]
            assert ("nextRunTime" in status) is (policy is elsewhere)
            policy.sees_event("Warning", reason)
        nowhere.change(timeZone="Europe/Berlin")
        assert "nextRunTime" in nowhere.becomes("Scheduled")
        assert nowhere.condition("Stalled") is None
        nowhere.runs("Completed")
        assert [*never.requests(), *elsewhere.requests()] == []
