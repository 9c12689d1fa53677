"""Row 20: hostile names and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.faults.kinds import CLOUD, DATED, UNDATED, on

if TYPE_CHECKING:
    from tests.faults.conftest import Fault

NAMES = [".", "..", "%2e%2e", "a/b", "a%2Fb", "a b", "a\nb", "", "a" * 256, "ä", "docs?x", "docs#x", "../x"]
JOB_IDS: list[Any] = [
    "",
    "..",
    "../../namespaces/precious",
    "a/b",
    "a?b",
    "a\nb",
    "x" * 129,
    7,
    None,
    ["a"],
    {"a": 1},
]


def test_20_hostile_names_are_rejected_and_hostile_answers_are_bounded_and_lead_nowhere(
    fault: Fault,
) -> None:
    """Job ids that are paths, an error of 10 MB, control characters, wrong types, redirects, nonsense."""
    with fault.world(waits_allowed=6) as world:
        for name in NAMES:
            body = {
                "apiVersion": "moorcheh.ai/v1alpha1",
                "kind": "NamespaceDeletion",
                "metadata": {"generateName": "hostile-"},
                "spec": {"namespaceName": name},
            }
            assert world.http.post(world.path, json=body).status_code == 422, name
            world.also["hostile name"] += 1
        world.moorcheh.create("precious", precious=True)
        targets = []

        def hostile(name: str, operation: str = "delete", **rule: Any) -> None:
            world.moorcheh.create(name, items=3)
            world.moorcheh.fault(operation, name, **rule)
            targets.append(name)

        for number, job_id in enumerate(JOB_IDS):
            hostile(f"job-id-{number}", kind="job-id", job_id=job_id)
        hostile("huge", kind="oversized", size=10_000_000)
        hostile("huge-error", kind="status", status=500, effect=True, body="x" * 10_000_000)
        hostile("no-json", kind="body", body="<html>\x00\x1b[31m", status=202)
        hostile("wrong-json", kind="body", json=[1, 2], status=202)
        hostile("deep", kind="body", body="[" * 50_000, status=202)
        hostile("redirect", kind="redirect", location="/namespaces/precious", effect=True)
        hostile("elsewhere", kind="redirect", location="http://127.0.0.1:1/", status=302, effect=True)
        hostile("nonsense", "run", kind="nonsense", report={"total_items": -1, "deleted_items": "many"})
        hostile("screaming", "run", kind="fail", last_error="\x00\x1b[2J" + "A" * 5000)
        asked = {name: world.ask(name, backoffLimit=0) for name in targets}
        world.finish(list(asked.values()))

        assert world.not_injected() == []
        assert {len(one.deletes) for one in asked.values()} == {1}
        assert {one.status["phase"] for name, one in asked.items() if name != "screaming"} == {"Succeeded"}
        error = asked["screaming"].ends("Failed/BackoffLimitExceeded")["lastError"]
        assert len(error.encode()) <= 1024
        assert error.isprintable()
        assert max(len(json.dumps(one.status)) for one in asked.values()) < 16_384
        paths = {request["path"] for request in world.moorcheh.requests() if request["operation"] == "other"}
        assert paths == set()


@on(DATED, slow=(UNDATED, CLOUD))
def test_20_a_hostile_listing_is_never_read_as_absent(fault: Fault) -> None:
    """No list, nameless entries, a name twice, no JSON, not 200: waited for."""
    with fault.world(waits_allowed=10) as world:
        world.moorcheh.create("docs", items=3)
        bodies: list[dict[str, Any]] = [
            {"json": {}},
            {"json": {"namespaces": [], "next_token": "abc"}},
            {"json": {"namespaces": None}},
            {"json": {"namespaces": {"docs": 1}}},
            {"json": {"namespaces": [{"type": "text"}]}},
            {"json": {"namespaces": [{"namespace_name": "x"}, {"namespace_name": "x"}]}},
            {"json": []},
            {"body": "<html>"},
            {"body": "", "status": 204},
            {"json": {"namespaces": []}, "status": 500},
        ]
        for body in bodies[:6]:
            world.moorcheh.fault("list", kind="body", **body)
        first = world.ask("docs")
        first.ends(fault.kind.done)
        world.moorcheh.create("more", items=3)
        for body in bodies[6:]:
            world.moorcheh.fault("list", kind="body", **body)
        second = world.ask("more")
        second.ends(fault.kind.done)

        assert world.not_injected() == []
        assert (len(first.deletes), len(second.deletes)) == (1, 1)
