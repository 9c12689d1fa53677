"""The end of a process, at its start or later: the last line names the thing and the way out.

No traceback for what is no fault of the operator's. `kubectl describe pod` shows this line.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dev.chaos import ALWAYS, Answer, Cut, Fail, Proxy, Replay, Script, kubernetes_call
from dev.controlplane import ControlPlane
from dev.operator_process import OperatorProcess
from tests.dev.waiting import until
from tests.faults.world import kubeconfig_for
from tests.integration.conftest import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.chaos.faults import CallFault

GARBAGE = Replay(b"<html>Sign in</html>")


@contextmanager
def operator(
    plane: ControlPlane, folder: Path, *, up: bool = False, **options: str
) -> Iterator[tuple[OperatorProcess, Script, Proxy]]:
    """Behind a proxy; `up`: it is at work."""
    script = Script()
    with Proxy(script, plane.url, reads=kubernetes_call, ca_file=plane.ca_file) as proxy:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(kubeconfig_for(proxy.url, plane.token("operator")))
        output = folder / "operator.log"
        process = OperatorProcess(
            kubeconfig=kubeconfig, moorcheh_url="http://127.0.0.1:1", output=output, **options
        )
        if not up:
            yield process, script, proxy
        else:
            with process:
                assert until(lambda: proxy.watches > 0)
                yield process, script, proxy


def last_words(process: OperatorProcess) -> str:
    """Of one that ends, or has ended."""
    assert until(lambda: not process.process.running)
    words = process.output.read_text()
    assert process.process.returncode not in (0, None)
    assert "Traceback" not in words
    last = words.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param(Answer(401), ("HTTP 401", "token or certificate"), id="not-known"),
        pytest.param(Answer(403), ("HTTP 403", "manifests/base", "WATCH_NAMESPACES"), id="not-allowed"),
        pytest.param(Answer(404), ("namespacedeletions.moorcheh.ai", "kubectl apply -k crds"), id="no-crd"),
        pytest.param(Answer(429), ("HTTP 429", "API server's log"), id="too-busy"),
        pytest.param(Answer(503), ("HTTP 503", "API server's log"), id="not-available"),
        pytest.param(GARBAGE, ("HTTP 200", "another server", "proxy"), id="another-server"),
        pytest.param(Replay(b"{}"), ("HTTP 200", "another server"), id="no-list"),
        pytest.param(Fail(), ("can't be reached",), id="no-answer"),
    ],
)
def test_a_start_in_vain_ends_with_what_to_do(
    installed: ControlPlane, tmp_path: Path, fault: CallFault, told: tuple[str, ...]
) -> None:
    with operator(installed, tmp_path) as (process, script, proxy):
        script.on(fault, "list", "namespacedeletions", count=ALWAYS)
        process.start(ready=False)
        words = last_words(process)

    assert [one for one in (*told, proxy.url) if one not in words] == []


def test_one_that_lacks_rights_in_the_namespace_that_it_serves_is_told_which_and_whose(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with operator(installed, tmp_path, WATCH_NAMESPACES="team-a,team-b") as (process, script, _):
        script.on(Answer(403), "list", when=lambda call: call.meaning.namespace == "team-b", count=ALWAYS)
        process.start(ready=False)
        words = last_words(process)

    assert "in the Kubernetes namespace team-b" in words
    assert "single-namespace" in words
    assert "watched-namespace" in words
    assert "manifests/base" not in words


def test_where_the_crd_is_removed_it_ends_with_how_to_install_it(tmp_path: Path) -> None:
    with ControlPlane() as plane:
        install(plane)
        with operator(plane, tmp_path, up=True) as (process, _, _):
            plane.kubectl("delete", "crd", "namespacedeletions.moorcheh.ai")
            words = last_words(process)

    assert "install the CRD namespacedeletions.moorcheh.ai" in words
    assert "kubectl apply -k crds" in words


def test_where_another_server_answers_in_its_place_that_is_told_and_asked_no_more_than_once_a_second(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """An empty page of a proxy is a watch that has ended. It goes on once the API server is there again."""
    with operator(installed, tmp_path, up=True) as (process, script, proxy):
        rule = script.on(GARBAGE, "watch", "namespacedeletions", count=ALWAYS)
        began = time.monotonic()
        proxy.disturb(Cut())
        assert until(lambda: "does a proxy, or another server, answer" in process.output.read_text())
        assert until(lambda: rule.used > 5)
        assert rule.used <= time.monotonic() - began + 2
        script.clear()
        assert until(lambda: "the watch holds again" in process.output.read_text())
        assert proxy.watches == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Answer(403), id="not-allowed"),
        pytest.param(Answer(500), id="an-error"),
        pytest.param(Fail(), id="no-answer"),
    ],
)
def test_a_watch_that_breaks_off_is_told_when_it_begins_and_when_it_is_over(
    installed: ControlPlane, tmp_path: Path, fault: CallFault
) -> None:
    with operator(installed, tmp_path, up=True) as (process, script, proxy):
        rule = script.on(fault, "*", "namespacedeletions", count=ALWAYS)
        proxy.disturb(Cut())
        assert until(lambda: rule.used > 2)
        rule.release()
        script.clear()
        assert until(lambda: proxy.watches > 0)
        assert until(lambda: "there again" in process.output.read_text())
        told = [line for line in process.output.read_text().splitlines() if " the watch" in line]

    [begun, over] = told
    assert "WARNING the watch broke off, which is tried again: " in begun
    assert "{" not in begun
    assert "INFO    the watch is there again" in over
