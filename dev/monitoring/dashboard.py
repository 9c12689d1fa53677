"""`python -m dev.monitoring.dashboard`: writes manifests/monitoring/dashboard.json, for Grafana's import."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parents[2] / "manifests" / "monitoring" / "dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CALLS = "moorcheh_operator_moorcheh_request_duration_seconds"


@dataclass(frozen=True)
class Panel:
    """`queries`: the legend and the expression of each."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str = ""
    stacked: bool = False


def _quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket[$__rate_interval])))")
        for name, q in (("half", 0.5), ("95 of 100", 0.95))
    )


PANELS = (
    Panel(
        "Requests that have not ended",
        "short",
        (("{{phase}}", "max by (phase) (moorcheh_operator_requests)"),),
        "Every replica counts the same ones.",
        stacked=True,
    ),
    Panel(
        "Ends",
        "short",
        (
            (
                "{{phase}}: {{reason}}",
                "sum by (phase, reason) (increase(moorcheh_operator_requests_ended_total[5m])) > 0",
            ),
        ),
        "By phase and reason, of the last five minutes.",
        stacked=True,
    ),
    Panel(
        "Oldest request that has not ended",
        "s",
        (("age", "max(moorcheh_operator_oldest_unfinished_request_age_seconds)"),),
        "Suspended ones aside.",
    ),
    Panel("From creation to the end", "s", _quantiles("moorcheh_operator_request_duration_seconds")),
    Panel("From creation to the job", "s", _quantiles("moorcheh_operator_request_submit_duration_seconds")),
    Panel(
        "Items removed",
        "short",
        (("items a second", "sum(rate(moorcheh_operator_items_removed_total[$__rate_interval]))"),),
        "Counted when a request ends.",
    ),
    Panel(
        "Calls to Moorcheh",
        "reqps",
        (("{{operation}} {{code}}", f"sum by (operation, code) (rate({CALLS}_count[$__rate_interval]))"),),
        "job: polls of a running job.",
    ),
    Panel(
        "Duration of calls to Moorcheh, 95 of 100",
        "s",
        (
            (
                "{{operation}}",
                f"histogram_quantile(0.95, sum by (operation, le) (rate({CALLS}_bucket[$__rate_interval])))",
            ),
        ),
    ),
    Panel(
        "DELETEs sent",
        "reqps",
        (("DELETEs", "sum(rate(moorcheh_operator_deletes_sent_total[$__rate_interval]))"),),
        "One an attempt, never more.",
    ),
    Panel(
        "Calls to the API server",
        "reqps",
        (
            (
                "{{verb}} {{code}}",
                "sum by (verb, code) (rate(moorcheh_operator_kubernetes_requests_total[$__rate_interval]))",
            ),
        ),
        "PATCH: a status write.",
    ),
    Panel(
        "Job slots",
        "short",
        (
            ("used", "max(moorcheh_operator_job_slots_used)"),
            ("there are (0: no limit)", "max(moorcheh_operator_job_slots)"),
        ),
    ),
    Panel(
        "Event loop lag and age of the list",
        "s",
        (
            ("lag {{pod}}", "moorcheh_operator_loop_lag_seconds"),
            ("list {{pod}}", "moorcheh_operator_list_age_seconds"),
        ),
        "The list is renewed once a minute.",
    ),
    Panel(
        "Leader, servers file and version",
        "short",
        (
            ("leads {{pod}}", "moorcheh_operator_leader"),
            ("servers file good {{pod}}", "moorcheh_operator_servers_file_good"),
            ("{{version}} on Python {{python_version}}", "moorcheh_operator_build_info"),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
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
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
    if panel.stacked:
        custom["stacking"] = {"mode": "normal"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"h": 8, "w": 8, "x": 8 * (number % 3), "y": 8 * (number // 3)},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "legendFormat": legend, "expr": query, "datasource": SOURCE}
            for index, (legend, query) in enumerate(panel.queries)
        ],
    }


def rendered() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(rendered())
