"""The key that a server asks for: read from its file at each call, shown to nobody else.

A mounted Secret changes in place, so what is kept is never older than the last call.
"""

from __future__ import annotations

import re
from pathlib import Path

KEY = re.compile(r"[\x21-\x7e]{1,4096}")
MAX_FILE = 8192  # bytes
REDACTED = "[redacted]"
KEPT = 2  # keys: an answer may still name the one that was just replaced


class KeyFileError(Exception):
    """The file gives no key that can be sent."""


class Credential:
    def __init__(self, path: str, header: str, scheme: str = "") -> None:
        """Sent as `header: <scheme> <key>`."""
        self._path = Path(path)
        self.header = header
        self._scheme = scheme
        self._used: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """Raises `KeyFileError`, whose words hold nothing of the file."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_FILE)
            key = content.decode("ascii").strip()
        except OSError as error:
            raise KeyFileError(
                f"{self._path} can't be read: {getattr(error, 'strerror', None) or type(error).__name__}"
            ) from None
        except ValueError:
            key = ""
        if not KEY.fullmatch(key):
            # A line break in a header's value would end up, with the key, in the client's own error.
            raise KeyFileError(f"{self._path} must hold one line of printable ASCII characters")
        if key not in self._used:
            self._used = (key, *self._used)[:KEPT]
        return {self.header: f"{self._scheme} {key}".strip()}

    def redact(self, text: str) -> str:
        """For the server's words: some repeat the key that they refuse."""
        for key in sorted(self._used, key=len, reverse=True):  # one may begin with the other
            text = text.replace(key, REDACTED)
        return text
