"""What must hold after every scenario, whatever it was, by the stand-in's record and a watch's versions."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dev.moorcheh.standin import Incarnation, Recorded, SeenDelete

Json = dict[str, Any]
ENDED = frozenset({"Succeeded", "Failed"})
REFUSED = frozenset({401, 403, 429})
ENDED_BY_SERVER = frozenset({"failed", "forgotten", "lost"})
TOLERANCE = 3.0
FOLLOWS_THE_GENERATION = frozenset({"observedGeneration", "conditions"})


def check_invariants(
    record: Recorded, objects: Mapping[str, Sequence[Json]], living: Mapping[str, Incarnation]
) -> None:
    """`objects`: by uid, each version of a request that was seen, oldest first. `living`: by name."""
    _each_delete_was_announced_and_left_once(record, objects)
    _another_delete_only_after_the_server_ended_the_first(record)
    _nothing_was_destroyed_that_was_not_asked_for(record, objects)
    for versions in objects.values():
        _no_attempt_was_claimed_while_suspended(versions)
        _what_ended_stays_as_it_ended(versions)
        _a_job_only_moves_forward(versions)
        _success_is_true(record, versions[-1], living)


def _each_delete_was_announced_and_left_once(record: Recorded, objects: Mapping[str, Sequence[Json]]) -> None:
    sent = Counter(delete["request_id"] for delete in record["deletes"])
    assert [request_id for request_id, times in sent.items() if times > 1] == [], "a DELETE left twice"
    for delete in record["deletes"]:
        uid, attempt = _sender(delete)
        assert uid in objects, f"a DELETE for no request: {delete}"
        assert attempt in _attempts(objects[uid]), f"a DELETE that no claim announced: {delete}"
        asked = objects[uid][0]["spec"]["namespaceName"]
        assert delete["name"] == asked, f"a DELETE for another namespace than {asked}: {delete}"


def _another_delete_only_after_the_server_ended_the_first(record: Recorded) -> None:
    jobs = {job["seq"]: job["how"] for job in record["jobs"]}
    sends: defaultdict[str, list[SeenDelete]] = defaultdict(list)
    for delete in sorted(record["deletes"], key=lambda delete: delete["seq"]):
        sends[_sender(delete)[0]].append(delete)
    for one in sends.values():
        for earlier, later in pairwise(one):
            over = earlier.get("status") in REFUSED or jobs.get(earlier["seq"]) in ENDED_BY_SERVER
            assert over, f"{later} left although the server had not ended {earlier}"


def _nothing_was_destroyed_that_was_not_asked_for(
    record: Recorded, objects: Mapping[str, Sequence[Json]]
) -> None:
    attempts = {delete["seq"]: _sender(delete) for delete in record["deletes"]}
    for victim in record["destroyed"]:
        assert not victim["precious"], f"precious data was destroyed: {victim}"
        uid, attempt = attempts[victim["seq"]]
        claimed = next(body for body in objects[uid] if _attempt(body) == attempt)
        bound = claimed["status"].get("target", {}).get("creationTime")
        if bound is not None:
            assert victim["created_at"] == bound, f"{victim} is not the incarnation that was claimed: {bound}"
            made = datetime.fromisoformat(claimed["metadata"]["creationTimestamp"]).timestamp()
            assert victim["born"] <= made + TOLERANCE, f"{victim} is newer than its request ({made})"


def _no_attempt_was_claimed_while_suspended(versions: Sequence[Json]) -> None:
    for before, after in pairwise(versions):
        claimed = _attempt(after) is not None and _attempt(after) != _attempt(before)
        if claimed and after["status"].get("phase") == "Submitting":
            assert not after["spec"]["suspend"], f"claimed although suspended: {after}"


def _what_ended_stays_as_it_ended(versions: Sequence[Json]) -> None:
    for before, after in pairwise(versions):
        if before["status"].get("phase") in ENDED:
            assert _receipt(after) == _receipt(before), "the record of an end has changed"


def _a_job_only_moves_forward(versions: Sequence[Json]) -> None:
    for before, after in pairwise(versions):
        old, new = before["status"].get("job"), after["status"].get("job")
        if old is None or _attempt(before) != _attempt(after):
            continue
        assert new is not None, f"the job {old} was forgotten"
        assert new["id"] == old["id"], f"the job {old} became {new} within an attempt"
        assert new.get("deletedItems", 0) >= old.get("deletedItems", 0), f"{old} went back to {new}"


def _success_is_true(record: Recorded, body: Json, living: Mapping[str, Incarnation]) -> None:
    status = body["status"]
    if status.get("phase") != "Succeeded":
        return
    if status["reason"] == "DeletionCompleted":
        outcomes = [job["how"] for job in record["jobs"] if job["job_id"] == status["job"]["id"]]
        assert outcomes == ["completed"], f"called completed, but the job is {outcomes}: {body}"
    lives = living.get(body["spec"]["namespaceName"])
    if lives is None:
        return
    bound = status.get("target", {}).get("creationTime")
    if bound is not None:
        assert lives["created_at"] != bound, f"called gone, but it lives: {body}"
    else:
        began = datetime.fromisoformat(status["startTime"]).timestamp()
        assert lives["born"] >= began, f"called gone, but it lives: {body}"


def _sender(delete: SeenDelete) -> tuple[str, str]:
    uid, slash, attempt = (delete["request_id"] or "").partition("/")
    assert uid, f"a DELETE without a request id: {delete}"
    assert slash, f"a DELETE without an attempt: {delete}"
    return uid, attempt


def _attempt(body: Json) -> str | None:
    found: str | None = body["status"].get("attempt", {}).get("id")
    return found


def _attempts(versions: Sequence[Json]) -> set[str | None]:
    return {_attempt(body) for body in versions}


def _receipt(body: Json) -> Json:
    return {key: value for key, value in body["status"].items() if key not in FOLLOWS_THE_GENERATION}
