"""The API server: where it is, and as whom it is spoken to, by our calls and by kopf's watch alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

import aiohttp

from moorcheh_operator import __version__

from .credentials import Credential, CredentialError, Credentials, Refusals
from .proxies import Proxy

USER_AGENT = f"moorcheh-operator/{__version__}"
RESOURCE = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/([^/]+)")


@dataclass(frozen=True, slots=True)
class ApiServer:
    url: str
    credentials: Credentials
    refusals: Refusals
    tls_server_name: str | None = None
    proxy: Proxy | None = None

    @property
    def where(self) -> str:
        return self.url if self.proxy is None else f"{self.url}, through {self.proxy}"

    def session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Without a limit to its connections."""

        async def send(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType, credential: Credential
        ) -> aiohttp.ClientResponse:
            request._ssl = credential.tls  # noqa: SLF001 - a session takes one for all of its calls
            if credential.authorization is not None:
                request.headers["Authorization"] = credential.authorization
            return await handler(request)

        async def as_ourselves(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.server_hostname = self.tls_server_name
            if self.proxy is not None:
                self._go_through(self.proxy, request)
            try:
                credential = await self.credentials.current()
                response = await send(request, handler, credential)
                if response.status == 401 and (other := await self.credentials.other_than(credential)):
                    response.close()
                    response = await send(request, handler, other)
            except CredentialError as error:
                self.refusals.refused(_kind(request), str(error))
                raise
            if response.status == 401:
                self.refusals.refused(_kind(request), "HTTP 401")
            elif self.refusals.any:
                self.refusals.taken(_kind(request))
            return response

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"User-Agent": USER_AGENT},
            # With it aiohttp reads .netrc in a thread for every call, and has rules of its own for proxies.
            trust_env=False,
            middlewares=(*middlewares, as_ourselves),
        )

    def _go_through(self, proxy: Proxy, request: aiohttp.ClientRequest) -> None:
        """The password apart from the URL, which aiohttp's errors show."""
        headers = {}
        if proxy.authorization is not None:
            headers["Proxy-Authorization"] = proxy.authorization
            if not request.is_ssl():
                request.headers["Proxy-Authorization"] = proxy.authorization
        request.update_proxy(proxy.url, None, headers)


def _kind(request: aiohttp.ClientRequest) -> str:
    found = RESOURCE.match(request.url.path)
    verb = "watch" if "watch" in request.url.query else request.method
    return f"{verb} {found[1] if found else request.url.path}"
