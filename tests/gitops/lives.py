"""Requests as the API server returned them in every phase of real lives: what the tools are asked about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.integration.life import World

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane import ControlPlane

Json = dict[str, Any]
HOOK = "argocd.argoproj.io/hook"


def observed(body: Json) -> str:
    """The phase that a version shows, or why its phase does not count."""
    status = body["status"]
    if "deletionTimestamp" in body["metadata"]:
        return "going"
    if "phase" not in status:
        return "unseen"
    if status["observedGeneration"] != body["metadata"]["generation"]:
        return "stale"
    return str(status["phase"])


EVERY = {
    "unseen",
    "stale",
    "Pending",
    "Suspended",
    "Submitting",
    "Running",
    "Succeeded",
    "Failed",
    "going",
}


def manifest(name: str, target: str, *, metadata: Json | None = None, **spec: object) -> str:
    return json.dumps(
        {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name, **(metadata or {})},
            "spec": {"namespaceName": target, **spec},
        }
    )


def lives(plane: ControlPlane, folder: Path) -> list[Json]:
    """Every version of requests that were approved, queued, carried out, refused, changed and deleted."""
    with World(plane, folder) as world:
        world.moorcheh.create("approved")
        world.moorcheh.create("held")
        world.moorcheh.create("slow", items=10_000, seconds=60)
        world.moorcheh.create("lost")
        world.moorcheh.fault("delete", "lost", kind="drop")

        world.kubectl("create", "-f", "-", input=manifest("approved", "approved", suspend=True))
        world.kubectl(
            "create", "-f", "-",
            input=manifest("hook", "held", metadata={"annotations": {HOOK: "PreDelete"}}, suspend=True),
        )  # fmt: skip
        world.kubectl(
            "create", "-f", "-",
            input=manifest("going", "held", metadata={"finalizers": ["example.com/kept"]}, suspend=True),
        )  # fmt: skip
        approved, hook, going = (world.find(name) for name in ("approved", "hook", "going"))
        slow = world.ask("slow")
        lost = world.ask("lost")
        slow.reaches("Running")
        queued = world.ask("slow")
        missing = world.ask("none-such", ifAbsent="Fail")

        for one in (approved, hook, going):
            one.reaches("Suspended")
        approved.change(suspend=False).raise_for_status()
        approved.ends("Succeeded/DeletionCompleted")
        missing.ends("Failed/TargetAbsent")
        missing.change(backoffLimit=1).raise_for_status()
        queued.reaches("Pending/TargetBusy")
        slow.until(lambda body: not body["status"].get("progress", "0/").startswith("0/"))
        world.moorcheh.end_jobs("slow")
        slow.ends("Succeeded/DeletionCompleted")
        slow.until(lambda body: body["status"].get("progress", "").endswith("100%)"))
        lost.reaches("Submitting/Verifying")
        world.http.delete(f"{world.path}/going").raise_for_status()
        going.until(lambda body: "deletionTimestamp" in body["metadata"])
        missing.until(lambda body: body["status"]["observedGeneration"] == 2)
        versions = [body for each in world.history.objects().values() for body in each]
        world.kubectl("patch", "nsdel", "going", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    return versions
