"""Whether a server can be asked: a line when that ends, one when it is over, and words at the probes."""

from __future__ import annotations

import logging
import ssl

import httpcore
import httpx
import pytest

from dev.processes import free_port
from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.answers import Listing, LookUpAnswer, Unavailable
from moorcheh_operator.moorcheh.connection import MAX_LISTING, Connection
from moorcheh_operator.moorcheh.health import QUIET_SECONDS, Health
from moorcheh_operator.moorcheh.parsing import dated, listing_entries
from tests.unit.servers import FakeHttp

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SERVER = "default at http://moorcheh:8080"


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def health(time: Time, caplog: pytest.LogCaptureFixture) -> Health:
    caplog.set_level(logging.INFO)
    return Health(SERVER, time)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_trouble_is_told_when_it_begins_and_when_it_is_over(
    health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        health.is_unreachable("ConnectError: refused")
    assert health.trouble == f"the Moorcheh server {SERVER} can't be reached: ConnectError: refused"
    for _ in range(5):
        health.listed(dated=True)
    assert health.trouble is None

    [begun, over] = told(caplog)
    assert begun[0] == "WARNING"
    assert begun[1].startswith(f"the Moorcheh server {SERVER} can't be reached: ConnectError: refused")
    assert over == ("INFO", f"the Moorcheh server {SERVER} answers again")


def test_an_answer_of_any_kind_ends_that_it_is_unreachable_but_only_a_listing_that_there_is_none(
    health: Health,
) -> None:
    health.is_unreachable("ReadTimeout")
    health.answered()
    assert health.trouble is None

    health.gives_no_listing("HTTP 401: no key")
    health.answered()
    assert health.trouble is not None
    health.listed(dated=True)
    assert health.trouble is None


def test_trouble_that_comes_and_goes_is_told_once_for_a_while(
    health: Health, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        health.is_unreachable("ReadTimeout")
        health.listed(dated=True)
        time.now += 0.1
    assert len(told(caplog)) == 2
    time.now += QUIET_SECONDS
    health.is_unreachable("ReadTimeout")
    assert len(told(caplog)) == 3


def test_trouble_that_comes_back_and_stays_is_told_all_the_same(
    health: Health, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    health.is_unreachable("ReadTimeout")
    health.listed(dated=True)
    health.is_unreachable("ReadTimeout")
    assert health.trouble is not None
    time.now += QUIET_SECONDS
    health.is_unreachable("ReadTimeout")

    assert [level for level, _ in told(caplog)] == ["WARNING", "INFO", "WARNING"]


def test_that_a_server_shows_no_creation_times_is_told_once(
    health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    for shown in (None, False, None, False):
        health.listed(dated=shown)
    [notice] = health.notices
    health.listed(dated=True)

    assert notice.startswith(f"the Moorcheh server {SERVER} shows no creation times")
    assert health.notices == []
    [(level, words), over] = told(caplog)
    assert (level, words) == ("WARNING", notice)
    assert over == ("INFO", f"the Moorcheh server {SERVER} shows creation times now")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([], None, id="empty"),
        pytest.param([None], False, id="none"),
        pytest.param(["soon"], False, id="unreadable"),
        pytest.param(["1970-01-01T00:00:00Z"], False, id="a-time-that-stands-for-none"),
        pytest.param([None, "2026-05-21T12:10:00Z"], True, id="one-of-two"),
    ],
)
def test_a_listing_tells_whether_there_are_creation_times(
    entries: list[str | None], expected: bool | None
) -> None:
    items = [{"namespace_name": f"n{number}", "created_at": each} for number, each in enumerate(entries)]
    listing = listing_entries({"namespaces": items})

    assert not isinstance(listing, str)
    assert dated(listing) is expected


def connection(url: str, health: Health) -> Connection:
    return Connection(httpx.URL(url), 2.0, Clock(), lambda *_: None, NO_TLS, None, health)


@pytest.mark.parametrize("ask", ["listing", "job"])
@pytest.mark.parametrize("host", [f"127.0.0.1:{free_port()}", "moorcheh.invalid:8080"], ids=["port", "name"])
async def test_what_can_t_be_reached_is_named_with_its_host(health: Health, ask: str, host: str) -> None:
    """Python's words for a name that is not there, or a port where nobody listens, name neither."""
    one = connection(f"http://{host}", health)
    answer = await (one.listing() if ask == "listing" else one.job("documents", "job-1"))
    await one.aclose()

    assert isinstance(answer, Unavailable)
    assert host in answer.error
    assert health.trouble is not None
    assert "can't be reached" in health.trouble
    assert host in health.trouble


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        pytest.param(401, b'{"message": "no key"}', "HTTP 401", id="unauthorized"),
        pytest.param(503, b"down", "HTTP 503", id="unavailable"),
        pytest.param(200, b"<html>", "gives no usable listing", id="no-json"),
        pytest.param(200, b'{"namespaces": [{}]}', "gives no usable listing", id="no-names"),
        pytest.param(200, b"x" * (MAX_LISTING + 1), "gives no usable listing", id="too-long"),
    ],
)
async def test_a_listing_that_can_t_be_used_is_trouble_until_there_is_one(
    health: Health, status: int, body: bytes, words: str
) -> None:
    answers = [(status, body), (200, b'{"namespaces": []}')]

    def respond(_: httpcore.Request) -> httpcore.Response:
        code, data = answers.pop(0)
        return httpcore.Response(code, content=data)

    async def listing() -> LookUpAnswer:
        one = connection("http://moorcheh:8080", health)
        one._http = FakeHttp(respond)  # noqa: SLF001 - the wire, where it meets the connection
        return await one.listing()

    assert isinstance(await listing(), Unavailable)
    assert health.trouble is not None
    assert words in health.trouble

    assert isinstance(await listing(), Listing)
    assert health.trouble is None
