"""What a response says. Pure.

Answers are untrusted: JSON types are checked, texts cut, ids matched (docs/safety.md, rule 13).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

import httpx
import msgspec

from moorcheh_operator.api.status import MAX_COUNT, Job, JobStatus
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import parse_birth

from .answers import (
    Accepted,
    AcceptedWithoutJob,
    Entry,
    JobReport,
    PollAnswer,
    Refused,
    Rejected,
    SendAnswer,
    Unavailable,
    Unclear,
)

LOOKED_AT = 100  # entries: to parse thousands at each listing would cost more than the rest of it
MAX_RETRY_AFTER = 60.0  # seconds
QUOTA_WORDS = "a quota is used up or a subscription has ended: waiting may not help; see the Moorcheh account"
QUOTA = re.compile(r"quota|subscription|\bplan\b|billing|upgrade|credits?\b", re.IGNORECASE)
ACCEPTED_WORDS = (
    *("success", "ok", "accepted", "pending", "queued", "started", "processing", "in_progress"),
    *("deleting", "deleted", "completed"),
)
FAILURE_SIGNS = ("error", "errors", "errorMessage", "errorType", "error_message", "error_code")
# Of a listing that is a page of several; without case and underscores.
MORE = re.compile(
    r"next(page|token|cursor|url|link|offset|pagetoken|pageurl)?|cursor|(page|pagination)token"
    r"|lastevaluatedkey|more|has(more|next)(pages?)?|(is)?(truncated|partial|incomplete)"
    r"|continue|continuation(token)?"
)
TOTAL = re.compile(r"total|count|total(count|namespaces|results)|namespaces?count")
PAGES = re.compile(r"(total)?pages|pagecount")
AROUND = re.compile(r"pagination|paging|pageinfo|page|meta(data)?|links")
NO_MORE: tuple[object, ...] = (None, False, "", "false", 0, "0", [], {})
QUOTES = str.maketrans("", "", "\"' ")
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    shown: Callable[[str], str]  # the server's words without the key that it was sent

    @property
    def headers(self) -> httpx.Headers:
        return httpx.Headers(self.raw_headers)

    def json(self) -> Any:
        """None where the body is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            return _lenient(self.body)

    @property
    def message(self) -> str | None:
        """The words of the server's own JSON error."""
        match self.json():
            case {"message": str(message)}:
                return plain_text(self.shown(message))
            case _:
                return None

    def describe(self) -> str:
        words = f"HTTP {self.status}" + (f": {self.message}" if self.message else "")
        spent = self.status == httpx.codes.TOO_MANY_REQUESTS and QUOTA.search(self.message or "")
        return f"{words} ({QUOTA_WORDS})" if spent else words


def _lenient(body: bytes) -> Any:
    """With what is no JSON by the standard, and is written by some servers: NaN, UTF-16, half a surrogate."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def send_answer(response: Response) -> SendAnswer:
    words = response.describe()
    match response.status:
        case 401 | 403 | 429:
            return Refused(words, _retry_after(response))
        case 400 | 422:
            return Rejected(words)
        case status if 200 <= status < 300:
            match response.json():
                case {"job_id": str(job_id)} if JOB_ID.fullmatch(job_id):
                    return Accepted(job_id)
                case dict(body) if body.get("job_id") is None and _says_accepted(status, body):
                    return AcceptedWithoutJob(response.message, _own_words(body, response.shown))
                case _:
                    return Unclear(f"{words} without a usable job id", settled=True)
        case 404 | 409:
            return Unclear(words, settled=response.message is not None)
        case _:
            return Unclear(words)


def _says_accepted(code: int, body: Mapping[str, Any]) -> bool:
    """By its word, or by 202. What a gateway makes of an error may be a 200, or even a 202."""
    word = body.get("status")
    if any(body.get(sign) for sign in FAILURE_SIGNS) or body.get("success") is False or "statusCode" in body:
        return False
    accepts = code == httpx.codes.ACCEPTED
    return accepts if word is None else isinstance(word, str) and word.lower() in ACCEPTED_WORDS


def _own_words(body: Mapping[str, Any], shown: Callable[[str], str]) -> str | None:
    words = body.get("estimated_completion")
    return plain_text(shown(words)) if isinstance(words, str) and words else None


def _retry_after(response: Response) -> float | None:
    """Seconds; either form of RFC 9110 section 10.2.3, at most a minute."""
    value = response.headers.get("Retry-After", "")
    try:
        if value.isascii() and value.isdigit():
            return min(float(value), MAX_RETRY_AFTER)
        until, sent = parsedate_to_datetime(value), parsedate_to_datetime(response.headers["Date"])
        return min(max((until - sent).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


class _Entries(Mapping[str, Entry]):
    """The entries of a listing by name. One is parsed when it is asked for: few of thousands ever are."""

    def __init__(self, items: dict[str, dict[str, Any]]) -> None:
        self._items = items

    def __getitem__(self, name: str) -> Entry:
        item = self._items[name]
        return Entry(
            item_count=_first(map(_known, (item.get(key) for key in ("item_count", "itemCount", "items")))),
            creation_time=_first(map(_time_text, (item.get(key) for key in ("created_at", "createdAt")))),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def listing_entries(body: Any) -> _Entries | str:
    """The listing by name, or what is wrong with it: an unusable one must never read as "absent"."""
    if not isinstance(body, dict) or not isinstance(body.get("namespaces"), list):
        return "the listing is not the JSON that was expected"
    items: dict[str, dict[str, Any]] = {}
    for item in body["namespaces"]:
        name = item.get("namespace_name", item.get("name")) if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            return "the listing has an entry without a name"
        if name in items:
            return "the listing has a name twice"
        items[name] = item
    return _Entries(items)


def signs_of_more(body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, ...]:
    """That the listing is a page of several: what is missing there would count as gone. Pages are not known
    of Moorcheh, so their form can only be guessed.
    """
    listed = len(body["namespaces"])
    link = "rel=next" in headers.get("Link", "").lower().translate(QUOTES)
    return (*_signs(body, listed), *(["Link"] if link else []))


def _signs(fields: Mapping[str, Any], listed: int) -> Iterator[str]:
    for key, value in fields.items():
        name = key.replace("_", "").lower()
        if AROUND.fullmatch(name) and isinstance(value, dict):
            yield from _signs(value, listed)
        elif MORE.fullmatch(name) and value not in NO_MORE:
            yield key
        elif TOTAL.fullmatch(name) and _number(value) > listed:
            yield f"{key} {value} of {listed} listed"
        elif PAGES.fullmatch(name) and _number(value) > 1:
            yield f"{key} {value}"


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0


def dated(entries: Mapping[str, Entry]) -> bool | None:
    """Whether any of the first entries has a creation time that can be read; None: there are no entries."""
    if not entries:
        return None
    return any(parse_birth(entries[name].creation_time) is not None for name in islice(entries, LOOKED_AT))


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return min(max(int(value), 0), MAX_COUNT)


def _known(value: object) -> int | None:
    """A count that a precondition may rest on. A negative one counts as missing, not as 0."""
    negative = isinstance(value, int | float) and value < 0
    return None if negative else _count(value)


def _time_text(value: object) -> str | None:
    """A time as the server wrote it; one that is too long to be a time is none."""
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.isprintable():
        return None
    return value


def _state_text(status: str, shown: Callable[[str], str]) -> str:
    """The job's state. A word that the operator acts on stays as it is, even if it holds the API key."""
    words = plain_text(status)
    return words if words.lower() in list(JobStatus) else plain_text(shown(status))


def job_answer(body: Any, name: str, job_id: str, shown: Callable[[str], str]) -> PollAnswer:
    match body:
        case {"status": str(status)} if 0 < len(status) <= 64:
            pass
        case _:
            return Unavailable("the job's answer is not the JSON that was expected")
    if body.get("job_id", job_id) != job_id or body.get("namespace_name", name) != name:
        return Unavailable("the server answered with another job")
    last_error = body.get("last_error")
    return JobReport(
        Job(
            id=job_id,
            status=_state_text(status, shown),
            total_items=_count(body.get("total_items")),
            deleted_items=_count(body.get("deleted_items")),
            last_error=plain_text(shown(last_error)) if isinstance(last_error, str) and last_error else None,
            start_time=_time_text(body.get("started_at")),
            update_time=_time_text(body.get("updated_at")),
            finish_time=_time_text(body.get("finished_at")),
        )
    )
