"""The addresses of the node and of what runs on it; they exist in its own network namespace only."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network


@dataclass(frozen=True)
class Network:
    name: str
    node: str
    pods: str
    services: str

    @property
    def prefix(self) -> int:
        """The length of the node's own network."""
        return 64 if ":" in self.node else 24

    @property
    def everywhere(self) -> str:
        return "::/0" if ":" in self.node else "0.0.0.0/0"

    @property
    def kubernetes(self) -> str:
        """The API server's Service, as Kubernetes chooses it."""
        return str(ip_network(self.services)[1])

    @property
    def moorcheh(self) -> str:
        """The Service of the stand-in."""
        return str(ip_network(self.services)[100])

    def at(self, port: int) -> str:
        """The node's address with a port, as in a URL."""
        return f"[{self.node}]:{port}" if ":" in self.node else f"{self.node}:{port}"


IPV4 = Network("IPv4", "10.77.0.1", "10.78.0.0/24", "10.79.0.0/24")
IPV6 = Network("IPv6", "fd77::1", "fd78::/64", "fd79::/112")
NETWORKS = {network.name: network for network in (IPV4, IPV6)}
