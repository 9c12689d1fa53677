"""The lists that the reconciler trusts: a complete one, then the unfinished requests once a minute."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from moorcheh_operator.api.request import MalformedRequestError
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError, retry_pause

RELIST_SECONDS = 60.0
WATCH_SECONDS = 5.0  # at the most until the first list: one that begins before the watch is made again
CRASH_SECONDS = 5.0  # before a task that raised goes on

logger = logging.getLogger(__name__)


class Relist:
    """`observe` is shown each body as it comes; `check` then gets the uids that were listed, and `complete`
    is called once all has gone well, before `at` says so. Both are told the ticks from before the list.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        namespaces: tuple[str, ...],
        observe: Callable[[dict[str, Any]], None],
        check: Callable[[set[str], float], Awaitable[None]],
        complete: Callable[[float], Awaitable[None]],
    ) -> None:
        self.at: float | None = None
        """The ticks from before the last complete list; None before the first one."""
        self._cluster = cluster
        self._clock = clock
        self._namespaces = namespaces or ("",)
        self._observe = observe
        self._check = check
        self._complete = complete
        self._anew = asyncio.Event()

    @property
    def age(self) -> float | None:
        """Seconds since the last complete list; None before the first one."""
        return None if self.at is None else self._clock.ticks() - self.at

    def anew(self) -> None:
        """A list of all requests is due: the watch has missed what it may, ends too."""
        self._anew.set()

    async def run(self) -> None:
        failures, pause = 0, WATCH_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._anew.wait()
            every = self.at is None or self._anew.is_set()
            self._anew.clear()
            started = self._clock.ticks()
            try:
                await self._list(started, unfinished=not every)
                await self._complete(started)
                self.at = started
            except (ClusterError, MalformedRequestError, KeyError, TypeError) as error:
                failures, pause = failures + 1, 0.0
                if failures == 1:
                    logger.warning("the requests could not be listed, which is tried again: %s", error)
                await asyncio.sleep(retry_pause(failures))
            except Exception:
                # Without lists nothing is claimed and nothing found again: this task must outlive anything.
                logger.exception("unexpected error while listing; going on")
                failures, pause = failures + 1, 0.0
                await asyncio.sleep(CRASH_SECONDS)
            else:
                if failures:
                    logger.info("the requests could be listed again, after %d failures", failures)
                failures, pause = 0, RELIST_SECONDS
                continue
            if every:
                self._anew.set()

    async def _list(self, started: float, *, unfinished: bool) -> None:
        seen = set()
        for namespace in self._namespaces:
            async for body in self._cluster.list(namespace, unfinished=unfinished):
                seen.add(body["metadata"]["uid"])
                self._observe(body)
        await self._check(seen, started)
