"""What to try while the demo goes on: commands to paste, in this order. Data; tests run each of them."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.demo.scenarios import ROOT, Namespace

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

TEAM = "team-a"
"""The Kubernetes namespace of the tour: what the examples made in `default` stays."""
REQUESTER, VIEWER, AUTHOR = "requester", "viewer", "author"
ROLES = {
    REQUESTER: ("moorcheh-namespacedeletion-requester",),
    # In a cluster `view` takes both in; here no controller aggregates ClusterRoles.
    VIEWER: ("moorcheh-namespacedeletion-viewer", "moorcheh-namespacecleanuppolicy-viewer"),
    AUTHOR: ("moorcheh-namespacecleanuppolicy-author",),
}
POLICY = "manifests/examples/policies/nightly-ci.yaml"

FRESH = (
    Namespace("my-archive", 3_000, seconds=8),
    Namespace("my-documents", 48_000, seconds=8),
    Namespace("old-embeddings", 12_500, seconds=4),
    Namespace("chat-logs", 9_000, seconds=4, fails_at=0.5),
    Namespace("scratch", 12),
    Namespace("preview-42", 60),
    Namespace("docs", 640),
)
"""What the examples are for, as at the start; older than the date in the one for GitOps."""


@dataclass(frozen=True)
class Step:
    why: str
    command: str
    shows: str
    """Words that it must show."""
    code: int = 0
    asks: bool = False
    """Until it is answered with yes."""
    endless: bool = False
    """Until Ctrl-C."""


def steps(*, viewer: Path, author: Path, log: Path, moorcheh: str) -> tuple[Step, ...]:
    """`viewer`, `author`: kubeconfigs; `log`: the operator's; `moorcheh`: the stand-in's URL."""
    return (
        Step(
            "What would a deletion remove? This only looks.",
            "kubectl moorcheh delete my-archive --preview",
            "Nothing was deleted, and no request is left.",
        ),
        Step(
            "Delete it: it shows the same, asks, and follows the deletion for some 8 s.",
            "kubectl moorcheh delete my-archive",
            "Gone: my-archive. 3,000 items were removed.",
            asks=True,
        ),
        _example("An ordinary deletion, as a manifest.", "delete"),
        _example("One that waits for an approval …", "suspended-for-approval"),
        Step(
            "… which is this:",
            "kubectl moorcheh approve review-old-embeddings",
            "Gone: old-embeddings. 12,500 items were removed.",
            asks=True,
        ),
        _example("A name that does not exist, where that is a mistake.", "fail-if-absent"),
        _example("Only if it is empty, and it isn't.", "only-if-empty"),
        _example("For Git: it can be applied for ever, and never deletes what is newer.", "gitops"),
        _example("With a receipt that goes after an hour.", "expiring"),
        Step(
            "Its first job fails: the operator looks again, and tries again.",
            "kubectl apply -f dev/demo/examples/delete-chat-logs.yaml",
            "created",
        ),
        Step(
            "All of them, live.", "kubectl moorcheh watch", "delete-scratch-if-empty", code=130, endless=True
        ),
        Step("A receipt: all that is known.", "kubectl moorcheh describe delete-my-documents", "How sure"),
        Step("The fields of a request.", "kubectl explain nsdel.spec", "namespaceName"),
        Step(
            "A viewer sees the requests …",
            f"kubectl get nsdel --kubeconfig {shlex.quote(str(viewer))}",
            "delete-my-documents",
        ),
        Step(
            "… and may not make any.",
            f"kubectl moorcheh delete customer-records --yes --kubeconfig {shlex.quote(str(viewer))}",
            "you may not do that",
            code=1,
        ),
        Step(
            "What would a cleanup policy delete? For that one has to be an author of policies.",
            f"kubectl moorcheh preview-policy {POLICY} --kubeconfig {shlex.quote(str(author))}",
            "would have created 1 request",
        ),
        Step(
            "It shall run every night.",
            f"kubectl apply -f {POLICY} --kubeconfig {shlex.quote(str(author))}",
            "created",
        ),
        Step(
            "The policies, and what each matches: a viewer may see them, …",
            f"kubectl moorcheh policies --kubeconfig {shlex.quote(str(viewer))}",
            "nightly-ci",
        ),
        Step(
            "… with kubectl alone too.",
            f"kubectl get nscp --kubeconfig {shlex.quote(str(viewer))}",
            "nightly-ci",
        ),
        Step(
            "What is this server like, and which guarantees hold on it? This only reads.",
            f"moorcheh-operator check {moorcheh}",
            "It can be asked: reachable, and its listing can be read",
        ),
        Step(
            "What the stand-in for Moorcheh holds now.",
            f"curl -sw '\\n' {moorcheh}/namespaces",
            "customer-records",
        ),
        Step(
            "The operator's log.",
            f"tail -n 100 -f {shlex.quote(str(log))}",
            "delete-my-documents",
            code=130,
            endless=True,
        ),
    )


def _example(why: str, name: str) -> Step:
    return Step(why, f"kubectl apply -f manifests/examples/{name}.yaml", "created")


def surroundings(plane: ControlPlane) -> str:
    """What the commands are pasted after."""
    programs = os.pathsep.join([str(plane.assets.kubectl.parent), str(Path(sys.executable).parent)])
    return "\n".join(
        [
            f"cd {shlex.quote(str(ROOT))}",
            f"export KUBECONFIG={shlex.quote(str(plane.kubeconfig_for(REQUESTER)))}",
            f"export PATH={shlex.quote(programs)}:$PATH",
        ]
    )
