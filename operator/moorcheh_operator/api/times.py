"""Times as the API server and Moorcheh write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

JsonObject = Mapping[str, Any]

Time = Annotated[datetime, Meta(tz=True)]
"""As Kubernetes has it: RFC 3339, to the second, with a zone."""

TO_THE_SECOND = re.compile(r"\d{4}-\d\d-\d\d.\d\d:\d\d:\d\d", re.ASCII)
PLAUSIBLE_YEARS = range(1980, 2200)


def parse_time(text: object) -> datetime | None:
    """An ISO 8601 time as aware UTC; without a zone it is taken as UTC; None if it can't be read.

    A bare date, or a time without seconds, is none: two incarnations of one day or minute would look alike.
    """
    if not isinstance(text, str) or not TO_THE_SECOND.match(text):
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_birth(text: object) -> datetime | None:
    """When a namespace was created, as the server tells it; None if that names no incarnation.

    Year 1 and 1970 stand for "not known" in many a server: all incarnations would look alike.
    """
    time = parse_time(text)
    return time if time is not None and time.year in PLAUSIBLE_YEARS else None


def render_time(time: datetime) -> str:
    """As Kubernetes writes a `metav1.Time`: UTC, whole seconds."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
