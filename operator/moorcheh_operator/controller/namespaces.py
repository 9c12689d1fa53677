"""Which Kubernetes namespaces are being deleted: one call at a time for each, however many requests ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from moorcheh_operator.backoff import backoff
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError, NamespaceGoneError
from moorcheh_operator.lifecycle.kubernetes_namespace import Active, NamespaceState, Terminating, Untold


class Namespaces:
    def __init__(self, cluster: Cluster, clock: Clock, ends: Callable[[str], None]) -> None:
        """`ends` is told of each namespace that turns out to be being deleted."""
        self._cluster = cluster
        self._clock = clock
        self._ends = ends
        self._known: dict[str, NamespaceState] = {}
        self._running: dict[str, asyncio.Task[NamespaceState]] = {}
        self._next: dict[str, asyncio.Task[NamespaceState]] = {}

    def of(self, namespace: str, since: float) -> NamespaceState | None:
        """As it was last told. That it was being deleted counts since `since` (ticks): an earlier one of that
        name may be gone by now.
        """
        state = self._known.get(namespace)
        return None if isinstance(state, Terminating) and state.asked < since else state

    async def ask(self, namespace: str) -> NamespaceState:
        """By a call that starts after this one. Everyone who asked before it started gets its answer."""
        if namespace not in self._next:
            asking = self._ask_after(self._running.get(namespace), namespace)
            self._next[namespace] = asyncio.create_task(asking, name="namespace")
        return await asyncio.shield(self._next[namespace])

    def forget(self, before: float) -> None:
        self._known = {name: state for name, state in self._known.items() if state.asked > before}

    async def _ask_after(
        self, running: asyncio.Task[NamespaceState] | None, namespace: str
    ) -> NamespaceState:
        if running is not None:
            await asyncio.wait([running])
        self._running[namespace] = self._next.pop(namespace)
        try:
            state = await self._ask(namespace)
        finally:
            if namespace not in self._next:
                del self._running[namespace]
        before, self._known[namespace] = self._known.get(namespace), state
        if isinstance(state, Terminating) and not isinstance(before, Terminating):
            self._ends(namespace)
        return state

    async def _ask(self, namespace: str) -> NamespaceState:
        asked = self._clock.ticks()
        try:
            await self._cluster.check_namespace(namespace)
        except NamespaceGoneError:
            return Terminating(asked)
        except ClusterError as error:
            known = self._known.get(namespace)
            count = known.count + 1 if isinstance(known, Untold) else 1
            return Untold(asked, str(error), count, self._clock.ticks() + backoff(count))
        return Active(asked, self._clock.ticks())
