"""The protocol, searched through: nothing goes wrong by the rules, and something does without one of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.model import nature
from tests.model.operators import Operators
from tests.model.protocol import Rules, Setting, World, all_ended, first_world, shape
from tests.model.search import Move, Outcome, search


def explore(setting: Setting, rules: Rules) -> Outcome[World]:
    operators = Operators(setting, rules)

    def moves(world: World) -> Iterator[Move[World]]:
        yield from operators.moves(world)
        yield from nature.moves(world, setting, rules)

    return search(first_world(setting), moves, all_ended, shape)


# (setting, how many states it has: fewer would mean that something can't happen any more)
SETTINGS = [
    pytest.param(Setting(births=1), 11999, id="one operator, one request, every fault"),
    pytest.param(
        Setting(births=2, crashes=0, late_writes=0, tolerance=True),
        4873,
        id="a young request, two new incarnations",
    ),
    pytest.param(
        Setting(births=2, crashes=1, late_writes=0, dated=False), 6291, id="no creation times, every fault"
    ),
    pytest.param(
        Setting(births=2, crashes=1, late_writes=0, dated=False, never_reused=True, failures=2, limit=2),
        2467,
        id="no creation times, names that are never used again, every fault",
    ),
    pytest.param(
        Setting(requests=2, births=2, crashes=0, lost=1, late_writes=0, dated=False, never_reused=True),
        4100,
        id="no creation times, names that are never used again, two requests",
    ),
    pytest.param(Setting(births=2, jobless=True), 17950, id="accepted without a job, every fault"),
    pytest.param(
        Setting(births=2, crashes=1, late_writes=0, dated=False, jobless=True),
        7905,
        id="accepted without a job, no creation times",
    ),
    pytest.param(
        Setting(births=1, crashes=0, late_writes=0, limit=2, failures=2), 1633, id="two further attempts"
    ),
    pytest.param(
        Setting(operators=2, births=1, crashes=0, late_writes=0),
        37703,
        id="two leaders, lost messages, jobs that fail",
    ),
    pytest.param(
        Setting(operators=2, births=1, crashes=0, lost=0, failures=0), 6358, id="two leaders, late writes"
    ),
    pytest.param(
        Setting(operators=2, births=1, crashes=1, late_writes=0, lost=0, failures=0),
        4951,
        id="two leaders, one crashes",
    ),
    pytest.param(
        Setting(requests=2, births=1, crashes=0, late_writes=0, failures=0, tolerance=True),
        11662,
        id="two requests, lost messages",
    ),
    pytest.param(
        Setting(requests=2, births=1, crashes=1, late_writes=0, lost=0, failures=0, tolerance=True),
        14479,
        id="two requests, a crash",
    ),
    pytest.param(
        Setting(requests=2, births=1, crashes=0, late_writes=0, lost=0, tolerance=True, dated=False),
        10030,
        id="two requests, no creation times",
    ),
    pytest.param(
        Setting(requests=2, births=0, crashes=1, late_writes=0, lost=0, held=True),
        8221,
        id="two requests, the older one approved late",
    ),
    pytest.param(
        Setting(operators=2, requests=2, births=0, crashes=0, late_writes=0, lost=0, failures=0),
        41095,
        id="two leaders, two requests",
    ),
    pytest.param(
        Setting(operators=2, requests=2, births=1, crashes=0, late_writes=0, lost=0, failures=0),
        403653,
        id="two leaders, two requests, a new incarnation",
    ),
]


@pytest.mark.parametrize(("setting", "states"), SETTINGS)
def test_no_order_of_events_destroys_what_nobody_asked_to_destroy(setting: Setting, states: int) -> None:
    """Nor does a request end twice, change its job, send twice, or get where no end can be reached."""
    outcome = explore(setting, Rules())

    assert outcome.broken is None, str(outcome)
    assert outcome.states == states


MUTATIONS = [
    pytest.param(
        Rules(blind_writes=("wait",)),
        Setting(births=0, failures=0),
        id="a Pending write without compare-and-set lands after a claim",
    ),
    pytest.param(
        Rules(blind_writes=("progress",)),
        Setting(births=0, failures=0, crashes=0),
        id="a progress write lands after the end",
    ),
    pytest.param(
        Rules(blind_writes=("claim",)),
        Setting(operators=2, births=0, failures=0, crashes=0, late_writes=0, lost=0),
        id="a claim without compare-and-set: two operators win",
    ),
    pytest.param(
        Rules(blind_writes=("back",)),
        Setting(operators=1, births=0, failures=0, crashes=1),
        id="a write back to Pending lands after another claim",
    ),
    pytest.param(
        Rules(oldest_takes_all=True),
        Setting(requests=2, births=0, crashes=0, late_writes=0, lost=0, failures=0, held=True),
        id="the older request takes the target from one whose job runs",
    ),
    pytest.param(
        Rules(verdict_unsettled=True),
        Setting(births=0, failures=0, late_writes=0, crashes=0),
        id="a verdict before the attempt is settled",
    ),
    pytest.param(
        Rules(retry_after_unknown=True),
        Setting(births=0, failures=0, late_writes=0, crashes=0),
        id="a second attempt after an unknown outcome",
    ),
    pytest.param(
        Rules(retry_any_incarnation=True),
        Setting(births=1, crashes=0, late_writes=0, lost=0, tolerance=True),
        id="a second attempt without the incarnation check",
    ),
    pytest.param(
        Rules(retry_any_incarnation=True),
        Setting(births=1, crashes=0, late_writes=0, lost=0, dated=False),
        id="a second attempt without creation times",
    ),
    pytest.param(
        Rules(retry_without_job=True),
        Setting(births=0, failures=0, late_writes=0, crashes=0, jobless=True),
        id="a second attempt although the first may go on, unseen",
    ),
    pytest.param(
        Rules(tolerance_for_all=True),
        Setting(requests=2, births=1, crashes=0, late_writes=0, lost=0, failures=0, tolerance=True),
        id="the tolerance is granted to a request that waited",
    ),
    pytest.param(
        Rules(looks_rebind=True),
        Setting(births=1, crashes=0, late_writes=0, lost=0, failures=0, tolerance=True),
        id="a target that later looks overwrite",
    ),
    pytest.param(
        Rules(claim_before_list=True),
        Setting(requests=2, births=0, late_writes=0, lost=0, failures=0, held=True),
        id="a claim before the first complete list",
    ),
    pytest.param(
        Rules(resume_attempts=True),
        Setting(births=0, failures=0, late_writes=0, lost=0),
        id="a restarted operator sends for the attempt that it finds",
    ),
    pytest.param(
        Rules(keep_attempt_id=True),
        Setting(births=0, crashes=0, late_writes=0, lost=0),
        id="another attempt under the same id",
    ),
]


def test_a_name_that_is_used_again_where_it_was_said_never_costs_what_has_it_then() -> None:
    """What the declaration gives away (docs/safety.md): a further attempt for newer data, and no more."""
    setting = Setting(births=1, crashes=0, late_writes=0, lost=0, dated=False, never_reused=True, reused=True)
    outcome = explore(setting, Rules())

    assert outcome.broken == "a second DELETE of request 0 destroys the newer incarnation 1"


HISTORIES = 2000
UNDATED: dict[str, Any] = {
    "dated": False, "births": 1, "failures": 2, "limit": 2, "crashes": 1, "lost": 1, "late_writes": 0,
}  # fmt: skip


def second_delete(setting: Setting, chance: random.Random) -> tuple[bool, bool]:
    """One history at random: whether a second DELETE was sent, and whether it destroyed what was newer."""
    operators, rules, world = Operators(setting, Rules()), Rules(), first_world(setting)
    sent = False
    while not all_ended(world):
        moves = [*operators.moves(world), *nature.moves(world, setting, rules)]
        move = chance.choice(moves)
        if move.broken is not None:
            return True, True
        world = move.state
        sent = sent or any(delete.number > 1 for delete in world.deletes)
    return sent, False


@pytest.mark.parametrize(
    ("declared", "reused", "sends", "destroys"),
    [(False, True, False, False), (True, False, True, False), (True, True, True, True)],
    ids=["not-declared", "declared-and-true", "declared-and-not-true"],
)
def test_how_often_a_second_delete_destroys_what_is_newer(
    declared: bool,
    reused: bool,
    sends: bool,
    destroys: bool,
) -> None:
    """docs/safety.md has the figures of 10,000 histories of each."""
    setting = Setting(never_reused=declared, reused=reused, **UNDATED)
    chance = random.Random(1)

    histories = [second_delete(setting, chance) for _ in range(HISTORIES)]

    assert any(sent for sent, _ in histories) == sends
    assert any(destroyed for _, destroyed in histories) == destroys


@pytest.mark.parametrize(("rules", "setting"), MUTATIONS)
def test_without_one_of_the_rules_the_search_finds_what_goes_wrong(rules: Rules, setting: Setting) -> None:
    outcome = explore(setting, rules)

    assert outcome.broken is not None, f"{rules} is harmless: {outcome}"
    assert outcome.trace
