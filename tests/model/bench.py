"""The real `Reconciler`, one or two of it, between an API server and a Moorcheh that fail on demand.

The invariants are those of the fault table: I1 one DELETE an attempt, and another attempt only where the
server ended the first; I2 the claim is written before the DELETE; I3 nothing newer is destroyed; I5 an end is
final, and a job stays an attempt's; I6 success means gone. I4, that everything ends, is asked at the end.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from dataclasses import dataclass, field

from moorcheh_operator.api.times import parse_time
from moorcheh_operator.clock import Clock
from moorcheh_operator.controller.live_servers import Defaults, LiveServers
from moorcheh_operator.controller.reconciler import Reconciler
from moorcheh_operator.lifecycle.pending import LOOK_FRESH
from moorcheh_operator.lifecycle.rewound import Past
from moorcheh_operator.lifecycle.submitting import SEND_WINDOW
from moorcheh_operator.metrics import Metrics
from moorcheh_operator.servers.definitions import NameReuse, Servers, single
from tests.model.api_server import EPOCH, ApiServer, Json, Link, Trouble
from tests.model.moorcheh_server import REQUEST_TIMEOUT, Arrival, Incarnation, Pool, Server
from tests.virtual_time import VirtualLoop, owner

URL = "http://moorcheh"
ENDED = ("Succeeded", "Failed")
CLOCKS = 2.0  # seconds: how far times read from `Date` headers may be off
TOLERANCE = 3.0
SLACK = 0.1


@dataclass(eq=False)
class Process:
    name: str
    trouble: Trouble
    link: Link
    reconciler: Reconciler
    servers: LiveServers
    context: contextvars.Context
    again: asyncio.Task[None] | None = None  # what begins its next life
    leads: bool = True
    life: int = 1
    deaf_to: int = 0  # its watch waits for what comes after this version


@dataclass(eq=False)
class Record:
    """What was seen of one request, whatever became of its object."""

    uid: str
    name: str
    target: str
    made: float
    statuses: list[Json] = field(default_factory=list)
    attempts: dict[str, float] = field(default_factory=dict)  # by id: when it was written
    bound: str | None = None  # the first dated target that was written
    ended: float | None = None
    removed: float | None = None


class Bench:
    def __init__(
        self,
        *,
        offset: float = 0.0,
        max_running_jobs: int = 10,
        verify_seconds: float = 600.0,
        name_reuse: NameReuse = NameReuse.POSSIBLE,
    ) -> None:
        self.loop = VirtualLoop()
        self.api = ApiServer(self.loop)
        self.server = Server(self.loop, offset=offset)
        self._others: dict[str, Server] = {}
        self.processes: list[Process] = []
        self.links: list[Link] = []
        self.metrics: list[Metrics] = []  # of all processes that ever were
        self.records: dict[str, Record] = {}
        self.overlapped = False  # two processes ran at the same time
        self.wrong: list[str] = []
        self._max_running_jobs = max_running_jobs
        self._verify_seconds = verify_seconds
        self._servers = single(URL, name_reuse)
        self._started = 0
        self._last_start = 0.0
        self.api.watchers.append(self._watched)
        self.api.judges.append(self._written)
        self.server.judges.append(self._arrived)
        self._logger = logging.getLogger("moorcheh_operator")
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)

    def close(self) -> None:
        self._logger.setLevel(self._level)
        for process in list(self.processes):
            self.kill(process)
        self.loop.let_pass(1.0)
        for name in list(self.loop.owned):
            self.loop.kill(name)
        self.loop.let_pass(1.0)
        self.loop.close()

    # What can be done

    def start(self, trouble: Trouble | None = None) -> Process:
        self._started += 1
        self._last_start = self.loop.time()
        name = f"operator-{self._started}"
        clock = Clock(self.loop.time, lambda: EPOCH.timestamp() + self.loop.time())
        trouble = trouble or Trouble()
        link, metrics = Link(self.api, clock, trouble), Metrics()
        self.metrics.append(metrics)
        context = contextvars.copy_context()
        context.run(owner.set, name)

        async def make() -> Process:
            defaults = Defaults(REQUEST_TIMEOUT, self._verify_seconds, self._max_running_jobs)
            servers = LiveServers(clock, defaults, lambda server, _, __, own: self._client(server.url, own))
            servers.apply(self._servers)

            def begin(past: Past | None) -> Reconciler:
                reconciler = Reconciler(
                    link, servers, clock, (), metrics, lambda: process.leads, history_ends=ends, past=past
                )
                reconciler.start()
                reconciler.list_anew()  # the watch has begun
                return reconciler

            def ends(past: Past | None) -> None:
                process.again = self.loop.create_task(begin_again(past))

            async def begin_again(past: Past | None) -> None:
                await asyncio.sleep(1.0)  # until kopf has stopped
                process.life, process.deaf_to = process.life + 1, 0
                await process.reconciler.drain(REQUEST_TIMEOUT)
                process.reconciler = begin(past)

            process = Process(name, trouble, link, begin(None), servers, context)
            return process

        task = self.loop.create_task(make(), context=context)
        process = self.loop.run_until_complete(task)
        self.overlapped = self.overlapped or bool(self.processes)
        self.processes.append(process)
        self.links.append(link)
        return process

    def serve(self, servers: Servers) -> None:
        """The servers file says this from now on. URLs that are not of `another` lead to the one `server`."""
        self._servers = servers
        for process in self.processes:
            process.servers.apply(servers)
            process.context.run(process.reconciler.servers_changed)

    def another(self, url: str) -> Server:
        """Its DELETEs are for the test to judge."""
        return self._others.setdefault(url, Server(self.loop, offset=0.0))

    def _client(self, url: str, clock: Clock) -> Pool:
        return Pool(self._others.get(url, self.server), clock)

    def kill(self, process: Process) -> None:
        self.processes.remove(process)
        self.loop.kill(process.name)
        self.loop.let_pass(0.0)

    def request(self, target: str, name: str | None = None, **spec: object) -> str:
        name = self.api.make({"namespaceName": target, **spec}, name)
        uid = self.api.objects[name]["metadata"]["uid"]
        self.records[uid] = Record(uid, name, target, self.loop.time())
        return name

    def remove(self, name: str) -> None:
        self.records[self.api.objects[name]["metadata"]["uid"]].removed = self.loop.time()
        self.api.remove(name)

    def end_namespace(self) -> None:
        self.api.end_namespace()

    def replace_namespace(self) -> None:
        """All that was in the Kubernetes namespace is gone, and there is another one of its name."""
        for name in list(self.api.objects):
            self.remove(name)
        self.api.ended = None

    def restore(self) -> None:
        """The API server, to its last snapshot. A watch goes on from where it was."""
        lost = self.api.restore()
        for process in self.processes:
            process.deaf_to = lost

    def let_pass(self, seconds: float) -> None:
        self.loop.let_pass(seconds)
        self.check()

    def check(self) -> None:
        assert not self.wrong, "\n".join(self.wrong)

    def status(self, name: str) -> Json:
        status: Json = self.api.objects[name]["status"]
        return status

    # What is seen

    def ends_told(self) -> int:
        """As the alerts count them, at all processes together."""
        return sum(
            int(sample.value)
            for metrics in self.metrics
            for metric in metrics.ended.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )

    def ends(self) -> int:
        return sum(record.ended is not None for record in self.records.values())

    def _watched(self, body: Json, gone: bool) -> None:
        for process in self.processes:
            if self.loop.time() < process.trouble.deaf_until:
                continue
            if int(body["metadata"]["resourceVersion"]) > process.deaf_to:
                self.loop.call_later(process.trouble.watch_lag, self._tell, process, process.life, body, gone)

    def _tell(self, process: Process, life: int, body: Json, gone: bool) -> None:
        if process in self.processes and process.life == life:
            process.context.copy().run(process.reconciler.observe, body, deleted=gone)

    def _fail(self, words: str) -> None:
        self.wrong.append(f"at {self.loop.time():.2f} s: {words}")

    def _written(self, before: Json, after: Json) -> None:
        self.server.settle()
        record = self.records[after["metadata"]["uid"]]
        old, new = before["status"], after["status"]
        record.statuses.append(new)
        attempt = (new.get("attempt") or {}).get("id")
        if attempt and attempt not in record.attempts:
            record.attempts[attempt] = self.loop.time()
        if record.bound is None:
            record.bound = (new.get("target") or {}).get("creationTime")
        if old.get("phase") in ENDED and old["phase"] != new.get("phase"):
            self._fail(f"I5: {record.name} had ended as {old['phase']} and is {new.get('phase')} now")
        self._same_attempt(record, old, new)
        if new.get("phase") in ENDED and record.ended is None:
            record.ended = self.loop.time()
            if new["phase"] == "Succeeded":
                self._succeeded(record, new)

    def _same_attempt(self, record: Record, old: Json, new: Json) -> None:
        one, other = old.get("job") or {}, new.get("job") or {}
        if (
            not one
            or not other
            or (old.get("attempt") or {}).get("id") != (new.get("attempt") or {}).get("id")
        ):
            return
        if one["id"] != other["id"]:
            self._fail(f"I5: the job of an attempt of {record.name} changed: {one['id']}, {other['id']}")
        if other.get("deletedItems", 0) < one.get("deletedItems", 0):
            self._fail(f"I5: {record.name} shows fewer deleted items than before")

    def _succeeded(self, record: Record, status: Json) -> None:
        """I6: the job completed, or a listing has shown that the incarnation is absent."""
        if (status.get("job") or {}).get("status") == "completed":
            return
        there = self.server.namespaces.get(record.target)
        if there is None or not there.listed:
            return
        bound = (status.get("target") or {}).get("creationTime")
        # Born while the end was on its way, or seen to be another one.
        if there.born > self.loop.time() - 20.0 or self.loop.time() < 20.0:
            return
        if bound is None or parse_time(bound) == parse_time(self.server.birth(there)):
            self._fail(f"I6: {record.name} succeeded ({status['reason']}) and its target is there")

    def _arrived(self, arrival: Arrival) -> None:
        """A DELETE is about to do what it does."""
        record = self.records[arrival.uid]
        before = [other for other in self.server.arrivals if other.uid == arrival.uid and not other.harmless]
        if any(other.attempt == arrival.attempt for other in self.server.arrivals):
            self._fail(f"I1: a second DELETE for attempt {arrival.attempt} of {record.name}")
        for other in before:
            if other.work is None or (other.work.status != "failed" and other.work.known):
                self._fail(f"I1: {record.name} sends again, and the server did not end what it sent before")
        if arrival.attempt not in record.attempts:
            self._fail(f"I2: {record.name} sends for an attempt that was not written before")
        elif self.api.ended is not None and record.attempts[arrival.attempt] > self.api.ended:
            self._fail(
                f"{record.name} was claimed in a Kubernetes namespace that was being deleted, and sends"
            )
        lefts = [link.left[arrival.attempt] for link in self.links if arrival.attempt in link.left]
        claimed = min(lefts, default=arrival.left)
        if arrival.left > claimed + SEND_WINDOW + SLACK:
            self._fail(f"the DELETE of {record.name} left {arrival.left - claimed:.1f} s after its claim")
        if arrival.incarnation is not None:
            self._destroyed(record, arrival.incarnation, claimed, before, self._first_and_undated(arrival))
            self._target_held(record)

    def _destroyed(
        self, record: Record, doomed: Incarnation, claimed: float, before: list[Arrival], blind: bool
    ) -> None:
        if doomed.born > claimed - LOOK_FRESH - SLACK:
            return  # born between the look and the arrival: only the server could tell
        made = float(int(record.made))  # as creationTimestamp shows it
        words = f"{record.name} (made {record.made:.2f}) destroys what was born {doomed.born:.2f}"
        if doomed.born > made + TOLERANCE + CLOCKS + SLACK and not blind:
            self._fail(f"I3: {words}")
        if doomed.born > made + SLACK and self._waited(record):
            self._fail(f"I3: {words}, and it waited")
        dated = parse_time(record.bound)
        if dated is not None and dated != parse_time(self.server.birth(doomed)):
            self._fail(f"I3: {words}, and was bound to what was born at {record.bound}")
        firsts = [other.incarnation for other in before if other.incarnation is not None]
        if firsts and firsts[0] is not doomed:
            self._fail(f"I3: {words}, with a further attempt")

    def _first_and_undated(self, arrival: Arrival) -> bool:
        """Rule 8 allows it: a server that shows no creation times gives nothing to compare. Not where the
        request had shown that nothing was there.
        """
        shown = [status.get("target") or {} for status in self.records[arrival.uid].statuses]
        first = all(other.uid != arrival.uid for other in self.server.arrivals)
        found = all(target.get("found", True) for target in shown)
        return first and found and not shown[-1].get("creationTime")

    def _waited(self, record: Record) -> bool:
        """Another request for the target was over only after it was made, and the operator can know of that:
        it is the only one, and was there when the object was deleted.
        """
        rivals = [
            other for other in self.records.values() if other is not record and other.target == record.target
        ]
        unseen = any(rival.removed is not None and rival.removed <= self._last_start for rival in rivals)
        if self.overlapped or unseen:
            return False
        return any(int(self._over(rival)) > record.made + 1.0 for rival in rivals)

    def _over(self, rival: Record) -> float:
        """When it ended, or the job that outlived it; 0 if it has not."""
        last = rival.statuses[-1] if rival.statuses else {}
        job = (last.get("job") or {}).get("id")
        jobs = [work.over for work in self.server.works if (work.uid, work.id) == (rival.uid, job)]
        if rival.removed is not None or last.get("reason") == "DeadlineExceeded":
            return max((over for over in jobs if over is not None), default=0.0)
        return rival.ended or 0.0

    def _target_held(self, record: Record) -> None:
        """Rule 10, where no two processes ever ran at once."""
        if self.overlapped:
            return
        for work in self.server.works:
            rival = self.records[work.uid]
            same = work.status == "running" and rival is not record and rival.target == record.target
            if same and rival.ended is None and rival.removed is None:
                self._fail(f"{record.name} sends while {rival.name} has the target")
