"""Which cluster, and as whom: found as kubectl finds it. What can't be honoured is refused by its name.

The files are merged here, by kubectl's rules: the library takes the last file's context, leaves `as` aside,
and goes on as nobody where a credential plugin fails.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import client, config
from kubernetes.aio.client import rest
from kubernetes.aio.config.incluster_config import SERVICE_TOKEN_FILENAME

from moorcheh_operator.api.texts import plain_text

from .api_server import ApiServer

SERVICE_NAMESPACE = Path(SERVICE_TOKEN_FILENAME).with_name("namespace")
LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}
PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
REFUSED = {
    "as": "impersonation",
    "as-uid": "impersonation",
    "as-groups": "impersonation",
    "as-user-extra": "impersonation",
    "auth-provider": "a credential provider of the past; use exec",
    "username": "a name with a password",
    "password": "a name with a password",
}

Json = dict[str, Any]


class KubeconfigError(Exception):
    """No usable way to a cluster was found; the text says what was tried."""


async def load() -> ApiServer:
    """`KUBECONFIG` if it is set, else the Pod's service account, else `~/.kube/config`.

    Raises `KubeconfigError`, in one line without any secret.
    """
    configuration = client.Configuration()
    try:
        if in_cluster():
            config.load_incluster_config(client_configuration=configuration)
            return _api_server(configuration)
        chosen = _chosen()
        await config.load_kube_config_from_dict(chosen.minified(), client_configuration=configuration)
    except KubeconfigError:
        raise
    except Exception as error:  # the library lets KeyError, OSError and its own through
        raise KubeconfigError(
            f"no usable Kubernetes configuration ({plain_text(str(error))}): "
            "set KUBECONFIG, or run in a Pod with a service account"
        ) from error
    if "exec" in chosen.user and not (configuration.api_key or configuration.cert_file):
        raise KubeconfigError(
            f'the credential plugin of the user "{chosen.user_name}" gave no credentials '
            f"({plain_text(str(chosen.user['exec'].get('command')))}); run it by hand to see why"
        )
    path = chosen.user.get("tokenFile")
    return _api_server(configuration, None if path is None else functools.partial(_token_in, Path(path)))


def _api_server(
    configuration: client.Configuration, authorization: Callable[[], Awaitable[str]] | None = None
) -> ApiServer:
    return ApiServer(
        configuration.host,
        authorization or functools.partial(configuration.get_api_key_with_prefix, "BearerToken"),
        rest.RESTClientObject(configuration).ssl_context,
        configuration.tls_server_name,
        configuration.proxy,
    )


async def _token_in(path: Path) -> str:
    """Read at each call: it is rotated."""
    return f"Bearer {path.read_text().strip()}"  # noqa: ASYNC240 - a line of a local file


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the current context names."""

    cluster: Json
    user: Json
    user_name: str

    def minified(self) -> Json:
        """As the library reads it. A token file is read by us."""
        user = {key: value for key, value in self.user.items() if key != "tokenFile" and value is not None}
        return {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": self.cluster}],
            "users": [{"name": "it", "user": user}],
        }


@dataclass(slots=True)
class _Merged:
    """The first file that names something says what it is; a missing or empty file says nothing."""

    clusters: dict[str, Json] = field(default_factory=dict)
    users: dict[str, Json] = field(default_factory=dict)
    contexts: dict[str, Json] = field(default_factory=dict)
    current: str = ""

    def add(self, path: Path) -> None:
        data = _read(path)
        self.current = self.current or str(data.get("current-context") or "")
        for key, kind in LISTS.items():
            for entry in data.get(key) or ():
                if not isinstance(entry, dict) or not isinstance(entry.get(kind), dict):
                    raise KubeconfigError(f"{path}: {key} has an entry that is no {kind} with a name")
                getattr(self, key).setdefault(str(entry.get("name")), _absolute(entry[kind], path.parent))


def _chosen() -> _Chosen:
    paths = _paths()
    merged = _Merged()
    for path in paths:
        merged.add(path)
    where = os.pathsep.join(map(str, paths))
    if not merged.current:
        raise KubeconfigError(f"{where} has no current-context: kubectl config use-context NAME sets it")
    context = merged.contexts.get(merged.current)
    if context is None:
        raise KubeconfigError(f'{where} has no context "{merged.current}", which is its current-context')
    named = {key: str(context.get(key) or "") for key in ("cluster", "user")}
    if named["cluster"] not in merged.clusters:
        raise KubeconfigError(f'{where} has no cluster "{named["cluster"]}", which its current context names')
    if named["user"] and named["user"] not in merged.users:
        raise KubeconfigError(f'{where} has no user "{named["user"]}", whom its current context names')
    user = merged.users.get(named["user"], {})
    for key, what in REFUSED.items():
        if user.get(key):
            raise KubeconfigError(
                f'{where}: the user "{named["user"]}" has {key} ({what}), which the operator can\'t honour: '
                "use another user, or run in a Pod with a service account"
            )
    return _Chosen(merged.clusters[named["cluster"]], user, named["user"])


def _paths() -> list[Path]:
    """Those that are there. Raises `KubeconfigError` where none is."""
    wanted = os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = [Path(each).expanduser() for each in wanted.split(os.pathsep) if each]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise KubeconfigError(
            f"no usable Kubernetes configuration ({wanted} is no file): "
            "set KUBECONFIG, or run in a Pod with a service account"
        )
    return found


def _read(path: Path) -> Json:
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise KubeconfigError(f"{path} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError):  # its words would show a line, and so a secret
        raise KubeconfigError(f"{path} is no kubeconfig: it can't be read as YAML") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise KubeconfigError(f"{path} is no kubeconfig: it is no mapping")
    return data


def _absolute(entry: Json, folder: Path) -> Json:
    """Paths are relative to the file that has them; so is a plugin's command, unless it is a bare name."""
    changed: Json = {
        key: str(folder / entry[key]) for key in PATHS if isinstance(entry.get(key), str) and entry[key]
    }
    plugin = entry.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
        changed["exec"] = {**plugin, "command": str(folder / plugin["command"])}
    return {**entry, **changed}


def own_namespace() -> str | None:
    """The Pod's; None outside a cluster."""
    try:
        return SERVICE_NAMESPACE.read_text().strip() or None
    except OSError:
        return None


def in_cluster() -> bool:
    """An explicit KUBECONFIG wins, as with kubectl."""
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and Path(SERVICE_TOKEN_FILENAME).exists()
    return in_pod and not os.environ.get("KUBECONFIG")
