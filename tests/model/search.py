"""Every state that a model can reach, each visited once, and the shortest way to the first that is wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S", bound=Hashable)


class Move(NamedTuple, Generic[S]):
    label: str
    state: S
    fault: bool = False  # something that need not happen
    broken: str | None = None  # what may never happen, and did in this move


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    states: int
    moves: int
    broken: str | None  # None: nothing wrong was found
    trace: tuple[str, ...]  # the moves that led there
    stuck: S | None = field(repr=False)  # a state from which no good end can be reached without faults

    def __str__(self) -> str:
        steps = "\n".join(f"{number:3}. {label}" for number, label in enumerate(self.trace, 1))
        return f"{self.states} states, {self.moves} moves: {self.broken or 'nothing is wrong'}\n{steps}"


def search(
    first: S,
    moves: Callable[[S], Iterable[Move[S]]],
    good_end: Callable[[S], bool],
    kind: Callable[[S], Hashable],
) -> Outcome[S]:
    """Breadth first, so that a trace is as short as it can be. Stops at the first broken move.

    `kind`: states of one kind differ in names only, so one of them is enough.
    """
    numbers: dict[Hashable, int] = {kind(first): 0}
    states = [first]
    came: list[tuple[int, str]] = [(-1, "")]
    back: list[list[int]] = [[]]  # by which states each is reached without a fault
    queue = deque([0])
    count = 0
    while queue:
        here = queue.popleft()
        for label, state, fault, broken in moves(states[here]):
            count += 1
            if broken is not None:
                return Outcome(len(states), count, broken, (*_way(came, here), label), None)
            number = numbers.setdefault(kind(state), len(states))
            if number == len(states):
                states.append(state)
                came.append((here, label))
                back.append([])
                queue.append(number)
            if not fault:
                back[number].append(here)
    lost = _never_good(states, back, good_end)
    if lost is None:
        return Outcome(len(states), count, None, (), None)
    return Outcome(len(states), count, "no end can be reached any more", _way(came, lost), states[lost])


def _way(came: list[tuple[int, str]], number: int) -> tuple[str, ...]:
    labels: list[str] = []
    while number > 0:
        number, label = came[number]
        labels.append(label)
    return tuple(reversed(labels))


def _never_good(states: list[S], back: list[list[int]], good_end: Callable[[S], bool]) -> int | None:
    reached = [good_end(state) for state in states]
    todo = [number for number, good in enumerate(reached) if good]
    while todo:
        for before in back[todo.pop()]:
            if not reached[before]:
                reached[before] = True
                todo.append(before)
    return next((number for number, good in enumerate(reached) if not good), None)
