"""Which namespaces of a listing a policy matches (docs/safety.md, rule 19). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from moorcheh_operator.api.policy import Select
from moorcheh_operator.api.times import parse_birth
from moorcheh_operator.lifecycle.guards import by_either_clock
from moorcheh_operator.moorcheh.answers import Entry, Listing
from moorcheh_operator.servers.definitions import GLOB, Definition

TARGET = re.compile(r"[A-Za-z0-9_-]{1,255}")  # what a request can name
EVERYTHING = re.compile(r"[*?]*")
DURATION = re.compile(r"(?=.)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Matches:
    names: tuple[str, ...]  # sorted
    unverifiable: int  # would match by their names, but the server does not show enough of them
    created_before: datetime | None  # of all of them; None: the server shows no creation times


def duration(text: str) -> timedelta | None:
    """Such as 168h or 36h30m; None: it is none, or zero."""
    found = DURATION.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds) or None


def flaw(select: Select) -> str | None:
    """What is wrong with it, in words that begin with the field; None: nothing."""
    for field, globs in (("names", select.names), ("exceptNames", select.except_names)):
        for number, glob in enumerate(globs):
            if not GLOB.fullmatch(glob):
                return f"spec.select.{field}[{number}] is no glob of letters, digits, -, _, * and ?"
    if not select.names:
        return "spec.select.names names nothing"
    if select.older_than is not None and duration(select.older_than) is None:
        return (
            "spec.select.olderThan is no duration above zero in hours, minutes and seconds, each a whole "
            "number of at most six digits, such as 168h"
        )
    if select.max_items is not None and select.max_items < 0:
        return "spec.select.maxItems is below zero"
    if select.older_than is None and select.max_items is None:
        for number, glob in enumerate(select.names):
            if EVERYTHING.fullmatch(glob):
                return (
                    f"spec.select.names[{number}] means everything, and needs olderThan or maxItems beside it"
                )
    return None


def matches(select: Select, listing: Listing, server: Definition, looked: datetime) -> Matches:
    """Of what the servers file lets anybody delete there. `looked`: when the listing was asked for, by the
    cluster's clock. What can't be told does not match. The times are those that a request's own
    preconditions are checked by, so that what matches now is not refused for the same reason later.
    """
    age = duration(select.older_than) if select.older_than is not None else timedelta()
    if age is None or flaw(select) is not None:
        return Matches((), 0, None)
    try:
        before = looked.replace(microsecond=0) - age
    except OverflowError:
        return Matches((), 0, None)
    dated = any(_born(listing.entries[name]) is not None for name in listing.entries)
    found, unverifiable = [], 0
    for name in _named(select, listing, server):
        verdict = _fits(select, listing.entries[name], listing.skew, before if dated else None)
        unverifiable += verdict is None
        if verdict:
            found.append(name)
    return Matches(tuple(sorted(found)), unverifiable, before if dated else None)


def _named(select: Select, listing: Listing, server: Definition) -> Iterator[str]:
    for name in listing.entries:
        if not any(fnmatchcase(name, glob) for glob in select.names):
            continue
        if any(fnmatchcase(name, glob) for glob in select.except_names):
            continue
        if TARGET.fullmatch(name) and server.allows_name(name) and server.protects(name) is None:
            yield name


def _fits(select: Select, entry: Entry, skew: timedelta, before: datetime | None) -> bool | None:
    """None: that can't be told."""
    if before is None:
        if select.older_than is not None:
            return None
    else:
        born = _born(entry)
        if born is None:
            return None
        if by_either_clock(born, skew) >= before:
            return False
    if select.max_items is None:
        return True
    return None if entry.item_count is None else entry.item_count <= select.max_items


def _born(entry: Entry) -> datetime | None:
    return parse_birth(entry.creation_time)
