"""What many tests share."""

from __future__ import annotations

import signal
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from dev.controlplane import (
    AssetsError,
    ControlPlane,
    prepare,
    prepare_controller_manager,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer  # type: ignore[import-untyped]

    from dev.controlplane import Assets

ROOT = Path(__file__).parents[1]

# A shell starts what runs in the background deaf to Ctrl-C, and so would be every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine is says nothing about the code.
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("timeless")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or make the control plane's programs before a test's time runs; a first build takes minutes."""
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if "assets" in fixtures:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            found = prepare()
            if "controller_manager" in fixtures:
                with suppress(AssetsError):  # the tests that need it are skipped, and say this
                    prepare_controller_manager(found)


# What takes half a minute or more, mostly of waiting, begins first, and what takes moments last: a long test
# that begins last is all that is waited for.
LONGEST_FIRST = (
    "tests/faults/test_22_soak.py",
    "tests/model/test_protocol.py",
    "tests/integration/test_upgrade.py",
    "tests/dev/test_demo.py",
    "tests/monitoring/test_operator_output.py",
    "tests/integration/test_life_failures.py",
    "tests/integration/test_life_killed.py",
    "tests/integration/test_life_every_server.py",
    "tests/integration/test_life_undated.py",
    "tests/helm/test_life.py",
    "tests/faults/",
    "tests/integration/",
)
SHORT = ("tests/unit/",)


def _turn(nodeid: str) -> int:
    late = len(LONGEST_FIRST) + nodeid.startswith(SHORT)
    return next((turn for turn, path in enumerate(LONGEST_FIRST) if nodeid.startswith(path)), late)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _turn(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    if config.getvalue("dist") != "load":
        return None
    config.option.loadscopereorder = False  # not the files with most tests first: those of tests/unit
    return SharersTogether(config, log)


class SharersTogether(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """Tests of a file with a module's fixture share an operator or a control plane: they stay together. So do
    those of `tests/unit`, of which there are many and each takes no time. Others go where there is time.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path.startswith("tests/unit/") or _shares(path) else nodeid


@cache
def _shares(path: str) -> bool:
    files = [ROOT / path, (ROOT / path).with_name("conftest.py")]
    return any('scope="module"' in file.read_text() for file in files if file.exists())


@pytest.fixture(scope="session")
def assets() -> Assets:
    """The control plane's programs, for tests that start their own."""
    return prepare()


@pytest.fixture(scope="session")
def controller_manager(assets: Assets) -> Path:
    """kube-controller-manager, for tests that start their own."""
    try:
        return prepare_controller_manager(assets)
    except AssetsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def control_plane(assets: Assets) -> Iterator[ControlPlane]:
    """One a worker, started by the first test that asks."""
    with ControlPlane(assets=assets) as plane:
        yield plane
