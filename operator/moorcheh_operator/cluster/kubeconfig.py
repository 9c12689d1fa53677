"""Which cluster, and as whom: found as kubectl finds it."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from kubernetes.aio import client, config
from kubernetes.aio.client import rest
from kubernetes.aio.config.incluster_config import SERVICE_TOKEN_FILENAME

from moorcheh_operator.api.texts import plain_text

from .api_server import ApiServer

SERVICE_NAMESPACE = Path(SERVICE_TOKEN_FILENAME).with_name("namespace")


class KubeconfigError(Exception):
    """No usable way to a cluster was found; the text says what was tried."""


async def load() -> ApiServer:
    """`KUBECONFIG` if it is set, else the Pod's service account, else `~/.kube/config`."""
    configuration = client.Configuration()
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
        return ApiServer(
            configuration.host,
            functools.partial(configuration.get_api_key_with_prefix, "BearerToken"),
            rest.RESTClientObject(configuration).ssl_context,
            configuration.tls_server_name,
            configuration.proxy,
        )
    except Exception as error:  # the library lets KeyError, OSError and YAML's errors through
        raise KubeconfigError(
            f"no usable Kubernetes configuration ({plain_text(str(error))}): "
            "set KUBECONFIG, or run in a Pod with a service account"
        ) from error


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
