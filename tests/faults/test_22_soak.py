"""Row 22: everything at random, for as long as it is told (FAULTS_SOAK_SECONDS), checked each minute."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any, Literal

import pytest

from dev.chaos import ALWAYS, Answer, Call, Cut, Delay, Drop, Duplicate, Fail, Gate, Inject
from tests.dev.waiting import until
from tests.faults.test_21_many import allowed, memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.chaos import CallFault, EventFault
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld

SECONDS = float(os.environ.get("FAULTS_SOAK_SECONDS", "20"))
CHECK_SECONDS = 60.0
GENTLE_SECONDS = SECONDS / 3  # at the end, without what ends the operator: a leak must have time to show
LEAK = 20.0  # MB that one operator may have grown by from its first check to its last, at most
Stage = Literal["before", "forwarded", "dropped"]
STATUS = "namespacedeletions/status"
RECREATED = "Moorcheh, recreate: end"


def kill(world: FaultWorld, chance: random.Random) -> None:
    stages: list[Stage] = ["before", "forwarded", "dropped"]
    stage = chance.choice(stages)
    kills = len(world.kills)
    at = chance.randint(1, 10)
    world.script.count_anew()
    rule = world.script.on(Gate(world.kill_at, stage), when=lambda call: _is_from(call, at))
    until(lambda: len(world.kills) > kills, within=2.0)
    rule.release()
    if rule.used:
        assert until(lambda: len(world.kills) > kills)  # a gate that was taken late kills a moment later
        world.restart(ready=False)


def _is_from(call: Call, number: int) -> bool:
    return call.number >= number and call.meaning.verb != "watch"  # whose answer has no end


def lose_writes(world: FaultWorld, chance: random.Random) -> None:
    faults: list[CallFault] = [
        Drop(), Fail(), Answer(409), Answer(500), Answer(429), Delay(1.0), Delay(6.0),
    ]  # fmt: skip
    world.script.on(
        chance.choice(faults), "patch", STATUS, nth=chance.randint(1, 5), count=chance.randint(1, 3)
    )


def spoil_watch(world: FaultWorld, chance: random.Random) -> None:
    at_once: list[EventFault] = [Cut(), Inject(410), Inject(500)]
    at_events: list[EventFault] = [Drop(), Duplicate(), Delay(3.0)]
    if chance.random() < 0.5:
        world.api.disturb(chance.choice(at_once))
    else:
        world.script.on_event(chance.choice(at_events), count=chance.randint(1, 10))


def spoil_deletes(world: FaultWorld, chance: random.Random) -> None:
    kind = chance.choice(["drop", "rst", "half", "status", "half", "answer"])
    options: dict[str, Any] = {}
    if kind in ("drop", "rst", "status"):
        options["effect"] = chance.random() < 0.5
    if kind == "answer":
        options["hold"] = chance.choice([0.5, 1.5])
    world.moorcheh.fault("delete", kind=kind, count=chance.randint(1, 3), **options)


def spoil_jobs(world: FaultWorld, chance: random.Random) -> None:
    world.moorcheh.fault("run", kind="fail", count=chance.randint(1, 2))
    if chance.random() < 0.2:
        world.moorcheh.forget()


def restart_moorcheh(world: FaultWorld, chance: random.Random) -> None:
    world.clear_moorcheh()
    world.moorcheh.kill()
    world.also["Moorcheh killed"] += 1
    until(lambda: False, within=chance.uniform(0.1, 1.5))
    world.moorcheh.start()
    recreate(world)


def recreate(world: FaultWorld) -> None:
    """What is deleted comes back at once."""
    world.moorcheh.fault("recreate", kind="end", count=-1)


def freeze(world: FaultWorld, chance: random.Random) -> None:
    world.freeze()
    until(lambda: False, within=chance.uniform(0.5, 4.0))
    world.thaw()


def refuse(world: FaultWorld, chance: random.Random) -> None:
    """The API server lets the operator do nothing, as while a token is rotated or rights change."""
    rule = world.script.on(Answer(chance.choice([401, 403])), count=ALWAYS, when=_is_to_the_api_server)
    world.api.disturb(Cut())
    until(lambda: False, within=chance.uniform(0.2, 1.0))
    rule.release()


def _is_to_the_api_server(call: Call) -> bool:
    return not call.meaning.resource.startswith("moorcheh-")


def withdraw(world: FaultWorld, chance: random.Random) -> None:
    unfinished = world.unfinished()
    if unfinished:
        name = chance.choice(unfinished)["metadata"]["name"]
        world.http.delete(f"{world.path}/{name}")
        world.also["request deleted"] += 1


MISCHIEF: list[Callable[[FaultWorld, random.Random], None]] = [
    kill, kill, lose_writes, lose_writes, spoil_watch, spoil_deletes, spoil_deletes, spoil_jobs,
    restart_moorcheh, freeze, refuse, withdraw,
]  # fmt: skip
GENTLE = [one for one in MISCHIEF if one not in (kill, refuse, spoil_watch)]  # the operator lives on


@pytest.mark.timeout(SECONDS + 900)
def test_22_a_soak_of_everything_at_random_breaks_no_invariant(fault: Fault) -> None:
    """What was deleted comes back, newer than its request. FAULTS_SEED makes the choices come again."""
    seed = int(os.environ.get("FAULTS_SEED", "22"))
    chance = random.Random(seed)
    resident: list[tuple[int, float]] = []
    with fault.world(wire=True, waits_allowed=12) as world:
        recreate(world)
        end, checked, number = time.monotonic() + SECONDS, time.monotonic(), 0
        while time.monotonic() < end:
            for _ in range(chance.randint(1, 4)):
                number += 1
                name = f"soak-{number}"
                world.moorcheh.create(name, items=3, seconds=chance.choice([0.0, 0.3, 3.0]))
                for _ in range(chance.choice([1, 1, 1, 2])):
                    world.ask(name)
            mischief = MISCHIEF if time.monotonic() < end - GENTLE_SECONDS else GENTLE
            chance.choice(mischief)(world, chance)
            world.keep_running()
            until(lambda: False, within=chance.uniform(0.0, 1.0))
            if time.monotonic() - checked > CHECK_SECONDS:
                checked = time.monotonic()
                world.recover(200)
                recreate(world)
                world.verify()
                resident.append(settled(world))
        world.recover(200)
        resident.append(settled(world))
    [account] = fault.accounts
    assert 2 * account.injected[RECREATED] > account.destroyed, "what came back did not, or was not counted"
    fault.figures |= {
        "seconds of soak": round(SECONDS),
        "seed": seed,
        "memory at the end, MB": round(resident[-1][1]),
    }
    assert max(memory for _, memory in resident) < allowed(0)
    if GENTLE_SECONDS > 2 * CHECK_SECONDS:
        last_one = [memory for pid, memory in resident if pid == resident[-1][0]]
        assert len(last_one) > 1
        assert last_one[-1] < last_one[0] + LEAK, resident
        fault.figures["memory that the last operator grew by, MB"] = round(last_one[-1] - last_one[0])


def settled(world: FaultWorld) -> tuple[int, float]:
    """The operator that serves, and its memory: one may still have ended after the last fault."""

    def is_ready() -> bool:
        world.keep_running()
        return world.operator.get("/readyz")[0] == 200

    assert until(is_ready)
    return world.operator.process.pid, memory(world)
