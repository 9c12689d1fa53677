"""The server's state: namespaces and jobs, and what the documented calls do to them.

Nothing here reads a clock or awaits: each call takes the `Moment` it happens at, and `advance` realises what
has fallen due until then. No call does work in proportion to the number of namespaces, but the listing, which
is kept ready-made.
"""

import heapq
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any
from uuid import uuid4

from dev.moorcheh.clock import Moment, iso
from dev.moorcheh.disk import Disk
from dev.moorcheh.jobs import Job, Namespace, Plan, Recreation
from dev.moorcheh.knobs import Knobs
from dev.moorcheh.record import Record
from dev.moorcheh.refusal import Refusal

NAME = re.compile(r"[A-Za-z0-9_-]+")


class Store:
    def __init__(self, disk: Disk, record: Record, knobs: Knobs, now: Moment) -> None:
        self.knobs = knobs
        self.namespaces: dict[str, Namespace] = {}
        self.jobs: dict[str, Job] = {}
        self._disk = disk
        self._record = record
        self._running: dict[str, Job] = {}
        """The job that takes the items of the name's (newest doomed) incarnation away."""
        self._items = 0
        self._entries: dict[str, bytes] = {}
        self._heads: dict[str, bytes] = {}
        """Each entry up to the number of items, which is all that changes while a job runs."""
        self._listing: bytes | None = None
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._load(now)

    # -- the documented calls --

    def health(self, now: Moment) -> dict[str, Any]:
        items = self.items(now)
        most = self.knobs.max_items
        return {"status": "ok", "items": items, "max_items": most, "remaining": max(0, most - items)}

    def listing(self, now: Moment) -> bytes:
        """The body of `GET /namespaces`, rendered anew only where something changed."""
        if self.knobs.items_field != "none":
            for name, job in self._running.items():
                if self.namespaces.get(name) is job.namespace:
                    self._count(job.namespace, job, now)
        if self._listing is None:
            self._listing = b'{"namespaces":[' + b",".join(self._entries.values()) + b"]}"
        return self._listing

    def job(self, name: str, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None or job.namespace.name != name:
            raise Refusal(404, f"Delete job '{job_id}' not found for namespace '{name}'")
        return job

    def create(self, namespace: Namespace, now: Moment, by: str) -> Namespace:
        if namespace.name in self.namespaces:
            raise Refusal(409, f"Namespace '{namespace.name}' already exists")
        if namespace.items and namespace.items > self.knobs.max_items - self.items(now):
            raise Refusal(400, f"The server holds at most {self.knobs.max_items} items")
        self._list(namespace, now)
        self._record.created(now, namespace, by)
        return namespace

    def delete(self, name: str, now: Moment, seq: int, plan: Callable[[], Plan]) -> Job:
        """Accept the deletion that request number `seq` asks for. `plan` is asked only if a job starts."""
        namespace, running = self.namespaces.get(name), self._running.get(name)
        if running is not None and namespace in (None, running.namespace):
            match self.knobs.second_delete:
                case "same-job":
                    return running
                case "409":
                    raise Refusal(409, f"Namespace '{name}' is being deleted")
                case "404":
                    raise Refusal(404, f"Namespace '{name}' not found")
            return self._start(running.namespace, now, seq, plan())
        if namespace is None:
            raise Refusal(404, f"Namespace '{name}' not found")
        job = self._start(namespace, now, seq, plan())
        self._running[name] = job
        if self.knobs.name_leaves == "accept":
            self._unlist(namespace, on_disk=not self.knobs.comes_back)
        elif not self.knobs.comes_back:
            self._disk.save_deletion(job)
        again = job.plan.recreation
        if again is not None and again.when == "accept":
            self._at(
                now.monotonic + again.seconds,
                lambda: self._recreate(namespace, now.plus(again.seconds), again),
            )
        return job

    # -- what no client can do --

    def replace(self, namespace: Namespace, now: Moment, by: str) -> Namespace:
        """Create it, whatever has the name now; a job that runs goes on with the old incarnation."""
        self.remove(namespace.name)
        return self.create(namespace, now, by)

    def remove(self, name: str) -> bool:
        """Make the name vanish without a job."""
        namespace = self.namespaces.get(name)
        if namespace is not None:
            self._unlist(namespace)
        return namespace is not None

    def forget_jobs(self, jobs: Iterable[Job], now: Moment, *, stop: bool) -> int:
        """Know these jobs no more. With `stop` as a restart does it: what is left of the items stays."""
        forgotten = list(jobs)
        for job in forgotten:
            del self.jobs[job.job_id]
            self._disk.remove_job(job.job_id)
            if stop and job.status == "running":
                job.deleted = job.deleted_by(now.monotonic)
                job.status, job.finished = "forgotten", now
                self._leave_rest(job, now, stays=job.namespace.name in self.namespaces)
                self._record.ended(now, job, "forgotten")
        return len(forgotten)

    def end_jobs(self, jobs: Iterable[Job], now: Moment) -> int:
        """They end at once, as they would have in their time. How many were under way."""
        running = [job for job in jobs if job.status == "running"]
        for job in running:
            self._end(job, now)
        return len(running)

    def turn(self, knobs: Knobs, now: Moment) -> None:
        """Other knobs from now on."""
        self.knobs = knobs
        for namespace in self.namespaces.values():
            self._show(namespace, now)

    def clear(self) -> None:
        """Forget everything, on disk too."""
        for name in list(self.namespaces):
            self.remove(name)
        self._disk.forget_jobs()
        self.jobs.clear()
        self._running.clear()
        self._due.clear()

    # -- time --

    def advance(self, now: Moment) -> None:
        """Let happen what has fallen due, in order."""
        while self._due and self._due[0][0] <= now.monotonic:
            heapq.heappop(self._due)[2]()

    @property
    def next_due(self) -> float | None:
        """The monotonic time at which something happens by itself."""
        return self._due[0][0] if self._due else None

    def items(self, now: Moment) -> int:
        gone = sum(
            job.deleted_by(now.monotonic)
            for name, job in self._running.items()
            if self.namespaces.get(name) is job.namespace
        )
        return self._items - gone

    # -- within --

    def _at(self, monotonic: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._due, (monotonic, next(self._order), action))

    def _start(self, namespace: Namespace, now: Moment, seq: int, plan: Plan) -> Job:
        seconds = self.knobs.job_seconds if namespace.seconds is None else namespace.seconds
        before = self._running.get(namespace.name)
        gone = before.deleted_by(now.monotonic) if before and before.namespace is namespace else 0
        total = namespace.items - gone
        seconds += self.knobs.seconds_per_item * total
        job = Job(f"job-{uuid4().hex}", namespace, total, now, seconds, plan)
        self.jobs[job.job_id] = job
        self._record.destroyed(now, job, seq)
        self._schedule(job)
        if self.knobs.jobs_survive:
            self._disk.save_job(job)
        return job

    def _schedule(self, job: Job) -> None:
        if job.ends is not None:
            at = job.begun.plus(job.ends - job.begun.monotonic)
            self._at(job.ends, lambda: self._end(job, at))

    def _end(self, job: Job, at: Moment) -> None:
        if job.status != "running":
            return
        namespace, name = job.namespace, job.namespace.name
        job.end(at)
        if job.status == "failed":
            self._leave_rest(job, at, stays=self.knobs.failed_stays)
        else:
            if self._running.get(name) is job or self._owns(job):
                self._running.pop(name, None)
            if self.namespaces.get(name) is namespace:
                self._finish(namespace, at)
        self._record.ended(at, job, job.status)
        if self.knobs.jobs_survive and job.job_id in self.jobs:
            self._disk.save_job(job)
        again = job.plan.recreation
        if again is not None and again.when == "end" and name not in self.namespaces:
            self._at(
                at.monotonic + again.seconds, lambda: self._recreate(namespace, at.plus(again.seconds), again)
            )

    def _finish(self, namespace: Namespace, at: Moment) -> None:
        """Its job has completed: the name leaves, at once or in a while."""
        on_disk = not self.knobs.comes_back
        if not self.knobs.lingers:
            self._unlist(namespace, on_disk=on_disk)
            return
        self._items -= namespace.items
        namespace.items = 0
        self._show(namespace, at)

        def leave() -> None:
            if self.namespaces.get(namespace.name) is namespace:
                self._unlist(namespace, on_disk=on_disk)

        self._at(at.monotonic + self.knobs.lingers, leave)

    def _owns(self, job: Job) -> bool:
        """Whether the name's running job is another one for the same incarnation."""
        running = self._running.get(job.namespace.name)
        return running is not None and running.namespace is job.namespace

    def _leave_rest(self, job: Job, at: Moment, *, stays: bool) -> None:
        """A job ended before its time: its namespace stays with what is left, or goes all the same."""
        namespace = job.namespace
        if self._running.get(namespace.name) is not job:
            return
        del self._running[namespace.name]
        listed = self.namespaces.get(namespace.name)
        if listed is namespace:
            self._unlist(namespace)
        namespace.items = job.total - job.deleted
        if stays and listed in (None, namespace):
            self._list(namespace, at)

    def _recreate(self, old: Namespace, at: Moment, again: Recreation) -> None:
        same: dict[str, Any] = {"type": old.type, "vector_dimension": old.vector_dimension}
        new = fresh(old.name, at, items=again.items, precious=again.precious, **same)
        with suppress(Refusal):  # a full server refuses everybody
            self.replace(new, at, "recreate")

    def _list(self, namespace: Namespace, now: Moment, *, saved: bool = False) -> None:
        self.namespaces[namespace.name] = namespace
        self._items += namespace.items
        if not saved:
            self._disk.save_namespace(namespace)
        self._show(namespace, now)

    def _unlist(self, namespace: Namespace, *, on_disk: bool = True) -> None:
        del self.namespaces[namespace.name]
        del self._entries[namespace.name]
        self._heads.pop(namespace.name, None)
        self._listing = None
        self._items -= namespace.items
        if on_disk:
            self._disk.remove_namespace(namespace)

    def _show(self, namespace: Namespace, now: Moment) -> None:
        knobs = self.knobs
        shown: dict[str, Any] = {"namespace_name": namespace.name, "type": namespace.type}
        if namespace.vector_dimension is not None:
            shown["vector_dimension"] = namespace.vector_dimension
        if knobs.created_field != "none":
            shown[knobs.created_field] = iso(namespace.created, whole=knobs.whole_seconds)
        entry = json.dumps(shown).encode()
        self._entries[namespace.name] = entry
        self._listing = None
        if knobs.items_field != "none":
            self._heads[namespace.name] = entry[:-1] + f', "{knobs.items_field}": '.encode()
            self._count(namespace, self._running.get(namespace.name), now)

    def _count(self, namespace: Namespace, job: Job | None, now: Moment) -> None:
        gone = job.deleted_by(now.monotonic) if job is not None and job.namespace is namespace else 0
        entry = b"%b%d}" % (self._heads[namespace.name], namespace.items - gone)
        if entry != self._entries[namespace.name]:
            self._entries[namespace.name] = entry
            self._listing = None

    def _load(self, now: Moment) -> None:
        for namespace in self._disk.load_namespaces():
            self._list(namespace, now, saved=True)
        survived = self._disk.load_jobs(now.monotonic) if self.knobs.jobs_survive else []
        if not survived:
            self._disk.forget_jobs()
        for job in survived:
            self.jobs[job.job_id] = job
            if job.status == "running":
                self._resume(job)
        self._record.restarted(now, set(self.jobs))

    def _resume(self, job: Job) -> None:
        listed = self.namespaces.get(job.namespace.name)
        if listed is not None and listed.incarnation == job.namespace.incarnation:
            self._items += job.total - listed.items
            listed.items = job.total
            job.namespace = listed
            self._disk.save_deletion(job)
        self._running[job.namespace.name] = job
        self._schedule(job)


def fresh(name: str, now: Moment, *, age: float = 0.0, items: int = 0, **more: Any) -> Namespace:
    """A new incarnation, created `age` seconds ago."""
    if NAME.fullmatch(name) is None:
        raise Refusal(400, "Namespace names have letters, digits, '-' and '_' only")
    more.setdefault("type", "text")
    more.setdefault("vector_dimension", None)
    return Namespace(
        name=name,
        items=items,
        created=now.server - age,
        born=now.true - age,
        incarnation=str(uuid4()),
        **more,
    )
