"""All requests that are in work: what the watch and the lists show goes to the task of its request.

Everything that waits, wakes: by an event, by its own time, or by the relist once a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from moorcheh_operator.api.request import MalformedRequestError, Request, parse
from moorcheh_operator.api.status import ENDED, Phase
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError
from moorcheh_operator.cluster.history import is_newer
from moorcheh_operator.cluster.labels import Labels
from moorcheh_operator.lifecycle.access import seen_at
from moorcheh_operator.lifecycle.announcements import log_names
from moorcheh_operator.lifecycle.ownership import follows_job
from moorcheh_operator.lifecycle.placement import place, url_of
from moorcheh_operator.lifecycle.rewound import Past, goes_back, was_over
from moorcheh_operator.metrics import Metrics

from .events import Events
from .expirations import Expirations
from .live_servers import LiveServer, LiveServers
from .namespaces import Namespaces
from .policies import Policies
from .relist import RELIST_SECONDS, Relist
from .reporting import Reporter
from .shared import Shared
from .targets import Targets
from .task import RequestTask

ENDS_KEPT = timedelta(hours=1)  # what is older than an unfinished request decides nothing for it
EVENTS_DRAIN_SECONDS = 2.0
HISTORY_SECONDS = 10.0  # between two looks whether the API server was set back
GRACE_SECONDS = 2.0  # of a stop, for what only waits
AT_ONCE = 100  # tasks that a list wakes in one turn of the loop

HistoryEnds = Callable[[Past | None], None]

logger = logging.getLogger(__name__)


class Reconciler:
    def __init__(
        self,
        cluster: Cluster,
        servers: LiveServers,
        clock: Clock,
        namespaces: tuple[str, ...],
        metrics: Metrics,
        leads: Callable[[], bool],
        own_namespace: str | None = None,
        history_ends: HistoryEnds = lambda _: None,
        past: Past | None = None,
    ) -> None:
        """`own_namespace`: the operator's, for servers that take requests from there alone. `past`: what was
        known in a history of the API server that is lost; `history_ends` is given it where another is.
        """
        self._cluster = cluster
        self._servers = servers
        self._clock = clock
        self._metrics = metrics
        self._started = clock.ticks()
        self._labels = Labels(cluster, clock)
        self._namespaces = Namespaces(cluster, clock, self._wake_all_in)
        self._targets = Targets(
            self._wake, lambda: clock.now().time, lambda request: place(request, servers.defined)
        )
        self._events = Events(cluster)
        self._shared = Shared(
            cluster,
            servers,
            clock,
            self._labels,
            self._namespaces,
            self._targets,
            Reporter(metrics, self._events, clock),
            leads,
            own_namespace,
            past=past,
        )
        self._history_ends = history_ends
        self._namespaces_served = namespaces
        self._listed_at: datetime | None = None  # by the cluster's clock
        self._tasks: dict[str, RequestTask] = {}  # by uid, as the others
        self._running: dict[str, asyncio.Task[None]] = {}
        self._left: dict[str, tuple[Request, float]] = {}  # what tasks left off at, and when (ticks)
        self._background: list[asyncio.Task[None]] = []
        listed = functools.partial(self.observe, listed=True)
        self._relist = Relist(cluster, clock, namespaces, listed, self._check_missing, self._listed)
        self._idle = asyncio.Event()
        self._idle.set()
        self._expirations = Expirations(
            cluster, clock, self._may_expire, self._is_wanted, self._events.announce, self._shared.serves
        )
        self._policies = Policies(self._shared, namespaces, self._events, metrics)

    def start(self) -> None:
        self._cluster.history.begin(lambda: self._history_ends(self._past()))
        self._background = [
            asyncio.create_task(self._relist.run(), name="relist"),
            asyncio.create_task(self._expirations.run(), name="expirations"),
            asyncio.create_task(self._check_history(), name="history"),
            asyncio.create_task(self._policies.run(), name="cleanup policies"),
        ]

    def list_anew(self) -> None:
        """The watch begins anew: what it has missed, a list must show."""
        self._relist.anew()

    def leadership_changed(self) -> None:
        for task in self._tasks.values():
            task.leadership_changed()
        self._expirations.wake()
        self._policies.leadership_changed()

    def servers_changed(self) -> None:
        """The servers file says something else: everybody asks anew whether, and where, they may."""
        for task in self._tasks.values():
            task.wake()
        self._policies.servers_changed()

    @property
    def list_age(self) -> float | None:
        """Seconds since the last complete list; None before the first one."""
        return self._relist.age

    def measure(self) -> None:
        """Bring the gauges up to date."""
        now = self._clock.now().time
        requests = [task.request for task in self._tasks.values() if self._serves(task.request)]
        self._metrics.show_requests(request.status.phase or Phase.PENDING for request in requests)
        ages = [
            (now - request.creation_time).total_seconds()
            for request in requests
            if not (request.spec.suspend or request.withdrawn or request.status.phase in ENDED)
        ]
        self._metrics.oldest.set(max(ages, default=0.0))
        self._policies.measure()
        limits = [server.slots.limit for server in self._servers.all]
        self._metrics.job_slots.set(sum(limits) if all(limits) else 0)
        self._metrics.job_slots_used.set(sum(each.slots.used for each in self._servers.all))
        self._metrics.show_servers(self._servers.dated)
        self._metrics.leader.set(self._shared.leads())
        age = self.list_age
        self._metrics.list_age.set(self._clock.ticks() - self._started if age is None else age)

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, record every answer that comes within `seconds`, then stop."""
        self._shared.stopping = True
        for task in self._tasks.values():
            task.wake()
        for background in self._background:
            background.cancel()
        await self._until_idle(GRACE_SECONDS)
        for uid, running in list(self._running.items()):
            if self._tasks[uid].may_be_left:
                running.cancel()
        await self._until_idle(seconds)
        for uid, running in list(self._running.items()):
            logger.warning(
                "stopped before the answer to a call for this request came; the next start looks at what "
                "became of it",
                extra=log_names(self._tasks[uid].request),
            )
            running.cancel()
        await self._events.drain(EVENTS_DRAIN_SECONDS)

    async def _until_idle(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def observe(self, body: dict[str, Any], *, deleted: bool = False, listed: bool = False) -> None:
        """What the watch or a list showed. It may be stale: it only wakes; every write is compare-and-set."""
        try:
            request = parse(body)
        except MalformedRequestError as error:
            logger.error(
                "a NamespaceDeletion can't be read, so nothing is done for it: %s; if the CRD is another "
                "version's: kubectl apply -k crds",
                error,
                extra={"object": str(body)[:200]},
            )
            return
        if deleted:
            request = dataclasses.replace(request, withdrawn=True, gone=True)
        if request.status.phase in ENDED:
            self._targets.note_end(request)
        elif not self._serves(request) and (url := seen_at(request)) is not None:
            self._servers.note_elsewhere(url, request.spec.server)
        self._cluster.history.saw(request.resource_version)
        task = self._tasks.get(request.uid)
        if task is None:
            if self._left_behind(request):
                return
            if self._came_back(request):
                self._cluster.history.end(f"{request.key} was over, and is in work again")
            elif _worth_a_task(request):
                self._take_on(request)
            else:
                self._expirations.note(request)
        elif deleted or is_newer(request.resource_version, task.request.resource_version):
            if goes_back(task.request, request) and not task.request.gone:
                self._cluster.history.end(f"{request.key} has gone back")
            task.adopt(request)
        elif request != task.request:  # else it is the echo of our own write
            task.doubt(request, listed=listed)

    def _left_behind(self, request: Request) -> bool:
        """A version from before its task ended, late from the watch: a task for it would hold the target and
        do nothing but lose its compare-and-set.
        """
        left = self._left.get(request.uid)
        if left is None:
            return False
        if request.resource_version == left[0].resource_version:
            return left[0].gone or request.gone or request.status.phase in ENDED
        return not is_newer(request.resource_version, left[0].resource_version)

    def _came_back(self, request: Request) -> bool:
        if request.gone or request.status.phase in ENDED:
            return False
        left = self._left.get(request.uid)
        return was_over(request, self._listed_at) if left is None else goes_back(left[0], request)

    def _take_on(self, request: Request) -> None:
        task = RequestTask(request, self._shared)
        self._tasks[request.uid] = task
        self._idle.clear()
        self._running[request.uid] = asyncio.create_task(self._run(request.uid, task), name=request.key)

    async def _run(self, uid: str, task: RequestTask) -> None:
        try:
            await task.run()
        finally:
            del self._tasks[uid], self._running[uid]
            self._left[uid] = task.request, self._clock.ticks()
            self._expirations.note(task.request)
            if not self._tasks:
                self._idle.set()

    def _past(self) -> Past | None:
        """What is known now, for the one that comes after the history is over."""
        before = self._shared.past
        listed = self._listed_at or (before.listed if before else None)
        if listed is None:
            return None
        known = {uid: left for uid, (left, _) in self._left.items()}
        # One that came back shows an earlier state: what was known of it before still counts.
        known |= {uid: task.request for uid, task in self._tasks.items() if task.facts.admission.lost is None}
        return Past(listed, {**(before.known if before else {}), **known}, self._policies.known)

    async def _check_history(self) -> None:
        """Where it was set back, a watch that goes on from before is deaf, and the relist a minute away."""
        while True:
            await asyncio.sleep(HISTORY_SECONDS)
            with contextlib.suppress(ClusterError):  # the relist tells of that
                await self._cluster.check_history(
                    self._namespaces_served[0] if self._namespaces_served else ""
                )

    def _serves(self, request: Request) -> bool:
        return self._shared.serves(request.spec.server)

    def _may_expire(self) -> bool:
        """Not before the first complete list: an unfinished request may need to know of an ended one."""
        return self._shared.leads() and not self._shared.closing and self._shared.listed

    def _is_wanted(self, server: str, name: str) -> bool:
        return self._targets.is_wanted((url_of(server, self._servers.defined), name))

    def _servers_in_use(self) -> list[LiveServer]:
        """Also of those whose tasks have not begun."""
        tasks = self._tasks.values()
        urls = {url for task in tasks if (url := seen_at(task.request)) is not None}
        return [
            *(task.server for task in tasks if task.server is not None),
            *(server for url in urls if (server := self._servers.at(url)) is not None),
        ]

    async def _listed(self, started: float) -> None:
        if not self._shared.listed:
            logger.info("first list complete: %d requests are unfinished", len(self._tasks))
        self._targets.forget_ends(self._clock.now().time - ENDS_KEPT)
        self._labels.forget(started)
        self._namespaces.forget(started - RELIST_SECONDS)
        self._servers.leave(self._servers_in_use())
        self._left = {uid: left for uid, left in self._left.items() if left[1] > started - RELIST_SECONDS}
        self._shared.listed = True
        self._listed_at = self._clock.now().time - timedelta(seconds=self._clock.ticks() - started)
        for number, task in enumerate(list(self._tasks.values())):
            task.wake()
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        self._expirations.wake()
        self._policies.wake()

    async def _check_missing(self, seen: set[str], started: float) -> None:
        """What is in work but not in the list has ended, is gone, or is newer than the list: read it."""
        for uid, task in list(self._tasks.items()):
            if uid in seen or task.request.gone or task.facts.first_seen >= started:
                continue
            try:
                # A lane of its own: a tenant with thousands of calls must not hold up the list.
                request = await self._cluster.read(task.request.namespace, task.request.name, lane="relist")
            except MalformedRequestError as error:
                logger.error(
                    "this request can't be read now, so nothing is done for it: %s; if the CRD is another "
                    "version's: kubectl apply -k crds",
                    error,
                    extra=log_names(task.request),
                )
                continue
            if request is None or request.uid != uid:
                task.mark_gone()
            elif is_newer(request.resource_version, task.request.resource_version):
                task.adopt(request)
            else:
                task.wake()

    def _wake_all_in(self, namespace: str) -> None:
        for task in self._tasks.values():
            if task.request.namespace == namespace:
                task.wake()

    def _wake(self, uid: str) -> None:
        if (task := self._tasks.get(uid)) is not None:
            task.wake()


def _worth_a_task(request: Request) -> bool:
    if request.status.phase not in ENDED:
        return not request.gone or follows_job(request)
    behind = request.status.observed_generation != request.generation
    return (behind and not request.gone) or follows_job(request)
