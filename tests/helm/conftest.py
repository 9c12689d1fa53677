"""The real Helm, built before a test's time runs."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.golang import NoGoError
from dev.helm import Helm, prepare

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

CHART = Path(__file__).parents[2] / "charts" / "moorcheh-operator"


def pytest_collection_finish(session: pytest.Session) -> None:
    if any("helm" in getattr(item, "fixturenames", ()) for item in session.items):
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext(), suppress(NoGoError):
            prepare()


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """It knows no cluster: `on` gives it one."""
    try:
        return Helm(prepare(), tmp_path_factory.mktemp("helm"))
    except NoGoError as error:
        pytest.skip(f"Helm is built: {error}")


def on(helm: Helm, plane: ControlPlane) -> Helm:
    return Helm(helm.program, helm.home, plane.kubeconfig_for("admin"))
