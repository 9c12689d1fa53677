"""How long to wait before something that failed is tried again. Pure."""

from __future__ import annotations

FIRST = 1.0  # seconds
MOST = 60.0


def backoff(failures: int) -> float:
    """1, 2, 4 … 60 seconds after the n-th failure in a row (n from 1)."""
    return float(min(FIRST * 2.0 ** min(failures - 1, 16), MOST))
