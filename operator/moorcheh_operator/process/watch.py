"""kopf: the watch and the process around it. Its handlers only start and stop; nothing is decided here.

No `on.create`, daemon or timer: they act on stale bodies, add finalizers and die in an outage. What the watch
shows is told before kopf deals with it (`kopf_session.py`), so it never writes either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass

import kopf

from moorcheh_operator.api.request import GROUP, PLURAL, VERSION
from moorcheh_operator.cluster.api_server import ApiServer

from .kopf_session import Observe, session

WATCH_SECONDS = 600.0  # a watch is renewed at the latest after this
LOGIN_SECONDS = 1.0  # between two sessions
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)


Signal = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is called when kopf starts, when it stops, and for each event of its watch."""

    start: Signal
    stop: Callable[[], Coroutine[None, None, None]]
    watch_began: Signal  # anew: what was before it, a list must show
    observe: Observe


class _Endless:
    """Back-offs in seconds that never run out, and can be iterated again (a generator is spent once)."""

    def __iter__(self) -> Iterator[float]:
        yield from RETRY_SECONDS
        while True:
            yield RETRY_SECONDS[-1]


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
            server=api_server.url,
            aiohttp_session=session(api_server, hooks.watch_began, hooks.observe),
        )

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def watched(**_: object) -> None:
        """kopf watches what has a handler."""

    return handlers


def settings() -> kopf.OperatorSettings:
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False  # Events are ours: kopf's poster has an unbounded queue
    chosen.scanning.disabled = True  # no rights on CRDs and namespaces; the CRD is checked at start
    chosen.peering.standalone = True  # leadership is a Lease
    chosen.watching.client_timeout = WATCH_SECONDS
    chosen.networking.error_backoffs = _Endless()  # an outage of the API server is no reason to exit
    return chosen
