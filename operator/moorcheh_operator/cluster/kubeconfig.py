"""Which cluster, and as whom: found as kubectl finds it. What can't be honoured is refused by its name.

Read here and not by the `kubernetes` package: that takes the last file's context, leaves `as` aside, goes on
as nobody where a credential plugin fails, and obtains nothing anew.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yarl import URL

from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.clock import Clock

from .api_server import ApiServer
from .credential_plugin import plugin
from .credentials import Credential, CredentialError, Credentials, Refusals, token_in
from .proxies import ProxyError, proxy_for

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
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

PLUGIN_TOLD = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")

Json = dict[str, Any]


class KubeconfigError(Exception):
    """No usable way to a cluster was found; the text says what was tried."""


async def load(clock: Clock) -> ApiServer:
    """`KUBECONFIG` if it is set, else the Pod's service account, else `~/.kube/config`.

    Raises `KubeconfigError`, in one line without any secret.
    """
    try:
        found = _of_pod(clock) if in_cluster() else _of_files(clock)
        await found.credentials.current()
    except (CredentialError, ProxyError) as error:
        raise KubeconfigError(plain_text(str(error))) from error
    return found


def _of_pod(clock: Clock) -> ApiServer:
    """As `kubelet` mounts it; it rotates the token."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
    authority = SERVICE_ACCOUNT / "ca.crt"
    try:
        tls = ssl.create_default_context(cafile=authority)
    except OSError as error:  # ssl.SSLError is one
        raise KubeconfigError(f"{authority} holds no certificate that can be read: {error}") from error
    token = SERVICE_ACCOUNT / "token"
    credentials = Credentials(f"the service account's token ({token})", token_in(token, tls), clock)
    return _api_server(f"https://{f'[{host}]' if ':' in host else host}:{port}", credentials, clock, {})


def _of_files(clock: Clock) -> ApiServer:
    chosen = _chosen()
    url = str(chosen.cluster.get("server") or "").rstrip("/")
    if URL(url).scheme not in ("http", "https") or not URL(url).host:
        raise KubeconfigError(f"{chosen.where} has a cluster whose server is no URL like https://host:6443")
    return _api_server(url, _credentials(chosen, clock), clock, chosen.cluster)


def _api_server(url: str, credentials: Credentials, clock: Clock, cluster: Json) -> ApiServer:
    return ApiServer(
        url,
        credentials,
        Refusals(credentials, url, clock.ticks),
        cluster.get("tls-server-name"),
        proxy_for(url, cluster.get("proxy-url"), os.environ),
    )


def _credentials(chosen: _Chosen, clock: Clock) -> Credentials:
    user, whose = chosen.user, f'of the user "{chosen.user_name}" in {chosen.where}'
    tls = chosen.tls()
    if path := user.get("tokenFile"):
        return Credentials(f"the token in {path}", token_in(Path(path), tls), clock)
    if user.get("exec") and not user.get("token"):
        if user["exec"].get("interactiveMode") == "Always":
            raise KubeconfigError(
                f"the credential plugin {whose} wants a terminal, and the operator has none"
            )
        command = user["exec"].get("command")
        obtain = plugin(user["exec"], chosen.cluster_info(), tls, lambda chain, key: chosen.tls(chain + key))
        return Credentials(f"what the credential plugin {command} {whose} gives", obtain, clock, costly=True)

    async def obtain_again() -> Credential:
        token = user.get("token")
        return Credential(f"Bearer {token}" if token else None, chosen.tls(chosen.own_certificate()))

    return Credentials(f"the token or certificate {whose}", obtain_again, clock, costly=True)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the current context names."""

    cluster: Json
    user: Json
    user_name: str
    where: str

    def tls(self, certificate: str | None = None) -> ssl.SSLContext:
        """That shows this certificate, with its key, both PEM. Raises `CredentialError`."""
        try:
            authority = _data_or_file(self.cluster, "certificate-authority")
            context = ssl.create_default_context(cadata=authority)
        except (OSError, ValueError) as error:
            raise CredentialError(
                f"{self.where}: the cluster's certificate-authority can't be read: {error}"
            ) from error
        if self.cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate is not None:
            _show(context, certificate)
        return context

    def own_certificate(self) -> str | None:
        """Raises `CredentialError`."""
        try:
            chain, key = (_data_or_file(self.user, f"client-{name}") for name in ("certificate", "key"))
        except (OSError, ValueError) as error:
            raise CredentialError(
                f'{self.where}: the client certificate of the user "{self.user_name}" can\'t be read: {error}'
            ) from error
        return f"{chain}\n{key}" if chain and key else None

    def cluster_info(self) -> Json:
        """For a credential plugin."""
        info = {key: self.cluster[key] for key in PLUGIN_TOLD if self.cluster.get(key)}
        authority = _data_or_file(self.cluster, "certificate-authority")
        if authority:
            info["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
        for each in self.cluster.get("extensions") or ():
            if each.get("name") == "client.authentication.k8s.io/exec":
                info["config"] = each.get("extension")
        return info


def _data_or_file(fields: Json, name: str) -> str | None:
    """PEM. Data counts before a file, as with kubectl. Raises `OSError`, `ValueError`."""
    if data := fields.get(f"{name}-data"):
        return base64.b64decode(data).decode("ascii")
    return Path(path).read_text() if (path := fields.get(name)) else None


def _show(context: ssl.SSLContext, certificate: str) -> None:
    try:
        with tempfile.NamedTemporaryFile("w") as file:  # ssl takes files alone
            file.write(certificate)
            file.flush()
            context.load_cert_chain(file.name, password=lambda: "")  # or it asks a terminal
    except FileNotFoundError as error:
        raise CredentialError(
            "a client certificate needs a folder for temporary files, and there is none that can be written: "
            "set TMPDIR to one"
        ) from error
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CredentialError(f"the client certificate or its key can't be used: {error}") from error


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
    return _Chosen(merged.clusters[named["cluster"]], user, named["user"], where)


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
        return (SERVICE_ACCOUNT / "namespace").read_text().strip() or None
    except OSError:
        return None


def in_cluster() -> bool:
    """An explicit KUBECONFIG wins, as with kubectl."""
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT / "token").exists()
    return in_pod and not os.environ.get("KUBECONFIG")
