"""What is to be told of one server, once: that it can't be asked, that this is over, and what it lacks."""

from __future__ import annotations

import logging
from collections.abc import Callable

UNDATED = (
    "shows no creation times: nothing tells a namespace there from a later one of the same name "
    "(docs/safety.md, rule 8; nameReuse in docs/servers.md)"
)
QUIET_SECONDS = 10.0  # after trouble that is over, before new trouble that ends at once is worth a line

logger = logging.getLogger(__name__)


class Health:
    def __init__(self, server: str, ticks: Callable[[], float]) -> None:
        """`server`: its name and URL, in words."""
        self._server = server
        self._ticks = ticks
        self._words: str | None = None
        self._unreachable = False
        self._told = False
        self._quiet_until = float("-inf")  # ticks
        self.dated: bool | None = None  # whether it shows creation times; None: not known yet

    @property
    def trouble(self) -> str | None:
        """In one line; None: it answers, as far as is known."""
        return self._words and f"the Moorcheh server {self._server} {self._words}"

    @property
    def notices(self) -> list[str]:
        """What whoever runs the operator should know, a line each."""
        undated = [f"the Moorcheh server {self._server} {UNDATED}"] if self.dated is False else []
        return [*([self.trouble] if self.trouble else []), *undated]

    def answered(self) -> None:
        """Whatever it was."""
        if self._unreachable:
            self._over()

    def listed(self, *, dated: bool | None) -> None:
        """`dated`: whether its namespaces show creation times; None: there are none."""
        self._over()
        if dated is None or dated == self.dated:
            return
        if not dated:
            logger.warning("the Moorcheh server %s %s", self._server, UNDATED)
        elif self.dated is False:
            logger.info("the Moorcheh server %s shows creation times now", self._server)
        self.dated = dated

    def is_unreachable(self, error: str) -> None:
        self._fails(f"can't be reached: {error}", unreachable=True)

    def gives_no_listing(self, error: str) -> None:
        self._fails(f"gives no usable listing: {error}", unreachable=False)

    def _fails(self, words: str, *, unreachable: bool) -> None:
        self._words, self._unreachable = words, unreachable
        if not self._told and self._ticks() >= self._quiet_until:
            logger.warning("%s; what is to be deleted there waits, and it is tried again", self.trouble)
            self._told = True

    def _over(self) -> None:
        if self._told:
            logger.info("the Moorcheh server %s answers again", self._server)
            self._quiet_until = self._ticks() + QUIET_SECONDS
        self._words, self._unreachable, self._told = None, False, False
