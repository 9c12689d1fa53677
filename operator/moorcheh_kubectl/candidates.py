"""Names that Tab can offer, from the kubeconfig or the cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .api import Api
from .kubectl import Flags, Kubectl


class Candidates:
    """None where they can't be had: Tab must not complain."""

    def __init__(self, flags: Flags, namespace: str | None) -> None:
        self._kubectl = Kubectl(flags)
        self._namespace = namespace

    def of(self, ask: Callable[[Candidates], list[str]]) -> list[str]:
        try:
            return ask(self)
        except Exception:  # noqa: BLE001 - a completion has nowhere to say what is wrong
            return []

    def in_kubeconfig(self, what: str) -> list[str]:
        return self._kubectl.names(what)

    def namespaces(self) -> list[str]:
        with Api(self._kubectl) as api:
            return api.namespaces()

    def requests(self, phases: Sequence[str]) -> list[str]:
        with Api(self._kubectl) as api:
            found, _ = api.requests(self._namespace or self._kubectl.default_namespace()())
        return [seen.request.name for seen in found if not phases or seen.request.status.phase in phases]

    def policies(self) -> list[str]:
        with Api(self._kubectl) as api:
            found, _ = api.policies(self._namespace or self._kubectl.default_namespace()())
        return [seen.policy.name for seen in found]
