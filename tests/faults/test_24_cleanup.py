"""Row 24: a run of a cleanup policy is cut short, its answers are lost, or two make it.

Each policy has namespaces of its own, each of which comes back, precious, as soon as it was deleted: a
request too many, or one without its bound, would destroy what came back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from dev.chaos import ALWAYS, Answer, Call, Drop, Fail, Gate, Hold
from tests.dev.waiting import until
from tests.faults.world import is_running
from tests.integration.cleanup import CleanupPolicy, may_create

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.chaos import CallFault
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld

Stage = Literal["before", "forwarded", "dropped"]
STAGES: tuple[Stage, ...] = ("before", "forwarded", "dropped")
EACH = 3  # namespaces of a policy that match; another one is too young
STATUS, REQUESTS = "namespacecleanuppolicies/status", "namespacedeletions"


@dataclass(frozen=True)
class Point:
    """The n-th of its calls of that kind since its time has come."""

    verb: str
    resource: str
    nth: int = 1

    def of(self, policy: str) -> Callable[[Call], bool]:
        left = self.nth

        def matches(call: Call) -> bool:
            nonlocal left
            if (call.meaning.verb, call.meaning.resource) != (self.verb, self.resource) or not is_of(
                call, policy
            ):
                return False
            left -= 1
            return left == 0

        return matches


def is_of(call: Call, policy: str) -> bool:
    """The look is everybody's."""
    match call.meaning.resource:
        case "namespacecleanuppolicies/status":
            return call.meaning.name == policy and b'"lastRun"' in call.body
        case "namespacedeletions":
            labels = json.loads(call.body)["metadata"].get("labels", {})
            return bool(labels.get("moorcheh.ai/cleanup-policy") == policy)
        case "events":
            about = json.loads(call.body)["involvedObject"]
            return (about["kind"], about["name"]) == ("NamespaceCleanupPolicy", policy)
        case _:
            return True


LOOK = Point("list", "moorcheh-namespaces")
CLAIM, END = Point("patch", STATUS), Point("patch", STATUS, 2)
FIRST, LAST = Point("create", REQUESTS), Point("create", REQUESTS, EACH)
EVENT = Point("create", "events")
POINTS: list[tuple[Point, Stage]] = [
    (CLAIM, "forwarded"),
    (CLAIM, "dropped"),
    (FIRST, "before"),
    (FIRST, "dropped"),
    (END, "before"),
]
ALL_POINTS = [(point, stage) for point in (LOOK, CLAIM, FIRST, LAST, END, EVENT) for stage in STAGES]


def a_policy(world: FaultWorld, name: str, **spec: Any) -> CleanupPolicy:
    world.moorcheh.create_many(EACH, f"{name}-", age=7200, items=1)
    world.moorcheh.create(f"{name}-young", precious=True)
    policy = CleanupPolicy(world, name, **{"select": {"names": [f"{name}-*"], "olderThan": "1h"}} | spec)
    policy.becomes("Scheduled")
    return policy


def is_right(world: FaultWorld, policy: CleanupPolicy, scheduled: str) -> None:
    """One run, which is over; one request for each of its namespaces, and each of them is gone."""
    run = policy.ends(scheduled)
    assert (run["result"], run["matched"], run["created"]) == ("Completed", EACH, EACH), run
    requests = policy.requests()
    assert sorted(one.target for one in requests) == [f"{policy.name}-{number:05}" for number in range(EACH)]
    world.finish(requests)
    assert {one.status["reason"] for one in requests} <= {
        "DeletionCompleted",
        "TargetReplaced",
        "OutcomeUnknown",  # killed around its DELETE; the account knows whether that may be
    }


@pytest.mark.parametrize(
    "points", [pytest.param(POINTS, id="some"), pytest.param(ALL_POINTS, id="all", marks=pytest.mark.slow)]
)
def test_24_killed_around_the_calls_of_a_run_it_is_made_once(
    fault: Fault, points: list[tuple[Point, Stage]]
) -> None:
    """Before the call, once it was carried out, and after its answer was lost."""
    with fault.world(wire=True, waits_allowed=6) as world:
        may_create(world)
        world.moorcheh.fault("recreate", kind="end", count=-1, precious=True)
        for number, (point, stage) in enumerate(points):
            policy = a_policy(world, f"p{number}-{stage}")
            is_right(world, policy, killed_at(world, policy, point, stage))
        assert len(world.kills) == len(points)
        fault.figures["kills in a run"] = len(points)


def killed_at(world: FaultWorld, policy: CleanupPolicy, point: Point, stage: Stage) -> str:
    kills = len(world.kills)
    rule = world.script.on(Gate(world.kill_at, stage), when=point.of(policy.name))
    scheduled = policy.fall_due()
    assert until(lambda: len(world.kills) > kills), (point, stage)
    rule.release()
    assert until(lambda: not is_running(world.operator), within=10)
    world.restart()
    return scheduled


FAULTS: list[tuple[Point, CallFault]] = [
    (LOOK, Drop()),
    (LOOK, Answer(500)),
    (CLAIM, Drop()),
    (CLAIM, Fail()),
    (CLAIM, Answer(504, forwarded=True)),
    (FIRST, Drop()),
    (FIRST, Fail()),
    (FIRST, Answer(504, forwarded=True)),
    (FIRST, Answer(429)),
    (LAST, Drop()),
    (END, Drop()),
    (END, Answer(500)),
]


def test_24_a_lost_answer_to_each_call_makes_no_second_run(fault: Fault) -> None:
    """Dropped, refused, or an error for what was carried out: all policies at once."""
    with fault.world(wire=True, waits_allowed=6) as world:
        may_create(world)
        world.moorcheh.fault("recreate", kind="end", count=-1, precious=True)
        policies = [a_policy(world, f"lost-{number:02}") for number in range(len(FAULTS))]
        for policy, (point, kind) in zip(policies, FAULTS, strict=True):
            world.script.on(kind, when=point.of(policy.name))
        scheduled = [policy.fall_due() for policy in policies]
        for policy, time in zip(policies, scheduled, strict=True):
            is_right(world, policy, time)


def test_24_two_that_both_lead_make_each_run_once(fault: Fault) -> None:
    """No election at all; then one of them is frozen before a create, and goes on with what it knew."""
    with fault.world(operators=2, waits_allowed=6) as world:
        may_create(world)
        world.moorcheh.fault("recreate", kind="end", count=-1, precious=True)
        policies = [a_policy(world, f"both-{number}") for number in range(4)]
        for policy, time in [(policy, policy.fall_due()) for policy in policies]:
            is_right(world, policy, time)
        policy = a_policy(world, "frozen")
        held = world.script.on(Hold(), when=FIRST.of("frozen"))
        scheduled = policy.fall_due()
        assert until(lambda: held.used)
        run = policy.ends(scheduled)  # by the other one
        world.finish(policy.requests())
        held.release()
        world.settle()
        assert run["created"] == EACH
        is_right(world, policy, scheduled)


def test_24_a_policy_that_changes_in_the_middle_of_a_run_creates_no_more(fault: Fault) -> None:
    """Suspended, deleted, or deleted and created again under its name: what was created stays."""
    with fault.world(waits_allowed=6) as world:
        may_create(world)
        suspended, deleted, again = (a_policy(world, name) for name in ("suspended", "deleted", "again"))
        holds = {
            policy.name: world.script.on(Hold(), when=Point("create", REQUESTS, 2).of(policy.name))
            for policy in (suspended, deleted, again)
        }
        scheduled = {policy.name: policy.fall_due() for policy in (suspended, deleted, again)}
        assert until(lambda: all(hold.used for hold in holds.values()))
        suspended.change(suspend=True)
        for policy in (deleted, again):
            world.http.delete(f"{policy.path}/{policy.name}").raise_for_status()
        new = CleanupPolicy(world, "again", select={"names": ["again-*"], "olderThan": "1h"}, suspend=True)
        new.becomes("Suspended")
        for hold in holds.values():
            hold.release()

        run = suspended.ends(scheduled["suspended"])
        assert (run["result"], run["created"]) == ("Incomplete", 2)
        assert "the policy was changed" in run["message"]
        world.settle()
        assert 1 <= len(deleted.requests()) <= 2
        assert 1 <= len(again.requests()) <= 2
        assert "lastRun" not in new.status
        world.finish([*suspended.requests(), *deleted.requests(), *again.requests()])


@pytest.mark.parametrize("status", [404, 403], ids=["no-api", "no-right"])
def test_24_where_there_are_no_policies_everything_else_goes_on(fault: Fault, status: int) -> None:
    """As with a CRD or roles from before there were policies: it is said once, and requests go on."""
    with fault.world(up=False) as world:
        world.script.on(Answer(status), "list", "namespacecleanuppolicies", count=ALWAYS)
        world.start()
        world.finish(world.ask_many(3, "without"))

        assert world.operator.output.read_text().count("cleanup policies are not served") == 1
        assert world.ended_as() == {"Succeeded/DeletionCompleted": 3}
