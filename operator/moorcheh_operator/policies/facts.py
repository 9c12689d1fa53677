"""What this process knows of a policy beyond the object itself. Values only; a crash may lose all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from moorcheh_operator.backoff import Trouble
from moorcheh_operator.lifecycle.rewound import KnownPolicy
from moorcheh_operator.moorcheh.answers import Listing
from moorcheh_operator.servers.definitions import Definition


@dataclass(frozen=True, slots=True)
class Look:
    """A listing of the policy's server."""

    listing: Listing
    asked: datetime  # by the cluster's clock
    answered: float  # ticks
    busy: frozenset[str] = frozenset()  # names that have an unfinished request


@dataclass(frozen=True, slots=True)
class Right:
    """Whether requests may be created in the policy's Kubernetes namespace, as the API server said."""

    given: bool
    asked: float  # ticks


@dataclass(frozen=True, slots=True)
class Made:
    """The request is there: it was created, or had been for this very run."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never be."""

    error: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The right to create requests is not given."""

    error: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """It may be there."""

    error: str


Creation = Made | Refused | Forbidden | Unanswered


@dataclass(frozen=True, slots=True)
class Creations:
    """What became of requests of one run."""

    run: datetime  # its scheduled time
    by_target: Mapping[str, Creation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    server: Definition | None = None  # None: the servers file has none of that name
    shut_out: str | None = None  # why the server takes no requests from its Kubernetes namespace, in words
    look: Look | None = None
    outage: Trouble | None = None  # of looking
    right: Right | None = None  # None: not asked yet
    known: KnownPolicy | None = None  # what it was in a history of the API server that is lost
    creations: Creations | None = None
    create_outage: Trouble | None = None
