"""The API server's calls about cleanup policies, and the creates of their requests."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from moorcheh_operator.api.policy import (
    POLICIES,
    MalformedPolicyError,
    Policy,
    PolicyStatus,
    parse_policy,
)
from moorcheh_operator.api.request import GROUP, PLURAL
from moorcheh_operator.api.status import merge_patch
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import JsonObject

from .client import COMPONENT, Cluster, ClusterError, collection

WATCH_SECONDS = 60  # then the policies are listed again

logger = logging.getLogger(__name__)


class NotServedError(ClusterError):
    """Policies can't be listed here: there is no such API, or no right to it."""


class Answer(Struct, frozen=True):
    """To a create: HTTP status and words; None: there was no answer."""

    status: int | None
    words: str


class _Event(Struct):
    type: str
    object: Raw


class PoliciesClient:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._unreadable: set[str] = set()  # told of

    async def list(self, namespace: str) -> tuple[list[Policy], str]:
        """All that can be read, and the version that a watch goes on from; `""`: of all Kubernetes
        namespaces. Raises `NotServedError`, `ClusterError`.
        """
        found, version = [], ""
        try:
            async for page in self._cluster.pages(collection(namespace, POLICIES), {}):
                version = page.metadata.resource_version
                found += [policy for item in page.items if (policy := self._policy(item)) is not None]
        except ClusterError as error:
            if error.status in (403, 404):
                raise NotServedError(str(error), error.status) from error
            raise
        return found, version

    async def watch(self, namespace: str, version: str) -> AsyncIterator[tuple[Policy, bool]]:
        """What changes, and whether it is gone; for a minute at most. Raises `ClusterError`."""
        lines = self._cluster.watch(collection(namespace, POLICIES), version, WATCH_SECONDS)
        async for line in lines:
            try:
                event = msgspec.json.decode(line, type=_Event)
            except (ValueError, RecursionError):
                continue  # the next list shows it
            if event.type not in ("ADDED", "MODIFIED", "DELETED"):
                return
            if (policy := self._policy(event.object)) is not None:
                yield policy, event.type == "DELETED"

    async def read(self, policy: Policy) -> Policy | None:
        """As it is now; None: it is gone. Raises `ClusterError`."""
        status, body = await self._cluster.call("GET", _path(policy))
        if status == 404:
            return None
        if status != 200:
            raise ClusterError(_words(status, body), status)
        found = _parsed(body)
        return found if found.uid == policy.uid else None

    async def write_status(self, policy: Policy, status: PolicyStatus) -> Policy | None:
        """Compare-and-set: lands only on the object exactly as `policy` shows it. None: it did not. Raises
        `ClusterError` where that can't be told, or never will.
        """
        body = {
            "metadata": {"resourceVersion": policy.resource_version},
            "status": merge_patch(policy.status, status),
        }
        query = {"fieldManager": COMPONENT, "fieldValidation": "Strict"}
        code, answer = await self._cluster.call("PATCH", f"{_path(policy)}/status", body=body, query=query)
        if code in (404, 409):
            return None
        if code != 200:
            raise ClusterError(_words(code, answer), code)
        return _parsed(answer)

    async def create(self, namespace: str, body: JsonObject) -> Answer:
        """A request; 200: it is there already, and is this very one."""
        query = {"fieldManager": COMPONENT, "fieldValidation": "Strict"}
        path = collection(namespace)
        try:
            code, answer = await self._cluster.call("POST", path, body=body, query=query, lane="policies")
            if code != 409:
                return Answer(code, _words(code, answer))
            code, there = await self._cluster.call(
                "GET", f"{path}/{quote(body['metadata']['name'], safe='')}"
            )
        except ClusterError as error:
            return Answer(None, str(error))
        if code != 200:
            return Answer(None, _words(409, answer))
        if _is_same(there, body):
            return Answer(200, "")
        return Answer(409, f"there is another object of the name {body['metadata']['name']}")

    async def may_create(self, namespace: str) -> bool | None:
        """Requests, by the operator's rights; None: the API server does not tell."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": "create",
                    "group": GROUP,
                    "resource": PLURAL,
                }
            },
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        try:
            code, answer = await self._cluster.call("POST", path, body=review)
        except ClusterError:
            return None
        allowed = (answer.get("status") or {}).get("allowed")
        return allowed if code == 201 and isinstance(allowed, bool) else None

    def _policy(self, item: Raw) -> Policy | None:
        """None: it can't be read, which is told once."""
        try:
            return _parsed(msgspec.json.decode(item))
        except (ClusterError, ValueError, RecursionError) as error:
            words = plain_text(str(error))
            if words not in self._unreadable:
                self._unreadable.add(words)
                logger.error("a cleanup policy is left alone, as it can't be read: %s", words)
            return None


def _parsed(body: Any) -> Policy:
    try:
        return parse_policy(body)
    except (MalformedPolicyError, AttributeError) as error:
        raise ClusterError(plain_text(f"the policy can't be read: {error}")) from error


def _is_same(there: JsonObject, body: JsonObject) -> bool:
    """Whether it was created for the same policy, run and target: only the name is not proof enough."""
    labels, spec = there["metadata"].get("labels") or {}, there.get("spec") or {}
    wanted = body["spec"]
    return (
        all(labels.get(key) == value for key, value in body["metadata"]["labels"].items())
        and spec.get("namespaceName") == wanted["namespaceName"]
        and (spec.get("serverRef") or {}).get("name") == wanted["serverRef"]["name"]
    )


def _words(code: int, body: dict[str, Any]) -> str:
    return plain_text(f"HTTP {code}: {body.get('message', '')}")


def _path(policy: Policy) -> str:
    return f"{collection(policy.namespace, POLICIES)}/{quote(policy.name, safe='')}"
