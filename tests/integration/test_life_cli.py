"""`moorcheh-operator` where it can't start: one clear line, and an exit code that is not 0.

Starts the command itself; for the missing CRD a control plane of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dev.controlplane import ControlPlane
from dev.processes import free_port

CRD = Path(__file__).parents[2] / "crds" / "namespacedeletions.yaml"
OURS = ("MOORCHEH_", "KUBERNETES_", "WATCH_", "HTTP_", "LEADER_", "LOG_", "KUBECONFIG")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return subprocess.run(
        [sys.executable, "-m", "moorcheh_operator", *arguments],
        env={**inherited, "HTTP_ADDRESS": "127.0.0.1:0", "LEADER_ELECTION": "off", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def unreachable(folder: Path) -> Path:
    """A kubeconfig for a cluster where nobody listens."""
    path = folder / "kubeconfig"
    server = f"https://127.0.0.1:{free_port()}"
    named = {"name": "nowhere"}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [named | {"cluster": {"server": server, "insecure-skip-tls-verify": True}}],
                "users": [named | {"user": {"token": "none"}}],
                "contexts": [named | {"context": {"cluster": "nowhere", "user": "nowhere"}}],
                "current-context": "nowhere",
            }
        )
    )
    return path


def complaint(ran: subprocess.CompletedProcess[str]) -> str:
    """The one line that says why; no traceback beside it, no log."""
    lines = [line for line in ran.stderr.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert ran.returncode != 0, ran.stderr
    assert len(lines) == 1, ran.stderr
    assert lines[0].startswith("Error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("MOORCHEH_BASE_URL", "moorcheh:8080", "--moorcheh-base-url"),
        ("MOORCHEH_BASE_URL", "ftp://moorcheh", "--moorcheh-base-url"),
        ("MOORCHEH_BASE_URL", "http://user:secret@moorcheh", "--moorcheh-base-url"),
        ("MOORCHEH_TIMEOUT_SECONDS", "0", "--moorcheh-timeout-seconds"),
        ("MOORCHEH_TIMEOUT_SECONDS", "soon", "--moorcheh-timeout-seconds"),
        ("MOORCHEH_MAX_RUNNING_JOBS", "-1", "--moorcheh-max-running-jobs"),
        ("WATCH_NAMESPACES", "Not_A_Namespace", "--watch-namespaces"),
        ("LEADER_ELECTION", "perhaps", "--leader-election"),
        ("HTTP_ADDRESS", "nowhere", "--http-address"),
        ("LOG_FORMAT", "xml", "--log-format"),
    ],
)
def test_a_wrong_option_is_named_in_one_line(option: str, value: str, named: str) -> None:
    ran = run("run", **{"MOORCHEH_BASE_URL": "http://moorcheh.example", option: value})

    assert named in complaint(ran)
    assert "secret" not in ran.stderr


def test_an_option_that_is_missing_is_named_in_one_line() -> None:
    assert "--moorcheh-base-url" in complaint(run("run"))


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    environment = {"MOORCHEH_BASE_URL": "http://moorcheh.example", "KUBECONFIG": str(unreachable(tmp_path))}

    assert "can't be reached" in complaint(run("run", **environment))


def test_a_kubeconfig_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    environment = {"MOORCHEH_BASE_URL": "http://moorcheh.example", "KUBECONFIG": str(tmp_path / "none")}

    assert "KUBECONFIG" in complaint(run("run", **environment))


def test_a_cluster_without_the_crd_or_the_rights_is_one_line_with_what_to_do() -> None:
    with ControlPlane() as plane:
        environment = {"MOORCHEH_BASE_URL": "http://moorcheh.example"}

        as_admin = run("run", **environment, KUBECONFIG=str(plane.kubeconfig))
        as_operator = run("run", **environment, KUBECONFIG=str(plane.kubeconfig_for("operator")))

    assert "install the CRD namespacedeletions.moorcheh.ai" in complaint(as_admin)
    assert "it needs the ClusterRole" in complaint(as_operator)


def test_a_crd_that_drops_unknown_fields_is_one_line_with_what_to_do() -> None:
    """One from before there was the rule: a misspelled request would run (rule 16)."""
    crd = yaml.safe_load(CRD.read_text())
    (version,) = crd["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"]
    with ControlPlane() as plane:
        plane.kubectl("apply", "--filename", "-", input=json.dumps(crd))
        plane.kubectl("wait", "--for=condition=Established", "crd/namespacedeletions.moorcheh.ai")

        ran = run("run", MOORCHEH_BASE_URL="http://moorcheh.example", KUBECONFIG=str(plane.kubeconfig))

    assert "is older than this operator" in complaint(ran)
    assert "kubectl apply -k crds" in complaint(ran)


def test_an_address_that_is_taken_is_one_line(installed: ControlPlane) -> None:
    taken = installed.url.removeprefix("https://")
    ran = run(
        "run",
        MOORCHEH_BASE_URL="http://moorcheh.example",
        KUBECONFIG=str(installed.kubeconfig_for("operator")),
        HTTP_ADDRESS=taken,
    )

    assert taken in complaint(ran)


def test_help_names_every_option_with_its_environment_variable() -> None:
    ran = run("run", "--help")

    assert ran.returncode == 0
    for variable in ("MOORCHEH_BASE_URL", "MOORCHEH_VERIFY_SECONDS", "WATCH_NAMESPACES", "LEADER_ELECTION"):
        assert variable in ran.stdout
