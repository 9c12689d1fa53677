from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev.controlplane import ControllerManager, ControlPlane, KubectlError, StartError
from dev.processes import alive
from tests.dev.waiting import until

ROOT = Path(__file__).parents[2]


def test_kubectl_talks_to_it_as_the_admin(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "configmap", "one", "--from-literal=a=b")

    assert control_plane.kubectl("get", "configmap", "one", "-o", "jsonpath={.data.a}") == "b"
    control_plane.kubectl(
        "delete", "-f", "-", input="{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}"
    )


def test_a_failing_kubectl_says_why(control_plane: ControlPlane) -> None:
    with pytest.raises(KubectlError, match=r'(?s)get configmap nothing.*configmaps "nothing" not found'):
        control_plane.kubectl("get", "configmap", "nothing")


def test_the_operator_has_its_own_identity_without_rights(control_plane: ControlPlane) -> None:
    """What the manifests grant is what it may do; nothing comes from the test's set-up."""
    who = control_plane.kubectl(
        "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", user="operator"
    )

    assert who == "system:serviceaccount:moorcheh-system:moorcheh-operator"
    with pytest.raises(KubectlError, match="Forbidden"):
        control_plane.kubectl("get", "secrets", user="operator")


def test_requests_are_counted_by_label(control_plane: ControlPlane) -> None:
    def gets() -> int:
        return control_plane.requests(verb="GET", resource="namespaces", code="200")

    before = gets()
    control_plane.kubectl("get", "--raw", "/api/v1/namespaces/default")

    assert before + 1 == gets()
    assert control_plane.requests(verb="NONSENSE") == 0


def test_no_one_else_is_let_in(control_plane: ControlPlane) -> None:
    assert control_plane.kubeconfig.stat().st_mode & 0o077 == 0
    assert (control_plane.data / "tokens.csv").stat().st_mode & 0o077 == 0


def test_the_api_server_restarts_on_the_same_address() -> None:
    """With its data and its certificate, so that clients find it again; and leaving ends everything."""
    with ControlPlane(users={"jane": ["system:authenticated", "devs"]}) as plane:
        plane.kubectl("create", "namespace", "kept")
        certificate = plane.ca_file.read_bytes()

        for end in (plane.stop_apiserver, plane.kill_apiserver):
            end()
            with pytest.raises(KubectlError, match="refused"):
                plane.kubectl("get", "namespace", "kept")
            plane.start_apiserver()

            assert "kept" in plane.kubectl("get", "namespaces")
        assert certificate == plane.ca_file.read_bytes()
        assert "devs" in plane.kubectl("auth", "whoami", user="jane")

    assert not alive(plane.apiserver.pid)
    assert not alive(plane.etcd.pid)
    assert not plane.data.exists()


def test_a_failed_start_shows_the_log(control_plane: ControlPlane) -> None:
    with (
        pytest.raises(StartError, match=r"(?s)kube-apiserver ended \(exit 1\).*unknown flag: --nonsense"),
        ControlPlane(assets=control_plane.assets, apiserver_flags=["--nonsense"]) as _,
    ):
        pass


def test_controllers_work_when_they_are_entered_and_end_before_the_plane(
    control_plane: ControlPlane, controller_manager: Path
) -> None:
    """What they are told to leave undone stays undone: no Pod is collected, no namespace gets an account."""
    with ControlPlane(assets=control_plane.assets) as plane:
        with ControllerManager(plane, controller_manager) as controllers:
            plane.kubectl("create", "namespace", "short")
            plane.kubectl("delete", "namespace", "short", "--timeout=120s")
            accounts = plane.kubectl("get", "serviceaccounts", "-n", "default", "-o", "name")

        assert not alive(controllers.process.pid)
        assert accounts == ""
        assert plane.denials() == 0
        assert "default" in plane.kubectl("get", "namespaces")


def test_controllers_that_fail_to_start_show_their_log(control_plane: ControlPlane) -> None:
    with (
        pytest.raises(StartError, match=r"(?s)kubectl ended \(exit 1\).*unknown flag: --use-service-acc"),
        ControllerManager(control_plane, control_plane.assets.kubectl),
    ):
        pass


def test_a_killed_test_run_leaves_no_control_plane(control_plane: ControlPlane) -> None:
    program = """
import threading
from dev.controlplane import ControlPlane
with ControlPlane() as plane:
    print(plane.apiserver.pid, plane.etcd.pid, plane.data, flush=True)
    threading.Event().wait()
"""
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(control_plane.assets.folder)}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        apiserver, etcd, data = run.stdout.readline().split()

        run.kill()

    assert until(lambda: not alive(int(apiserver)) and not alive(int(etcd)))
    assert until(lambda: not Path(data).exists())


@pytest.mark.parametrize(
    ("options", "also"),
    [
        pytest.param([], "", id="alone"),
        pytest.param(
            ["--controllers"],
            "kubectl create namespace brief\nkubectl delete namespace brief --timeout=120s",
            id="with-controllers",
        ),
    ],
)
def test_up_prints_what_to_paste_and_runs_until_ctrl_c(
    control_plane: ControlPlane, request: pytest.FixtureRequest, options: list[str], also: str
) -> None:
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(control_plane.assets.folder)}
    if options:
        request.getfixturevalue("controller_manager")
    with subprocess.Popen(
        [sys.executable, "-m", "dev.controlplane", "up", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as up:
        assert up.stdout is not None
        lines = [up.stdout.readline() for _ in range(2)]
        pasted = subprocess.run(
            ["bash", "-O", "expand_aliases"],
            input="".join(
                [
                    *lines,
                    f"set -e\n{also}\n",
                    "kubectl get namespaces -o name\nkubectl config view -o jsonpath={..server}",
                ]
            ),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "namespace/default" in pasted.stdout

        os.killpg(up.pid, signal.SIGINT)

        assert up.wait(20) == 0
    port = int(pasted.stdout.rpartition(":")[2])
    with socket.socket() as knocking:
        assert knocking.connect_ex(("127.0.0.1", port)) != 0


def test_every_command_explains_itself() -> None:
    for arguments in ([], ["assets"], ["up"]):
        told = subprocess.run(
            [sys.executable, "-m", "dev.controlplane", *arguments, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Usage:" in told.stdout
