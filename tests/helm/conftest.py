"""The real Helm, built before a test's time runs."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.helm import Helm, prepare

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

CHART = Path(__file__).parents[2] / "charts" / "moorcheh-operator"


def pytest_collection_finish(session: pytest.Session) -> None:
    if shutil.which("go") and any("helm" in getattr(item, "fixturenames", ()) for item in session.items):
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            prepare()


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """It knows no cluster: `on` gives it one."""
    if shutil.which("go") is None:
        pytest.skip("Helm is built with Go 1.26 or newer, which is not here")
    return Helm(prepare(), tmp_path_factory.mktemp("helm"))


def on(helm: Helm, plane: ControlPlane) -> Helm:
    return Helm(helm.program, helm.home, plane.kubeconfig_for("admin"))
