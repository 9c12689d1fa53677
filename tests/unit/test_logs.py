"""What becomes of a log record."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from moorcheh_operator.process import logs
from moorcheh_operator.process.settings import LogFormat

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[LogFormat.TEXT, LogFormat.JSON])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.set_up(request.param)
    stream = io.StringIO()
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
    yield stream
    root.handlers[:], root.level = before


def test_a_line_carries_the_fields_of_its_request(log: io.StringIO) -> None:
    logging.getLogger("moorcheh_operator.x").info("DELETE %s", "Accepted", extra={"job": "job-1", "items": 0})
    line = log.getvalue()

    if line.startswith("{"):
        body = json.loads(line)
        assert (body["job"], body["items"], body["level"], body["message"]) == (
            "job-1",
            0,
            "INFO",
            "DELETE Accepted",
        )
        assert body["time"].endswith("Z")
    else:
        assert line.endswith("INFO    DELETE Accepted  [job=job-1 items=0]\n")


def test_of_kopfs_endless_tries_the_first_is_told_without_its_dump(log: io.StringIO) -> None:
    words = "Request attempt #%d failed; will retry: GET https://cluster/apis?watch=true -> Refused('x')"
    kopf = logging.getLogger("kopf._cogs.clients.api")
    for number in (1, 2, 3, 10, 11):
        kopf.error(words, number)

    [line] = log.getvalue().splitlines()
    assert "the watch broke off, which is tried again: Refused('x')" in line
    assert "WARNING" in line


def test_what_kopf_says_else_is_told(log: io.StringIO) -> None:
    logging.getLogger("kopf.objects").error("Handler 'wake' failed with an exception.")
    logging.getLogger("kopf.objects").info("Handler 'wake' succeeded.")
    logging.getLogger("httpx").info("HTTP Request: GET http://moorcheh")

    assert len(log.getvalue().splitlines()) == 1
