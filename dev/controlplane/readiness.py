"""Whether a program of the control plane is up: it is asked over HTTP until it says so."""

from __future__ import annotations

import ssl
import time
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.error import HTTPError

from dev.controlplane.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.processes import Process

START_SECONDS = 180.0
"""The bound for each program to come up; they take some 4 s together, more on a busy machine."""

_LOOK_SECONDS = 0.05
_ANSWER_SECONDS = 10.0


def wait_until_up(process: Process, ready: Callable[[], bool]) -> None:
    """Raises `StartError`, with the process's last lines, if it ends or takes too long."""
    until = time.monotonic() + START_SECONDS
    while process.running and time.monotonic() < until:
        with suppress(OSError):  # nothing listens yet, no certificate yet, 403 or 500 until it is ready
            if ready():
                return
        time.sleep(_LOOK_SECONDS)
    ended = process.returncode
    what = f"isn't ready after {START_SECONDS:.0f} s" if ended is None else f"ended (exit {ended})"
    msg = f"{process.name} {what}. Its last lines:\n{process.tail()}"
    raise StartError(msg)


def opener(ca_file: Path | None = None) -> urllib.request.OpenerDirector:
    """Goes straight to loopback, whatever proxy the environment names, and believes that certificate only."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if ca_file is not None:
        context = ssl.create_default_context(cafile=str(ca_file))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def get(with_opener: urllib.request.OpenerDirector, url: str, headers: dict[str, str] | None = None) -> str:
    """The answer's text; OSError for every answer but 2xx."""
    asked = urllib.request.Request(url, headers=headers or {})  # noqa: S310 - loopback
    try:
        with with_opener.open(asked, timeout=_ANSWER_SECONDS) as answer:
            return str(answer.read(), "utf-8")
    except HTTPError as error:
        error.close()  # it is an answer, too
        raise
