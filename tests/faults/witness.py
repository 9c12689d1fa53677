"""What was really written, whoever was killed meanwhile: every version of the requests, read from etcd.

The API server's own watch has gaps where the API server is killed; etcd's has none.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from tests.integration.invariants import ENDED
from tests.integration.life import History

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    seen: float  # monotonic
    revision: int
    body: Json
    gone: bool = False


class EtcdHistory(History):
    """Follows one Kubernetes namespace. `ready` is set once nothing can be missed any more."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        super().__init__(plane, namespace)
        prefix = f"/registry/moorcheh.ai/namespacedeletions/{namespace}/"
        self._range = {"key": _base64(prefix), "range_end": _base64(prefix[:-1] + "0")}
        self._etcd = f"http://127.0.0.1:{plane._etcd_port}"  # noqa: SLF001 - only a witness asks etcd itself
        self._next = 0
        self._last: dict[str, Json] = {}
        self._log: list[Version] = []
        self._open: dict[str, Json] = {}
        self.ready = threading.Event()

    def log(self) -> list[Version]:
        """All versions in the order in which they were written."""
        with self._changed:
            return list(self._log)

    def unfinished(self) -> list[Json]:
        """The newest versions of what is there and has not ended. Cheap: it is asked for again and again."""
        with self._changed:
            return list(self._open.values())

    async def follow(self) -> None:
        while True:
            try:
                # No read timeout: etcd may be frozen for as long as a test wants it.
                async with httpx.AsyncClient(base_url=self._etcd, trust_env=False, timeout=None) as client:
                    await self._follow(client)
            except (httpx.HTTPError, ValueError):
                await asyncio.sleep(0.1)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        if not self._next:
            found = (await client.post("/v3/kv/range", json=self._range)).raise_for_status().json()
            self._next = int(found["header"]["revision"]) + 1
        request = {"create_request": {**self._range, "start_revision": str(self._next)}}
        async with client.stream("POST", "/v3/watch", json=request) as stream:
            async for line in stream.raise_for_status().aiter_lines():
                result = json.loads(line)["result"]
                if result.get("canceled"):
                    raise ValueError(f"etcd ended the watch: {result}")
                self.ready.set()
                for event in result.get("events", ()):
                    self._take(event)

    def _take(self, event: Json) -> None:
        kept = event["kv"]
        revision, key = int(kept["mod_revision"]), kept["key"]
        self._next = revision + 1
        gone = event.get("type") == "DELETE"
        body = self._last.pop(key) if gone else json.loads(base64.b64decode(kept["value"]))
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(revision)}}
        body.setdefault("status", {})
        if not gone:
            self._last[key] = body
        with self._changed:
            self._log.append(Version(time.monotonic(), revision, body, gone))
            uid = body["metadata"]["uid"]
            if gone or body["status"].get("phase") in ENDED:
                self._open.pop(uid, None)
            else:
                self._open[uid] = body
        self._note(body, gone=gone)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
