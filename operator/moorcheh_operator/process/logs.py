"""Log lines: one a side effect, as text or JSON, with the request's fields; no library's noise.

`FIELDS` is every field that a line may have beside time, level, logger and message: docs/reference.md has
what each one means.
"""

from __future__ import annotations

import logging
import time

from pythonjsonlogger.json import JsonFormatter

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
)
QUIET = ("kopf", "httpx", "httpcore", "aiohttp", "asyncio", "kubernetes")
WATCH_TROUBLE = "Request attempt "  # kopf's words, at each of its endless tries


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


class _WatchTrouble(logging.Filter):
    """Of the tries of a watch that broke off, the first is told, in a line; kopf tells each, with a dump."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("kopf"):
            return True
        words = record.getMessage()
        if not words.startswith(WATCH_TROUBLE) or "will retry" not in words:
            return True
        if not words.startswith(f"{WATCH_TROUBLE}#1 "):
            return False
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = (
            f"the watch broke off and is tried again until it holds: {words.rpartition(' -> ')[2]:.200}"
        )
        record.args = ()
        return True


def set_up(kind: LogFormat) -> None:
    handler = logging.StreamHandler()
    handler.addFilter(_WatchTrouble())
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
