"""The labels of Kubernetes namespaces, for servers that choose by them; read anew every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from moorcheh_operator.clock import Clock

from .client import Cluster, ClusterError

FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Read:
    at: float  # ticks
    labels: Mapping[str, str] | str  # or why they can't be told


class Labels:
    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._read: dict[str, _Read] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    def of(self, namespace: str) -> Mapping[str, str] | str | None:
        """None: they were not read yet."""
        read = self._read.get(namespace)
        return read.labels if read else None

    async def refresh(self, namespace: str) -> None:
        """One call at a time, however many ask."""
        read = self._read.get(namespace)
        if read is not None and self._clock.ticks() - read.at < FRESH_SECONDS:
            return
        if namespace not in self._reading:
            self._reading[namespace] = asyncio.create_task(self._fetch(namespace), name="labels")
        await asyncio.shield(self._reading[namespace])

    def forget(self, before: float) -> None:
        self._read = {namespace: read for namespace, read in self._read.items() if read.at > before}

    async def _fetch(self, namespace: str) -> None:
        asked = self._clock.ticks()  # they may have changed since
        labels: Mapping[str, str] | str
        try:
            labels = await self._cluster.labels(namespace)
        except ClusterError as error:
            labels = str(error)
        finally:
            del self._reading[namespace]
        self._read[namespace] = _Read(asked, labels)
