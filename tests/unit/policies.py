"""Policies, listings and facts with few words. It is 27 November 2026, 23:10; the policy was made at noon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from moorcheh_operator.api.policy import LastRun, Policy, PolicySpec, PolicyStatus, Result, Select, Template
from moorcheh_operator.api.spec import ServerRef
from moorcheh_operator.clock import Now
from moorcheh_operator.moorcheh.answers import Entry, Listing
from moorcheh_operator.policies.facts import Facts, Look, Right
from moorcheh_operator.servers.definitions import Allowed, Definition, From

MADE = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
NOW = Now(datetime(2026, 11, 27, 23, 10, 30, tzinfo=UTC), 1000.0)
SERVER = Definition("default", "http://moorcheh:8080", allowed_namespaces=Allowed(From.ALL))


def at(text: str) -> datetime:
    """Such as 2026-11-28T03:00, in UTC."""
    return datetime.fromisoformat(f"{text}:00+00:00")


def a_select(*names: str, **others: Any) -> Select:
    return Select(names or ("ci-*",), **others)


def a_policy(
    *,
    select: Select | None = None,
    schedule: str = "0 * * * *",
    status: PolicyStatus | None = None,
    generation: int = 1,
    name: str = "nightly",
    uid: str = "policy-1",
    withdrawn: bool = False,
    flaws: tuple[str, ...] = (),
    server: str = "default",
    template: Template | None = None,
    **spec: Any,
) -> Policy:
    return Policy(
        namespace="team",
        name=name,
        uid=uid,
        resource_version="7",
        generation=generation,
        creation_time=MADE,
        spec=PolicySpec(
            schedule, select or a_select(), ServerRef(server), template=template or Template(), **spec
        ),
        status=status or PolicyStatus(),
        withdrawn=withdrawn,
        flaws=flaws,
    )


def announced(time: str, **status: Any) -> PolicyStatus:
    """Its next run is known, and its time has come or will."""
    return PolicyStatus(observed_generation=1, next_run_time=at(time), **status)


def a_listing(entries: dict[str, Entry], skew: float = 0.0) -> Listing:
    return Listing(entries, timedelta(seconds=skew))


def old(count: int | None = 3, *, hours: float = 48) -> Entry:
    born = NOW.time - timedelta(hours=hours)
    return Entry(count, born.isoformat())


def undated(count: int | None = 3) -> Entry:
    return Entry(count, None)


def a_look(entries: dict[str, Entry], *, busy: tuple[str, ...] = (), ago: float = 1.0) -> Look:
    asked = NOW.time - timedelta(seconds=ago)
    return Look(a_listing(entries), asked, NOW.ticks - ago, frozenset(busy))


def the_facts(look: Look | None = None, **others: Any) -> Facts:
    """All is well at its server, and it may create requests."""
    return Facts(**{"server": SERVER, "look": look, "right": Right(True, 900.0)} | others)


def a_run(*remaining: str, **fields: Any) -> LastRun:
    """One under way, which was begun ten seconds ago."""
    begun = LastRun(
        scheduled_time=at("2026-11-27T23:00"),
        time=NOW.time - timedelta(seconds=10),
        matched=len(remaining),
        created=0,
        skipped=0,
        unverifiable=0,
        result=Result.CREATING,
        remaining=remaining,
        created_before=NOW.time - timedelta(hours=24, seconds=10),
        server=SERVER.url,
    )
    return replace(begun, **fields)


def under_way(*remaining: str, **fields: Any) -> PolicyStatus:
    run = a_run(*remaining, **fields)
    return PolicyStatus(observed_generation=1, last_run=run, next_run_time=at("2026-11-28T00:00"))
