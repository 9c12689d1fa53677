"""Liveness, readiness and metrics over HTTP. A probe fails where the operator can't do its work."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from moorcheh_operator.metrics import Metrics

LIST_OLD = 300.0  # seconds: five relists were missed
LAG_SECONDS = 1.0  # between two measures of the loop's lag
LAGS_KEPT = 60  # the worst of them is shown: a scrape sees one in many
LAG_BAD = 30.0


class Probes:
    def __init__(
        self,
        metrics: Metrics,
        list_age: Callable[[], float | None],
        measure: Callable[[], None],
        notices: Callable[[], list[str]] = list,
    ) -> None:
        """`notices`: what is wrong and still no reason to be not ready."""
        self._metrics = metrics
        self._list_age = list_age
        self._measure = measure
        self._notices = notices
        self._lag = 0.0
        self._lags: deque[float] = deque(maxlen=LAGS_KEPT)
        self._runner: web.AppRunner | None = None
        self._started = time.monotonic()
        self._meter: asyncio.Task[None] | None = None

    async def start(self, host: str | None, port: int) -> None:
        """Without a host: at all addresses. Raises `OSError` where the address can't be had."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        if host is None:
            await web.SockSite(self._runner, _everywhere(port)).start()
        else:
            await web.TCPSite(self._runner, host, port).start()
        self._meter = asyncio.create_task(self._measure_lag(), name="loop lag")

    async def stop(self) -> None:
        if self._meter is not None:
            self._meter.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    def unhealthy(self) -> str | None:
        age = self._list_age()
        if age is None:
            age = time.monotonic() - self._started
        if self._lag > LAG_BAD:
            return f"the event loop is {self._lag:.0f} s late"
        if age > LIST_OLD:
            return f"there is no complete list since {age:.0f} s"
        return None

    def unready(self) -> str | None:
        if self._list_age() is None:
            return "the first list of requests is not complete"
        return self.unhealthy()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self.unhealthy())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self.unready(), self._notices())

    async def _scrape(self, _: web.Request) -> web.Response:
        self._measure()
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _measure_lag(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(LAG_SECONDS)
            self._lag = max(time.monotonic() - before - LAG_SECONDS, 0.0)
            self._lags.append(self._lag)
            self._metrics.loop_lag.set(max(self._lags))


def _answer(trouble: str | None, notices: Sequence[str] = ()) -> web.Response:
    lines = [trouble or "ok", *notices]
    return web.Response(text="\n".join(lines) + "\n", status=503 if trouble else 200)


def _everywhere(port: int) -> socket.socket:
    """For IPv4 and IPv6, as far as the machine has them: a cluster may have either alone."""
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise
        return socket.create_server(("", port))
