"""The API server's calls: read, list, write a status by compare-and-set, post an Event."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from moorcheh_operator.api import wire
from moorcheh_operator.api.policy import POLICY_KIND, Policy
from moorcheh_operator.api.request import GROUP, KIND, PLURAL, VERSION, MalformedRequestError, Request, parse
from moorcheh_operator.api.status import OPEN_ATTEMPT, Phase, Status, merge_patch
from moorcheh_operator.api.texts import error_text, plain_text
from moorcheh_operator.api.times import render_time
from moorcheh_operator.backoff import backoff
from moorcheh_operator.clock import Clock
from moorcheh_operator.turns import Turns

from .api_server import ApiServer
from .credentials import CredentialError
from .history import History
from .schema import keeps_unknown_fields

TIMEOUT = 15.0  # seconds for one call
SCHEMA_SECONDS = 10.0  # for what the API server publishes of a CRD to follow it
PAUSE_MOST = 10.0  # seconds between two tries
CONNECTIONS = 16  # at once: a TLS handshake costs the CPU of two or three calls
SHARE = 4  # of them for one Kubernetes namespace: a large object costs the API server half a second of CPU
ANSWER_MOST = 8 * 1024 * 1024  # bytes of one answer; an object has at most 3 MiB
PAGE = 500  # objects in one page of a list, at the most
PAGE_FIRST = 50
COMPONENT = "moorcheh-operator"
UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"

logger = logging.getLogger(__name__)

Observer = Callable[[str, str], None]
"""Told of each call: the verb and the status code, or `error`."""


class ClusterError(Exception):
    """The API server gave no usable answer. `status` is its HTTP code, None without one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TooLongError(ClusterError):
    """The answer has more than `ANSWER_MOST` bytes."""


class NamespaceGoneError(ClusterError):
    """A Kubernetes namespace is being deleted, or is gone: nothing can be created in it."""


@dataclass(frozen=True, slots=True)
class Written:
    request: Request


@dataclass(frozen=True, slots=True)
class Conflict:
    """409 or 404: the object is not, or no longer, what the write was built on. It surely did not land."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """400 or 422: the API server will never take this status. It surely did not land."""

    error: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The write may have landed."""

    error: str


WriteAnswer = Written | Conflict | Invalid | Unanswered


class Deleted(Enum):
    """What became of a request to delete an object just as it was last seen."""

    GONE = "it is deleted, or was before"
    CHANGED = "it is another one by now"
    FORBIDDEN = "the right to delete is not given"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes | bytearray

    def json(self) -> Any:
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, ValueError) as error:
            raise ClusterError(f"the API server's answer is no JSON: {error}") from error

    def request(self) -> Request:
        """Raises `ClusterError`, `MalformedRequestError`."""
        return parse(_Answer(self.status, wire.lean(self.body)).json())

    def page(self) -> wire.Page:
        try:
            return wire.page(self.body)
        except ValueError as error:
            raise ClusterError(f"the API server's answer is no list: {error}") from error

    def is_list(self) -> bool:
        try:
            self.page()
        except ClusterError:
            return False
        return True

    def not_created(self) -> ClusterError:
        """Why an object was not created in a Kubernetes namespace."""
        gone = self.status == 404 or (self.status == 403 and "NamespaceTerminating" in self._causes())
        return (NamespaceGoneError if gone else ClusterError)(self.describe(), self.status)

    def _causes(self) -> list[object]:
        try:
            return [cause["reason"] for cause in json.loads(self.body)["details"]["causes"]]
        except (ValueError, KeyError, TypeError):
            return []

    def describe(self) -> str:
        try:
            message = json.loads(self.body)["message"]
        except (ValueError, KeyError, TypeError):
            message = self.body[:200].decode("utf-8", "replace")
        return plain_text(f"HTTP {self.status}: {message}")


class Cluster:
    def __init__(self, api_server: ApiServer, clock: Clock, observer: Observer = lambda *_: None) -> None:
        self.history = History()
        self.server = api_server.url
        self._where = api_server.where
        self._session = api_server.session()
        self._turns = Turns(CONNECTIONS, SHARE)
        self._manager = f"{COMPONENT}-{secrets.token_hex(4)}"  # tells this process' writes from a replica's
        self._clock = clock
        self._observer = observer

    async def aclose(self) -> None:
        await self._session.close()

    async def check(self, namespaces: tuple[str, ...]) -> None:
        """Whether the requests can be listed, all of each. Raises `ClusterError` with what to do about it."""
        for namespace in namespaces or ("",):
            try:
                answer = await self._call("GET", collection(namespace), {"limit": "1"})
            except ClusterError as error:
                raise ClusterError(f"the cluster at {self._where} can't be reached: {error}") from error
            match answer.status:
                case 200 if answer.is_list():
                    continue
                case 200:
                    advice = "this is no list of them; is another server there, or a proxy before it?"
                case 404:
                    advice = f"install the CRD {PLURAL}.{GROUP} first: kubectl apply -k crds"
                case 401:
                    advice = "its token or certificate is wrong, has expired, or is another cluster's"
                case 403:
                    advice = _missing_rights(namespace)
                case _:
                    restart = "in a Pod the operator is restarted, elsewhere start it again"
                    advice = f"see the API server's log; {restart}"
            where = f" in the Kubernetes namespace {namespace}" if namespace else ""
            raise ClusterError(
                f"the cluster at {self._where} does not let the operator list {PLURAL}{where} "
                f"({answer.describe()}): {advice}",
                answer.status,
            )
        await self._check_schema()

    async def _check_schema(self) -> None:
        """An older CRD drops the fields that it does not know: a misspelled request would run (rule 16)."""
        started = self._clock.ticks()
        while True:
            answer = await self._call("GET", f"/openapi/v3/apis/{GROUP}/{VERSION}")
            if answer.status == 200 and keeps_unknown_fields(answer.json()):
                return
            if self._clock.ticks() > started + SCHEMA_SECONDS:
                break
            await asyncio.sleep(0.5)
        if answer.status == 200:
            raise ClusterError(
                f"the CRD of the cluster at {self.server} is older than this operator, and drops the fields "
                "that it does not know: install the new one first: kubectl apply -k crds"
            )
        logger.warning(
            "can't tell whether the CRD fits this operator (%s): an older one drops fields that it does not "
            "know, so a deletion may run without its preconditions; to be sure: kubectl apply -k crds",
            answer.describe(),
        )

    async def read(self, namespace: str, name: str, *, lane: str = "") -> Request | None:
        """None: there is no such object. Raises `ClusterError`, `MalformedRequestError`."""
        answer = await self._call("GET", _path(namespace, name), lane=lane)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ClusterError(answer.describe(), answer.status)
        return answer.request()

    async def labels(self, namespace: str) -> dict[str, str]:
        """Those of a Kubernetes namespace. Raises `ClusterError`."""
        answer = await self._call("GET", f"/api/v1/namespaces/{quote(namespace, safe='')}")
        if answer.status != 200:
            raise ClusterError(answer.describe(), answer.status)
        labels = answer.json().get("metadata", {}).get("labels") or {}
        return {str(key): str(value) for key, value in labels.items()}

    async def list(self, namespace: str, *, unfinished: bool) -> AsyncIterator[dict[str, Any]]:
        """The objects, page by page, without what is not read; `""`: of all namespaces.

        A page has as many as fit into half of `ANSWER_MOST`, by what those before it took: memory is bounded
        by bytes, whatever people write into their requests. Raises `ClusterError`, also where a later page
        can't be had: what came before is no complete list.
        """
        query = {"fieldSelector": UNFINISHED} if unfinished else {}
        floor = self.history.highest
        async for page in self.pages(collection(namespace), query):
            self.history.continues(page.metadata.resource_version, floor, "a list")
            for item in page.items:
                yield msgspec.json.decode(wire.trimmed(item))
            del page  # before there is another one

    async def pages(self, path: str, query: dict[str, str]) -> AsyncIterator[wire.Page]:
        """Of a list. Raises `ClusterError`."""
        limit = PAGE_FIRST
        while True:
            try:
                answer = await self._call("GET", path, {**query, "limit": str(limit)})
            except TooLongError:
                if limit == 1:
                    raise
                limit = max(limit // 4, 1)
                continue
            if answer.status != 200:
                raise ClusterError(answer.describe(), answer.status)
            page = answer.page()
            query = {**query, "continue": page.metadata.more}
            limit = min(max(ANSWER_MOST // 2 * len(page.items) // len(answer.body), 1), PAGE)
            del answer
            yield page
            del page
            if not query["continue"]:
                return

    async def check_history(self, namespace: str) -> None:
        """See whether the API server has gone back to an earlier state. Raises `ClusterError`."""
        floor = self.history.highest
        answer = await self._call("GET", collection(namespace), {"limit": "1"})
        if answer.status != 200:
            raise ClusterError(answer.describe(), answer.status)
        self.history.continues(answer.page().metadata.resource_version, floor, "a list")

    async def write_status(self, request: Request, status: Status) -> WriteAnswer:
        """Compare-and-set: lands only on the object exactly as `request` shows it (docs/safety.md, rule 2).

        A merge patch of /status that names the resourceVersion is answered 409 once the object has changed.
        """
        body = {
            "metadata": {"resourceVersion": request.resource_version},
            "status": merge_patch(request.status, status),
        }
        path = _path(request.namespace, request.name) + "/status"
        # Strict: with an older CRD a claim would land without what that one does not know, such as the URL.
        query = {"fieldManager": self._manager, "fieldValidation": "Strict"}
        floor = self.history.highest
        try:
            answer = await self._call("PATCH", path, query, body, lane=_lane(request, status))
            match answer.status:
                case 200:
                    written = answer.request()
                    if written.resource_version != request.resource_version:  # else it changed nothing
                        self.history.continues(written.resource_version, floor, "what was just written")
                    return Written(written)
                case 404 | 409:
                    return Conflict()
                case 400 | 422:
                    return Invalid(answer.describe())
                case _:
                    return Unanswered(answer.describe())
        except (ClusterError, MalformedRequestError) as error:
            return Unanswered(str(error))

    def wrote(self, request: Request) -> bool:
        """Whether this process gave it its phase and reason; True where the API server does not tell."""
        return request.reason_by in (None, self._manager)

    async def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> Deleted:
        """Deletes the object if nobody has changed it since. Raises `ClusterError`.

        aiohttp may send it twice; the preconditions make that harmless.
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        answer = await self._call("DELETE", _path(namespace, name), body=body, lane="expirations")
        match answer.status:
            case 200 | 202 | 404:
                return Deleted.GONE
            case 409:
                return Deleted.CHANGED
            case 403:
                return Deleted.FORBIDDEN
            case _:
                raise ClusterError(answer.describe(), answer.status)

    async def check_namespace(self, namespace: str) -> None:
        """Whether a Kubernetes namespace takes new objects: it takes none from its deletion on.

        By a create of an Event that is never stored, as there is a right to create Events anyway. Raises
        `NamespaceGoneError`; `ClusterError` where it can't be told.
        """
        body = {
            "metadata": {"generateName": f"{COMPONENT}-", "namespace": namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Namespace",
                "namespace": namespace,
                "name": namespace,
            },
            "type": "Normal",
            "reason": "NamespaceCheck",
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
        }
        answer = await self._call("POST", _events(namespace), {"dryRun": "All"}, body, lane="claims")
        if answer.status != 201:
            raise answer.not_created()

    async def post_event(
        self, about: Request | Policy, kind: str, reason: str, message: str, count: int
    ) -> None:
        """`kind` is Normal or Warning. One an object and reason: another one brings it up to date.

        Raises `NamespaceGoneError`, `ClusterError`.
        """
        now = render_time(self._clock.now().time)
        same = hashlib.sha256(f"{about.uid}/{reason}".encode()).hexdigest()[:16]
        name = f"{about.name[:230].rstrip('.-')}.{same}"
        events = _events(about.namespace)
        newest = {"message": message, "lastTimestamp": now, "count": count}
        body = {
            **newest,
            "metadata": {"name": name, "namespace": about.namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND if isinstance(about, Request) else POLICY_KIND,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
                "resourceVersion": about.resource_version,
            },
            "type": kind,
            "reason": reason,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": now,
        }
        answer = await self._call("POST", events, body=body, lane="events")
        if answer.status == 409:
            answer = await self._call("PATCH", f"{events}/{name}", body=newest, lane="events")
        if answer.status not in (200, 201):
            raise answer.not_created()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: dict[str, str] | None = None,
        lane: str = "",
    ) -> tuple[int, dict[str, Any]]:
        """Any other call: status code and JSON object. Raises `ClusterError`."""
        answer = await self._call(method, path, query, body, lane=lane)
        parsed = answer.json()
        if not isinstance(parsed, dict):
            raise ClusterError("the API server's answer is no JSON object")
        return answer.status, parsed

    async def watch(self, path: str, version: str, seconds: int) -> AsyncIterator[bytes]:
        """The lines of a watch that goes on from `version`, for so long at most. Raises `ClusterError`."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        url = URL(f"{self.server}{path}?{urlencode(query)}", encoded=True)
        line = bytearray()
        try:
            async with (
                asyncio.timeout(seconds + TIMEOUT),
                self._session.get(url, headers={"Accept": "application/json"}) as response,
            ):
                if response.status != 200:
                    raise ClusterError(f"HTTP {response.status}", response.status)
                async for chunk in response.content.iter_any():
                    *ends, rest = chunk.split(b"\n")
                    for end in ends:
                        line += end
                        yield bytes(line)
                        line.clear()
                    line += rest
                    if len(line) > ANSWER_MOST:
                        raise TooLongError(f"an event has more than {ANSWER_MOST} bytes")
        except TimeoutError as error:
            raise ClusterError("the watch did not end in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ClusterError(plain_text(f"{type(error).__name__}: {error}")) from error

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: object = None,
        *,
        lane: str = "",
    ) -> _Answer:
        """One request, any status code. Raises `ClusterError` where there is no answer.

        The Kubernetes namespaces take turns, and waiting for one's turn has no bound; a lane of its own is
        for what must not keep a namespace's more urgent calls waiting. aiohttp resends a GET or DELETE whose
        connection drops, never a PATCH or POST.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": kind}
        url = URL(f"{self.server}{path}" + (f"?{urlencode(query)}" if query else ""), encoded=True)
        sent = None if body is None else msgspec.json.encode(body)
        async with self._turns.turn(_namespace(path), lane):
            started = self._clock.ticks()
            result = "error"
            try:
                async with (
                    asyncio.timeout(TIMEOUT),
                    self._session.request(method, url, headers=headers, data=sent) as response,
                ):
                    answered = self._clock.ticks()
                    data = await _read(response)
                result = str(response.status)
            except CredentialError as error:
                raise ClusterError(str(error)) from error
            except TimeoutError as error:
                raise ClusterError(f"no answer within {TIMEOUT:.0f} s") from error
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise ClusterError(error_text(error)) from error
            finally:
                self._observer(method, result)
        self._clock.cluster.observe(response.headers.get("Date"), started, answered)
        return _Answer(response.status, data)


def retry_pause(failures: int) -> float:
    """Seconds after the n-th call in a row that the API server did not answer: 0.25, 0.5 … 10."""
    return min(backoff(failures) / 4, PAUSE_MOST)


async def _read(response: aiohttp.ClientResponse) -> bytearray:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > ANSWER_MOST:
            response.close()
            raise TooLongError(f"the API server's answer has more than {ANSWER_MOST} bytes")
    return data


def _missing_rights(namespace: str) -> str:
    if not namespace:
        return "it needs the ClusterRole that manifests/base gives its service account, or WATCH_NAMESPACES"
    overlays = "manifests/overlays/single-namespace and .../watched-namespace"
    return f"its service account needs the Role and RoleBinding there that {overlays} have"


def _lane(request: Request, status: Status) -> str:
    """Claims, and ends of what holds a job slot, must not queue behind thousands that only wait."""
    if status.phase is Phase.SUBMITTING and request.status.phase is not Phase.SUBMITTING:
        return "claims"
    waits = status.phase in (Phase.PENDING, Phase.SUSPENDED) and request.status.phase not in OPEN_ATTEMPT
    return "waits" if waits else ""


def _namespace(path: str) -> str:
    """Whose call it is: the Kubernetes namespace's, `""` for those that are of none."""
    _, _, rest = path.partition("/namespaces/")
    return rest.partition("/")[0]


def _events(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/events"


def collection(namespace: str, plural: str = PLURAL) -> str:
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{middle}/{plural}"


def _path(namespace: str, name: str) -> str:
    return f"{collection(namespace)}/{quote(name, safe='')}"
