from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dev.moorcheh.standin import AdminError, StandIn
from tests.dev.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("moorcheh"), job_seconds=0.05) as running:
        yield running


@pytest.fixture
def moorcheh(server: StandIn) -> StandIn:
    """The module's server as it was when it started."""
    server.reset()
    return server


@pytest.fixture
def api(moorcheh: StandIn) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=moorcheh.url, trust_env=False, timeout=60) as client:
        yield client


def delete(api: httpx.Client, name: str) -> str:
    answer = api.delete(f"/namespaces/{name}")
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def job(api: httpx.Client, name: str, job_id: str) -> dict[str, Any]:
    answer = api.get(f"/namespaces/{name}/delete-jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ended(api: httpx.Client, name: str, job_id: str) -> dict[str, Any]:
    assert until(lambda: job(api, name, job_id)["finished_at"] is not None)
    return job(api, name, job_id)


def listed(api: httpx.Client) -> dict[str, dict[str, Any]]:
    return {entry["namespace_name"]: entry for entry in api.get("/namespaces").json()["namespaces"]}


@contextmanager
def asked(moorcheh: StandIn, request: str) -> Iterator[socket.socket]:
    """A raw connection with that request line sent on it."""
    with socket.create_connection(("127.0.0.1", moorcheh.port), timeout=60) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nHost: moorcheh\r\nConnection: close\r\n\r\n".encode())
        yield connection


def raw(moorcheh: StandIn, request: str) -> tuple[int, dict[str, Any]]:
    """Status and content of the answer to a request line that no client library has touched."""
    with asked(moorcheh, request) as connection:
        received = b""
        while part := connection.recv(65536):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


# -- the documented calls --


def test_health_counts_the_items(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=40)
    moorcheh.create("more", items=2)

    answer = api.get("/health")

    assert answer.json() == {"status": "ok", "items": 42, "max_items": 100_000, "remaining": 99_958}


def test_a_namespace_that_a_client_created_is_listed(api: httpx.Client) -> None:
    made = api.post(
        "/namespaces", json={"namespace_name": "a_B-1", "type": "vector", "vector_dimension": 768}
    )
    api.post("/namespaces", json={"namespace_name": "words", "type": "text"})

    assert made.status_code == 201
    entries = listed(api)
    assert ISO.fullmatch(entries["a_B-1"].pop("created_at"))
    assert entries["a_B-1"] == {
        "namespace_name": "a_B-1",
        "type": "vector",
        "vector_dimension": 768,
        "item_count": 0,
    }
    assert "vector_dimension" not in entries["words"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="no-json"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b'{"type": "text"}', id="no-name"),
        pytest.param(b'{"namespace_name": 3, "type": "text"}', id="name-is-a-number"),
        pytest.param(b'{"namespace_name": "a/b", "type": "text"}', id="bad-name"),
        pytest.param(b'{"namespace_name": "a", "type": "graph"}', id="bad-type"),
        pytest.param(b'{"namespace_name": "a", "type": "vector"}', id="no-dimension"),
        pytest.param(b'{"namespace_name": "a", "type": "vector", "vector_dimension": 0}', id="bad-dimension"),
    ],
)
def test_an_invalid_create_is_a_400(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/namespaces", content=body)

    assert answer.status_code == 400
    assert answer.json()["status"] == "failure"
    assert isinstance(answer.json()["message"], str)
    assert listed(api) == {}


def test_a_name_that_exists_is_a_409(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")

    answer = api.post("/namespaces", json={"namespace_name": "docs", "type": "text"})

    assert answer.status_code == 409
    assert answer.json()["status"] == "failure"


def test_a_delete_is_accepted_with_the_four_documented_fields(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=3)

    answer = api.delete("/namespaces/docs")

    content = answer.json()
    assert answer.status_code == 202
    assert set(content) == {"status", "message", "job_id", "namespace_name"}
    assert (content["status"], content["namespace_name"]) == ("success", "docs")
    assert re.fullmatch(r"job-[0-9a-f]{32}", content["job_id"])


def test_a_job_removes_items_step_by_step_and_then_the_name(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=50, seconds=2)
    job_id = delete(api, "docs")
    first = job(api, "docs", job_id)
    seen, counted = [first["deleted_items"]], []

    while (now := job(api, "docs", job_id))["status"] == "running":
        seen.append(now["deleted_items"])
        counted.append(listed(api).get("docs", {"item_count": 0})["item_count"])

    assert first["finished_at"] is None
    assert first["last_error"] is None
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert counted == sorted(counted, reverse=True)
    assert (now["status"], now["deleted_items"], now["total_items"]) == ("completed", 50, 50)
    times = [now[key] for key in ("started_at", "updated_at", "finished_at")]
    assert all(ISO.fullmatch(each) for each in times)
    assert times[0] < times[1] == times[2]
    assert listed(api) == {}


def test_a_job_ends_though_nobody_asks(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=1)
    delete(api, "docs")

    assert until(lambda: any(event["event"] == "ended" for event in moorcheh.journal()))


def test_a_job_asked_for_under_another_name_is_a_404(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.create("other")
    job_id = delete(api, "docs")

    for path in (f"/namespaces/other/delete-jobs/{job_id}", "/namespaces/docs/delete-jobs/job-0"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert isinstance(answer.json()["message"], str)


def test_an_unknown_namespace_is_a_404(api: httpx.Client) -> None:
    answer = api.delete("/namespaces/docs")

    assert (answer.status_code, answer.json()["status"]) == (404, "failure")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /nothing", 404),
        ("GET /", 404),
        ("DELETE /namespaces", 405),
        ("DELETE /namespaces/", 404),
        ("PUT /health", 405),
        ("GET /namespaces/docs", 405),
        ("DELETE /namespaces/..", 400),
        ("DELETE /namespaces/%2e%2e", 400),
        ("DELETE /namespaces/docs%2Fmore", 400),
        ("DELETE /namespaces/docs%0A", 400),
        ("GET /namespaces/docs/delete-jobs/", 404),
    ],
)
def test_a_path_that_is_none_is_a_json_error(moorcheh: StandIn, request_line: str, status: int) -> None:
    moorcheh.create("docs")

    answered, content = raw(moorcheh, request_line)

    assert (answered, content["status"]) == (status, "failure")
    assert "docs" in moorcheh.namespaces()


# -- the knobs --


def test_the_name_can_leave_when_the_delete_is_accepted(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(name_leaves="accept")
    moorcheh.create("docs", items=5, seconds=30)

    job_id = delete(api, "docs")

    assert listed(api) == {}
    assert job(api, "docs", job_id)["status"] == "running"


def test_a_deleted_name_can_linger_after_its_job(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(lingers=2)
    moorcheh.create("docs", items=5, seconds=0)

    done = ended(api, "docs", delete(api, "docs"))

    assert (done["status"], done["deleted_items"]) == ("completed", 5)
    assert listed(api)["docs"]["item_count"] == 0
    assert api.get("/health").json()["items"] == 0
    assert until(lambda: listed(api) == {})


def test_the_cloud_accepts_without_a_job_under_a_prefix(tmp_path: Path) -> None:
    """The documented answer of the cloud product; the namespace leaves the listing all the same."""
    with (
        StandIn(tmp_path, product="cloud", job_seconds=600, api_key="sesame") as moorcheh,
        httpx.Client(base_url=moorcheh.url, headers={"x-api-key": "sesame"}, trust_env=False) as api,
    ):
        moorcheh.create("docs", items=5)

        answer = api.delete("namespaces/docs")

        assert moorcheh.url.endswith("/v1")
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        assert set(answer.json()) == {
            "status",
            "message",
            "namespace_name",
            "deletion_started_at",
            "estimated_completion",
        }
        job_id = moorcheh.record()["jobs"][0]["job_id"]
        assert api.get(f"namespaces/docs/delete-jobs/{job_id}").status_code == 404
        assert httpx.get(f"{moorcheh.url.removesuffix('/v1')}/namespaces", trust_env=False).status_code == 404
        assert listed(api)["docs"]["namespace_name"] == "docs"
        assert moorcheh.end_jobs() == 1
        assert listed(api) == {}


def test_an_accepted_delete_can_be_a_200(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(accepts_with="200")
    moorcheh.create("docs")

    answer = api.delete("/namespaces/docs")

    assert (answer.status_code, "job_id" in answer.json()) == (200, True)


@pytest.mark.parametrize("leaves", ["end", "accept"])
@pytest.mark.parametrize("stays", [True, False])
def test_a_failed_job_leaves_the_name_or_not(
    moorcheh: StandIn, api: httpx.Client, leaves: str, stays: bool
) -> None:
    moorcheh.knob(name_leaves=leaves, failed_stays=stays)
    moorcheh.create("docs", items=10)
    moorcheh.fault("run", "docs", kind="fail", fraction=0.3, last_error="no space left")

    failed = ended(api, "docs", delete(api, "docs"))

    assert (failed["status"], failed["last_error"]) == ("failed", "no space left")
    assert (failed["total_items"], failed["deleted_items"]) == (10, 3)
    assert [entry["item_count"] for entry in listed(api).values()] == ([7] if stays else [])


@pytest.mark.parametrize(
    ("knob", "status"), [("404", 404), ("409", 409), ("same-job", 202), ("new-job", 202)]
)
@pytest.mark.parametrize("leaves", ["end", "accept"])
def test_a_second_delete_gets_what_the_knob_says(
    moorcheh: StandIn, api: httpx.Client, leaves: str, knob: str, status: int
) -> None:
    moorcheh.knob(second_delete=knob, name_leaves=leaves)
    moorcheh.create("docs", items=100, seconds=30)
    first = delete(api, "docs")

    answer = api.delete("/namespaces/docs")

    assert answer.status_code == status
    if status == 202:
        assert (answer.json()["job_id"] == first) == (knob == "same-job")
    incarnations = {gone["incarnation"] for gone in moorcheh.record()["destroyed"]}
    assert len(incarnations) == 1


def test_two_jobs_for_one_namespace_both_complete(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(second_delete="new-job")
    moorcheh.create("docs", items=20, seconds=2)

    jobs = [delete(api, "docs"), delete(api, "docs")]

    assert [ended(api, "docs", job_id)["status"] for job_id in jobs] == ["completed", "completed"]
    assert listed(api) == {}
    assert api.get("/health").json()["items"] == 0


@pytest.mark.parametrize("created", ["created_at", "createdAt", "none"])
@pytest.mark.parametrize("items", ["item_count", "itemCount", "items", "none"])
def test_the_listing_names_its_fields_as_told(
    moorcheh: StandIn, api: httpx.Client, created: str, items: str
) -> None:
    moorcheh.create("docs", items=5)

    moorcheh.knob(created_field=created, items_field=items)

    assert set(listed(api)["docs"]) == {"namespace_name", "type", created, items} - {"none"}


def test_the_server_s_clock_can_be_shifted(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(clock_shift=-86_400)
    before = time.time() - 86_400 - 2  # noqa: TID251 - the other clock to compare with
    moorcheh.create("docs")

    answer = api.delete("/namespaces/docs")
    finished = ended(api, "docs", answer.json()["job_id"])

    assert before < parsedate_to_datetime(answer.headers["Date"]).timestamp() < before + 60
    assert finished["started_at"][:10] == time.strftime("%Y-%m-%d", time.gmtime(before))
    gone = moorcheh.record()["destroyed"][0]
    assert gone["born"] == pytest.approx(gone["at"], abs=60)


def test_the_date_can_be_left_out(moorcheh: StandIn, api: httpx.Client) -> None:
    assert "Date" in api.get("/health").headers

    moorcheh.knob(date_header=False)

    assert "Date" not in api.get("/health").headers


def test_times_can_be_cut_to_the_second(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(whole_seconds=True)
    moorcheh.create("docs")

    assert listed(api)["docs"]["created_at"].endswith(".000Z")
    assert job(api, "docs", delete(api, "docs"))["updated_at"].endswith(".000Z")


def test_an_api_key_can_be_asked_for(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(api_key="sesame")
    moorcheh.create("docs")

    refused = api.delete("/namespaces/docs")

    assert (refused.status_code, refused.json()["status"]) == (401, "failure")
    assert api.delete("/namespaces/docs", headers={"x-api-key": "sesame"}).status_code == 202


def test_no_more_items_than_the_server_holds(moorcheh: StandIn) -> None:
    moorcheh.create("docs", items=99_999)

    with pytest.raises(AdminError, match="at most 100000"):
        moorcheh.create("more", items=2)

    assert list(moorcheh.namespaces()) == ["docs"]


def test_a_job_can_take_its_time_by_the_item(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.knob(job_seconds=0, seconds_per_item=10)
    moorcheh.create("empty")
    moorcheh.create("full", items=3)

    assert job(api, "empty", delete(api, "empty"))["status"] == "completed"
    assert job(api, "full", delete(api, "full"))["status"] == "running"


@pytest.mark.parametrize(
    "change", [{"no_such": 1}, {"name_leaves": "never"}, {"job_seconds": -1}, {"date_header": "yes"}]
)
def test_a_wrong_knob_is_refused_in_words(moorcheh: StandIn, change: dict[str, object]) -> None:
    with pytest.raises(AdminError, match=next(iter(change))):
        moorcheh.knob(**change)


# -- faults of requests --


def test_a_fault_before_the_effect_leaves_the_namespace(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", "docs", kind="status", status=429, retry_after=7, body="slow down")

    answer = api.delete("/namespaces/docs")

    assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (429, "7", "slow down")
    assert moorcheh.record()["destroyed"] == []
    assert api.delete("/namespaces/docs").status_code == 202


def test_a_5xx_can_come_after_the_effect(moorcheh: StandIn, api: httpx.Client) -> None:
    made = moorcheh.create("docs")
    moorcheh.fault("delete", kind="status", status=500, effect=True)

    answer = api.delete("/namespaces/docs")

    assert (answer.status_code, answer.json()["status"]) == (500, "failure")
    record = moorcheh.record()
    assert [gone["incarnation"] for gone in record["destroyed"]] == [made["incarnation"]]
    assert (record["deletes"][0]["status"], record["deletes"][0]["effect"]) == (500, True)


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize(("kind", "error"), [("drop", httpx.RemoteProtocolError), ("rst", httpx.ReadError)])
def test_a_lost_connection_before_or_after_the_effect(
    moorcheh: StandIn, api: httpx.Client, kind: str, error: type[Exception], effect: bool
) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind=kind, effect=effect)

    with pytest.raises(error):
        api.delete("/namespaces/docs")

    record = moorcheh.record()
    assert len(record["destroyed"]) == int(effect)
    assert (record["deletes"][0]["status"], record["deletes"][0]["fault"]) == (None, kind)


def test_a_dropped_answer_is_not_one_byte(moorcheh: StandIn) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="drop", effect=True)

    with asked(moorcheh, "DELETE /namespaces/docs") as connection:
        assert connection.recv(1) == b""


def test_half_an_answer_is_half_its_body(moorcheh: StandIn) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="half")
    received = b""

    with asked(moorcheh, "DELETE /namespaces/docs") as connection:
        while part := connection.recv(65536):
            received += part

    head, _, body = received.partition(b"\r\n\r\n")
    promised = re.search(rb"Content-Length: (\d+)", head)
    assert promised is not None
    assert head.startswith(b"HTTP/1.1 202 Accepted")
    assert len(body) == int(promised[1]) // 2 > 0


def test_the_effect_happens_though_the_client_has_gone(moorcheh: StandIn) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="answer", delay=2)

    with asked(moorcheh, "DELETE /namespaces/docs"):
        assert until(lambda: moorcheh.counts().get("delete"))

    assert moorcheh.record()["destroyed"] == []
    assert until(lambda: moorcheh.record()["destroyed"])


def test_an_answer_can_be_held_after_the_effect(moorcheh: StandIn) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="answer", hold=2)

    with asked(moorcheh, "DELETE /namespaces/docs") as connection:
        assert until(lambda: moorcheh.record()["destroyed"])
        connection.settimeout(0.01)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(60)
        assert connection.recv(1) == b"H"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"body": "<html>"}, "<html>"),
        ({"json": ["list"]}, '["list"]'),
        ({"json": None}, "null"),
        ({"body": ""}, ""),
    ],
)
def test_a_body_can_be_anything(
    moorcheh: StandIn, api: httpx.Client, options: dict[str, Any], text: str
) -> None:
    moorcheh.fault("list", kind="body", **options)

    answer = api.get("/namespaces")

    assert (answer.status_code, answer.text) == (200, text)


@pytest.mark.parametrize(
    "job_id",
    ["../../health", "", "job\n1", 7, None, {"a": 1}, "x" * 5000],
    ids=lambda job_id: repr(job_id)[:20],
)
def test_a_job_id_can_be_hostile(moorcheh: StandIn, api: httpx.Client, job_id: object) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="job-id", job_id=job_id)

    answer = api.delete("/namespaces/docs")

    assert (answer.status_code, answer.json()["job_id"]) == (202, job_id)


def test_a_job_id_can_be_missing(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="job-id")

    answer = api.delete("/namespaces/docs")

    assert answer.status_code == 202
    assert "job_id" not in answer.json()
    assert len(moorcheh.record()["destroyed"]) == 1


def test_a_delete_can_be_answered_with_200_and_no_job(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="no-job")

    answer = api.delete("/namespaces/docs")

    assert (answer.status_code, set(answer.json())) == (200, {"status", "message"})
    assert len(moorcheh.record()["destroyed"]) == 1


def test_a_redirect_does_nothing(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="redirect", location="/namespaces/other")

    answer = api.delete("/namespaces/docs")

    assert (answer.status_code, answer.headers["Location"]) == (307, "/namespaces/other")
    assert moorcheh.record()["destroyed"] == []


def test_a_body_can_be_larger_than_a_careful_client_takes(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="oversized")
    moorcheh.fault("health", kind="oversized", size=10_000_000)

    assert len(api.delete("/namespaces/docs").content) > 64 * 1024
    assert len(api.get("/health").content) > 10_000_000


def test_a_body_can_be_endless(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.fault("health", kind="endless", pause=0)
    received = 0

    with api.stream("GET", "/health") as answer:
        for part in answer.iter_bytes():
            received += len(part)
            if received > 1_000_000:
                break

    assert api.get("/health").status_code == 200


def test_a_request_can_arrive_twice(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="duplicate")

    answer = api.delete("/namespaces/docs", headers={"X-Request-Id": "u/1"})

    assert answer.status_code == 409
    assert [seen["request_id"] for seen in moorcheh.record()["deletes"]] == ["u/1", "u/1"]


def test_a_rule_matches_by_operation_and_name_and_count(moorcheh: StandIn, api: httpx.Client) -> None:
    for name in ("a-1", "a-2", "a-3", "a-4", "b-1"):
        moorcheh.create(name)
    moorcheh.fault("delete", "a-*", kind="status", status=500, count=2, skip=1)

    answers = [api.delete(f"/namespaces/{name}").status_code for name in ("a-1", "b-1", "a-2", "a-3", "a-4")]

    assert answers == [202, 202, 500, 500, 202]
    assert moorcheh.faults()[0]["used"] == 2


def test_a_rule_can_hold_for_ever_until_it_is_taken_back(moorcheh: StandIn, api: httpx.Client) -> None:
    rule = moorcheh.fault("health", kind="status", count=-1)

    assert {api.get("/health").status_code for _ in range(5)} == {503}
    moorcheh.clear_faults(rule)
    assert api.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"operation": "fly"}, "operation is one of"),
        ({"operation": "delete", "kind": "stuck"}, "kind of delete"),
        ({"operation": "delete", "kind": "redirect"}, "needs a location"),
        ({"operation": "delete", "kind": "half", "effect": False}, "takes effect"),
        ({"operation": "delete", "kind": "drop", "dealy": 1}, "no option 'dealy'"),
        ({"operation": "delete", "kind": "drop", "delay": "1"}, "delay can't be '1'"),
        ([], "JSON object"),
    ],
)
def test_a_wrong_rule_is_refused_in_words(moorcheh: StandIn, rule: object, words: str) -> None:
    with pytest.raises(AdminError, match=words):
        moorcheh.admin("faults", rule)


# -- faults of jobs --


def test_a_job_fails_as_often_as_told_and_then_completes(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=16)
    moorcheh.fault("run", "docs", kind="fail", count=2, fraction=0.5)

    jobs = [ended(api, "docs", delete(api, "docs")) for _ in range(3)]

    assert [each["status"] for each in jobs] == ["failed", "failed", "completed"]
    assert [each["total_items"] for each in jobs] == [16, 8, 4]
    assert listed(api) == {}
    assert api.get("/health").json()["items"] == 0


def test_a_job_can_be_stuck_for_ever(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=10, seconds=0)
    moorcheh.fault("run", kind="stuck", fraction=0.2)

    stuck = job(api, "docs", delete(api, "docs"))

    assert (stuck["status"], stuck["deleted_items"]) == ("running", 2)
    assert listed(api)["docs"]["item_count"] == 8


def test_a_job_can_report_falling_counts(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=1000, seconds=2)
    moorcheh.fault("run", kind="falling")
    job_id = delete(api, "docs")
    seen = []

    while (now := job(api, "docs", job_id))["status"] == "running":
        seen.append(now["deleted_items"])

    assert len(set(seen)) > 5
    assert seen == sorted(seen, reverse=True)


def test_a_job_can_report_nonsense(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=10)
    moorcheh.create("more", items=10)
    moorcheh.fault("run", "docs", kind="nonsense")
    moorcheh.fault("run", "more", kind="nonsense", report={"total_items": 2**70})

    assert job(api, "docs", delete(api, "docs"))["deleted_items"] == "many"
    assert job(api, "more", delete(api, "more"))["total_items"] == 2**70


def test_forgotten_jobs_stop_and_leave_the_rest(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=1000, seconds=600)
    moorcheh.create("other", items=1, seconds=600)
    job_id, other = delete(api, "docs"), delete(api, "other")
    assert until(lambda: job(api, "docs", job_id)["deleted_items"] > 0)

    assert moorcheh.forget("docs") == 1

    assert api.get(f"/namespaces/docs/delete-jobs/{job_id}").status_code == 404
    assert job(api, "other", other)["status"] == "running"
    rest = listed(api)["docs"]["item_count"]
    assert 0 < rest < 1000
    assert {seen["how"] for seen in moorcheh.record()["jobs"]} == {"forgotten", "running"}
    assert api.delete("/namespaces/docs").status_code == 202
    assert moorcheh.record()["destroyed"][-1]["items"] == rest


def test_jobs_can_be_ended_before_their_time(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=7, seconds=600)
    moorcheh.create("other", items=1, seconds=600)
    job_id, other = delete(api, "docs"), delete(api, "other")

    assert moorcheh.end_jobs("docs") == 1

    ended = job(api, "docs", job_id)
    assert (ended["status"], ended["deleted_items"]) == ("completed", 7)
    assert set(listed(api)) == {"other"}
    assert job(api, "other", other)["status"] == "running"
    assert moorcheh.end_jobs() == 1


def test_a_forgotten_job_can_go_on_unseen(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs", items=10, seconds=0.1)
    job_id = delete(api, "docs")

    moorcheh.forget(job_id=job_id, stop=False)

    assert api.get(f"/namespaces/docs/delete-jobs/{job_id}").status_code == 404
    assert until(lambda: not listed(api))


@pytest.mark.parametrize("leaves", ["end", "accept"])
@pytest.mark.parametrize("when", ["end", "accept"])
def test_a_namespace_can_come_back_with_its_deletion(
    moorcheh: StandIn, api: httpx.Client, leaves: str, when: str
) -> None:
    moorcheh.knob(name_leaves=leaves)
    old = moorcheh.create("docs", items=5)
    moorcheh.fault("recreate", "docs", kind=when, seconds=0.02, items=7)

    finished = ended(api, "docs", delete(api, "docs"))

    assert until(lambda: "docs" in moorcheh.namespaces() and moorcheh.namespaces()["docs"]["precious"])
    new = moorcheh.namespaces()["docs"]
    assert finished["status"] == "completed"
    assert (new["items"], listed(api)["docs"]["item_count"]) == (7, 7)
    assert new["incarnation"] != old["incarnation"]
    assert new["created_at"] > old["created_at"]
    assert api.get("/health").json()["items"] == 7


def test_the_record_says_that_a_precious_one_was_destroyed(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("recreate", kind="end")
    ended(api, "docs", delete(api, "docs"))

    delete(api, "docs")

    assert [gone["precious"] for gone in moorcheh.record()["destroyed"]] == [False, True]


def test_a_namespace_can_be_re_created_by_hand_while_its_old_job_runs(
    moorcheh: StandIn, api: httpx.Client
) -> None:
    moorcheh.create("docs", items=5, seconds=600)
    job_id = delete(api, "docs")

    new = moorcheh.recreate("docs", items=9)
    assert moorcheh.end_jobs() == 1

    assert ended(api, "docs", job_id)["status"] == "completed"
    assert moorcheh.namespaces()["docs"] == new
    assert api.get("/health").json()["items"] == 9


# -- the record --


def test_the_record_has_each_delete_as_it_arrived(moorcheh: StandIn, api: httpx.Client) -> None:
    before = time.monotonic()
    moorcheh.create("docs", items=3)
    answer = api.delete("/namespaces/docs", headers={"X-Request-Id": "uid/attempt"})
    api.delete("/namespaces/none")

    first, second = moorcheh.record()["deletes"]

    assert first["path"] == "/namespaces/docs"
    assert (first["request_id"], second["request_id"]) == ("uid/attempt", None)
    assert (first["status"], first["effect"], second["status"], second["effect"]) == (202, True, 404, False)
    assert first["job_id"] == answer.json()["job_id"]
    assert before < first["monotonic"] < second["monotonic"] < time.monotonic()
    assert first["port"] > 0


def test_a_request_is_on_record_before_its_effect(moorcheh: StandIn) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="answer", delay=30)

    with asked(moorcheh, "DELETE /namespaces/docs"):
        assert until(lambda: moorcheh.record()["deletes"])

    assert moorcheh.record()["destroyed"] == []
    assert moorcheh.journal()[-1]["path"] == "/namespaces/docs"


def test_requests_are_counted_by_operation_and_admin_calls_are_not(
    moorcheh: StandIn, api: httpx.Client
) -> None:
    moorcheh.create("docs")
    job(api, "docs", delete(api, "docs"))
    for path in ("/health", "/namespaces", "/namespaces", "/nothing"):
        api.get(path)

    assert moorcheh.counts() == {"delete": 1, "job": 1, "health": 1, "list": 2, "other": 1}
    assert [seen["operation"] for seen in moorcheh.requests()][:2] == ["delete", "job"]


def test_a_reset_forgets_only_what_it_is_told(moorcheh: StandIn, api: httpx.Client) -> None:
    moorcheh.create("docs")
    moorcheh.fault("health", kind="status")
    api.get("/namespaces")

    moorcheh.reset("record")

    assert moorcheh.counts() == {}
    assert moorcheh.journal() == []
    assert "docs" in moorcheh.namespaces()
    assert len(moorcheh.faults()) == 1
    with pytest.raises(AdminError, match="can't reset dice"):
        moorcheh.reset("dice")


def test_a_reset_takes_a_delayed_request_s_effect_away(moorcheh: StandIn) -> None:
    moorcheh.create("docs")
    moorcheh.fault("delete", kind="answer", delay=2)
    with asked(moorcheh, "DELETE /namespaces/docs") as connection:
        assert until(lambda: moorcheh.counts().get("delete"))

        moorcheh.reset()
        moorcheh.create("docs")

        assert connection.recv(1) == b""
    assert moorcheh.record()["destroyed"] == []


def test_many_namespaces_are_created_in_one_call(moorcheh: StandIn, api: httpx.Client) -> None:
    made = moorcheh.create_many(300, "load-", items=2, age=3600)

    assert [made[0]["name"], made[-1]["name"]] == ["load-00000", "load-00299"]
    assert len(listed(api)) == 300
    assert made[0]["born"] < time.time() - 3590  # noqa: TID251 - the other clock to compare with


def test_an_unclear_admin_call_is_refused_in_words(moorcheh: StandIn) -> None:
    with pytest.raises(AdminError, match="no such admin call"):
        moorcheh.admin("nothing")
    with pytest.raises(AdminError, match="items='many'"):
        moorcheh.create("docs", items="many")
    with pytest.raises(AdminError, match="already exists"):
        moorcheh.create_many(2, "a") and moorcheh.create("a00001")


# -- restarts --


def test_namespaces_survive_a_kill_and_jobs_do_not(tmp_path: Path) -> None:
    with StandIn(tmp_path) as moorcheh, httpx.Client(base_url=moorcheh.url, trust_env=False) as api:
        kept = moorcheh.create("Kept", items=4, precious=True, type="vector", vector_dimension=3)
        moorcheh.create("kept", items=1)
        moorcheh.create("going", items=1000, seconds=5)
        moorcheh.create("gone", items=1, seconds=0)
        delete(api, "gone")
        job_id = delete(api, "going")
        assert until(lambda: job(api, "going", job_id)["deleted_items"] > 200)
        before = listed(api)

        moorcheh.kill()
        moorcheh.start()

        after = listed(api)
        assert after.keys() == {"Kept", "kept", "going"}
        assert after["Kept"] == before["Kept"]
        assert moorcheh.namespaces()["Kept"] == kept
        assert 0 < after["going"]["item_count"] < 1000
        assert api.get(f"/namespaces/going/delete-jobs/{job_id}").status_code == 404
        assert api.get("/health").json()["items"] == 5 + after["going"]["item_count"]
        assert {seen["name"]: seen["how"] for seen in moorcheh.record()["jobs"]} == {
            "gone": "completed",
            "going": "lost",
        }
        assert job(api, "going", delete(api, "going"))["total_items"] == after["going"]["item_count"]


@pytest.mark.parametrize("leaves", ["end", "accept"])
def test_what_was_deleted_can_come_back_with_a_restart(tmp_path: Path, leaves: str) -> None:
    """As it was: a deletion that the server could not write to its disk."""
    knobs: dict[str, Any] = {"comes_back": True, "name_leaves": leaves, "job_seconds": 0}
    with StandIn(tmp_path, **knobs) as moorcheh, httpx.Client(base_url=moorcheh.url, trust_env=False) as api:
        moorcheh.create("docs", items=1000)
        before = listed(api)
        assert ended(api, "docs", delete(api, "docs"))["status"] == "completed"
        assert listed(api) == {}

        moorcheh.kill()
        moorcheh.start()

        assert listed(api) == before


@pytest.mark.parametrize("leaves", ["end", "accept"])
def test_jobs_can_survive_a_restart_and_go_on(tmp_path: Path, leaves: str) -> None:
    knobs: dict[str, Any] = {"jobs_survive": True, "name_leaves": leaves}
    with StandIn(tmp_path, **knobs) as moorcheh, httpx.Client(base_url=moorcheh.url, trust_env=False) as api:
        moorcheh.create("docs", items=1000, seconds=3)
        moorcheh.create("done", items=2, seconds=0)
        moorcheh.fault("run", "docs", kind="fail", fraction=0.9, last_error="late")
        moorcheh.fault("recreate", "docs", kind="end")
        done, job_id = delete(api, "done"), delete(api, "docs")
        assert until(lambda: job(api, "docs", job_id)["deleted_items"] > 200)

        moorcheh.kill()
        moorcheh.start()

        assert job(api, "done", done)["status"] == "completed"
        failed = ended(api, "docs", job_id)
        assert (failed["status"], failed["total_items"], failed["last_error"]) == ("failed", 1000, "late")
        assert failed["deleted_items"] == 900
        assert listed(api)["docs"]["item_count"] == 100


def test_the_record_survives_a_kill_even_with_half_a_line(tmp_path: Path) -> None:
    with StandIn(tmp_path) as moorcheh, httpx.Client(base_url=moorcheh.url, trust_env=False) as api:
        moorcheh.create("docs", seconds=0)
        delete(api, "docs")
        before = moorcheh.record()
        moorcheh.kill()
        with (tmp_path / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"event": "requ')

        moorcheh.start()
        api.delete("/namespaces/docs")

        after = moorcheh.record()
        assert after["deletes"][:1] == before["deletes"]
        assert after["destroyed"] == before["destroyed"]
        assert after["deletes"][1]["seq"] > before["deletes"][0]["seq"]
        assert len(after["starts"]) == 2
        assert len(moorcheh.journal()) == len((tmp_path / "journal.jsonl").read_bytes().splitlines())


def test_sigterm_ends_it_cleanly_with_an_answer_on_hold(tmp_path: Path) -> None:
    with StandIn(tmp_path) as moorcheh:
        moorcheh.fault("health", kind="answer", hold=60)
        with asked(moorcheh, "GET /health"):
            assert until(lambda: moorcheh.counts().get("health"))
            moorcheh.stop()

        assert moorcheh.process.returncode == 0
        assert moorcheh.process.tail().splitlines() == [f"listening on {moorcheh.url}"]


# -- the command --


def refused(*options: str) -> str:
    """What the command says on its standard error when it can't start."""
    command = [sys.executable, "-m", "dev.moorcheh", *options]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert finished.returncode != 0
    assert "Traceback" not in finished.stderr
    return finished.stderr.strip().splitlines()[-1]


def test_broken_data_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "namespaces").mkdir()
    (tmp_path / "namespaces" / "docs.json").write_text("{}")

    assert refused("--data", str(tmp_path)).startswith(
        f"Error: {tmp_path}/namespaces/docs.json is no namespace"
    )


def test_a_broken_script_is_one_clear_line(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"operation": "fly"}]')

    line = refused("--data", str(tmp_path / "data"), "--faults", str(script))

    assert line.startswith(f"Error: {script}: operation is one of")


def test_a_port_or_folder_in_use_is_one_clear_line(server: StandIn, tmp_path: Path) -> None:
    assert "another server uses" in refused("--data", str(server.data))
    assert f"can't listen on 127.0.0.1:{server.port}" in refused(
        "--data", str(tmp_path), "--port", str(server.port)
    )


def test_a_wrong_option_is_one_clear_line(tmp_path: Path) -> None:
    assert "'never' is not one of 'end', 'accept'" in refused(
        "--data", str(tmp_path), "--name-leaves", "never"
    )


def test_a_script_can_be_there_from_the_start(tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text('[{"operation": "health", "kind": "status", "status": 418}]')

    with StandIn(tmp_path / "data", options=["--faults", str(script)]) as moorcheh:
        assert httpx.get(f"{moorcheh.url}/health", trust_env=False).status_code == 418
