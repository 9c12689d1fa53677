"""A kubeconfig's credential plugin (`exec`): a program that prints a token or a certificate.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import ssl
from collections.abc import Callable
from typing import Any

from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import parse_time

from .credentials import Credential, CredentialError, Obtain

PLUGIN_SECONDS = 30.0

Json = dict[str, Any]
Tls = Callable[[str, str], ssl.SSLContext]
"""A context that shows this certificate, with its key, both PEM."""


def plugin(config: Json, cluster: Json, tls: ssl.SSLContext, tls_with: Tls) -> Obtain:
    """`cluster`: what a plugin is told of it, if it wants to know."""
    command = str(config.get("command") or "")
    version = str(config.get("apiVersion") or "")
    spec: Json = {"interactive": False}
    if config.get("provideClusterInfo"):
        spec["cluster"] = cluster
    told = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    extra = {str(each["name"]): str(each["value"]) for each in config.get("env") or ()}
    environment = {**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(told)}
    arguments = [str(each) for each in config.get("args") or ()]

    async def obtain() -> Credential:
        try:
            status = _status(await _output(command, arguments, environment))
            made = _credential(status, tls, tls_with)
        except (CredentialError, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            hint = str(config.get("installHint") or "") if isinstance(error, FileNotFoundError) else ""
            raise CredentialError(
                plain_text(f"the credential plugin {command} gave no credentials: {why} {hint}")
            ) from error
        return made

    return obtain


async def _output(command: str, arguments: list[str], environment: dict[str, str]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        command,
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PLUGIN_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError:
        raise CredentialError(f"it did not end within {PLUGIN_SECONDS:.0f} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise CredentialError(f"it ended with {process.returncode}: {last or 'it said nothing'}")
    return output


def _status(output: bytes) -> Json:
    try:
        status = json.loads(output)["status"]
    except (ValueError, KeyError, TypeError):
        status = None
    if not isinstance(status, dict):
        raise CredentialError("what it printed is no ExecCredential with a status")
    return status


def _credential(status: Json, tls: ssl.SSLContext, tls_with: Tls) -> Credential:
    token, chain, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not (chain and key):
        raise CredentialError("it printed neither a token nor a certificate with its key")
    made = Credential(
        f"Bearer {token}" if token else None, tls, parse_time(status.get("expirationTimestamp"))
    )
    return dataclasses.replace(made, tls=tls_with(str(chain), str(key))) if chain and key else made
