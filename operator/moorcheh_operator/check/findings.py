"""What was seen of a server. Pure.

Texts of the server are cut, and without its key; of its namespaces nothing is kept but how many there are.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from moorcheh_operator.servers.definitions import NameReuse

PREFIX = "moorcheh-operator-check-"  # of the throw-away namespace's name


class Answer(Struct, frozen=True, rename="camel"):
    """One call's answer."""

    words: str  # "HTTP 202", the server's message with an error; or why there was none
    code: int | None = None  # None: no answer
    seconds: float | None = None

    @property
    def accepted(self) -> bool:
        return self.code is not None and 200 <= self.code < 300


class Tls(Struct, frozen=True, rename="camel"):
    version: str
    certificate_ends: str


class Reach(Struct, frozen=True, rename="camel"):
    addresses: tuple[str, ...] = ()
    tls: Tls | None = None  # None: plain HTTP
    error: str | None = None  # None: it can be reached
    do: str | None = None  # what may help


class Health(Struct, frozen=True, rename="camel"):
    answer: Answer
    status: str | None = None
    items: int | None = None
    max_items: int | None = None


class Listing(Struct, frozen=True, rename="camel"):
    """`GET /namespaces`. `error`: why the operator can't use it."""

    answer: Answer
    error: str | None = None
    namespaces: int = 0
    fields: dict[str, int] = {}  # how many entries have it
    counted: int = 0  # entries with a number of items that the operator understands
    dated: int = 0  # entries with a creation time that it understands
    creation_form: str | None = None  # of a creation time, with 0 for each digit
    zoned: bool = True  # whether all creation times name their zone
    pages: tuple[str, ...] = ()  # signs that this is not all of it
    left_over: tuple[str, ...] = ()  # throw-away namespaces of earlier runs


class Between(Struct, frozen=True, rename="camel"):
    """What stands, or may stand, between here and the server."""

    proxy: tuple[str, ...] = ()  # headers that tell of one
    server: str | None = None  # what the answers' `Server` says
    redirect: str | None = None


class ServerClock(Struct, frozen=True, rename="camel"):
    has_date: bool = False
    ahead_seconds: float | None = None  # of this machine, by the `Date` of its answers


class Leaves(StrEnum):
    """When a name leaves the listing."""

    BEFORE_END = "BeforeEnd"  # while its job runs
    AT_END = "AtEnd"
    AFTER_END = "AfterEnd"
    NEVER = "Never"  # not for as long as it was watched
    UNCLEAR = "Unclear"  # the job was over too soon to tell


class End(StrEnum):
    """How the throw-away namespace's deletion ended, by the server's word."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    FORGOTTEN = "Forgotten"  # the server does not know the job any more
    GONE = "Gone"  # there was no job; the name left the listing
    UNSEEN = "Unseen"


class JobSeen(Struct, rename="camel"):
    fields: tuple[str, ...] = ()
    states: tuple[str, ...] = ()  # in the order in which they were seen
    time_form: str | None = None
    last_error: str | None = None
    error: str | None = None  # why its answers are of no use


class Left(Struct, frozen=True, rename="camel"):
    """What this run may have left at the server."""

    name: str
    words: str
    remove: str | None = None  # a command


class Trial(Struct, rename="camel"):
    """The throw-away namespace. It is filled in as it goes, so that an interruption loses nothing."""

    name: str
    create: Answer | None = None
    listed: bool | None = None  # after it was created
    fields: tuple[str, ...] = ()  # of its entry
    counted: bool = False
    dated: bool = False
    creation_form: str | None = None
    creation_ahead_seconds: float | None = None  # its creation time against the server's own clock
    alone: Answer | None = None  # a GET of this one namespace
    delete: Answer | None = None
    delete_fields: tuple[str, ...] = ()
    has_job: bool = False
    second_delete: Answer | None = None  # while the job ran
    second_job: str | None = None  # of that answer: "same" or "another"
    create_meanwhile: Answer | None = None  # the name once more, while the job ran
    job_elsewhere: Answer | None = None  # the job, asked for under another name
    job_afterwards: Answer | None = None
    job_list: Answer | None = None  # a GET of its jobs
    delete_absent: Answer | None = None  # a DELETE once it was gone
    job: JobSeen | None = None
    too_quick: bool = False  # the job was over before it could be asked anything
    end: End = End.UNSEEN
    end_seconds: float | None = None
    leaves: Leaves | None = None
    leaves_seconds: float | None = None  # after the end; without a job, after the DELETE
    failed_is_listed: bool | None = None
    stopped: str | None = None  # why it went no further
    left: Left | None = None


class Findings(Struct, rename="camel"):
    url: str
    name_reuse: NameReuse = NameReuse.POSSIBLE  # as it is declared
    reach: Reach = Reach()
    key_sent: str | None = None  # the header
    without_key: Answer | None = None  # what the listing without it got
    health: Health | None = None
    listing: Listing | None = None
    between: Between = Between()
    clock: ServerClock = ServerClock()
    unknown_job: Answer | None = None
    unknown_job_is_told: bool = False  # by the server's own JSON
    trial: Trial | None = None
