"""Events are posted beside the work; one Kubernetes namespace has no other's wait."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import cast

from moorcheh_operator.cluster.client import Cluster, ClusterError
from moorcheh_operator.controller.events import POSTERS, QUEUED, Events
from moorcheh_operator.lifecycle.announcements import Announcement
from tests.unit.builders import a_request
from tests.virtual_time import VirtualLoop

NEWS = Announcement("Normal", "Submitted", "sent")


class ApiServer:
    """Takes a second for each Event."""

    def __init__(self) -> None:
        self.posted: list[tuple[float, str]] = []
        self.fails: list[Exception] = []

    async def post_event(self, request: object, *_: object) -> None:
        await asyncio.sleep(1.0)
        if self.fails:
            raise self.fails.pop()
        self.posted.append((asyncio.get_running_loop().time(), getattr(request, "namespace", "")))


def played(many: int, *, fails: tuple[Exception, ...] = (), drain: float = 1e6) -> ApiServer:
    """So many of one namespace, then one of another."""
    server = ApiServer()
    server.fails = list(fails)

    async def play() -> None:
        events = Events(cast("Cluster", server))
        for _ in range(many):
            events.announce(a_request(), NEWS)
        events.announce(dataclasses.replace(a_request(), namespace="other"), NEWS)
        await events.drain(drain)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(play())
    return server


def test_thousands_of_one_namespace_keep_no_other_waiting_and_push_none_out() -> None:
    server = played(3 * QUEUED)

    assert (1.0, "other") in server.posted
    assert len(server.posted) == QUEUED + 1


def test_so_many_of_a_namespace_are_posted_at_a_time() -> None:
    server = played(10 * POSTERS)

    assert [at for at, namespace in server.posted if namespace != "other"] == [
        float(second) for second in range(1, 11) for _ in range(POSTERS)
    ]


def test_one_that_fails_keeps_no_other() -> None:
    server = played(3, fails=(ClusterError("no"), RuntimeError("worse")))

    assert len(server.posted) == 2


def test_a_stop_waits_for_so_long_and_no_longer() -> None:
    assert len(played(100, drain=2.5).posted) == 2 * POSTERS + 1


def test_what_comes_after_a_quiet_time_is_posted_too() -> None:
    server = ApiServer()

    async def play() -> None:
        events = Events(cast("Cluster", server))
        for _ in range(3):
            events.announce(a_request(), NEWS)
            await asyncio.sleep(10)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(play())
    assert [at for at, _ in server.posted] == [1.0, 11.0, 21.0]
