"""Leader election by a Lease: of several replicas one acts, the others keep their watches warm.

It saves work, nothing more: correctness rests on the compare-and-set of each claim (docs/safety.md, rule
14). Written here because neither `leaderelection` of the `kubernetes` package is fit for use: one can't
create a Lease and works on past its end, the other never says that it lost on a connection error.

The rules are client-go's: a Lease is another's until it was seen unchanged for its whole duration, by this
process' own monotonic clock; a leader that could not renew gives up before others may take over, and does not
come back to what it once held: whoever is faster may have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from moorcheh_operator.api.texts import error_text
from moorcheh_operator.api.times import parse_time
from moorcheh_operator.clock import Clock

from .client import Cluster, ClusterError

LEASE_SECONDS = 15.0  # others take over after this long without a renewal
RENEW_SECONDS = 10.0  # a leader counts itself as one for this long after sending its last good renewal
RETRY_SECONDS = 2.0  # from one try to the next
LEASE_NAME = "moorcheh-operator"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """`coordination.k8s.io/v1`, as far as it matters here."""

    holder: str = ""
    duration: float = LEASE_SECONDS  # seconds
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    transitions: int = 0
    resource_version: str | None = None  # None: there is no such Lease


class Move(Enum):
    CREATE = "there is no Lease yet"
    RENEW = "it is ours"
    TAKE = "its holder let it go, or let it expire"
    LET_GO = "it was ours, and was not renewed in time"
    WAIT = "it is another's"


def next_move(lease: Lease, identity: str, unchanged_for: float, *, leads: bool) -> Move:
    """`unchanged_for`: seconds since this process first saw the Lease as it is."""
    if lease.resource_version is None:
        return Move.CREATE
    ours = lease.holder == identity
    if ours and leads:
        return Move.RENEW
    if not lease.holder or unchanged_for >= lease.duration:
        return Move.TAKE
    # One whose writes land too late to lead by them would keep the lead from all others, for ever.
    return Move.LET_GO if ours else Move.WAIT


class Elector:
    """`run` until cancelled, then `release`. `leads` is the answer, at any time and without waiting."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        namespace: str,
        identity: str,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = f"{namespace}/{LEASE_NAME}"
        self._identity = identity
        self._seen = Lease()
        self._seen_since = clock.ticks()
        self._sent: dict[
            datetime, float
        ] = {}  # of each write of ours: its renewTime, and when it left (ticks)
        self._valid_until = float("-inf")  # ticks
        self._told = False
        self._on_change: Callable[[], None] = lambda: None
        self._in_doubt = False  # whether the last write landed
        self._trouble: _Trouble | None = None

    def leads(self) -> bool:
        """False as soon as the last renewal is too old, also where nothing has run since: after a freeze."""
        return self._clock.ticks() < self._valid_until

    async def run(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        while True:
            started = self._clock.ticks()
            try:
                # What takes longer is of no use: the lead is gone, or its renewal too old to count.
                async with asyncio.timeout(self._valid_until - started if self.leads() else RENEW_SECONDS):
                    await self._turn()
                self._in_doubt = False
                self._well()
            except TimeoutError:
                self._note("the API server took too long to answer")
            except ClusterError as error:
                self._note(str(error), error.status)
            except Exception:
                # This task must outlive anything, or the replica would never lead again.
                logger.exception("unexpected error with the Lease %s; going on", self._name)
            self._tell()
            await asyncio.sleep(self._pause(started))

    async def release(self) -> None:
        """Let another replica take over at once. Only after the drain: until then this one still records."""
        if not self.leads():
            return
        self._valid_until = float("-inf")
        with contextlib.suppress(ClusterError, TimeoutError):
            async with asyncio.timeout(RENEW_SECONDS):
                lease = self._seen
                while not await self._put(_let_go(lease)):
                    # In vain: a renewal that was under way landed meanwhile.
                    lease = await self._get()
                    if lease.holder != self._identity:
                        break
        self._tell()

    async def _turn(self) -> None:
        """One call where it is ours and all is well; a look and a write otherwise."""
        if not self.leads():
            self._lapse()
        elif not self._in_doubt and await self._take(self._seen):
            return
        lease = await self._get()
        if lease != self._seen:
            self._seen, self._seen_since = lease, self._clock.ticks()
        if lease.holder == self._identity and lease.renew_time in self._sent:
            self._count(self._sent[lease.renew_time])  # its answer may have been lost
            if self.leads():
                return
        unchanged_for = self._clock.ticks() - self._seen_since
        match next_move(lease, self._identity, unchanged_for, leads=self.leads()):
            case Move.CREATE | Move.RENEW | Move.TAKE:
                await self._take(lease)
            case Move.LET_GO:
                await self._put(_let_go(lease))
            case Move.WAIT:
                self._valid_until = float("-inf")

    def _lapse(self) -> None:
        """What was sent while it led does not bring the lead back: one too slow would have it on and off."""
        if self._valid_until > float("-inf"):
            self._valid_until = float("-inf")
            self._sent.clear()

    def _pause(self, started: float) -> float:
        """Seconds; no longer than until the Lease that is watched may be taken."""
        now = self._clock.ticks()
        expires_in = self._seen_since + self._seen.duration - now
        pause = max(started + RETRY_SECONDS - now, 0.0)
        return min(pause, expires_in) if expires_in > 0 else pause

    async def _get(self) -> Lease:
        status, body = await self._cluster.call("GET", f"{self._path}/{LEASE_NAME}")
        return Lease() if status == 404 else _parse(_good(status, body))

    async def _take(self, lease: Lease) -> bool:
        """Make it ours, or keep it so. False where another replica was faster."""
        now = self._clock.now()
        mine = dataclasses.replace(lease, holder=self._identity, duration=LEASE_SECONDS, renew_time=now.time)
        if lease.holder != self._identity:
            transitions = lease.transitions + (lease.resource_version is not None)
            mine = dataclasses.replace(mine, acquire_time=now.time, transitions=transitions)
        fresh = {time: sent for time, sent in self._sent.items() if now.ticks - sent < RENEW_SECONDS}
        self._sent = fresh | {now.time: now.ticks}
        if not await self._put(mine):
            return False
        self._count(now.ticks)
        return True

    async def _put(self, lease: Lease) -> bool:
        """By compare-and-set: False where it has changed, or is gone."""
        body = _render(lease)
        if lease.resource_version is None:
            status, answer = await self._cluster.call("POST", self._path, body=body)
        else:
            status, answer = await self._cluster.call("PUT", f"{self._path}/{LEASE_NAME}", body=body)
        if status == 409 or (status == 404 and lease.resource_version is not None):
            return False
        self._seen, self._seen_since = _parse(_good(status, answer)), self._clock.ticks()
        return True

    def _count(self, sent: float) -> None:
        """A write of ours is on record. Nobody can have seen it before `sent` (ticks)."""
        self._tell()  # a lapse may end here: tasks that stood by must be woken
        self._valid_until = sent + RENEW_SECONDS

    def _note(self, words: str, status: int | None = None) -> None:
        self._in_doubt = True
        if self._trouble is None or self._trouble.status != status:
            logger.warning(
                "the Lease %s can't be read or renewed, which is tried again; this replica acts only while "
                "it still holds it, then another may: %s%s",
                self._name,
                words,
                "; manifests/base has the Role that gives the right to" if status == 403 else "",
            )
        self._trouble = _Trouble(status, self._clock.ticks())

    def _well(self) -> None:
        """Trouble that comes and goes is one."""
        if self._trouble is not None and self._clock.ticks() - self._trouble.last > LEASE_SECONDS:
            logger.info("the Lease %s is read and renewed again", self._name)
            self._trouble = None

    def _tell(self) -> None:
        leads = self.leads()
        if leads != self._told:
            what = (
                "leads now, and carries out the requests" if leads else "leads no more, and sends no DELETE"
            )
            logger.info("this replica (%s) %s", self._identity, what)
            self._told = leads
            self._on_change()


@dataclass(frozen=True, slots=True)
class _Trouble:
    status: int | None  # the API server's; None: it gave no answer
    last: float  # ticks


def _let_go(lease: Lease) -> Lease:
    return dataclasses.replace(lease, holder="", duration=1.0)


def _good(status: int, body: dict[str, Any]) -> dict[str, Any]:
    if status not in (200, 201):
        raise ClusterError(f"HTTP {status}: {body.get('message', '')}", status)
    return body


def _parse(body: dict[str, Any]) -> Lease:
    try:
        spec = body.get("spec") or {}
        return Lease(
            holder=spec.get("holderIdentity") or "",
            duration=float(spec.get("leaseDurationSeconds") or LEASE_SECONDS),
            acquire_time=parse_time(spec.get("acquireTime")),
            renew_time=parse_time(spec.get("renewTime")),
            transitions=int(spec.get("leaseTransitions") or 0),
            resource_version=body["metadata"]["resourceVersion"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ClusterError(f"the API server's answer is no Lease: {error_text(error)}") from error


def _render(lease: Lease) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE_NAME}
        | ({"resourceVersion": lease.resource_version} if lease.resource_version else {}),
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": int(lease.duration),
            "acquireTime": _micro_time(lease.acquire_time),
            "renewTime": _micro_time(lease.renew_time),
            "leaseTransitions": lease.transitions,
        },
    }


def _micro_time(time: datetime | None) -> str | None:
    """A `metav1.MicroTime`, always with six digits."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
