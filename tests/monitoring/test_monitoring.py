"""Alerts and dashboard: they use what exists, and Prometheus itself takes them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dev.monitoring import dashboard
from dev.processes import Process, free_port
from dev.release import Source
from moorcheh_operator.api.status import Phase
from moorcheh_operator.metrics import ENDS, RUN_ENDS, Metrics
from tests.dev.waiting import until
from tests.integration.conftest import install
from tests.integration.life import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dev.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "monitoring"
RULES: dict[str, Any] = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]
RUNBOOKS = f"{Source(ROOT).published('repository')}/blob/main/"
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
QUERIES = [query for panel in dashboard.PANELS for _, query in panel.queries]
EXPORTED = re.compile(r"moorcheh_operator_[a-z_]+")
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
}


def exported() -> set[str]:
    """The names under which Prometheus stores what the operator shows."""
    return {
        family.name + suffix for family in Metrics().registry.collect() for suffix in SUFFIXES[family.type]
    }


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian's package `prometheus` has it)")
    return found


# Names


def test_metrics_are_named_by_the_conventions() -> None:
    for family in Metrics().registry.collect():
        assert family.name.startswith("moorcheh_operator_")
        assert family.documentation.endswith(".")
        labels = {name for sample in family.samples for name in sample.labels}
        assert not labels & {"namespace", "target", "request", "name", "uid"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_uses_metrics_that_exist_and_labels_that_they_have(alert: dict[str, Any]) -> None:
    assert set(EXPORTED.findall(alert["expr"])) <= exported()
    for phase in re.findall(r'phase="([^"]+)"', alert["expr"]):
        assert phase in list(Phase)
    for results in re.findall(r'result=~?"([^"]+)"', alert["expr"]):
        assert set(results.split("|")) <= {str(result) for result in RUN_ENDS}
    for reason in re.findall(r'reason!?="([^"]+)"', alert["expr"]):
        assert reason in {str(reason) for reasons in ENDS.values() for reason in reasons}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_has_a_runbook_that_exists(alert: dict[str, Any]) -> None:
    url: str = alert["annotations"]["runbook_url"]
    page, _, anchor = url.removeprefix(RUNBOOKS).partition("#")

    assert url.startswith(RUNBOOKS)
    assert anchor == f"alert-{alert['alert'].lower()}"
    assert anchor in anchors(ROOT / page)
    assert alert["labels"]["severity"] in ("warning", "critical")


def test_the_page_lists_every_alert() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()

    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {alert["alert"] for alert in ALERTS}


def test_the_dashboard_shows_every_metric_and_none_that_does_not_exist() -> None:
    shown = {name for query in QUERIES for name in EXPORTED.findall(query)}
    families = {family.name for family in Metrics().registry.collect()}

    assert shown <= exported()
    assert {name for name in families if not any(used.startswith(name) for used in shown)} == set()


def test_the_dashboard_is_the_one_that_dev_makes() -> None:
    assert (MONITORING / "dashboard.json").read_text() == dashboard.rendered()


def colour(panel: dashboard.Panel, legend: str) -> str | None:
    """Of a curve, as Grafana takes it: of the overrides that fit, the last."""
    found = [
        shown
        for name, shown in panel.colours
        if (re.search(name.strip("/"), legend) if name.startswith("/") else name == legend)
    ]
    return found[-1] if found else None


LEGENDS: dict[str, Iterable[str]] = {
    "Requests in flight": [str(phase) for phase in Phase if phase not in ENDS],
    "Requests ended, 5 min": [f"{phase}: {reason}" for phase, reasons in ENDS.items() for reason in reasons],
    "Runs ended, 1 h": [str(result) for result in RUN_ENDS],
    "Policies": ("ready", "suspended", "stalled"),
    "Request rate": ("list 200", "delete 202", "job 404", "list 503", "list ConnectError"),
    "API server request rate": ("GET 200", "PATCH 409", "POST 503", "GET TimeoutError"),
}


@pytest.mark.parametrize("title", LEGENDS)
def test_a_colour_means_the_same_everywhere(title: str) -> None:
    """Every curve of these has one; what went well is never shown as what did not."""
    [panel] = [panel for panel in dashboard.PANELS if panel.title == title]

    shown = {legend: colour(panel, legend) for legend in LEGENDS[title]}

    assert None not in shown.values(), shown
    well = {"Succeeded", "Completed", "NothingToDo", "ready", "200", "202"}
    for legend, seen in shown.items():
        good = bool(well & set(re.split(r"[ :]+", legend)))
        assert (seen == dashboard.GOOD) is good, legend
    if "Failed: OutcomeUnknown" in shown:
        assert shown["Failed: OutcomeUnknown"] == dashboard.WORST


def test_the_dashboard_is_rows_of_panels_that_do_not_overlap_with_the_legends_below() -> None:
    panels = dashboard.dashboard()["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= dashboard.COLUMNS
        taken |= cells
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["placement"] == "bottom"
            assert panel["fieldConfig"]["defaults"]["unit"] in ("short", "s", "reqps", "ops")

    assert panels[0]["type"] == "row"
    assert [each["title"] for each in panels if each["type"] == "row"] == [
        *("At a glance", "Deletions", "Moorcheh", "Cleanup policies", "Operator")
    ]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_pod_monitor_selects_the_operators_pods_and_their_port(control_plane: ControlPlane) -> None:
    monitor = yaml.safe_load((MONITORING / "pod-monitor.yaml").read_text())["spec"]
    rendered = control_plane.kubectl("kustomize", ROOT / "manifests" / "base")
    [deployment] = [each for each in yaml.safe_load_all(rendered) if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]

    assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    [endpoint] = monitor["podMetricsEndpoints"]
    ports = [port["name"] for container in pod["spec"]["containers"] for port in container["ports"]]
    assert endpoint["port"] in ports


def test_the_component_adds_its_two_objects(control_plane: ControlPlane, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copytree(ROOT / "crds", tmp_path / "crds")
    mine = tmp_path / "manifests" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text("resources: [../base]\ncomponents: [../monitoring]\n")
    kinds = [each["kind"] for each in yaml.safe_load_all(control_plane.kubectl("kustomize", mine))]

    assert {"PodMonitor", "PrometheusRule", "Deployment"} <= set(kinds)


# Prometheus' own judgement


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules as a plain file: what the Prometheus Operator makes of the object."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": RULES["groups"]}))
    return path


def promtool(*arguments: str | Path) -> str:
    ran = subprocess.run(
        [needs("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_promtool_takes_the_rules(rules: Path) -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", rules)


@pytest.mark.usefixtures("rules")
def test_each_alert_fires_where_it_should_and_is_silent_where_it_should_be(tmp_path: Path) -> None:
    script = Path(__file__).with_name("alerts.yaml")
    text = script.read_text().replace("runbook_url: docs/", f"runbook_url: {RUNBOOKS}docs/")
    (tmp_path / "alerts.yaml").write_text(text)
    tested = set(re.findall(r"alertname: (\w+)", script.read_text()))

    assert tested == {alert["alert"] for alert in ALERTS}
    promtool("test", "rules", tmp_path / "alerts.yaml")


def test_promtool_finds_nothing_wrong_with_the_metrics() -> None:
    from prometheus_client import generate_latest  # noqa: PLC0415 - the others do without

    ran = subprocess.run(
        [needs("promtool"), "check", "metrics"],
        input=generate_latest(Metrics().registry),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, b"")


# A real Prometheus scrapes the real operator


class Prometheus:
    def __init__(self, folder: Path, target: str, rules: Path) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "operator", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            needs("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
        ]
        self.process = Process(command, output=folder / "prometheus.log")

    def get(self, path: str, **query: str) -> Any:
        """None without an answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with opener.open(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def value(self, query: str) -> float:
        result = (self.get("query", query=query) or {}).get("result", [])
        return float(result[0]["value"][1]) if result else 0.0


@pytest.fixture(scope="module")
def world(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    needs("prometheus")
    install(control_plane)
    with World(control_plane, tmp_path_factory.mktemp("world")) as world:
        yield world


def test_a_real_prometheus_reads_it_all_and_fires(world: World, rules: Path, tmp_path: Path) -> None:
    world.moorcheh.create("seen", items=70, age=60)
    prometheus = Prometheus(tmp_path, world.operator.address, rules)
    with prometheus.process:
        assert until(lambda: prometheus.value("up") == 1), prometheus.process.tail()
        world.ask("seen").ends("Succeeded/DeletionCompleted")
        world.ask("not-there", ifAbsent="Fail").ends("Failed/TargetAbsent")
        assert until(lambda: prometheus.value("moorcheh_operator_items_removed_total") == 70)

        names = {name for name in prometheus.get("label/__name__/values") if name.startswith("moorcheh_")}
        assert names == exported()
        for query in QUERIES:
            answer = prometheus.get("query", query=query.replace("$__rate_interval", "1m"))
            assert answer is not None, query
        firing = "ALERTS{alertname='MoorchehDeletionFailed', reason='TargetAbsent', alertstate='firing'}"
        assert until(lambda: prometheus.value(firing) == 1)
