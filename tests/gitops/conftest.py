"""Programs of other projects judge our objects; they are built before a test's time runs."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import pytest

from dev.gitops import ARGOCD, EXPRESSIONS, KSTATUS, prepare
from dev.golang import NoGoError
from tests.integration.conftest import install

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane import ControlPlane
    from dev.gitops import Program

PROGRAMS = {"kstatus": KSTATUS, "expressions": EXPRESSIONS, "argocd": ARGOCD}


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext(), suppress(NoGoError):
        for name in sorted(wanted & PROGRAMS.keys()):
            prepare(PROGRAMS[name])


def _prepared(program: Program) -> Path:
    try:
        return prepare(program)
    except NoGoError as error:
        pytest.skip(f"{program.what} is built: {error}")


@pytest.fixture(scope="session")
def kstatus() -> Path:
    return _prepared(KSTATUS)


@pytest.fixture(scope="session")
def expressions() -> Path:
    return _prepared(EXPRESSIONS)


@pytest.fixture(scope="session")
def argocd() -> Path:
    return _prepared(ARGOCD)


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The worker's control plane with the CRD and the operator's own rights, as the manifests give them."""
    install(control_plane)
    return control_plane
