"""etcd, asked by itself: what it holds, and how large that is."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dev.controlplane import ControlPlane

IN_FLIGHT = 16
REQUESTS = "/registry/moorcheh.ai/namespacedeletions/default/"
EVENTS = "/registry/events/default/"


@dataclass(frozen=True)
class Room:
    """Bytes. What is in use is less than the file: only a defragmentation makes that smaller."""

    file: int
    in_use: int


class Etcd:
    def __init__(self, plane: ControlPlane) -> None:
        self._url = plane.etcd_url

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(self._url, timeout=aiohttp.ClientTimeout(total=600))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def room(self) -> Room:
        status = await self._post("/v3/maintenance/status", {})
        return Room(int(status["dbSize"]), int(status["dbSizeInUse"]))

    async def compact(self) -> None:
        """All but the newest version of everything goes, as the API server has it done every 5 minutes."""
        found = await self._post("/v3/kv/range", {"key": _base64("x"), "count_only": True})
        revision = {"revision": found["header"]["revision"], "physical": True}
        await self._post("/v3/kv/compaction", revision)

    async def defragment(self) -> None:
        await self._post("/v3/maintenance/defragment", {})

    async def values(self, prefix: str, most: int = 500) -> list[bytes]:
        query = {"key": _base64(prefix), "range_end": _base64(prefix[:-1] + "0"), "limit": most}
        found = await self._post("/v3/kv/range", query)
        return [base64.b64decode(kept["value"]) for kept in found.get("kvs", ())]

    async def put(self, entries: Iterable[tuple[str, bytes]]) -> None:
        waiting = iter(entries)

        async def work() -> None:
            for key, value in waiting:
                await self._post(
                    "/v3/kv/put", {"key": _base64(key), "value": base64.b64encode(value).decode()}
                )

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._session.post(path, data=json.dumps(body)) as answer:
            answer.raise_for_status()
            return json.loads(await answer.read())


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
