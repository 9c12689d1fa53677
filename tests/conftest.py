"""What many tests share."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from dev.controlplane import ControlPlane, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer  # type: ignore[import-untyped]

    from dev.controlplane import Assets

# A shell starts what runs in the background deaf to Ctrl-C, and so would be every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine is says nothing about the code.
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("timeless")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or make the control plane's programs before a test's time runs; a first build takes minutes."""
    if any({"assets", "control_plane"} & set(getattr(item, "fixturenames", ())) for item in session.items):
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            prepare()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Tests of one file of lives share an operator: they stay together. Others go where there is time."""
    return LivesTogether(config, log) if config.getvalue("dist") == "load" else None


class LivesTogether(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if "/test_life_" in path or path.startswith("tests/unit/") else nodeid


@pytest.fixture(scope="session")
def assets() -> Assets:
    """The control plane's programs, for tests that start their own."""
    return prepare()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """One a worker, started by the first test that asks."""
    with ControlPlane() as plane:
        yield plane
