"""All cleanup policies: a list, and a watch that goes on from it, once a minute anew; a task for each.

Only while this process leads: what does not lead costs nothing. Not by kopf: where the API of policies is not
installed, or the right to it is not given, everything else goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from moorcheh_operator.api.policy import Policy, PolicyStatus, Result
from moorcheh_operator.cluster.client import ClusterError, retry_pause
from moorcheh_operator.cluster.policies import NotServedError, PoliciesClient
from moorcheh_operator.lifecycle.rewound import KnownPolicy
from moorcheh_operator.metrics import Metrics
from moorcheh_operator.policies.announcements import announcements, policy_names, run_ended

from .events import Events
from .looks import Looks
from .policy_task import PolicyTask
from .relist import CRASH_SECONDS
from .shared import Shared

PAUSE_SECONDS = 1.0  # between two lists at the least
NOT_SERVED_SECONDS = 60.0  # until it is tried again where there is no such API, or no right to it

NEVER_SEEN = KnownPolicy(0, None)

logger = logging.getLogger(__name__)


class Policies:
    def __init__(self, shared: Shared, namespaces: tuple[str, ...], events: Events, metrics: Metrics) -> None:
        self._shared = shared
        self._namespaces = namespaces or ("",)
        self._events = events
        self._metrics = metrics
        self._client = PoliciesClient(shared.cluster)
        self._looks = Looks(shared.clock)
        self._tasks: dict[str, tuple[PolicyTask, asyncio.Task[None]]] = {}  # by uid
        self._lead_changed = asyncio.Event()
        self._not_served: set[str] = set()  # namespaces for which that was told
        self.known: dict[str, KnownPolicy] = dict(shared.past.policies) if shared.past else {}  # by uid

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for namespace in self._namespaces:
                    group.create_task(self._follow(namespace), name="cleanup policies")
        finally:
            self._stop_all()

    def leadership_changed(self) -> None:
        if not self._shared.leads():
            self._stop_all()
        self._lead_changed.set()

    def wake(self) -> None:
        for task, _ in self._tasks.values():
            task.wake()

    def servers_changed(self) -> None:
        """Those that come to be this operator's are taken on by the next list."""
        for uid, (task, _) in list(self._tasks.items()):
            if not self._shared.serves(task.policy.spec.server):
                self._stop(uid)
        self.wake()

    def measure(self) -> None:
        self._metrics.show_policies(task.policy.status for task, _ in self._tasks.values())

    async def _follow(self, namespace: str) -> None:
        failures = 0
        while True:
            if not self._shared.leads():
                self._lead_changed.clear()
                if not self._shared.leads():
                    await self._lead_changed.wait()
                continue
            try:
                version = await self._list(namespace)
                failures = 0
                await self._watch(namespace, version)
                await asyncio.sleep(PAUSE_SECONDS)
            except NotServedError as error:
                if namespace not in self._not_served:
                    self._not_served.add(namespace)
                    logger.info("cleanup policies are not served, as they can't be listed here: %s", error)
                self._stop_all(namespace)
                await asyncio.sleep(NOT_SERVED_SECONDS)
            except ClusterError as error:
                failures += 1
                if failures == 1:
                    logger.warning("the cleanup policies can't be read, which is tried again: %s", error)
                await asyncio.sleep(max(retry_pause(failures), PAUSE_SECONDS))
            except Exception:
                logger.exception("unexpected error with the cleanup policies; going on")
                await asyncio.sleep(CRASH_SECONDS)

    async def _list(self, namespace: str) -> str:
        policies, version = await self._client.list(namespace)
        if namespace in self._not_served:
            self._not_served.discard(namespace)
            logger.info("the cleanup policies can be read now")
        seen = {policy.uid for policy in policies}
        for uid, (task, _) in list(self._tasks.items()):
            if uid not in seen and namespace in ("", task.policy.namespace):
                self._end(task.policy)
        for policy in policies:
            self._observe(policy)
        return version

    async def _watch(self, namespace: str, version: str) -> None:
        with contextlib.suppress(ClusterError):  # the next list tells of it
            async for policy, gone in self._client.watch(namespace, version):
                if gone:
                    self._end(policy)
                else:
                    self._observe(policy)

    def _observe(self, policy: Policy) -> None:
        if not self._shared.leads():
            return
        if not self._shared.serves(policy.spec.server):
            self._stop(policy.uid)
            return
        running = self._tasks.get(policy.uid)
        if running is not None:
            running[0].adopt(policy)
            return
        self._note(policy)
        task = PolicyTask(policy, self._shared, self._client, self._looks, self._tell)
        self._tasks[policy.uid] = task, asyncio.create_task(task.run(), name=policy.key)

    def _end(self, policy: Policy) -> None:
        """It was deleted."""
        self._note(policy, gone=True)
        self._stop(policy.uid)

    def _note(self, policy: Policy, *, gone: bool = False) -> None:
        """In one history what is known of it only grows."""
        run, before = policy.status.last_run, self.known.get(policy.uid, NEVER_SEEN)
        made = before.made_until
        if run is not None and run.result != Result.CREATING:
            made = run.scheduled_time if made is None else max(made, run.scheduled_time)
        generation = max(policy.generation, before.generation)
        self.known[policy.uid] = KnownPolicy(generation, made, gone or before.gone)

    def _stop(self, uid: str) -> None:
        known = self._tasks.pop(uid, None)
        if known is not None:
            known[1].cancel()

    def _stop_all(self, namespace: str = "") -> None:
        for uid, (task, _) in list(self._tasks.items()):
            if namespace in ("", task.policy.namespace):
                self._stop(uid)

    def _tell(self, before: PolicyStatus, policy: Policy) -> None:
        """Of a status that is on record now, and was not before."""
        self._note(policy)
        if (result := run_ended(before, policy.status)) is not None:
            self._metrics.policy_runs.labels(str(result)).inc()
        for news in announcements(before, policy.status):
            level = logging.WARNING if news.type == "Warning" else logging.INFO
            logger.log(level, "%s: %s", news.reason, news.message, extra=policy_names(policy))
            self._events.announce(policy, news)
