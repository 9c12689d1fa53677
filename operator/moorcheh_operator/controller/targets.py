"""Which request has which target, as far as this process knows (docs/safety.md, rule 10)."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from moorcheh_operator.api.request import Request, Seniority
from moorcheh_operator.api.status import Reason
from moorcheh_operator.lifecycle.facts import Facts
from moorcheh_operator.lifecycle.ownership import IN_WORK, claim_rank, was_shut_out
from moorcheh_operator.lifecycle.placement import Place


class Member(Protocol):
    """A request that is being worked on, with what is known of it."""

    @property
    def request(self) -> Request: ...
    @property
    def facts(self) -> Facts: ...


def by_name(request: Request) -> Place:
    return request.spec.server, request.spec.namespace_name


class Targets:
    """Members by target. The one with the lowest rank holds it, the oldest of several; whoever comes to hold
    it is woken.
    """

    def __init__(
        self,
        wake: Callable[[str], None],
        time: Callable[[], datetime],
        place: Callable[[Request], Place] = by_name,
    ) -> None:
        """`time`: by the cluster's clock, as `completionTime` is."""
        self._wake = wake
        self._time = time
        self._place = place
        self._members: defaultdict[Place, dict[str, Member]] = defaultdict(dict)
        self._ranks: dict[str, tuple[Place, int | None]] = {}
        self._claims: defaultdict[Place, list[tuple[int, Seniority]]] = defaultdict(list)  # the owner's first
        self._owners: dict[Place, str] = {}
        self._ends: dict[Place, datetime] = {}

    def update(self, member: Member) -> None:
        """To be called when a member is new or has changed, or its place has."""
        place, uid = self._place(member.request), member.request.uid
        rank = claim_rank(member.request, member.facts)
        known = self._ranks.get(uid)
        if member.facts.holding.claiming and known is not None:
            place = known[0]  # where its claim may land, whatever the servers file says by now
        if known == (place, rank):
            return
        if known is not None and known[0] != place:
            self._take_out(member, *known)
        elif known is not None:
            if rank != IN_WORK:
                self._note_freed(member.request, *known)
            self._drop_claim(member, *known)
        self._ranks[uid] = place, rank
        self._members[place][uid] = member
        if rank is not None:
            bisect.insort(self._claims[place], (rank, member.request.seniority))
        self._settle(place)

    def remove(self, member: Member) -> None:
        known = self._ranks.pop(member.request.uid, None)
        if known is not None:
            self._note_freed(member.request, *known)
            self._take_out(member, *known)

    def _take_out(self, member: Member, place: Place, rank: int | None) -> None:
        self._members[place].pop(member.request.uid, None)
        self._drop_claim(member, place, rank)
        self._settle(place)
        if not self._members[place]:
            del self._members[place]

    def _drop_claim(self, member: Member, place: Place, rank: int | None) -> None:
        if rank is not None:
            claims = self._claims[place]
            del claims[bisect.bisect_left(claims, (rank, member.request.seniority))]
            if not claims:
                del self._claims[place]

    def note_end(self, request: Request) -> None:
        """An ended request: what waits for its target must be strict about newer data (rule 8)."""
        end = request.status.completion_time
        if end is not None and not was_shut_out(request):
            self._note(self._place(request), end)

    def _note_freed(self, request: Request, place: Place, rank: int | None) -> None:
        """A job that outlived its request ends now, at the latest: the object's `completionTime` was earlier,
        or it is gone and has none.
        """
        if rank == IN_WORK and (request.gone or request.status.reason == Reason.DEADLINE_EXCEEDED):
            self._note(place, self._time())

    def _note(self, place: Place, end: datetime) -> None:
        self._ends[place] = max(end, self._ends.get(place, end))

    def last_end(self, request: Request) -> datetime | None:
        return self._ends.get(self._place(request))

    def forget_ends(self, before: datetime) -> None:
        """Those of targets that no request is worked on for: a later one is younger than they are."""
        self._ends = {
            place: end for place, end in self._ends.items() if end > before or place in self._members
        }

    def owner(self, request: Request) -> Request | None:
        place = self._place(request)
        uid = self._owners.get(place)
        return None if uid is None else self._members[place][uid].request

    def wake_others(self, request: Request) -> None:
        """Of the same target. Who has it has not changed, but what there is to say of it."""
        if (known := self._ranks.get(request.uid)) is not None:
            for uid in self._members[known[0]].keys() - {request.uid}:
                self._wake(uid)

    def is_wanted(self, place: Place) -> bool:
        """Whether any request that is being worked on, suspended ones too, has this target."""
        return bool(self._members.get(place))

    def wanted_at(self, server: str) -> frozenset[str]:
        """The names on a server (its URL) for which that is so."""
        return frozenset(name for url, name in self._members if url == server)

    def _settle(self, place: Place) -> None:
        if place not in self._claims:
            self._owners.pop(place, None)
            return
        _, (_, uid) = self._claims[place][0]
        former = self._owners.get(place)
        if former != uid:
            self._owners[place] = uid
            self._wake(uid)
            if former in self._members[place]:
                self._wake(former)  # that another had the target is to be recorded
