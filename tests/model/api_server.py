"""The API server's part in a fault: it keeps objects, checks versions, tells its watchers late or never.

`Link` is one operator's connection to it. It is the real `Cluster` with the one method replaced that would
open a socket, so paths, patches, versions and what an answer means are the product's own.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from moorcheh_operator.api.request import GROUP, KIND, PLURAL, VERSION
from moorcheh_operator.api.times import render_time
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import UNFINISHED, Cluster, ClusterError, _Answer
from moorcheh_operator.cluster.history import History

EPOCH = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATENCY = 0.01  # seconds, each way
NAMESPACE = "team"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WriteFault:
    """What happens to one status write."""

    lands: float | None = LATENCY  # seconds after it left; None: never
    answers: float | None = LATENCY  # seconds after it landed; None: never
    code: int | None = None  # an error that is answered instead, `answers` seconds later
    takes_effect: bool = False  # though an error is answered


class ApiServer:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.objects: dict[str, Json] = {}
        self.watchers: list[Callable[[Json, bool], None]] = []
        self.judges: list[Callable[[Json, Json], None]] = []
        self.ended: float | None = None  # when the Kubernetes namespace was deleted; what is in it stays
        self.vague_until = 0.0  # until then it does not say whether that was so
        self._version = 0
        self._made = 0
        self._snapshot: tuple[int, float | None, dict[str, Json]] | None = None

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time())

    def make(self, spec: Json, name: str | None = None) -> str:
        self._made += 1
        name = name or f"wipe-{self._made}"
        self.objects[name] = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": {
                "namespace": NAMESPACE,
                "name": name,
                "uid": f"uid-{self._made}",
                "generation": 1,
                "creationTimestamp": render_time(self.now()),
            },
            "spec": spec,
            "status": {"observedGeneration": -1},
        }
        self._changed(name)
        return name

    def edit(self, name: str, **spec: object) -> None:
        body = self.objects[name]
        if {**body["spec"], **spec} != body["spec"]:
            body["spec"] = {**body["spec"], **spec}
            body["metadata"]["generation"] += 1
            self._changed(name)

    def touch(self, name: str) -> None:
        """Somebody labels it."""
        self._changed(name)

    def remove(self, name: str) -> None:
        body = self.objects.pop(name)
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self._tell(body, gone=True)

    def withdraw(self, name: str) -> None:
        """Deleted, and kept by somebody's finalizer."""
        metadata = self.objects[name]["metadata"]
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = render_time(self.now())
            metadata["generation"] += 1
            self._changed(name)

    def end_namespace(self) -> None:
        if self.ended is None:
            self.ended = self._loop.time()

    def take_snapshot(self) -> None:
        self._snapshot = self._version, self.ended, copy.deepcopy(self.objects)

    def restore(self) -> int:
        """As it was at the last snapshot. No watcher is told. Returns the newest version that is lost."""
        lost = self._version
        assert self._snapshot is not None
        self._version, self.ended, objects = self._snapshot
        self.objects = copy.deepcopy(objects)
        return lost

    def go_on_to(self, version: int) -> None:
        """Others write."""
        self._version = max(self._version, version)

    def _changed(self, name: str) -> None:
        self._version += 1
        body = self.objects[name]
        body["metadata"]["resourceVersion"] = str(self._version)
        self._tell(body, gone=False)

    def _tell(self, body: Json, *, gone: bool) -> None:
        for watcher in self.watchers:
            watcher(copy.deepcopy(body), gone)

    def handle(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Json]:
        root = f"/apis/{GROUP}/{VERSION}"
        name = path.removeprefix(f"{root}/namespaces/{NAMESPACE}/{PLURAL}/").removesuffix("/status")
        if method == "GET" and path == f"{root}/{PLURAL}":
            return 200, {"items": self._listed(query), "metadata": {"resourceVersion": str(self._version)}}
        if method == "POST":
            return self._created()
        if name not in self.objects:
            return 404, {"message": "not found"}
        if method == "PATCH":
            return self._patch_status(name, body, query.get("fieldManager", ""))
        return 200, copy.deepcopy(self.objects[name])

    def _created(self) -> tuple[int, Json]:
        """An Event."""
        if self._loop.time() < self.vague_until:
            return 500, {"message": "etcdserver: request timed out"}
        if self.ended is None:
            return 201, {}
        causes = [{"reason": "NamespaceTerminating"}]
        return 403, {"message": f"{NAMESPACE} is being terminated", "details": {"causes": causes}}

    def _listed(self, query: dict[str, str]) -> list[Json]:
        unfinished = query.get("fieldSelector") == UNFINISHED
        ended = ("Succeeded", "Failed")
        return [
            copy.deepcopy(body)
            for body in self.objects.values()
            if not (unfinished and body["status"].get("phase") in ended)
        ]

    def _patch_status(self, name: str, patch: Json, manager: str) -> tuple[int, Json]:
        body = self.objects[name]
        version = patch.get("metadata", {}).get("resourceVersion")
        if version not in (None, body["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified"}
        before = copy.deepcopy(body)
        body["status"] = _merged(body["status"], patch["status"])
        if body["status"].get("reason") != before["status"].get("reason"):
            fields: Json = {"f:status": {"f:reason": {}}}
            entry = {"manager": manager, "subresource": "status", "fieldsV1": fields}
            body["metadata"]["managedFields"] = [entry]
        if body["status"] != before["status"]:
            self._changed(name)
            for judge in self.judges:
                judge(before, copy.deepcopy(body))
        return 200, copy.deepcopy(body)


def _merged(old: Json, patch: Json) -> Json:
    """RFC 7386."""
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict):
            new[key] = _merged(new.get(key) or {}, value)
        else:
            new[key] = value
    return new


@dataclass(eq=False)
class Trouble:
    """What one operator's connection goes through."""

    writes: deque[WriteFault] = field(default_factory=deque)
    rejects: Callable[[Json], bool] = lambda _: False  # statuses that the schema does not take
    down_until: float = 0.0
    unlisted_until: float = 0.0  # lists fail, all else works
    watch_lag: float = LATENCY
    deaf_until: float = 0.0  # what happens until then is never told
    namespace_seconds: float = 0.0  # that the API server takes to say whether a namespace is being deleted


class Link(Cluster):
    def __init__(self, server: ApiServer, clock: Clock, trouble: Trouble) -> None:
        """Opens nothing."""
        self.history = History()
        self._server = server
        self._trouble = trouble
        self._clock = clock
        self._manager = f"link-{id(self)}"
        self.left: dict[str, float] = {}  # when the write that claims an attempt left (ticks)

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: object = None,
        *,
        lane: str = "",  # noqa: ARG002 - nobody waits here
    ) -> _Answer:
        loop = asyncio.get_running_loop()
        started = loop.time()
        listing = method == "GET" and path.endswith(f"/{PLURAL}")
        if started < self._trouble.down_until or (listing and started < self._trouble.unlisted_until):
            await asyncio.sleep(LATENCY)
            raise ClusterError("down")
        if (query or {}).get("dryRun"):
            await asyncio.sleep(self._trouble.namespace_seconds)
        fault = self._fault_of_write(body, started) if method == "PATCH" else WriteFault()
        sent = json.loads(json.dumps(body))
        answer: asyncio.Future[tuple[int, Json]] = loop.create_future()

        def answered(status: int, data: Json) -> None:
            if not answer.done():
                answer.set_result((status, data))

        def arrived() -> None:
            status, data = self._server.handle(method, path, query or {}, sent)
            if fault.answers is not None:
                loop.call_later(fault.answers, answered, status, data)

        if fault.code is not None:
            if fault.takes_effect:
                loop.call_soon(self._server.handle, method, path, query or {}, sent)
            loop.call_later(fault.answers or LATENCY, answered, fault.code, {"message": "no"})
        elif fault.lands is not None:
            loop.call_later(fault.lands, arrived)
        patience = 3 * LATENCY if fault.answers is None or fault.lands is None else 15.0
        try:
            async with asyncio.timeout(patience):
                status, data = await answer
        except TimeoutError as error:
            raise ClusterError("no answer") from error
        date = format_datetime(self._server.now().replace(microsecond=0), usegmt=True)
        self._clock.cluster.observe(date, started, loop.time())
        return _Answer(status, json.dumps(data).encode())

    def _fault_of_write(self, body: object, ticks: float) -> WriteFault:
        self._note_claim(body, ticks)
        if self._trouble.writes:
            return self._trouble.writes.popleft()
        rejected = isinstance(body, dict) and self._trouble.rejects(body["status"])
        return WriteFault(code=422 if rejected else None)

    def _note_claim(self, body: object, ticks: float) -> None:
        attempt = body["status"].get("attempt") if isinstance(body, dict) else None
        if attempt and "id" in attempt:
            self.left.setdefault(attempt["id"], ticks)
