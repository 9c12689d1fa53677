"""Which request has which target, as far as this process knows (docs/safety.md, rule 10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Reason
from moorcheh_operator.lifecycle.facts import Facts
from moorcheh_operator.lifecycle.ownership import IN_WORK, claim_rank, holder, was_shut_out
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
    """Members by target. Whoever comes to hold a target is woken."""

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
        self._holders: dict[Place, Request] = {}
        self._ends: dict[Place, datetime] = {}

    def update(self, member: Member) -> None:
        """To be called when a member is new or has changed, or its place has."""
        place, uid = self._place(member.request), member.request.uid
        rank = claim_rank(member.request, member.facts)
        known = self._ranks.get(uid)
        if member.facts.claiming and known is not None:
            place = known[0]  # where its claim may land, whatever the servers file says by now
        if known == (place, rank):
            return
        if known is not None and known[0] != place:
            self._take_out(uid, known[0])
        elif known is not None and rank != IN_WORK:
            self._note_freed(member.request, *known)
        self._ranks[uid] = place, rank
        self._members[place][uid] = member
        self._settle(place, self._members[place].values())

    def remove(self, member: Member) -> None:
        known = self._ranks.pop(member.request.uid, None)
        if known is not None:
            self._note_freed(member.request, *known)
            self._take_out(member.request.uid, known[0])

    def _take_out(self, uid: str, place: Place) -> None:
        members = self._members[place]
        members.pop(uid, None)
        self._settle(place, members.values())
        if not members:
            del self._members[place]

    def note_end(self, request: Request) -> None:
        """An ended request: what waits for its target must be strict about newer data (rule 8)."""
        end = request.status.completion_time
        if end is not None and not was_shut_out(request):
            self._note(self._place(request), end)

    def _note_freed(self, request: Request, place: Place, rank: int | None) -> None:
        """A job that outlived its request ends now, at the latest: the object's `completionTime` was earlier,
        or it is gone and has none.
        """
        if rank == IN_WORK and (request.withdrawn or request.status.reason == Reason.DEADLINE_EXCEEDED):
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

    def holder(self, request: Request) -> Request | None:
        return self._holders.get(self._place(request))

    def is_wanted(self, place: Place) -> bool:
        """Whether any request that is being worked on, suspended ones too, has this target."""
        return bool(self._members.get(place))

    def _settle(self, place: Place, members: Iterable[Member]) -> None:
        before = self._holders.get(place)
        now = holder((member.request, member.facts) for member in members)
        if now is None:
            self._holders.pop(place, None)
        else:
            self._holders[place] = now
        if now is not None and (before is None or before.uid != now.uid):
            self._wake(now.uid)
