"""The proxy does what the script says, and nothing by itself; here with the stand-in behind it."""

from __future__ import annotations

import functools
import gc
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from dev.chaos import (
    Answer,
    Delay,
    Drop,
    Fail,
    Gate,
    Hold,
    Late,
    Proxy,
    Replay,
    Script,
    kubernetes_call,
    moorcheh_call,
)
from dev.moorcheh.standin import StandIn
from tests.dev.waiting import until
from tests.integration.life import API

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.controlplane import ControlPlane


@pytest.fixture
def moorcheh(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path / "moorcheh") as server:
        server.create("docs")
        yield server


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(moorcheh: StandIn, script: Script) -> Iterator[httpx.Client]:
    with (
        Proxy(script, moorcheh.url, reads=moorcheh_call) as proxy,
        httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as client,
    ):
        yield client


def _watches(proxy: Proxy, count: int) -> bool:
    return proxy.watches == count


def arrived(moorcheh: StandIn) -> int:
    return moorcheh.counts().get("delete", 0)


def test_without_a_rule_it_passes_everything_on(client: httpx.Client, moorcheh: StandIn) -> None:
    """Status, body, Date and X-Request-Id."""
    answer = client.delete("/namespaces/docs", headers={"X-Request-Id": "a/b"})
    [seen] = moorcheh.record()["deletes"]

    assert answer.status_code == 202
    assert answer.json()["job_id"] == seen["job_id"]
    assert seen["request_id"] == "a/b"
    assert len(answer.headers.get_list("date")) == 1


@pytest.mark.parametrize(("fault", "arrives"), [(Fail(), 0), (Drop(), 1)], ids=["fail", "drop"])
def test_a_lost_call_arrives_or_not_and_is_never_resent(
    client: httpx.Client, moorcheh: StandIn, script: Script, fault: Fail | Drop, arrives: int
) -> None:
    """The caller sees a closed connection both times."""
    script.on(fault, "delete")
    with pytest.raises(httpx.RemoteProtocolError):
        client.delete("/namespaces/docs")

    assert arrived(moorcheh) == arrives


def test_a_server_that_drops_the_connection_is_not_asked_again(
    client: httpx.Client, moorcheh: StandIn
) -> None:
    """The proxy's own client would take a DELETE for idempotent, and resend it."""
    moorcheh.fault("delete", kind="drop", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.delete("/namespaces/docs")

    assert arrived(moorcheh) == 1


def test_only_the_nth_call_is_answered_by_the_proxy(
    client: httpx.Client, moorcheh: StandIn, script: Script
) -> None:
    """The first two pass, the third is refused, the fourth passes."""
    script.on(Answer(429), "list", nth=3)
    codes = [client.get("/namespaces").status_code for _ in range(4)]

    assert codes == [200, 200, 429, 200]
    assert moorcheh.counts()["list"] == 3
    assert script.injected == {"answer 429": 1}


def test_what_is_delayed_arrives_though_its_caller_has_gone(
    client: httpx.Client, moorcheh: StandIn, script: Script
) -> None:
    """As packets do."""
    script.on(Delay(2.0), "delete")
    with pytest.raises(httpx.ReadTimeout):
        client.delete("/namespaces/docs", timeout=0.2)

    assert arrived(moorcheh) == 0
    assert until(lambda: arrived(moorcheh) == 1)


def test_a_late_answer_is_late_and_its_call_was_not(
    client: httpx.Client, moorcheh: StandIn, script: Script
) -> None:
    """It took effect before."""
    script.on(Late(2.0), "delete")
    began = time.monotonic()
    assert client.delete("/namespaces/docs").status_code == 202
    [seen] = moorcheh.record()["deletes"]

    assert time.monotonic() - began >= 2.0
    assert seen["monotonic"] - began < 2.0


def test_what_is_held_goes_on_when_it_is_released(
    client: httpx.Client, moorcheh: StandIn, script: Script
) -> None:
    """Not before."""
    rule = script.on(Hold(), "delete")
    with pytest.raises(httpx.ReadTimeout):
        client.delete("/namespaces/docs", timeout=0.2)
    assert arrived(moorcheh) == 0
    rule.release()

    assert until(lambda: arrived(moorcheh) == 1)


@pytest.mark.parametrize(("at", "arrives"), [("before", 0), ("forwarded", 1), ("dropped", 1)])
def test_a_gate_opens_at_its_moment_and_the_call_has_arrived_or_not(
    client: httpx.Client, moorcheh: StandIn, script: Script, at: str, arrives: int
) -> None:
    """Before it is forwarded, after that, or once the caller saw the answer lost."""
    opened: list[int] = []
    gate = Gate(lambda _: opened.append(arrived(moorcheh)), at)  # type: ignore[arg-type]  # a Literal
    script.on(gate, "delete")
    with pytest.raises(httpx.RemoteProtocolError):
        client.delete("/namespaces/docs")

    assert until(lambda: opened == [arrives])


@pytest.mark.parametrize("at", ["forwarded", "dropped"])
def test_a_gate_opens_for_a_call_that_the_upstream_does_not_answer(
    client: httpx.Client, moorcheh: StandIn, script: Script, at: str
) -> None:
    """The stand-in drops it by itself."""
    opened: list[int] = []
    script.on(Gate(lambda _: opened.append(arrived(moorcheh)), at), "delete")  # type: ignore[arg-type]  # a Literal
    moorcheh.fault("delete", kind="drop", effect=True)
    with pytest.raises(httpx.RemoteProtocolError):
        client.delete("/namespaces/docs")

    assert until(lambda: opened == [1])


def test_a_watch_under_way_leaves_no_socket_behind(installed: ControlPlane) -> None:
    """Pytest fails the test in which the garbage collector finds one that is open."""
    headers = {"Authorization": f"Bearer {installed.admin_token}"}
    path = f"{API}/namespacedeletions?watch=1&resourceVersion=0&allowWatchBookmarks=1"
    for _ in range(4):  # whether the API server says goodbye in time is chance
        with (
            ExitStack() as watches,
            Proxy(Script(), installed.url, reads=kubernetes_call, ca_file=installed.ca_file) as proxy,
        ):
            for _ in range(4):
                watching = httpx.stream("GET", proxy.url + path, headers=headers, trust_env=False, timeout=60)
                watches.enter_context(watching)
            assert until(functools.partial(_watches, proxy, 4))
    gc.collect()


def test_who_does_not_read_leaves_no_socket_behind(moorcheh: StandIn, script: Script) -> None:
    """More than the kernel keeps for him is still to be written when the proxy ends."""
    script.on(Replay(b"x" * 32 * 1024 * 1024), "list")
    proxy = Proxy(script, moorcheh.url, reads=moorcheh_call)
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as client:
        with proxy:
            answer = client.send(client.build_request("GET", "/namespaces"), stream=True)
        answer.close()
    gc.collect()

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource", "name"),
    [
        ("GET", "/api", "get", "/api", ""),
        ("GET", "/apis/moorcheh.ai/v1alpha1/namespacedeletions?limit=1", "list", "namespacedeletions", ""),
        ("GET", "/apis/moorcheh.ai/v1alpha1/namespaces/a/namespacedeletions?watch=true", "watch",
         "namespacedeletions", ""),
        ("GET", "/apis/moorcheh.ai/v1alpha1/namespaces/a/namespacedeletions/b", "get",
         "namespacedeletions", "b"),
        ("PATCH", "/apis/moorcheh.ai/v1alpha1/namespaces/a/namespacedeletions/b/status", "patch",
         "namespacedeletions/status", "b"),
        ("POST", "/api/v1/namespaces/a/events", "create", "events", ""),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "update", "leases", "b"),
    ],
)  # fmt: skip
def test_calls_are_read_in_the_words_of_rbac(
    method: str, path: str, verb: str, resource: str, name: str
) -> None:
    """Verb, resource with subresource, name."""
    meaning = kubernetes_call(method, path)

    assert (meaning.verb, meaning.resource, meaning.name) == (verb, resource, name)
