"""Cleanup policies in a world of `tests.integration.life`, whose runs come when the test wants them."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from tests.dev.waiting import WITHIN, until
from tests.integration.life import API, Asked, World

Json = dict[str, Any]
COMPONENTS = Path(__file__).parents[2] / "manifests" / "components"
RIGHT = COMPONENTS / "cleanup-policies-single-namespace" / "role" / "role.yaml"
POLICY_LABEL = "moorcheh.ai/cleanup-policy"
YEARLY = "0 0 1 1 *"


def may_create(world: World) -> None:
    """Return once the operator may create requests in the world's Kubernetes namespace."""
    world.kubectl("apply", "-f", str(RIGHT))
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:moorcheh-system:moorcheh-operator",
            "resourceAttributes": {
                "namespace": world.namespace,
                "group": "moorcheh.ai",
                "resource": "namespacedeletions",
                "verb": "create",
            },
        },
    }

    def allowed() -> bool:
        answer = world.http.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=asked)
        return bool(answer.raise_for_status().json()["status"]["allowed"])

    assert until(allowed)


class CleanupPolicy:
    """One that runs once a year, and whenever the test says so."""

    def __init__(self, world: World, name: str, **spec: object) -> None:
        self._world = world
        self.name = name
        self.path = f"{API}/namespaces/{world.namespace}/namespacecleanuppolicies"
        body = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceCleanupPolicy",
            "metadata": {"name": name},
            "spec": {"schedule": YEARLY, **spec},
        }
        answer = world.http.post(self.path, json=body, params={"fieldValidation": "Strict"})
        assert answer.is_success, answer.text
        self.uid: str = answer.json()["metadata"]["uid"]

    @property
    def body(self) -> Json:
        found: Json = self._world.http.get(f"{self.path}/{self.name}").raise_for_status().json()
        return found

    @property
    def status(self) -> Json:
        status: Json = self.body["status"]
        return status

    @property
    def last_run(self) -> Json:
        run: Json = self.status.get("lastRun", {})
        return run

    def condition(self, kind: str) -> Json | None:
        return next((one for one in self.status.get("conditions", ()) if one["type"] == kind), None)

    def becomes(self, reason: str) -> Json:
        """Return once its condition Ready has this reason, for its spec as it is."""

        def is_so() -> bool:
            body, ready = self.body, self.condition("Ready")
            followed = body["status"]["observedGeneration"] == body["metadata"]["generation"]
            return followed and ready is not None and ready["reason"] == reason

        assert until(is_so, within=WITHIN), (reason, self.status)
        return self.status

    def change(self, **spec: object) -> None:
        self._world._merge(f"{self.path}/{self.name}", {"spec": spec}).raise_for_status()  # noqa: SLF001 - its kin

    def fall_due(self) -> str:
        """Its time has come, as if the schedule had said so: what it is called."""
        body = self.body
        last = body["status"].get("lastRun", {}).get("scheduledTime") or body["metadata"]["creationTimestamp"]

        def told() -> str | None:
            answer = self._world.http.get(f"{self.path}/{self.name}")
            # A moment ago also for an operator whose idea of the time is a second behind.
            now = parsedate_to_datetime(answer.headers["Date"]) - timedelta(seconds=2)
            if now <= datetime.fromisoformat(last):
                return None
            body, time = answer.json(), now.strftime("%Y-%m-%dT%H:%M:%SZ")
            if body["status"].get("nextRunTime") is None:
                return None
            patch = {
                "metadata": {"resourceVersion": body["metadata"]["resourceVersion"]},
                "status": {"nextRunTime": time},
            }
            landed = self._world._merge(f"{self.path}/{self.name}/status", patch)  # noqa: SLF001 - its kin
            return time if landed.is_success else None

        times: list[str] = []

        def done() -> bool:
            times.extend(filter(None, [told()]))
            return bool(times)

        assert until(done, within=WITHIN), self.status
        return times[0]

    def ends(self, scheduled: str, *, within: float = WITHIN) -> Json:
        """What became of the run of that time."""

        def is_over() -> bool:
            run = self.last_run
            return run.get("scheduledTime") == scheduled and run["result"] != "Creating"

        assert until(is_over, within=within), self.status
        return self.last_run

    def runs(self, result: str) -> Json:
        """A run now, which must end so."""
        run = self.ends(self.fall_due())
        assert run["result"] == result, run
        return run

    def requests(self) -> list[Asked]:
        """Those that it created, by name."""
        query = {"labelSelector": f"{POLICY_LABEL}={self.name}"}
        listed = self._world.http.get(self._world.path, params=query).raise_for_status().json()["items"]
        return [Asked(self._world, body) for body in listed]

    def sees_event(self, kind: str, reason: str) -> None:
        """Events follow the writes, and may come a moment later."""
        assert until(lambda: (kind, reason) in self.events()), self.events()

    def events(self) -> list[tuple[str, str]]:
        listed = self._world.http.get(
            f"/api/v1/namespaces/{self._world.namespace}/events",
            params={"fieldSelector": f"involvedObject.uid={self.uid}"},
        )
        return [(event["type"], event["reason"]) for event in listed.raise_for_status().json()["items"]]
