"""One control plane: etcd and kube-apiserver on loopback, its data in a folder that goes with it."""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import subprocess
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Self

from dev.controlplane.assets import Assets, prepare
from dev.controlplane.errors import KubectlError
from dev.controlplane.identities import ADMIN, GROUPS, OPERATOR, kubeconfig, token_file, write_secret
from dev.controlplane.readiness import get, opener, wait_until_up
from dev.processes import Process, free_port, scratch_folder

if TYPE_CHECKING:
    import urllib.request
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class ControlPlane:
    """A context manager. It is ready, and has the namespace `default`, when `with` is entered.

    `users` adds identities by their name and groups, such as `{"jane": ["system:authenticated"]}`.
    `address` and `port` are where the API server listens. `service_accounts`: Pods get tokens, and need an
    account, as in a cluster; that takes controllers.
    """

    def __init__(
        self,
        *,
        assets: Assets | None = None,
        users: Mapping[str, Iterable[str]] | None = None,
        apiserver_flags: Iterable[str] = (),
        address: str = "127.0.0.1",
        port: int | None = None,
        service_accounts: bool = False,
    ) -> None:
        self.assets = assets or prepare()
        self._groups = {**GROUPS, **{user: tuple(groups) for user, groups in (users or {}).items()}}
        # Without controllers nothing makes a `default` account in each namespace.
        self._flags = (
            *([] if service_accounts else ["--disable-admission-plugins=ServiceAccount"]),
            *apiserver_flags,
        )
        self._tokens = {user: secrets.token_hex(16) for user in self._groups}
        self._undo = ExitStack()
        self._etcd_port, self._port = free_port(), port or free_port()
        self._address = address
        self.url = f"https://{f'[{address}]' if ':' in address else address}:{self._port}"
        self.data: Path
        self.etcd: Process
        self.apiserver: Process

    def __enter__(self) -> Self:
        try:
            self.data = self._undo.enter_context(scratch_folder("moorcheh-control-plane-"))
            write_secret(self.data / "tokens.csv", token_file(self._tokens, self._groups))
            self._start_etcd()
            self._undo.callback(self.stop_apiserver)
            self.start_apiserver()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def admin_token(self) -> str:
        return self._tokens[ADMIN]

    def token(self, user: str) -> str:
        return self._tokens[OPERATOR if user == "operator" else user]

    @property
    def ca_file(self) -> Path:
        """The serving certificate and the CA that signed it; the API server makes both at its first start."""
        return self.data / "certificates" / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        """The admin's."""
        return self.kubeconfig_for(ADMIN)

    def kubeconfig_for(self, user: str) -> Path:
        """For `admin`, `operator` or the name of a user given at the start."""
        path = self.data / f"kubeconfig-{user.replace(':', '-').replace('/', '-')}"
        if not path.exists():
            ca_data = base64.b64encode(self.ca_file.read_bytes()).decode()
            text = kubeconfig(server=self.url, ca_data=ca_data, user=user, token=self.token(user))
            write_secret(path, text)
        return path

    def kubectl(
        self,
        *arguments: str | os.PathLike[str],
        input: str | None = None,  # noqa: A002 - as in subprocess.run
        user: str = ADMIN,
    ) -> str:
        """What kubectl wrote to standard output; KubectlError, with its standard error, if it failed."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig_for(user)),
            "KUBECACHEDIR": str(self.data / "kubectl-cache"),
        }
        command = [self.assets.kubectl, *arguments]
        ran = subprocess.run(
            command, input=input, env=environment, capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            words = " ".join(str(part) for part in arguments)
            msg = f"kubectl {words}: exit {ran.returncode}\n{ran.stderr.strip()}"
            raise KubectlError(msg)
        return ran.stdout

    def stop_apiserver(self, timeout: float = 10.0) -> None:
        """In order: it answers what it has begun. SIGKILL after `timeout` seconds."""
        if hasattr(self, "apiserver"):
            self.apiserver.stop(timeout)

    def kill_apiserver(self) -> None:
        self.apiserver.kill()

    def start_apiserver(self) -> None:
        """Ready on return. After a stop or kill: the same address, certificate and data."""
        certificates = self.data / "certificates"
        self.apiserver = Process(
            [
                self.assets.apiserver,
                f"--etcd-servers={self.etcd_url}",
                f"--bind-address={self._address}",
                f"--advertise-address={self._address}",  # a machine without a network has no other to find
                f"--secure-port={self._port}",
                f"--cert-dir={certificates}",
                # For the tokens of controllers, if there are any. The key that it makes for serving will do.
                f"--service-account-key-file={certificates / 'apiserver.key'}",
                f"--service-account-signing-key-file={certificates / 'apiserver.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--endpoint-reconciler-type=none",
                f"--token-auth-file={self.data / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                # Tests send in bursts what a cluster's users send in minutes.
                "--enable-priority-and-fairness=false",
                "--max-requests-inflight=3000",
                "--max-mutating-requests-inflight=1000",
                *self._flags,
            ],
            output=self.data / "kube-apiserver.log",
        )
        wait_until_up(self.apiserver, lambda: self._get("/readyz") == "ok")
        wait_until_up(self.apiserver, lambda: self._get("/api/v1/namespaces/default") != "")

    def take_snapshot(self) -> None:
        """Of all that is stored, as a backup of etcd has it. It is away for a moment."""
        self.etcd.stop()
        shutil.rmtree(self.data / "snapshot", ignore_errors=True)
        shutil.copytree(self.data / "etcd", self.data / "snapshot")
        self._start_etcd()
        wait_until_up(self.apiserver, lambda: self._get("/readyz") == "ok")

    def restore_snapshot(self) -> None:
        """As after a disaster: the API server stops, etcd gets the snapshot's data, and both start again."""
        self.stop_apiserver()
        self.etcd.stop()
        shutil.rmtree(self.data / "etcd")
        shutil.copytree(self.data / "snapshot", self.data / "etcd")
        self._start_etcd()
        self.start_apiserver()

    @property
    def etcd_url(self) -> str:
        """For who measures it: all else asks the API server."""
        return f"http://127.0.0.1:{self._etcd_port}"

    def metrics(self) -> str:
        """The API server's /metrics, as text."""
        return self._get("/metrics")

    def requests(self, **labels: str) -> int:
        """How many requests the API server has counted since its start, e.g. `requests(verb="PATCH")`.

        Labels: verb, group, version, resource, subresource, scope, code, component, dry_run.
        A watch counts when it ends, and what RBAC denies never does: see `denials`.
        """
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        lines = re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", self.metrics(), re.MULTILINE)
        return round(sum(float(value) for found, value in lines if wanted <= set(found.split(","))))

    def denials(self) -> int:
        """How many requests RBAC has denied since the API server's start: their 403 is not in `requests`."""
        found = re.findall(
            r'^authorization_attempts_total\{result="(.*)"\} (\S+)$', self.metrics(), re.MULTILINE
        )
        return round(sum(float(value) for result, value in found if result != "allowed"))

    def _start_etcd(self) -> None:
        url = self.etcd_url
        self.etcd = Process(
            [
                self.assets.etcd,
                f"--data-dir={self.data / 'etcd'}",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                "--listen-peer-urls=http://127.0.0.1:0",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            output=self.data / "etcd.log",
        )
        self._undo.callback(self.etcd.stop)

        def healthy() -> bool:
            return get(opener(), f"{url}/health") != ""

        wait_until_up(self.etcd, healthy)

    def _get(self, path: str) -> str:
        return get(self._https, self.url + path, {"Authorization": f"Bearer {self.admin_token}"})

    @cached_property
    def _https(self) -> urllib.request.OpenerDirector:
        return opener(self.ca_file)
