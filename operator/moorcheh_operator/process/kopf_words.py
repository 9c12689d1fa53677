"""What kopf says, in the words of whoever reads the operator's log.

kopf logs each of its endless tries of a watch, with a dump; and for whatever ends it a traceback of its own
stack, where the process' last line says it better.
"""

from __future__ import annotations

import logging
import re
import sys

from moorcheh_operator.api.request import PLURAL
from moorcheh_operator.api.texts import error_text, plain_text

LOGGER = "kopf._cogs.clients"  # its tries, and at DEBUG which one succeeded
FAILED = re.compile(r"Request attempt #(\d+)\S* failed; will retry: GET (\S+) -> (.*)", re.DOTALL)
SUCCEEDED = re.compile(r"Request attempt #\d+\S* succeeded: GET (\S+)")
NAMESPACE = re.compile(rf"/namespaces/([^/]+)/{PLURAL}")
ENDED = re.compile(r"(Watcher for .*|Multidimensional multitasker) has failed: ", re.DOTALL)


class KopfWords(logging.Filter):
    """A watch that breaks off is told when that begins and when it is over; no end is told twice."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("kopf"):
            return True
        words = record.getMessage()
        if failed := FAILED.match(words):
            number, url, shown = failed.groups()
            error = sys.exc_info()[1]
            shown = plain_text(shown) if error is None else error_words(error)
            _rewrite(
                record, logging.WARNING, f"the watch{_where(url)} broke off, which is tried again: {shown}"
            )
            return number == "1"
        if succeeded := SUCCEEDED.match(words):
            _rewrite(record, logging.INFO, f"the watch{_where(succeeded[1])} is there again")
            return True
        return record.levelno >= logging.WARNING and not ENDED.match(words)


def error_words(error: BaseException) -> str:
    """One line: HTTP status and message of the API server's answers, the kind of all others."""
    if is_from_api_server(error):
        message = getattr(error, "message", None) or str(error)
        return plain_text(f"HTTP {getattr(error, 'status', '')}: {message}")
    return error_text(error)


def is_from_api_server(error: BaseException | None) -> bool:
    """An answer that is an error, as kopf raises it."""
    return isinstance(getattr(error, "status", None), int)


def _where(url: str) -> str:
    found = NAMESPACE.search(url)
    return f" of {found[1]}" if found else ""


def _rewrite(record: logging.LogRecord, level: int, words: str) -> None:
    record.levelno, record.levelname = level, logging.getLevelName(level)
    record.msg, record.args = words, ()
