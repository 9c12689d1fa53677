"""The handle on a stand-in for tests and the demo: starts it, scripts it, reads its record. Synchronous.

The process ends with the one that started it, however that ends.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TypedDict, cast

from dev.moorcheh.knobs import CLOUD_PREFIX
from dev.processes import Process, free_port

START_SECONDS = 120.0
"""How long a start may take (usually 0.4 s; more on a loaded machine)."""


class Incarnation(TypedDict):
    name: str
    incarnation: str
    precious: bool
    items: int
    created_at: str
    born: float


class SeenDelete(TypedDict):
    """A DELETE on the wire; the part after `port` is there once it was answered (or dropped)."""

    seq: int
    at: float
    monotonic: float
    path: str
    name: str
    request_id: str | None
    port: int
    status: int | None
    effect: bool
    fault: str | None
    job_id: str | None


class Destroyed(TypedDict):
    """An incarnation that a DELETE (its `seq` and `request_id`) was accepted for."""

    at: float
    monotonic: float
    name: str
    incarnation: str
    precious: bool
    created_at: str
    born: float
    items: int
    job_id: str
    seq: int
    request_id: str | None


class SeenJob(TypedDict):
    """`how`: running, completed, failed, forgotten (by the admin), lost (in a restart)."""

    job_id: str
    name: str
    incarnation: str
    seq: int
    total_items: int
    deleted_items: int
    how: str
    began: float
    ended: float | None


class Recorded(TypedDict):
    counts: dict[str, int]
    deletes: list[SeenDelete]
    creates: list[dict[str, Any]]
    incarnations: list[dict[str, Any]]
    destroyed: list[Destroyed]
    jobs: list[SeenJob]
    starts: list[float]


class AdminError(Exception):
    """The admin path refused; the message says why."""


class StandIn:
    """A stand-in on a port of its own, which it keeps over restarts; so does its data in `data`."""

    def __init__(
        self,
        data: Path,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        options: Sequence[str] = (),
        **knobs: object,
    ) -> None:
        self.data = data
        self.port = free_port() if port is None else port
        self._root = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self.url = self._root + (f"/{CLOUD_PREFIX}" if knobs.get("product") == "cloud" else "")
        self._arguments = [f"--host={host}", *options, *_flags(knobs)]
        self._process: Process | None = None
        # No proxy of the environment may come between.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- the process --

    @property
    def process(self) -> Process:
        if self._process is None:
            msg = "the stand-in was not started"
            raise RuntimeError(msg)
        return self._process

    def start(self) -> Self:
        """Start it (again): same port, same data. Returns once it answers."""
        self.data.mkdir(parents=True, exist_ok=True)
        output = self.data / "server.log"
        begins = output.stat().st_size if output.exists() else 0
        argv = [sys.executable, "-m", "dev.moorcheh", "--port", str(self.port), "--data", str(self.data)]
        root = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        self._process = Process(
            [*argv, *self._arguments], output=output, name="moorcheh", env=environment, cwd=root
        )
        until = time.monotonic() + START_SECONDS
        while b"listening on " not in output.read_bytes()[begins:]:
            if not self._process.running or time.monotonic() > until:
                self._process.kill()
                msg = f"the stand-in did not start: {self._process.tail()}"
                raise RuntimeError(msg)
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.process.kill()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    # -- the admin path --

    def create(self, name: str, **wanted: object) -> Incarnation:
        """Create a namespace. `items`, `seconds` (its deletion takes), `age` (seconds), `precious`…"""
        return cast("Incarnation", self.admin("namespaces", {"name": name, **wanted})["created"][0])

    def create_many(self, count: int, prefix: str = "ns-", **wanted: object) -> list[Incarnation]:
        """`prefix` followed by 00000, 00001…"""
        made = self.admin("namespaces", {"count": count, "prefix": prefix, **wanted})
        return cast("list[Incarnation]", made["created"])

    def recreate(self, name: str, *, precious: bool = True, **wanted: object) -> Incarnation:
        """A new incarnation under the name, whatever has it now."""
        return self.create(name, precious=precious, replace=True, **wanted)

    def remove(self, name: str) -> bool:
        """Make the name vanish without a job; False if it was not there."""
        return cast("bool", self.admin("remove", {"name": name})["removed"])

    def namespaces(self) -> dict[str, Incarnation]:
        """What lives, by name."""
        listed = cast("list[Incarnation]", self.admin("namespaces")["namespaces"])
        return {one["name"]: one for one in listed}

    def fault(
        self, operation: str, name: str = "*", *, kind: str = "answer", count: int = 1, **options: object
    ) -> int:
        """Script a fault (see README.md); the rule's id."""
        rule = {"operation": operation, "name": name, "kind": kind, "count": count, **options}
        return cast("int", self.admin("faults", rule)["id"])

    def faults(self) -> list[dict[str, Any]]:
        """All rules, with how often each was used."""
        return cast("list[dict[str, Any]]", self.admin("faults")["faults"])

    def clear_faults(self, rule: int | None = None) -> None:
        """Take one rule back, or all."""
        self.admin("faults/clear", {"id": rule})

    def knob(self, **changes: object) -> dict[str, Any]:
        """Turn knobs; all of them, as they are then. They last until the process ends."""
        return self.admin("knobs", changes)

    def forget(self, name: str = "*", *, job_id: str | None = None, stop: bool = True) -> int:
        """Forget jobs, as a restart does; with `stop=False` they go on unseen. How many it were."""
        asked = {"name": name, "stop": stop, **({"job_id": job_id} if job_id else {})}
        return cast("int", self.admin("forget", asked)["forgotten"])

    def end_jobs(self, name: str = "*") -> int:
        """Those under way end at once, as they would have in their time. How many it were."""
        return cast("int", self.admin("end", {"name": name})["ended"])

    def record(self) -> Recorded:
        return cast("Recorded", self.admin("record"))

    def requests(self) -> list[dict[str, Any]]:
        """The newest requests of any kind, oldest first."""
        return cast("list[dict[str, Any]]", self.admin("record?requests=1")["requests"])

    def counts(self) -> dict[str, int]:
        """Requests by operation: delete, list, job, health, create, other. Cheap."""
        return self.admin("counts")

    def reset(self, *what: str) -> None:
        """All anew, or some of: record, faults, knobs, namespaces (with their jobs)."""
        self.admin("reset", {"what": list(what)} if what else {})

    def journal(self) -> list[dict[str, Any]]:
        """The events on disk; works without the server, too."""
        lines = (self.data / "journal.jsonl").read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def admin(self, path: str, body: object = None) -> dict[str, Any]:
        """One call of the admin path: GET, or POST if there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._root}/_admin/{path}", data)  # noqa: S310 - our own URL
        try:
            with self._opener.open(request, timeout=30) as answer:
                return cast("dict[str, Any]", json.load(answer))
        except urllib.error.HTTPError as error:
            raise AdminError(json.loads(error.read())["message"]) from error


def _flags(knobs: dict[str, object]) -> list[str]:
    """Knobs as command line options."""
    switches = {
        "failed_stays": ("--failed-stays", "--failed-goes"),
        "whole_seconds": ("--whole-seconds", "--milliseconds"),
        "date_header": ("--date-header", "--no-date-header"),
        "comes_back": ("--comes-back", "--stays-gone"),
        "jobs_survive": ("--jobs-survive-restart", "--jobs-forgotten"),
    }
    flags = []
    for name, value in knobs.items():
        if name in switches:
            flags.append(switches[name][not value])
        else:
            flags.append(f"--{name.replace('_', '-')}={value}")
    return flags
