"""Which key a server of the servers file is sent, and in which header."""

from __future__ import annotations

from moorcheh_operator.moorcheh.credentials import Credential
from moorcheh_operator.servers.definitions import Definition


def credential_of(server: Definition) -> Credential | None:
    if server.api_key_file is not None:
        return Credential(server.api_key_file, "X-Api-Key")
    if server.bearer_token_file is not None:
        return Credential(server.bearer_token_file, "Authorization", "Bearer")
    return None
