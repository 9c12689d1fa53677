"""What a look says about the incarnation that a request is bound to (docs/safety.md, rules 5 to 7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum

from moorcheh_operator.api.status import Target
from moorcheh_operator.api.times import parse_birth
from moorcheh_operator.servers.definitions import NameReuse

from .facts import Look

CLOCK_ERROR = timedelta(seconds=2)  # how far two clocks read from `Date` headers may be off
LOOK_GAP = 5.0  # seconds between two looks that must agree (rules 5 and 6)


class Incarnation(Enum):
    ABSENT = "the name is not in the listing"
    REPLACED = "a strictly newer incarnation has the name"
    SAME = "it is the target: its creation time is shown, or its name is known to be used by no other"
    UNCLEAR = "the name is there, but nothing proves which incarnation it is"


def is_dated(target: Target | None) -> bool:
    """Whether the target has a creation time that can be read; one that can't counts as missing."""
    return target is not None and parse_birth(target.creation_time) is not None


def incarnation(look: Look, target: Target | None, name_reuse: NameReuse = NameReuse.POSSIBLE) -> Incarnation:
    if look.entry is None:
        return Incarnation.ABSENT
    if name_reuse is NameReuse.NEVER and target is not None and not is_dated(target):
        same = look.entry.creation_time == target.creation_time
        return Incarnation.SAME if same else Incarnation.UNCLEAR
    bound = parse_birth(target.creation_time) if target else None
    shown = parse_birth(look.entry.creation_time)
    if bound is None or shown is None or shown < bound:
        return Incarnation.UNCLEAR
    return Incarnation.SAME if shown == bound else Incarnation.REPLACED


def agreed(
    looks: Sequence[Look],
    target: Target | None,
    since: float,
    gap: float,
    name_reuse: NameReuse = NameReuse.POSSIBLE,
) -> Incarnation | None:
    """What the latest looks agree on, if two of them at least `gap` seconds apart do; else None.

    Only looks that started at `since` (ticks) or later count, and only an unbroken run of the same verdict.
    """
    run: list[Look] = []
    for look in reversed(looks):
        if look.started < since:
            break
        if run and incarnation(look, target, name_reuse) is not incarnation(run[0], target, name_reuse):
            break
        run.append(look)
    if not run or run[0].started - run[-1].answered < gap:
        return None
    return incarnation(run[0], target, name_reuse)
