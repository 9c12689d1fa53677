"""Which cluster, and as whom: found as kubectl finds it."""

from __future__ import annotations

import os
from pathlib import Path

from kubernetes.aio import client, config
from kubernetes.aio.config.incluster_config import SERVICE_TOKEN_FILENAME

from moorcheh_operator.api.texts import plain_text

SERVICE_NAMESPACE = Path(SERVICE_TOKEN_FILENAME).with_name("namespace")


class KubeconfigError(Exception):
    """No usable way to a cluster was found; the text says what was tried."""


CONNECTIONS = 16  # to the API server: a TLS handshake costs the CPU of two or three calls


async def load() -> client.Configuration:
    """`KUBECONFIG` if it is set, else the Pod's service account, else `~/.kube/config`."""
    configuration = client.Configuration(connection_pool_maxsize=CONNECTIONS)
    # With it aiohttp reads .netrc in a thread for every call. A proxy is named in the configuration.
    configuration.client_session_kwargs = {"trust_env": False}
    try:
        if in_cluster():
            config.load_incluster_config(client_configuration=configuration)
        else:
            _find_file()
            await config.load_kube_config(
                config_file=os.environ.get("KUBECONFIG") or None,
                client_configuration=configuration,
                persist_config=False,
            )
    except Exception as error:  # the library lets KeyError, OSError and YAML's errors through
        raise KubeconfigError(
            f"no usable Kubernetes configuration ({plain_text(str(error))}): "
            "set KUBECONFIG, or run in a Pod with a service account"
        ) from error
    return configuration


def _find_file() -> None:
    """Raises `OSError` where there is none; the library only logs that, and complains about what it lacks."""
    wanted = os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(path).expanduser().is_file() for path in wanted.split(os.pathsep)):
        raise FileNotFoundError(f"{wanted} is no file")


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
