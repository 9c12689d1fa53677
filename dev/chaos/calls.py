"""One call on its way, in the words of RBAC: a verb, a resource, a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote


@dataclass(frozen=True, slots=True)
class Meaning:
    verb: str  # get, list, watch, create, update, patch, delete
    resource: str  # with its subresource: namespacedeletions/status
    name: str = ""
    namespace: str = ""


Reading = Callable[[str, str], Meaning]
"""(method, raw path with query) -> what is asked for."""


@dataclass(slots=True, eq=False)
class Call:
    """`status`, `answered` and `answer` are the upstream's, whether or not the caller got to see them."""

    number: int
    at: float  # monotonic
    meaning: Meaning
    path: str
    body: bytes = b""
    request_id: str | None = None  # X-Request-Id
    status: int | None = None
    answered: float | None = None  # monotonic
    answer: bytes = b""  # of single objects only; lists and watches are not kept
    fault: str | None = None

    def __str__(self) -> str:
        asked = self.meaning
        what = f"{self.number}. {asked.verb} {asked.resource} {asked.name}".rstrip()
        return f"{what} [{self.fault or self.status}]"


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def kubernetes_call(method: str, raw_path: str) -> Meaning:
    path, _, query = raw_path.partition("?")
    match [unquote(part) for part in path.strip("/").split("/")]:
        case ["api", _, *rest] | ["apis", _, _, *rest] if rest:
            pass
        case _:
            return Meaning("get", path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    resource = "/".join([rest[0], *rest[2:]])
    verb = _VERBS.get(method)
    if verb is None:
        watched = parse_qs(query).get("watch", [""])[0] in ("true", "1")
        verb = "get" if name else "watch" if watched else "list"
    return Meaning(verb, resource, name, namespace)


def moorcheh_call(method: str, raw_path: str) -> Meaning:
    match [unquote(part) for part in raw_path.partition("?")[0].split("/")[1:]]:
        case ["namespaces"]:
            return Meaning("list" if method == "GET" else "create", "moorcheh-namespaces")
        case ["namespaces", name]:
            return Meaning(_VERBS.get(method, "get"), "moorcheh-namespaces", name)
        case ["namespaces", name, "delete-jobs", _]:
            return Meaning("get", "moorcheh-jobs", name)
        case _:
            return Meaning(_VERBS.get(method, "get"), raw_path)
