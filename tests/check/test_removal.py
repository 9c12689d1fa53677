"""What a check has made is gone when it ends, or it says what is left; and nothing else is ever deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from dev.moorcheh.standin import StandIn
from tests.check.checking import check, destroyed, throw_away, until_asked
from tests.check.test_hostile import answer
from tests.check.wire import serving

Fault = tuple[str, int, dict[str, Any]]
LOST: dict[str, dict[str, Any]] = {
    "dropped": {"kind": "drop"},
    "dropped, and done": {"kind": "drop", "effect": True},
    "reset": {"kind": "rst"},
    "500": {"kind": "status", "status": 500},
    "500, and done": {"kind": "status", "status": 500, "effect": True},
    "half": {"kind": "half"},
    "nonsense": {"kind": "body", "body": "<html>not me</html>"},
    "a redirect": {"kind": "redirect", "location": "http://elsewhere.example/"},
    "401": {"kind": "status", "status": 401},
    "429": {"kind": "status", "status": 429, "retry_after": 1},
    "too large": {"kind": "oversized", "size": 70_000},
}
READ = ("dropped", "500", "nonsense", "a redirect")
MEANWHILE = ("dropped, and done", "500, and done", "half", "401")
AT: dict[str, tuple[str, int, Sequence[str]]] = {
    "the look before": ("list", 1, READ),
    "the creation": ("create", 0, tuple(LOST)),
    "the look after": ("list", 2, READ),
    "the DELETE": ("delete", 0, tuple(LOST)),
    "the second DELETE": ("delete", 1, MEANWHILE),
    "the second creation": ("create", 1, MEANWHILE),
    "a poll": ("job", 1, READ),
    "a later look": ("list", 4, READ),
}


@pytest.mark.parametrize(
    ("at", "fault"),
    [pytest.param(at, fault, id=f"{at}: {fault}") for at, (_, _, faults) in AT.items() for fault in faults],
)
def test_a_fault_at_any_call_leaves_nothing_behind_or_it_is_told(
    moorcheh: StandIn, at: str, fault: str
) -> None:
    operation, skip, _ = AT[at]
    moorcheh.create("documents", items=1000)
    moorcheh.fault(operation, skip=skip, **LOST[fault])

    checked = check(moorcheh.url, "--write", "--wait-seconds=8", timeout=0.5)

    assert throw_away(moorcheh) == set()
    assert checked.trial["left"] is None
    assert destroyed(moorcheh) == []
    assert "documents" in moorcheh.namespaces()
    assert checked.code in (0, 1, 3)


FOR_EVER: dict[str, Fault] = {
    "no DELETE is allowed": ("delete", 0, {"kind": "status", "status": 403}),
    "DELETEs fail": ("delete", 0, {"kind": "status", "status": 500}),
    "DELETEs get no answer": ("delete", 0, {"kind": "drop"}),
    "DELETEs are redirected": ("delete", 0, {"kind": "redirect", "location": "/"}),
    "the listing is gone": ("list", 2, {"kind": "status", "status": 503}),
    "jobs hang": ("run", 0, {"kind": "stuck"}),
    "jobs tell nonsense": ("job", 1, {"kind": "body", "body": "?"}),
}


@pytest.mark.parametrize("fault", FOR_EVER)
def test_what_can_not_be_removed_is_told_with_the_way_to_remove_it(moorcheh: StandIn, fault: str) -> None:
    operation, skip, options = FOR_EVER[fault]
    moorcheh.fault(operation, skip=skip, count=-1, **options)

    checked = check(moorcheh.url, "--write", "--wait-seconds=2", timeout=0.5)

    moorcheh.clear_faults()
    if throw_away(moorcheh):
        [name] = throw_away(moorcheh)
        assert checked.code == 4
        assert checked.trial["left"]["name"] == name
        assert f"LEFT at the server: {name}" in checked.told
        assert name in checked.trial["left"]["remove"]
    else:
        assert fault == "jobs tell nonsense"
    assert checked.body["verdict"] != "AllGuarantees"


@pytest.mark.parametrize(("created_field", "items"), [("created_at", 0), ("none", 3)])
@pytest.mark.parametrize(("name_leaves", "when"), [("end", "end"), ("end", "accept"), ("accept", "accept")])
def test_what_somebody_creates_under_the_name_is_left_alone(
    moorcheh: StandIn, created_field: str, items: int, name_leaves: str, when: str
) -> None:
    """By its creation time, though it is as empty as the check's own; without one by its items."""
    moorcheh.knob(created_field=created_field, name_leaves=name_leaves)
    moorcheh.fault("recreate", kind=when, items=items, precious=True)

    checked = check(moorcheh.url, "--write", "--wait-seconds=3")

    assert destroyed(moorcheh) == []
    [name] = throw_away(moorcheh)
    assert checked.code == 4
    assert "left alone" in checked.trial["left"]["words"]
    assert checked.trial["left"]["name"] == name


def test_without_creation_times_what_had_left_the_listing_is_not_taken_for_its_own(moorcheh: StandIn) -> None:
    moorcheh.knob(created_field="none", name_leaves="accept")
    moorcheh.fault("create", kind="status", status=400, skip=1)
    moorcheh.fault("recreate", kind="accept", seconds=0.4, items=0, precious=True)

    checked = check(moorcheh.url, "--write", "--wait-seconds=3")

    assert destroyed(moorcheh) == []
    assert "left the listing before" in checked.trial["left"]["words"]
    assert checked.code == 4


@pytest.mark.parametrize("effect", ["nothing was created", "it was created, and the creation sent again"])
def test_a_creation_that_gets_409_is_never_followed_by_a_delete(moorcheh: StandIn, effect: str) -> None:
    if effect == "nothing was created":
        moorcheh.fault("create", kind="status", status=409)
    else:
        moorcheh.fault("create", kind="duplicate")

    checked = check(moorcheh.url, "--write", "--wait-seconds=3")

    assert moorcheh.record()["deletes"] == []
    assert (checked.code == 4) == bool(throw_away(moorcheh))
    assert checked.state("One DELETE") == "Broken"


def test_what_somebody_else_created_while_the_answer_was_lost_is_left_alone(moorcheh: StandIn) -> None:
    """A text namespace is none that a check makes."""
    moorcheh.fault("create", kind="drop")

    def create() -> None:
        until_asked(moorcheh, "create", 1)
        [asked] = moorcheh.record()["creates"]
        moorcheh.create(asked["name"], precious=True)

    somebody = threading.Thread(target=create)
    somebody.start()
    checked = check(moorcheh.url, "--write", "--wait-seconds=3", timeout=1)
    somebody.join()

    assert moorcheh.record()["deletes"] == []
    assert checked.code == 4


def test_a_failed_job_is_told_and_what_it_left_is_removed(moorcheh: StandIn) -> None:
    moorcheh.fault("run", kind="fail", fraction=1.0, last_error="the disk is full")

    checked = check(moorcheh.url, "--write")

    assert checked.trial["end"] == "Failed"
    assert checked.trial["failedIsListed"] is True
    assert "the disk is full" in checked.words("A deletion's end")
    assert throw_away(moorcheh) == set()
    assert checked.code == 3


def test_a_server_that_drops_failed_namespaces_is_told(moorcheh: StandIn) -> None:
    moorcheh.knob(failed_stays=False)
    moorcheh.fault("run", kind="fail", fraction=1.0)

    checked = check(moorcheh.url, "--write")

    assert checked.trial["failedIsListed"] is False


def test_a_name_that_somebody_took_after_the_end_gets_no_delete_of_nothing() -> None:
    """It had left the listing; by the next look somebody else's namespace has it."""
    made: list[str] = []
    asked: list[str] = []

    def behave(method: str, path: str, body: bytes) -> bytes:
        asked.append(method)
        ours = path.startswith("/namespaces/moorcheh-operator-check-")
        match method, ours, path.endswith("/delete-jobs"):
            case "POST", _, _ if not made:
                made.append(json.loads(body)["namespace_name"])
                return answer(201, {"status": "success"})
            case "DELETE", _, _ if asked.count("DELETE") == 1:
                return answer(202, {"status": "success", "job_id": "job-1"})
            case "GET", True, True:
                made.append("taken")
                return answer(404, {"message": "Not Found"})
            case "GET", True, False if "/delete-jobs/" in path:
                job = {"job_id": "job-1", "namespace_name": made[0], "status": "completed"}
                return answer(200, job)
            case "GET", _, _ if path == "/namespaces":
                there = len(made) > 1 or (made and "DELETE" not in asked)
                named = {"namespace_name": made[0], "item_count": 0} if there else None
                return answer(200, {"namespaces": [{**named, "item_count": len(made) - 1}] if named else []})
            case _:
                return answer(409, {"message": "no"})

    with serving(behave) as wire:
        checked = check(wire.url, "--write", "--wait-seconds=3")

    assert made[1:] == ["taken"]
    assert checked.trial["deleteAbsent"] is None
    assert [method for method, _ in wire.received].count("DELETE") == 1
    assert "it has items" in checked.trial["left"]["words"]
