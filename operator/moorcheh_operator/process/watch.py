"""kopf: the watch and the process around it. Its handlers only wake, start and stop; nothing is decided here.

No `on.create`, daemon or timer: they act on stale bodies, add finalizers and die in an outage. kopf never
writes: `on.event` is outside its progress tracking, and no handler touches `patch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import kopf

from moorcheh_operator.api.request import GROUP, PLURAL, VERSION
from moorcheh_operator.cluster.api_server import ApiServer

from .kopf_session import session

WATCH_SECONDS = 600.0  # a watch is renewed at the latest after this
WORKER_SECONDS = 0.05  # kopf keeps an object's last body for so long after an event (default: 5)
LOGIN_SECONDS = 1.0  # between two sessions
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)


Signal = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is called when kopf starts, when it stops, and for each event of its watch."""

    start: Signal
    stop: Callable[[], Coroutine[None, None, None]]
    watch_began: Signal  # anew: what was before it, a list must show
    observe: Callable[[dict[str, Any], bool], None]  # the object, and whether it is gone


class _Endless:
    """Back-offs in seconds that never run out, and can be iterated again (a generator is spent once)."""

    def __iter__(self) -> Iterator[float]:
        yield from RETRY_SECONDS
        while True:
            yield RETRY_SECONDS[-1]


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf keeps no copy of what it last saw. `on.event` asks for none, and making one to compare with is
    half of the CPU of an event.
    """

    def build(self, **_: object) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        raise NotImplementedError


class _NoProgress(kopf.ProgressStorage):
    """No handler here has progress that kopf would keep in the object."""

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        raise NotImplementedError

    def purge(self, **_: object) -> None:
        raise NotImplementedError

    def touch(self, **_: object) -> None:
        raise NotImplementedError

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def registry(api_server: ApiServer, hooks: Hooks) -> kopf.OperatorRegistry:
    handlers = kopf.OperatorRegistry()
    logins = 0

    @kopf.on.startup(registry=handlers)
    async def start(**_: object) -> None:
        hooks.start()

    @kopf.on.cleanup(registry=handlers)
    async def stop(**_: object) -> None:
        # kopf cancels every task 5 s after a stop; what is awaited here finishes. In a task of its own:
        # this one was cancelled, and before Python 3.11.3 a timeout in such a task cancels it again.
        await asyncio.create_task(hooks.stop(), name="stop")

    @kopf.on.login(registry=handlers)
    async def login(**_: object) -> kopf.AiohttpSession:
        nonlocal logins
        if logins:  # kopf asks again at once for each session that broke
            await asyncio.sleep(LOGIN_SECONDS)
        logins += 1
        return kopf.AiohttpSession(
            server=api_server.url, aiohttp_session=session(api_server, hooks.watch_began)
        )

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def wake(event: kopf.RawEvent, **_: object) -> None:
        hooks.observe(dict(event["object"]), event["type"] == "DELETED")

    return handlers


def settings() -> kopf.OperatorSettings:
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False  # Events are ours: kopf's poster has an unbounded queue
    chosen.scanning.disabled = True  # no rights on CRDs and namespaces; the CRD is checked at start
    chosen.peering.standalone = True  # leadership is a Lease
    chosen.watching.client_timeout = WATCH_SECONDS
    chosen.queueing.idle_timeout = WORKER_SECONDS
    chosen.networking.error_backoffs = _Endless()  # an outage of the API server is no reason to exit
    chosen.queueing.error_delays = RETRY_SECONDS  # default: an object may be skipped for 10 minutes
    chosen.persistence.diffbase_storage = _NoDiffBase()
    chosen.persistence.progress_storage = _NoProgress()
    return chosen
