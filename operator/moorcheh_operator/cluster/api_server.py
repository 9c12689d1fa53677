"""The API server: where it is, and as whom it is spoken to, by our calls and by kopf's watch alike."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from moorcheh_operator import __version__

USER_AGENT = f"moorcheh-operator/{__version__}"


@dataclass(frozen=True, slots=True)
class ApiServer:
    url: str
    authorization: Callable[[], Awaitable[str | None]]
    """The header's value, made anew for each call: tokens are rotated."""
    tls: ssl.SSLContext | bool = True
    tls_server_name: str | None = None
    proxy: str | None = None

    def session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Without a limit to its connections."""

        async def as_ourselves(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.server_hostname = self.tls_server_name
            if (value := await self.authorization()) is not None:
                request.headers["Authorization"] = value
            return await handler(request)

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self.tls),
            headers={"User-Agent": USER_AGENT},
            # With it aiohttp reads .netrc in a thread for every call.
            trust_env=False,
            proxy=self.proxy,
            middlewares=(*middlewares, as_ourselves),
        )
