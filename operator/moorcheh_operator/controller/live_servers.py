"""The servers as this process speaks to them: for each URL one client, one clock, one set of job slots.

What belongs to one server belongs to it alone, so a slow or dead one keeps nobody else waiting. A URL is a
server's identity. One that leaves the file is kept for those whose attempt is there, until they end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from moorcheh_operator.clock import Clock
from moorcheh_operator.lifecycle.steps import Limits
from moorcheh_operator.moorcheh.client import Moorcheh
from moorcheh_operator.servers.definitions import Definition, Servers

from .slots import Slots

logger = logging.getLogger(__name__)

Make = Callable[[Definition, float, str | None, Clock], Moorcheh]
"""A client for a server: its definition, the timeout, its CAs (PEM), the clock that it teaches."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """For what a definition leaves open. Times in seconds."""

    timeout: float = 30.0
    verify: float = 600.0
    max_running_jobs: int = 10  # 0: no limit


@dataclass(frozen=True, slots=True)
class _Client:
    """A server's client as a definition wants it: a new one, or the one that is there."""

    moorcheh: Moorcheh
    clock: Clock
    timeout: float
    made_of: tuple[object, ...]


@dataclass(slots=True, eq=False)
class LiveServer:
    url: str
    moorcheh: Moorcheh
    clock: Clock
    slots: Slots
    limits: Limits
    made_of: tuple[object, ...]
    listed: bool = True  # the servers file names it
    also_elsewhere: str | None = None  # the name that another operator has for it


class LiveServers:
    def __init__(self, clock: Clock, defaults: Defaults, make: Make) -> None:
        self.defined = Servers()
        self._clock = clock
        self._defaults = defaults
        self._make = make
        self._by_url: dict[str, LiveServer] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def all(self) -> Collection[LiveServer]:
        return self._by_url.values()

    @property
    def default_limits(self) -> Limits:
        return Limits(self._defaults.timeout, self._defaults.verify)

    @property
    def longest_timeout(self) -> float:
        return max((each.limits.request_timeout for each in self.all), default=self._defaults.timeout)

    @property
    def notices(self) -> list[str]:
        """A line for each server that can't be asked, that shows no creation times, or that is another
        operator's too.
        """
        told = [line for each in self.all if each.moorcheh.health for line in each.moorcheh.health.notices]
        return told + [_shared(each) for each in self.all if each.listed and each.also_elsewhere]

    @property
    def dated(self) -> dict[str, bool]:
        """By name: whether a server shows creation times. One of which that is not known is left out."""
        clients = ((each.name, self.at(each.url)) for each in self.defined.definitions)
        healths = ((name, live.moorcheh.health) for name, live in clients if live is not None)
        return {name: health.dated for name, health in healths if health and health.dated is not None}

    def at(self, url: str) -> LiveServer | None:
        return self._by_url.get(url)

    def note_elsewhere(self, url: str, name: str) -> None:
        """A request that is left to another operator, as it names the server so, was looked up there."""
        server = self.at(url)
        if server is not None and server.listed and server.also_elsewhere is None:
            server.also_elsewhere = name
            logger.warning("%s", _shared(server))

    def apply(self, servers: Servers, authorities: Mapping[str, str] | None = None) -> None:
        """From now on these. `authorities`: PEM by path. All or nothing: what can't be made raises before
        anything has changed.
        """
        pems = authorities or {}  # one that is missing must not mean the usual CAs
        clients = [
            self._client(each, None if each.ca_file is None else pems[each.ca_file])
            for each in servers.definitions
        ]
        for each, client in zip(servers.definitions, clients, strict=True):
            self._apply(each, client)
        self.defined = servers
        urls = {each.url for each in servers.definitions}
        for url, server in self._by_url.items():
            if server.listed and url not in urls:
                logger.warning(
                    "%s is no server any more, as SERVERS_FILE has no such url; what is under way there is "
                    "followed to its end",
                    url,
                )
            server.listed = url in urls
            server.also_elsewhere = None  # it is told again where it still is so

    def _client(self, definition: Definition, pem: str | None) -> _Client:
        timeout = (
            definition.timeout_seconds if definition.timeout_seconds is not None else self._defaults.timeout
        )
        made_of = timeout, definition.name, definition.api_key_file, definition.bearer_token_file, pem
        known = self._by_url.get(definition.url)
        if known is not None and known.made_of == made_of:
            return _Client(known.moorcheh, known.clock, timeout, made_of)
        clock = self._clock.for_another_server() if known is None else known.clock
        return _Client(self._make(definition, timeout, pem, clock), clock, timeout, made_of)

    def _apply(self, definition: Definition, client: _Client) -> None:
        jobs = definition.max_running_jobs
        jobs = self._defaults.max_running_jobs if jobs is None else jobs
        known = self._by_url.get(definition.url)
        if known is None:
            self._by_url[definition.url] = LiveServer(
                definition.url,
                client.moorcheh,
                client.clock,
                Slots(jobs),
                Limits(client.timeout, self._defaults.verify),
                client.made_of,
            )
            return
        if known.moorcheh is not client.moorcheh:
            self._retire(known.moorcheh)
            known.moorcheh, known.made_of = client.moorcheh, client.made_of
            # Never less than it was: a DELETE may still be under way with the longer one (rule 5).
            known.limits = Limits(max(client.timeout, known.limits.request_timeout), self._defaults.verify)
        known.slots.resize(jobs)

    def leave(self, in_use: Collection[LiveServer]) -> None:
        """Close those that are neither in the file nor in use."""
        for server in [each for each in self.all if not each.listed and each not in in_use]:
            logger.info("nothing is under way at %s any more; it is asked no more", server.url)
            del self._by_url[server.url]
            self._retire(server.moorcheh)

    def _retire(self, moorcheh: Moorcheh) -> None:
        task = asyncio.create_task(moorcheh.retire(), name="a server is left")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def aclose(self) -> None:
        for task in list(self._leaving):
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for server in self.all:
            await server.moorcheh.aclose()


def _shared(server: LiveServer) -> str:
    return (
        f'{server.url}: another operator also serves this URL, as "{server.also_elsewhere}". Two requests '
        "for one name may then both send a DELETE (docs/scale.md)"
    )
