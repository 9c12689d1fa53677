"""From the server's answers to findings. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import parse_birth
from moorcheh_operator.moorcheh.answers import Entry
from moorcheh_operator.moorcheh.parsing import Response, listing_entries, signs_of_more

from .findings import PREFIX, Answer, Between, Health, Listing

MOST_FIELDS = 40
MOST_LEFT_OVER = 20
TELLS_PROXY = (
    "Via",
    "Age",
    "X-Cache",
    "X-Served-By",
    "X-Envoy-Upstream-Service-Time",
    "X-Kong-Proxy-Latency",
    "X-Amzn-Trace-Id",
    "X-Amz-Apigw-Id",
    "X-Amz-Cf-Id",
    "CF-Ray",
)
PROXIES = re.compile(
    r"nginx|envoy|openresty|haproxy|caddy|traefik|cloudflare|cloudfront|varnish|squid|kong|awselb|apache",
    re.IGNORECASE,
)
ZONE = re.compile(r"(Z|[+-]\d\d:?(\d\d)?)$", re.IGNORECASE)

Shown = Callable[[str], str]
"""The server's words without the key that it was sent."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The listing's entry of one name, as far as it tells incarnations apart."""

    fields: tuple[str, ...]
    entry: Entry
    kind: object
    dimension: object


def answer_of(response: Response, seconds: float) -> Answer:
    return Answer(response.describe(), response.status, round(seconds, 3))


def health_of(response: Response, seconds: float) -> Health:
    body = response.json()
    if response.status != httpx.codes.OK or not isinstance(body, dict):
        return Health(answer_of(response, seconds))
    return Health(
        answer_of(response, seconds),
        _words(body.get("status"), response.shown),
        _whole(body.get("items")),
        _whole(body.get("max_items")),
    )


def listing_of(response: Response, seconds: float) -> Listing:
    answer = answer_of(response, seconds)
    if response.status != httpx.codes.OK:
        return Listing(answer, error=response.describe())
    body = response.json()
    entries = listing_entries(body)
    if isinstance(entries, str):
        return Listing(answer, error=entries)
    raw: list[dict[str, Any]] = body["namespaces"]
    times = [text for each in entries.values() if (text := each.creation_time) is not None]
    births = [text for text in times if parse_birth(text) is not None]
    return Listing(
        answer,
        namespaces=len(entries),
        fields=_fields(raw, response.shown),
        counted=sum(each.item_count is not None for each in entries.values()),
        dated=len(births),
        creation_form=form(next(iter(births or times or _other_times(raw)), None)),
        zoned=all(ZONE.search(text) for text in births),
        pages=tuple(_name(sign, response.shown) for sign in signs_of_more(body, response.headers)),
        left_over=tuple(name for name in entries if name.startswith(PREFIX))[:MOST_LEFT_OVER],
    )


def seen(response: Response, name: str) -> Seen | str | None:
    """The entry of `name`; None: it is not listed. A text: the listing can't be used, and why."""
    body = response.json()
    if response.status != httpx.codes.OK:
        return response.describe()
    entries = listing_entries(body)
    if isinstance(entries, str):
        return entries
    if name not in entries:
        return None
    raw = next(each for each in body["namespaces"] if each.get("namespace_name", each.get("name")) == name)
    return Seen(
        tuple(_fields([raw], response.shown)), entries[name], raw.get("type"), raw.get("vector_dimension")
    )


def between_of(headers: httpx.Headers, shown: Shown) -> Between:
    server = _words(headers.get("Server"), shown)
    signs = [f"{name}: {_words(headers[name], shown)}" for name in TELLS_PROXY if name in headers]
    if server and PROXIES.search(server):
        signs.append(f"Server: {server}")
    return Between(tuple(signs), server, redirect_of(headers, shown))


def redirect_of(headers: httpx.Headers, shown: Shown) -> str | None:
    """Where to, without what may be a secret in it."""
    location = headers.get("Location")
    if location is None:
        return None
    return _words(re.sub(r"//[^/@]*@", "//", re.split(r"[?#]", location)[0]), shown)


def form(time: str | None) -> str | None:
    """How a time is written: each digit a 0."""
    return None if time is None else plain_text(re.sub(r"\d", "0", time))


def fields_of(body: object, shown: Shown) -> tuple[str, ...]:
    """All of them, also those without a value."""
    keys = list(body)[:MOST_FIELDS] if isinstance(body, dict) else []
    return tuple(_name(key, shown) for key in keys)


def _fields(items: Iterable[Mapping[str, Any]], shown: Shown) -> dict[str, int]:
    """By how many of the items have the field, with a value."""
    counts = Counter(key for item in items for key, value in item.items() if value is not None)
    return {_name(key, shown): count for key, count in counts.most_common(MOST_FIELDS)}


def _other_times(items: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """What stands for a creation time and is no text: seconds since 1970, as a rule."""
    values = (item.get(key) for item in items for key in ("created_at", "createdAt"))
    return (str(value)[:64] for value in values if isinstance(value, int | float))


def _name(key: str, shown: Shown) -> str:
    return plain_text(shown(key))[:64]


def _words(value: object, shown: Shown) -> str | None:
    return plain_text(shown(value))[:200] if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None
