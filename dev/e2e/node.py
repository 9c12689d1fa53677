"""One real node: containerd, kubelet and kube-proxy; with a control plane, its scheduler and controllers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dev.controlplane import ControllerManager, ControlPlane, KubectlError
from dev.controlplane.controllers import CONTROLLERS
from dev.e2e.errors import E2EError
from dev.e2e.images import HTPASSWD, PAUSE, PORTS, PRIVATE
from dev.e2e.needs import SYSTEM
from dev.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.e2e.network import Network
    from dev.e2e.programs import Programs

NAME = "e2e"
CONTAINERD = "/run/containerd/containerd.sock"
MOORCHEH = "moorcheh.my-namespace.svc"
"""The stand-in's Service, as the README writes its address."""
USERS = {
    f"system:node:{NAME}": ("system:nodes", "system:authenticated"),
    "system:kube-scheduler": ("system:authenticated",),
    "system:kube-proxy": ("system:authenticated",),
}
NODE_CONTROLLERS = (
    *CONTROLLERS,
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "pod-garbage-collector-controller",
    "disruption-controller",
    "resourcequota-controller",
)
_READY_SECONDS = 120.0


def wait(what: str, ready: Callable[[], object], seconds: float = 60.0) -> None:
    """Raises `E2EError` after `seconds`, with what kubectl said last."""
    until = time.monotonic() + seconds
    last = ""
    while True:
        try:
            if ready():
                return
        except KubectlError as error:
            last = f" ({error})"
        if time.monotonic() > until:
            raise E2EError(f"not within {seconds:.0f} s: {what}{last}")
        time.sleep(0.2)


class Node:
    """A context manager; its parts that run before the node itself are there with `with`."""

    def __init__(self, folder: Path, network: Network, programs: Programs, cgroup: str, images: Path) -> None:
        """`images`: the folder of the registries, which outlives the node."""
        self.folder = folder
        self.network = network
        self._programs = programs
        self._cgroup = cgroup
        self._images = images
        self._processes: list[Process] = []
        self._undo = ExitStack()
        self.plane = ControlPlane(
            assets=programs.assets,
            users=USERS,
            address=network.node,
            port=6443,  # a port that the NetworkPolicy of manifests/base lets out to
            service_accounts=True,
            apiserver_flags=[
                "--authorization-mode=Node",
                "--enable-admission-plugins=NodeRestriction",
                f"--service-cluster-ip-range={network.services}",
                "--endpoint-reconciler-type=lease",
                "--kubelet-preferred-address-types=InternalIP",
            ],
        )

    def __enter__(self) -> Self:
        try:
            for folder in ("cni", "logs", "registries", "empty"):
                (self.folder / folder).mkdir()
            self._undo.enter_context(self.plane)
            self._start_registries()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 - as in subprocess.run
        return self.plane.kubectl(*arguments, input=input)

    def get(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", "-o", "json", *arguments))
        return found

    def has_image(self, name: str) -> bool:
        """Whether it was pushed, by an earlier stage."""
        return (self._images / "docker/registry/v2/repositories" / name).exists()

    def start(self) -> None:
        """The node is Ready on return."""
        certificates = self.plane.ca_file.parent
        flags = [
            f"--service-account-private-key-file={certificates / 'apiserver.key'}",
            f"--root-ca-file={self.plane.ca_file}",
        ]
        self._undo.enter_context(
            ControllerManager(
                self.plane, self._programs.controller_manager, controllers=NODE_CONTROLLERS, flags=flags
            )
        )
        self._start_names()
        self._start_containerd()
        self._start_kubelet()
        self._start_proxy()
        self._start_scheduler()
        wait("the node is Ready", self._ready, _READY_SECONDS)

    def log(self, name: str, lines: int = 15) -> str:
        text = (self.folder / "logs" / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _ready(self) -> bool:
        for process in self._processes:
            if not process.running:
                raise E2EError(f"{process.name} ended (exit {process.returncode}):\n{process.tail(15)}")
        conditions = "{.status.conditions[?(@.type=='Ready')].status}"
        return self.kubectl("get", "node", NAME, "-o", f"jsonpath={conditions}") == "True"

    def _run(self, name: str, *command: str | os.PathLike[str]) -> None:
        environment = {**os.environ, "PATH": SYSTEM}
        process = Process(command, output=self.folder / "logs" / f"{name}.log", name=name, env=environment)
        self._processes.append(process)
        self._undo.callback(process.stop)

    def _write(self, name: str, content: object) -> Path:
        """JSON, which is YAML too."""
        path = self.folder / name
        path.write_text(json.dumps(content, indent=1))
        return path

    def _start_registries(self) -> None:
        """Two doors to the same images: an open one, and one with a password."""
        secret = self.folder / "htpasswd"
        secret.write_text(HTPASSWD + "\n")
        for name, port in PORTS.items():
            config: dict[str, object] = {
                "version": "0.1",
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(self._images)}},
                "http": {"addr": self.network.at(port)},
            }
            if name == PRIVATE:
                config["auth"] = {"htpasswd": {"realm": "e2e", "path": str(secret)}}
            self._run(name, _system("docker-registry"), "serve", self._write(f"{name}.json", config))
            hosts = self.folder / "registries" / name
            hosts.mkdir()
            (hosts / "hosts.toml").write_text(
                f'server = "http://{name}:{port}"\n'
                f'[host."http://{name}:{port}"]\n  capabilities = ["pull", "resolve"]\n'
            )

    def _start_names(self) -> None:
        """The cluster's DNS: it knows the one Service that is asked for by name."""
        self._run(
            "dnsmasq",
            _system("dnsmasq"),
            "--keep-in-foreground", "--no-resolv", "--no-hosts", "--log-facility=-", "--user=root",
            "--pid-file",
            f"--listen-address={self.network.node}", "--bind-interfaces",
            f"--host-record={MOORCHEH}.cluster.local,{self.network.moorcheh}",
            "--local=/cluster.local/", "--local=/local/",
        )  # fmt: skip

    def _start_containerd(self) -> None:
        cni = {
            "cniVersion": "1.0.0",
            "name": "e2e",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": self.network.pods}]],
                        "routes": [{"dst": self.network.everywhere}],
                    },
                }
            ],
        }
        (self.folder / "cni" / "10-e2e.conflist").write_text(json.dumps(cni))
        config = self.folder / "containerd.toml"
        config.write_text(f"""
version = 2
root = "{self.folder / "containerd"}"
state = "/run/containerd/state"
oom_score = 0
[grpc]
  address = "{CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{self.folder / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{self.folder / "registries"}"
""")
        self._run("containerd", _system("containerd"), "--config", config)
        socket = Path(CONTAINERD)
        wait("containerd listens", socket.exists)

    def _start_kubelet(self) -> None:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.network.node,
            # Nobody else is in this network.
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self._cgroup,
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "oomScoreAdj": 0,
            "maxOpenFiles": 20000,
            "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
            "clusterDNS": [self.network.node],
            "clusterDomain": "cluster.local",
            "resolvConf": "",
            "evictionHard": {"memory.available": "1%", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "syncFrequency": "10s",  # a changed ConfigMap reaches its Pods sooner
            "volumePluginDir": str(self.folder / "empty"),
            "shutdownGracePeriod": "0s",
        }
        self._run(
            "kubelet",
            self._programs.node / "kubelet",
            f"--config={self._write('kubelet.json', config)}",
            f"--kubeconfig={self.plane.kubeconfig_for(f'system:node:{NAME}')}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.network.node}",
        )

    def _start_proxy(self) -> None:
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "hostnameOverride": NAME,
            "bindAddress": self.network.node,
            "clusterCIDR": self.network.pods,
            "clientConnection": {"kubeconfig": str(self.plane.kubeconfig_for("system:kube-proxy"))},
            # Sysctls of the whole machine; 0 leaves them alone.
            "conntrack": {
                "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
                "udpTimeout": "0s", "udpStreamTimeout": "0s",
            },
        }  # fmt: skip
        self._run(
            "kube-proxy", self._programs.node / "kube-proxy", f"--config={self._write('proxy.json', config)}"
        )

    def _start_scheduler(self) -> None:
        kubeconfig = self.plane.kubeconfig_for("system:kube-scheduler")
        self._run(
            "kube-scheduler",
            self._programs.node / "kube-scheduler",
            f"--kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'scheduler'}",
        )


def _system(program: str) -> str:
    found = shutil.which(program, path=SYSTEM)
    if found is None:
        raise E2EError(f"no program {program}")
    return found


def run(command: str, folder: Path, environment: dict[str, str], seconds: float = 300.0) -> str:
    """A line of a document, by a shell; E2EError with what it said if it fails."""
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if ran.returncode != 0:
        raise E2EError(f"$ {command}\nexit {ran.returncode}: {(ran.stderr or ran.stdout).strip()[-1500:]}")
    return ran.stdout
