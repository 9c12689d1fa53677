"""The API server's calls, as whoever calls the plugin. Blocking; nothing is ever sent twice."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Self
from urllib.parse import quote, urlencode

from moorcheh_operator.api.policy import POLICIES, POLICY_KIND, MalformedPolicyError, Policy, parse_policy
from moorcheh_operator.api.request import GROUP, KIND, PLURAL, VERSION, MalformedRequestError, Request, parse
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.clock import Clock

from .identity import POLICY, Vouching, vouching
from .kubectl import Kubectl, KubectlError, SaidError
from .proxy import Proxy

ANSWER_SECONDS = 15.0
FIRST_ANSWER_SECONDS = 300.0  # a credential plugin may ask a person to log in, by a browser perhaps
WATCH_SECONDS = 300  # then the watch is renewed
PAGE = 500
MANAGER = "kubectl-moorcheh"

JsonObject = dict[str, Any]


class ApiError(SaidError):
    """The words for the person; `status` is the HTTP code, None where there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether the same call may well succeed a little later."""
        return self.status is None or self.status == 429 or self.status >= 500


class DisconnectedError(ApiError):
    """There is no connection, and there won't be one."""

    @property
    def passing(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the API server showed it: the object, and what it means."""

    body: JsonObject
    request: Request

    @classmethod
    def of(cls, body: JsonObject) -> Seen:
        try:
            return cls(body, parse(body))
        except MalformedRequestError as error:
            name = (body.get("metadata") or {}).get("name", "an object")
            raise ApiError(f"{name} can't be read, perhaps this plugin is too old for it: {error}") from error

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.body["metadata"].get("annotations") or {}


@dataclass(frozen=True, slots=True)
class SeenPolicy:
    """One policy as the API server showed it: the object, and what it means."""

    body: JsonObject
    policy: Policy

    @classmethod
    def of(cls, body: JsonObject) -> SeenPolicy:
        whole = {"apiVersion": f"{GROUP}/{VERSION}", "kind": POLICY_KIND, **body}
        try:
            return cls(whole, parse_policy(whole))
        except MalformedPolicyError as error:
            name = (body.get("metadata") or {}).get("name", "an object")
            raise ApiError(f"{name} can't be read, perhaps this plugin is too old for it: {error}") from error


def _readable(body: JsonObject) -> Seen | None:
    """None, and a line about it, where one of many can't be read: the others are shown all the same."""
    try:
        return Seen.of(body)
    except ApiError as error:
        sys.stderr.write(f"Left out: {error}\n")
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """From a watch. `seen` is None where the object `uid` is gone."""

    uid: str
    seen: Seen | None


class Api:
    """One cluster and one identity, by a connection of kubectl's. A context manager."""

    def __init__(self, kubectl: Kubectl) -> None:
        self.kubectl = kubectl
        self.clock = Clock()
        self._proxy = Proxy(kubectl)
        self._answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.close()

    # Requests

    def get(self, namespace: str, name: str) -> Seen:
        return Seen.of(self._call("GET", _path(namespace, name)))

    def requests(self, namespace: str | None, target: str | None = None) -> tuple[list[Seen], str]:
        """All, or those for `target`, and the resourceVersion to watch from. None: of all namespaces."""
        query, found = {"limit": str(PAGE)}, []
        if target is not None:
            query["fieldSelector"] = f"spec.namespaceName={target}"
        while True:
            page = self._call("GET", _path(namespace), query)
            found += [
                seen
                for item in page["items"]
                if (seen := _readable({"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, **item}))
            ]
            token = page["metadata"].get("continue")
            if not token:
                return found, page["metadata"]["resourceVersion"]
            query["continue"] = token

    def watch(self, namespace: str | None, resource_version: str) -> Iterator[Change]:
        """Until the API server ends it, in order; ApiError where it breaks off or is too old (410)."""
        query = {
            "watch": "1",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        for line in self._lines(_path(namespace), query):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise ApiError(_words(event["object"]), int(event["object"].get("code") or 500))
            if event["type"] == "DELETED":
                yield Change(event["object"]["metadata"]["uid"], None)
            elif (seen := _readable(event["object"])) is not None:
                yield Change(seen.request.uid, seen)

    def create(self, namespace: str, body: JsonObject) -> Seen:
        return Seen.of(self._call("POST", _path(namespace), {"fieldManager": MANAGER}, body))

    def approve(self, seen: Seen, annotations: Mapping[str, str | None]) -> Seen:
        """Only as it was seen: 409 once anything about it has changed."""
        request = seen.request
        metadata = {"resourceVersion": request.resource_version, "annotations": dict(annotations)}
        patch = {"metadata": metadata, "spec": {"suspend": False}}
        path = _path(request.namespace, request.name)
        return Seen.of(self._call("PATCH", path, {"fieldManager": MANAGER}, patch))

    def remove(self, seen: Seen) -> None:
        """Only as it was seen: 409 once anything about it has changed."""
        request = seen.request
        preconditions = {"uid": request.uid, "resourceVersion": request.resource_version}
        self._call("DELETE", _path(request.namespace, request.name), {}, {"preconditions": preconditions})

    # Policies

    def policies(self, namespace: str | None) -> tuple[list[SeenPolicy], str]:
        """All of them, and the list's resourceVersion. None: of all namespaces."""
        query, found = {"limit": str(PAGE)}, []
        while True:
            page = self._call("GET", _path(namespace, plural=POLICIES), query)
            found += [SeenPolicy.of(item) for item in page["items"]]
            token = page["metadata"].get("continue")
            if not token:
                return found, page["metadata"]["resourceVersion"]
            query["continue"] = token

    def policy(self, namespace: str, name: str) -> SeenPolicy:
        return SeenPolicy.of(self._call("GET", _path(namespace, name, POLICIES)))

    def create_policy(self, namespace: str, body: JsonObject) -> None:
        self._call("POST", _path(namespace, plural=POLICIES), {"fieldManager": MANAGER}, body)

    def remove_policy(self, namespace: str, name: str) -> None:
        self._call("DELETE", _path(namespace, name, POLICIES))

    # What else is worth knowing

    def whoami(self) -> str | None:
        """The caller's name, as the API server knows it; None where it doesn't tell."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = self._call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, review)
            return str(answer["status"]["userInfo"]["username"])
        except (ApiError, KeyError, TypeError):
            return None

    def vouching(self) -> Vouching:
        """Whether the names in the receipts are the API server's word: not where that can't be seen."""
        group = "/apis/admissionregistration.k8s.io/v1"
        try:
            policy = self._call("GET", f"{group}/validatingadmissionpolicies/{POLICY}")
            return vouching(policy, self._call("GET", f"{group}/validatingadmissionpolicybindings/{POLICY}"))
        except ApiError:
            return Vouching(None)

    def cluster(self) -> JsonObject:
        """What tells it from others, by its own word: the uid of kube-system, the API servers' address."""
        known: JsonObject = {}
        with contextlib.suppress(ApiError, KeyError, TypeError):
            known["uid"] = self._call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
        with contextlib.suppress(ApiError, KeyError, TypeError, IndexError):
            known["address"] = self._call("GET", "/api")["serverAddressByClientCIDRs"][0]["serverAddress"]
        return known

    def events(self, request: Request) -> list[JsonObject]:
        """Oldest first; none where the caller may not see them."""
        path = f"/api/v1/namespaces/{quote(request.namespace, safe='')}/events"
        try:
            found = self._call("GET", path, {"fieldSelector": f"involvedObject.uid={request.uid}"})["items"]
        except ApiError:
            return []
        return sorted(
            found, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or "")
        )

    def namespaces(self) -> list[str]:
        items = self._call("GET", "/api/v1/namespaces", {"limit": str(PAGE)})["items"]
        return [item["metadata"]["name"] for item in items]

    # One call

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None
    ) -> JsonObject:
        """The answer's JSON; ApiError for every answer but 2xx."""
        sent = self.clock.ticks()
        with self._sent(method, path, query or {}, body) as answer:
            self.clock.cluster.observe(answer.getheader("Date"), sent, self.clock.ticks())
            parsed = _json(answer)
        if not isinstance(parsed, dict):
            raise ApiError(f"the answer (HTTP {answer.status}) is no JSON object: is that an API server?")
        return parsed

    def _lines(self, path: str, query: Mapping[str, str]) -> Iterator[bytes]:
        with self._sent("GET", path, query, None, WATCH_SECONDS + 60.0) as answer:
            rest = b""
            while chunk := answer.read1(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from filter(None, lines)

    @contextlib.contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: object,
        seconds: float | None = None,
    ) -> Iterator[HTTPResponse]:
        """Once, over a connection of its own. What reading the answer may raise is ApiError, too."""
        if seconds is None:
            usual = ANSWER_SECONDS if self._answered else FIRST_ANSWER_SECONDS
            limit = self.kubectl.request_seconds
            seconds = usual if limit is None else limit or None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        headers = {"Accept": "application/json", "Content-Type": kind, "Connection": "close"}
        try:
            with contextlib.closing(_Connection(self._proxy, seconds)) as connection:
                # It may be answered before it was read whole, as a refusal is. The answer tells, then.
                with contextlib.suppress(BrokenPipeError):
                    connection.request(method, f"{path}?{urlencode(query)}" if query else path, data, headers)
                answer = connection.getresponse()
                self._answered = True
                if not 200 <= answer.status < 300:
                    raise self._refused(answer.status, _json(answer), path)
                yield answer
        except KubectlError as error:
            raise DisconnectedError(str(error)) from error
        except TimeoutError as error:
            raise ApiError(f"the cluster gave no answer within {seconds:.0f} s") from error
        except (OSError, HTTPException) as error:
            raise ApiError(
                f"the cluster gave no answer: {plain_text(str(error)) or type(error).__name__}"
            ) from error

    def _refused(self, status: int, answer: object, path: str) -> ApiError:
        words = _words(answer)
        match status:
            case 404 if not isinstance(answer, dict):
                many, plural = ("NamespaceDeletions", PLURAL)
                if f"/{POLICIES}" in path:
                    many, plural = ("NamespaceCleanupPolicies", POLICIES)
                look = self.kubectl.pasted("get crd", f"{plural}.{GROUP}", namespace=None)
                none = f"the cluster has no {many} (moorcheh.ai/v1alpha1)"
                return ApiError(f"{none}; is the operator installed? To look: {look}", status)
            case 401:
                return ApiError(f"the cluster does not know who you are: {words}", status)
            case 403 if _cause(answer) == "NamespaceTerminating":
                return ApiError(
                    f"the Kubernetes namespace is being deleted, nothing can be asked for in it: {words}",
                    status,
                )
            case 403:
                return ApiError(f"you may not do that: {words}", status)
            case _ if status >= 500 and isinstance(answer, str) and not answer.startswith("<"):
                # kubectl's own words, as the API server's are JSON
                return ApiError(f"the cluster gave no answer: {self.kubectl.without_secrets(answer)}")
            case _:
                return ApiError(words or f"HTTP {status}", status)


class _Connection(HTTPConnection):
    def __init__(self, proxy: Proxy, seconds: float | None) -> None:
        super().__init__("localhost")
        self._proxy, self._seconds = proxy, seconds

    def connect(self) -> None:
        self.sock: socket.socket = self._proxy.connect()
        self.sock.settimeout(self._seconds)


def _path(namespace: str | None, name: str | None = None, plural: str = PLURAL) -> str:
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    end = f"/{quote(name, safe='')}" if name is not None else ""
    return f"/apis/{GROUP}/{VERSION}{middle}/{plural}{end}"


def _json(answer: HTTPResponse) -> object:
    """Its text where it is none."""
    data = answer.read()
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


def _cause(answer: object) -> object:
    match answer:
        case {"details": {"causes": [{"reason": reason}, *_]}}:
            return reason
        case _:
            return None


def _words(answer: object) -> str:
    match answer:
        case {"message": str(message)}:
            return plain_text(message)
        case _:
            return ""
