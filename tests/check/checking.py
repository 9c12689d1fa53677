"""Runs `moorcheh-operator check` within this process, and reads what it tells."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from dev.moorcheh.standin import StandIn
from moorcheh_operator.process.cli import main

PREFIX = "moorcheh-operator-check-"
JOB_SECONDS = 0.6  # of the stand-in: long enough to be asked something meanwhile


@dataclass(frozen=True)
class Checked:
    code: int
    told: str  # on standard error
    body: dict[str, Any]  # of the one server

    @property
    def found(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["found"]
        return found

    @property
    def trial(self) -> dict[str, Any]:
        trial: dict[str, Any] = self.found["trial"]
        return trial

    def state(self, guarantee: str) -> str:
        return str(self._guarantee(guarantee)["state"])

    def words(self, guarantee: str) -> str:
        return str(self._guarantee(guarantee)["words"])

    def to_do(self, guarantee: str) -> str:
        return str(self._guarantee(guarantee)["do"])

    def _guarantee(self, name: str) -> dict[str, Any]:
        [found] = [each for each in self.body["guarantees"] if each["name"].startswith(name)]
        return dict(found)


def check(*arguments: str, timeout: float = 2.0) -> Checked:
    """`check … -o json` of one server."""
    code, out, told = run(*arguments, f"--moorcheh-timeout-seconds={timeout}", "-o", "json")
    [server] = json.loads(out)["servers"]
    return Checked(code, told, server)


def run(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    cleared = {"SERVERS_FILE": "", "MOORCHEH_BASE_URL": "", "MOORCHEH_TIMEOUT_SECONDS": ""}
    result = CliRunner().invoke(main, ["check", *arguments], env={**cleared, **(environment or {})})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def throw_away(moorcheh: StandIn) -> set[str]:
    return {name for name in moorcheh.namespaces() if name.startswith(PREFIX)}


def destroyed(moorcheh: StandIn) -> list[str]:
    """Those that are not a check's own."""
    return [
        one["name"]
        for one in moorcheh.record()["destroyed"]
        if one["precious"] or not one["name"].startswith(PREFIX)
    ]


def until_asked(moorcheh: StandIn, operation: str, times: int) -> None:
    until = time.monotonic() + 30
    while moorcheh.counts().get(operation, 0) < times:
        assert time.monotonic() < until, f"no {operation} number {times}"
        time.sleep(0.01)
