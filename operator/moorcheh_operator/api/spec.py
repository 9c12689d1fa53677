"""What a NamespaceDeletion asks for."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from .times import Time

DEFAULT_SERVER = "default"  # what spec.serverRef.name is unless it is said


class IfAbsent(StrEnum):
    SUCCEED = "Succeed"
    FAIL = "Fail"


class ServerRef(Struct, frozen=True):
    name: str = DEFAULT_SERVER  # a name in the servers file, never a URL


class Preconditions(Struct, frozen=True, rename="camel"):
    created_before: Time | None = None
    max_items: int | None = None


class Spec(Struct, frozen=True, rename="camel"):
    namespace_name: str
    server_ref: ServerRef = ServerRef()
    suspend: bool = False
    if_absent: IfAbsent = IfAbsent.SUCCEED
    preconditions: Preconditions = Preconditions()
    backoff_limit: int = 3
    active_deadline_seconds: int = 86400
    ttl_seconds_after_finished: int | None = None  # None: keep the object

    @property
    def server(self) -> str:
        return self.server_ref.name
