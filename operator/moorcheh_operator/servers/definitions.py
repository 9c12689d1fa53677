"""The servers that requests may name, and who may use them for what: the fields of SERVERS_FILE. Pure.

Read strictly: an unknown key or an impossible value is refused, with one line that names the field. That line
repeats no value, as somebody may have put a secret where none belongs.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated

import yaml
from msgspec import Meta, Struct, ValidationError, convert, field
from msgspec.structs import force_setattr

from moorcheh_operator.api.spec import DEFAULT_SERVER
from moorcheh_operator.api.texts import plain_text

from .addresses import address
from .strict_yaml import NoValueError, load

MAX_FILE = 128 * 1024  # bytes; hundreds of servers, read in a second

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
GLOB = re.compile(r"[A-Za-z0-9_*?-]{1,255}")
SERVER_GLOB = re.compile(r"[a-z0-9*?-]{1,63}")
LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class ServersError(ValueError):
    """What is wrong with a servers file, in one line that begins with the field's path."""


class From(StrEnum):
    """Whose requests a server takes, by their Kubernetes namespace."""

    SAME = "Same"  # the operator's own
    SELECTOR = "Selector"
    ALL = "All"


class NameReuse(StrEnum):
    """Whether a name may come to be another namespace there while a request for it is open."""

    POSSIBLE = "Possible"
    NEVER = "Never"  # whoever runs the server says so; it counts where no creation times are shown


class Operator(StrEnum):
    """Of a label selector's expression."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Part(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A mapping of the file. What its `__post_init__` raises begins with `.` and the field's name."""


class Term(Part, frozen=True):
    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _check_labels(".key", [self.key], self.values)
        if (self.operator in (Operator.IN, Operator.NOT_IN)) != bool(self.values):
            raise ValueError(".values: must be there with In and NotIn, and only then")

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


class Selector(Part, frozen=True):
    match_labels: dict[str, str] = {}
    match_expressions: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        _check_labels(".matchLabels", self.match_labels, self.match_labels.values())
        if not self.terms:
            raise ValueError("must have at least one term; for all namespaces, set from to All")

    @property
    def terms(self) -> tuple[Term, ...]:
        labels = (Term(key, Operator.IN, frozenset({value})) for key, value in self.match_labels.items())
        return (*labels, *self.match_expressions)

    def holds(self, labels: Mapping[str, str]) -> bool:
        return all(term.holds(labels) for term in self.terms)


class Allowed(Part, frozen=True):
    """The Kubernetes namespaces whose requests a server takes."""

    from_: From = field(default=From.SAME, name="from")
    selector: Selector | None = None

    def __post_init__(self) -> None:
        if self.from_ is not From.SELECTOR and self.selector is not None:
            raise ValueError(".selector: has no use unless from is Selector")
        if self.from_ is From.SELECTOR and self.selector is None:
            raise ValueError(".selector: must be there, as from is Selector")


class Definition(Part, frozen=True):
    """One server. `url` is its identity: another URL is another server, whatever its name."""

    name: str
    url: str
    api_key_file: str | None = None
    bearer_token_file: str | None = None
    ca_file: str | None = None
    timeout_seconds: Annotated[float, Meta(ge=0.5, le=300)] | None = None  # None: the operator's own setting
    max_running_jobs: Annotated[int, Meta(ge=0, le=10_000)] | None = None  # 0: no limit; None: the same
    name_reuse: NameReuse = NameReuse.POSSIBLE
    allowed_namespaces: Allowed = Allowed()
    allowed_names: tuple[str, ...] = ("*",)
    protected_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not DNS_LABEL.fullmatch(self.name):
            raise ValueError(".name: must be at most 63 of a-z, 0-9 and -, and begin and end with no -")
        try:
            force_setattr(self, "url", address(self.url))
        except ValueError as error:
            raise ValueError(f".url: {error}") from None
        if self.api_key_file is not None and self.bearer_token_file is not None:
            raise ValueError(".bearerTokenFile: can't be there together with apiKeyFile")
        if self.ca_file is not None and not self.url.startswith("https://"):
            raise ValueError(".caFile: has no use without https in the url")
        _check_file("apiKeyFile", self.api_key_file)
        _check_file("bearerTokenFile", self.bearer_token_file)
        _check_file("caFile", self.ca_file)
        _check_globs("allowedNames", self.allowed_names)
        _check_globs("protectedNames", self.protected_names)

    def allows_name(self, name: str) -> bool:
        return _first_match(name, self.allowed_names) is not None

    def protects(self, name: str) -> str | None:
        """The first glob that does."""
        return _first_match(name, self.protected_names)


@functools.lru_cache(maxsize=1024)  # asked at each decision about a request
def _first_match(name: str, globs: tuple[str, ...]) -> str | None:
    return next((glob for glob in globs if fnmatchcase(name, glob)), None)


class Servers(Part, frozen=True):
    definitions: tuple[Definition, ...] = field(default=(), name="servers")
    served_elsewhere: tuple[str, ...] = ()  # globs of server names: requests for these are another operator's

    def __post_init__(self) -> None:
        for number, glob in enumerate(self.served_elsewhere):
            if not SERVER_GLOB.fullmatch(glob):
                raise ValueError(f".servedElsewhere[{number}]: must be at most 63 of a-z, 0-9, -, * and ?")

    def serves(self, name: str) -> bool:
        """Whether requests for it are this operator's, also to say that there is no such server."""
        elsewhere = any(fnmatchcase(name, glob) for glob in self.served_elsewhere)
        return self.get(name) is not None or not elsewhere

    def get(self, name: str) -> Definition | None:
        for each in self.definitions:
            if each.name == name:
                return each
        return None

    def name_reuse(self, url: str) -> NameReuse:
        """Of the server with that URL; of one that is not named, nothing is declared."""
        declared = (each.name_reuse for each in self.definitions if each.url == url)
        return next(declared, NameReuse.POSSIBLE)


def single(url: str, name_reuse: NameReuse = NameReuse.POSSIBLE) -> Servers:
    """What `MOORCHEH_BASE_URL` alone means: one server, open to all that is watched."""
    all_of_them = Allowed(From.ALL)
    return Servers(
        (Definition(DEFAULT_SERVER, address(url), name_reuse=name_reuse, allowed_namespaces=all_of_them),)
    )


def parse(text: str) -> Servers:
    """What the file says. Raises `ServersError`."""
    try:
        servers = convert(load(text), Servers)
    except yaml.MarkedYAMLError as error:  # its own words would show the line
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        if isinstance(error, NoValueError):
            raise ServersError(line + plain_text(error.problem or "")) from None
        raise ServersError(f"{line}can't be read as YAML: {_shown(error.problem or '')}") from None
    except ValidationError as error:
        raise ServersError(_words(str(error))) from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise ServersError(f"can't be read as YAML: {type(error).__name__}") from None
    if not servers.definitions:
        raise ServersError("servers: must name at least one server")
    _unique("name", [each.name for each in servers.definitions])
    # Two names of one server would be two locks and two queues for the same targets.
    _unique("url", [each.url for each in servers.definitions])
    for number, glob in enumerate(servers.served_elsewhere):
        if servers.get(glob) is not None:
            raise ServersError(f"servedElsewhere[{number}]: is the name of one of the servers here")
    return servers


def _check_labels(field: str, keys: Iterable[str], values: Iterable[str]) -> None:
    if not all(LABEL_KEY.fullmatch(key) for key in keys):
        raise ValueError(f"{field}: has a key that no label can have")
    if not all(LABEL_VALUE.fullmatch(value) for value in values):
        raise ValueError(f"{field}: has a value that no label can have")


def _check_file(name: str, path: str | None) -> None:
    if path is not None and not (path.startswith("/") and path.isprintable() and len(path) <= 4096):
        raise ValueError(f".{name}: must be an absolute path")


def _check_globs(name: str, globs: tuple[str, ...]) -> None:
    for number, glob in enumerate(globs):
        if not GLOB.fullmatch(glob):
            raise ValueError(f".{name}[{number}]: must be made of letters, digits, -, _, * and ?")


def _unique(name: str, values: list[str]) -> None:
    for number, value in enumerate(values):
        if (first := values.index(value)) != number:
            raise ServersError(f"servers[{number}].{name}: is the same as servers[{first}].{name}")


KINDS = {
    "object": "a mapping",
    "array": "a list",
    "str": "a text; put it into quotes",
    "int": "a whole number",
    "float": "a number",
}


def _words(error: str) -> str:
    """msgspec's words, as a person who writes YAML would say them, and the path first."""
    what, _, path = error.partition(" - at `$")
    path = path.removeprefix(".").removesuffix("`")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        what = f".{_shown(match[1])}: is no field that there is (docs/servers.md has them all)"
    elif match := re.fullmatch(r"Object missing required field `(.*)`", what):
        what = f".{match[1]}: must be there"
    elif match := re.fullmatch(r"Expected `(\w+)(?: \| null)?`(?:, got `.*`)?( .*)?", what):
        what = f"must be {KINDS.get(match[1], match[1])}{match[2] or ''}"
    elif what.startswith("Invalid enum value"):
        kinds = {"from": From, "nameReuse": NameReuse}
        words = [str(word) for word in kinds.get(path.rpartition(".")[2], Operator)]
        what = f"must be {', '.join(words[:-1])} or {words[-1]}"
    if not path:
        return what.removeprefix(".") if what.startswith(".") else f"the file {what}"
    return f"{path}{what}" if what.startswith(".") else f"{path}: {what}"


def _shown(text: str) -> str:
    """Short, and of one line: it comes from the file."""
    return plain_text(text)[:64]
