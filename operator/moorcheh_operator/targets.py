"""Which request has which target, as far as this process knows (docs/safety.md, rule 10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from .facts import Facts
from .model import Request
from .tenure import claim_rank, holder


class Member(Protocol):
    """A request that is being worked on, with what is known of it."""

    @property
    def request(self) -> Request: ...
    @property
    def facts(self) -> Facts: ...


class Targets:
    """Members by target. Whoever comes to hold a target is woken."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._members: defaultdict[str, dict[str, Member]] = defaultdict(dict)
        self._ranks: dict[str, int | None] = {}
        self._holders: dict[str, Request] = {}
        self._ends: dict[str, datetime] = {}

    def update(self, member: Member) -> None:
        """To be called when a member is new or has changed."""
        name, uid = member.request.spec.namespace_name, member.request.uid
        rank = claim_rank(member.request, member.facts)
        if self._ranks.get(uid, -1) == rank:
            return
        self._ranks[uid] = rank
        self._members[name][uid] = member
        self._settle(name, self._members[name].values())

    def remove(self, member: Member) -> None:
        name = member.request.spec.namespace_name
        members = self._members[name]
        members.pop(member.request.uid, None)
        self._ranks.pop(member.request.uid, None)
        self._settle(name, members.values())
        if not members:
            del self._members[name]

    def note_end(self, request: Request) -> None:
        """An ended request: what waits for its target must be strict about newer data (rule 8)."""
        name, end = request.spec.namespace_name, request.status.completion_time
        if end is not None and end > self._ends.get(name, datetime.min.replace(tzinfo=end.tzinfo)):
            self._ends[name] = end

    def last_end(self, request: Request) -> datetime | None:
        return self._ends.get(request.spec.namespace_name)

    def forget_ends(self, before: datetime) -> None:
        """Those of targets that no request is worked on for: a later one is younger than they are."""
        self._ends = {name: end for name, end in self._ends.items() if end > before or name in self._members}

    def holder(self, request: Request) -> Request | None:
        return self._holders.get(request.spec.namespace_name)

    def is_wanted(self, name: str) -> bool:
        """Whether any request that is being worked on, suspended ones too, has this target."""
        return bool(self._members.get(name))

    def _settle(self, name: str, members: Iterable[Member]) -> None:
        before = self._holders.get(name)
        now = holder((member.request, member.facts) for member in members)
        if now is None:
            self._holders.pop(name, None)
        else:
            self._holders[name] = now
        if now is not None and (before is None or before.uid != now.uid):
            self._wake(now.uid)
