"""Figures in, page out: the goals are judged by what was measured, and by nothing else."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from benchmarks import page, results, scale_page
from benchmarks.command import main
from benchmarks.etcd import Room
from benchmarks.goals import verdicts
from benchmarks.machine import Machine
from benchmarks.peers import GO, KOPF, OURS
from benchmarks.polls import computed
from benchmarks.results import Measurement, Run, Spread, median
from benchmarks.scale import Step, Used
from benchmarks.scenarios import SCENARIOS, scenario

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = Machine("a CPU", 2, 4.0, "Linux 6.1", "3.11.7", "1.26.0", "v1.36.2", "abc1234", "2026-11-23")
CPU = {OURS: 5.0, KOPF: 12.0, GO: 4.5}
"""ms a request."""
END = {OURS: 0.1, KOPF: 2.0, GO: 0.4}


def a_measurement(peer: str, name: str, **other: object) -> Measurement:
    requests = scenario(name).requests
    calls = {"PATCH namespacedeletions/status": 3 * requests, "POST events": 2 * requests}
    found = Measurement(
        peer=peer,
        title=f"the {peer} one",
        scenario=name,
        requests=requests,
        cpu_seconds=CPU[peer] * requests / 1000,
        seconds=5.0,
        start=Spread(0.03, 0.1, 0.2) if requests else None,
        end=Spread(END[peer] / 2, END[peer], END[peer]) if requests else None,
        deletes=requests,
        polls=4 * requests,
        listings=10,
        listing_gap=0.2,
        peak_mib=100.0,
        empty_mib=60.0,
        ready_seconds=2.0,
        idle_share=0.001,
        calls=calls if requests else {},
    )
    return dataclasses.replace(found, **other)  # type: ignore[arg-type]  # whatever the test is about


def a_run(*others: Measurement) -> Run:
    """In which every goal is met, but for the `others`."""
    every = [a_measurement(peer, name) for name in SCENARIOS for peer in (OURS, KOPF, GO)]
    replaced = {(each.scenario, each.peer) for each in others}
    kept = [each for each in every if (each.scenario, each.peer) not in replaced]
    return Run(MACHINE, (*kept, *others))


def not_met(*others: Measurement) -> set[str]:
    return {each.what.partition(" ")[0] for each in verdicts(a_run(*others).medians()) if not each.met}


def test_where_all_is_well_every_goal_is_met() -> None:
    """But for the polls of an hour, which are computed from the schedule as it is."""
    assert not_met() <= {"Polls"}


@pytest.mark.parametrize(
    ("other", "goal"),
    [
        (a_measurement(OURS, "burst-20", deletes=21), "DELETEs"),
        (a_measurement(OURS, "burst-200", calls={"PATCH namespacedeletions/status": 601}), "Status"),
        (a_measurement(OURS, "burst-200", calls={"POST events": 401}), "Status"),
        (a_measurement(GO, "burst-200", cpu_seconds=0.7), "CPU"),
        (a_measurement(KOPF, "burst-2000", cpu_seconds=19.9), "CPU"),
        (a_measurement(OURS, "burst-200", end=Spread(0.1, 0.6, 0.6)), "End"),
        (a_measurement(OURS, "single", start=Spread(0.05, 0.1, 0.1)), "One"),
        (a_measurement(OURS, "single", end=Spread(0.1, 0.16, 0.2)), "One"),
        (a_measurement(OURS, "burst-20", start=Spread(0.13, 0.2, 0.2)), "Start"),
        (a_measurement(OURS, "single", ready_seconds=2.1), "Ready"),
        (a_measurement(GO, "burst-2000", end=Spread(0.1, 0.1, 0.1)), "End"),
        (a_measurement(OURS, "burst-200", start=Spread(0.11, 0.2, 0.2)), "Start"),
        (a_measurement(OURS, "burst-2000", peak_mib=131.0), "Memory"),
        (a_measurement(OURS, "finished-10000", ready_seconds=15.1), "10,000"),
        (a_measurement(OURS, "finished-10000", peak_mib=161.0), "10,000"),
        (a_measurement(OURS, "finished-10000", calls={"PATCH namespacedeletions/status": 1}), "10,000"),
        (a_measurement(OURS, "idle-60", idle_share=0.006), "Idle,"),
        (a_measurement(OURS, "minute-200", polls=4001), "Polls"),
        (a_measurement(OURS, "listing-2000", listing_gap=0.05), "Listings"),
        (a_measurement(OURS, "burst-200", cpu_seconds=0.9), "Growth:"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.scenario,
)
def test_a_figure_beyond_its_goal_is_told_as_not_met(other: Measurement, goal: str) -> None:
    assert goal in not_met(other)


def test_a_goal_without_figures_is_neither_met_nor_missed() -> None:
    run = Run(MACHINE, (a_measurement(OURS, "burst-200"),))
    judged = {each.what: each for each in verdicts(run.medians())}
    assert judged["Start p50 at 200"].met
    assert judged["Idle, 1,000 finished"].met is None


def test_the_page_names_the_machine_and_keeps_what_is_written_by_hand() -> None:
    text = page.page(a_run(), "## By hand\n\nAs it is.\n")
    assert "a CPU, 2 cores, 4 GiB" in text
    assert text.endswith("## By hand\n\nAs it is.\n")


def test_the_picture_is_well_formed_with_every_operator_in_it() -> None:
    drawn = page.picture(a_run().medians())
    words = [element.text for element in ET.fromstring(drawn).iter() if element.text]
    assert {"the ours one", "the kopf one", "the go one", "2,000"} <= set(words)


def test_figures_that_are_saved_come_back_the_same(tmp_path: Path) -> None:
    run = a_run()
    run.save(tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == run


def test_of_repeated_measurements_each_figure_has_its_own_median() -> None:
    three = [
        a_measurement(OURS, "burst-200", cpu_seconds=cpu, end=Spread(end, end, end), calls=calls)
        for cpu, end, calls in (
            (1.0, 0.3, {"POST events": 5}),
            (3.0, 0.1, {}),
            (2.0, 0.2, {"POST events": 7}),
        )
    ]
    found = median(three)
    assert (found.cpu_seconds, found.end, found.events) == (2.0, Spread(0.2, 0.2, 0.2), 5)


def test_the_99th_percentile_is_the_value_that_one_in_a_hundred_exceeds() -> None:
    assert Spread.of(map(float, range(1, 101))) == Spread(50.0, 99.0, 100.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)
    assert Spread.of([]) is None


def test_the_polls_of_an_hour_are_computed_from_the_schedule() -> None:
    """With progress told the end is foreseen, without it the polls come at their longest distance."""
    told, untold = (computed(3600.0, progress=progress) for progress in (True, False))
    assert 360 / 1.05 < told.polls <= untold.polls
    assert max(told.late, untold.late) <= 10.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--scenario", "nonsense"], "there are single"),
        (["run", "--operator", "'open"], "No closing quotation"),
        (["page", "--results", "none.json"], "measures first"),
    ],
)
def test_a_mistake_on_the_command_line_is_explained(words: list[str], told: str) -> None:
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code != 0
    assert told in ran.output


IDLE = Used(100.0, 1.0, 10.0, 0.0, {})
ROOM = Room(4 * 1024**2, 2 * 1024**2)
STEP = Step(
    finished=1000,
    object_bytes=3000,
    event_bytes=600,
    filled=ROOM,
    compacted=ROOM,
    defragmented=ROOM,
    api_server_mib=300,
    etcd_mib=90,
    start=Used(3.0, 1.0, 2.0, 0.1, {"LIST namespacedeletions": 4}),
    ready_seconds=2.0,
    start_peak_mib=70,
    operator_mib=60,
    quiet=Used(50.0, 0.0, 2.5, 0.0, {}),  # half of what the API server takes beside an idle operator
    idle=IDLE,
    burst=Used(10.0, 2.1, 5.0, 1.0, {}),
    begins=Spread(0.1, 0.2, 0.3),
    burst_room=(ROOM, Room(4 * 1024**2, 2 * 1024**2 + 200 * 15_000)),
    expiry=Used(60.0, 1.0, 7.0, 0.0, {}),
    restart=Used(20.0, 0.1, 5.0, 0.0, {}),
    api_server_ready=3.0,
)


def test_what_a_request_costs_at_scale_is_told_without_what_nothing_to_do_costs() -> None:
    told = dict(
        line.strip("| ").split(" | ", 1) for line in scale_page.figures([STEP], MACHINE).splitlines()[2:]
    )

    assert told["One request more: its CPU; the API server's; etcd's, ms"] == "10.0; 20.0; 5.0"
    assert told["One request more: written to etcd, before the next compaction, bytes"] == "15,000"
    assert told["One deleted after its time to live: its CPU; the API server's, ms"] == "2.0; 5.0"
    [idle] = [figures for what, figures in told.items() if what.startswith("An hour with nothing to do")]
    assert idle == "36.0; 180"
    [day] = [figures for what, figures in told.items() if what.startswith("A day")]
    assert day == f"{(12 * 10 + 864) / 60:.1f}; {(25 * 10 + 4320) / 60:.1f}"


def test_the_page_on_scale_has_a_place_for_the_figures() -> None:
    page = scale_page.PAGE.read_text()

    assert page.count(scale_page.BEGIN) == page.count(scale_page.END) == 1
    for what, _ in scale_page.ROWS:
        assert f"| {what} |" in page
