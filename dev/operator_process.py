"""The real operator, as a process of its own, for tests, demo and benchmarks."""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from dev.processes import Process, free_port

START_SECONDS = 120.0
STOP_SECONDS = 120.0


class OperatorProcess:
    """`moorcheh-operator run` against one API server and one Moorcheh; a context manager.

    `options` are the command's environment variables, for example `MOORCHEH_VERIFY_SECONDS="5"`.
    """

    def __init__(self, *, kubeconfig: Path, moorcheh_url: str, output: Path, **options: str) -> None:
        self.python = sys.executable
        self.address = f"127.0.0.1:{free_port()}"
        self.output = output
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("KUBERNETES_")},
            "KUBECONFIG": str(kubeconfig),
            "MOORCHEH_BASE_URL": moorcheh_url,
            "HTTP_ADDRESS": self.address,
            "LEADER_ELECTION": "off",
            **options,
        }
        self.starts: list[float] = []  # monotonic
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        if self._process is None:
            raise RuntimeError("the operator was not started")
        return self._process

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.running:
            self._process.signal(signal.SIGCONT)
            self.stop()

    def start(self, *, ready: bool = True) -> Self:
        """Again after a stop or a kill, with the same options; `ready`: return once it is."""
        self.starts.append(time.monotonic())
        command = [self.python, "-m", "moorcheh_operator", "run"]
        self._process = Process(command, output=self.output, name="operator", env=self._environment)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.get("/readyz")[0] == 200:
                return
            if not self.process.running:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the operator did not get ready:\n{self.process.tail(40)}")

    def get(self, path: str) -> tuple[int, str]:
        """Status code (0: no answer) and body of one of its own pages."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.address}{path}", timeout=15) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self.process.stop(STOP_SECONDS)

    def kill(self) -> None:
        self.process.kill()

    def signal(self, number: int) -> None:
        self.process.signal(number)
