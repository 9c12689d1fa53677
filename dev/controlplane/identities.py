"""Who may talk to the API server, and the kubeconfig files that say so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

ADMIN = "admin"
OPERATOR = "system:serviceaccount:moorcheh-system:moorcheh-operator"
"""What RBAC sees when the operator runs in a cluster as its own service account."""
CONTROLLER_MANAGER = "system:kube-controller-manager"
"""Its controllers then have a service account each, and the rights that Kubernetes gives each of them."""

GROUPS: dict[str, tuple[str, ...]] = {
    ADMIN: ("system:masters",),
    OPERATOR: ("system:serviceaccounts", "system:serviceaccounts:moorcheh-system", "system:authenticated"),
    CONTROLLER_MANAGER: ("system:authenticated",),
}


def token_file(tokens: Mapping[str, str], groups: Mapping[str, Iterable[str]]) -> str:
    """The text of kube-apiserver's --token-auth-file: token,user,uid,"groups"."""
    return "".join(
        f'{token},{user},uid-{number},"{",".join(groups[user])}"\n'
        for number, (user, token) in enumerate(tokens.items())
    )


def kubeconfig(*, server: str, ca_data: str, user: str, token: str) -> str:
    """The text of a kubeconfig file. JSON, which is YAML too."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "local", "cluster": {"server": server, "certificate-authority-data": ca_data}}
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [
                {"name": "local", "context": {"cluster": "local", "user": user, "namespace": "default"}}
            ],
            "current-context": "local",
        },
        indent=2,
    )


def write_secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path
