"""Who runs and who waits: job slots by age, targets one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from moorcheh_operator.api.request import Request, Seniority
from moorcheh_operator.api.status import Phase
from moorcheh_operator.controller.slots import Slots
from moorcheh_operator.controller.targets import Targets
from moorcheh_operator.lifecycle.facts import Facts
from tests.unit.builders import MADE, NOW, a_request, but, known

NAMESPACE = "team"


def aged(minutes: int) -> Seniority:
    return MADE - timedelta(minutes=minutes), f"uid-{minutes}"


def takes(slots: Slots, age: int, woken: Woken | None = None, namespace: str = NAMESPACE) -> bool:
    seniority = aged(age)
    return slots.take(
        seniority, namespace, lambda: (Woken() if woken is None else woken).append(seniority[1])
    )


class Woken(list[str]):
    def __call__(self, uid: str) -> None:
        self.append(uid)


def test_no_more_slots_are_given_than_there_are() -> None:
    slots = Slots(2)
    assert [takes(slots, n) for n in (1, 2, 3)] == [True, True, False]
    assert slots.used == 2


def test_without_a_limit_everybody_gets_one() -> None:
    slots = Slots(0)
    assert all(takes(slots, n) for n in range(1000))


def test_taking_a_slot_twice_takes_one() -> None:
    slots = Slots(2)
    assert takes(slots, 1)
    assert takes(slots, 1)
    assert slots.used == 1


def test_a_free_slot_wakes_the_oldest_that_waits() -> None:
    woken = Woken()
    slots = Slots(1)
    takes(slots, 1)
    for age in (2, 9, 5):
        assert not takes(slots, age, woken)
    slots.release(aged(1), NAMESPACE)
    assert woken == ["uid-9"]


def test_a_newcomer_does_not_overtake_an_older_one_that_was_woken() -> None:
    slots = Slots(1)
    takes(slots, 1)
    assert not takes(slots, 9)
    slots.release(aged(1), NAMESPACE)
    assert not takes(slots, 2)
    assert takes(slots, 9)


def test_one_that_gives_up_its_place_lets_the_next_one_pass() -> None:
    slots = Slots(1)
    takes(slots, 1)
    assert not takes(slots, 9)
    slots.release(aged(9), NAMESPACE)
    slots.release(aged(1), NAMESPACE)
    assert takes(slots, 2)


def test_a_job_found_running_takes_its_slot_beyond_the_limit() -> None:
    slots = Slots(1)
    for uid in ("uid-7", "uid-8"):
        slots.occupy(uid, NAMESPACE)
    assert slots.used == 2
    slots.release((MADE, "uid-7"), NAMESPACE)
    assert not takes(slots, 1)
    slots.release((MADE, "uid-8"), NAMESPACE)
    assert takes(slots, 1)


def test_a_namespace_with_many_requests_keeps_another_waiting_for_one_slot_only() -> None:
    """However old its own are."""
    woken = Woken()
    slots = Slots(2)
    for age in (100, 99):
        assert takes(slots, age)
    for age in range(50, 60):
        assert not takes(slots, age, woken)
    assert not takes(slots, 1, woken, "another")

    slots.release(aged(100), NAMESPACE)

    assert woken == ["uid-1"]
    assert not takes(slots, 59)
    assert takes(slots, 1, namespace="another")


def test_namespaces_with_as_many_slots_are_served_by_age() -> None:
    slots = Slots(2)
    assert takes(slots, 1)
    assert takes(slots, 2, namespace="another")
    for age, namespace in ((5, NAMESPACE), (6, "another"), (7, NAMESPACE)):
        assert not takes(slots, age, namespace=namespace)

    slots.release(aged(1), NAMESPACE)
    slots.release(aged(2), "another")

    assert [takes(slots, 5), takes(slots, 6, namespace="another"), takes(slots, 7)] == [False, True, True]


def test_more_slots_wake_so_many_more() -> None:
    woken = Woken()
    slots = Slots(1)
    takes(slots, 9)
    for age in (8, 7, 6, 5):
        takes(slots, age, woken)

    slots.resize(3)
    assert woken == ["uid-8", "uid-7"]
    slots.resize(0)
    assert woken[2:] == ["uid-8", "uid-7", "uid-6", "uid-5"]


NOTHING_KNOWN = known()


@dataclass
class Worked:
    request: Request
    facts: Facts = NOTHING_KNOWN


def member(age: int, phase: Phase | None = None, target: str = "docs") -> Worked:
    request = a_request(phase, uid=f"uid-{age}", made=MADE - timedelta(minutes=age))
    return Worked(replace(request, spec=msgspec.structs.replace(request.spec, namespace_name=target)))


def test_the_oldest_has_the_target_and_the_next_one_is_woken_when_it_goes() -> None:
    woken = Woken()
    targets = Targets(woken, lambda: NOW.time)
    old, young = member(9), member(1)
    targets.update(old)
    targets.update(young)
    assert targets.owner(young.request) == old.request
    targets.remove(old)
    assert targets.owner(young.request) == young.request
    assert woken == ["uid-9", "uid-1"]


def test_an_older_one_that_comes_later_does_not_take_it_from_one_whose_job_runs() -> None:
    targets = Targets(Woken(), lambda: NOW.time)
    running, older = member(1, Phase.RUNNING), member(9)
    targets.update(running)
    targets.update(older)
    assert targets.owner(older.request) == running.request


def test_an_older_one_that_comes_later_does_not_take_it_from_a_claim_under_way() -> None:
    targets = Targets(Woken(), lambda: NOW.time)
    claiming, older = member(1), member(9)
    targets.update(claiming)
    claiming.facts = but(claiming.facts, claiming=True)
    targets.update(claiming)
    targets.update(older)
    assert targets.owner(older.request) == claiming.request


def test_targets_are_apart() -> None:
    targets = Targets(Woken(), lambda: NOW.time)
    one, other = member(1, target="one"), member(2, target="other")
    targets.update(one)
    targets.update(other)
    assert targets.owner(one.request) == one.request
    assert targets.owner(other.request) == other.request


def test_the_last_end_of_a_target_is_kept_when_its_object_is_gone() -> None:
    targets = Targets(Woken(), lambda: NOW.time)
    ended = member(5, Phase.SUCCEEDED)
    targets.update(ended)
    targets.note_end(ended.request)
    targets.remove(ended)
    assert targets.last_end(member(1).request) == ended.request.status.completion_time is not None
