"""The API server's calls, as whoever calls the plugin. Blocking; nothing is ever sent twice.

The `kubernetes` package finds the cluster and the credentials as kubectl does. It is imported only when a
call is made, so that help and usage errors need not wait for it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from moorcheh_operator.api.request import GROUP, KIND, PLURAL, VERSION, MalformedRequestError, Request, parse
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.clock import Clock

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 15.0
WATCH_SECONDS = 300  # then the watch is renewed
PAGE = 500
MANAGER = "kubectl-moorcheh"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

JsonObject = dict[str, Any]


class ApiError(Exception):
    """The words for the person; `status` is the HTTP code, None where there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether the same call may well succeed a little later."""
        return self.status is None or self.status == 429 or self.status >= 500


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
    """One cluster, one identity. `namespace` is the kubeconfig's, or `default`; the others are as given."""

    def __init__(self, *, kubeconfig: str | None = None, context: str | None = None) -> None:
        self.kubeconfig, self.context = kubeconfig, context
        self._client, self.namespace = _connect(kubeconfig, context)
        self.server: str = self._client.configuration.host
        self.clock = Clock()

    def kubectl(self, command: str, name: str, *, namespace: str | None = None) -> str:
        """A command to paste, for this cluster."""
        return kubectl(command, name, namespace=namespace, context=self.context, kubeconfig=self.kubeconfig)

    # Requests

    def get(self, namespace: str, name: str) -> Seen:
        return Seen.of(self._call("GET", _path(namespace, name)))

    def requests(self, namespace: str | None) -> tuple[list[Seen], str]:
        """All requests, and the resourceVersion to watch from. None: of all namespaces."""
        query, found = {"limit": str(PAGE)}, []
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

    def approve(self, seen: Seen, annotations: Mapping[str, str]) -> Seen:
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

    # What else is worth knowing

    def whoami(self) -> str | None:
        """The caller's name, as the API server knows it; None where it doesn't tell."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = self._call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, review)
            return str(answer["status"]["userInfo"]["username"])
        except (ApiError, KeyError, TypeError):
            return None

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
        started = self.clock.ticks()
        response = self._send(method, path, query or {}, body, (CONNECT_SECONDS, ANSWER_SECONDS))
        try:
            data = response.data
        except Exception as error:  # urllib3's, of many kinds
            raise self._unreachable(error) from error
        self.clock.cluster.observe(response.headers.get("Date"), started, self.clock.ticks())
        try:
            parsed = json.loads(data)
        except ValueError:
            parsed = None
        if not 200 <= response.status < 300:
            raise self._refused(response.status, parsed)
        if not isinstance(parsed, dict):
            raise ApiError(f"the API server's answer (HTTP {response.status}) is no JSON object")
        return parsed

    def _lines(self, path: str, query: Mapping[str, str]) -> Iterator[bytes]:
        response = self._send("GET", path, query, None, (CONNECT_SECONDS, WATCH_SECONDS + 60.0))
        try:
            if response.status != 200:
                try:
                    parsed = json.loads(response.data)
                except ValueError:
                    parsed = None
                raise self._refused(response.status, parsed)
            rest = b""
            for chunk in response.stream(amt=65536, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from filter(None, lines)
        except ApiError:
            raise
        except Exception as error:  # urllib3's, of many kinds
            raise self._unreachable(error) from error
        finally:
            response.close()

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: object, timeout: tuple[float, float]
    ) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            call = self._client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": kind},
                body=body,
                auth_settings=["BearerToken"],
            )
            return self._client.call_api(*call, _request_timeout=timeout).response
        except Exception as error:  # urllib3's and the client's own, of many kinds
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> ApiError:
        return ApiError(f"the cluster at {self.server} gave no answer: {plain_text(_innermost(error))}")

    def _refused(self, status: int, answer: object) -> ApiError:
        words = _words(answer)
        match status:
            case 404 if not isinstance(answer, dict):
                advice = (
                    "is the operator installed? The cluster has no NamespaceDeletions (moorcheh.ai/v1alpha1)"
                )
                return ApiError(f"{advice}: {self.kubectl('get crd', f'{PLURAL}.{GROUP}')}", status)
            case 401:
                return ApiError(f"the cluster at {self.server} does not know who you are: {words}", status)
            case 403:
                return ApiError(f"you may not do that: {words}", status)
            case _:
                return ApiError(words or f"HTTP {status}", status)


def kubectl(
    command: str, name: str, *, namespace: str | None, context: str | None, kubeconfig: str | None
) -> str:
    """A command to paste into a shell; it must act on the same cluster as this one did."""
    given = {"-n": namespace, "--context": context, "--kubeconfig": kubeconfig}
    options = [part for option, value in given.items() if value for part in (option, value)]
    return shlex.join(["kubectl", *command.split(), *options, name])


def contexts(kubeconfig: str | None) -> list[str]:
    from kubernetes import config  # noqa: PLC0415 - slow to import

    found, _ = config.list_kube_config_contexts(config_file=kubeconfig)
    return [context["name"] for context in found]


def _connect(kubeconfig: str | None, context: str | None) -> tuple[ApiClient, str]:
    from kubernetes import client, config  # noqa: PLC0415 - slow to import

    configuration = client.Configuration()
    configuration.retries = False  # of urllib3: nothing is sent twice, and no redirect is followed
    try:
        if _in_cluster(kubeconfig, context):
            config.load_incluster_config(client_configuration=configuration)
            namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
        else:
            config.load_kube_config(kubeconfig, context, client_configuration=configuration)
            every, current = config.list_kube_config_contexts(config_file=kubeconfig)
            chosen = next((each for each in every if each["name"] == context), current)
            namespace = chosen["context"].get("namespace") or "default"
    except Exception as error:  # the library lets KeyError, OSError and YAML's errors through
        raise ApiError(
            f"no usable kubeconfig ({plain_text(str(error))}): see --kubeconfig and --context"
        ) from error
    return client.ApiClient(configuration), namespace


def _in_cluster(kubeconfig: str | None, context: str | None) -> bool:
    """As kubectl has it: the Pod's service account, where no kubeconfig is."""
    if kubeconfig or context or os.environ.get("KUBECONFIG"):
        return False
    return (SERVICE_ACCOUNT / "token").exists() and not (Path.home() / ".kube" / "config").exists()


def _path(namespace: str | None, name: str | None = None) -> str:
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    end = f"/{quote(name, safe='')}" if name is not None else ""
    return f"/apis/{GROUP}/{VERSION}{middle}/{PLURAL}{end}"


def _words(answer: object) -> str:
    match answer:
        case {"message": str(message)}:
            return plain_text(message)
        case _:
            return ""


def _innermost(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
