"""Row 1: kill -9 between any two side effects.

The operator's calls of one deletion are counted, to the API server and to Moorcheh in one row. For each of
them it is killed before the call is forwarded, once it was answered upstream, and after that answer was lost.
"""

from __future__ import annotations

import functools
import os
import random
from typing import TYPE_CHECKING, Any, Literal

import pytest

from dev.chaos import Call, Gate
from tests.dev.waiting import until
from tests.faults.invariants import WIRE_DELETE
from tests.faults.kinds import CLOUD, DATED, DECLARED, KINDS, Kind, all_but, on
from tests.faults.world import is_running

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld
    from tests.integration.life import Asked

Stage = Literal["before", "forwarded", "dropped"]
STAGES: tuple[Stage, ...] = ("before", "forwarded", "dropped")
WORLDS = 4  # at once, each with its share of the kills
BEYOND = 3  # calls more than were counted once: the number varies
RANDOM_KILLS = int(os.environ.get("FAULTS_KILLS", "500"))


def is_patch(nth: int) -> Any:
    """The n-th status write: 1 is the claim, 2 the job id, 3 the end."""
    left = nth

    def matches(call: Call) -> bool:
        nonlocal left
        if (call.meaning.verb, call.meaning.resource) != ("patch", "namespacedeletions/status"):
            return False
        left -= 1
        return left == 0

    return matches


def is_call_from(number: int) -> Any:
    return lambda call: call.number >= number


def is_delete(call: Call) -> bool:
    return (call.meaning.verb, call.meaning.resource) == WIRE_DELETE


def killed_at(
    fault: Fault, when: Any, stage: Stage, *, recreated: bool = False, fails: int = 0, **wanted: Any
) -> int | None:
    """One deletion during which the operator is killed once, if that call comes. If it does not: how many
    calls there were.
    """
    with fault.world(wire=True, **wanted) as world:
        world.moorcheh.create("docs", items=5)
        world.moorcheh.fault("run", "docs", kind="fail", count=fails)
        if recreated:
            world.moorcheh.fault("recreate", "docs", kind="end", precious=True)
        assert until(lambda: world.api.watches > 0)  # a watch is no call of the deletion
        world.script.count_anew()
        rule = world.script.on(Gate(world.kill_at, stage), when=when)
        asked = world.ask("docs")
        assert until(lambda: rule.used or is_over(asked))
        rule.release()
        calls = None if rule.used else world.script.calls[-1].number
        if calls is None:
            assert until(lambda: world.kills)
            world.restart()
        world.finish([asked])
        assert len(asked.deletes) <= 1 + fails
    return calls


def is_over(asked: Asked) -> bool:
    """The operator's last call posts the Event of the end."""
    return asked.finished and asked.status["reason"] in [reason for _, reason in asked.events()]


POINTS: list[tuple[str, Any, Stage]] = [
    ("the claim", is_patch(1), "before"),
    ("the claim", is_patch(1), "forwarded"),
    ("the DELETE", is_delete, "before"),
    ("the DELETE", is_delete, "forwarded"),
    ("the job id", is_patch(2), "dropped"),
    ("the end", is_patch(3), "forwarded"),
]


UNTOLD = {"dated": 2, "cloud": 2, "undated": 3, "declared": 3}
"""The claim that was answered, the DELETE unsent; and the one that was sent, where no time tells that what is
there by then is newer.
"""


@on(DATED, slow=all_but(DATED))
def test_01_killed_around_its_writes_and_its_delete_it_deletes_once_and_nothing_newer(fault: Fault) -> None:
    """Representative of every call: the three writes and the DELETE."""
    fault.each(POINTS, lambda point: killed_at(fault, point[1], point[2], recreated=True))

    ends = [next(iter(account.ends)) for account in fault.accounts]
    assert sum(account.kills for account in fault.accounts) == len(POINTS)
    assert ends.count("Failed/OutcomeUnknown") == UNTOLD[str(fault.kind)], ends


SECOND_ATTEMPT: list[tuple[Any, Stage]] = [
    (is_patch(3), "dropped"),  # that the first one failed
    (is_patch(4), "before"),  # the second claim
    (is_patch(4), "forwarded"),
    (is_patch(5), "dropped"),  # its job id
]


@on(DECLARED)
def test_01_killed_around_a_second_attempt_without_creation_times_it_deletes_one_namespace(
    fault: Fault,
) -> None:
    """Where it was declared that names are not used again, and they are not: only what was asked for goes."""
    fault.each(SECOND_ATTEMPT, lambda point: killed_at(fault, *point, fails=1, waits_allowed=4))

    assert sum(account.kills for account in fault.accounts) == len(SECOND_ATTEMPT)
    assert sum(account.deletes for account in fault.accounts) > len(SECOND_ATTEMPT)


EVERY_POINT: dict[str, tuple[Kind, dict[str, Any]]] = {
    "gone": (DATED, {}),
    "recreated": (DATED, {"recreated": True}),
    "declared, two attempts": (DECLARED, {"fails": 1, "waits_allowed": 4}),
    "cloud": (CLOUD, {"recreated": True}),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "life"), EVERY_POINT.values(), ids=EVERY_POINT)
def test_01_killed_at_every_point_it_deletes_once_and_nothing_newer(
    fault: Fault, life: dict[str, Any]
) -> None:
    """Every call of a deletion, and each of the three moments of it. How many calls it takes varies a little:
    each point is reached, unless that run made fewer calls.
    """
    calls = killed_at(fault, lambda _: False, "before", **life)
    assert calls is not None
    assert calls >= 6
    made = [calls]
    killed: set[tuple[int, Stage]] = set()

    def at(point: tuple[int, Stage]) -> None:
        number, stage = point
        others = killed_at(fault, lambda call: call.number == number, stage, **life)
        if others is None:
            killed.add(point)
        else:
            assert others < number, f"nobody was killed at call {number} of {others}, {stage}"
            made.append(others)

    fault.each([(number, stage) for number in range(1, calls + BEYOND + 1) for stage in STAGES], at)
    assert sum(account.kills for account in fault.accounts) == len(killed)
    fault.figures |= {"fewest calls of a deletion": min(made), "points of a kill": len(killed)}


@on(slow=KINDS)
@pytest.mark.timeout(300 + RANDOM_KILLS * 12)
def test_01_killed_at_random_under_load_with_lost_answers(fault: Fault, kind: Kind) -> None:
    """FAULTS_KILLS times, a fifth of that on other kinds of server. Every namespace comes back, precious, as
    soon as its deletion has ended; where it was declared that none does, jobs fail instead.
    """
    kills = RANDOM_KILLS if kind is DATED else RANDOM_KILLS // 5

    def one(seed: int) -> None:
        with fault.world(wire=True, waits_allowed=6) as world:
            if kind is DECLARED:
                for nth in range(kills):
                    world.moorcheh.fault("run", f"load-{nth}-*", kind="fail")
            else:
                world.moorcheh.fault("recreate", kind="end", count=-1, precious=True)
            random_kills(world, random.Random(seed), kills // WORLDS)

    fault.each(range(WORLDS), one)
    fault.figures["random kills"] = sum(account.kills for account in fault.accounts)


def random_kills(world: FaultWorld, chance: random.Random, many: int) -> None:
    for number in range(many):
        before = len(world.kills)
        load(world, chance, number)
        world.script.count_anew()
        point, stage = chance.randint(1, 40), chance.choice(STAGES)
        rule = world.script.on(Gate(world.kill_at, stage), when=is_call_from(point))
        until(functools.partial(was_killed, world, before), within=chance.uniform(0.3, 3.0))
        rule.release()
        if not was_killed(world, before):
            world.kill()
        world.restart(ready=False)
        # Mostly it works when it is hit; sometimes it has not got that far.
        until(functools.partial(is_ready, world), within=chance.choice([0.5, 120, 120, 120]))
    assert until(functools.partial(is_ready, world))
    world.recover(300)


def was_killed(world: FaultWorld, before: int) -> bool:
    return len(world.kills) > before


def is_ready(world: FaultWorld) -> bool:
    """A gate that opens late has killed the next one."""
    if not is_running(world.operator):
        world.operator.start(ready=False)
    return world.operator.get("/readyz")[0] == 200


def load(world: FaultWorld, chance: random.Random, number: int) -> None:
    """A few more requests, some of whose DELETEs lose their answer, with or without effect."""
    for asked in range(chance.randint(1, 3)):
        name = f"load-{number}-{asked}"
        world.moorcheh.create(name, items=2, seconds=chance.choice([0.0, 0.2, 2.0]))
        if chance.random() < 0.25:
            kind = chance.choice(["drop", "rst"])
            world.moorcheh.fault("delete", name, kind=kind, effect=chance.random() < 0.5)
        world.ask(name)
