"""The examples, and how each must end. Data and pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Namespace:
    """A namespace of the stand-in; `fails_at`: its first job fails after that share of the items."""

    name: str
    items: int
    seconds: float = 1.0
    fails_at: float | None = None


@dataclass(frozen=True)
class Example:
    """One request: what it shows, and the end it must come to."""

    manifest: str
    request: str
    target: str
    story: str
    safe: str
    """Why nothing can go wrong here, in a sentence."""
    phase: str
    reason: str
    deletes: int
    """How many DELETEs the server must have seen for the target, no more and no less."""
    suspended: bool = False
    """It must be seen Suspended, with the number of items; then it is approved."""
    moves: bool = False
    """Its progress must be seen at two different values, at least, before the end."""
    stays: bool = False
    """The namespace must still be there at the end."""
    partly: bool = False
    """What its job had not removed must still be there."""

    @property
    def end(self) -> str:
        return f"{self.phase}/{self.reason}"


NAMESPACES = (
    Namespace("my-documents", 48_000, seconds=16),
    Namespace("old-embeddings", 12_500, seconds=4),
    Namespace("chat-logs", 9_000, seconds=4, fails_at=0.5),
    Namespace("scratch", 12),
    Namespace("customer-records", 25_000),
    Namespace("pr-12", 1_500),
)
UNTOUCHED = "customer-records"
"""No request names it."""

EXAMPLES = (
    Example(
        manifest="manifests/examples/delete.yaml",
        request="delete-my-documents",
        target="my-documents",
        story="an ordinary deletion, of many items",
        safe="The attempt was recorded before its one DELETE was sent.",
        phase="Succeeded",
        reason="DeletionCompleted",
        deletes=1,
        moves=True,
    ),
    Example(
        manifest="manifests/examples/suspended-for-approval.yaml",
        request="review-old-embeddings",
        target="old-embeddings",
        story="held until somebody approves",
        safe="Nothing was sent before the approval.",
        phase="Succeeded",
        reason="DeletionCompleted",
        deletes=1,
        suspended=True,
    ),
    Example(
        manifest="dev/demo/examples/delete-chat-logs.yaml",
        request="delete-chat-logs",
        target="chat-logs",
        story="its first job fails: tried again",
        safe="The first job had ended; the same namespace was still there.",
        phase="Succeeded",
        reason="DeletionCompleted",
        deletes=2,
    ),
    Example(
        manifest="manifests/examples/fail-if-absent.yaml",
        request="delete-customer-4711",
        target="customer-4711",
        story="a name that does not exist",
        safe="With ifAbsent: Fail, that is reported as a mistake.",
        phase="Failed",
        reason="TargetAbsent",
        deletes=0,
    ),
    Example(
        manifest="manifests/examples/only-if-empty.yaml",
        request="delete-scratch-if-empty",
        target="scratch",
        story="only if empty, which it isn't",
        safe="Its 12 items are still there.",
        phase="Failed",
        reason="PreconditionFailed",
        deletes=0,
        stays=True,
    ),
)


RETRIED = EXAMPLES[2]
ON_UNDATED = {
    RETRIED: replace(
        RETRIED,
        story="its first job fails: nothing tells what has the name now",
        safe="Without a creation time it might be another one by now: no second DELETE.",
        phase="Failed",
        reason="JobFailed",
        deletes=1,
        partly=True,
    )
}


def examples(*, undated: bool) -> tuple[Example, ...]:
    """`undated`: for a server that shows no creation times."""
    return tuple(ON_UNDATED.get(example, example) if undated else example for example in EXAMPLES)


@dataclass(frozen=True)
class Sight:
    """What the API server showed of a request at one moment."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    progress: str = ""
    items: int | None = None
    attempts: int = 0

    @property
    def ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Sight:
        status = body.get("status") or {}
        return cls(
            phase=status.get("phase", ""),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            progress=status.get("progress", ""),
            items=(status.get("target") or {}).get("itemCount"),
            attempts=(status.get("attempt") or {}).get("number", 0),
        )


@dataclass(frozen=True)
class Evidence:
    """What the stand-in recorded: DELETEs by name, as they came over the wire; what it holds, with items."""

    deletes: Mapping[str, int]
    items: Mapping[str, int]


@dataclass(frozen=True)
class Verdict:
    """`complaints`: what is not as it should be; none if all is well."""

    subject: str
    words: str
    why: str
    complaints: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.complaints


def verdict(example: Example, seen: Sequence[Sight], evidence: Evidence) -> Verdict:
    """Whether the example ended as it should, by what the API server showed and what the server recorded."""
    last = seen[-1] if seen else Sight()
    sent = evidence.deletes.get(example.target, 0)
    complaints = []
    if not last.ended:
        complaints.append(f"it did not end: {last.phase or 'no phase'}/{last.reason or 'no reason'}")
    elif (last.phase, last.reason) != (example.phase, example.reason):
        complaints.append(f"{last.phase}/{last.reason} instead of {example.end}: {last.message}")
    if sent != example.deletes:
        complaints.append(f"{sent} DELETEs were sent for {example.target}, expected {example.deletes}")
    if example.moves and len(steps(seen)) < 2:
        complaints.append(f"its progress did not move: {steps(seen) or 'none was seen'}")
    if example.suspended and not any(one.phase == "Suspended" and one.items for one in seen):
        complaints.append("it was not seen Suspended with the number of items")
    if example.stays:
        complaints += lost(example.target, items_of(example.target), evidence)
    elif example.partly and example.target not in evidence.items:
        complaints.append(f"{example.target} is gone")
    elif example.target in evidence.items and not example.partly:
        complaints.append(f"{example.target} is still there")
    words = f"{example.end}, {('no DELETE', '1 DELETE')[sent] if sent < 2 else f'{sent} DELETEs'}"
    return Verdict(example.request, words, example.safe, tuple(complaints))


def lost(name: str, items: int, evidence: Evidence) -> list[str]:
    """A complaint if a namespace that must stay is gone, or not whole."""
    left = evidence.items.get(name)
    if left == items:
        return []
    return [f"{name} is gone" if left is None else f"{name} holds {left} of {items} items"]


def items_of(name: str) -> int:
    return next(namespace.items for namespace in NAMESPACES if namespace.name == name)


def steps(seen: Sequence[Sight]) -> list[str]:
    """The different progress values of running jobs, `1200/5000 (24%)`, but for those of nothing yet."""
    values = (one.progress for one in seen if one.phase == "Running" and one.progress)
    return [value for value in dict.fromkeys(values) if not value.startswith("0/")]
