"""The servers that are spoken to, as the servers file changes."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from moorcheh_operator.clock import Clock
from moorcheh_operator.controller.live_servers import Defaults, LiveServers
from moorcheh_operator.moorcheh.client import Moorcheh
from moorcheh_operator.moorcheh.connection import Connection
from moorcheh_operator.servers.definitions import Definition, Servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and takes no time to make
BROKEN = Definition("broken", "http://broken")
A, B, C = (Definition(name, f"http://{name}") for name in "abc")


def make(definition: Definition, timeout: float, _: str | None, clock: Clock) -> Moorcheh:
    if definition == BROKEN:
        raise httpx.InvalidURL("no host")
    url = httpx.URL(definition.url)
    return Moorcheh(lambda: Connection(url, timeout, clock, lambda *_: None, NO_TLS), clock, 1, 1)


@asynccontextmanager
async def some_servers(*definitions: Definition) -> AsyncIterator[LiveServers]:
    servers = LiveServers(Clock(), Defaults(), make)
    try:
        servers.apply(Servers(definitions))
        yield servers
    finally:
        await servers.aclose()


def shown(servers: LiveServers) -> list[object]:
    """All that a change may change."""
    return [
        servers.defined,
        *((each.url, each.moorcheh, each.limits, each.slots.limit, each.listed) for each in servers.all),
    ]


CHANGES = {
    "another beside it": (A, B, C),
    "less": (A,),
    "another timeout": (Definition("a", A.url, timeout_seconds=99.0), B),
    "another key": (A, Definition("b", B.url, api_key_file="/key")),
    "other slots": (Definition("a", A.url, max_running_jobs=1), B),
}


@pytest.mark.parametrize(
    "change", [pytest.param(definitions, id=name) for name, definitions in CHANGES.items()]
)
async def test_a_change_is_applied_whole_or_not_at_all(change: tuple[Definition, ...]) -> None:
    async with some_servers(A, B) as servers:
        before = shown(servers)

        with pytest.raises(httpx.InvalidURL):
            servers.apply(Servers((*change, BROKEN)))
        assert shown(servers) == before

        servers.apply(Servers(change))
        assert shown(servers) != before
        assert servers.defined == Servers(change)


async def test_a_server_that_stays_as_it_is_keeps_its_client_and_its_clock() -> None:
    async with some_servers(A, B) as servers:
        a, b = servers.all
        clients = a.moorcheh, b.moorcheh
        clocks = a.clock, b.clock

        servers.apply(Servers((A, Definition("b", B.url, timeout_seconds=1.0))))

        assert a.moorcheh is clients[0]
        assert b.moorcheh is not clients[1]
        assert (a.clock, b.clock) == clocks
        assert b.limits.request_timeout == Defaults().timeout, "a DELETE may still be under way with it"


async def test_a_ca_that_was_not_read_never_means_the_usual_ones() -> None:
    async with some_servers() as servers:
        with pytest.raises(KeyError):
            servers.apply(Servers((Definition("a", "https://a", ca_file="/ca"),)), {"/other": "PEM"})
        assert not servers.all


async def test_a_server_that_left_the_file_is_left_only_once_nothing_is_under_way_there() -> None:
    async with some_servers(A, B) as servers:
        a, b = servers.all
        servers.apply(Servers((A,)))

        servers.leave([b])
        assert list(servers.all) == [a, b]

        servers.leave([])
        assert list(servers.all) == [a]
