"""What the tasks of all requests have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moorcheh_operator.api.request import Request
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster
from moorcheh_operator.cluster.labels import Labels
from moorcheh_operator.lifecycle import placement
from moorcheh_operator.lifecycle.access import Access, access, shut_out
from moorcheh_operator.lifecycle.kubernetes_namespace import NamespaceState
from moorcheh_operator.lifecycle.placement import Place
from moorcheh_operator.lifecycle.rewound import Past
from moorcheh_operator.servers.definitions import Definition, From, NameReuse

from .live_servers import LiveServers
from .namespaces import Namespaces
from .reporting import Reporter
from .targets import Targets


@dataclass(slots=True, eq=False)
class Shared:
    cluster: Cluster
    servers: LiveServers
    clock: Clock
    labels: Labels
    namespaces: Namespaces
    targets: Targets
    reporter: Reporter
    leads: Callable[[], bool]
    own_namespace: str | None  # the operator's, for servers that take requests from there alone
    listed: bool = False  # the first complete list since the start is in (rule 10)
    stopping: bool = False
    past: Past | None = None  # what was known in a history of the API server that is lost

    @property
    def closing(self) -> bool:
        """Nothing more is claimed; what was sent is recorded."""
        return self.stopping or self.cluster.history.over

    def serves(self, server: str) -> bool:
        """Whether requests and policies for this server (its name) are this operator's to act for."""
        return self.servers.defined.serves(server)

    def place(self, request: Request) -> Place:
        return placement.place(request, self.servers.defined)

    def name_reuse(self, request: Request) -> NameReuse:
        """At the request's server, by what the servers file says now."""
        return self.servers.defined.name_reuse(self.place(request)[0])

    def access(self, request: Request, namespace: NamespaceState | None) -> Access:
        """By what the servers file says now."""
        named = self.servers.defined.get(request.spec.server)
        return access(request, named, self.own_namespace, self.labels.of(request.namespace), namespace)

    async def shut_out(self, server: Definition, namespace: str) -> str | None:
        """Why the server takes no requests from this Kubernetes namespace; None: it does."""
        if server.allowed_namespaces.from_ is From.SELECTOR:
            await self.labels.refresh(namespace)
        refusal = shut_out(server, namespace, self.own_namespace, self.labels.of(namespace))
        return None if refusal is None else refusal.message
