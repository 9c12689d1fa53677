"""A policy's task over an API server in memory: killed, unanswered or doubled at each of its calls, in
virtual time. Whatever happens, a run is made once, by what was written before it began.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorcheh_operator.api.policy import PolicyStatus, parse_policy
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError
from moorcheh_operator.cluster.history import History
from moorcheh_operator.cluster.policies import PoliciesClient
from moorcheh_operator.controller.looks import Looks
from moorcheh_operator.controller.policy_task import PolicyTask
from moorcheh_operator.controller.shared import Shared
from moorcheh_operator.moorcheh.answers import Entry, LookUpAnswer, Unavailable
from tests.unit.policies import SERVER, a_listing
from tests.virtual_time import VirtualLoop

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
TARGETS = ("ci-1", "ci-2", "ci-3")
Body = dict[str, Any]
Fault = Literal["kill before", "kill after", "lost", "unsent", "504"]
FAULTS: tuple[Fault, ...] = ("kill before", "kill after", "lost", "unsent", "504")


class World:
    """An API server with one policy, a Moorcheh server, and the operators that are up."""

    def __init__(self, *, dated: bool = True, **spec: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = Clock(self.loop.time, NOON.timestamp)
        self.history = History()
        self.version = 1
        self.policy: Body = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceCleanupPolicy",
            "metadata": {"namespace": "team", "name": "nightly", "uid": "policy-1", "resourceVersion": "1",
                         "generation": 1, "creationTimestamp": "2026-11-27T10:00:00Z"},
            "spec": {"schedule": "@hourly", "select": {"names": ["ci-*"]}, **spec},
            "status": {"observedGeneration": 1, "nextRunTime": "2026-11-27T12:00:00Z"},
        }  # fmt: skip
        self.requests: dict[str, Body] = {}
        self.created: list[str] = []  # targets, as often as they were
        self.listing: LookUpAnswer = self.shows(*TARGETS, dated=dated)
        self.looks = 0
        self.busy: frozenset[str] = frozenset()
        self.allowed = True
        self.forbidden = False
        self.leads = True
        self.faults: dict[int, Fault] = {}
        self.calls = 0
        self.after_call: Callable[[str, str], None] = lambda *_: None
        self.tasks: list[asyncio.Task[None]] = []

    @staticmethod
    def shows(*names: str, dated: bool = True) -> LookUpAnswer:
        born = "2026-11-20T12:00:00Z" if dated else None
        return a_listing({name: Entry(3, born) for name in names})

    # The API server

    async def call(self, method: str, path: str, *, body: Any = None, **_: Any) -> tuple[int, Body]:
        self.calls += 1
        fault = self.faults.get(self.calls)
        await asyncio.sleep(0.01)
        if fault == "kill before":
            raise asyncio.CancelledError
        if fault == "unsent":
            raise ClusterError("nobody heard of it")
        status, answer = self._answer(method, path, body)
        self.after_call(method, path)
        if fault == "kill after":
            raise asyncio.CancelledError
        if fault == "lost":
            raise ClusterError("the answer was lost")
        return (504, {"message": "too late"}) if fault == "504" else (status, copy.deepcopy(answer))

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Body]:
        match method, path.rsplit("/", 2)[-2:]:
            case "POST", [_, "selfsubjectaccessreviews"]:
                return 201, {"status": {"allowed": self.allowed}}
            case "PATCH", ["nightly", "status"]:
                return self._write(body)
            case "GET", ["namespacecleanuppolicies", _]:
                return (200, self.policy) if self.policy else (404, {})
            case "POST", [_, "namespacedeletions"]:
                return self._create(body)
            case "GET", ["namespacedeletions", name]:
                return (200, self.requests[name]) if name in self.requests else (404, {})
            case _:
                raise AssertionError((method, path))

    def _write(self, body: Any) -> tuple[int, Body]:
        if body["metadata"]["resourceVersion"] != self.policy["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        merge(self.policy["status"], body["status"])
        self.bump()
        return 200, self.policy

    def bump(self) -> None:
        self.version += 1
        self.policy["metadata"]["resourceVersion"] = str(self.version)

    def _create(self, body: Any) -> tuple[int, Body]:
        name, target = body["metadata"]["name"], body["spec"]["namespaceName"]
        if name in self.requests:
            return 409, {"message": "already exists"}
        if self.forbidden:
            return 403, {"message": "cannot create resource"}
        run = self.policy["status"]["lastRun"]
        assert run["result"] == "Creating", "created before it was written, or after it was over"
        assert target in run["remaining"], "created though it was not planned"
        self.requests[name] = copy.deepcopy(body)
        self.created.append(target)
        return 201, body

    # The Moorcheh server

    async def look_up(self) -> tuple[float, LookUpAnswer, float]:
        self.looks += 1
        asked = self.clock.ticks()
        await asyncio.sleep(0.01)
        return asked, self.listing, self.clock.ticks()

    # The operators

    def start(self) -> PolicyTask:
        server = SimpleNamespace(url=SERVER.url, moorcheh=self)
        shared = SimpleNamespace(
            cluster=self,
            clock=self.clock,
            servers=SimpleNamespace(defined=SimpleNamespace(get=lambda _: SERVER), at=lambda _: server),
            targets=SimpleNamespace(wanted_at=lambda _: self.busy),
            leads=lambda: self.leads,
            closing=False,
            listed=True,
            past=None,
            shut_out=self._shut_out,
        )
        policy = parse_policy(copy.deepcopy(self.policy))
        client = PoliciesClient(cast("Cluster", self))
        task = PolicyTask(policy, cast("Shared", shared), client, Looks(self.clock), lambda *_: None)
        self.tasks.append(self.loop.create_task(task.run()))
        return task

    @staticmethod
    async def _shut_out(*_: object) -> None:
        return None

    async def until_over(self, seconds: float = 900) -> None:
        """An operator that was killed is started again, as a Deployment would."""
        end = self.loop.time() + seconds
        while self.last_run.get("result") in (None, "Creating") and self.loop.time() < end:
            await asyncio.sleep(0.5)
            for number, task in enumerate(self.tasks):
                if task.done():
                    del self.tasks[number]
                    self.start()
                    break
        await asyncio.sleep(120)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def last_run(self) -> Body:
        run: Body = self.policy["status"].get("lastRun", {})
        return run

    @property
    def status(self) -> PolicyStatus:
        return parse_policy(self.policy).status

    def change(self, **spec: Any) -> None:
        self.policy["spec"] |= spec
        self.policy["metadata"]["generation"] += 1
        self.bump()


def is_create(method: str, path: str) -> bool:
    return method == "POST" and "namespacedeletions" in path


def merge(old: Body, patch: Body) -> None:
    for key, value in patch.items():
        if value is None:
            old.pop(key, None)
        elif isinstance(value, dict) and isinstance(old.get(key), dict):
            merge(old[key], value)
        else:
            old[key] = [*value] if isinstance(value, tuple | list) else value


def played(scene: Callable[[], Awaitable[None]]) -> None:
    with closing(VirtualLoop()) as loop:
        loop.run_until_complete(cast("Any", scene()))


CALLS = 7  # the right, the claim, three creates, the end, and one that shows what is left


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(1, CALLS + 1))
@pytest.mark.parametrize("dated", [True, False], ids=["dated", "undated"])
def test_whatever_befalls_one_of_its_calls_a_run_is_made_once(
    fault: Fault, number: int, *, dated: bool
) -> None:
    async def scene() -> None:
        world = World(dated=dated)
        world.faults = {number: fault}
        world.start()
        await world.until_over()

        assert sorted(world.created) == list(TARGETS)
        assert (world.last_run["result"], world.last_run["created"]) == ("Completed", 3)
        assert world.last_run["scheduledTime"] == "2026-11-27T12:00:00Z"
        assert "remaining" not in world.last_run
        await world.stop()

    played(scene)


@settings(max_examples=150)
@given(
    st.dictionaries(st.integers(1, 40), st.sampled_from(FAULTS), max_size=12),
    st.integers(1, 3),
    st.integers(1, 25),
)
def test_whatever_befalls_any_of_the_calls_of_any_of_its_leaders(
    faults: dict[int, Fault], leaders: int, count: int
) -> None:
    """Of one, two or three that all think they lead: each target gets one request."""

    async def scene() -> None:
        world = World(maxDeletionsPerRun=25)
        names = tuple(f"ci-{number:02}" for number in range(count))
        world.listing = world.shows(*names)
        world.faults = faults
        for _ in range(leaders):
            world.start()
        await world.until_over()

        assert sorted(world.created) == sorted(names)
        assert (world.last_run["result"], world.last_run["created"]) == ("Completed", count)
        runs = {
            body["metadata"]["annotations"]["moorcheh.ai/cleanup-run"] for body in world.requests.values()
        }
        assert runs == {"2026-11-27T12:00:00Z"}
        await world.stop()

    played(scene)


def test_a_run_looks_once_and_what_came_since_is_left_to_the_next() -> None:
    async def scene() -> None:
        world = World()
        world.faults = {4: "kill after"}
        world.after_call = lambda method, path: (
            setattr(world, "listing", world.shows(*TARGETS, "ci-new")) if is_create(method, path) else None
        )
        world.start()
        await world.until_over()

        assert sorted(world.created) == list(TARGETS)
        await world.stop()

    played(scene)


def test_without_creation_times_what_is_late_is_not_created_any_more() -> None:
    async def scene() -> None:
        world = World(dated=False)
        world.faults = dict.fromkeys(range(4, 60), "unsent")
        world.start()
        await world.until_over()

        assert world.created == ["ci-1"]
        assert (world.last_run["result"], world.last_run["created"]) == ("Incomplete", 1)
        assert "no creation times" in world.last_run["message"]
        await world.stop()

    played(scene)


@pytest.mark.parametrize("foreign", ["labels", "target", "server"])
def test_another_object_under_its_name_is_no_success(foreign: str) -> None:
    async def scene() -> None:
        twin = World()
        twin.start()
        await twin.until_over()
        await twin.stop()
        world = World()
        name, body = next((name, body) for name, body in twin.requests.items() if "ci-2" in name)
        match foreign:
            case "labels":
                body["metadata"]["labels"] = {"moorcheh.ai/cleanup-policy": "nightly"}
            case "target":
                body["spec"]["namespaceName"] = "documents"
            case _:
                body["spec"]["serverRef"] = {"name": "other"}
        world.requests[name] = body
        world.start()
        await world.until_over()

        assert sorted(world.created) == ["ci-1", "ci-3"]
        assert world.last_run["result"] == "Incomplete"
        assert "another object of the name" in world.last_run["message"]
        await world.stop()

    played(scene)


def test_a_right_that_is_taken_away_ends_the_run_and_is_said() -> None:
    async def scene() -> None:
        world = World()
        world.forbidden = True
        world.start()
        await world.until_over()

        assert world.last_run["result"] == "CreateForbidden"
        assert world.created == []
        assert world.status.conditions[0].reason in (
            "CreateForbidden",
            "Scheduled",
        )  # asked again, it is given
        await world.stop()

    played(scene)


@pytest.mark.parametrize(
    ("seen", "most"), [(True, 2), (False, 10)], ids=["by-the-watch", "by-the-next-write"]
)
def test_a_policy_that_changes_in_the_middle_creates_no_more(seen: bool, most: int) -> None:
    async def scene() -> None:
        world = World(maxDeletionsPerRun=25)
        world.listing = world.shows(*(f"ci-{number:02}" for number in range(25)))
        task = world.start()

        def change(method: str, path: str) -> None:
            if is_create(method, path) and len(world.created) == 2:
                world.change(suspend=True)
                if seen:
                    task.adopt(parse_policy(copy.deepcopy(world.policy)))

        world.after_call = change
        await world.until_over()

        assert len(world.created) == most
        assert world.last_run["result"] == "Incomplete"
        assert "the policy was changed" in world.last_run["message"]
        await world.stop()

    played(scene)


def test_who_does_not_lead_does_nothing() -> None:
    async def scene() -> None:
        world = World()
        world.leads = False
        world.start()
        await asyncio.sleep(600)

        assert (world.calls, world.looks) == (0, 0)
        await world.stop()

    played(scene)


def test_who_no_longer_leads_creates_no_more() -> None:
    async def scene() -> None:
        world = World()
        world.after_call = lambda method, path: (
            setattr(world, "leads", False) if is_create(method, path) else None
        )
        world.start()
        await asyncio.sleep(600)

        assert world.created == ["ci-1"]
        assert world.last_run["result"] == "Creating"
        await world.stop()

    played(scene)


def test_while_its_server_is_away_a_run_waits_and_then_it_is_missed() -> None:
    async def scene() -> None:
        world = World(startingDeadlineSeconds=300, schedule="0 12 * * *")
        world.listing = Unavailable("ConnectError")
        world.start()
        await world.until_over(1000)

        assert world.last_run["result"] == "Missed"
        assert "ConnectError" in world.last_run["message"]
        assert world.created == []
        assert world.status.next_run_time == NOON + timedelta(days=1)
        await world.stop()

    played(scene)


def test_what_has_an_unfinished_request_is_skipped() -> None:
    async def scene() -> None:
        world = World()
        world.busy = frozenset({"ci-2"})
        world.start()
        await world.until_over()

        assert sorted(world.created) == ["ci-1", "ci-3"]
        assert (world.last_run["result"], world.last_run["skipped"]) == ("Completed", 1)
        await world.stop()

    played(scene)
