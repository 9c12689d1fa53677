"""What a real run prints, posts and counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from moorcheh_operator.process.logs import FIELDS
from tests.dev.waiting import until
from tests.integration.conftest import install
from tests.integration.life import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import ControlPlane
    from tests.integration.life import Asked


@pytest.fixture(scope="module")
def world(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    install(control_plane)
    options = {"LOG_FORMAT": "json"}
    folder = tmp_path_factory.mktemp("world")
    # One test here restarts the API server, which denies what it has not read the roles for yet.
    with World(control_plane, folder, options=options, denials=None) as world:
        yield world


def lines(world: World, asked: Asked | None = None) -> list[dict[str, Any]]:
    every = [json.loads(line) for line in world.log().splitlines()]
    return [line for line in every if asked is None or line.get("uid") == asked.uid]


def value(world: World, name: str, **labels: str) -> float:
    """The sum of the samples with this name and these labels."""
    _, text = world.operator.get("/metrics")
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_a_deletion_is_two_lines_with_all_that_one_would_look_for(world: World) -> None:
    world.moorcheh.create("two-lines", items=7, age=60)
    asked = world.ask("two-lines")
    status = asked.ends("Succeeded/DeletionCompleted")
    assert until(lambda: len(lines(world, asked)) == 2), lines(world, asked)

    sent, ended = lines(world, asked)
    same = {
        "request": f"{world.namespace}/{asked.name}",
        "target": "two-lines",
        "attempt": status["attempt"]["id"],
        "number": 1,
        "job": status["job"]["id"],
        "level": "INFO",
    }
    assert same.items() <= sent.items()
    assert same.items() <= ended.items()
    assert (sent["code"], sent["seconds"] > 0, ended["items"]) == ("202", True, 7)


def test_no_line_has_a_field_that_is_not_in_the_catalogue(world: World) -> None:
    world.moorcheh.create("fields", items=7, age=60)
    world.ask("fields").ends("Succeeded/DeletionCompleted")

    known = {"time", "level", "logger", "message", "exc_info", *FIELDS}
    assert set().union(*lines(world)) <= known
    assert {line["logger"].partition(".")[0] for line in lines(world)} == {"moorcheh_operator"}


def test_a_failed_request_with_one_retry_has_three_events(world: World) -> None:
    world.moorcheh.create("retried", items=7, age=60)
    world.moorcheh.fault("run", "retried", kind="fail", count=-1, last_error="disk is full")
    asked = world.ask("retried", backoffLimit=1)
    asked.ends("Failed/BackoffLimitExceeded")

    asked.sees_event("Warning", "BackoffLimitExceeded")
    assert sorted(reason for _, reason in asked.events()) == ["BackoffLimitExceeded", "Retrying", "Submitted"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 503}, id="no-usable-answer"),
        pytest.param({"kind": "rst"}, id="no-answer"),
    ],
)
def test_a_server_that_can_t_be_asked_is_told_in_the_log_and_at_the_probes_until_it_can(
    world: World, fault: dict[str, Any]
) -> None:
    def told(level: str) -> list[str]:
        return [
            line["message"]
            for line in lines(world)[before:]
            if line["level"] == level and world.moorcheh.url in line["message"]
        ]

    before = len(lines(world))
    rule = world.moorcheh.fault("list", count=-1, **fault)
    try:
        asked = world.ask("out-of-reach")
        assert until(lambda: len(told("WARNING")) == 1)
        code, words = world.operator.get("/readyz")
        assert (code, words.partition("\n")[0]) == (200, "ok")
        assert world.moorcheh.url in words
    finally:
        world.moorcheh.clear_faults(rule)
    asked.ends("Succeeded/AlreadyAbsent")

    assert until(lambda: len(told("INFO")) == 1)
    assert len(told("WARNING")) == 1
    assert world.operator.get("/readyz") == (200, "ok\n")


def test_a_wait_that_lasts_is_told_once_by_an_event_and_a_line(world: World) -> None:
    rule = world.moorcheh.fault("list", kind="status", status=503, count=-1)
    asked = world.ask("waits-long")
    try:
        assert until(lambda: ("Warning", "ServerUnavailable") in asked.events(), within=150)
    finally:
        world.moorcheh.clear_faults(rule)
    asked.ends("Succeeded/AlreadyAbsent")

    asked.sees_event("Normal", "AlreadyAbsent")
    assert sorted(reason for _, reason in asked.events()) == ["AlreadyAbsent", "ServerUnavailable"]
    assert len([line for line in lines(world, asked) if line["message"].startswith("still ")]) == 1


def test_metrics_count_what_was_done(world: World) -> None:
    def counted() -> dict[str, float]:
        calls = "moorcheh_operator_moorcheh_request_duration_seconds_count"
        return {
            "sent": value(world, "moorcheh_operator_deletes_sent_total"),
            "items": value(world, "moorcheh_operator_items_removed_total"),
            "ends": value(world, "moorcheh_operator_requests_ended_total", reason="DeletionCompleted"),
            "took": value(world, "moorcheh_operator_request_duration_seconds_count"),
            "submits": value(world, "moorcheh_operator_request_submit_duration_seconds_count"),
            "calls": value(world, calls, operation="delete", code="202"),
        }

    before = counted()
    world.moorcheh.create("counted", items=7, age=60)
    world.ask("counted").ends("Succeeded/DeletionCompleted")
    after = counted()

    changes = {name: after[name] - before[name] for name in before}
    assert changes == {"sent": 1, "items": 7, "ends": 1, "took": 1, "submits": 1, "calls": 1}
    assert value(world, "moorcheh_operator_leader") == 1
    assert value(world, "moorcheh_operator_kubernetes_requests_total", verb="PATCH", code="200") > 0


def test_what_waits_is_counted_by_phase_and_the_oldest_has_an_age(world: World) -> None:
    world.moorcheh.create("held", items=7, age=60)
    held = world.ask("held", suspend=True)
    held.reaches("Suspended")

    assert until(lambda: value(world, "moorcheh_operator_requests", phase="Suspended") == 1)
    assert value(world, "moorcheh_operator_oldest_unfinished_request_age_seconds") == 0
    held.withdraw()


def test_a_delete_that_surely_was_not_sent_is_not_counted_as_sent() -> None:
    from moorcheh_operator.metrics import Metrics  # noqa: PLC0415 - the others need a world

    metrics = Metrics()
    for code in ("ConnectError", "202", "ReadTimeout"):
        metrics.time_moorcheh_call("delete", code, 0.1)

    assert metrics.registry.get_sample_value("moorcheh_operator_deletes_sent_total") == 2


def test_a_restart_of_the_api_server_is_a_few_lines(world: World) -> None:
    before = len(lines(world))
    world.plane.stop_apiserver()
    until(lambda: any("watch broke off" in line["message"] for line in lines(world)[before:]), within=30)
    world.plane.start_apiserver()
    world.moorcheh.create("after-restart", items=7, age=60)
    asked = world.ask("after-restart")
    asked.ends("Succeeded/DeletionCompleted")

    told = [line for line in lines(world)[before:] if line.get("uid") != asked.uid]
    assert len(told) <= 8, told  # hundreds once; an outage that lasts has a relist in it
    assert {line["logger"].partition(".")[0] for line in told} <= {"kopf", "moorcheh_operator"}
