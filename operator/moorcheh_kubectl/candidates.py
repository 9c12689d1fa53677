"""Names that Tab can offer, from the kubeconfig or the cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import api as kubernetes_api


class Candidates:
    """None where they can't be had: Tab must not complain."""

    def __init__(self, kubeconfig: str | None, context: str | None, namespace: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._namespace = namespace

    def of(self, ask: Callable[[Candidates], list[str]]) -> list[str]:
        try:
            return ask(self)
        except Exception:  # noqa: BLE001 - a completion has nowhere to say what is wrong
            return []

    def contexts(self) -> list[str]:
        return kubernetes_api.contexts(self._kubeconfig)

    def namespaces(self) -> list[str]:
        return self._api().namespaces()

    def requests(self, phases: Sequence[str]) -> list[str]:
        api = self._api()
        found, _ = api.requests(self._namespace or api.namespace)
        return [seen.request.name for seen in found if not phases or seen.request.status.phase in phases]

    def _api(self) -> kubernetes_api.Api:
        return kubernetes_api.Api(kubeconfig=self._kubeconfig, context=self._context)
