"""A server's URL, in the one form that all ways to write it share. Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import idna

MAX_URL = 512  # characters; the CRD's schema takes no more in status.target.server

# A label of none or of more than 63 characters is an error of Python's own when the name is resolved.
AUTHORITY = re.compile(
    r"(?P<host>\[(?P<ipv6>[0-9a-f:.]+)\]|[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?)(:[0-9]{1,5})?"
)
DEFAULT_PORTS = {"http": 80, "https": 443}


def address(url: str) -> str:
    """The URL in the one form that two ways to write it share. Raises `ValueError` without the value."""
    if len(url) > MAX_URL or not re.fullmatch(r"[\x21-\x7e]+", url) or "\\" in url:
        raise ValueError(f"must be at most {MAX_URL} printable ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError("must look like http://moorcheh.example:8080")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password: it would end up in logs")
    if "?" in url or "#" in url or port == 0:
        raise ValueError("must be no more than scheme, host, port and path")
    if {".", ".."} & set(parts.path.replace("%2e", ".").replace("%2E", ".").split("/")):
        raise ValueError("must have no . or .. in its path")
    host = _host(parts.netloc.lower())
    shown_port = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{parts.path.rstrip('/')}"


def _host(authority: str) -> str:
    """Raises `ValueError` for what the HTTP client would refuse too, some of it only when it is called."""
    match = AUTHORITY.fullmatch(authority)
    try:
        if match is None:
            raise ValueError
        host = match["host"]
        if match["ipv6"] is not None:
            ipaddress.IPv6Address(match["ipv6"])
        elif not host.strip("0123456789."):
            ipaddress.IPv4Address(host)
        elif host.startswith("xn--"):
            idna.decode(host)
    except ValueError:
        raise ValueError("must have a host's name, or a valid IPv4 or [IPv6] address") from None
    return host
