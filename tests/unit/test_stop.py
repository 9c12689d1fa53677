"""A stop ends kopf by cancelling its tasks; what the operator still does then must not be in one of those."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import kopf
import pytest
from kopf._cogs.structs.ephemera import AnyMemo
from kopf._core.actions.lifecycles import all_at_once
from kopf._core.engines.activities import run_activity
from kopf._core.engines.indexing import OperatorIndexers
from kopf._core.intents.causes import Activity

from moorcheh_operator.cluster.api_server import ApiServer
from moorcheh_operator.cluster.history import History
from moorcheh_operator.controller.reconciler import HistoryEnds, Reconciler
from moorcheh_operator.process import watch
from moorcheh_operator.process.lives import Lives
from tests.dev.clusters import api_server
from tests.dev.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = [sys.executable, "-m", "moorcheh_operator", "run", "--moorcheh-base-url", "http://127.0.0.1:1"]
AS_FIRST_PROCESS = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
"""As in a container: such a process hears only the signals that it has a handler for."""


async def test_a_timeout_of_the_stop_is_no_cancellation() -> None:
    """Before Python 3.11.3 one is, in a task that was cancelled before: it gave up a DELETE under way."""
    cancellations = []

    async def stop() -> None:
        task = asyncio.current_task()
        assert task is not None
        cancellations.append(task.cancelling())

    hooks = watch.Hooks(lambda: None, stop, lambda: None, lambda _body, _gone: None)
    registry = watch.registry(cast("ApiServer", None), hooks)

    async def as_kopf_does() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run_activity(
                lifecycle=all_at_once,
                registry=registry,
                settings=kopf.OperatorSettings(),
                activity=Activity.CLEANUP,
                indices=OperatorIndexers().indices,
                memo=AnyMemo(kopf.Memo()),
            )

    task = asyncio.create_task(as_kopf_does())
    await asyncio.sleep(0)
    task.cancel()
    await task

    assert cancellations == [0]


class _Reconciler:
    """As one whose drain takes as long as the test says."""

    def __init__(self) -> None:
        self.started, self.draining, self.may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def start(self) -> None:
        self.started.set()

    async def drain(self, _seconds: float) -> None:
        self.draining.set()
        await self.may_end.wait()


async def test_sigterm_ends_the_process_also_while_it_is_about_to_begin_anew() -> None:
    """kopf sets handlers of its own, which would end but this life; the next one would hear nothing."""

    lives: list[_Reconciler] = []
    history = History()

    def begin(ends: HistoryEnds, _past: object) -> Reconciler:
        history.begin(lambda: ends(None))
        lives.append(_Reconciler())
        return cast("Reconciler", lives[-1])

    operator = Lives(api_server("http://127.0.0.1:1"), ("default",), history, None, begin)
    running = asyncio.create_task(operator.run(lambda: 1.0))
    async with asyncio.timeout(30):
        await lives[0].started.wait()
        await asyncio.sleep(0)
        history.end("a test says so")
        await lives[0].draining.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)  # for the event loop's turn; too short, and the test only shows less
        lives[0].may_end.set()
        await running

    assert len(lives) == 1


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """What takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def kubeconfig(tmp_path: Path, silent: socket.socket) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text(
        f"{{clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{silent.getsockname()[1]}'}}}}],"
        " contexts: [{name: c, context: {cluster: c}}], current-context: c}"
    )
    return file


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="shows who has a handler only on Linux")
@pytest.mark.parametrize("moment", ["while it is imported", "while it asks for the API server"])
@pytest.mark.parametrize("first", [[], AS_FIRST_PROCESS], ids=["a process", "the first process"])
def test_sigterm_ends_a_process_that_has_only_begun(
    kubeconfig: Path, silent: socket.socket, first: list[str], moment: str
) -> None:
    """A handler, not the default: 143 and not -15, as the first process would not even hear it."""
    if first and subprocess.run([*first, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces may be made here")
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with subprocess.Popen([*first, *RUN], env=environment, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert until(lambda: _has_handler(_program(running, first)), within=60)
            if moment != "while it is imported":
                assert select.select([silent], [], [], 60)[0]
            os.kill(_program(running, first), signal.SIGTERM)
            _, said = running.communicate(timeout=30)
        finally:
            running.kill()

    assert running.returncode == 128 + signal.SIGTERM
    assert said == ""


def _program(running: subprocess.Popen[str], first: list[str]) -> int:
    """Its process id; 0 as long as there is none."""
    if not first:
        return running.pid
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    return int(children[0]) if children else 0


def _has_handler(process: int) -> bool:
    with suppress(FileNotFoundError):
        status = Path(f"/proc/{process}/status").read_text()
        [caught] = re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
    return False
