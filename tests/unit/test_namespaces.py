"""Whether a Kubernetes namespace is being deleted is asked once for all who want to know. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import cast

from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster, ClusterError, NamespaceGoneError
from moorcheh_operator.controller.namespaces import Namespaces
from moorcheh_operator.lifecycle.kubernetes_namespace import Active, NamespaceState, Terminating, Untold
from tests.virtual_time import VirtualLoop

TAKES = 1.0  # seconds for one answer


class Stage:
    """What `Namespaces` asks, and what it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.error: ClusterError | None = None
        self.ended: list[str] = []
        self.loop = asyncio.get_running_loop()
        clock = Clock(self.loop.time, lambda: 0.0)
        self.namespaces = Namespaces(cast("Cluster", self), clock, self.ended.append)

    async def check_namespace(self, namespace: str) -> None:
        self.asked.append((self.loop.time(), namespace))
        await asyncio.sleep(TAKES)
        if self.error is not None:
            raise self.error

    async def ask(self, *namespaces: str) -> list[NamespaceState]:
        return await asyncio.gather(*map(self.namespaces.ask, namespaces))


def played(scene: Callable[[Stage], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scene(Stage())

    with closing(VirtualLoop()) as loop:
        loop.run_until_complete(whole())


def test_all_who_ask_at_once_get_one_answer() -> None:
    async def scene(stage: Stage) -> None:
        states = await stage.ask(*["team"] * 800)

        assert len(stage.asked) == 1
        assert {type(state) for state in states} == {Active}
        assert {state.asked for state in states} == {stage.asked[0][0]}

    played(scene)


def test_who_asks_while_one_is_under_way_gets_the_next() -> None:
    """The one under way may have been answered before what the asker has just done."""

    async def scene(stage: Stage) -> None:
        first = asyncio.create_task(stage.ask("team"))
        await asyncio.sleep(TAKES / 2)
        late = stage.loop.time()
        states = await stage.ask("team", "team")
        await first

        assert len(stage.asked) == 2
        assert states[0] == states[1] == Active(stage.asked[1][0])
        assert stage.asked[1][0] > late

    played(scene)


def test_namespaces_do_not_wait_for_each_other() -> None:
    async def scene(stage: Stage) -> None:
        began = stage.loop.time()
        await stage.ask("one", "other")

        assert stage.loop.time() - began < 2 * TAKES

    played(scene)


def test_that_it_ends_is_told_once() -> None:
    async def scene(stage: Stage) -> None:
        stage.error = NamespaceGoneError("it is being terminated", 403)
        [state] = await stage.ask("team")
        await stage.ask("team")

        assert state == Terminating(stage.asked[0][0])
        assert stage.ended == ["team"]

    played(scene)


def test_that_an_earlier_one_of_its_name_ended_counts_for_nobody_who_came_later() -> None:
    async def scene(stage: Stage) -> None:
        stage.error = NamespaceGoneError("not found", 404)
        await stage.ask("team")
        asked = stage.asked[0][0]

        assert stage.namespaces.of("team", asked) == Terminating(asked)
        assert stage.namespaces.of("team", asked + 0.1) is None

    played(scene)


def test_without_an_answer_the_pauses_grow() -> None:
    async def scene(stage: Stage) -> None:
        stage.error = ClusterError("HTTP 429", 429)
        states = [await stage.ask("team") for _ in range(3)]
        pauses = [
            state.trouble.until - state.asked - TAKES for [state] in states if isinstance(state, Untold)
        ]

        assert [round(pause, 6) for pause in pauses] == [1.0, 2.0, 4.0]
        stage.error = None
        assert await stage.ask("team") == [Active(stage.asked[-1][0])]

    played(scene)


def test_what_is_old_is_forgotten() -> None:
    async def scene(stage: Stage) -> None:
        await stage.ask("one")
        await stage.ask("other")
        stage.namespaces.forget(stage.asked[0][0])

        assert stage.namespaces.of("one", 0.0) is None
        assert stage.namespaces.of("other", 0.0) is not None

    played(scene)
