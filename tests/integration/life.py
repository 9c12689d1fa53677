"""A world to live a request's life in: a stand-in, an operator process, and a watch that sees it all."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

import httpx

from dev.moorcheh.standin import StandIn
from dev.operator_process import OperatorProcess
from tests.dev.waiting import WITHIN, until
from tests.integration.background import Background
from tests.integration.invariants import ENDED, check_invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from dev.controlplane import ControlPlane
    from dev.moorcheh.standin import Recorded, SeenDelete

Json = dict[str, Any]
API = "/apis/moorcheh.ai/v1alpha1"
OPTIONS = {
    "MOORCHEH_TIMEOUT_SECONDS": "5",
    "MOORCHEH_VERIFY_SECONDS": "20",
    "MOORCHEH_MAX_RUNNING_JOBS": "0",
}


def client_options(plane: ControlPlane) -> dict[str, Any]:
    """For httpx, as the admin."""
    return {
        "base_url": plane.url,
        "headers": {"Authorization": f"Bearer {plane.admin_token}"},
        "verify": ssl.create_default_context(cafile=str(plane.ca_file)),
        "trust_env": False,
        "timeout": 30,
    }


class History:
    """Every version of the requests in one Kubernetes namespace, as a watch shows them."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._path = f"{API}/namespaces/{namespace}/namespacedeletions"
        self._versions: dict[str, list[Json]] = {}
        self._gone: set[str] = set()
        self._changed = threading.Condition()

    def versions(self, uid: str) -> list[Json]:
        """Oldest first."""
        with self._changed:
            return list(self._versions.get(uid, ()))

    def objects(self) -> dict[str, list[Json]]:
        with self._changed:
            return {uid: list(versions) for uid, versions in self._versions.items()}

    def is_gone(self, uid: str) -> bool:
        with self._changed:
            return uid in self._gone

    def wait(self, condition: Callable[[], bool], within: float) -> bool:
        end = time.monotonic() + within
        with self._changed:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    async def follow(self) -> None:
        """Until cancelled, through every outage of the API server."""
        async with httpx.AsyncClient(**client_options(self._plane)) as client:
            while True:
                try:
                    await self._list_and_watch(client)
                except (httpx.HTTPError, ValueError):
                    await asyncio.sleep(0.1)

    async def _list_and_watch(self, client: httpx.AsyncClient) -> None:
        listed = (await client.get(self._path)).raise_for_status().json()
        for body in listed["items"]:
            self._note(body)
        query = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
        async with client.stream("GET", self._path, params=query, timeout=600) as stream:
            async for line in stream.raise_for_status().aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._note(event["object"], gone=event["type"] == "DELETED")

    def _note(self, body: Json, *, gone: bool = False) -> None:
        uid = body["metadata"]["uid"]
        with self._changed:
            versions = self._versions.setdefault(uid, [])
            if (
                not versions
                or versions[-1]["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]
            ):
                versions.append(body)
            if gone:
                self._gone.add(uid)
            self._changed.notify_all()


class Asked:
    """One request: what became of it."""

    def __init__(self, world: World, body: Json) -> None:
        self._world = world
        self.name: str = body["metadata"]["name"]
        self.uid: str = body["metadata"]["uid"]
        self.target: str = body["spec"]["namespaceName"]
        self.made: str = body["metadata"]["creationTimestamp"]

    @property
    def versions(self) -> list[Json]:
        return self._world.history.versions(self.uid)

    @property
    def status(self) -> Json:
        """The newest."""
        return self.versions[-1]["status"] if self.versions else {}

    @property
    def trail(self) -> list[str]:
        """Each phase and reason it was seen in, in order."""
        shown = [_shown(body["status"]) for body in self.versions]
        return [one for one, _ in groupby(shown)]

    @property
    def deletes(self) -> list[SeenDelete]:
        """Those on the wire that were sent for it."""
        sent = self._world.moorcheh.record()["deletes"]
        return [delete for delete in sent if (delete["request_id"] or "").startswith(f"{self.uid}/")]

    @property
    def finished(self) -> bool:
        return self.status.get("phase") in ENDED

    def until(self, condition: Callable[[Json], object], *, within: float = WITHIN) -> Json:
        """The first version that meets the condition, also one of the past."""

        def found() -> list[Json]:
            return [body for body in self.versions if condition(body)]

        self._world.history.wait(lambda: bool(found()), within)
        met = found()
        assert met, f"{self.name} did not get there within {within} s: {self.trail} {self.status}"
        return met[0]

    def reaches(self, shown: str, *, within: float = WITHIN) -> Json:
        """The status when it first showed this "Phase/Reason" (or "Phase"); fails at once at another end."""

        def passed() -> bool:
            return self.finished or any(_matches(body["status"], shown) for body in self.versions)

        self._world.history.wait(passed, within)
        met = [body["status"] for body in self.versions if _matches(body["status"], shown)]
        assert met, f"{self.name} was never {shown}: {self.trail} {self.status}"
        return dict(met[0])

    def ends(self, shown: str, *, within: float = WITHIN) -> Json:
        """The status it ended with, which must be this "Phase/Reason"."""
        self._world.history.wait(lambda: self.finished, within)
        assert shown == _shown(self.status), f"{self.name}: {self.trail} {self.status}"
        return self.status

    def change(self, **spec: object) -> httpx.Response:
        """A merge patch of the spec."""
        return self._world.change(self.name, spec)

    def withdraw(self) -> None:
        """Delete the object, and see it gone."""
        self._world.http.delete(f"{self._world.path}/{self.name}").raise_for_status()
        assert self._world.history.wait(lambda: self._world.history.is_gone(self.uid), WITHIN)

    def sees_event(self, kind: str, reason: str) -> None:
        """Events follow the writes, and may come a moment later."""
        assert until(lambda: (kind, reason) in self.events()), self.events()

    def events(self) -> list[tuple[str, str]]:
        """Type and reason of each Event about it, in any order."""
        listed = self._world.http.get(
            f"/api/v1/namespaces/{self._world.namespace}/events",
            params={"fieldSelector": f"involvedObject.uid={self.uid}"},
        )
        return [(event["type"], event["reason"]) for event in listed.raise_for_status().json()["items"]]


class World:
    """Starts one stand-in (with these knobs), one operator (with these options) that serves one fresh
    Kubernetes namespace as its own service account, and a watch of that namespace. A context manager.
    """

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        *,
        knobs: dict[str, Any] | None = None,
        operator_up: bool = True,
        moorcheh_url: str = "",
        moorcheh: StandIn | None = None,
        options: dict[str, str] | None = None,
        denials: int | None = 0,
    ) -> None:
        """`denials`: how many calls the operator's rights may not be enough for at most. None: any number,
        as an API server that has just started denies what it has not read the roles for yet.
        """
        self.plane = plane
        self._denials = denials
        self._denied_before = 0
        self.namespace = f"life-{uuid.uuid4()}"
        self.path = f"{API}/namespaces/{self.namespace}/namespacedeletions"
        self.http = httpx.Client(**client_options(plane))
        self.moorcheh = moorcheh or StandIn(folder / "moorcheh", **{"job_seconds": 0.3} | (knobs or {}))
        self.history = History(plane, self.namespace)
        self.operator = OperatorProcess(
            kubeconfig=plane.kubeconfig_for("operator"),
            moorcheh_url=moorcheh_url or self.moorcheh.url,
            output=folder / "operator.log",
            WATCH_NAMESPACES=self.namespace,
            **OPTIONS | (options or {}),
        )
        self._operator_up = operator_up
        self._own_moorcheh = moorcheh is None
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.http)
            self.http.post(
                "/api/v1/namespaces", json={"metadata": {"name": self.namespace}}
            ).raise_for_status()
            background = undo.enter_context(Background())
            background.start(self.history.follow())
            if self._own_moorcheh:
                undo.enter_context(self.moorcheh)
            undo.push(self.operator)
            self._denied_before = self.plane.denials()
            if self._operator_up:
                self.operator.start()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._undo:
            if error is None:
                self.check()
                if self._denials is not None:  # least rights
                    assert self.plane.denials() <= self._denied_before + self._denials, "RBAC denied a call"
            else:
                error.add_note(f"the operator's log:\n{self.log()}")

    def ask(self, target: str, *, name: str | None = None, **spec: object) -> Asked:
        """Create a request for this target."""
        body = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name or f"{target.lower().replace('_', '-')}-{uuid.uuid4().hex[:6]}"},
            "spec": {"namespaceName": target, **spec},
        }
        answer = _answered(lambda: self.http.post(self.path, json=body))
        assert answer.is_success, answer.text
        return Asked(self, answer.json())

    def change(self, name: str, spec: Json) -> httpx.Response:
        return _answered(lambda: self._merge(f"{self.path}/{name}", {"spec": spec}))

    def _merge(self, path: str, patch: Json) -> httpx.Response:
        return self.http.patch(
            path,
            params={"fieldValidation": "Strict"},
            content=json.dumps(patch),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def find(self, name: str) -> Asked:
        """A request that kubectl made."""
        answer = self.http.get(f"{self.path}/{name}")
        assert answer.is_success, answer.text
        return Asked(self, answer.json())

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 - as in subprocess.run
        return self.plane.kubectl("--namespace", self.namespace, *arguments, input=input)

    def on_the_wire(self, *asked: Asked, times: int = 1, within: float = WITHIN) -> None:
        """Wait until that many DELETEs of each have arrived at the stand-in."""

        def arrived() -> bool:
            sent = Counter(
                (delete["request_id"] or "").partition("/")[0] for delete in self.moorcheh.record()["deletes"]
            )
            return all(sent[one.uid] >= times for one in asked)

        assert until(arrived, within=within), [one.trail for one in asked]

    def all_end(self, asked: Iterable[Asked], *, within: float = WITHIN) -> None:
        asked = list(asked)
        assert self.history.wait(lambda: all(one.finished for one in asked), within), [
            (one.name, one.trail) for one in asked if not one.finished
        ]

    def settle(self) -> None:
        """Return once the operator has carried out another one: what it would do at once, it has done."""
        name = f"settle-{uuid.uuid4().hex[:8]}"
        self.moorcheh.create(name)
        self.ask(name).ends("Succeeded/DeletionCompleted")

    def write_elsewhere(self, status: Json) -> httpx.Response:
        """A strict write of a status to a fresh request in a Kubernetes namespace that no operator serves."""
        path = f"{API}/namespaces/default/namespacedeletions"
        body = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"generateName": "written-"},
            "spec": {"namespaceName": "nothing", "suspend": True},
        }
        name = self.http.post(path, json=body).raise_for_status().json()["metadata"]["name"]
        try:
            return self._merge(f"{path}/{name}/status", {"status": status})
        finally:
            self.http.delete(f"{path}/{name}").raise_for_status()

    def check(self) -> None:
        """The invariants, here and now."""
        if not self.moorcheh.process.running:
            return
        record = self.moorcheh.record()
        # A DELETE can be on the record before the watch has told of the claim that came before it.
        self.history.wait(lambda: _announced(record, self.history), WITHIN)
        # What was asked of another server is on another record.
        objects = {
            uid: versions
            for uid, versions in self.history.objects().items()
            if (versions[0]["spec"]["serverRef"] or {}).get("name") in ("default", None)
        }
        check_invariants(record, objects, self.moorcheh.namespaces())

    def log(self) -> str:
        """The operator's last words, for a test that failed."""
        output = self.operator.output
        if not output.exists():
            return "(the operator was not started)"
        return "\n".join(output.read_text(errors="replace").splitlines()[-60:])


def _answered(send: Callable[[], httpx.Response]) -> httpx.Response:
    """For some 5 s after its start the API server has no schema yet for the mutating policy: 503."""
    answer = send()

    def settled() -> bool:
        nonlocal answer
        answer = answer if answer.status_code != 503 else send()
        return answer.status_code != 503

    until(settled, within=WITHIN)
    return answer


def _announced(record: Recorded, history: History) -> bool:
    seen = {
        f"{uid}/{body['status']['attempt']['id']}"
        for uid, versions in history.objects().items()
        for body in versions
        if "attempt" in body["status"]
    }
    return {delete["request_id"] for delete in record["deletes"]} <= seen


def _shown(status: Json) -> str:
    return f"{status.get('phase', '-')}/{status.get('reason', '-')}"


def _matches(status: Json, shown: str) -> bool:
    return shown in (_shown(status), status.get("phase"))
