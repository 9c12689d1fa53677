"""One task and one heap, however many requests have a time to live. In virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, cast

import pytest

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Phase
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError, Deleted
from moorcheh_operator.controller.expirations import FORBIDDEN_SECONDS, Expirations
from tests.unit.builders import CLAIMED, a_request, a_spec
from tests.virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from moorcheh_operator.lifecycle.announcements import Announcement

Answer = Deleted | ClusterError


class ApiServer:
    """What `Expirations` asks of a `Cluster`."""

    def __init__(self) -> None:
        self.objects: dict[str, Request] = {}
        self.deletes: list[tuple[float, str]] = []  # when, and the uid
        self.answers: list[Answer] = []  # used up first
        self.refused: set[str] = set()  # names of which no object can be deleted
        self.ticks: Callable[[], float] = lambda: 0.0

    async def delete(self, _namespace: str, name: str, uid: str, resource_version: str) -> Deleted:
        self.deletes.append((self.ticks(), uid))
        if name in self.refused:
            raise ClusterError("etcdserver: request is too large", 500)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, ClusterError):
            raise answer
        there = self.objects.get(name)
        if answer is None and there is not None and there.resource_version != resource_version:
            return Deleted.CHANGED
        if answer is None:
            self.objects.pop(name, None)
        return answer or Deleted.GONE

    async def read(self, _namespace: str, name: str) -> Request | None:
        return self.objects.get(name)


class Stage:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        start = CLAIMED.timestamp()
        self.began = loop.time()
        self.clock = Clock(monotonic=self.ticks, wall=lambda: start)
        self.server = ApiServer()
        self.server.ticks = self.ticks
        self.told: list[str] = []
        self.wanted: set[str] = set()
        self.may_act = True
        self.elsewhere: set[str] = set()  # names of servers that are another operator's
        self.expirations = Expirations(
            cast("Cluster", self.server),
            self.clock,
            lambda: self.may_act,
            lambda _server, name: name in self.wanted,
            self.announce,
            lambda server_name: server_name not in self.elsewhere,
        )

    def ticks(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    def announce(self, request: Request, news: Announcement) -> None:
        self.told.append(f"{request.name} {news.reason}")

    def ended(self, name: str, ttl: int | None, **fields: Any) -> Request:
        """`ttl` seconds from the start of the test."""
        request = dataclasses.replace(
            a_request(Phase.SUCCEEDED, spec=a_spec(ttl_seconds_after_finished=ttl), uid=f"uid-{name}"),
            name=name,
            **fields,
        )
        self.server.objects[name] = request
        self.expirations.note(request)
        return request

    async def run(self, seconds: float) -> None:
        task = asyncio.create_task(self.expirations.run())
        await asyncio.sleep(seconds)
        task.cancel()


def in_virtual_time(play: Callable[[Stage], Any]) -> None:
    async def whole() -> None:
        await play(Stage())

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(whole())


def test_what_is_another_operators_by_now_is_kept_and_deleted_once_it_is_this_one_s_again() -> None:
    async def play(stage: Stage) -> None:
        stage.elsewhere = {"default"}
        stage.ended("moved", 5)
        await stage.run(300)
        assert stage.server.deletes == []
        stage.elsewhere.clear()
        await stage.run(61)
        assert [uid for _, uid in stage.server.deletes] == ["uid-moved"]

    in_virtual_time(play)


def test_each_is_deleted_when_its_time_is_over_and_not_before() -> None:
    async def play(stage: Stage) -> None:
        for name, ttl in {"late": 300, "soon": 5, "kept": None, "middle": 70}.items():
            stage.ended(name, ttl)
        await stage.run(1000)

        assert [uid for _, uid in stage.server.deletes] == ["uid-soon", "uid-middle", "uid-late"]
        assert [when for when, _ in stage.server.deletes] == pytest.approx([5, 70, 300], abs=0.01)
        assert len(stage.expirations) == 0

    in_virtual_time(play)


def test_ten_thousand_cost_one_task() -> None:
    async def play(stage: Stage) -> None:
        for number in range(10_000):
            stage.ended(f"r-{number}", 100 + number % 7)
        before = len(asyncio.all_tasks())
        await stage.run(50)
        assert len(asyncio.all_tasks()) <= before + 1
        assert stage.server.deletes == []

        await stage.run(100)
        assert len({uid for _, uid in stage.server.deletes}) == len(stage.server.deletes) == 10_000

    in_virtual_time(play)


def test_one_that_has_changed_meanwhile_is_looked_at_again() -> None:
    async def play(stage: Stage) -> None:
        stage.ended("labelled", 5)
        seen = stage.server.objects["labelled"]
        stage.server.objects["labelled"] = dataclasses.replace(seen, resource_version="8")
        owned = stage.ended("taken-over", 6)
        stage.server.objects["taken-over"] = dataclasses.replace(
            owned, resource_version="8", recreated_by="Argo CD"
        )
        await stage.run(100)

        assert stage.server.objects.keys() == {"taken-over"}

    in_virtual_time(play)


def test_a_missing_right_is_said_once_and_tried_again_later() -> None:
    async def play(stage: Stage) -> None:
        stage.server.answers = [Deleted.FORBIDDEN, Deleted.FORBIDDEN]
        for number in range(100):
            stage.ended(f"r-{number}", 5)
        await stage.run(5 + FORBIDDEN_SECONDS / 2)
        assert len(stage.server.deletes) == 1

        await stage.run(FORBIDDEN_SECONDS)
        assert len(stage.server.deletes) == 2

        await stage.run(FORBIDDEN_SECONDS)
        assert stage.server.objects == {}, "the right was given in the meantime"
        assert [told.split()[1] for told in stage.told] == ["TTLForbidden"]

    in_virtual_time(play)


def test_a_right_that_is_missing_in_one_namespace_holds_up_no_other() -> None:
    async def play(stage: Stage) -> None:
        stage.server.answers = [Deleted.FORBIDDEN]
        stage.ended("first", 5)
        stage.ended("second", 5)
        stage.ended("elsewhere", 6, namespace="other")
        await stage.run(60)

        assert stage.server.objects.keys() == {"first", "second"}

    in_virtual_time(play)


def test_an_outage_of_the_api_server_is_waited_out() -> None:
    async def play(stage: Stage) -> None:
        stage.server.answers = [ClusterError("no route"), ClusterError("no answer")]
        stage.ended("patient", 5)
        await stage.run(60)

        assert [when for when, _ in stage.server.deletes] == pytest.approx([5, 15, 25], abs=0.1)
        assert stage.server.objects == {}

    in_virtual_time(play)


def test_objects_that_can_t_be_deleted_keep_those_of_other_namespaces_no_moment() -> None:
    """A webhook refuses them, or they are too large for etcd with a deletionTimestamp."""

    async def play(stage: Stage) -> None:
        stage.server.refused = {f"stuck-{number}" for number in range(50)}
        for name in stage.server.refused:
            stage.ended(name, 5)
        stage.ended("other", 6, namespace="other")
        stage.ended("after", 7)
        await stage.run(8)

        assert "other" not in stage.server.objects
        assert len(stage.server.deletes) == 2

        await stage.run(600)
        assert stage.server.objects.keys() == stage.server.refused

    in_virtual_time(play)


def test_one_that_does_not_lead_deletes_nothing() -> None:
    async def play(stage: Stage) -> None:
        stage.may_act = False
        stage.ended("waits", 5)
        await stage.run(500)
        assert stage.server.deletes == []

        stage.may_act = True
        await stage.run(61)
        assert stage.server.objects == {}

    in_virtual_time(play)


def test_one_that_an_unfinished_request_may_need_to_know_of_is_kept_until_then() -> None:
    async def play(stage: Stage) -> None:
        request = stage.ended("wanted", 5)
        stage.wanted.add(request.spec.namespace_name)
        await stage.run(500)
        assert stage.server.deletes == []

        stage.wanted.clear()
        await stage.run(61)
        assert stage.server.objects == {}

    in_virtual_time(play)
