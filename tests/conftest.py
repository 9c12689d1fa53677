"""What many tests share."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from dev.controlplane import ControlPlane, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or make the control plane's programs before a test's time runs; a first build takes minutes."""
    if any("control_plane" in getattr(item, "fixturenames", ()) for item in session.items):
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            prepare()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """One a worker, started by the first test that asks."""
    with ControlPlane() as plane:
        yield plane
