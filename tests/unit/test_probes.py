"""Where probes and metrics answer: a cluster may have IPv4 or IPv6 alone."""

from __future__ import annotations

import asyncio
import socket
import urllib.request

import pytest

from dev.processes import free_port
from moorcheh_operator.metrics import Metrics
from moorcheh_operator.process.probes import Probes

HAS_IPV6 = socket.has_dualstack_ipv6()


def get(address: str, port: int) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}:{port}/healthz", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    ("host", "answering"),
    [
        (None, ["127.0.0.1", "[::1]"] if HAS_IPV6 else ["127.0.0.1"]),
        ("127.0.0.1", ["127.0.0.1"]),
        pytest.param("::1", ["[::1]"], marks=pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")),
    ],
    ids=["everywhere", "IPv4", "IPv6"],
)
async def test_the_probes_answer_at(host: str | None, answering: list[str]) -> None:
    port = free_port()
    probes = Probes(Metrics(), lambda: 1.0, lambda: None)
    await probes.start(host, port)
    try:
        for address in answering:
            assert await asyncio.to_thread(get, address, port) == "ok\n"
    finally:
        await probes.stop()
