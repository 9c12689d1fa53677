"""Which Kubernetes namespaces are being deleted: one call at a time for each, however many requests ask."""

from __future__ import annotations

import functools
from collections.abc import Callable

from moorcheh_operator.backoff import failed
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError, NamespaceGoneError
from moorcheh_operator.lifecycle.kubernetes_namespace import Active, NamespaceState, Terminating, Untold
from moorcheh_operator.shared_call import SharedCall


class Namespaces:
    def __init__(self, cluster: Cluster, clock: Clock, ends: Callable[[str], None]) -> None:
        """`ends` is told of each namespace that turns out to be being deleted."""
        self._cluster = cluster
        self._clock = clock
        self._ends = ends
        self._known: dict[str, NamespaceState] = {}
        self._calls: dict[str, SharedCall[NamespaceState]] = {}

    def of(self, namespace: str, since: float) -> NamespaceState | None:
        """As it was last told. That it was being deleted counts since `since` (ticks): an earlier one of that
        name may be gone by now.
        """
        state = self._known.get(namespace)
        return None if isinstance(state, Terminating) and state.asked < since else state

    async def ask(self, namespace: str) -> NamespaceState:
        if namespace not in self._calls:
            ask = functools.partial(self._ask_and_tell, namespace)
            self._calls[namespace] = SharedCall(ask, "namespace")
        return await self._calls[namespace].ask()

    def forget(self, before: float) -> None:
        self._known = {name: state for name, state in self._known.items() if state.asked > before}
        self._calls = {name: call for name, call in self._calls.items() if name in self._known or call.tasks}

    async def _ask_and_tell(self, namespace: str) -> NamespaceState:
        state = await self._ask(namespace)
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
            before = known.trouble if isinstance(known, Untold) else None
            return Untold(asked, failed(before, str(error), self._clock.ticks()))
        return Active(asked, self._clock.ticks())
