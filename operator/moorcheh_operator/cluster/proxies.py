"""Through which HTTP proxy the API server is reached: as kubectl does, by the rules of Go's net/http.

They differ from Python's: capitals count first, loopback is never proxied, NO_PROXY knows networks and ports,
and there is no ALL_PROXY. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

SCHEMES = ("http", "https")


class ProxyError(Exception):
    """The text names what says so, without a password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    url: URL  # without user and password: it is shown in errors
    said_by: str
    authorization: str | None = field(repr=False, default=None)  # of the header Proxy-Authorization

    def __str__(self) -> str:
        return f"the proxy {self.url} of {self.said_by}"


def proxy_for(server: str, proxy_url: str | None, environment: Mapping[str, str]) -> Proxy | None:
    """`proxy_url`: the kubeconfig's, which counts before the environment. Raises `ProxyError`."""
    if proxy_url:
        return _proxy(proxy_url, "proxy-url")
    url = URL(server)
    name = "HTTPS_PROXY" if url.scheme == "https" else "HTTP_PROXY"
    said_by, value = _from(environment, name)
    if not value or _goes_direct(url.host or "", url.port, _from(environment, "NO_PROXY")[1]):
        return None
    return _proxy(value, said_by)


def _from(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    for each in (name, name.lower()):
        if value := environment.get(each):
            return each, value.strip()
    return name, ""


def _proxy(value: str, said_by: str) -> Proxy:
    try:
        url = URL(value if "://" in value else f"http://{value}")
        port, host = url.port, url.host
    except ValueError:
        port, host, url = None, None, URL()
    if not host or (not port and url.scheme in SCHEMES):
        raise ProxyError(f"{said_by} is no URL of a proxy: it must look like http://proxy.example:3128")
    if url.scheme not in SCHEMES:
        raise ProxyError(
            f"{said_by} names a {url.scheme} proxy, which the operator can't use: http and https only"
        )
    bare = URL.build(scheme=url.scheme, host=host, port=port)
    if url.user is None and url.password is None:
        return Proxy(bare, said_by)
    return Proxy(bare, said_by, aiohttp.encode_basic_auth(url.user or "", url.password or ""))


def _goes_direct(host: str, port: int | None, no_proxy: str) -> bool:
    host = host.rstrip(".").lower()
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_names(entry, host, address, port) for entry in no_proxy.lower().split(","))


def _names(entry: str, host: str, address: _Address | None, port: int | None) -> bool:
    entry = entry.strip()
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    if (there := _address(entry.strip("[]"))) is not None:
        return there == address
    name, colon, wanted = entry.rpartition(":")
    if colon:
        if wanted != str(port):
            return False
        entry = name
    if (there := _address(entry.strip("[]"))) is not None:
        return there == address
    domain = entry.removeprefix("*").removeprefix(".")
    if not domain or address is not None:
        return False
    return host.endswith(f".{domain}") or (host == domain and domain == entry)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
