"""Row 9: the API server is killed, or it or etcd hangs."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.dev.waiting import WITHIN, until
from tests.faults.kinds import CLOUD, DATED, UNDATED, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld
    from tests.integration.life import Asked

LONG = float(os.environ.get("FAULTS_OUTAGE_SECONDS", "600"))
CALLS_A_SECOND = 3.0
"""And request, at most: it waits between two tries."""


def under_way(world: FaultWorld, number: int) -> list[Asked]:
    """Requests in every phase of their lives, their namespaces re-created as soon as they are gone."""
    world.moorcheh.fault("recreate", kind="end", count=-1, precious=True)
    world.moorcheh.fault("delete", f"held-{number}-*", hold=1.5, count=-1)
    return [
        *world.ask_many(3, f"quick-{number}"),
        *world.ask_many(3, f"slow-{number}", items=10, seconds=6.0),
        *world.ask_many(3, f"held-{number}"),
    ]


def busy(world: FaultWorld, since: float) -> float:
    """Calls a second to an API server that does not answer."""
    calls = [call for call in world.script.calls if call.at >= since]
    return len(calls) / (time.monotonic() - since)


def outage(world: FaultWorld, fault: Fault, how: str, seconds: float, number: int = 0) -> None:
    plane = world.plane
    before = len(world.moorcheh.record()["deletes"])
    asked = under_way(world, number)
    assert until(lambda: world.has_sent(before + 4))
    world.also[f"{how}, {seconds:.0f} s"] += 1
    victim = plane.etcd if "etcd" in how else plane.apiserver
    since = time.monotonic()
    victim.signal(signal.SIGKILL if how.startswith("killed") else signal.SIGSTOP)
    try:
        # An outage lasts as long as it lasts; what the operator does meanwhile is what is looked at.
        until(world.keep_running, within=seconds)
        rate = busy(world, since)
    finally:
        if how.startswith("killed"):
            plane.apiserver.wait(WITHIN)
            plane.start_apiserver()
        else:
            victim.signal(signal.SIGCONT)
    fault.figures[f"calls a second while {how}"] = round(rate, 1)
    assert rate <= CALLS_A_SECOND * len(asked)
    world.finish(asked)
    world.finish(world.ask_many(1, f"afterwards-{number}"))


FAST = [("killed: API server", 5.0), ("frozen: API server", 8.0), ("frozen: etcd", 8.0)]
SLOW = [
    ("killed: API server", 75.0),
    ("frozen: API server", 75.0),
    ("frozen: etcd", 75.0),
    ("killed: API server", LONG),
]


@on(DATED, slow=(UNDATED, CLOUD))
def test_09_short_outages_of_the_api_server_cost_nothing_but_time(fault: Fault) -> None:
    """Requests in all phases; nothing is sent twice, everything ends, and nobody spins meanwhile."""
    with fault.world(waits_allowed=6) as world:
        for number, (how, seconds) in enumerate(FAST):
            outage(world, fault, how, seconds, number)


@pytest.mark.slow
@pytest.mark.timeout(LONG + 300)
@pytest.mark.parametrize(("how", "seconds"), SLOW, ids=[f"{how}-{int(seconds)}s" for how, seconds in SLOW])
def test_09_a_long_outage_of_the_api_server_costs_nothing_but_time(
    fault: Fault, how: str, seconds: float
) -> None:
    """As above, longer than a client's patience."""
    with fault.world(waits_allowed=6) as world:
        outage(world, fault, how, seconds)
