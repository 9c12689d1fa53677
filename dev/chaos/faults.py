"""The faults, and the rules that say which call or which event of a watch they befall."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from dev.chaos.calls import Call

ALWAYS = -1
HOLD_MOST = 900.0
"""Seconds after which what is held goes on all the same."""


# On calls


@dataclass(frozen=True, slots=True)
class Fail:
    """The connection is closed; the upstream never hears of the call."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The proxy answers. The upstream never hears of the call, or has carried it out (`forwarded`)."""

    status: int
    message: str = "injected"
    headers: tuple[tuple[str, str], ...] = ()
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The proxy answers 200 with this body, an old one."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Late:
    """It is forwarded at once; its answer comes after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """`then` runs before the call is forwarded, once it was answered upstream, or after that answer was
    dropped and the caller has gone on to its next call. The call is not answered in any case.
    """

    then: Callable[[Call], object]
    at: Literal["before", "forwarded", "dropped"] = "before"


# On calls and on events


@dataclass(frozen=True, slots=True)
class Drop:
    """A call is forwarded and takes effect, its answer is lost. An event is left out."""


@dataclass(frozen=True, slots=True)
class Delay:
    """A call is forwarded after so many seconds, even if its caller has gone. An event, and what follows it,
    comes so much later.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """As `Delay`, until the rule is released."""


# On events


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The event comes twice."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is closed in the middle of the event's line."""


@dataclass(frozen=True, slots=True)
class Inject:
    """An ERROR event comes instead, and the watch ends: 410 as after a compaction, 500."""

    code: int


@dataclass(frozen=True, slots=True)
class Stall:
    """From here on nothing comes any more, and the connection stays."""


CallFault = Fail | Answer | Replay | Late | Gate | Drop | Delay | Hold
EventFault = Drop | Delay | Hold | Duplicate | Cut | Inject | Stall


@dataclass(slots=True, eq=False)
class Rule:
    """`what` is a verb for calls, an event type for events; name and resource are globs.

    It befalls the `nth` that matches and the following ones, `count` of them.
    """

    fault: CallFault | EventFault
    what: str = "*"
    resource: str = "*"
    name: str = "*"
    nth: int = 1
    count: int = 1
    when: Callable[[Call], bool] | None = None
    used: int = 0
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let go what a `Hold` holds, and hold nothing more."""
        self.count = 0
        self._released.set()

    async def until_released(self) -> None:
        end = time.monotonic() + HOLD_MOST
        while not self._released.is_set() and time.monotonic() < end:  # noqa: ASYNC110 - from another thread
            await asyncio.sleep(0.02)

    def takes(self, what: str, resource: str, name: str, call: Call) -> bool:
        if self.count == 0:
            return False
        if not (self.what in ("*", what) and fnmatchcase(resource, self.resource)):
            return False
        if not fnmatchcase(name, self.name) or (self.when is not None and not self.when(call)):
            return False
        if self.nth > 1:
            self.nth -= 1
            return False
        self.count -= self.count > 0
        self.used += 1
        return True
