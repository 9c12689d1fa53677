"""Makes the requests and sees them end. One connection a request in flight, no models, few bytes read."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from benchmarks.errors import BenchmarkError
from dev.streams import broken_off

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from dev.controlplane import ControlPlane

IN_FLIGHT = 24
SERVED_SECONDS = 30.0
NOT_YET = (404, 429, 503)
"""A resource that is not served yet, or whose storage is made anew."""
API = "/apis/moorcheh.ai/v1alpha1"
PATH = f"{API}/namespaces/default/namespacedeletions"
ENDS = ("Succeeded", "Failed")


class Driver:
    """Knows one API server. The requests are called as the namespaces that they are for."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def __aenter__(self) -> Self:
        trusted = ssl.create_default_context(cafile=str(self._plane.ca_file))
        self._session = aiohttp.ClientSession(
            self._plane.url,
            headers={"Authorization": f"Bearer {self._plane.admin_token}"},
            connector=aiohttp.TCPConnector(ssl=trusted, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def create(self, names: Iterable[str], **spec: object) -> dict[str, float]:
        """By name, when (monotonic) its creation was sent: what latencies count from."""
        sent: dict[str, float] = {}

        async def one(name: str) -> None:
            sent[name] = time.monotonic()
            await self.create_one(name, **spec)

        await run_all(one, names)
        return sent

    async def create_one(self, name: str, **spec: object) -> None:
        await self._send("POST", PATH, _request(name, **spec), "application/json")

    async def create_finished(self, names: Iterable[str]) -> None:
        async def one(name: str) -> None:
            await self.create_one(name)
            status = {"status": _finished(name)}
            await self._send("PATCH", f"{PATH}/{name}/status", status, "application/merge-patch+json")

        await run_all(one, names)

    @asynccontextmanager
    async def audience(self, size: int) -> AsyncIterator[None]:
        """So many watch all requests."""

        async def watch() -> None:
            while True:  # the API server ends watches after a CRD has changed
                async with broken_off(self._session.get(PATH, params={"watch": "1"})) as stream:
                    async for _ in stream.content.iter_any():
                        pass

        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(watch()) for _ in range(size)]
            try:
                yield
            finally:
                for one in watching:
                    one.cancel()

    @asynccontextmanager
    async def witness(self) -> AsyncIterator[Witness]:
        """Sees each end from now on."""
        seen = Witness()
        async with asyncio.TaskGroup() as group:
            followers = [group.create_task(self._follow(end, seen)) for end in ENDS]
            try:
                await asyncio.gather(*(seen.watching[end].wait() for end in ENDS))
                yield seen
            finally:
                for follower in followers:
                    follower.cancel()

    async def _follow(self, end: str, seen: Witness) -> None:
        """The API server selects: an object comes through the watch once it has ended, not at each write."""
        selected = {"fieldSelector": f"status.phase={end}"}
        version = await self._version({**selected, "limit": "1"}, lambda _: None)
        while True:  # the API server ends watches after a CRD has changed, and slow ones when it is busy
            query = {**selected, "watch": "1", "resourceVersion": version}
            async with broken_off(self._session.get(PATH, params=query)) as stream:
                stream.raise_for_status()
                seen.watching[end].set()
                async for line in stream.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":  # the version is too old by now
                        version = await self._version(selected, lambda body: seen.note(end, body))
                        break
                    seen.note(end, event["object"])
                    version = event["object"]["metadata"]["resourceVersion"]

    async def _version(self, query: dict[str, str], note: Callable[[dict[str, Any]], None]) -> str:
        """Of a list, to watch from."""
        listed = json.loads(await self._call("GET", PATH, params=query))
        for body in listed["items"]:
            note(body)
        return str(listed["metadata"]["resourceVersion"])

    async def _send(self, method: str, path: str, body: dict[str, Any], kind: str) -> None:
        await self._call(method, path, data=json.dumps(body).encode(), headers={"Content-Type": kind})

    async def _call(self, method: str, path: str, **more: Any) -> bytes:
        """The answer's body. Patient with an API server that has just learned of the CRD."""
        deadline = time.monotonic() + SERVED_SECONDS
        while True:
            async with self._session.request(method, path, **more) as answer:
                body = await answer.read()
            if answer.ok:
                return body
            if answer.status not in NOT_YET or time.monotonic() > deadline:
                raise BenchmarkError(f"{method} {path}: HTTP {answer.status}: {body.decode()[:300]}")
            await asyncio.sleep(0.05)


class Witness:
    """When (monotonic) each request was first seen to have ended, by a watch."""

    def __init__(self) -> None:
        self.watching = {end: asyncio.Event() for end in ENDS}
        self.ended: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        """By name, the status' message."""
        self._changed = asyncio.Event()

    def note(self, end: str, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        self.ended.setdefault(name, time.monotonic())
        if end == "Failed":
            self.failed.setdefault(name, body["status"].get("message", ""))
        self._changed.set()

    async def until(self, count: int, within: float, *, alive: Callable[[], bool]) -> bool:
        """Whether so many have ended in time; sooner false if one failed or the operator ended."""
        deadline = time.monotonic() + within
        while len(self.ended) < count:
            if self.failed or not alive() or time.monotonic() > deadline:
                return False
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), 0.5)
            except TimeoutError:
                continue
        return True


async def run_all(act: Callable[[str], Awaitable[object]], names: Iterable[str]) -> None:
    """For each name, IN_FLIGHT at a time, in order."""
    waiting = iter(names)

    async def work() -> None:
        for name in waiting:
            await act(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


def _request(name: str, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": name},
        "spec": {"namespaceName": name, **spec},
    }


def _finished(name: str) -> dict[str, Any]:
    """A status as this operator leaves it: as large as real ones are."""
    time, server_time = "2026-11-23T12:00:05Z", "2026-11-23T12:00:05.123Z"
    reason, message = "DeletionCompleted", f'The server deleted namespace "{name}" with 50 items.'
    told = {"observedGeneration": 1, "lastTransitionTime": time, "reason": reason, "message": message}
    job = f"job-{name:0>32.32}"
    return {
        "observedGeneration": 1,
        "phase": "Succeeded",
        "reason": reason,
        "message": message,
        "target": {
            "found": True,
            "itemCount": 50,
            "creationTime": server_time,
            "observationTime": time,
        },
        "attempt": {"number": 1, "id": "6f1d3a52-0c1f-4a8e-9d7d-2a6f6a1f7c11", "startTime": time},
        "job": {
            "id": job,
            "status": "completed",
            "totalItems": 50,
            "deletedItems": 50,
            "startTime": server_time,
            "updateTime": server_time,
            "finishTime": server_time,
        },
        "progress": "50/50 (100%)",
        "startTime": time,
        "completionTime": time,
        "conditions": [{"type": kind, "status": "True", **told} for kind in ("Ready", "Finished")],
    }
