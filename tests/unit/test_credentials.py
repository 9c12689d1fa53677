"""The key of a server: in its calls, and nowhere else."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from moorcheh_operator.api.status import JobStatus
from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import JobReport, JobUnknown, NotSent, Refused, Unavailable
from moorcheh_operator.moorcheh.connection import Connection
from moorcheh_operator.moorcheh.credentials import REDACTED, Credential, KeyFileError
from tests.unit.servers import Behaviour, Server, always, answer, serving, then_drop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = "s3cret+key/of=the.server"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and takes no time to make


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    return path


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@asynccontextmanager
async def opened(behaviour: Behaviour, credential: Credential) -> AsyncIterator[tuple[Connection, Server]]:
    async with serving(behaviour) as server:
        connection = Connection(httpx.URL(server.url), 5.0, Clock(), lambda *_: None, NO_TLS, credential)
        try:
            yield connection, server
        finally:
            await connection.aclose()


@pytest.mark.parametrize(
    ("header", "scheme", "sent"), [("X-Api-Key", "", KEY), ("Authorization", "Bearer", f"Bearer {KEY}")]
)
async def test_every_call_carries_it(key_file: Path, header: str, scheme: str, sent: str) -> None:
    async with opened(always(answer(500)), Credential(str(key_file), header, scheme)) as (
        connection,
        server,
    ):
        await connection.listing()
        await connection.delete("documents", "uid/attempt")
        await connection.job("documents", "job-1")

        assert [request.headers[header] for request in server.received] == [sent] * 3


async def test_a_new_key_is_sent_from_the_next_call_on(key_file: Path) -> None:
    async with opened(always(answer(500)), Credential(str(key_file), "X-Api-Key")) as (
        connection,
        server,
    ):
        await connection.listing()
        rewrite(key_file, b"another")
        await connection.listing()

        assert [request.headers["X-Api-Key"] for request in server.received] == [KEY, "another"]


BAD_KEYS = {
    "empty": b"",
    "two lines": b"s3cret\nX-Evil: 1",
    "a carriage return": b"s3cret\rmore",
    "a zero byte": b"s3cret\0",
    "no ASCII": "s3crét".encode(),
    "too long": b"s3cret" * 5000,
}


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in BAD_KEYS.items()])
async def test_without_a_usable_key_nothing_is_sent_and_nothing_of_it_is_shown(
    key_file: Path, content: bytes
) -> None:
    rewrite(key_file, content)
    async with opened(always(answer(200)), Credential(str(key_file), "X-Api-Key")) as (
        connection,
        server,
    ):
        answers = [
            await connection.delete("documents", "uid/attempt"),
            await connection.listing(),
            await connection.job("documents", "job-1"),
        ]

        assert server.received == []
        assert [type(each) for each in answers] == [NotSent, Unavailable, Unavailable]
        assert "s3cr" not in str(answers)
        assert str(key_file) in str(answers[0])


def test_a_key_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"none can't be read: No such file"):
        Credential(str(tmp_path / "none"), "X-Api-Key").headers()


ECHO = {"status": "failure", "message": f"key {KEY} is not known"}


@pytest.mark.parametrize(
    ("call", "status", "kind"),
    [
        ("delete", 401, Refused),
        ("listing", 401, Unavailable),
        ("job", 404, JobUnknown),
        ("job", 401, Unavailable),
    ],
)
async def test_a_server_that_repeats_the_key_in_its_words_shows_it_to_nobody(
    key_file: Path, call: str, status: int, kind: type
) -> None:
    async with opened(always(answer(status, ECHO)), Credential(str(key_file), "X-Api-Key")) as (
        connection,
        _,
    ):
        match call:
            case "delete":
                shown: object = await connection.delete("documents", "uid/attempt")
            case "listing":
                shown = await connection.listing()
            case _:
                shown = await connection.job("documents", "job-1")

    assert type(shown) is kind
    assert REDACTED in str(shown)
    assert KEY not in str(shown)


async def test_nor_in_a_job_s_words_nor_in_broken_http(key_file: Path) -> None:
    job = {"status": f"no {KEY}", "job_id": "job-1", "last_error": f"401 for {KEY}"}
    async with opened(always(answer(200, job)), Credential(str(key_file), "X-Api-Key")) as (
        connection,
        _,
    ):
        report = await connection.job("documents", "job-1")
    assert isinstance(report, JobReport)
    assert (report.job.status, report.job.last_error) == (f"no {REDACTED}", f"401 for {REDACTED}")

    async with opened(then_drop(f"{KEY} HTTP\r\n\r\n".encode()), Credential(str(key_file), "X-Api-Key")) as (
        connection,
        _,
    ):
        assert KEY not in str(await connection.listing())


@pytest.mark.parametrize("key", ["e", "completed"])
async def test_a_key_that_is_part_of_a_word_hides_no_job_s_end(key_file: Path, key: str) -> None:
    rewrite(key_file, key.encode())
    job = {"status": "Completed", "job_id": "job-1"}
    async with opened(always(answer(200, job)), Credential(str(key_file), "X-Api-Key")) as (
        connection,
        _,
    ):
        report = await connection.job("documents", "job-1")

    assert isinstance(report, JobReport)
    assert report.job.state is JobStatus.COMPLETED


@pytest.mark.parametrize("keys", [(KEY, KEY + "-new"), (KEY + "-old", KEY)])
def test_of_two_keys_that_begin_alike_nothing_is_left(key_file: Path, keys: tuple[str, str]) -> None:
    credential = Credential(str(key_file), "X-Api-Key")
    for key in keys:
        rewrite(key_file, key.encode())
        credential.headers()

    assert [credential.redact(key) for key in keys] == [REDACTED, REDACTED]


async def test_a_call_that_is_held_back_has_no_code(key_file: Path) -> None:
    async with opened(always(answer(202, {})), Credential(str(key_file), "X-Api-Key")) as (
        connection,
        _,
    ):
        await connection.delete("documents", "uid/attempt")
        assert connection.last_code == "202"

        rewrite(key_file, b"")
        assert isinstance(await connection.delete("documents", "uid/attempt"), NotSent)
        assert connection.last_code is None
