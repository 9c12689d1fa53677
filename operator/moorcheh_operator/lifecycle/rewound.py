"""What a history of the API server can't show, and what came back with an earlier one. Pure (docs/safety.md,
rule 18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED

KNOWN_LONG = timedelta(seconds=60)  # what ended is remembered for as long; and clocks may differ


def goes_back(known: Request, request: Request) -> bool:
    """Whether `request` is of an earlier state than `known`, whatever their versions say."""
    return (
        request.generation < known.generation
        or (known.withdrawn and not request.withdrawn)
        or (known.status.phase in ENDED and request.status.phase not in ENDED)
    )


def was_over(request: Request, listed: datetime | None) -> bool:
    """Of one that is not known: all that were unfinished when they were `listed` are."""
    return listed is not None and request.creation_time < listed - KNOWN_LONG


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """What this process knew of a cleanup policy."""

    generation: int
    made_until: datetime | None  # the scheduled time of its last run that was over
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What this process knew of the requests in a history that is lost."""

    listed: datetime  # when all that were unfinished were last seen
    known: Mapping[str, Request] = field(default_factory=dict)  # by uid: those, and what came since
    policies: Mapping[str, KnownPolicy] = field(default_factory=dict)  # by uid

    def lost(self, request: Request) -> str | None:
        """What had become of `request` that it no longer shows; None: nothing that says it is not wanted."""
        known = self.known.get(request.uid)
        if known is None:
            return "it had ended or been deleted" if was_over(request, self.listed) else None
        attempt, shown = known.status.attempt, request.status.attempt
        if known.withdrawn:
            return "it had been deleted"
        if known.status.phase in ENDED:
            return f"it had ended as {known.status.reason}"
        if attempt is not None and (shown is None or shown.id != attempt.id):
            return f"its attempt {attempt.number} had been claimed"
        # An approval since then makes a generation of its own.
        if known.spec.suspend and not request.spec.suspend and request.generation <= known.generation:
            return "it had been suspended"
        return None
