"""Whether a request may have its target deleted on its server, as the servers file says now. Pure.

It is asked before each look-up and each claim, and never again for an attempt that is claimed: its DELETE may
be at the server, and whoever stopped following it would only stop seeing (docs/safety.md, "Servers").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Reason
from moorcheh_operator.servers.definitions import Definition, From

from .kubernetes_namespace import NamespaceState, Terminating


@dataclass(frozen=True, slots=True)
class Open:
    """It may."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """There is no such server, or it is another one than the one that the target was seen at."""

    message: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """It can't be told yet, so it may not."""

    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """It may not: final, once it has stood for long enough."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class NamespaceEnds:
    """Its Kubernetes namespace is being deleted, and it will be with it."""

    message: str


Access = Open | NotFound | Undecided | Refusal | NamespaceEnds


def same_refusal(one: Access, other: Access) -> bool:
    """The time that a refusal must stand for goes on from one to the other."""
    match one, other:
        case Refusal(reason), Refusal(before):
            return reason == before
        case _:
            return False


def seen_at(request: Request) -> str | None:
    """The URL of the server that all in its status is about; None: nothing is, or a status from before
    servers had names, which is about the one that there was.
    """
    return request.status.target.server if request.status.target else None


def access(
    request: Request,
    server: Definition | None,
    own_namespace: str | None,
    labels: Mapping[str, str] | str | None,
    state: NamespaceState | None = None,
) -> Access:
    """`labels` and `state`: of the request's Kubernetes namespace; None: not asked yet. Labels may be a text
    that says why they can't be told.
    """
    if isinstance(state, Terminating):
        return NamespaceEnds(
            f"The Kubernetes namespace {request.namespace} is being deleted, and this request with it."
        )
    if server is None:
        return NotFound(
            f'There is no server "{request.spec.server}" (spec.serverRef.name). It waits for one; if the '
            "name is wrong, delete this request and create another."
        )
    if (url := seen_at(request)) not in (None, server.url):
        return NotFound(
            f'The target was looked up at {url}, and the server "{server.name}" is {server.url} by now: that '
            "is another one. Create a new request to delete a namespace there."
        )
    return shut_out(server, request.namespace, own_namespace, labels) or _allowed(request, server)


def shut_out(
    server: Definition, namespace: str, own_namespace: str | None, labels: Mapping[str, str] | str | None
) -> Undecided | Refusal | None:
    """None: the server takes requests from this Kubernetes namespace."""
    source, selector = server.allowed_namespaces.from_, server.allowed_namespaces.selector
    match source:
        case From.ALL:
            allowed = True
        case From.SAME:
            allowed = own_namespace is not None and namespace == own_namespace
        case From.SELECTOR:
            if labels is None or isinstance(labels, str):
                why = labels or "not tried yet"
                return Undecided(
                    f"The server takes requests by the labels of the Kubernetes namespace {namespace}, which "
                    f"can't be read: {why}"
                )
            allowed = selector is not None and selector.holds(labels)
        case _:
            assert_never(source)
    message = (
        f'The server "{server.name}" takes no requests from the Kubernetes namespace {namespace} '
        "(allowedNamespaces in the servers file)."
    )
    return None if allowed else Refusal(Reason.NOT_ALLOWED, message)


def _allowed(request: Request, server: Definition) -> Access:
    name = request.spec.namespace_name
    if (glob := server.protects(name)) is not None:
        message = f'"{name}" is protected on the server "{server.name}" (protectedNames has {glob}).'
        return Refusal(Reason.PROTECTED, message)
    if not server.allows_name(name):
        message = (
            f'"{name}" is none of those that may be deleted on the server "{server.name}" (allowedNames).'
        )
        return Refusal(Reason.NOT_ALLOWED, message)
    return Open()
