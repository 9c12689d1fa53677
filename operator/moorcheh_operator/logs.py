"""Log lines: one a side effect, as text or JSON, with the request's fields; no library's noise."""

from __future__ import annotations

import logging
import time

from pythonjsonlogger.json import JsonFormatter

from .settings import LogFormat

FIELDS = ("request", "uid", "target", "attempt", "created_at", "seconds")
QUIET = ("kopf", "httpx", "httpcore", "aiohttp", "asyncio", "kubernetes")


class _TextFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name in FIELDS if (value := getattr(record, name, None)))
        return super().format(record) + (f"  [{fields}]" if fields else "")


def set_up(kind: LogFormat) -> None:
    handler = logging.StreamHandler()
    match kind:
        case LogFormat.JSON:
            handler.setFormatter(
                JsonFormatter(
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
