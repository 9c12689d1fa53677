"""One fault of the table a file: test_04_….py is row 4. Each run's figures go to the account of its row."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.faults.invariants import BrokenInvariantsError
from tests.faults.kinds import DATED, Kind
from tests.faults.report import RESULTS
from tests.faults.world import RECOVERY, FaultWorld
from tests.integration.conftest import install

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from dev.controlplane import ControlPlane
    from tests.faults.invariants import Account
    from tests.integration.life import Asked

T = TypeVar("T")


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The worker's control plane with the CRD and the operator's own rights, as the manifests give them."""
    install(control_plane)
    return control_plane


class ToldWorld(FaultWorld):
    """Where requests do not end, it says so with the figures of the run."""

    def recover(self, within: float = RECOVERY) -> None:
        with self._told():
            super().recover(within)

    def finish(self, asked: Sequence[Asked], *, within: float = RECOVERY) -> None:
        with self._told():
            super().finish(asked, within=within)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except AssertionError:
            self.verify()  # raises, with the account
            raise


class Fault:
    """The worlds of one test, and what is to be told of them."""

    def __init__(self, plane: ControlPlane, folder: Path, kind: Kind) -> None:
        self.plane = plane
        self.kind = kind
        self._folder = folder
        self._worlds = count(1)
        self.accounts: list[Account] = []
        self.figures: dict[str, Any] = {}

    @contextmanager
    def world(
        self,
        *,
        plane: ControlPlane | None = None,
        knobs: dict[str, Any] | None = None,
        options: dict[str, str] | None = None,
        **wanted: Any,
    ) -> Iterator[FaultWorld]:
        """On the test's kind of server. Checked on leaving; may be used from several threads at once. The
        account of a run that broke an invariant counts as well.
        """
        folder = self._folder / f"world-{next(self._worlds)}"
        wanted["knobs"] = self.kind.knobs | (knobs or {})
        wanted["options"] = self.kind.options | (options or {})
        try:
            with ToldWorld(plane or self.plane, folder, **wanted) as world:
                yield world
        except BrokenInvariantsError as broken:
            self.accounts.append(broken.account)
            raise
        assert world.account is not None
        self.accounts.append(world.account)

    def each(self, items: Iterable[T], run: Callable[[T], object], *, at_once: int = 6) -> None:
        """`run` for each, several at a time: nearly all of the time is waiting."""
        with ThreadPoolExecutor(at_once) as pool:
            for future in [pool.submit(run, item) for item in items]:
                future.result()


@pytest.fixture
def kind() -> Kind:
    """The server of a test that `kinds.on` does not run on others."""
    return DATED


@pytest.fixture
def fault(installed: ControlPlane, tmp_path: Path, kind: Kind) -> Fault:
    return Fault(installed, tmp_path, kind)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What passed is told, and what failed: `report.py` makes a table of it."""
    report = yield
    name = re.sub(r"[^A-Za-z0-9_-]", "_", item.nodeid)
    file = RESULTS / f"{name}.json"
    if call.when == "setup":
        file.unlink(missing_ok=True)  # of an earlier run
    row = re.match(r"test_(\d\d)_", item.path.name)
    if row and "fault" in getattr(item, "fixturenames", ()) and _is_news(report):
        fault = getattr(item, "funcargs", {}).get("fault")
        told = {
            "row": int(row[1]),
            "test": item.name,
            "kind": str(fault.kind) if isinstance(fault, Fault) else str(DATED),
            "passed": report.passed,
            "runs": [asdict(account) for account in fault.accounts] if isinstance(fault, Fault) else [],
            "figures": fault.figures if isinstance(fault, Fault) and report.passed else {},
            "words": report.longreprtext,  # of a failure, for whoever wants to know which one it was
        }
        RESULTS.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told, indent=1))
    return report


def _is_news(report: pytest.TestReport) -> bool:
    """The test's own end, or a failure before or after it."""
    return report.failed or (report.passed and report.when == "call")
