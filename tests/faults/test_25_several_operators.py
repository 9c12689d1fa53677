"""Row 25: two operators share a cluster, each for a server or a Kubernetes namespace of its own."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.moorcheh.standin import StandIn
from tests.dev.waiting import until
from tests.faults.invariants import account_of
from tests.faults.world import server_of
from tests.integration.cleanup import CleanupPolicy, may_create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.controlplane import ControlPlane
    from dev.operator_process import OperatorProcess
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld
    from tests.integration.life import Asked

OTHER: dict[str, Any] = {"serverRef": {"name": "other"}}
SECOND = "second-system"
ELECTION = {"LEADER_ELECTION": "on", "MOORCHEH_BASE_URL": "", "LOG_FORMAT": "json"}
MANY = 15
TTL = Path(__file__).parents[2] / "manifests" / "components" / "ttl-single-namespace" / "role" / "role.yaml"


def give_lease(plane: ControlPlane, namespace: str) -> None:
    """What the manifests give an operator in its own Kubernetes namespace."""
    if f"namespace/{namespace}" in plane.kubectl("get", "namespaces", "-o", "name"):
        return
    plane.kubectl("create", "namespace", namespace)
    plane.kubectl(
        "create", "role", "lease", "-n", namespace,
        "--resource=leases.coordination.k8s.io", "--verb=create,get,update",
    )  # fmt: skip
    account = "moorcheh-system:moorcheh-operator"
    plane.kubectl(
        "create", "rolebinding", "lease", "-n", namespace, "--role=lease", f"--serviceaccount={account}"
    )


def writers(world: FaultWorld, server: str) -> set[str]:
    """The processes that wrote a status of a request for this server, by their field managers."""
    return {
        entry["manager"]
        for version in world.witness.log()
        if server_of(version.body) == server
        for entry in version.body["metadata"].get("managedFields", ())
        if entry.get("subresource") == "status"
    }


def shown_by(operator: OperatorProcess) -> set[str]:
    """The requests and policies that its log lines are about."""
    lines = [json.loads(line) for line in operator.output.read_text().splitlines() if line.startswith("{")]
    about = {str(line.get("request") or line.get("policy") or "") for line in lines}
    return {name.partition("/")[2] for name in about if name}


def unfinished_at(operator: OperatorProcess) -> float:
    counts = re.findall(r"^moorcheh_operator_requests{.*} (\S+)$", operator.get("/metrics")[1], re.MULTILINE)
    return sum(map(float, counts))


@contextmanager
def two(fault: Fault, folder: Path) -> Iterator[tuple[FaultWorld, StandIn, Callable[..., None]]]:
    """The world of both, the second server, and what writes their servers files: of each, its servers and
    whose requests it leaves alone.
    """
    give_lease(fault.plane, SECOND)
    files = folder / "first.yaml", folder / "second.yaml"
    with StandIn(folder / "other", job_seconds=1.0) as other:
        with fault.world(operators=2, options=ELECTION, up=False, knobs={"job_seconds": 1.0}) as world:
            may_create(world)
            world.kubectl("apply", "-f", str(TTL))
            urls = {"default": world.moorcheh.url, "other": other.url, "third": "http://127.0.0.1:9"}

            def say(*of_each: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
                for file, (own, elsewhere) in zip(files, of_each, strict=True):
                    servers = [
                        {"name": name, "url": urls[name], "allowedNamespaces": {"from": "All"}}
                        for name in own
                    ]
                    fresh = file.with_suffix(".new")
                    fresh.write_text(json.dumps({"servers": servers, "servedElsewhere": elsewhere}))
                    fresh.replace(file)

            namespaces = ("moorcheh-system", SECOND)
            world.be(
                [
                    {"SERVERS_FILE": str(file), "LEASE_NAMESPACE": namespace}
                    for file, namespace in zip(files, namespaces, strict=True)
                ]
            )
            for moorcheh in (world.moorcheh, other):
                moorcheh.fault("recreate", kind="end", count=-1)
            yield world, other, say
            evidence = world.evidence("other", other)
        fault.accounts.append(account_of(evidence, {}))


def test_25_two_that_are_for_a_server_each_are_killed_in_turn_and_serve_nothing_twice(
    fault: Fault, tmp_path: Path
) -> None:
    """Both watch the same Kubernetes namespace. The same names are on both servers, and come back at once."""
    with two(fault, tmp_path) as (world, other, say):
        say((("default",), ("other",)), (("other",), ("*",)))
        world.start()
        asked: dict[str, list[Asked]] = {"default": [], "other": []}
        for wave, (victim, moorcheh) in enumerate(zip(world.operators, (world.moorcheh, other), strict=True)):
            other.create_many(MANY, f"wave-{wave}-", items=2)
            sent = moorcheh.counts().get("delete", 0)
            asked["default"] += world.ask_many(MANY, f"wave-{wave}", items=2)
            asked["other"] += [world.ask(one.target, **OTHER) for one in asked["default"][-MANY:]]
            assert until(lambda: moorcheh.counts().get("delete", 0) > sent + 3)  # noqa: B023
            world.kill(victim)
            world.restart(victim)
        nowhere = world.ask("wave-0-00000", serverRef={"name": "nowhere"})
        nowhere.reaches("Pending/ServerNotFound")
        nowhere.withdraw()
        policies = {}
        for name, moorcheh in (("default", world.moorcheh), ("other", other)):
            moorcheh.create_many(2, "old-", items=1, age=60)
            policy = CleanupPolicy(world, f"of-{name}", select={"names": ["old-*"]}, serverRef={"name": name})
            policy.becomes("Scheduled")
            assert policy.runs("Completed")["created"] == 2
            policies[name] = policy
            asked[name] += policy.requests()
            moorcheh.create("brief")
            brief = world.ask("brief", serverRef={"name": name}, ttlSecondsAfterFinished=1)
            asked[name].append(brief)
            assert world.history.wait(lambda: world.history.is_gone(brief.uid), 60)  # noqa: B023
        world.finish([*asked["default"], *asked["other"]])

        assert writers(world, "default").isdisjoint(writers(world, "other"))
        assert writers(world, "nowhere") <= writers(world, "default")
        assert len(writers(world, "default")) == len(writers(world, "other")) == 2  # one died
        for operator, name in zip(world.operators, asked, strict=True):
            mine = {*(one.name for one in asked[name]), policies[name].name, nowhere.name}
            assert shown_by(operator) <= mine
            assert until(lambda: mine - {nowhere.name} <= shown_by(operator))  # noqa: B023
            assert "\nmoorcheh_operator_leader 1.0" in operator.get("/metrics")[1]


def test_25_a_server_goes_from_one_to_the_other_with_deletions_under_way(
    fault: Fault, tmp_path: Path
) -> None:
    """The first lets go of it before the second takes it; in between nobody acts, and nothing is lost."""
    with two(fault, tmp_path) as (world, other, say):
        say((("default", "other"), ("third",)), (("third",), ("*",)))
        first, second = world.operators
        world.start()
        other.create_many(MANY, "moved-", items=2, seconds=4.0)
        asked = [world.ask(f"moved-{number:05d}", **OTHER) for number in range(MANY)]
        assert until(lambda: other.counts().get("delete", 0) > 3)
        say((("default",), ("other", "third")), (("third",), ("*",)))
        assert until(lambda: "no server any more" in first.output.read_text())
        late = world.ask("moved-00000", name="late", **OTHER)
        kept = world.ask_many(2, "kept", items=2)
        world.finish(kept)
        assert not late.trail or late.trail[-1] == "-/-"
        assert until(lambda: unfinished_at(first) == 0)  # its gauges are about its own
        say((("default",), ("other", "third")), (("third", "other"), ("*",)))
        world.finish([*asked, late])

        assert until(lambda: "late" in shown_by(second))
        assert "late" not in shown_by(first)


@pytest.mark.slow
def test_25_two_that_are_for_a_kubernetes_namespace_each_are_killed_in_turn(fault: Fault) -> None:
    """A Lease each; requests of the same names, each for a server of its own."""
    give_lease(fault.plane, SECOND)
    election = {"LEADER_ELECTION": "on", "LOG_FORMAT": "json"}
    with (
        fault.world(options=election | {"LEASE_NAMESPACE": "moorcheh-system"}) as one,
        fault.world(options=election | {"LEASE_NAMESPACE": SECOND}) as other,
    ):
        worlds = (one, other)
        asked: dict[FaultWorld, list[Asked]] = {one: [], other: []}
        for world in worlds:
            world.moorcheh.fault("recreate", kind="end", count=-1)
        for wave, victim in enumerate(worlds):
            sent = victim.moorcheh.counts().get("delete", 0)
            for world in worlds:
                asked[world] += world.ask_many(MANY, f"wave-{wave}", items=2)
            assert until(lambda: victim.has_sent(sent + 3))  # noqa: B023
            victim.kill()
            victim.restart()
        for world in worlds:
            world.finish(asked[world])
            assert world.moorcheh.counts()["delete"] >= MANY
            assert shown_by(world.operator) <= {one.name for one in asked[world]}
            assert "\nmoorcheh_operator_leader 1.0" in world.operator.get("/metrics")[1]
        assert writers(one, "default").isdisjoint(writers(other, "default"))
