"""Operators whose wall clock is wrong, by libfaketime; their monotonic clock is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

LIBRARY = next(
    (
        path
        for pattern in ("lib/*/faketime", "lib/faketime")
        for path in Path("/usr").glob(f"{pattern}/libfaketime.so.1")
    ),
    None,
)
needs_faketime = pytest.mark.skipif(
    LIBRARY is None, reason="libfaketime (Debian package faketime) is not installed"
)


def faked(shift: str) -> dict[str, str]:
    """Environment of an operator; `shift` like +1h."""
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
