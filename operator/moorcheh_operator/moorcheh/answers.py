"""What Moorcheh's answers mean, named by what the caller may do next (docs/safety.md, rule 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from moorcheh_operator.api.status import Job


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx with a usable job id: the server works on it."""

    job_id: str


@dataclass(frozen=True, slots=True)
class AcceptedWithoutJob:
    """2xx, and no job to ask for, as the cloud product answers: the listing will show when it is done."""

    message: str | None = None
    estimated_completion: str | None = None  # in the server's own words


@dataclass(frozen=True, slots=True)
class NotSent:
    """The DELETE surely never left: it may be tried again with a new attempt."""

    error: str


@dataclass(frozen=True, slots=True)
class Refused:
    """401, 403, 429: not now. It may be tried again with a new attempt."""

    error: str
    retry_after: float | None = None  # seconds, as the server asked


@dataclass(frozen=True, slots=True)
class Rejected:
    """400, 422: never."""

    error: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """Anything else: the delete may have happened, may be happening, may still happen.

    `settled`: the server has finished with this DELETE (2xx that makes no sense, or 404 or 409 with its own
    JSON error), so that a look-up from now on tells the truth.
    """

    error: str
    settled: bool = False


SendAnswer = Accepted | AcceptedWithoutJob | NotSent | Refused | Rejected | Unclear


@dataclass(frozen=True, slots=True)
class Entry:
    """One namespace of a listing; `creation_time` is the server's string."""

    item_count: int | None = None
    creation_time: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    entries: Mapping[str, Entry]
    skew: timedelta = timedelta()  # add it to one of the server's times to get the cluster's


@dataclass(frozen=True, slots=True)
class JobReport:
    job: Job


@dataclass(frozen=True, slots=True)
class JobUnknown:
    """404 with a JSON `message`: the server itself says that it knows no such job."""

    error: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No usable answer to a call that only reads."""

    error: str


PollAnswer = JobReport | JobUnknown | Unavailable
LookUpAnswer = Listing | Unavailable
