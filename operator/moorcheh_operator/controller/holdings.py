"""What one request holds at its server: a job slot, and a connection for its DELETE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moorcheh_operator.api.request import Request
from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.client import Moorcheh
from moorcheh_operator.moorcheh.connection import Connection

from .live_servers import LiveServer


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A connection for a DELETE, from before the look-up to the answer, and whose it is."""

    connection: Connection
    moorcheh: Moorcheh
    since: float  # ticks


class Holdings:
    def __init__(self, request: Request, clock: Clock) -> None:
        self._seniority = request.seniority
        self._namespace = request.namespace
        self._clock = clock
        self.server: LiveServer | None = None  # None: there is none for it
        self.held: Held | None = None

    def move(self, server: LiveServer | None) -> bool:
        """False: it is there already. Its slot, or its place in the queue for one, is given up."""
        if server is self.server:
            return False
        self.release_slot()
        self.server = server
        return True

    async def take(self, wake: Callable[[], None]) -> bool:
        """A slot and a connection; False: no slot is free, and `wake` tells when one may be."""
        if self.server is None or not self.server.slots.take(self._seniority, self._namespace, wake):
            return False
        moorcheh = self.server.moorcheh
        self.held = Held(await moorcheh.acquire(), moorcheh, self._clock.ticks())
        return True

    def occupy_slot(self) -> None:
        """Unasked: a job of it may be running."""
        if self.server is not None:
            self.server.slots.occupy(self._seniority[1], self._namespace)

    def release_slot(self) -> None:
        if self.server is not None:
            self.server.slots.release(self._seniority, self._namespace)

    def let_go(self) -> None:
        """The connection, if there is one."""
        if self.held is not None:
            self.held.moorcheh.release(self.held.connection)
            self.held = None
