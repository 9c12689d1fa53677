"""The listings that the previews of all policies share: one a server and half a minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import LookUpAnswer

from .live_servers import LiveServer

SHARED_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Looked:
    answer: LookUpAnswer
    asked: datetime  # by the cluster's clock
    answered: float  # ticks


class Looks:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, Looked] = {}  # by URL

    async def at(self, server: LiveServer, *, anew: bool) -> Looked:
        known = self._known.get(server.url)
        if known is not None and not anew and self._clock.ticks() < known.answered + SHARED_SECONDS:
            return known
        now = self._clock.now()
        _, answer, answered = await server.moorcheh.look_up()
        self._known[server.url] = looked = Looked(answer, now.time, answered)
        return looked
