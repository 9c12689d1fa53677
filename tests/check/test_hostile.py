"""A server may answer what it likes: the check ends with a report, in time, and shows no key."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.check.checking import check, run
from tests.check.wire import Behaviour, serving

KEY = "s3cr3t-key-0123456789"


def answer(status: int, body: Any = None, raw: bytes | None = None, /, **headers: str) -> bytes:
    content = raw if raw is not None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def entry(**fields: Any) -> dict[str, Any]:
    return {"namespace_name": "documents", "item_count": 3, "created_at": "2026-05-21T12:10:00.000Z"} | fields


def listing(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"namespaces": list(entries), **more}


def always(said: bytes) -> Behaviour:
    return lambda _method, _path, _body: said


def lists(said: bytes) -> Behaviour:
    """For the listing; the rest is as it should be."""
    return lambda _method, path, _body: (
        said if path == "/namespaces" else answer(404, {"message": "Not Found"})
    )


UNUSABLE = {
    "nothing": always(b""),
    "no HTTP": always(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "half a head": always(b"HTTP/1.1 200 OK\r\nContent-"),
    "HTML": lists(answer(200, None, b"<html>welcome</html>")),
    "no list": lists(answer(200, {"namespaces": {}})),
    "null": lists(answer(200, None)),
    "an entry without a name": lists(answer(200, listing(entry(), {}))),
    "an entry that is no object": lists(answer(200, listing("documents"))),
    "a name twice": lists(answer(200, listing(entry(), entry()))),
    "deeply nested": lists(answer(200, None, b"[" * 60_000)),
    "another encoding": lists(answer(200, None, b"\xff\xfe{}")),
    "401": lists(answer(401, {"message": "who are you?"})),
    "403": lists(answer(403, {"message": "not you"})),
    "404": lists(answer(404, {"message": "Not Found"})),
    "500": lists(answer(500, {"message": "the disk is full"})),
    "a redirect": lists(answer(302, None, b"", Location="https://me:pw@elsewhere.example/login?token=abc")),
    "a page with a next one": lists(answer(200, listing(entry(), next_token="abc"))),
    "a page of a total": lists(answer(200, listing(entry(), total=2))),
    "a page by its Link": lists(answer(200, listing(entry()), Link='</namespaces?page=2>; rel="next"')),
    "a page of more": lists(answer(200, listing(entry(), hasMore=True))),
}
WHOLE: dict[str, dict[str, Any]] = {
    "no next page": {"next_token": None, "has_more": False, "next": ""},
    "the only page": {"page": 1, "total_pages": 1, "total": 1, "count": 1},
    "a sum of the items": {"total_items": 5000, "item_count": 5000},
    "other words": {"execution_time": 0.2, "message": "more to come", "nextcloud": "x"},
}


@pytest.mark.parametrize("more", WHOLE)
def test_a_listing_that_is_whole_is_not_taken_for_a_page(more: str) -> None:
    with serving(lists(answer(200, listing(entry(), **WHOLE[more]), Link='</docs>; rel="help"'))) as wire:
        checked = check(wire.url)

    assert checked.state("It can be asked") == "Holds"


def test_what_the_url_may_lack_is_told_where_there_is_no_listing() -> None:
    with serving(always(answer(404, {"message": "Not Found"}))) as wire:
        checked = check(wire.url)

    assert "/v1" in checked.to_do("It can be asked")


def test_a_creation_time_that_is_a_number_is_told_as_one_that_can_t_be_read() -> None:
    with serving(lists(answer(200, listing(entry(created_at=1795820411))))) as wire:
        checked = check(wire.url)

    assert "can't be read (0000000000)" in checked.words("Newer data")


@pytest.mark.parametrize("server", UNUSABLE)
def test_what_can_not_be_used_is_told_and_nothing_is_written_to_it(server: str) -> None:
    with serving(UNUSABLE[server]) as wire:
        checked = check(wire.url, "--write", timeout=1)

    assert checked.code == 1
    assert checked.body["verdict"] == "Unusable"
    assert checked.words("It can be asked")
    assert wire.methods == {"GET"}
    assert "token=abc" not in json.dumps(checked.body)
    assert "pw@" not in json.dumps(checked.body)


ODD = {
    "a lone surrogate": entry(**{"a\ud800b": 1}, created_at="\ud800"),
    "control characters": entry(**{"\x1b[31mred\x07": 1}),
    "numbers beyond all bounds": entry(item_count=10**400),
    "not a number": entry(item_count=float("nan")),
    "a count that is a text": entry(item_count="3"),
    "a negative count": entry(item_count=-1),
    "true": entry(item_count=True, created_at=True),
    "a creation time of long ago": entry(created_at="0001-01-01T00:00:00Z"),
    "a creation time that is a number": entry(created_at=1795820411),
    "a creation time that is a date": entry(created_at="2026-05-21"),
    "a creation time of words": entry(created_at="yesterday"),
    "a long field": entry(**{"x" * 5000: 1}),
    "many fields": entry(**{f"field{number}": 1 for number in range(5000)}),
    "no field but the name": {"name": "documents"},
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_listing_is_described_in_plain_text(odd: str) -> None:
    with serving(lists(answer(200, listing(ODD[odd])))) as wire:
        checked = check(wire.url)
        code, out, _ = run(wire.url)

    assert checked.code == code
    assert code in (0, 3)
    assert all(line.isprintable() for line in out.splitlines())
    assert len(out) < 10_000


HEADERS = {
    "Via": {"Via": "1.1 gateway"},
    "a cache": {"Age": "12", "X_Cache": "HIT"},
    "nginx": {"Server": "nginx/1.25"},
    "Envoy": {"X_Envoy_Upstream_Service_Time": "3"},
    "Cloudflare": {"CF_Ray": "8a"},
}


@pytest.mark.parametrize("proxy", HEADERS)
def test_a_proxy_that_shows_is_a_limit(proxy: str) -> None:
    with serving(lists(answer(200, listing(entry()), **HEADERS[proxy]))) as wire:
        checked = check(wire.url)

    assert checked.state("One DELETE") == "Limited"
    assert checked.code == 3


def test_a_server_that_repeats_the_key_everywhere_does_not_make_the_check_show_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    said = answer(
        200,
        listing(entry(**{KEY: 1}, created_at=f"2026-{KEY}"), **{f"next-{KEY}": KEY}),
        Server=f"nginx {KEY}",
        Via=KEY,
        Location=f"http://{KEY}@x/{KEY}?{KEY}",
    )
    refused = answer(404, {"message": f"your key {KEY} is unknown", "status": KEY}, Via=KEY)
    with serving(lambda _method, path, _body: said if path == "/namespaces" else refused) as wire:
        shown = [run(wire.url, "--write", f"--api-key-file={key}", *more) for more in ((), ("-o", "json"))]

    assert any(f"x-api-key: {KEY}" in head.lower() for head in wire.headers)
    for _, out, told in shown:
        assert KEY not in out + told


def test_a_body_that_does_not_end_ends_with_the_timeout() -> None:
    def drip(_method: str, _path: str, _body: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{"

    with serving(drip) as wire:
        code, _, _ = run(wire.url, "--moorcheh-timeout-seconds=0.5")

    assert code == 1


def deleting(job: Any, delete: Any) -> Behaviour:
    """A server that says this about a deletion. It lists what was created until it is deleted."""
    entries = {"documents": entry()}

    def behave(method: str, path: str, body: bytes) -> bytes:
        if method == "POST":
            name = json.loads(body)["namespace_name"]
            if name in entries:
                return answer(409, {"message": "it is there"})
            born = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            entries[name] = entry(namespace_name=name, item_count=0, created_at=born)
            return answer(201, {"status": "success"})
        if method == "DELETE":
            entries.pop(path.rpartition("/")[2], None)
            return answer(202, delete)
        if "delete-jobs" in path:
            return answer(200, job)
        return answer(200, listing(*entries.values()))

    return behave


JOBS: dict[str, Any] = {
    "no object": [],
    "no status": {},
    "a status that is a number": {"status": 1},
    "another job's": {"status": "completed", "job_id": "job-2"},
    "another namespace's": {"status": "completed", "namespace_name": "documents"},
    "control characters": {"status": "completed", "last_error": "\x1b[31m", "\x07": 1, "started_at": "\x1b"},
    "a status with a surrogate": {"status": "\ud800"},
}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_of_nonsense_ends_the_check_in_time(job: str) -> None:
    with serving(deleting(JOBS[job], {"job_id": "job-1"})) as wire:
        checked = check(wire.url, "--write", "--wait-seconds=1", timeout=0.5)

    deleted = {path for method, path in wire.received if method == "DELETE"}
    assert checked.code in (3, 4)
    assert [path.startswith("/namespaces/moorcheh-operator-check-") for path in deleted] == [True]


@pytest.mark.parametrize(
    "delete", [{"job_id": "../../x"}, {"job_id": 5}, {"job_id": "x" * 5000}, [], "gone", None]
)
def test_an_answer_to_the_delete_without_a_usable_job_is_an_acceptance_without_one(delete: Any) -> None:
    with serving(deleting({}, delete)) as wire:
        checked = check(wire.url, "--write", "--wait-seconds=1", timeout=0.5)

    assert not [path for _, path in wire.received if ".." in path]
    assert checked.trial["hasJob"] is False
    assert checked.trial["end"] == "Gone"
    odd = isinstance(delete, dict)
    assert ("can't be used" in checked.words("A deletion's acceptance")) == odd
    assert checked.code == 3
