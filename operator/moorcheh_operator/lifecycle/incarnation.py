"""What a look says about the incarnation that a request is bound to (docs/safety.md, rules 5 to 7)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from moorcheh_operator.api.status import Target
from moorcheh_operator.api.times import parse_birth

from .facts import Look

LOOK_GAP = 5.0  # seconds between two looks that must agree (rules 5 and 6)


class Incarnation(Enum):
    ABSENT = "the name is not in the listing"
    REPLACED = "a strictly newer incarnation has the name"
    SAME = "the target's own creation time is shown"
    UNCLEAR = "the name is there, but nothing proves which incarnation it is"


def is_dated(target: Target | None) -> bool:
    """Whether the target has a creation time that can be read; one that can't counts as missing."""
    return target is not None and parse_birth(target.creation_time) is not None


def incarnation(look: Look, target: Target | None) -> Incarnation:
    if look.entry is None:
        return Incarnation.ABSENT
    bound = parse_birth(target.creation_time) if target else None
    shown = parse_birth(look.entry.creation_time)
    if bound is None or shown is None or shown < bound:
        return Incarnation.UNCLEAR
    return Incarnation.SAME if shown == bound else Incarnation.REPLACED


def agreed(looks: Sequence[Look], target: Target | None, since: float, gap: float) -> Incarnation | None:
    """What the latest looks agree on, if two of them at least `gap` seconds apart do; else None.

    Only looks that started at `since` (ticks) or later count, and only an unbroken run of the same verdict.
    """
    run: list[Look] = []
    for look in reversed(looks):
        if look.started < since or (run and incarnation(look, target) is not incarnation(run[0], target)):
            break
        run.append(look)
    if not run or run[0].started - run[-1].answered < gap:
        return None
    return incarnation(run[0], target)
