"""What the tests on a real API server share. They start a control plane for each pytest worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from dev.controlplane import ControllerManager, ControlPlane
from dev.controlplane.controllers import LOG as CONTROLLERS_LOG
from tests.dev.waiting import until
from tests.integration.life import API, World, client_options

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dev.controlplane import Assets

ROOT = Path(__file__).parents[2]
BASE = ROOT / "manifests" / "base"
SYSTEM = "moorcheh-system"


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The worker's control plane with the CRD and the operator's own rights, as the manifests give them."""
    install(control_plane)
    return control_plane


@pytest.fixture(scope="session")
def installed_cluster(assets: Assets, controller_manager: Path) -> Iterator[ControlPlane]:
    """Another one, one a worker too, on which Kubernetes' own controllers are at work: namespaces end.

    Not the `control_plane`, where they would react to each write of each test, and be counted with it.
    """
    with ControlPlane(assets=assets) as plane:
        install(plane)  # first: what comes later the garbage collector sees within 30 s
        with ControllerManager(plane, controller_manager):
            yield plane


def api_folder(plane: ControlPlane) -> Path:
    """As docs/install.md says for this Kubernetes."""
    minor = int(plane.assets.version.split(".")[1])
    return ROOT / "crds" if minor >= 36 else ROOT / "manifests" / "kubernetes-1.31"


def install(plane: ControlPlane, *, api: Path | None = None) -> None:
    """Return once requests can be made, and the operator's service account may list and write."""
    plane.kubectl("apply", "--kustomize", str(api or api_folder(plane)))
    if SYSTEM not in plane.kubectl("get", "namespaces", "-o", "name"):
        plane.kubectl("create", "namespace", SYSTEM)
    plane.kubectl("apply", "--kustomize", str(BASE))
    operator = client_options(plane) | {"headers": {"Authorization": f"Bearer {plane.token('operator')}"}}
    with httpx.Client(**operator) as client:
        # RBAC is read from a cache that follows the writes.
        assert until(lambda: client.get(f"{API}/namespacedeletions").status_code == 200)
        none_such = f"{API}/namespaces/default/namespacedeletions/none/status"
        merge = {"Content-Type": "application/merge-patch+json"}
        assert until(lambda: client.patch(none_such, content="{}", headers=merge).status_code == 404)
    body = {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"generateName": "probe-"},
        "spec": {"namespaceName": "probe"},
    }
    with httpx.Client(**client_options(plane)) as admin:
        path = f"{API}/namespaces/default/namespacedeletions"
        assert until(lambda: admin.post(path, params={"dryRun": "All"}, json=body).is_success)


def _worlds(item: pytest.Item) -> list[World]:
    fixtures = getattr(item, "funcargs", {}).values()
    return [fixture for fixture in fixtures if isinstance(fixture, World)]


def _controllers_log(plane: ControlPlane) -> str:
    log = plane.data / CONTROLLERS_LOG
    return "\n".join(log.read_text().splitlines()[-20:]) if log.exists() else "(it was not started)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """After each test, in every world that it used, the invariants hold."""
    yield
    for world in _worlds(item):
        world.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for world in _worlds(item):
            report.sections.append(("the operator's log", world.log()))
            report.sections.append(("kube-controller-manager's log", _controllers_log(world.plane)))
    return report
