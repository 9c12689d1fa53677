"""An API server as the operator's parts are given it."""

from __future__ import annotations

import ssl

from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.api_server import ApiServer
from moorcheh_operator.cluster.credentials import Credential, Credentials, Refusals


def api_server(url: str, token: str | None = None, tls: ssl.SSLContext | bool = True) -> ApiServer:
    async def obtain() -> Credential:
        return Credential(f"Bearer {token}" if token else None, tls)

    clock = Clock()
    credentials = Credentials("the token of this test", obtain, clock)
    return ApiServer(url, credentials, Refusals(credentials, url, clock.ticks))
