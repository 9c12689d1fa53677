"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


WITHIN = 120.0
"""Seconds; how long what takes one may take on a busy machine. Nothing that holds ever waits so long."""


def until(condition: Callable[[], object], *, within: float = WITHIN) -> bool:
    """Whether the condition came true within that many seconds."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
