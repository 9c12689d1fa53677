"""Whether a request's Kubernetes namespace is being deleted, as the API server last said. Pure.

Whoever deletes a Kubernetes namespace withdraws what waits in it, but its requests may not show that for as
long as a Pod takes to end. So it is asked, and where the answer is not known nothing is sent (docs/safety.md,
rule 15).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import assert_never

from moorcheh_operator.backoff import Trouble

WAITING_SECONDS = 60.0  # a request that waits asks again after this: no event tells of it
TERMINATING_SECONDS = 10.0  # after an etcd restore it may not be terminating any more


@dataclass(frozen=True, slots=True)
class Active:
    asked: float  # ticks, from before the call
    answered: float = field(default=-math.inf, compare=False)


@dataclass(frozen=True, slots=True)
class Terminating:
    """It is being deleted, or gone."""

    asked: float


@dataclass(frozen=True, slots=True)
class Untold:
    """The API server did not say."""

    asked: float
    trouble: Trouble


NamespaceState = Active | Terminating | Untold


def ask_due(state: NamespaceState | None) -> float:
    """When one that waits asks again (ticks). None: it was never asked."""
    match state:
        case None:
            return -math.inf
        case Active(asked):
            return asked + WAITING_SECONDS
        case Terminating(asked):
            return asked + TERMINATING_SECONDS
        case Untold(trouble=trouble):
            return trouble.until
        case _:
            assert_never(state)


def too_slow(state: NamespaceState | None, since: float, most: float) -> bool:
    """Whether it was asked since then (ticks), and answered more than `most` seconds later, by the call's own
    fault. Half of that is enough: its asker may have waited as long for the call before it.
    """
    return (
        isinstance(state, Active)
        and state.asked >= since
        and state.answered > since + most
        and state.answered - state.asked > most / 2
    )


def active_since(state: NamespaceState | None, ticks: float) -> bool:
    return isinstance(state, Active) and state.asked >= ticks
