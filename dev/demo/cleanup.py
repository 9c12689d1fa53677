"""The scene about cleanup policies: a night's run, and one that the brake stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dev.demo.errors import DemoError
from dev.demo.scenarios import ROOT, Verdict
from moorcheh_operator.api.times import render_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.demo.screen import Screen
    from dev.demo.stage import Stage

COMPONENT = "manifests/components/cleanup-policies/role.yaml"
NIGHTLY, TOO_WIDE = "dev/demo/examples/nightly-ci.yaml", "dev/demo/examples/too-wide.yaml"
LEFT = ("ci-4711", "ci-4712", "ci-4713")  # by last night's builds
KEPT, FRESH = "ci-keep-baseline", "ci-4714"
OPERATOR = "system:serviceaccount:moorcheh-system:moorcheh-operator"
DAY, WITHIN = 86_400, 30.0
INDENT = "   "
BEHIND = 3.0  # seconds; more than the operator's clock ever is


def cleaned(stage: Stage, screen: Screen) -> list[Verdict]:
    screen.part("Deletions that nobody has to write: a policy for what CI leaves")
    for name in (*LEFT, KEPT):
        stage.moorcheh.create(name, items=40, seconds=1, age=DAY)
    stage.moorcheh.create(FRESH, items=40, seconds=1, age=60)
    screen.say(f"Left by builds: {', '.join(LEFT)}. Of today: {FRESH}. To be kept: {KEPT}.")
    _kubectl(
        stage, screen, "apply", "-f", COMPONENT, why="its right to create requests: by default it has none"
    )
    _until(lambda: _may_create(stage), "the operator may not create requests")
    _plugin(stage, screen, "preview-policy", NIGHTLY, why="what a run would create, with nothing created")
    before = set(stage.evidence().items)
    nightly = _night(stage, screen, NIGHTLY, "nightly-ci")
    _until(lambda: not set(LEFT) & stage.evidence().items.keys(), "they are not gone")
    _until(lambda: "nightly-ci=" not in _unfinished(stage), "its requests have not ended")
    gone = before - stage.evidence().items.keys()
    too_wide = _night(stage, screen, TOO_WIDE, "too-wide")
    _plugin(stage, screen, "policies")
    _kubectl(stage, screen, "get", "nsdel", "-l", "moorcheh.ai/cleanup-policy")
    return [
        Verdict(
            "nightly-ci",
            f"{nightly['result']}: {', '.join(LEFT)} are gone, and nothing else",
            f"{KEPT} is excepted, and {FRESH} is not 12 hours old.",
            () if gone == set(LEFT) else (f"gone are {', '.join(sorted(gone)) or 'none'}",),
        ),
        Verdict(
            "too-wide",
            f"{too_wide['result']}: nothing was created",
            "A glob that matches too much must not eat ten a night.",
            () if too_wide["result"] == "TooManyMatches" and not too_wide["created"] else (str(too_wide),),
        ),
    ]


def _night(stage: Stage, screen: Screen, manifest: str, name: str) -> dict[str, Any]:
    """What became of the run that comes now, and not when its schedule says."""
    _kubectl(stage, screen, "apply", "-f", manifest)
    planned = _until(lambda: _status(stage, name).get("nextRunTime"), f"no operator looks at {name}")
    # Runs are of later seconds than their policy. One that has not come yet by the operator's clock would be
    # planned anew, and that clock may be behind: it knows the API server's to the second.
    time_of_run = _created(stage, name) + timedelta(seconds=1)
    time.sleep(1 + BEHIND)
    now = render_time(time_of_run)
    screen.say(f"It runs next at {planned}. The demo does not wait for that: it writes {now} there instead.")
    patch = json.dumps({"status": {"nextRunTime": now}})
    stage.plane.kubectl("patch", "nscp", name, "--subresource=status", "--type=merge", "-p", patch)
    run: dict[str, Any] = _until(lambda: _over(stage, name), f"the run of {name} did not end")
    screen.say(f"{run['result']}: {run['message']}")
    return run


def _over(stage: Stage, name: str) -> dict[str, Any] | None:
    run: dict[str, Any] = _status(stage, name).get("lastRun", {})
    return run if run.get("result", "Creating") != "Creating" else None


def _created(stage: Stage, name: str) -> datetime:
    return datetime.fromisoformat(_policy(stage, name)["metadata"]["creationTimestamp"])


def _status(stage: Stage, name: str) -> dict[str, Any]:
    status: dict[str, Any] = _policy(stage, name).get("status", {})
    return status


def _policy(stage: Stage, name: str) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(stage.plane.kubectl("get", "nscp", name, "-o", "json"))
    return policy


def _unfinished(stage: Stage) -> str:
    listed = json.loads(stage.plane.kubectl("get", "nsdel", "-l", "moorcheh.ai/cleanup-policy", "-o", "json"))
    return " ".join(
        f"{each['metadata']['labels']['moorcheh.ai/cleanup-policy']}={each['metadata']['name']}"
        for each in listed["items"]
        if each["status"].get("phase") not in ("Succeeded", "Failed")
    )


def _may_create(stage: Stage) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": OPERATOR,
            "resourceAttributes": {
                "group": "moorcheh.ai",
                "resource": "namespacedeletions",
                "verb": "create",
                "namespace": "default",
            },
        },
    }
    answer = stage.plane.kubectl("create", "-o", "json", "-f", "-", input=json.dumps(review))
    return bool(json.loads(answer)["status"]["allowed"])


def _until(holds: Callable[[], Any], otherwise: str) -> Any:
    end = time.monotonic() + WITHIN
    while not (found := holds()):
        if time.monotonic() > end:
            raise DemoError(f"{otherwise}, after {WITHIN:.0f} s")
        time.sleep(0.1)
    return found


def _kubectl(stage: Stage, screen: Screen, *words: str, why: str = "") -> None:
    screen.command("kubectl", *words, why=why)
    paths = (str(ROOT / word) if word.endswith(".yaml") else word for word in words)
    screen.output(stage.plane.kubectl(*paths), indent=INDENT)


def _plugin(stage: Stage, screen: Screen, *words: str, why: str = "") -> None:
    screen.command("kubectl", "moorcheh", *words, why=why)
    path = os.pathsep.join([str(stage.plane.assets.kubectl.parent), os.environ.get("PATH", "")])
    ran = subprocess.run(
        [sys.executable, "-m", "moorcheh_kubectl", *words],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(stage.plane.kubeconfig), "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise DemoError(ran.stderr)
    screen.output(ran.stdout, indent=INDENT)
