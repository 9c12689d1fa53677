"""Which cluster, namespace and caller: always kubectl's own choice, on two real API servers."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import stat
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from dev.controlplane import ControlPlane
from moorcheh_kubectl.cli import KUBECTL_FLAGS
from moorcheh_kubectl.kubectl import Kubectl, pod_namespace
from tests.dev.waiting import until
from tests.integration.conftest import install
from tests.kubectl.conftest import environment
from tests.kubectl.terminal import PLUGIN, Terminal, ran

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYBODY = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everybody}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: "system:authenticated", apiGroup: rbac.authorization.k8s.io}]
"""


@dataclass(frozen=True)
class Clusters:
    near: ControlPlane
    far: ControlPlane


@pytest.fixture(scope="module")
def clusters() -> Iterator[Clusters]:
    """In both there are team-a and team-b, and everybody may do everything: who it was is what is asked."""
    with ExitStack() as stack:
        planes = [
            stack.enter_context(ControlPlane(users={"jane": ["system:authenticated"]})) for _ in range(2)
        ]
        for plane in planes:
            install(plane)
            plane.kubectl("apply", "-f", "-", input=EVERYBODY)
            for name in ("team-a", "team-b"):
                plane.kubectl("create", "namespace", name)
        yield Clusters(*planes)


# As kubectl


@dataclass
class Place:
    """Somewhere to work: a home, a working folder, kubeconfig files. `secret` must never be shown."""

    clusters: Clusters
    folder: Path
    env: dict[str, str]
    secret: str

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def cluster(self, plane: ControlPlane, **other: object) -> dict[str, Any]:
        ca = base64.b64encode(plane.ca_file.read_bytes()).decode()
        return {"server": plane.url, "certificate-authority-data": ca, **other}

    def config(
        self,
        name: str,
        *,
        prefix: str = "",
        current: str | None = "near",
        namespace: str = "",
        cluster: dict[str, object] | None = None,
        user: dict[str, object] | None = None,
    ) -> str:
        """A file with the contexts near and far, which mean jane."""
        planes = {"near": self.clusters.near, "far": self.clusters.far}
        names = {each: prefix + each for each in planes}
        contexts = [
            {
                "name": called,
                "context": {"cluster": called, "user": called}
                | ({"namespace": namespace} if namespace else {}),
            }
            for called in names.values()
        ]
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": names[each], "cluster": self.cluster(plane, **(cluster or {}))}
                for each, plane in planes.items()
            ],
            "users": [
                {"name": names[each], "user": {"token": plane.token("jane")} if user is None else user}
                for each, plane in planes.items()
            ],
            "contexts": contexts,
            **({"current-context": prefix + current} if current else {}),
        }
        return self.file(name, json.dumps(body))

    def kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return ran(["kubectl", *arguments], self.env)

    def plugin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return ran([*PLUGIN, *arguments], self.env)

    def requests(self) -> list[tuple[str, str, str]]:
        """Cluster, namespace and who asked, of all there are; and they are gone then."""
        found = []
        for name, plane in (("near", self.clusters.near), ("far", self.clusters.far)):
            listed = json.loads(plane.kubectl("get", "nsdel", "-A", "-o", "json"))["items"]
            for each in (item["metadata"] for item in listed):
                found.append((name, each["namespace"], each["annotations"]["moorcheh.ai/requested-by"]))
                plane.kubectl("delete", "nsdel", "-n", each["namespace"], each["name"], "--wait=false")
        return found


@pytest.fixture
def place(clusters: Clusters, tmp_path: Path) -> Place:
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    env = environment(clusters.near.assets, tmp_path / "kubeconfig")
    env |= {"HOME": str(home), "KUBECACHEDIR": str(tmp_path / "cache")}
    return Place(clusters, tmp_path, env, clusters.near.token("jane"))


@dataclass(frozen=True)
class Case:
    """`expected`: cluster, namespace and user, or None where kubectl can't either."""

    setup: Any
    flags: tuple[str, ...] = ()
    expected: tuple[str, str, str] | None = ("near", "default", "jane")
    environment: dict[str, str] = field(default_factory=dict)


def lists(*files: Any) -> Any:
    """KUBECONFIG as a list of files."""

    def setup(place: Place) -> None:
        place.env["KUBECONFIG"] = os.pathsep.join(file(place) for file in files)

    return setup


def one(**options: Any) -> Any:
    return lists(lambda place: place.config("kubeconfig", **options))


def at_home(place: Place) -> None:
    place.config("home/.kube/config", current="far")
    place.env["KUBECONFIG"] = ""


def relative(place: Place) -> None:
    """Paths in a kubeconfig are relative to its folder."""
    (place.folder / "deep").mkdir()
    (place.folder / "deep" / "ca.crt").write_bytes(place.clusters.near.ca_file.read_bytes())
    place.file("deep/token", f"{place.secret}\n")
    config = json.loads(Path(place.config("deep/config", user={"tokenFile": "token"})).read_text())
    for each in config["clusters"]:
        del each["cluster"]["certificate-authority-data"]
        each["cluster"]["certificate-authority"] = "ca.crt"
    place.env["KUBECONFIG"] = place.file("deep/config", json.dumps(config))


def token_file(place: Place) -> None:
    place.file("token", f"{place.secret}\n")
    one(user={"tokenFile": str(place.folder / "token")})(place)


def inline_newline(place: Place) -> None:
    one(user={"token": f"{place.secret}\n"})(place)


def credential_plugin(script: str) -> Any:
    def setup(place: Place) -> None:
        program = Path(place.file("plugin", f"#!/bin/sh\n{script.replace('TOKEN', place.secret)}\n"))
        program.chmod(0o755)
        command = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "IfAvailable",
        }
        one(user={"exec": command})(place)

    return setup


def given_token(place: Place) -> None:
    """The file's identity is nobody's."""
    one(user={"token": "stale"})(place)
    place.env["TOKEN"] = place.secret


def garbage(text: str) -> Any:
    return lists(lambda place: place.file("garbage", text.replace("TOKEN", place.secret)))


GIVES_TOKEN = (
    """echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", """
    """"status": {"token": "TOKEN"}}'"""
)
CASES = {
    "one file": Case(one()),
    "the context's namespace": Case(one(namespace="team-a"), expected=("near", "team-a", "jane")),
    "a namespace that is given": Case(one(namespace="team-a"), ("-n", "team-b"), ("near", "team-b", "jane")),
    "-n=": Case(one(), ("-n=team-b",), ("near", "team-b", "jane")),
    "an empty namespace": Case(one(namespace="team-a"), ("-n", ""), ("near", "team-a", "jane")),
    "--context": Case(one(), ("--context", "far"), ("far", "default", "jane")),
    "--context without a current one": Case(
        one(current=None, namespace="team-a"), ("--context=far",), ("far", "team-a", "jane")
    ),
    "two files, the current context in both": Case(
        lists(
            lambda place: place.config("a", current="near", namespace="team-a"),
            lambda place: place.config("b", current="far", namespace="team-b"),
        ),
        expected=("near", "team-a", "jane"),
    ),
    "two files, the current context in the second": Case(
        lists(
            lambda place: place.config("a", prefix="a-", current=None),
            lambda place: place.config("b", current="far", namespace="team-b"),
        ),
        expected=("far", "team-b", "jane"),
    ),
    "two files, the first one's current context in the second": Case(
        lists(
            lambda place: place.file("a", '{"apiVersion": "v1", "kind": "Config", "current-context": "far"}'),
            lambda place: place.config("b", current="near"),
        ),
        expected=("far", "default", "jane"),
    ),
    "an empty and a missing file in the list": Case(
        lists(
            lambda place: place.file("empty", ""),
            lambda place: str(place.folder / "missing"),
            lambda place: place.config("b", current="far"),
        ),
        expected=("far", "default", "jane"),
    ),
    "an empty entry in the list": Case(
        lists(lambda _: "", lambda place: place.config("b", current="far")),
        expected=("far", "default", "jane"),
    ),
    "an empty KUBECONFIG": Case(at_home, expected=("far", "default", "jane")),
    "--kubeconfig beside KUBECONFIG": Case(
        lambda place: (one(current="far")(place), place.config("b", current="near")),
        ("--kubeconfig", "B"),
    ),
    "users[].user.as": Case(
        lambda place: one(user={"token": place.clusters.near.admin_token, "as": "bob"})(place),
        expected=("near", "default", "bob"),
    ),
    "--as": Case(one(), ("--as", "bob", "--as-group=a", "--as-group=b"), ("near", "default", "bob")),
    "--user and --cluster": Case(
        one(), ("--user", "far", "--cluster=far", "-n", "team-b"), ("far", "team-b", "jane")
    ),
    "the user of another cluster": Case(one(), ("--user", "far"), None),
    "--token": Case(given_token, ("--token", "TOKEN")),
    "--server": Case(
        one(), ("-s", "FAR", "--insecure-skip-tls-verify=true", "--user=far"), ("far", "default", "jane")
    ),
    "a wrong --tls-server-name": Case(one(), ("--tls-server-name=elsewhere.example",), None),
    "a right tls-server-name": Case(one(cluster={"tls-server-name": "kubernetes.default.svc"})),
    "a dead proxy-url": Case(one(cluster={"proxy-url": "http://me:TOKEN@127.0.0.1:1"}), expected=None),
    "a bad proxy-url": Case(one(cluster={"proxy-url": "http://me:TOKEN@127 .0.0.1:1"}), expected=None),
    "relative paths": Case(relative),
    "a token file with a newline": Case(token_file),
    "a token with a newline": Case(inline_newline, expected=None),
    "a credential plugin": Case(credential_plugin(GIVES_TOKEN)),
    "a credential plugin that fails": Case(
        credential_plugin("echo 'TOKEN expired' >&2; exit 1"), expected=None
    ),
    "a credential plugin that talks": Case(credential_plugin("echo TOKEN"), expected=None),
    "a credential plugin that is missing": Case(
        one(
            user={
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "no-such-program",
                    "interactiveMode": "Never",
                }
            }
        ),
        expected=None,
    ),
    "an unknown token": Case(one(user={"token": "someone"}), expected=None),
    "an unknown context": Case(one(), ("--context", "nowhere"), None),
    "a dangling current context": Case(one(current="nowhere"), expected=None),
    "a missing --kubeconfig": Case(one(), ("--kubeconfig", "/no/such/file"), None),
    "no kubeconfig at all": Case(lists(lambda place: str(place.folder / "missing")), expected=None),
    "garbage: a token": Case(garbage("TOKEN"), expected=None),
    "garbage: YAML that breaks off": Case(garbage("users:\n- user: {token: TOKEN\n"), expected=None),
    "garbage: JSON that breaks off": Case(garbage('{"users": [{"user": {"token": "TOKEN"'), expected=None),
    "garbage: a list": Case(garbage("- TOKEN\n"), expected=None),
    "garbage: a wrong type": Case(garbage("users: TOKEN\n"), expected=None),
    "garbage: no Config": Case(garbage("apiVersion: v1\nkind: TOKEN\n"), expected=None),
    "garbage: bytes": Case(garbage("\x00\x01TOKEN"), expected=None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_cluster_namespace_and_caller_are_kubectls_own(place: Place, case: Case) -> None:
    case.setup(place)
    named = {"TOKEN": place.secret, "FAR": place.clusters.far.url, "B": str(place.folder / "b")}
    flags = [named.get(flag, flag) for flag in case.flags]
    for name in ("kubeconfig", "a", "b"):
        if (file := place.folder / name).exists():
            file.write_text(file.read_text().replace("TOKEN", place.secret))

    probe = place.kubectl("create", "configmap", "probe", "--dry-run=server", "-o", "json", *flags)
    asked = place.plugin("delete", "docs", "--yes", "--no-wait", *flags)
    told = asked.stdout + asked.stderr

    assert place.secret not in told
    if case.expected is None:
        assert probe.returncode != 0
        assert (asked.returncode, place.requests()) == (1, [])
        assert asked.stderr.startswith("Error: ")
        assert asked.stderr.count("\n") == 1
        return
    who = json.loads(place.kubectl("auth", "whoami", "-o", "json", *flags).stdout)["status"]["userInfo"]
    namespace = json.loads(probe.stdout)["metadata"]["namespace"]
    assert (case.expected[1], case.expected[2]) == (namespace, who["username"])
    assert (asked.returncode, place.requests()) == (0, [case.expected]), told


def test_the_environments_proxy_is_used_as_kubectl_uses_it(place: Place) -> None:
    """For an address that is not this machine's own."""
    one()(place)
    away = ["-s", "https://192.0.2.1:6443", "--user=far"]
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(60)
        place.env |= {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}", "NO_PROXY": ""}
        for program in (["kubectl", "get", "--raw", "/api"], [*PLUGIN, "list"]):
            with subprocess.Popen([*program, *away], env=place.env, stderr=subprocess.PIPE):
                connection, _ = proxy.accept()
                with connection:
                    assert connection.recv(100).startswith(b"CONNECT 192.0.2.1:6443 ")
        assert place.plugin("list").returncode == 0  # this machine's own is reached without


def test_in_a_pod_the_namespace_is_its_service_accounts(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("team-a\n")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}

    assert pod_namespace(pod, tmp_path) == "team-a"
    assert pod_namespace(pod | {"POD_NAMESPACE": "team-b"}, tmp_path) == "team-b"
    assert pod_namespace({}, tmp_path) is None
    assert pod_namespace(pod, tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("given", "seconds"), [("30", 30), ("0", 0), ("1m30s", 90), ("250ms", 0.25), ("soon", None), ("", None)]
)
def test_a_request_timeout_is_read_as_kubectl_reads_it(given: str, seconds: float | None) -> None:
    assert Kubectl({"request-timeout": given}).request_seconds == seconds


def test_every_global_flag_of_kubectl_is_taken(place: Place) -> None:
    told = place.kubectl("options").stdout
    flags = set(re.findall(r"^ +(?:-\w, )?--([\w-]+)", told, re.MULTILINE))

    assert len(flags) > 20
    assert flags == {flag.opts[-1].removeprefix("--") for flag in KUBECTL_FLAGS}


# The proxy's life


def left(folder: Path) -> list[str]:
    """Files and processes of a connection; `folder` is its TMPDIR."""
    processes = subprocess.run(["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True)
    return [line for line in processes.stdout.splitlines() if f"{folder}/kubectl-moorcheh-" in line] + [
        str(path) for path in folder.iterdir()
    ]


@pytest.fixture
def folder(place: Place) -> Iterator[Path]:
    """A short name, as a socket's address must be."""
    one()(place)
    with TemporaryDirectory(dir="/tmp") as made:
        place.env["TMPDIR"] = made
        yield Path(made)


@contextmanager
def watching(place: Place, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The plugin, and its connection's socket."""
    plugin = subprocess.Popen([*PLUGIN, "watch"], env=place.env, stdout=subprocess.DEVNULL)
    try:
        assert until(lambda: any(path.is_socket() for path in folder.glob("*/api")))
        yield plugin, next(folder.glob("*/api"))
    finally:
        plugin.kill()
        plugin.wait()


@pytest.mark.parametrize("arguments", [["list"], ["describe", "nothing"], ["list", "--context", "nowhere"]])
def test_nothing_is_left_of_the_connection_when_a_command_ends(
    place: Place, folder: Path, arguments: list[str]
) -> None:
    place.plugin(*arguments)

    assert until(lambda: left(folder) == [])


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGQUIT]
)
def test_nothing_is_left_of_the_connection_however_the_plugin_ends(
    place: Place, folder: Path, number: int
) -> None:
    with watching(place, folder) as (plugin, _):
        assert len(left(folder)) >= 3  # the shell, kubectl, the folder
        plugin.send_signal(number)
        plugin.wait()

    assert until(lambda: left(folder) == [])


def test_a_ctrl_c_at_the_terminal_leaves_the_connection_for_what_must_still_be_said(
    place: Place, folder: Path
) -> None:
    with Terminal([*PLUGIN, "delete", "docs"], place.env) as terminal:
        terminal.sees("Look at what is there")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert "Nothing was deleted. The request was removed." in terminal.text

    assert place.requests() == []
    assert until(lambda: left(folder) == [])


def test_nobody_else_can_use_the_connection(place: Place, folder: Path) -> None:
    with watching(place, folder) as (_, address):
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (address.parent, address)]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(address))
            connection.sendall(b"GET /api/v1/secrets HTTP/1.1\r\nHost: localhost\r\n\r\n")
            secrets = connection.recv(100)

    assert modes == [0o700, 0o700]
    assert secrets.startswith(b"HTTP/1.1 403 Forbidden\r\n")


def test_a_watch_goes_on_after_the_api_server_was_away(place: Place) -> None:
    one(user={"token": place.clusters.near.admin_token})(place)  # needs no roles, which are read later
    with Terminal([*PLUGIN, "watch", "-n", "team-a"], place.env) as terminal:
        terminal.sees("Ctrl-C leaves.")
        place.clusters.near.kill_apiserver()
        terminal.sees("gave no answer")
        place.clusters.near.start_apiserver()
        ask = ["delete", "docs", "-n", "team-a", "--yes", "--no-wait", "-o", "json"]
        made: list[dict[str, Any]] = []

        def asked() -> bool:
            """For some seconds after its start the API server answers 503 to what its policies are asked."""
            answer = place.plugin(*ask)
            made.extend([json.loads(answer.stdout)] if answer.returncode == 0 else [])
            return bool(made)

        assert until(asked)
        terminal.sees(made[0]["metadata"]["name"])
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130

    assert place.requests() == [("near", "team-a", "admin")]


def test_a_connection_that_kubectl_ends_is_not_made_anew_to_whatever_is_current_by_then(
    place: Place, folder: Path
) -> None:
    with Terminal([*PLUGIN, "watch"], place.env) as terminal:
        terminal.sees("Ctrl-C leaves.")
        one(current="far")(place)
        proxies = ran(["ps", "-A", "-ww", "-o", "pid,args"], place.env).stdout.splitlines()
        [proxy] = [line for line in proxies if f"{folder}/" in line and "/bin/sh" not in line]
        os.kill(int(proxy.split()[0]), signal.SIGKILL)
        assert terminal.ends() == 1
        assert "kubectl proxy has ended" in terminal.text


def test_without_kubectl_it_says_what_is_missing(place: Place) -> None:
    one()(place)
    place.env["PATH"] = "/nowhere"
    asked = place.plugin("list")

    assert (asked.returncode, asked.stderr) == (
        1,
        "Error: there is no kubectl on the PATH; the connection to the cluster is made by it\n",
    )


@pytest.mark.parametrize("bad", ["no/such/folder", "x" * 90], ids=["missing", "long"])
def test_a_folder_that_can_not_hold_the_socket_is_passed_over(place: Place, bad: str) -> None:
    one()(place)
    (place.folder / ("x" * 90)).mkdir()
    place.env["TMPDIR"] = str(place.folder / bad)

    assert place.plugin("list").returncode == 0


def test_what_a_credential_plugin_says_reaches_the_person_at_the_terminal(place: Place) -> None:
    script = f"echo 'Go to https://login.example and type 1234' >&2; read answer; {GIVES_TOKEN}"
    credential_plugin(script)(place)
    with Terminal([*PLUGIN, "list"], place.env) as terminal:
        terminal.sees("Go to https://login.example and type 1234")
        terminal.types("done\n")
        terminal.sees("No requests found")
        assert terminal.ends() == 0
