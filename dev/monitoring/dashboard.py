"""`python -m dev.monitoring.dashboard`: writes manifests/monitoring/dashboard.json, for Grafana's import."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parents[2] / "manifests" / "monitoring" / "dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CALLS = "moorcheh_operator_moorcheh_request_duration_seconds"
API_CALLS = "moorcheh_operator_kubernetes_requests_total"
COLUMNS = 24
"""Grafana's grid."""

GOOD, WAITING, WORKING, HELD = "green", "yellow", "blue", "purple"
BAD, WORST, PLAIN = "orange", "red", "text"
PHASES = (
    ("Pending", WAITING),
    ("Suspended", HELD),
    ("Submitting", "light-blue"),
    ("Running", WORKING),
)
ENDS = (("/^Succeeded/", GOOD), ("/^Failed/", BAD), ("/OutcomeUnknown/", WORST))
CODES = (("/2\\d\\d$/", GOOD), ("/4\\d\\d$/", BAD), ("/(5\\d\\d|[A-Za-z]{5,})$/", WORST))
VERIFIED = (("/Absent|Replaced/", GOOD), ("Unverifiable", HELD), ("StillListed", WORST))
RUNS = (
    ("/Completed|NothingToDo/", GOOD),
    ("/Missed|CreateForbidden|Incomplete/", BAD),
    ("TooManyMatches", WORST),
)


@dataclass(frozen=True)
class Panel:
    """`queries`: the legend and the expression of each. `colours`: of a legend, or of those that fit a
    /regular expression/; the last one that fits counts. `steps`: for one number, its colour from a value on.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str = ""
    stacked: bool = False
    colours: tuple[tuple[str, str], ...] = ()
    steps: tuple[tuple[float | None, str], ...] = ()
    named: bool = False
    """Of the number's curve the legend is shown, not the number."""

    @property
    def number(self) -> bool:
        return bool(self.steps)


@dataclass(frozen=True)
class Row:
    """`across`: how many panels stand side by side."""

    title: str
    panels: tuple[Panel, ...]
    across: int = 3

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a panel in the grid."""
        return COLUMNS // self.across, 4 if self.panels[0].number else 8


def _quantile(q: float, metric: str, labels: str = "le") -> str:
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[$__rate_interval])))"


def _quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"p{q * 100:.0f}", _quantile(q, metric)) for q in (0.5, 0.95, 0.99))


QUANTILES = (("p50", GOOD), ("p95", WAITING), ("p99", BAD))
ROWS = (
    Row(
        "At a glance",
        (
            Panel(
                "Leader",
                "short",
                (("leader", "sum(moorcheh_operator_leader)"),),
                "Replicas that lead: 1.",
                steps=((None, WORST), (1, GOOD), (2, BAD)),
            ),
            Panel(
                "In flight",
                "short",
                (("requests", 'sum(max by (phase) (moorcheh_operator_requests{phase!="Suspended"}))'),),
                "Requests that have not ended. Suspended ones aside.",
                steps=((None, PLAIN),),
            ),
            Panel(
                "Awaiting approval",
                "short",
                (("requests", 'max(moorcheh_operator_requests{phase="Suspended"})'),),
                "Suspended requests.",
                steps=((None, PLAIN), (1, HELD)),
            ),
            Panel(
                "Failed, 24 h",
                "short",
                (
                    (
                        "requests",
                        'round(sum(increase(moorcheh_operator_requests_ended_total{phase="Failed"}[24h])))',
                    ),
                ),
                "Requests that ended as Failed.",
                steps=((None, GOOD), (1, BAD)),
            ),
            Panel(
                "Oldest in flight",
                "s",
                (("age", "max(moorcheh_operator_oldest_unfinished_request_age_seconds)"),),
                "Suspended ones aside. There is an alert from an hour on.",
                steps=((None, GOOD), (600, WAITING), (3600, WORST)),
            ),
            Panel(
                "Stalled policies",
                "short",
                (("policies", 'max(moorcheh_operator_policies{state="stalled"})'),),
                "Cleanup policies that can't run until somebody acts.",
                steps=((None, GOOD), (1, WORST)),
            ),
            Panel(
                "Servers file",
                "short",
                (("good", "min(moorcheh_operator_servers_file_good)"),),
                "1: in use as it is. 0: it can't be used, and the last good one stays.",
                steps=((None, WORST), (1, GOOD)),
            ),
            Panel(
                "Version",
                "short",
                (
                    (
                        "{{version}}, Python {{python_version}}",
                        "sum by (version, python_version) (moorcheh_operator_build_info)",
                    ),
                ),
                "What the replicas run.",
                steps=((None, PLAIN),),
                named=True,
            ),
        ),
        across=8,
    ),
    Row(
        "Deletions",
        (
            Panel(
                "Requests in flight",
                "short",
                (("{{phase}}", "max by (phase) (moorcheh_operator_requests)"),),
                "By phase. Every replica counts the same ones.",
                stacked=True,
                colours=PHASES,
            ),
            Panel(
                "Requests ended, 5 min",
                "short",
                (
                    (
                        "{{phase}}: {{reason}}",
                        "sum by (phase, reason) (increase(moorcheh_operator_requests_ended_total[5m])) > 0",
                    ),
                ),
                "By phase and reason.",
                stacked=True,
                colours=ENDS,
            ),
            Panel(
                "Age of the oldest in flight",
                "s",
                (("age", "max(moorcheh_operator_oldest_unfinished_request_age_seconds)"),),
                "Suspended ones aside.",
                colours=(("age", WAITING),),
            ),
            Panel(
                "Duration, creation to end",
                "s",
                _quantiles("moorcheh_operator_request_duration_seconds"),
                colours=QUANTILES,
            ),
            Panel(
                "Duration, creation to job",
                "s",
                _quantiles("moorcheh_operator_request_submit_duration_seconds"),
                colours=QUANTILES,
            ),
            Panel(
                "Items deleted",
                "ops",
                (("items", "sum(rate(moorcheh_operator_items_removed_total[$__rate_interval]))"),),
                "Counted when a request ends.",
                colours=(("items", WORKING),),
            ),
        ),
    ),
    Row(
        "Moorcheh",
        (
            Panel(
                "Request rate",
                "reqps",
                (
                    (
                        "{{operation}} {{code}}",
                        f"sum by (operation, code) (rate({CALLS}_count[$__rate_interval]))",
                    ),
                ),
                "Calls to Moorcheh by operation and status code, or error. job: polls of a running job.",
                colours=CODES,
            ),
            Panel(
                "Request duration, p95",
                "s",
                (
                    (
                        "{{operation}}",
                        _quantile(0.95, CALLS, "operation, le"),
                    ),
                ),
            ),
            Panel(
                "DELETE rate",
                "reqps",
                (("DELETE", "sum(rate(moorcheh_operator_deletes_sent_total[$__rate_interval]))"),),
                "One an attempt, never more.",
                colours=(("DELETE", WORKING),),
            ),
            Panel(
                "Job slots",
                "short",
                (
                    ("in use", "max(moorcheh_operator_job_slots_used)"),
                    ("limit (0: none)", "max(moorcheh_operator_job_slots)"),
                ),
                colours=(("in use", WORKING), ("/^limit/", PLAIN)),
            ),
            Panel(
                "Verifications, 5 min",
                "short",
                (
                    (
                        "{{result}}",
                        "sum by (result) (increase(moorcheh_operator_verifications_total[5m])) > 0",
                    ),
                ),
                "What the listing showed after the job. StillListed: the namespace did not go.",
                stacked=True,
                colours=VERIFIED,
            ),
            Panel(
                "Servers that show creation times",
                "short",
                (("{{server}}", "max by (server) (moorcheh_operator_server_shows_creation_times)"),),
                "1: it does. 0: docs/safety.md says what does not hold there.",
            ),
        ),
    ),
    Row(
        "Cleanup policies",
        (
            Panel(
                "Policies",
                "short",
                (("{{state}}", "max by (state) (moorcheh_operator_policies)"),),
                "By state. A stalled one can't run until somebody acts.",
                stacked=True,
                colours=(("ready", GOOD), ("suspended", HELD), ("stalled", WORST)),
            ),
            Panel(
                "Runs ended, 1 h",
                "short",
                (
                    (
                        "{{result}}",
                        "sum by (result) (increase(moorcheh_operator_policy_runs_total[1h])) > 0",
                    ),
                ),
                "By result. TooManyMatches: the brake held, and nothing was created.",
                stacked=True,
                colours=RUNS,
            ),
        ),
        across=2,
    ),
    Row(
        "Operator",
        (
            Panel(
                "API server request rate",
                "reqps",
                (
                    (
                        "{{verb}} {{code}}",
                        f"sum by (verb, code) (rate({API_CALLS}[$__rate_interval]))",
                    ),
                ),
                "PATCH: a status write.",
                colours=CODES,
            ),
            Panel(
                "Event loop lag",
                "s",
                (("{{pod}}", "moorcheh_operator_loop_lag_seconds"),),
                "The worst of the last minute. There is an alert from 2 s on.",
            ),
            Panel(
                "Age of the list of requests",
                "s",
                (("{{pod}}", "moorcheh_operator_list_age_seconds"),),
                "It is renewed once a minute. There is an alert from 5 min on.",
            ),
            Panel(
                "Leader by replica",
                "short",
                (("{{pod}}", "moorcheh_operator_leader"),),
                "1: it leads.",
                stacked=True,
            ),
        ),
        across=4,
    ),
)
PANELS = tuple(panel for row in ROWS for panel in row.panels)


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    y = 0
    for row in ROWS:
        panels.append(_row(row, y))
        y, x, height = y + 1, 0, 0
        for panel in row.panels:
            width, height = row.size
            if x + width > COLUMNS:
                x, y = 0, y + height
            panels.append(_panel(panel, {"h": height, "w": width, "x": x, "y": y}))
            x += width
        y += height
    for number, each in enumerate(panels):
        each["id"] = number + 1
    return {
        "title": "Moorcheh operator",
        "uid": "moorcheh-operator",
        "tags": ["moorcheh"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
            ]
        },
        "panels": panels,
    }


def _row(row: Row, y: int) -> dict[str, Any]:
    position = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
    return {"type": "row", "title": row.title, "collapsed": False, "gridPos": position, "panels": []}


def _panel(panel: Panel, position: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "stat" if panel.number else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": position,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, **(_steps(panel) if panel.number else _curves(panel))},
            "overrides": [_override(name, colour) for name, colour in panel.colours],
        },
        "options": _number_options(panel) if panel.number else _curve_options(),
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "legendFormat": legend,
                "expr": query,
                "datasource": SOURCE,
                "instant": panel.number,
                "range": not panel.number,
            }
            for index, (legend, query) in enumerate(panel.queries)
        ],
    }


def _steps(panel: Panel) -> dict[str, Any]:
    steps = [{"value": value, "color": colour} for value, colour in panel.steps]
    return {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}


def _curves(panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
    if panel.stacked:
        custom |= {"stacking": {"mode": "normal"}, "fillOpacity": 40}
    return {"min": 0, "color": {"mode": "palette-classic"}, "custom": custom}


def _override(name: str, colour: str) -> dict[str, Any]:
    """`shades`: what fits the same expression differs in brightness alone."""
    matcher = "byRegexp" if name.startswith("/") else "byName"
    mode = "shades" if matcher == "byRegexp" else "fixed"
    return {
        "matcher": {"id": matcher, "options": name},
        "properties": [{"id": "color", "value": {"mode": mode, "fixedColor": colour}}],
    }


def _number_options(panel: Panel) -> dict[str, Any]:
    return {
        "textMode": "name" if panel.named else "value",
        "colorMode": "value",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }


def _curve_options() -> dict[str, Any]:
    """The legend below the curves, as a table: never in front of them."""
    return {
        "legend": {
            "showLegend": True,
            "displayMode": "table",
            "placement": "bottom",
            "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def rendered() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(rendered())
