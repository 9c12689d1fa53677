"""Moorcheh's answers, as they come over a real socket, and what they are taken for (docs/safety.md)."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from moorcheh_operator.api.status import MAX_COUNT, Job
from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import (
    Accepted,
    AcceptedWithoutJob,
    Entry,
    JobReport,
    JobUnknown,
    Listing,
    NotSent,
    Refused,
    Rejected,
    Unavailable,
    Unclear,
)
from moorcheh_operator.moorcheh.client import Moorcheh
from moorcheh_operator.moorcheh.connection import MAX_BODY, Connection, trusting
from moorcheh_operator.moorcheh.parsing import QUOTA_WORDS
from tests.unit.servers import (
    Behaviour,
    Peer,
    Received,
    Server,
    always,
    answer,
    drop,
    reset,
    serving,
    then_drop,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from moorcheh_operator.moorcheh.answers import LookUpAnswer, PollAnswer, SendAnswer

TLS = Path(__file__).parents[1] / "tls"
TIMEOUT = 30.0  # seconds; nothing here waits for it but what says so
SHORT = 1.0  # seconds, where the timeout itself is the test
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and takes no time to make
REQUEST_ID = "uid-1/attempt-1"
DELETED = {"status": "success", "job_id": "job-1", "namespace_name": "documents"}
PENDING = {"status": "pending", "message": "Started.", "estimated_completion": "2 minutes"}


@dataclass
class Calls:
    """What an observer was told."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, operation: str, result: str, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append((operation, result))


@asynccontextmanager
async def opened(
    url: str,
    *,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 - it is the connection's
    clock: Clock | None = None,
    tls: ssl.SSLContext = NO_TLS,
) -> AsyncIterator[Connection]:
    connection = Connection(httpx.URL(url), timeout, clock or Clock(), Calls(), tls)
    try:
        yield connection
    finally:
        await connection.aclose()


async def deleting(behaviour: Behaviour, *, timeout: float = TIMEOUT) -> tuple[SendAnswer, Server]:  # noqa: ASYNC109
    async with serving(behaviour) as server, opened(server.url, timeout=timeout) as connection:
        return await connection.delete("documents", REQUEST_ID), server


async def listing(behaviour: Behaviour, *, timeout: float = TIMEOUT) -> LookUpAnswer:  # noqa: ASYNC109
    async with serving(behaviour) as server, opened(server.url, timeout=timeout) as connection:
        return await connection.listing()


async def polling(behaviour: Behaviour, *, timeout: float = TIMEOUT) -> PollAnswer:  # noqa: ASYNC109
    async with serving(behaviour) as server, opened(server.url, timeout=timeout) as connection:
        return await connection.job("documents", "job-1")


def failure(words: str) -> dict[str, str]:
    return {"status": "failure", "message": words}


# The DELETE


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        *(
            pytest.param(code, DELETED, Accepted("job-1"), id=f"{code}-accepted")
            for code in (200, 201, 202, 299)
        ),
        *(
            pytest.param(code, PENDING, AcceptedWithoutJob("Started.", "2 minutes"), id=f"{code}-no-job")
            for code in (200, 202)
        ),
        pytest.param(202, {}, AcceptedWithoutJob(), id="no-job-and-no-words"),
        pytest.param(202, {"job_id": None}, AcceptedWithoutJob(), id="a-job-that-is-null"),
        pytest.param(
            202,
            {"message": "a\nb", "estimated_completion": 7},
            AcceptedWithoutJob("a b"),
            id="no-job-and-words-of-another-kind",
        ),
        pytest.param(
            429,
            failure("Monthly quota exceeded; upgrade your plan"),
            Refused(f"HTTP 429: Monthly quota exceeded; upgrade your plan ({QUOTA_WORDS})"),
            id="429-by-quota",
        ),
        pytest.param(202, DELETED | {"job_id": "a" * 128}, Accepted("a" * 128), id="the-longest-job-id"),
        *(
            pytest.param(code, failure("no"), Refused(f"HTTP {code}: no"), id=f"{code}-refused")
            for code in (401, 403, 429)
        ),
        *(
            pytest.param(code, failure("bad name"), Rejected(f"HTTP {code}: bad name"), id=f"{code}-rejected")
            for code in (400, 422)
        ),
        *(
            pytest.param(
                code, failure("no such"), Unclear(f"HTTP {code}: no such", settled=True), id=f"{code}-settled"
            )
            for code in (404, 409)
        ),
        *(
            pytest.param(code, None, Unclear(f"HTTP {code}"), id=f"{code}-not-in-the-server-s-own-words")
            for code in (404, 409)
        ),
        pytest.param(404, {"detail": "Not Found"}, Unclear("HTTP 404"), id="404-in-other-json"),
        pytest.param(404, ["message"], Unclear("HTTP 404"), id="404-in-json-that-is-no-object"),
        *(
            pytest.param(code, failure("oh"), Unclear(f"HTTP {code}: oh"), id=f"{code}-unclear")
            for code in (402, 405, 408, 410, 418, 423, 425, 500, 501, 502, 503, 504, 599)
        ),
        *(pytest.param(code, None, Unclear(f"HTTP {code}"), id=f"{code}-unclear") for code in (300, 304)),
    ],
)
async def test_rule_4_what_the_answer_to_a_delete_means(status: int, body: Any, expected: SendAnswer) -> None:
    actual, server = await deleting(always(answer(status, body)))

    assert actual == expected
    assert len(server.deletes) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"message": "Namespace not found"}, id="words"),
        pytest.param({"errorMessage": "Task timed out", "errorType": "Timeout"}, id="a-gateway-s-error"),
        pytest.param({"statusCode": 500, "body": "{}"}, id="a-gateway-s-code"),
        pytest.param({"statusCode": 500, "status": "success"}, id="a-code-against-the-word"),
        pytest.param({"success": False}, id="no-success"),
        pytest.param({"success": True}, id="a-success-without-the-word"),
        pytest.param({"status": "failed"}, id="a-failure"),
    ],
)
async def test_rule_4_what_is_no_word_of_acceptance_is_unclear(body: dict[str, Any]) -> None:
    actual, _ = await deleting(always(answer(200, body)))

    assert isinstance(actual, Unclear)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"status": "failure"}, id="none-and-a-failure"),
        pytest.param({"status": "success", "error": "no"}, id="none-and-an-error"),
        pytest.param({"status": "denied"}, id="none-and-a-word-that-nobody-knows"),
        pytest.param({"status": 202}, id="none-and-no-word"),
        pytest.param({"success": False}, id="none-and-no-success"),
        pytest.param({"job_id": 7}, id="a-number"),
        pytest.param({"job_id": ["job-1"]}, id="a-list"),
        pytest.param({"job_id": {"id": "job-1"}}, id="an-object"),
        pytest.param({"job_id": ""}, id="empty"),
        pytest.param({"job_id": ".."}, id="dots"),
        pytest.param({"job_id": "../../other"}, id="a-path"),
        pytest.param({"job_id": "a/b"}, id="a-slash"),
        pytest.param({"job_id": "a%2fb"}, id="an-escape"),
        pytest.param({"job_id": "job-1\n"}, id="a-newline"),
        pytest.param({"job_id": "job-1\r\nX-Evil: 1"}, id="a-header"),
        pytest.param({"job_id": "job 1"}, id="a-space"),
        pytest.param({"job_id": "jöb"}, id="a-letter-beyond-ascii"),
        pytest.param({"job_id": "\u0661"}, id="a-digit-beyond-ascii"),
        pytest.param({"job_id": "a" * 129}, id="too-long"),
        pytest.param([DELETED], id="in-a-list"),
        pytest.param("job-1", id="a-string"),
        pytest.param(None, id="no-body"),
    ],
)
async def test_rule_13_accepted_with_a_job_id_that_can_t_be_used_is_unclear_but_settled(body: Any) -> None:
    actual, _ = await deleting(always(answer(202, body)))

    assert actual == Unclear("HTTP 202 without a usable job id", settled=True)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        pytest.param(drop, "RemoteProtocolError", id="dropped"),
        pytest.param(reset, "ReadError", id="reset"),
        pytest.param(then_drop(b"HTTP/1.1 202"), "RemoteProtocolError", id="half-a-status-line"),
        pytest.param(then_drop(answer(202, DELETED)[:-5]), "RemoteProtocolError", id="half-a-body"),
        pytest.param(always(b"hello\r\n\r\n"), "RemoteProtocolError", id="no-http"),
        pytest.param(
            always(answer(202, None, b"x" * (MAX_BODY + 1))), "the answer is larger", id="a-body-too-large"
        ),
    ],
)
async def test_rule_4_half_an_answer_is_unclear(behaviour: Behaviour, expected: str) -> None:
    actual, _ = await deleting(behaviour)

    assert isinstance(actual, Unclear)
    assert actual.error.startswith(expected)
    assert not actual.settled


ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # fatal, handshake failure, as it may come from anything in between


async def test_rule_4_a_tls_alert_in_mid_connection_is_unclear() -> None:
    """As a TLS 1.3 server alerts that wants a client's certificate."""

    async def alert(peer: Peer, _: Received) -> None:
        os.write(peer.writer.get_extra_info("socket").fileno(), ALERT)
        await peer.reader.read()

    certified = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certified.load_cert_chain(TLS / "good.pem")
    trusted = trusting((TLS / "ca.pem").read_text())
    async with serving(alert, certified) as server, opened(server.url, tls=trusted) as connection:
        sent = await connection.delete("documents", REQUEST_ID)
        listed = await connection.listing()
        polled = await connection.job("documents", "job-1")

    assert isinstance(sent, Unclear)
    assert not sent.settled
    assert sent.error.startswith("ReadError: [SSL")
    assert isinstance(listed, Unavailable)
    assert isinstance(polled, Unavailable)
    assert len(server.deletes) == 1


async def silence(peer: Peer, _: Received) -> None:
    await peer.reader.read()


async def trickle(peer: Peer, _: Received) -> None:
    """A byte every now and then: no single read ever times out."""
    await peer.say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 9000\r\n\r\n")
    while not peer.writer.is_closing():
        await peer.say(b" ")
        await asyncio.sleep(SHORT / 20)


@pytest.mark.parametrize(
    "behaviour", [pytest.param(silence, id="silence"), pytest.param(trickle, id="a-trickle")]
)
async def test_rule_4_no_answer_in_time_is_unclear(behaviour: Behaviour) -> None:
    actual, server = await deleting(behaviour, timeout=SHORT)

    assert isinstance(actual, Unclear)
    assert not actual.settled
    assert len(server.deletes) == 1


async def test_rule_4_a_closed_port_is_surely_not_sent() -> None:
    async with serving(drop) as server:
        url = server.url
    async with opened(url) as connection:
        actual = await connection.delete("documents", REQUEST_ID)

    assert isinstance(actual, NotSent)
    assert actual.error.startswith("ConnectError")


async def test_rule_3_a_delete_that_can_no_longer_leave_in_time_is_surely_not_sent() -> None:
    clock = Clock()
    async with serving(drop) as server, opened(server.url, clock=clock) as connection:
        actual = await connection.delete("documents", REQUEST_ID, leave_by=clock.ticks())

    assert isinstance(actual, NotSent)
    assert server.received == []


async def test_rule_4_a_host_without_an_address_is_surely_not_sent() -> None:
    async with opened("http://nowhere.invalid") as connection:
        assert isinstance(await connection.delete("documents", REQUEST_ID), NotSent)


async def test_rule_4_cancelled_means_cancelled() -> None:
    """The caller then knows nothing, which is what rule 5 is for."""
    arrived = asyncio.Event()

    async def hang(peer: Peer, _: Received) -> None:
        arrived.set()
        await peer.reader.read()

    async with serving(hang) as server, opened(server.url) as connection:
        sending = asyncio.create_task(connection.delete("documents", REQUEST_ID))
        await arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

        assert len(server.deletes) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"Retry_After": "7"}, 7.0, id="seconds"),
        pytest.param({"Retry_After": "0"}, 0.0, id="none-at-all"),
        pytest.param({"Retry_After": "3600"}, 60.0, id="a-minute-at-most"),
        pytest.param({"Retry_After": "9" * 400}, 60.0, id="absurdly-long"),
        pytest.param({"Retry_After": "-5"}, None, id="negative"),
        pytest.param({"Retry_After": "1.5"}, None, id="a-fraction"),
        pytest.param({"Retry_After": "soon"}, None, id="a-word"),
        pytest.param({"Retry_After": "nan"}, None, id="not-a-number"),
        pytest.param(
            {"Retry_After": "Mon, 23 Nov 2026 12:00:30 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"},
            30.0,
            id="a-date",
        ),
        pytest.param(
            {"Retry_After": "Mon, 23 Nov 2026 11:00:00 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"},
            0.0,
            id="a-past-date",
        ),
        pytest.param(
            {"Retry_After": "Mon, 23 Nov 2026 12:00:30 GMT"}, None, id="a-date-without-the-server-s-own"
        ),
        pytest.param(
            {"Retry_After": "Mon, 23 Nov 2026 12:00:30 -0000", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"},
            None,
            id="a-date-without-a-zone",
        ),
    ],
)
async def test_rule_4_retry_after_is_kept(headers: dict[str, str], expected: float | None) -> None:
    actual, _ = await deleting(always(answer(429, None, **headers)))

    assert actual == Refused("HTTP 429", expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("two\nlines\r\n\tand a tab", "two lines and a tab", id="one-line"),
        pytest.param("\x1b[31mred\x00\x07", "[31mred", id="no-control-characters"),
        pytest.param("\u202eevil\u2028", "evil", id="no-direction-tricks"),
        pytest.param("x" * 5000, "x" * 1021 + "…", id="a-kibibyte"),
    ],
)
async def test_rule_13_the_server_s_words_are_cut(words: str, expected: str) -> None:
    actual, _ = await deleting(always(answer(400, failure(words))))

    assert isinstance(actual, Rejected)
    assert actual.error == f"HTTP 400: {expected}"[: 1024 + len("HTTP 400: ")]


async def test_the_delete_says_for_whom_it_is() -> None:
    _, server = await deleting(always(answer(202, DELETED)))

    (request,) = server.received
    assert (request.method, request.target) == ("DELETE", "/namespaces/documents")
    assert request.headers["X-Request-Id"] == REQUEST_ID
    assert request.headers["Accept-Encoding"] == "identity"


# Exactly one DELETE on the wire


REDIRECT = answer(307, None, Location="/namespaces/documents")


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(drop, id="drops"),
        pytest.param(reset, id="resets"),
        pytest.param(then_drop(b"HTTP/1.1 202 Accepted\r\nContent-Le"), id="half-answers"),
        pytest.param(then_drop(answer(503, failure("try again"), Retry_After="0")), id="asks-to-try-again"),
        pytest.param(always(answer(408, None, Peer="close")), id="timed-out"),
        pytest.param(always(REDIRECT), id="redirects"),
        pytest.param(always(answer(303, None, Location="/elsewhere")), id="redirects-with-another-method"),
        pytest.param(
            always(answer(401, None, WWW_Authenticate="Digest realm=x, nonce=y")), id="asks-who-it-is"
        ),
    ],
)
@pytest.mark.parametrize("warm", [pytest.param(False, id="cold"), pytest.param(True, id="warm")])
async def test_rule_3_exactly_one_delete_leaves(behaviour: Behaviour, *, warm: bool) -> None:
    """Whatever the server does to the connection, new or used before.

    It guards the choice of the client: aiohttp's `delete()` resends by itself and follows redirects. Tried
    once by hand with aiohttp 3.14.5 and this server: dropped 2 DELETEs, reset 2, half a head 2, redirect 10.
    """

    async def behave(peer: Peer, request: Received) -> None:
        if request.method == "DELETE":
            await behaviour(peer, request)
        else:
            await peer.say(answer(200, {"namespaces": []}))

    async with serving(behave) as server, opened(server.url) as connection:
        if warm:
            await connection.listing()
        await connection.delete("documents", REQUEST_ID)

        assert len(server.deletes) == 1
        assert len(server.received) == 1 + warm


@pytest.mark.parametrize("cancelled", [False, True], ids=["no-answer-in-time", "cancelled"])
async def test_rule_5_a_delete_that_was_given_up_is_not_delivered_any_more(*, cancelled: bool) -> None:
    """The connection ends with a reset, not in order: the kernel forgets what it has not delivered."""
    arrived, over = asyncio.Event(), asyncio.Event()
    ends: list[bytes | ConnectionResetError] = []

    async def hang(peer: Peer, _: Received) -> None:
        arrived.set()
        try:
            ends.append(await peer.reader.read())
        except ConnectionResetError as error:
            ends.append(error)
        over.set()

    async with (
        serving(hang) as server,
        opened(server.url, timeout=30.0 if cancelled else SHORT) as connection,
    ):
        sending = asyncio.create_task(connection.delete("documents", REQUEST_ID))
        await arrived.wait()
        if cancelled:
            sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        async with asyncio.timeout(10):
            await over.wait()

    assert [type(end) for end in ends] == [ConnectionResetError]


async def test_rule_3_a_connection_that_died_meanwhile_costs_no_second_delete() -> None:
    """The server closes the idle connection; the DELETE leaves on a new one, once."""

    async def behave(peer: Peer, request: Received) -> None:
        if request.method == "GET":
            await peer.say(answer(200, {"namespaces": []}))
            peer.drop()
        else:
            await peer.say(answer(202, DELETED))

    async with serving(behave) as server, opened(server.url) as connection:
        await connection.listing()
        await server.until_idle()

        assert await connection.delete("documents", REQUEST_ID) == Accepted("job-1")
        assert len(server.deletes) == 1
        assert server.connections == 2


HOSTILE_NAMES = [
    "..",
    ".",
    "",
    "a/b",
    "../x",
    "%2e%2e",
    "a%2fb",
    "a b",
    "a\n",
    "a\r\nX: 1",
    "a?b",
    "a#b",
    "ä",
    "\ud800",
    "a" * 256,
    "a;b",
    "a\x00",
]


@pytest.mark.parametrize("name", [pytest.param(name, id=ascii(name)[:20]) for name in HOSTILE_NAMES])
async def test_rule_13_a_hostile_name_never_reaches_the_wire(name: str) -> None:
    async with serving(always(answer(202, DELETED))) as server, opened(server.url) as connection:
        assert isinstance(await connection.delete(name, REQUEST_ID), NotSent)
        assert isinstance(await connection.job(name, "job-1"), Unavailable)
        assert server.received == []


@pytest.mark.parametrize("job_id", ["..", ".", "", "a/b", "%2e%2e", "a\n", "a b", "ä", "a" * 129])
async def test_rule_13_a_hostile_job_id_never_reaches_the_wire(job_id: str) -> None:
    async with serving(always(answer(200, {}))) as server, opened(server.url) as connection:
        assert isinstance(await connection.job("documents", job_id), Unavailable)
        assert server.received == []


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        pytest.param("", "/namespaces/documents", id="none"),
        pytest.param("/", "/namespaces/documents", id="a-slash"),
        pytest.param("/api/v1", "/api/v1/namespaces/documents", id="a-prefix"),
        pytest.param("/api/", "/api/namespaces/documents", id="a-prefix-with-a-slash"),
    ],
)
async def test_a_base_url_may_have_a_path(prefix: str, expected: str) -> None:
    async with serving(always(answer(202, DELETED))) as server, opened(server.url + prefix) as connection:
        await connection.delete("documents", REQUEST_ID)

        assert [request.target for request in server.received] == [expected]


@pytest.mark.parametrize("prefix", ["/?x=1", "/a?x=1", "?x=1"])
async def test_rule_13_a_base_url_with_a_query_sends_nothing(prefix: str) -> None:
    async with serving(always(answer(202, DELETED))) as server, opened(server.url + prefix) as connection:
        assert isinstance(await connection.delete("documents", REQUEST_ID), NotSent)
        assert isinstance(await connection.listing(), Unavailable)
        assert isinstance(await connection.job("documents", "job-1"), Unavailable)
        assert server.received == []


# The listing


def listed(*namespaces: Any) -> dict[str, Any]:
    return {"namespaces": list(namespaces)}


LONG = "2026-11-20T12:00:00Z" + " " * 50


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(listed(), {}, id="empty"),
        pytest.param(listed({"namespace_name": "a"}), {"a": Entry()}, id="only-a-name"),
        pytest.param(listed({"name": "a"}), {"a": Entry()}, id="name-under-its-other-key"),
        pytest.param(listed({"namespace_name": "a", "name": "b"}), {"a": Entry()}, id="both-names"),
        *(
            pytest.param(listed({"namespace_name": "a", key: 7}), {"a": Entry(7)}, id=f"count-as-{key}")
            for key in ("item_count", "itemCount", "items")
        ),
        *(
            pytest.param(
                listed({"namespace_name": "a", key: "2026-11-20T12:00:00.120Z"}),
                {"a": Entry(None, "2026-11-20T12:00:00.120Z")},
                id=f"creation-time-as-{key}",
            )
            for key in ("created_at", "createdAt")
        ),
        *(
            pytest.param(
                listed({"namespace_name": "a", "item_count": count}),
                {"a": Entry(expected)},
                id=f"count-{name}",
            )
            for name, count, expected in (
                ("zero", 0, 0),
                ("huge", 10**30, MAX_COUNT),
                ("whole-float", 7.0, 7),
                ("fraction", 7.5, None),
                ("negative-is-none-and-surely-not-empty", -1, None),
                ("negative-float", -1.0, None),
                ("true", True, None),
                ("text", "7", None),
                ("null", None, None),
                ("list", [1], None),
            )
        ),
        pytest.param(
            listed({"namespace_name": "a", "item_count": None, "itemCount": 3, "items": [1, 2]}),
            {"a": Entry(3)},
            id="the-usable-count",
        ),
        *(
            pytest.param(
                listed({"namespace_name": "a", "created_at": time}),
                {"a": Entry(None, expected)},
                id=f"time-{name}",
            )
            for name, time, expected in (
                ("kept-verbatim", "20. Nov. 2026", "20. Nov. 2026"),
                ("without-a-zone-kept", "2026-11-20T12:00:00", "2026-11-20T12:00:00"),
                ("a-number", 1763640000, None),
                ("too-long", LONG, None),
                ("with-a-newline", "2026-11-20T12:00:00Z\n", None),
                ("empty", "", None),
            )
        ),
        pytest.param(
            listed({"namespace_name": "../x", "type": "text"}),
            {"../x": Entry()},
            id="a-name-of-somebody-else-s-making",
        ),
    ],
)
async def test_a_listing_is_read_with_patience(body: Any, expected: dict[str, Entry]) -> None:
    assert await listing(always(answer(200, body))) == Listing(expected)


PAGES: dict[str, Any] = {
    "next": "/namespaces?page=2",
    "next_token": "abc",
    "nextPageToken": "abc",
    "next_cursor": "abc",
    "has_more": True,
    "isTruncated": True,
    "continue": "abc",
    "total": 2,
    "total_count": 2,
    "totalPages": 3,
    "cursor": "abc",
    "LastEvaluatedKey": {"name": "a"},
    "next_page_url": "/namespaces?page=2",
    "pagination": {"next": "abc"},
    "_links": {"next": {"href": "/namespaces?page=2"}},
    "meta": {"total": "250"},
}


@pytest.mark.parametrize(
    "whole",
    [
        *(
            pytest.param(answer(code, listed()), id=f"status-{code}")
            for code in (201, 202, 206, 301, 304, 401, 404, 429, 500, 503)
        ),
        pytest.param(answer(200), id="no-body"),
        pytest.param(answer(200, None, b"<html>"), id="no-json"),
        pytest.param(answer(200, None, b'{"namespaces":['), id="half-a-json"),
        pytest.param(answer(200, None, b"\xff\xfe\x00"), id="no-text"),
        pytest.param(answer(200, None, b"[" * 60_000), id="too-deep"),
        pytest.param(
            answer(200, None, b'{"namespaces":[' + b"1" * 5000 + b"]}"), id="a-number-too-long-to-read"
        ),
        pytest.param(answer(200, []), id="a-list"),
        pytest.param(answer(200, {}), id="no-namespaces"),
        pytest.param(answer(200, {"namespaces": None}), id="namespaces-null"),
        pytest.param(answer(200, {"namespaces": {}}), id="namespaces-an-object"),
        pytest.param(answer(200, listed({})), id="an-entry-without-a-name"),
        pytest.param(
            answer(200, listed({"namespace_name": "a"}, {"item_count": 1})), id="one-of-two-without-a-name"
        ),
        pytest.param(answer(200, listed({"namespace_name": None})), id="a-name-that-is-null"),
        pytest.param(answer(200, listed({"namespace_name": ""})), id="an-empty-name"),
        pytest.param(answer(200, listed({"namespace_name": 7})), id="a-name-that-is-a-number"),
        pytest.param(answer(200, listed("a")), id="a-bare-string"),
        pytest.param(answer(200, listed(None)), id="a-null"),
        pytest.param(
            answer(200, listed({"namespace_name": "a"}, {"namespace_name": "a"})), id="a-name-twice"
        ),
        *(
            pytest.param(
                answer(200, {"namespaces": [{"namespace_name": "a"}], key: value}), id=f"a-page: {key}"
            )
            for key, value in PAGES.items()
        ),
        pytest.param(answer(200, listed(), Link='</namespaces?page=2>; rel="next"'), id="a-page-by-its-link"),
        pytest.param(
            answer(200, None, gzip.compress(b'{"namespaces":[]}'), Content_Encoding="gzip"),
            id="packed-though-nobody-asked",
        ),
    ],
)
async def test_rule_13_an_unusable_listing_is_never_absent(whole: bytes) -> None:
    assert isinstance(await listing(always(whole)), Unavailable)


@pytest.mark.parametrize(
    "more",
    [
        {"next_page": None, "hasMore": False, "truncated": False, "cursor": "", "next": ""},
        {"page": 1, "total_pages": 1, "count": 1, "total": 1},
        {"next": [], "cursor": None, "has_more": "false", "pagination": {"next": {}, "total": "1"}},
        {"total_items": 5000, "item_count": 5000, "limit": 1000},
        {"message": "success", "execution_time": 0.01, "nextcloud": "x"},
    ],
    ids=["no-next-page", "the-only-page", "the-last-page", "a-sum-of-the-items", "other-words"],
)
async def test_a_listing_that_is_whole_is_not_taken_for_a_page(more: dict[str, Any]) -> None:
    whole = answer(200, {"namespaces": [{"namespace_name": "a"}], **more}, Link='</docs>; rel="help"')

    assert isinstance(await listing(always(whole)), Listing)


@pytest.mark.parametrize("behaviour", [drop, reset, then_drop(answer(200, listed())[:-3])])
async def test_rule_13_nor_is_a_broken_one(behaviour: Behaviour) -> None:
    assert isinstance(await listing(behaviour), Unavailable)


async def test_rule_13_a_listing_that_trickles_is_given_up() -> None:
    assert isinstance(await listing(trickle, timeout=SHORT), Unavailable)


async def test_a_listing_may_be_larger_than_other_answers() -> None:
    names = {f"namespace-{number}": Entry() for number in range(5000)}
    body = listed(*({"namespace_name": name} for name in names))
    assert len(json.dumps(body)) > MAX_BODY

    assert await listing(always(answer(200, body))) == Listing(names)


# The job


REPORT = {
    "job_id": "job-1",
    "namespace_name": "documents",
    "status": "running",
    "total_items": 100,
    "deleted_items": 40,
    "last_error": None,
    "started_at": "2026-05-21T12:10:00.000Z",
    "updated_at": "2026-05-21T12:10:01.000Z",
    "finished_at": None,
}
REPORTED = Job(
    "job-1", "running", 100, 40, None, "2026-05-21T12:10:00.000Z", "2026-05-21T12:10:01.000Z", None
)


def changed(**fields: Any) -> Job:
    return Job(**{name: fields.get(name, getattr(REPORTED, name)) for name in Job.__struct_fields__})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, REPORTED, id="as-documented"),
        pytest.param({"status": "COMPLETED"}, changed(status="COMPLETED"), id="verbatim-status"),
        pytest.param({"status": "odd\x00"}, changed(status="odd"), id="status-without-control-characters"),
        pytest.param(
            {"total_items": -5, "deleted_items": 10**30},
            changed(total_items=0, deleted_items=MAX_COUNT),
            id="counts-clamped",
        ),
        pytest.param(
            {"total_items": "100", "deleted_items": True},
            changed(total_items=None, deleted_items=None),
            id="counts-of-a-wrong-type",
        ),
        pytest.param(
            {"total_items": 100.0, "deleted_items": 0.5}, changed(deleted_items=None), id="counts-as-floats"
        ),
        pytest.param(
            {"last_error": "disk\nfull"}, changed(last_error="disk full"), id="the-error-in-one-line"
        ),
        pytest.param({"last_error": {"code": 1}}, REPORTED, id="an-error-of-a-wrong-type"),
        pytest.param({"finished_at": "later"}, changed(finish_time="later"), id="times-verbatim"),
        pytest.param(
            {"started_at": 5, "updated_at": "x" * 65},
            changed(start_time=None, update_time=None),
            id="times-that-are-none",
        ),
    ],
)
async def test_a_job_is_read_with_patience(fields: dict[str, Any], expected: Job) -> None:
    assert await polling(always(answer(200, REPORT | fields))) == JobReport(expected)


async def test_a_job_with_its_status_alone() -> None:
    assert await polling(always(answer(200, {"status": "failed"}))) == JobReport(Job("job-1", "failed"))


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        pytest.param(
            answer(404, failure("no such job")), JobUnknown("HTTP 404: no such job"), id="rule-6-unknown"
        ),
        pytest.param(answer(404), Unavailable("HTTP 404"), id="rule-6-a-bare-404-is-not-the-server-s-word"),
        pytest.param(answer(404, None, b"<html>"), Unavailable("HTTP 404"), id="rule-6-nor-is-a-page"),
        pytest.param(answer(404, {"message": 7}), Unavailable("HTTP 404"), id="rule-6-nor-another-type"),
        pytest.param(answer(410, failure("gone")), Unavailable("HTTP 410: gone"), id="410"),
        pytest.param(answer(500, failure("oh")), Unavailable("HTTP 500: oh"), id="500"),
        pytest.param(answer(202, REPORT), Unavailable("HTTP 202"), id="202"),
        pytest.param(answer(307, None, Location="/x"), Unavailable("HTTP 307"), id="a-redirect"),
    ],
)
async def test_what_the_answer_to_a_poll_means(whole: bytes, expected: PollAnswer) -> None:
    assert await polling(always(whole)) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="a-list"),
        pytest.param({}, id="no-status"),
        pytest.param({"status": None}, id="status-null"),
        pytest.param({"status": 1}, id="status-a-number"),
        pytest.param({"status": ""}, id="status-empty"),
        pytest.param({"status": "x" * 65}, id="status-too-long"),
        pytest.param(REPORT | {"job_id": "job-2", "status": "completed"}, id="another-job"),
        pytest.param(REPORT | {"job_id": None}, id="a-job-without-id"),
        pytest.param(REPORT | {"namespace_name": "other", "status": "completed"}, id="another-namespace"),
    ],
)
async def test_rule_13_an_unusable_report_ends_nothing(body: Any) -> None:
    assert isinstance(await polling(always(answer(200, body))), Unavailable)


@pytest.mark.parametrize(
    "behaviour",
    [drop, reset, then_drop(answer(200, REPORT)[:-3]), always(answer(200, None, b" " * (MAX_BODY + 1)))],
)
async def test_rule_13_nor_does_a_broken_one(behaviour: Behaviour) -> None:
    assert isinstance(await polling(behaviour), Unavailable)


async def test_the_poll_names_namespace_and_job() -> None:
    async with serving(always(answer(200, REPORT))) as server, opened(server.url) as connection:
        await connection.job("documents", "job-1")

        (request,) = server.received
        assert (request.method, request.target) == ("GET", "/namespaces/documents/delete-jobs/job-1")


# Clocks and observers


async def test_the_date_of_an_answer_teaches_the_clock() -> None:
    clock = Clock(monotonic=lambda: 100.0)
    clock.cluster.observe("Mon, 23 Nov 2026 12:00:00 GMT", 100.0, 100.0)
    behaviour = always(answer(200, listed(), Date="Mon, 23 Nov 2026 13:00:00 GMT"))
    async with serving(behaviour) as server, opened(server.url, clock=clock) as connection:
        found = await connection.listing()

    assert found == Listing({}, skew=timedelta(hours=-1))


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}], ids=["none", "nonsense"])
async def test_without_a_readable_date_clocks_are_taken_as_equal(headers: dict[str, str]) -> None:
    clock = Clock(monotonic=lambda: 100.0)
    clock.cluster.observe("Mon, 23 Nov 2026 12:00:00 GMT", 100.0, 100.0)
    async with (
        serving(always(answer(200, listed(), **headers))) as server,
        opened(server.url, clock=clock) as connection,
    ):
        found = await connection.listing()

    assert found == Listing({}, skew=timedelta())


async def test_each_call_is_observed() -> None:
    calls = Calls()

    async def behave(peer: Peer, request: Received) -> None:
        if request.method == "DELETE":
            peer.drop()
        else:
            await peer.say(answer(503))

    async with serving(behave) as server:
        connection = Connection(httpx.URL(server.url), TIMEOUT, Clock(), calls, NO_TLS)
        await connection.listing()
        await connection.job("documents", "job-1")
        await connection.delete("documents", REQUEST_ID)
        await connection.aclose()

    assert calls.seen == [("list", "503"), ("job", "503"), ("delete", "RemoteProtocolError")]


# The shared look-up


@dataclass
class Gate:
    """Answers each listing when it is told to; counts those that wait at once."""

    waiting: asyncio.Queue[asyncio.Event] = field(default_factory=asyncio.Queue)
    at_once: int = 0
    most: int = 0
    asked: int = 0

    async def __call__(self, peer: Peer, _: Received) -> None:
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        number, release = self.asked, asyncio.Event()
        await self.waiting.put(release)
        await release.wait()
        self.at_once -= 1
        await peer.say(answer(200, listed({"namespace_name": f"listing-{number}"})))


@asynccontextmanager
async def a_moorcheh(gate: Behaviour) -> AsyncIterator[Moorcheh]:
    async with serving(gate) as server:
        moorcheh = Moorcheh.at(server.url, TIMEOUT, Clock())
        try:
            yield moorcheh
        finally:
            await moorcheh.aclose()


async def which(look: asyncio.Task[tuple[float, LookUpAnswer, float]]) -> str:
    started, found, answered = await look
    assert started <= answered
    assert isinstance(found, Listing)
    return next(iter(found.entries))


async def test_everyone_who_asked_before_a_listing_started_gets_its_answer() -> None:
    gate = Gate()
    async with a_moorcheh(gate) as moorcheh:
        first = [asyncio.create_task(moorcheh.look_up()) for _ in range(50)]
        release = await gate.waiting.get()
        late = []
        for _ in range(50):
            late.append(asyncio.create_task(moorcheh.look_up()))
            await asyncio.sleep(0)
        release.set()
        assert {await which(look) for look in first} == {"listing-1"}
        (await gate.waiting.get()).set()
        assert {await which(look) for look in late} == {"listing-2"}

    assert gate.asked == 2
    assert gate.most == 1, "one listing in flight at a time"


async def test_a_look_never_started_before_it_was_asked_for() -> None:
    """Rule 3 rests on it: what is held is held before the look."""
    gate = Gate()
    clock = Clock()
    async with serving(gate) as server:
        moorcheh = Moorcheh.at(server.url, TIMEOUT, clock)
        first = asyncio.create_task(moorcheh.look_up())
        release = await gate.waiting.get()
        asked = clock.ticks()
        second = asyncio.create_task(moorcheh.look_up())
        release.set()
        (await gate.waiting.get()).set()
        assert (await first)[0] <= asked
        assert (await second)[0] >= asked
        await moorcheh.aclose()


async def test_one_waiter_that_is_cancelled_hurts_no_other() -> None:
    gate = Gate()
    async with a_moorcheh(gate) as moorcheh:
        one, other = (asyncio.create_task(moorcheh.look_up()) for _ in range(2))
        release = await gate.waiting.get()
        next_one, next_other = (asyncio.create_task(moorcheh.look_up()) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        next_one.cancel()
        release.set()
        assert await which(other) == "listing-1"
        (await gate.waiting.get()).set()
        assert await which(next_other) == "listing-2"
        assert one.cancelled()
        assert next_one.cancelled()


async def test_a_listing_nobody_waits_for_any_more_blocks_nothing() -> None:
    gate = Gate()
    async with a_moorcheh(gate) as moorcheh:
        look = asyncio.create_task(moorcheh.look_up())
        (await gate.waiting.get()).set()
        look.cancel()
        again = asyncio.create_task(moorcheh.look_up())
        (await gate.waiting.get()).set()
        assert await which(again) == "listing-2"


async def test_a_failed_look_up_is_an_answer_and_the_next_one_is_new() -> None:
    answers = iter([answer(503), answer(200, listed())])

    async def behave(peer: Peer, _: Received) -> None:
        await peer.say(next(answers))

    async with a_moorcheh(behave) as moorcheh:
        _, first, _ = await moorcheh.look_up()
        _, second, _ = await moorcheh.look_up()

    assert first == Unavailable("HTTP 503")
    assert isinstance(second, Listing)


async def test_closing_ends_what_is_under_way() -> None:
    gate = Gate()
    async with serving(gate) as server:
        moorcheh = Moorcheh.at(server.url, TIMEOUT, Clock())
        looks = [asyncio.create_task(moorcheh.look_up()) for _ in range(2)]
        await gate.waiting.get()
        await moorcheh.aclose()
        results = await asyncio.gather(*looks, return_exceptions=True)

    assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_sixteen_connections_and_the_look_up_has_one_of_its_own() -> None:
    async with a_moorcheh(always(answer(200, listed()))) as moorcheh:
        held = [await moorcheh.acquire() for _ in range(16)]
        more = asyncio.create_task(moorcheh.acquire())
        _, found, _ = await moorcheh.look_up()
        assert isinstance(found, Listing)
        assert not more.done()
        moorcheh.release(held[0])
        assert await more is held[0]


async def test_a_polls_connection_is_given_back_whatever_happens() -> None:
    async with a_moorcheh(drop) as moorcheh:
        answers = [type(await moorcheh.job("documents", "job-1")) for _ in range(20)]
        cut_off = [asyncio.create_task(moorcheh.job("documents", "job-1")) for _ in range(20)]
        await asyncio.sleep(0)
        for task in cut_off:
            task.cancel()
        await asyncio.gather(*cut_off, return_exceptions=True)

        assert answers == [Unavailable] * 20
        assert isinstance(await moorcheh.job("documents", "job-1"), Unavailable)


async def test_a_poll_does_not_wait_for_those_who_want_to_claim() -> None:
    async with a_moorcheh(always(answer(200, {"status": "running"}))) as moorcheh:
        claimers = [asyncio.create_task(moorcheh.acquire()) for _ in range(100)]

        assert isinstance(await moorcheh.job("documents", "job-1"), JobReport)
        for claimer in claimers:
            claimer.cancel()


# One that is left


@pytest.mark.parametrize("text", ["", " \n", "no certificate"])
def test_a_text_without_a_ca_never_means_the_usual_ones(text: str) -> None:
    with pytest.raises((ValueError, ssl.SSLError)):
        Moorcheh.at("https://moorcheh", TIMEOUT, Clock(), authorities=text)


async def test_one_that_retires_gives_a_connection_to_everyone_who_waits_for_it() -> None:
    async with serving(always(answer(202, DELETED))) as server:
        moorcheh = a_narrow_moorcheh(server)
        held = await moorcheh.acquire()
        waiting = {asyncio.create_task(moorcheh.acquire()) for _ in range(3)}
        await asyncio.sleep(0)
        retiring = asyncio.create_task(moorcheh.retire())
        await asyncio.sleep(0)
        moorcheh.release(held)
        # Before the one that was woken has its turn: asyncio's queue then puts it behind all others.
        connection = await moorcheh.acquire()
        await asyncio.sleep(0)
        moorcheh.release(connection)

        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            assert done, "one waits for ever"
            for each in done:
                assert not retiring.done()
                assert await each.result().delete("documents", REQUEST_ID) == Accepted("job-1")
                moorcheh.release(each.result())
        await asyncio.wait_for(retiring, TIMEOUT)


async def test_one_that_retires_waits_for_polls_and_look_ups_and_for_nobody_who_gave_up() -> None:
    gate = Gate()
    async with serving(gate) as server:
        moorcheh = a_narrow_moorcheh(server)
        polls = [asyncio.create_task(moorcheh.job("documents", "job-1")) for _ in range(2)]
        look = asyncio.create_task(moorcheh.look_up())
        gates = [await gate.waiting.get() for _ in range(2)]
        held = await moorcheh.acquire()
        gone = asyncio.create_task(moorcheh.acquire())
        await asyncio.sleep(0)
        retiring = asyncio.create_task(moorcheh.retire())
        gone.cancel()
        moorcheh.release(held)
        for release in gates:
            assert not retiring.done()
            release.set()
        (await gate.waiting.get()).set()  # the poll that had to wait for the one connection
        await asyncio.wait_for(retiring, TIMEOUT)

        assert isinstance((await look)[1], Listing)
        assert len(await asyncio.gather(*polls)) == 2
        await server.until_idle()


def a_narrow_moorcheh(server: Server) -> Moorcheh:
    clock = Clock()
    return Moorcheh(lambda: Connection(httpx.URL(server.url), TIMEOUT, clock, Calls(), NO_TLS), clock, 1, 1)
