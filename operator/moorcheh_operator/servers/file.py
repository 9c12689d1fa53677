"""SERVERS_FILE: read at the start and whenever it has changed, with the CAs that it names.

A ConfigMap's or Secret's mount is replaced as a whole, behind a symbolic link, so the content is compared and
nothing is watched. A file that can't be used changes nothing: the last good one stays.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from moorcheh_operator.api.texts import plain_text

from .definitions import MAX_FILE, Servers, ServersError, parse

LOOK_SECONDS = 2.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    servers: Servers
    authorities: Mapping[str, str]  # PEM by path


class ServersFile:
    def __init__(self, path: str, look_seconds: float = LOOK_SECONDS) -> None:
        self._path = Path(path)
        self._look_seconds = look_seconds
        self._applied: Loaded | None = None
        self._parsed = "", Servers()  # the last good text, and what it says
        self.trouble: str | None = None  # what is wrong with it now, in one line

    def look(self, changed: Callable[[Loaded], None]) -> Loaded | None:
        """What the file says now, if that is new and `changed` has taken it over; else None. Raises
        `ServersError` whatever goes wrong; the next look then tries again.
        """
        try:
            loaded = self.read()
            if loaded == self._applied:
                return None
            self._applied = None  # until `changed` has taken all of it
            changed(loaded)
            self._applied = loaded
            return loaded
        except ServersError:
            raise
        except Exception as error:
            raise ServersError(plain_text(f"unexpected {type(error).__name__}: {error}")) from error

    def read(self) -> Loaded:
        """Raises `ServersError`."""
        text = _text(self._path, "")
        if text != self._parsed[0]:
            self._parsed = text, parse(text)
        servers = self._parsed[1]
        authorities = {}
        for number, server in enumerate(servers.definitions):
            if server.ca_file is not None:
                path = f"servers[{number}].caFile: "
                authorities[server.ca_file] = read_authorities(server.ca_file, path)
        return Loaded(servers, authorities)

    async def watch(self, changed: Callable[[Loaded], None], noted: Callable[[bool], None]) -> None:
        """For ever: `changed` is called for each new good file, and `noted` after each look with whether the
        file is good.
        """
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                if loaded := self.look(changed):
                    logger.info(
                        "%s has changed, and counts from now on: %s", self._path, _names(loaded.servers)
                    )
                elif self.trouble is not None:
                    logger.info("%s can be used again, and is what it was", self._path)
                self.trouble = None
            except ServersError as error:
                words = plain_text(str(error))
                if words != self.trouble:
                    logger.error(
                        "%s can't be used: %s; the last good one stays in use, but a restart would fail: "
                        "correct the file",
                        self._path,
                        words,
                        exc_info=error.__cause__,
                    )
                self.trouble = words
            noted(self.trouble is None)


def read_authorities(path: str, where: str) -> str:
    """PEM. Raises `ServersError`, whose words begin with `where`."""
    return _checked(_text(Path(path), where), where)


def _names(servers: Servers) -> str:
    return ", ".join(f"{each.name} at {each.url}" for each in servers.definitions)


def _text(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise ServersError(f"{where}is larger than {MAX_FILE} bytes")
        return content.decode("utf-8")
    except OSError as error:
        raise ServersError(f"{where}can't be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise ServersError(f"{where}is no UTF-8 text") from None


def _checked(pem: str, where: str) -> str:
    pem = pem.encode("ascii", "replace").decode("ascii")  # comments may be anything, ssl takes ASCII alone
    try:
        # Not create_default_context: it takes an empty text for none, and then trusts the usual CAs.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ServersError(f"{where}holds no certificate that can be read") from None
    return pem
