"""Row 7: a status write lands and its answer is lost; or it lands late, or is answered with an error."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from dev.chaos import Answer, Delay, Drop, Fail, Late
from tests.dev.waiting import until
from tests.faults.kinds import CLOUD, DATED, all_but, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld

STATUS = "namespacedeletions/status"


def ask_with(world: FaultWorld, faults: dict[str, tuple[Any, int]]) -> list[Any]:
    """One request each, whose n-th status write meets the fault."""
    asked = []
    for name, (fault, nth) in faults.items():
        world.moorcheh.create(name, items=3)
        world.script.on(fault, "patch", STATUS, f"{name}-*", nth=nth)
        asked.append(world.ask(name))
    world.finish(asked)
    return asked


def each_end_is_told_once(world: FaultWorld, asked: list[Any]) -> None:
    """As a line in the log, as an Event, and in the metric that the alerts are made of; over all replicas."""
    ends = {one.name: str(one.status["reason"]) for one in asked}
    once = (dict.fromkeys(ends, 1), dict.fromkeys(ends, 1), len(ends))
    assert until(lambda: told(world, ends) == once), told(world, ends)


def told(world: FaultWorld, ends: dict[str, str]) -> tuple[dict[str, int], dict[str, int], int]:
    posts = [
        json.loads(call.body)
        for call in world.script.calls
        if (call.meaning.verb, call.meaning.resource) == ("create", "events")
    ]
    events = Counter((post["involvedObject"]["name"], post["reason"]) for post in posts)
    lines = [line for operator in world.operators for line in operator.output.read_text().splitlines()]
    counted = sum(
        int(float(line.split()[-1]))
        for operator in world.operators
        for line in operator.get("/metrics")[1].splitlines()
        if line.startswith("moorcheh_operator_requests_ended_total{")
    )
    return (
        {name: events[name, reason] for name, reason in ends.items()},
        {
            name: len([line for line in lines if _is_about(line, world, name, reason)])
            for name, reason in ends.items()
        },
        counted,
    )


def _is_about(line: str, world: FaultWorld, name: str, reason: str) -> bool:
    return f" {reason}: " in line and f"request={world.namespace}/{name} " in line


@on(DATED, slow=all_but(DATED))
def test_07_a_write_whose_answer_is_lost_is_recognised_as_its_own(fault: Fault) -> None:
    """Each of the three writes of a life: its answer is dropped, or an error is answered though it landed, a
    409 among them; it fails before, or an error is answered instead.
    """
    with fault.world() as world:
        faults: dict[str, tuple[Any, int]] = {}
        for nth in (1, 2, 3):
            faults |= {
                f"dropped-{nth}": (Drop(), nth),
                f"failed-{nth}": (Fail(), nth),
                f"own-conflict-{nth}": (Answer(409, forwarded=True), nth),
                f"own-error-{nth}": (Answer(500, forwarded=True), nth),
                f"own-absence-{nth}": (Answer(404, forwarded=True), nth),
                f"own-rejection-{nth}": (Answer(422, forwarded=True), nth),
                f"own-refusal-{nth}": (Answer(403, forwarded=True), nth),
                f"conflict-{nth}": (Answer(409), nth),
                f"error-{nth}": (Answer(500), nth),
                f"busy-{nth}": (Answer(429), nth),
            }
        asked = ask_with(world, faults)

        assert {one.ends(fault.kind.done)["attempt"]["number"] for one in asked} == {1}
        assert {len(one.deletes) for one in asked} == {1}
        assert world.not_injected() == []
        each_end_is_told_once(world, asked)


def test_07_of_two_that_write_the_same_end_at_once_one_tells_it(fault: Fault) -> None:
    """Both lead; their clocks agree, and so do their words."""
    with fault.world(operators=2) as world:
        asked = [world.ask(f"absent-{number}") for number in range(20)]
        world.finish(asked)

        each_end_is_told_once(world, asked)


@on(DATED, slow=(CLOUD,))
def test_07_a_write_that_lands_after_its_writer_gave_up_on_it_undoes_nothing(fault: Fault) -> None:
    """17 s late, when the operator waits 15: by then it is another object that it was built on."""
    with fault.world() as world:
        faults: dict[str, tuple[Any, int]] = {f"late-{nth}": (Delay(17.0), nth) for nth in (1, 2, 3)}
        faults |= {f"mute-{nth}": (Late(17.0), nth) for nth in (1, 2, 3)}
        asked = ask_with(world, faults)

        assert world.not_injected() == []
        assert {one.ends(fault.kind.done)["phase"] for one in asked} == {"Succeeded"}
        assert {len(one.deletes) for one in asked} == {1}
        each_end_is_told_once(world, asked)


@on(DATED, CLOUD)
def test_07_a_status_that_the_api_server_rejects_loses_no_acceptance(fault: Fault) -> None:
    """422 to the write that records the job id: it is repeated with the id alone. In the cloud there is none,
    and the acceptance is recorded without the server's words.
    """
    with fault.world() as world:
        asked = ask_with(world, {"rejected": (Answer(422), 2), "malformed": (Answer(400), 2)})

        assert world.not_injected() == []
        assert {one.ends(fault.kind.done)["phase"] for one in asked} == {"Succeeded"}
        assert {len(one.deletes) for one in asked} == {1}
        each_end_is_told_once(world, asked)
