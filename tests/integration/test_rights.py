"""Least rights, shown: the operator under its own service account, with the RBAC of the manifests.

Every world of these tests runs like that, and none may see RBAC deny a call (`World.__exit__`); what it must
not do is refused in test_manifests.py. Here is what the others leave out: the lease, one namespace, no TTL.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.controlplane import ControlPlane, KubectlError
from tests.dev.waiting import until
from tests.integration.life import World

ROOT = Path(__file__).parents[2]
WATCHED = ROOT / "manifests" / "overlays" / "watched-namespace"
SYSTEM = "moorcheh-system"
OPERATOR = f"system:serviceaccount:{SYSTEM}:moorcheh-operator"


def a_whole_life(world: World) -> None:
    """Looked at, approved, carried out; and one that is refused."""
    name = world.namespace[:20]
    world.moorcheh.create(name, items=3)
    asked = world.ask(name, suspend=True)
    asked.reaches("Suspended")
    asked.change(suspend=False).raise_for_status()
    asked.ends("Succeeded/DeletionCompleted")
    asked.sees_event("Normal", "DeletionCompleted")
    world.ask("none-such", ifAbsent="Fail").ends("Failed/TargetAbsent")


def test_it_leads_by_its_lease_and_lives_without_a_denied_call(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with World(installed, tmp_path, options={"LEADER_ELECTION": "on", "LEASE_NAMESPACE": SYSTEM}) as world:
        a_whole_life(world)
        lease = installed.kubectl(
            "get", "lease", "moorcheh-operator", "-n", SYSTEM, "-o", "jsonpath={.spec.holderIdentity}"
        )

        assert lease


def test_a_denied_call_is_noticed(installed: ControlPlane) -> None:
    """Or the absence of them would prove nothing: the API server's request counter shows no such 403."""
    before, counted = installed.denials(), installed.requests(code="403")

    with pytest.raises(KubectlError, match="Forbidden"):
        installed.kubectl("get", "secrets", user="operator")

    assert installed.denials() == before + 1
    assert installed.requests(code="403") == counted


def may(plane: ControlPlane, verb: str, resource: str, namespace: str) -> bool:
    try:
        plane.kubectl("auth", "can-i", verb, resource, "-n", namespace, f"--as={OPERATOR}", "--quiet")
    except KubectlError:
        return False
    return True


def test_a_role_in_one_namespace_is_enough_there(tmp_path: Path) -> None:
    """On a fresh control plane: elsewhere the ClusterRole of the base is installed."""
    with ControlPlane() as plane:
        plane.kubectl("apply", "-k", ROOT / "crds")
        plane.kubectl("create", "namespace", SYSTEM)
        plane.kubectl("apply", "-k", WATCHED)
        plane.kubectl("wait", "--for=condition=Established", "crd/namespacedeletions.moorcheh.ai")
        with World(plane, tmp_path, operator_up=False) as world:
            world.kubectl("apply", "-f", str(WATCHED / "watched" / "role.yaml"))
            assert until(lambda: may(plane, "create", "events", world.namespace))
            world.operator.start()

            a_whole_life(world)

            assert may(plane, "list", "namespacedeletions", world.namespace)
            assert not may(plane, "list", "namespacedeletions", "kube-system")


def test_without_the_right_it_is_said_once_and_the_receipts_stay(
    installed: ControlPlane, tmp_path: Path
) -> None:
    with World(installed, tmp_path, denials=1) as world:
        before = installed.denials()
        asked = [world.ask(f"stays-{number}", ttlSecondsAfterFinished=1) for number in range(5)]
        world.all_end(asked)
        # All are told to wait as soon as the first one was refused.
        assert until(lambda: any(("Warning", "TTLForbidden") in each.events() for each in asked)), world.log()
        world.settle()

        assert not any(world.history.is_gone(each.uid) for each in asked)
        assert world.operator.output.read_text().count("TTLForbidden") == 1
        events = [event for each in asked for event in each.events()]
        assert events.count(("Warning", "TTLForbidden")) == 1
        assert installed.denials() == before + 1
