"""The plugin where the API server is away, empty, or loses an answer; and as kubectl itself runs it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.dev.waiting import until
from tests.kubectl.conftest import Person, environment
from tests.kubectl.terminal import ran

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.controlplane import Assets
    from tests.integration.life import World


class Server(ThreadingHTTPServer):
    """Keeps what is created; `loses` says at which method it drops the connection after doing its work."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.has_crd = True
        self.status: dict[str, Any] = {}  # what an operator has written on each request
        self.loses: set[str] = set()
        self.refuses: dict[str, tuple[int, dict[str, Any]]] = {}  # by method: a status code, and words
        self.changes: dict[str, Any] | None = None  # what becomes of the kept objects at the next refusal
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def becomes(self, *, uid: str = "u", metadata: dict[str, Any] | None = None, **parts: Any) -> None:
        """Of all that it keeps. `status` and `spec` are merged; without `metadata`, gone."""
        for name, kept in list(self.kept.items()):
            if metadata is None:
                del self.kept[name]
                continue
            changed = {part: {**kept.get(part, {}), **new} for part, new in parts.items()}
            self.kept[name] = {**kept, **changed, "metadata": {**kept["metadata"], "uid": uid, **metadata}}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        self.server.asked.append(self.command)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        status, answer = self._result(body)
        if self.command in self.server.loses and "namespacedeletions" in self.path:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the base class' names

    def _result(self, body: dict[str, Any]) -> tuple[int, Any]:
        if "namespacedeletions" not in self.path:
            return 201, {"status": {"userInfo": {"username": "jane"}}}
        if not self.server.has_crd:
            return 404, "404 page not found\n"
        name = self.path.partition("?")[0].rpartition("/")[2]
        if self.command in self.server.refuses:
            if self.server.changes is not None:
                self.server.becomes(**self.server.changes)
            return self.server.refuses[self.command]
        match self.command:
            case "POST":
                metadata = {
                    **body["metadata"],
                    "namespace": "default",
                    "uid": "u",
                    "resourceVersion": "1",
                    "creationTimestamp": "2026-11-23T10:00:00Z",
                    "generation": 1,
                }
                made = {**body, "metadata": metadata, "status": self.server.status}
                self.server.kept[body["metadata"]["name"]] = made
                return 201, made
            case "DELETE":
                return 200, self.server.kept.pop(name)
            case _ if name in self.server.kept:
                return 200, self.server.kept[name]
            case _:
                return 404, {
                    "kind": "Status",
                    "message": f'namespacedeletions.moorcheh.ai "{name}" not found',
                }


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def person(assets: Assets, folder: Path, url: str) -> Person:
    kubeconfig = folder / "kubeconfig"
    entry = {"name": "here", "cluster": {"server": url}, "context": {"cluster": "here", "user": "here"}}
    kubeconfig.write_text(
        json.dumps(
            {
                "clusters": [entry],
                "contexts": [entry],
                "users": [{"name": "here", "user": {"token": "t"}}],
                "current-context": "here",
            }
        )
    )
    return Person(environment(assets, kubeconfig), "default")


@pytest.fixture
def jane(assets: Assets, tmp_path: Path, server: Server) -> Person:
    return person(assets, tmp_path, f"http://127.0.0.1:{server.server_port}")


def test_a_cluster_without_the_crd_is_said_plainly(jane: Person, server: Server) -> None:
    server.has_crd = False
    for arguments in (["list"], ["delete", "docs", "--yes"], ["delete", "docs", "--preview"]):
        asked = jane.runs(*arguments)
        assert (asked.returncode, "is the operator installed?" in asked.stderr) == (1, True)


def test_a_cluster_that_can_not_be_reached_is_said_plainly(assets: Assets, tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        asked = person(assets, tmp_path, f"http://{address}").runs("delete", "docs", "--yes")

    assert asked.returncode == 1
    why = f"dial tcp {address}: connect: connection refused"
    assert asked.stderr == f"Error: the cluster gave no answer: {why}\n"


def test_a_creation_whose_answer_is_lost_is_looked_for_and_never_sent_twice(
    jane: Person, server: Server
) -> None:
    server.loses = {"POST"}
    asked = jane.runs("delete", "docs", "--yes", "--no-wait")

    assert asked.returncode == 0, asked.stderr
    assert server.asked.count("POST") == 2  # who am I, and the creation
    assert f"request default/{next(iter(server.kept))}" in asked.stdout


def test_a_creation_of_which_nothing_can_be_learned_says_where_to_look(jane: Person, server: Server) -> None:
    server.loses = {"POST", "GET"}
    asked = jane.runs("delete", "docs", "--yes")

    assert asked.returncode == 1
    assert f"kubectl moorcheh describe -n default {next(iter(server.kept))}" in asked.stdout
    assert "It is not known whether that arrived" in asked.stdout


def test_a_preview_that_can_not_be_removed_says_what_remains(jane: Person, server: Server) -> None:
    with jane.sits_at("delete", "docs") as terminal:
        terminal.sees("Look at what is there")
        server.loses = {"DELETE", "GET"}
        terminal.presses_ctrl_c()
        terminal.ends()
        name = next(iter(server.kept))
        assert "could not be removed" in terminal.text.replace("\r\n", " ")
        assert f"kubectl delete nsdel -n default {name}" in terminal.text.replace("\r\n", "")


def looked_up(message: str, target: dict[str, Any] | None) -> dict[str, Any]:
    status = {"observedGeneration": 1, "phase": "Suspended", "reason": "Suspended", "message": message}
    return status | ({"target": target} if target else {})


FOUND = looked_up(
    "Suspended. To approve the deletion of 3 items, set spec.suspend to false.",
    {"found": True, "itemCount": 3, "observationTime": "2026-11-23T10:00:00Z"},
)
REFUSED = "Suspended. Approval would be refused"
OUTAGE = "Suspended. The server gave no usable listing, which is tried again: no route."
TARGET = {"found": True, "itemCount": 3, "observationTime": "2026-11-23T10:00:00Z"}
ABSENT = looked_up(
    "Suspended. Approved now, it would end as AlreadyAbsent: There is none.",
    {"found": False, "observationTime": "2026-11-23T10:00:00Z"},
)


def test_a_preview_does_not_name_the_request_that_it_removes(jane: Person, server: Server) -> None:
    server.status = FOUND
    shown = jane.runs("delete", "docs", "--preview")

    assert (shown.returncode, server.kept) == (0, {})
    assert shown.stdout.startswith("Would be deleted, with everything in it:\n")
    assert "Request:" not in shown.stdout
    assert shown.stdout.endswith("Only shown. Nothing was deleted, and no request is left.\n")


def test_a_preview_whose_request_is_left_over_fails_and_does_not_say_that_it_is_gone(
    jane: Person, server: Server
) -> None:
    server.status, server.loses = FOUND, {"DELETE"}
    shown = jane.runs("delete", "docs", "--preview")

    assert shown.returncode == 1
    assert "could not be removed" in shown.stdout
    assert "no request is left" not in shown.stdout


def test_what_is_not_there_is_not_said_to_be_found(jane: Person, server: Server) -> None:
    server.status = ABSENT
    shown = jane.runs("delete", "docs", "--preview")

    assert shown.stdout.startswith("Nothing was found:\n")
    assert "This was found" not in shown.stdout


def test_commands_to_paste_name_the_same_cluster(tmp_path: Path, jane: Person, server: Server) -> None:
    other = tmp_path / "other cluster"
    (tmp_path / "kubeconfig").rename(other)
    cluster = ["--kubeconfig", str(other), "--context", "here"]
    options = f"-n default --kubeconfig '{other}' --context here"
    asked = jane.runs("delete", "docs", "--yes", "--no-wait", *cluster)

    name = next(iter(server.kept))
    assert f"kubectl moorcheh watch {options} {name}\n" in asked.stdout
    approved = jane.runs("approve", name, *cluster)
    assert approved.returncode == 2
    assert f"give --yes; to only look: kubectl moorcheh describe {options} {name}\n" in approved.stderr


# As kubectl's plugin


@pytest.fixture
def path_with_plugin(tmp_path: Path, world: World) -> str:
    """A PATH on which kubectl and the two programs of the plugin are."""
    for name, module in (("kubectl-moorcheh", "cli"), ("kubectl_complete-moorcheh", "completion")):
        program = tmp_path / name
        program.write_text(f"#!{sys.executable}\nfrom moorcheh_kubectl.{module} import main\nmain()\n")
        program.chmod(0o755)
    return os.pathsep.join([str(tmp_path), str(world.plane.assets.kubectl.parent), os.environ["PATH"]])


def test_kubectl_runs_it_and_hands_its_exit_code_on(world: World, path_with_plugin: str) -> None:
    env = {**environment(world.plane.assets, world.plane.kubeconfig), "PATH": path_with_plugin}

    assert "kubectl moorcheh" in ran(["kubectl", "moorcheh", "--help"], env).stdout
    listed = ran(["kubectl", "moorcheh", "list", "-n", world.namespace], env)
    assert (listed.returncode, "No requests found" in listed.stderr or "NAME" in listed.stdout) == (0, True)
    assert ran(["kubectl", "moorcheh", "delete", "a/b"], env).returncode == 2


def test_kubectl_completes_commands_options_and_names_of_requests(
    world: World, path_with_plugin: str
) -> None:
    env = {**environment(world.plane.assets, world.plane.kubeconfig), "PATH": path_with_plugin}
    asked = world.ask("Docs_completed", suspend=True)
    asked.reaches("Suspended")

    def completes(*words: str) -> list[str]:
        answer = ran(["kubectl", "__complete", "moorcheh", *words], env).stdout.splitlines()
        return [line.partition("\t")[0] for line in answer if not line.startswith(":")]

    assert {"approve", "delete", "describe", "list", "retry", "watch"} <= set(completes(""))
    assert "--created-before" in completes("delete", "--cr")
    assert until(lambda: completes("-n", world.namespace, "approve", "docs-") == [asked.name])
    assert completes("-n", world.namespace, "retry", "docs-completed") == []
    assert completes("--context", "") == ["local"]


def test_a_shell_completes_the_program_itself(world: World) -> None:
    env = {
        **environment(world.plane.assets, world.plane.kubeconfig),
        "_KUBECTL_MOORCHEH_COMPLETE": "bash_source",
    }
    ended = ran([sys.executable, "-m", "moorcheh_kubectl"], env)

    assert "complete -o nosort -F _kubectl_moorcheh_completion kubectl-moorcheh" in ended.stdout
