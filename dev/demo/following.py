"""What the API server shows of the requests, as `kubectl get --watch` tells it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Self

from dev.demo.errors import DemoError
from dev.demo.scenarios import Sight
from dev.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane import ControlPlane


class Watch:
    """One kubectl that watches; `read` takes in what it has told since. A context manager."""

    def __init__(self, plane: ControlPlane, output: Path) -> None:
        self.seen: dict[str, list[Sight]] = {}
        """By the request's name, every state that differs from the one before."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(plane.kubeconfig),
            "KUBECACHEDIR": str(plane.data / "kubectl-cache"),
        }
        words = ("get", "nsdel", "--watch", "-o", 'jsonpath={@}{"\\n"}')
        self._process = Process([plane.assets.kubectl, *words], output=output, env=environment)
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    @property
    def latest(self) -> dict[str, Sight]:
        return {request: seen[-1] for request, seen in self.seen.items()}

    def read(self) -> None:
        with self._process.output.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        complete = new[: new.rfind(b"\n") + 1]
        self._read += len(complete)
        for line in complete.splitlines():
            if line.startswith(b"{"):
                self._take(line)
        if not self._process.running:
            msg = f"the watch of the requests broke off:\n{self._process.tail(3)}"
            raise DemoError(msg)

    def _take(self, line: bytes) -> None:
        body = json.loads(line)
        seen = self.seen.setdefault(body["metadata"]["name"], [])
        sight = Sight.parse(body)
        if not seen or seen[-1] != sight:
            seen.append(sight)
