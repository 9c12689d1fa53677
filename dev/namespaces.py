"""Plays the namespace controller, which the control plane has not: without it no namespace is ever gone.

As the real one does: delete every collection in a namespace that is terminating, and finalize it once nothing
is left in it. What has a finalizer of its own blocks it here, too.
"""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane

LOOK_SECONDS = 0.1
_NAMESPACES = "/api/v1/namespaces"

Json = dict[str, Any]


class NamespaceController:
    """A context manager; it works in a thread of its own."""

    def __init__(self, plane: ControlPlane) -> None:
        self._http = httpx.Client(
            base_url=plane.url,
            headers={"Authorization": f"Bearer {plane.admin_token}"},
            verify=ssl.create_default_context(cafile=str(plane.ca_file)),
            trust_env=False,
            timeout=30,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="namespace controller", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._http.close()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                for namespace in self._terminating():
                    self._empty(namespace)
            except httpx.HTTPError:
                continue  # an outage of the API server, or somebody else was quicker

    def _terminating(self) -> list[Json]:
        answer = self._get(_NAMESPACES, fieldSelector="status.phase=Terminating")
        return list(answer["items"])

    def _empty(self, namespace: Json) -> None:
        name = namespace["metadata"]["name"]
        left = 0
        for path in self._collections(name):
            self._http.delete(path)
            left += len(self._get(path)["items"])
        if left == 0:
            namespace["spec"]["finalizers"] = []
            self._http.put(f"{_NAMESPACES}/{name}/finalize", json=namespace)

    def _collections(self, namespace: str) -> Iterator[str]:
        for version in self._versions():
            for resource in self._get(version).get("resources", ()):
                if resource["namespaced"] and {"deletecollection", "list"} <= set(resource["verbs"]):
                    yield f"{version}/namespaces/{namespace}/{resource['name']}"

    def _versions(self) -> Iterator[str]:
        yield "/api/v1"
        for group in self._get("/apis")["groups"]:
            yield f"/apis/{group['preferredVersion']['groupVersion']}"

    def _get(self, path: str, **query: str) -> Json:
        answer: Json = self._http.get(path, params=query).raise_for_status().json()
        return answer
