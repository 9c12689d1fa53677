"""What the operator is started with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from moorcheh_operator.controller.live_servers import Defaults
from moorcheh_operator.servers.definitions import NameReuse


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

    moorcheh_base_url: str | None = None  # this or servers_file
    servers_file: str | None = None
    name_reuse: NameReuse = NameReuse.POSSIBLE  # at moorcheh_base_url
    moorcheh_timeout: float = 30.0
    verify: float = 600.0
    max_running_jobs: int = 10  # 0: no limit
    watch_namespaces: tuple[str, ...] = ()  # empty: all
    leader_election: LeaderElection = LeaderElection.AUTO
    lease_namespace: str = ""  # empty: the Pod's own
    http_address: tuple[str | None, int] = (None, 8080)  # without a host: all addresses
    log_format: LogFormat = LogFormat.TEXT

    @property
    def defaults(self) -> Defaults:
        """For what the servers file leaves open."""
        return Defaults(self.moorcheh_timeout, self.verify, self.max_running_jobs)
