"""Log lines: one a side effect, as text or JSON, with the request's fields; no library's noise.

`FIELDS` is every field that a line may have beside time, level, logger and message: docs/reference.md has
what each one means.
"""

from __future__ import annotations

import logging
import time

from pythonjsonlogger.json import JsonFormatter

from . import kopf_words
from .kopf_words import KopfWords
from .settings import LogFormat

FIELDS = (
    "request",
    "uid",
    "target",
    "attempt",
    "number",
    "job",
    "code",
    "items",
    "created_at",
    "seconds",
    "object",
    "policy",
)
QUIET = ("kopf", "httpx", "httpcore", "aiohttp", "asyncio", "kubernetes")


class _TextFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        shown = ((name, getattr(record, name, None)) for name in FIELDS)
        fields = " ".join(f"{name}={value}" for name, value in shown if value is not None)
        return super().format(record) + (f"  [{fields}]" if fields else "")


class _JsonFormatter(JsonFormatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def set_up(kind: LogFormat) -> None:
    handler = logging.StreamHandler()
    handler.addFilter(KopfWords())
    match kind:
        case LogFormat.JSON:
            handler.setFormatter(
                _JsonFormatter(
                    "%(asctime)s %(levelname)s %(name)s %(message)s",
                    rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                )
            )
        case LogFormat.TEXT:
            handler.setFormatter(
                _TextFormatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
            )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(kopf_words.LOGGER).setLevel(logging.DEBUG)
