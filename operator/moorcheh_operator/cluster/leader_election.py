"""Leader election by a Lease: of several replicas one acts, the others keep their watches warm.

It saves work, nothing more: correctness rests on the compare-and-set of each claim (docs/safety.md, rule
14). Written here because neither `leaderelection` of the `kubernetes` package is fit for use: one can't
create a Lease and works on past its end, the other never says that it lost on a connection error.

The rules are client-go's: a Lease is another's until it was seen unchanged for its whole duration, by this
process' own monotonic clock; a leader that could not renew gives up before others may take over.
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

from moorcheh_operator.api.times import parse_time
from moorcheh_operator.clock import Clock

from .client import Cluster, ClusterError

LEASE_SECONDS = 15.0  # others take over after this long without a renewal
RENEW_SECONDS = 10.0  # a leader counts itself as one for this long after sending its last good renewal
RETRY_SECONDS = 2.0  # between two tries, and for one answer
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
    WAIT = "it is another's"


def next_move(lease: Lease, identity: str, unchanged_for: float) -> Move:
    """`unchanged_for`: seconds since this process first saw the Lease as it is."""
    if lease.resource_version is None:
        return Move.CREATE
    if lease.holder == identity:
        return Move.RENEW
    return Move.TAKE if not lease.holder or unchanged_for > lease.duration else Move.WAIT


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
        self._identity = identity
        self._seen = Lease()
        self._seen_since = clock.ticks()
        self._valid_until = float("-inf")  # ticks
        self._told = False
        self._trouble: str | None = None

    def leads(self) -> bool:
        """False as soon as the last renewal is too old, also where nothing has run since: after a freeze."""
        return self._clock.ticks() < self._valid_until

    async def run(self, on_change: Callable[[], None]) -> None:
        while True:
            started = self._clock.ticks()
            try:
                async with asyncio.timeout(RETRY_SECONDS):
                    renewed = await self._try()
                if renewed:
                    self._tell(on_change)  # a lapse may end here: tasks that stood by must be woken
                    self._valid_until = started + RENEW_SECONDS
                self._trouble = None
            except (ClusterError, TimeoutError) as error:
                self._note(f"{type(error).__name__}: {error}")
            except Exception:
                # This task must outlive anything, or the replica would never lead again.
                logger.exception("unexpected error with the Lease; going on")
            self._tell(on_change)
            await asyncio.sleep(RETRY_SECONDS)

    async def release(self) -> None:
        """Let another replica take over at once. Only after the drain: until then this one still records."""
        if not self.leads():
            return
        self._valid_until = float("-inf")
        with contextlib.suppress(ClusterError, TimeoutError, KeyError, TypeError, ValueError):
            async with asyncio.timeout(RETRY_SECONDS):
                while (lease := await self._get()).holder == self._identity:
                    if await self._put(dataclasses.replace(lease, holder="", duration=1.0)):
                        break
                    # In vain: a renewal that was under way landed meanwhile.
        self._tell(lambda: None)

    async def _try(self) -> bool:
        """Whether the Lease is ours, as of before this call."""
        lease = await self._get()
        ticks = self._clock.ticks()
        if lease != self._seen:
            self._seen, self._seen_since = lease, ticks
        now = self._clock.now().time
        mine = dataclasses.replace(lease, holder=self._identity, duration=LEASE_SECONDS, renew_time=now)
        match next_move(lease, self._identity, ticks - self._seen_since):
            case Move.CREATE:
                return await self._put(dataclasses.replace(mine, acquire_time=now))
            case Move.RENEW:
                return await self._put(mine)
            case Move.TAKE:
                taken = dataclasses.replace(mine, acquire_time=now, transitions=lease.transitions + 1)
                return await self._put(taken)
            case Move.WAIT:
                self._valid_until = float("-inf")
                return False

    async def _get(self) -> Lease:
        status, body = await self._cluster.call("GET", f"{self._path}/{LEASE_NAME}")
        return Lease() if status == 404 else _parse(_good(status, body))

    async def _put(self, lease: Lease) -> bool:
        """By compare-and-set: False where another replica was faster."""
        body = _render(lease)
        if lease.resource_version is None:
            status, answer = await self._cluster.call("POST", self._path, body=body)
        else:
            status, answer = await self._cluster.call("PUT", f"{self._path}/{LEASE_NAME}", body=body)
        if status == 409:
            return False
        self._seen, self._seen_since = _parse(_good(status, answer)), self._clock.ticks()
        return True

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("the Lease can't be read or renewed: %s", trouble)
        self._trouble = trouble

    def _tell(self, on_change: Callable[[], None]) -> None:
        leads = self.leads()
        if leads != self._told:
            logger.info("%s %s", self._identity, "leads now" if leads else "leads no more")
            self._told = leads
            on_change()


def _good(status: int, body: dict[str, Any]) -> dict[str, Any]:
    if status not in (200, 201):
        raise ClusterError(f"HTTP {status}: {body.get('message', '')}", status)
    return body


def _parse(body: dict[str, Any]) -> Lease:
    spec = body.get("spec") or {}
    return Lease(
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or LEASE_SECONDS),
        acquire_time=parse_time(spec.get("acquireTime")),
        renew_time=parse_time(spec.get("renewTime")),
        transitions=int(spec.get("leaseTransitions") or 0),
        resource_version=body["metadata"]["resourceVersion"],
    )


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
