"""How much of what people write into their requests is in memory at once: some megabytes, however many there
are, and however they are made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tracemalloc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web

from moorcheh_operator.api import wire
from moorcheh_operator.api.request import parse
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import ANSWER_MOST, Cluster, TooLongError
from moorcheh_operator.process import kopf_session
from tests.dev import clusters
from tests.unit.servers import always, answer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

MEGABYTE = 1024 * 1024
LONG = {"note": "x" * 250_000}
MANY = {f"key-{number}": "" for number in range(15_000)}  # as a dict this takes twenty times its bytes
READ = {
    "velero.io/restore-name",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/hook",
    "helm.sh/hook",
    "meta.helm.sh/release-name",
}


def a_body(number: int = 1, /, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {
            "namespace": "team",
            "name": f"wipe-{number:04}",
            "uid": f"uid-{number}",
            "resourceVersion": str(number),
            "generation": 3,
            "creationTimestamp": "2026-11-23T12:00:00Z",
            **metadata,
        },
        "spec": {"namespaceName": "documents", "preconditions": {"maxItems": 3}, "suspend": True},
        "status": {"observedGeneration": 3, "phase": "Suspended", "message": 'waits for "approval" ✓'},
    }


@pytest.mark.parametrize("junk", [{}, LONG, MANY], ids=["nothing", "long", "many"])
@pytest.mark.parametrize("deleted", [{}, {"deletionTimestamp": "2026-11-23T12:00:00Z"}], ids=["", "deleted"])
@pytest.mark.parametrize("read", [*sorted(READ), None])
def test_what_is_trimmed_reads_the_same_as_the_whole(
    read: str | None, deleted: dict[str, Any], junk: dict[str, str]
) -> None:
    named = {read: "one"} if read else {}
    managed = [{"manager": "kubectl", "fieldsV1": {f"f:{key}": {} for key in junk}}]
    body = a_body(labels=junk | named, annotations=junk | named, managedFields=managed, **deleted)

    whole = json.dumps(body).encode()
    trimmed = wire.trimmed(whole)

    assert parse(json.loads(trimmed)) == parse(body)
    assert len(trimmed) < 1024
    assert wire.lean(whole) == (trimmed if junk else whole)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"metadata": 3}', b'{"spec": {}}', b"\xff", b'{"kind": "Status", "code": 410}'],
)
def test_what_is_no_such_object_stays_as_it_is(text: bytes) -> None:
    """So that whoever reads it says what is wrong."""
    assert wire.trimmed(text) == text
    assert wire.event(text) is None


class Api:
    """Lists `bodies` as the API server does, page by page."""

    def __init__(self, bodies: list[bytes]) -> None:
        self.bodies = bodies
        self.limits: list[int] = []

    async def list(self, request: web.Request) -> web.StreamResponse:
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        self.limits.append(limit)
        more = str(start + limit) if start + limit < len(self.bodies) else ""
        response = web.StreamResponse()
        with contextlib.suppress(ConnectionResetError):  # it was told more than it wants to hear
            await response.prepare(request)
            await response.write(b'{"metadata": {"continue": "%s"}, "items": [' % more.encode())
            for number, body in enumerate(self.bodies[start : start + limit]):
                await response.write(b"," * (number > 0) + body)
            await response.write(b"]}")
        return response


@pytest.fixture
async def api_server(unused_tcp_port: int) -> AsyncIterator[tuple[Api, Cluster]]:
    api = Api([])
    app = web.Application()
    app.router.add_get("/apis/moorcheh.ai/v1alpha1/namespacedeletions", api.list)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()

    cluster = Cluster(clusters.api_server(f"http://127.0.0.1:{unused_tcp_port}"), Clock())
    yield api, cluster
    await cluster.aclose()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("count", "metadata"),
    [
        pytest.param(3000, {}, id="ordinary"),
        pytest.param(400, {"annotations": LONG}, id="long annotations"),
        pytest.param(200, {"labels": MANY, "managedFields": [{"fieldsV1": MANY}]}, id="many labels"),
    ],
)
async def test_a_list_is_bounded_by_bytes(
    api_server: tuple[Api, Cluster], count: int, metadata: dict[str, Any]
) -> None:
    api, cluster = api_server
    filler = json.dumps(a_body(0, **metadata)).encode()
    api.bodies = [filler.replace(b"wipe-0000", b"wipe-%04d" % number) for number in range(count)]

    tracemalloc.start()
    try:
        names = [body["metadata"]["name"] async for body in cluster.list("", unfinished=False)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert names == [f"wipe-{number:04}" for number in range(count)]
    assert peak < 3 * ANSWER_MOST
    assert max(api.limits) <= 500
    assert len(api.limits) < 3 + count / 7


async def test_a_list_after_small_ones_finds_its_way_to_large_ones(api_server: tuple[Api, Cluster]) -> None:
    """The pages had become large by then."""
    api, cluster = api_server
    large = json.dumps(a_body(2, annotations={"note": "x" * 1_000_000})).encode()
    api.bodies = [json.dumps(a_body()).encode()] * 1000 + [large] * 20

    assert len([body async for body in cluster.list("", unfinished=False)]) == 1020


async def test_one_object_that_is_longer_than_any_can_be_ends_the_list(
    api_server: tuple[Api, Cluster],
) -> None:
    api, cluster = api_server
    api.bodies = [b"1" * (ANSWER_MOST + 1)]

    with pytest.raises(TooLongError):
        [body async for body in cluster.list("", unfinished=False)]


class Stream:
    """A watch's answer that comes in such pieces."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    async def iter_any(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), self._size):
            await asyncio.sleep(0)
            yield self._data[start : start + self._size]


@dataclass
class Tapped:
    """What a watch told, and what was left of it for kopf."""

    observed: list[tuple[dict[str, Any], bool]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)

    async def read(self, data: bytes, size: int = 65_536) -> None:
        stream = cast("aiohttp.StreamReader", Stream(data, size))
        tapped = kopf_session.Tapped(stream, lambda body, gone: self.observed.append((body, gone)))
        async for line in tapped.iter_chunked(MEGABYTE):
            self.left.append(json.loads(line))


async def tapped(data: bytes, size: int = 65_536) -> Tapped:
    found = Tapped()
    await found.read(data, size)
    return found


def an_event(body: object, kind: str = "MODIFIED") -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


@pytest.mark.parametrize("size", [1, 7, 1000, MEGABYTE])
async def test_every_event_is_told_however_its_bytes_come_and_kopf_gets_no_object(size: int) -> None:
    bookmark = {"kind": "NamespaceDeletion", "metadata": {"resourceVersion": "9"}}
    expired = {"kind": "Status", "code": 410}
    data = b"".join(
        (
            *(an_event(a_body(1), "ADDED"), an_event(a_body(1)), an_event(a_body(2), "DELETED")),
            *(an_event(bookmark, "BOOKMARK"), an_event(expired, "ERROR")),
        )
    )

    seen = await tapped(data, size)

    assert [(parse(body), gone) for body, gone in seen.observed] == [
        (parse(a_body(1)), False),
        (parse(a_body(1)), False),
        (parse(a_body(2)), True),
    ]
    versions = [{"metadata": {"resourceVersion": version}} for version in ("1", "1", "2")]
    assert [event["type"] for event in seen.left] == ["BOOKMARK"] * 4 + ["ERROR"]
    assert [event["object"] for event in seen.left] == [*versions, bookmark, expired]


async def test_an_event_that_nobody_can_deal_with_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []

    def observe(body: dict[str, Any], _gone: bool) -> None:
        told.append(body["metadata"]["name"])
        if len(told) == 1:
            raise ZeroDivisionError

    stream = cast("aiohttp.StreamReader", Stream(an_event(a_body(1)) + an_event(a_body(2)), 100))
    left = [line async for line in kopf_session.Tapped(stream, observe).iter_chunked(MEGABYTE)]

    assert told == ["wipe-0001", "wipe-0002"]
    assert len(left) == 2
    assert "the next list shows it again" in caplog.text


async def test_little_is_kept_of_a_large_event() -> None:
    large = an_event(a_body(1, annotations=LONG, labels=MANY)) * 50

    tracemalloc.start()
    try:
        seen = await tapped(large)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(seen.observed) == 50
    assert peak < 4 * MEGABYTE


@pytest.mark.parametrize(
    "monster",
    [
        pytest.param(b"x" * (kopf_session.LINE_MOST + 5) + b"\n", id="a line without an end in sight"),
        pytest.param(
            an_event({**a_body(1), "spec": {"namespaceName": 99_999 * "x"}}),
            id="a spec that no schema allows",
        ),
    ],
)
async def test_what_is_too_large_is_left_to_the_list_and_the_watch_goes_on(monster: bytes) -> None:
    seen = await tapped(monster + an_event(a_body(2)))

    assert [body["metadata"]["name"] for body, _ in seen.observed] == ["wipe-0002"]


@pytest.mark.parametrize(("code", "told"), [(200, 1), (410, 0), (500, 0)])
async def test_where_kopf_s_watch_begins_the_reconciler_is_told_and_kopf_lists_nothing(
    code: int, told: int
) -> None:
    """What came before the watch nobody else tells of."""
    began: list[str] = []

    def session(url: str) -> aiohttp.ClientSession:
        here = clusters.api_server(url)
        return kopf_session.session(here, lambda: began.append("began"), lambda *_: None)

    async with (
        serving(always(answer(code, {"items": []}))) as server,
        session(server.url) as kopf,
        kopf.get(f"{server.url}/apis/moorcheh.ai/v1alpha1/namespacedeletions") as listed,
    ):
        assert listed.status == code

    assert len(began) == told
    assert "NOTHING" in server.received[0].target


@pytest.mark.parametrize("depth", [2_000, 45_000])
def test_a_manifest_of_any_depth_in_an_annotation_harms_nobody(depth: int) -> None:
    """To the API server it is a text: its own limit on depth does not hold for it."""
    applied = {"kubectl.kubernetes.io/last-applied-configuration": '{"a":' + "[" * depth + "]" * depth + "}"}

    request = parse(json.loads(wire.trimmed(json.dumps(a_body(annotations=applied)).encode())))

    assert request.flaws or request.copied
