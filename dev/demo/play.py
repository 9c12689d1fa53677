"""The play itself: the requests applied, followed, approved; then the same name with new data."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from dev.demo.cleanup import cleaned
from dev.demo.scenarios import (
    EXAMPLES,
    ROOT,
    UNTOUCHED,
    Example,
    Sight,
    Verdict,
    examples,
    items_of,
    lost,
    verdict,
)

if TYPE_CHECKING:
    from dev.demo.screen import Screen
    from dev.demo.stage import Stage

END_SECONDS = 120.0
"""For all examples together; they take some 20."""
REVIEW_SECONDS = 4.0
"""How long the suspended request is left on view before it is approved."""
REPLAY_SECONDS = 3.0
"""How long the operator could do harm to the namespace that was created again."""
LOOK_SECONDS = 0.1

APPROVAL = '{"spec":{"suspend":false}}'
REPLAYED = EXAMPLES[0]
NEW_ITEMS = 320


def play(stage: Stage, screen: Screen) -> list[Verdict]:
    _follow(stage, screen)
    seen, evidence = stage.watch.seen, stage.evidence()
    verdicts = [
        verdict(example, seen.get(example.request, ()), evidence)
        for example in examples(undated=stage.undated)
    ]
    verdicts.append(_replay(stage, screen))
    verdicts.append(_bystander(stage))
    if stage.undated:
        screen.part("Deletions that nobody has to write: left out")
        screen.say("This policy goes by age, and creates nothing where no age is shown.")
    else:
        verdicts += cleaned(stage, screen)
    _show(stage, screen)
    return verdicts


def _follow(stage: Stage, screen: Screen) -> None:
    """Apply the examples and watch until each has ended, or time is up."""
    screen.part("Five requests, applied with kubectl, and what becomes of them")
    shown = examples(undated=stage.undated)
    to_apply, to_approve = deque(shown), [example for example in shown if example.suspended]
    held_since: dict[str, float] = {}
    with screen.board(shown) as board:
        while board.seconds < END_SECONDS:
            if to_apply:
                _apply(stage, screen, to_apply.popleft())
            stage.check()
            stage.watch.read()
            latest = stage.watch.latest
            board.show(stage.watch.seen)
            if all(latest.get(example.request, Sight()).ended for example in shown):
                break
            for example in list(to_approve):
                if latest.get(example.request, Sight()).phase == "Suspended":
                    since = held_since.setdefault(example.request, board.seconds)
                    if board.seconds - since >= REVIEW_SECONDS:
                        _approve(stage, screen, example)
                        to_approve.remove(example)
            time.sleep(LOOK_SECONDS)


def _apply(stage: Stage, screen: Screen, example: Example) -> None:
    screen.command(
        "kubectl", "apply", "-f", example.manifest, why=f"{example.story}; must end as {example.end}"
    )
    stage.plane.kubectl("apply", "-f", ROOT / example.manifest)


def _approve(stage: Stage, screen: Screen, example: Example) -> None:
    words = ("patch", "nsdel", example.request, "--type=merge", "-p", APPROVAL)
    screen.command("kubectl", *words, why="the approval")
    stage.plane.kubectl(*words)


def _replay(stage: Stage, screen: Screen) -> Verdict:
    """A new namespace under the name, the same manifest, and an operator that starts anew."""
    screen.part("The same name again, with new data: what must not be deleted")
    name = REPLAYED.target
    stage.moorcheh.recreate(name, items=NEW_ITEMS)
    screen.say(
        f"Somebody creates {name} again and puts {NEW_ITEMS} items into it. The operator is restarted."
    )
    stage.restart_operator()
    screen.command("kubectl", "apply", "-f", REPLAYED.manifest, why="as GitOps tools do all day")
    screen.say(stage.plane.kubectl("apply", "-f", ROOT / REPLAYED.manifest).strip())
    until = time.monotonic() + REPLAY_SECONDS
    while time.monotonic() < until:
        stage.check()
        time.sleep(LOOK_SECONDS)
    evidence = stage.evidence()
    complaints = lost(name, NEW_ITEMS, evidence)
    if evidence.deletes.get(name, 0) != REPLAYED.deletes:
        complaints.append(f"{evidence.deletes.get(name, 0)} DELETEs were sent for {name}")
    words = f"the new {name} is still there, with its {NEW_ITEMS} items"
    why = "A request runs once. To ask again, create a new one."
    return Verdict("the same manifest again", words, why, tuple(complaints))


def _bystander(stage: Stage) -> Verdict:
    """What nobody asked for must be there, and no other name may have had a DELETE."""
    evidence = stage.evidence()
    asked = {example.target for example in EXAMPLES}
    items = items_of(UNTOUCHED)
    complaints = [f"a DELETE was sent for {name}" for name in evidence.deletes if name not in asked]
    complaints += lost(UNTOUCHED, items, evidence)
    words = f"{UNTOUCHED} is still there, with its {items:,} items"
    why = "No DELETE was sent for any name that no request has."
    return Verdict("what nobody asked for", words, why, tuple(complaints))


def _show(stage: Stage, screen: Screen) -> None:
    screen.part("What stays: each request is its own receipt")
    for words in (("get", "nsdel", "-o", "wide"), ("describe", "nsdel", "delete-chat-logs")):
        screen.command("kubectl", *words)
        screen.output(stage.plane.kubectl(*words))
