"""Row 23: one who may only create requests makes them large, many, or changes them without end."""

from __future__ import annotations

import json
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dev.moorcheh.standin import StandIn
from dev.operator_process import OperatorProcess
from tests.dev.waiting import WITHIN, until
from tests.faults.test_21_many import BUSY_LAG, allowed, lag, memory
from tests.integration.life import API, client_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.controlplane import ControlPlane
    from tests.faults.conftest import Fault
    from tests.faults.world import FaultWorld

LARGE = int(os.environ.get("FAULTS_LARGE", "2000"))
LONG = {"note": "x" * 250_000}
MANY = {f"key-{number}": "" for number in range(3_000)}


class Tenant:
    """A Kubernetes namespace, and whoever may create requests in it."""

    def __init__(self, plane: ControlPlane) -> None:
        self.namespace = f"tenant-{uuid.uuid4()}"
        self._path = f"{API}/namespaces/{self.namespace}/namespacedeletions"
        self._http = httpx.Client(**client_options(plane))
        made = self._http.post("/api/v1/namespaces", json={"metadata": {"name": self.namespace}})
        made.raise_for_status()

    def ask(
        self, number: int, target: str = "", *, metadata: dict[str, Any] | None = None, **spec: Any
    ) -> str:
        name = f"r-{number}"
        body = {
            "apiVersion": "moorcheh.ai/v1alpha1",
            "kind": "NamespaceDeletion",
            "metadata": {"name": name, **(metadata or {})},
            "spec": {"namespaceName": target or name, **spec},
        }
        answer = self._http.post(self._path, json=body)
        assert answer.is_success, answer.text
        return name

    def close(self) -> None:
        self._http.close()

    def ask_many(self, count: int, **what: Any) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: self.ask(number, **what), range(count)))

    def label(self, name: str, value: int) -> None:
        patch = json.dumps({"metadata": {"labels": {"changed": str(value)}}})
        kind = {"Content-Type": "application/merge-patch+json"}
        self._http.patch(f"{self._path}/{name}", content=patch, headers=kind).raise_for_status()

    def withdraw(self, name: str) -> None:
        self._http.delete(f"{self._path}/{name}").raise_for_status()

    def unfinished(self) -> int:
        query = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
        return len(self._http.get(self._path, params=query).raise_for_status().json()["items"])

    def phase(self, name: str) -> str:
        answer = self._http.get(f"{self._path}/{name}").raise_for_status().json()
        return str(answer.get("status", {}).get("phase"))


@pytest.fixture
def tenant(installed: ControlPlane) -> Iterator[Tenant]:
    with closing(Tenant(installed)) as one:
        yield one


@contextmanager
def without_end(*work: Callable[[int], None]) -> Iterator[None]:
    """Each of these, again and again, until it is left."""
    stop = threading.Event()

    def go(do: Callable[[int], None]) -> None:
        number = 0
        while not stop.is_set():
            do(number)
            number += 1

    with ThreadPoolExecutor(len(work)) as pool:
        running = [pool.submit(go, do) for do in work]
        try:
            yield
        finally:
            stop.set()
        for one in running:
            one.result()


def others_are_served(world: FaultWorld, fault: Fault, count: int = 10) -> None:
    """And the operator, which has `count` requests of the tenant, stays within its bounds meanwhile."""
    most = late = 0.0
    for number in range(3):
        asked = world.ask_many(3, f"others-{number}", items=1)
        world.finish(asked)
        assert {len(one.deletes) for one in asked} == {1}
        most, late = max(most, memory(world)), max(late, lag(world))
    fault.figures |= {"memory, MB": round(most), "loop lag, s": round(late, 2)}
    assert most < allowed(count)
    assert late < BUSY_LAG


@pytest.mark.parametrize(
    ("count", "metadata"),
    [
        pytest.param(150, {"annotations": LONG}, id="long annotations"),
        pytest.param(10, {"annotations": MANY, "labels": MANY}, id="many keys"),
        pytest.param(
            LARGE, {"annotations": LONG}, id="very many", marks=[pytest.mark.slow, pytest.mark.timeout(900)]
        ),
    ],
)
def test_23_large_requests_at_a_start_take_no_memory_and_keep_nobody_waiting(
    fault: Fault, tenant: Tenant, count: int, metadata: dict[str, Any]
) -> None:
    tenant.ask_many(count, metadata=metadata, suspend=True)
    with fault.world(up=False, beside=[tenant.namespace]) as world:
        world.operator.start(ready=False)
        # Half a gigabyte takes a while on its way through the proxy.
        assert until(lambda: world.operator.get("/readyz")[0] == 200, within=WITHIN + count * 0.1)
        others_are_served(world, fault, count)


def test_23_large_requests_that_change_without_end_take_no_memory_and_keep_nobody_waiting(
    fault: Fault, tenant: Tenant
) -> None:
    names = [tenant.ask(number, metadata={"annotations": LONG}, suspend=True) for number in range(6)]
    with (
        fault.world(beside=[tenant.namespace]) as world,
        without_end(*(lambda value, name=name: tenant.label(name, value) for name in names)),
    ):
        others_are_served(world, fault)


def test_23_requests_that_come_and_go_without_end_keep_nobody_waiting(fault: Fault, tenant: Tenant) -> None:

    def come_and_go(first: int) -> Callable[[int], None]:
        return lambda number: tenant.withdraw(tenant.ask(first + number))

    with (
        fault.world(beside=[tenant.namespace]) as world,
        without_end(come_and_go(0), come_and_go(1_000_000)),
    ):
        others_are_served(world, fault)


@pytest.mark.parametrize(
    "count", [200, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"target": "shared"}, id="one target"),
        pytest.param({"suspend": True}, id="suspended"),
        pytest.param({"target": "shared", "activeDeadlineSeconds": 1}, id="out of time at once"),
    ],
)
def test_23_many_requests_keep_nobody_waiting(
    fault: Fault, tenant: Tenant, count: int, spec: dict[str, Any]
) -> None:
    """None of them has anything to delete."""
    with fault.world(beside=[tenant.namespace]) as world:
        tenant.ask_many(count, **spec)
        others_are_served(world, fault, count)
        assert world.stop() == 0


def test_23_one_whose_jobs_fill_all_slots_keeps_another_waiting_for_the_next_free_one(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """However many requests wait already, and are older."""
    with ExitStack() as stack:
        busy, quiet = (stack.enter_context(closing(Tenant(installed))) for _ in range(2))
        moorcheh = stack.enter_context(StandIn(tmp_path / "moorcheh"))
        for one in moorcheh.create_many(12, "busy-", items=5, seconds=600.0):
            busy.ask(int(one["name"].rpartition("-")[2]), one["name"])
        moorcheh.create("quiet", items=1)
        operator = OperatorProcess(
            kubeconfig=installed.kubeconfig_for("operator"),
            moorcheh_url=moorcheh.url,
            output=tmp_path / "operator.log",
            WATCH_NAMESPACES=f"{busy.namespace},{quiet.namespace}",
            MOORCHEH_MAX_RUNNING_JOBS="2",
        )
        stack.enter_context(operator)
        assert until(lambda: moorcheh.counts().get("delete", 0) == 2)
        name = quiet.ask(1, "quiet")
        assert until(lambda: quiet.phase(name) == "Pending")
        assert moorcheh.end_jobs(moorcheh.record()["jobs"][0]["name"]) == 1

        assert until(lambda: quiet.phase(name) == "Succeeded")
        assert busy.unfinished() >= 10


def test_23_an_object_that_has_no_room_for_its_status_is_tried_seldom_and_keeps_nobody_waiting(
    fault: Fault, tenant: Tenant
) -> None:
    """As large as etcd takes it: each status write is answered 500."""
    room = {"annotations": {"note": "x" * 200_000}, "labels": {}}
    filler = {f"label-{number:05}": "x" * 60 for number in range(17_000)}
    tenant.ask(1, metadata={**room, "labels": filler})
    with fault.world(beside=[tenant.namespace]) as world:
        others_are_served(world, fault)
