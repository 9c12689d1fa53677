"""What the operator is started with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .lifecycle import Limits


class LeaderElection(StrEnum):
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds."""

    moorcheh_base_url: str
    moorcheh_timeout: float = 30.0
    verify: float = 600.0
    max_running_jobs: int = 10  # 0: no limit
    watch_namespaces: tuple[str, ...] = ()  # empty: all
    leader_election: LeaderElection = LeaderElection.AUTO
    lease_namespace: str = ""  # empty: the Pod's own
    http_address: tuple[str, int] = ("0.0.0.0", 8080)  # noqa: S104 - the kubelet and Prometheus come from outside
    log_format: LogFormat = LogFormat.TEXT

    @property
    def limits(self) -> Limits:
        return Limits(request_timeout=self.moorcheh_timeout, verify_seconds=self.verify)

    @property
    def drain(self) -> float:
        """How long a stop waits for answers: one that was just sent, and its write."""
        return self.moorcheh_timeout + 10.0
