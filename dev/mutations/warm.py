"""A pytest that has imported what it takes: each run is a fork of it. Run as a script, by `Warm`.

The gate runs pytest some hundreds of times, and its imports take longer than most of these runs. What is
tested is not imported here: a fork finds it in its own copy of the tree.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Self

# Nothing that imports the operator, the tests or `dev`.
IMPORTED = (
    *("pytest", "_pytest.pytester", "hypothesis.strategies", "hypothesis.stateful", "pygments.lexers"),
    *("kopf", "httpx", "aiohttp.web", "msgspec"),
    *("prometheus_client", "yaml", "click", "rich.console"),
)
# Plugins that are imported already can't be rewritten; their own assertions need no words here.
ALREADY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")


class Warm:
    """One run at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._asked, self._told = _open(self._process.stdin), _open(self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self, root: Path, arguments: list[str], environment: dict[str, str], seconds: float
    ) -> tuple[int, str] | None:
        """pytest in `root`: its exit code and what it printed; None: it had not ended in time."""
        out = root / "pytest.out"
        print(json.dumps([str(root), arguments, environment, str(out)]), file=self._asked, flush=True)
        pid = int(self._told.readline())
        late = threading.Event()

        def end() -> None:
            late.set()
            os.kill(pid, signal.SIGKILL)

        timer = threading.Timer(seconds, end)
        timer.start()
        code = int(self._told.readline())
        timer.cancel()
        return None if late.is_set() else (code, out.read_text())


def _open(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise AssertionError("a pipe was asked for")
    return pipe


def serve() -> None:
    for line in sys.stdin:
        root, arguments, environment, out = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_run(root, arguments, environment, out))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(root: str, arguments: list[str], environment: dict[str, str], out: str) -> int:
    import pytest  # noqa: PLC0415 - the gate itself needs none

    os.chdir(root)
    os.environ.update(environment)
    sys.path[0] = root
    with Path(out).open("w") as file:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
        code = int(pytest.main([*ALREADY, *arguments]))
        sys.stdout.flush()
        sys.stderr.flush()
    return code


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    serve()
