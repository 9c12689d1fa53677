"""How the operator gets to its API server: credentials that are rotated, and proxies, as kubectl."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from dev.chaos import ALWAYS, Answer, Cut, Proxy, Script, kubernetes_call
from dev.operator_process import OperatorProcess
from tests.dev.connect_proxy import ConnectProxy
from tests.dev.waiting import until
from tests.faults.world import kubeconfig_for
from tests.integration.conftest import SYSTEM
from tests.integration.test_last_words import last_words

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane import ControlPlane

NOWHERE = "http://127.0.0.1:1"
SECRET = "s3cret"


def kubeconfig(path: Path, plane: ControlPlane, user: dict[str, Any], **cluster: Any) -> Path:
    content = {
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": plane.url, "certificate-authority": str(plane.ca_file), **cluster},
            }
        ],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return path


class Issuer:
    """Real tokens of the operator's service account, that end when they are told to."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self._plane = plane
        self._name = name
        self._number = 0

    def issue(self) -> str:
        self._number += 1
        secret = f"{self._name}-{self._number}"
        self._plane.kubectl("create", "secret", "generic", secret, "-n", SYSTEM)
        bound = ("--bound-object-kind", "Secret", "--bound-object-name", secret)
        return self._plane.kubectl("create", "token", "moorcheh-operator", "-n", SYSTEM, *bound).strip()

    def revoke(self) -> None:
        """The newest one."""
        self._plane.kubectl("delete", "secret", f"{self._name}-{self._number}", "-n", SYSTEM)


@pytest.mark.parametrize("kind", ["a token file", "a credential plugin"])
def test_it_goes_on_once_its_token_was_rotated(installed: ControlPlane, tmp_path: Path, kind: str) -> None:
    """And says so when the old one is refused, and when the new one is taken."""
    issuer = Issuer(installed, "file" if "file" in kind else "plugin")
    token = tmp_path / "token"
    token.write_text(issuer.issue())
    user: dict[str, Any] = {"tokenFile": "token"}
    if "plugin" in kind:
        program = 'printf \'{"status": {"token": "%s"}}\' "$(cat "$1")"'
        arguments = ["-c", program, "plugin", str(token)]
        version = "client.authentication.k8s.io/v1"
        user = {"exec": {"apiVersion": version, "command": "sh", "args": arguments}}
    config = kubeconfig(tmp_path / "config", installed, user)
    with OperatorProcess(
        kubeconfig=config, moorcheh_url=NOWHERE, output=tmp_path / "log", WATCH_NAMESPACES="default"
    ) as operator:
        issuer.revoke()
        assert until(lambda: "does not take" in operator.output.read_text())
        token.write_text(issuer.issue())
        assert until(lambda: "again" in operator.output.read_text().splitlines()[-1])
        log = operator.output.read_text()

    assert str(token if "file" in kind else "the credential plugin sh") in log
    assert "Traceback" not in log


KINDS = {
    "all but the watch that is open": lambda _: True,
    "writes": lambda call: call.meaning.verb in ("create", "update", "patch"),
    "the Lease": lambda call: call.meaning.resource == "leases",
    "the watch": lambda call: call.meaning.verb == "watch",
}


@pytest.mark.slow
def test_where_its_credentials_are_refused_for_good_it_ends_within_a_minute_and_says_of_what(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """Whatever is refused, and whatever goes on: all at once here, as each takes that minute."""
    with ExitStack() as stack:
        running = {}
        for number, (kind, refused) in enumerate(KINDS.items()):
            script = Script()
            proxy = stack.enter_context(
                Proxy(script, installed.url, reads=kubernetes_call, ca_file=installed.ca_file)
            )
            config = tmp_path / f"{number}.config"
            config.write_text(kubeconfig_for(proxy.url, installed.token("operator")))
            options = {"LEADER_ELECTION": "on", "LEASE_NAMESPACE": SYSTEM} if kind == "the Lease" else {}
            options["WATCH_NAMESPACES"] = f"refused-{number}"  # or one writes what another can't
            installed.kubectl("create", "namespace", f"refused-{number}")
            operator = OperatorProcess(
                kubeconfig=config, moorcheh_url=NOWHERE, output=tmp_path / f"{number}.log", **options
            )
            stack.enter_context(operator)
            assert until(lambda proxy=proxy: proxy.watches > 0)  # type: ignore[misc]
            running[kind] = operator, script, proxy, refused
        for kind, (_, script, proxy, refused) in running.items():
            script.on(Answer(401), count=ALWAYS, when=refused)
            if kind == "the watch":
                proxy.disturb(Cut())
        for number in range(len(KINDS)):
            unheard = json.dumps(request("unheard", f"refused-{number}"))
            installed.kubectl("apply", "-f", "-", input=unheard)
        words = {kind: last_words(operator) for kind, (operator, *_) in running.items()}
        urls = {kind: proxy.url for kind, (_, _, proxy, _) in running.items()}

    for kind, line in words.items():
        told = (urls[kind], 'the user "operator"', "HTTP 401", "start the operator again")
        assert [one for one in told if one not in line] == [], kind


def test_a_refusal_of_some_seconds_is_borne(installed: ControlPlane, tmp_path: Path) -> None:
    script = Script()
    with Proxy(script, installed.url, reads=kubernetes_call, ca_file=installed.ca_file) as proxy:
        config = tmp_path / "config"
        config.write_text(kubeconfig_for(proxy.url, installed.token("operator")))
        with OperatorProcess(kubeconfig=config, moorcheh_url=NOWHERE, output=tmp_path / "log") as operator:
            assert until(lambda: proxy.watches > 0)
            rule = script.on(Answer(401), count=ALWAYS)
            proxy.disturb(Cut())
            assert until(lambda: rule.used > 6)
            script.clear()
            assert until(lambda: proxy.watches > 0)
            assert until(lambda: len(told(operator)) > 1)
            said = told(operator)

    assert [("does not take" in line, "takes" in line) for line in said] == [(True, False), (False, True)]


def told(operator: OperatorProcess) -> list[str]:
    return [line for line in operator.output.read_text().splitlines() if "the API server at" in line]


def request(name: str, namespace: str = "default") -> dict[str, Any]:
    return {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"namespaceName": name, "suspend": True},
    }


AUTHORIZED = f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}"


@pytest.mark.parametrize("kind", ["HTTPS_PROXY", "proxy-url"])
def test_it_goes_through_the_proxy_that_kubectl_would_take_and_moorcheh_is_asked_directly(
    installed: ControlPlane, tmp_path: Path, kind: str
) -> None:
    """With a name that only the proxy knows; the password is shown nowhere."""
    port = urlsplit(installed.url).port
    server = f"https://api.example:{port}"
    with ConnectProxy("127.0.0.1", port or 0, password=AUTHORIZED) as proxy:
        url = f"http://me:{SECRET}@{proxy.address}"
        cluster = {"server": server, "tls-server-name": "127.0.0.1"}
        cluster |= {"proxy-url": url} if kind == "proxy-url" else {}
        environment = {"HTTPS_PROXY": url if kind == "HTTPS_PROXY" else f"http://{proxy.address}"}
        config = kubeconfig(tmp_path / "config", installed, {"token": installed.token("operator")}, **cluster)
        with OperatorProcess(
            kubeconfig=config,
            moorcheh_url="http://moorcheh.example",
            output=tmp_path / "log",
            HTTP_PROXY=url,
            **environment,
        ) as operator:
            assert until(lambda: "the watch" not in operator.output.read_text() and len(proxy.asked) > 1)
            installed.kubectl("apply", "-f", "-", input=json.dumps(request("through-a-proxy")))
            assert until(lambda: "moorcheh.example can't be reached" in operator.output.read_text())
            log = operator.output.read_text()

    assert {each.line for each in proxy.asked} == {f"CONNECT api.example:{port}"}
    assert {each.authorization for each in proxy.asked} == {AUTHORIZED}
    assert SECRET not in log


def test_a_proxy_that_refuses_is_named_without_its_password(installed: ControlPlane, tmp_path: Path) -> None:
    port = urlsplit(installed.url).port
    with ConnectProxy("127.0.0.1", port or 0, password="another") as proxy:
        config = kubeconfig(
            tmp_path / "config", installed, {"token": "t"}, server=f"https://api.example:{port}"
        )
        process = OperatorProcess(
            kubeconfig=config,
            moorcheh_url=NOWHERE,
            output=tmp_path / "log",
            HTTPS_PROXY=f"http://me:{SECRET}@{proxy.address}",
        )
        process.start(ready=False)
        words = last_words(process)

    told = ("407", f"the proxy http://{proxy.address} of HTTPS_PROXY", "api.example")
    assert [one for one in told if one not in words] == []
    assert SECRET not in process.output.read_text()
