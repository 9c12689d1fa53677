"""How long to wait before something that failed is tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 1.0  # seconds
MOST = 60.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Failures in a row of one kind of call, and when to try again (ticks)."""

    error: str
    count: int
    until: float
    refused: bool = False


def backoff(failures: int) -> float:
    """1, 2, 4 … 60 seconds after the n-th failure in a row (n from 1)."""
    return float(min(FIRST * 2.0 ** min(failures - 1, 16), MOST))


def failed(before: Trouble | None, error: str, ticks: float) -> Trouble:
    """One failure more, at `ticks`."""
    count = before.count + 1 if before else 1
    return Trouble(error, count, until=ticks + backoff(count))
