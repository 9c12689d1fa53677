"""Everything that the demo starts: a control plane, the Moorcheh stand-in, the operator."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.controlplane import ControlPlane, prepare
from dev.controlplane.errors import KubectlError
from dev.demo.errors import DemoError
from dev.demo.following import Watch
from dev.demo.scenarios import EXAMPLES, NAMESPACES, ROOT, Evidence, Namespace
from dev.demo.tour import FRESH, ROLES, TEAM
from dev.moorcheh.standin import StandIn
from dev.operator_process import OperatorProcess
from dev.processes import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.demo.screen import Screen

CRD = "crd/namespacedeletions.moorcheh.ai"
SYSTEM = "moorcheh-system"
RIGHTS = ("service-account.yaml", "roles.yaml")
"""Of manifests/base; without a kubelet the Deployment there would run nothing."""

# Said here, so that nothing of the caller's environment changes the demo.
OPTIONS = {
    "MOORCHEH_TIMEOUT_SECONDS": "5",
    "MOORCHEH_VERIFY_SECONDS": "60",
    "MOORCHEH_MAX_RUNNING_JOBS": "10",
    "WATCH_NAMESPACES": "",
    "LOG_FORMAT": "text",
}
DAY = 86_400
YEAR = 365 * DAY
KNOWN_SECONDS = 30.0
EVERYBODY = ("system:authenticated",)
STOPPING = "Stopping everything that was started."


@dataclass(frozen=True)
class Stage:
    plane: ControlPlane
    moorcheh: StandIn
    operator: OperatorProcess
    watch: Watch
    undated: bool = False

    def check(self) -> None:
        """DemoError if something that must run has ended by itself."""
        parts = {
            "etcd": self.plane.etcd,
            "kube-apiserver": self.plane.apiserver,
            "the Moorcheh stand-in": self.moorcheh.process,
            "the operator": self.operator.process,
        }
        for name, process in parts.items():
            if not process.running:
                msg = f"{name} ended (exit {process.returncode}). Its last lines:\n{process.tail(15)}"
                raise DemoError(msg)

    def restart_operator(self) -> None:
        self.operator.stop()
        _started(self.operator)

    def evidence(self) -> Evidence:
        sent = Counter(delete["name"] for delete in self.moorcheh.record()["deletes"])
        return Evidence(sent, {name: one["items"] for name, one in self.moorcheh.namespaces().items()})


@contextmanager
def staged(screen: Screen, *, undated: bool = False) -> Iterator[Stage]:
    """All of it, up and ready. Whatever happens, it ends with the `with`. `undated`: Moorcheh shows no
    creation times.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder("moorcheh-demo-"))
            plane = _control_plane(stack, screen)
            moorcheh = _moorcheh(stack, screen, folder, undated=undated)
            screen.part("The operator: a process of its own, with the rights it has in a cluster and no more")
            _install(screen, plane)
            watch = stack.enter_context(Watch(plane, folder / "watch.jsonl"))
            operator = _operator(stack, screen, plane, moorcheh, folder)
            yield Stage(plane, moorcheh, operator, watch, undated)
        except KeyboardInterrupt:
            screen.interrupted(STOPPING)
            raise


def _control_plane(stack: ExitStack, screen: Screen) -> ControlPlane:
    screen.part("Kubernetes: a real API server with its etcd")
    assets = prepare()
    begun = time.monotonic()
    plane = stack.enter_context(ControlPlane(assets=assets, users=dict.fromkeys(ROLES, EVERYBODY)))
    screen.say(f"kube-apiserver {assets.version} from {assets.origin}")
    screen.say(f"up at {plane.url} after {time.monotonic() - begun:.1f} s")
    return plane


def _moorcheh(stack: ExitStack, screen: Screen, folder: Path, *, undated: bool) -> StandIn:
    screen.part("A stand-in for the Moorcheh server, with its HTTP API, and these namespaces")
    try:
        times = "none" if undated else "created_at"
        moorcheh = stack.enter_context(StandIn(folder / "moorcheh", created_field=times))
    except RuntimeError as error:
        raise DemoError(str(error)) from error
    for namespace in NAMESPACES:
        _make(moorcheh, namespace, age=DAY)
        screen.say(f"{namespace.name:<20} {namespace.items:>6,} items")
    if undated:
        screen.say("Its listing shows no creation times.")
    return moorcheh


def _make(moorcheh: StandIn, namespace: Namespace, *, age: int) -> None:
    moorcheh.recreate(namespace.name, items=namespace.items, seconds=namespace.seconds, age=age)
    if namespace.fails_at is not None:
        moorcheh.fault("run", namespace.name, kind="fail", fraction=namespace.fails_at)


def prepare_tour(stage: Stage) -> None:
    """Fresh targets, and a Kubernetes namespace with those who may ask for deletions, only look, or write
    policies.
    """
    for namespace in FRESH:
        _make(stage.moorcheh, namespace, age=10 * YEAR)
    stage.plane.kubectl("create", "namespace", TEAM)
    for user, roles in ROLES.items():
        kubeconfig = f"--kubeconfig={stage.plane.kubeconfig_for(user)}"
        for role in roles:
            stage.plane.kubectl(
                "create", "rolebinding", role, f"--clusterrole={role}", f"--user={user}", "-n", TEAM
            )
        stage.plane.kubectl("config", "set-context", "--current", f"--namespace={TEAM}", kubeconfig)


def _install(screen: Screen, plane: ControlPlane) -> None:
    screen.command("kubectl", "apply", "-k", "crds")
    plane.kubectl("apply", "-k", ROOT / "crds")
    plane.kubectl("wait", "--for=condition=Established", CRD, "--timeout=30s")
    screen.command("kubectl", "create", "namespace", SYSTEM)
    plane.kubectl("create", "namespace", SYSTEM)
    files = [word for name in RIGHTS for word in ("-f", f"manifests/base/{name}")]
    screen.command("kubectl", "apply", *files)
    plane.kubectl("apply", *(word if word == "-f" else str(ROOT / word) for word in files))
    _until_requests_can_be_made(plane)


def _until_requests_can_be_made(plane: ControlPlane) -> None:
    """A CRD is Established some moments before each part of the API server, admission too, knows the kind."""
    until = time.monotonic() + KNOWN_SECONDS
    while True:
        try:
            plane.kubectl("create", "--dry-run=server", "-f", ROOT / EXAMPLES[0].manifest)
        except KubectlError as error:
            if time.monotonic() > until:
                raise DemoError(str(error)) from error
            time.sleep(0.1)
        else:
            return


def _operator(
    stack: ExitStack, screen: Screen, plane: ControlPlane, moorcheh: StandIn, folder: Path
) -> OperatorProcess:
    screen.command("moorcheh-operator", "run", "--moorcheh-base-url", moorcheh.url)
    begun = time.monotonic()
    operator = OperatorProcess(
        kubeconfig=plane.kubeconfig_for("operator"),
        moorcheh_url=moorcheh.url,
        output=folder / "operator.log",
        **OPTIONS,
    )
    stack.push(operator)
    _started(operator)
    screen.say(f"ready after {time.monotonic() - begun:.1f} s")
    return operator


def _started(operator: OperatorProcess) -> None:
    try:
        operator.start()
    except RuntimeError as error:
        raise DemoError(str(error)) from error
