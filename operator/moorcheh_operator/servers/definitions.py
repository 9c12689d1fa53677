"""The servers that requests may name, and who may use them for what: the words of SERVERS_FILE. Pure.

Read strictly: what is not understood to the last key is refused, with one line that names the field. No value
is repeated in that line, as somebody may have put a secret where none belongs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import idna
import yaml

from moorcheh_operator.api.spec import DEFAULT_SERVER
from moorcheh_operator.api.texts import plain_text

MAX_FILE = 128 * 1024  # bytes; hundreds of servers, read in a second
MAX_URL = 512  # characters; the CRD's schema takes no more in status.target.server

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
GLOB = re.compile(r"[A-Za-z0-9_*?-]{1,255}")
LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
# A label of none or of more than 63 characters is an error of Python's own when the name is resolved.
AUTHORITY = re.compile(
    r"(?P<host>\[(?P<ipv6>[0-9a-f:.]+)\]|[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?)(:[0-9]{1,5})?"
)
DEFAULT_PORTS = {"http": 80, "https": 443}


class ServersError(ValueError):
    """What is wrong with a servers file, in one line that begins with the field's path."""


class From(StrEnum):
    """Whose requests a server takes, by their Kubernetes namespace."""

    SAME = "Same"  # the operator's own
    SELECTOR = "Selector"
    ALL = "All"


class Operator(StrEnum):
    """Of a label selector's expression."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Term:
    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """As in Kubernetes: `NotIn` holds where there is no such label."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class Definition:
    """One server. `url` is its identity: another URL is another server, whatever its name."""

    name: str
    url: str
    api_key_file: str | None = None
    bearer_token_file: str | None = None
    ca_file: str | None = None
    timeout: float | None = None  # seconds; None: the operator's own setting
    max_running_jobs: int | None = None  # 0: no limit; None: the operator's own setting
    allowed_from: From = From.SAME
    selector: tuple[Term, ...] = ()
    allowed_names: tuple[str, ...] = ("*",)
    protected_names: tuple[str, ...] = ()

    def allows_name(self, name: str) -> bool:
        return any(fnmatchcase(name, glob) for glob in self.allowed_names)

    def protects(self, name: str) -> str | None:
        """The first glob that does."""
        return next((glob for glob in self.protected_names if fnmatchcase(name, glob)), None)


@dataclass(frozen=True, slots=True)
class Servers:
    definitions: tuple[Definition, ...] = ()

    def get(self, name: str) -> Definition | None:
        return next((each for each in self.definitions if each.name == name), None)


def single(url: str) -> Servers:
    """What `MOORCHEH_BASE_URL` alone means: one server, open to all that is watched."""
    return Servers((Definition(DEFAULT_SERVER, address(url), allowed_from=From.ALL),))


def address(url: str) -> str:
    """The URL in the one form that two ways to write it share. Raises `ValueError` without the value."""
    if len(url) > MAX_URL or not re.fullmatch(r"[\x21-\x7e]+", url) or "\\" in url:
        raise ValueError(f"must be at most {MAX_URL} printable ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError("must look like http://moorcheh.example:8080")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password: it would end up in logs")
    if "?" in url or "#" in url or port == 0:
        raise ValueError("must be no more than scheme, host, port and path")
    if {".", ".."} & set(parts.path.replace("%2e", ".").replace("%2E", ".").split("/")):
        raise ValueError("must have no . or .. in its path")
    host = _host(parts.netloc.lower())
    shown_port = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{parts.path.rstrip('/')}"


def _host(authority: str) -> str:
    """What the client would refuse as well, some of it no earlier than at each call, raises `ValueError`."""
    match = AUTHORITY.fullmatch(authority)
    try:
        if match is None:
            raise ValueError
        host = match["host"]
        if match["ipv6"] is not None:
            ipaddress.IPv6Address(match["ipv6"])
        elif not host.strip("0123456789."):
            ipaddress.IPv4Address(host)
        elif host.startswith("xn--"):
            idna.decode(host)
    except ValueError:
        raise ValueError("must have a host's name, or a valid IPv4 or [IPv6] address") from None
    return host


# Reading the file's text


def parse(text: str) -> Servers:
    """Raises `ServersError`."""
    try:
        data = _load(text)
    except yaml.MarkedYAMLError as error:  # its own words would show the line
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ServersError(f"{line}can't be read as YAML: {_words(error.problem)}") from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise ServersError(f"can't be read as YAML: {type(error).__name__}") from None
    table = _Table("", data, {"servers"}, required={"servers"})
    listed = table.items("servers")
    if not listed:
        raise ServersError("servers: must name at least one server")
    definitions = tuple(_definition(f"servers[{number}]", item) for number, item in enumerate(listed))
    _unique("name", [each.name for each in definitions])
    # Two names of one server would be two locks and two queues for the same targets.
    _unique("url", [each.url for each in definitions])
    return Servers(definitions)


def _unique(field: str, values: list[str]) -> None:
    for number, value in enumerate(values):
        if (first := values.index(value)) != number:
            raise ServersError(f"servers[{number}].{field}: is the same as servers[{first}].{field}")


def _definition(path: str, data: object) -> Definition:
    table = _Table(
        path,
        data,
        {
            "name", "url", "apiKeyFile", "bearerTokenFile", "caFile", "timeoutSeconds", "maxRunningJobs",
            "allowedNamespaces", "allowedNames", "protectedNames",
        },
        required={"name", "url"},
    )  # fmt: skip
    name = table.text("name")
    if not DNS_LABEL.fullmatch(name):
        raise table.wrong("name", "must be at most 63 of a-z, 0-9 and -, and begin and end with no -")
    try:
        url = address(table.text("url"))
    except ValueError as error:
        raise table.wrong("url", str(error)) from None
    if "apiKeyFile" in table and "bearerTokenFile" in table:
        raise table.wrong("bearerTokenFile", "can't be there together with apiKeyFile")
    if "caFile" in table and not url.startswith("https://"):
        raise table.wrong("caFile", "has no use without https in the url")
    allowed_from, selector = _allowed(f"{path}.allowedNamespaces", table.get("allowedNamespaces", {}))
    return Definition(
        name,
        url,
        api_key_file=table.file("apiKeyFile"),
        bearer_token_file=table.file("bearerTokenFile"),
        ca_file=table.file("caFile"),
        timeout=table.number("timeoutSeconds", 0.5, 300),
        max_running_jobs=table.whole("maxRunningJobs", 0, 10_000),
        allowed_from=allowed_from,
        selector=selector,
        allowed_names=table.globs("allowedNames") if "allowedNames" in table else ("*",),
        protected_names=table.globs("protectedNames") if "protectedNames" in table else (),
    )


def _allowed(path: str, data: object) -> tuple[From, tuple[Term, ...]]:
    table = _Table(path, data, {"from", "selector"})
    try:
        source = From(table.text("from")) if "from" in table else From.SAME
    except ValueError as error:
        if isinstance(error, ServersError):
            raise
        raise table.wrong("from", "must be Same, Selector or All") from None
    if source is not From.SELECTOR:
        if "selector" in table:
            raise table.wrong("selector", "has no use unless from is Selector")
        return source, ()
    if "selector" not in table:
        raise table.wrong("selector", "must be there, as from is Selector")
    return source, _selector(f"{path}.selector", table.get("selector"))


def _selector(path: str, data: object) -> tuple[Term, ...]:
    table = _Table(path, data, {"matchLabels", "matchExpressions"})
    terms = []
    if "matchLabels" in table:
        labels = table.get("matchLabels")
        if not isinstance(labels, dict):
            raise table.wrong("matchLabels", "must be a mapping")
        for key, value in labels.items():
            where = f"{path}.matchLabels"
            terms.append(Term(_label_key(where, key), Operator.IN, frozenset({_label_value(where, value)})))
    if "matchExpressions" in table:
        for number, item in enumerate(table.items("matchExpressions")):
            terms.append(_expression(f"{path}.matchExpressions[{number}]", item))
    if not terms:
        raise ServersError(f"{path}: must have at least one term; for all namespaces, set from to All")
    return tuple(terms)


def _expression(path: str, data: object) -> Term:
    table = _Table(path, data, {"key", "operator", "values"}, required={"key", "operator"})
    key = _label_key(f"{path}.key", table.text("key"))
    word = table.text("operator")
    if word not in list(Operator):
        raise table.wrong("operator", "must be In, NotIn, Exists or DoesNotExist")
    operator = Operator(word)
    values = frozenset(_label_value(f"{path}.values", value) for value in table.items("values"))
    if (operator in (Operator.IN, Operator.NOT_IN)) != bool(values):
        raise table.wrong("values", "must be there with In and NotIn, and only then")
    return Term(key, operator, values)


def _label_key(path: str, key: object) -> str:
    if not isinstance(key, str) or not LABEL_KEY.fullmatch(key):
        raise ServersError(f"{path}: has a key that no label can have")
    return key


def _label_value(path: str, value: object) -> str:
    if not isinstance(value, str) or not LABEL_VALUE.fullmatch(value):
        raise ServersError(f"{path}: has a value that no label can have; put it into quotes")
    return value


class _Table:
    """A mapping of the file, at `path`, that has no other keys than `known`."""

    def __init__(self, path: str, data: object, known: set[str], required: Iterable[str] = ()) -> None:
        self._path = path
        if not isinstance(data, dict):
            raise ServersError(f"{path}: must be a mapping" if path else "the file must be a mapping")
        self._data: dict[Any, Any] = data
        for key in data:
            if key not in known:
                raise self.wrong(_words(key), f"is no field; there are {', '.join(sorted(known))}")
        for key in required:
            if key not in data:
                raise self.wrong(key, "must be there")

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def wrong(self, key: str, words: str) -> ServersError:
        return ServersError(f"{self._path}.{key}: {words}".removeprefix("."))

    def get(self, key: str, default: object = None) -> object:
        return self._data.get(key, default)

    def text(self, key: str) -> str:
        value = self._data[key]
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "must be a text; put it into quotes")
        return value

    def file(self, key: str) -> str | None:
        if key not in self:
            return None
        path = self.text(key)
        if not path.startswith("/") or not path.isprintable() or len(path) > 4096:
            raise self.wrong(key, "must be an absolute path")
        return path

    def items(self, key: str) -> list[object]:
        value = self._data.get(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list")
        return value

    def globs(self, key: str) -> tuple[str, ...]:
        globs = []
        for number, glob in enumerate(self.items(key)):
            if not isinstance(glob, str) or not GLOB.fullmatch(glob):
                raise self.wrong(f"{key}[{number}]", "must be made of letters, digits, -, _, * and ?")
            globs.append(glob)
        return tuple(globs)

    def number(self, key: str, least: float, most: float) -> float | None:
        if key not in self:
            return None
        value = self._data[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.wrong(key, f"must be a number from {least:g} to {most:g}")
        return float(value)

    def whole(self, key: str, least: int, most: int) -> int | None:
        if key in self and not isinstance(self._data[key], int):
            raise self.wrong(key, "must be a whole number")
        value = self.number(key, least, most)
        return None if value is None else int(value)


def _words(text: object) -> str:
    """Short, and of one line: it comes from the file."""
    return plain_text(str(text))[:64] if isinstance(text, str) else type(text).__name__


class _Loader(yaml.SafeLoader):
    """YAML without what would let a reader see another file than the operator: no key twice (the last one
    would win, silently), no anchors and merges (and with them no bombs).
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # types-PyYAML leaves it open
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.constructor.ConstructorError(None, None, "anchors are not taken", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else None
            if word is None or word == "<<":
                raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key.start_mark)
            if word in seen:
                raise yaml.constructor.ConstructorError(None, None, "a key is there twice", key.start_mark)
            seen.add(word)
        return super().construct_mapping(node, deep)


def _load(text: str) -> object:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
