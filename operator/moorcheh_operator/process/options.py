"""What a value on the command line or in the environment may be: every bound in one place.

click's own ranges let `nan` through, and digits of any script.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from moorcheh_operator.servers.addresses import address
from moorcheh_operator.servers.definitions import DNS_LABEL

MAX_LENGTH = 2048  # characters of one value

NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\]", re.ASCII)

Listen = tuple[str | None, int]
"""Host and port to listen at; without a host: all addresses, IPv4 and IPv6."""


class Value(click.ParamType):  # type: ignore[type-arg]  # generic for type checkers only
    """`parse` raises `ValueError` with what the value must be."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value  # a default
        try:
            if len(value) > MAX_LENGTH or not value.isprintable():
                raise ValueError(f"must be at most {MAX_LENGTH} printable characters")
            return self._parse(value.strip())
        except ValueError as error:
            # A URL may hold a password.
            shown = "the value" if "@" in value or len(value) > 80 else repr(value)
            self.fail(f"{shown} {error}.", param, ctx)


def seconds(least: float, most: float) -> Value:
    def parse(text: str) -> float:
        if not NUMBER.fullmatch(text) or not least <= float(text) <= most:
            raise ValueError(f"must be a number of seconds from {least:g} to {most:g}")
        return float(text)

    return Value("seconds", parse)


def count(most: int) -> Value:
    def parse(text: str) -> int:
        if not WHOLE_NUMBER.fullmatch(text) or int(text) > most:
            raise ValueError(f"must be a whole number from 0 to {most}")
        return int(text)

    return Value("number", parse)


def _url(text: str) -> str | None:
    return address(text) if text else None


def _namespace(text: str) -> str:
    if text and not DNS_LABEL.fullmatch(text):
        raise ValueError("is no name of a Kubernetes namespace: a-z, 0-9 and -, 63 characters at most")
    return text


def _namespaces(text: str) -> tuple[str, ...]:
    """Names that were meant and none that is left must not mean: all."""
    names = tuple(dict.fromkeys(_namespace(name) for name in re.split(r"[,\s]+", text) if name))
    if text and not names:
        raise ValueError("names no Kubernetes namespace; leave it empty to serve all of them")
    return names


def _listen(text: str) -> Listen:
    host, colon, port = text.rpartition(":")
    if not colon or not PORT.fullmatch(port) or int(port) > 65535 or not (host == "" or HOST.fullmatch(host)):
        raise ValueError("must look like :8080, 127.0.0.1:8080 or [::1]:8080")
    return host.strip("[]") or None, int(port)


URL = Value("url", _url)
NAMESPACE = Value("name", _namespace)
NAMESPACES = Value("names", _namespaces)
LISTEN = Value("host:port", _listen)
