"""Several servers, as the servers file has them, with the real operator on the real API server."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.controlplane import ControlPlane, KubectlError
from dev.moorcheh.standin import StandIn
from tests.dev.waiting import until
from tests.integration.life import World

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = {"from": "All"}
SELECTOR = Path(__file__).parents[2] / "manifests" / "components" / "servers-selector" / "role.yaml"


def write(path: Path, *servers: dict[str, Any]) -> None:
    """As a ConfigMap's mount is: never half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"servers": servers}))
    fresh.replace(path)


class Two:
    """A world whose operator knows two servers: `default`, and `other`."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.file = folder / "servers.yaml"
        self.other = StandIn(folder / "other", job_seconds=0.3)
        self.world = World(
            plane,
            folder,
            options={"MOORCHEH_BASE_URL": "", "SERVERS_FILE": str(self.file)},
            operator_up=False,
        )

    def says(self, *others: dict[str, Any], **default: Any) -> None:
        own = {"name": "default", "url": self.world.moorcheh.url, "allowedNamespaces": ALL}
        write(self.file, own | default, *others)

    def other_entry(self, **fields: Any) -> dict[str, Any]:
        return {"name": "other", "url": self.other.url, "allowedNamespaces": ALL} | fields

    def metric(self, line: str) -> bool:
        return line in self.world.operator.get("/metrics")[1]


@pytest.fixture
def two(installed: ControlPlane, tmp_path: Path) -> Iterator[Two]:
    two = Two(installed, tmp_path)
    with two.other, two.world:
        yield two


OTHER: dict[str, Any] = {"serverRef": {"name": "other"}}


def test_two_servers_with_different_rights_work_side_by_side(two: Two) -> None:
    two.says(
        two.other_entry(allowedNames=["logs-*"], protectedNames=["logs-keep"]), protectedNames=["prod-*"]
    )
    for moorcheh in (two.world.moorcheh, two.other):
        for name in ("logs-1", "logs-keep", "docs", "prod-1"):
            moorcheh.create(name, items=2, age=60)
    two.world.operator.start()

    ends = {
        "Succeeded/DeletionCompleted": [two.world.ask("docs"), two.world.ask("logs-1", **OTHER)],
        "Failed/Protected": [two.world.ask("prod-1"), two.world.ask("logs-keep", **OTHER)],
        "Failed/NotAllowed": [two.world.ask("docs", **OTHER)],
    }
    unknown = two.world.ask("docs", serverRef={"name": "none-such"})

    for end, asked in ends.items():
        for each in asked:
            status = each.ends(end)
            if end.startswith("Failed"):
                assert each.trail[0].startswith("Pending") or len(each.trail) > 1, each.trail
                assert "attempt" not in status
    unknown.reaches("Pending/ServerNotFound")
    assert {"logs-1", "logs-keep", "prod-1"} <= set(two.world.moorcheh.namespaces())
    assert {"docs", "logs-keep", "prod-1"} <= set(two.other.namespaces())
    assert ends["Succeeded/DeletionCompleted"][1].status["target"]["server"] == two.other.url


@contextmanager
def that_hangs() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_hangs_delays_no_other(two: Two) -> None:
    with that_hangs() as url:
        two.says(two.other_entry(url=url))
        two.world.operator.start()
        stuck = [two.world.ask(f"stuck-{number}", **OTHER) for number in range(40)]
        assert until(lambda: all(each.versions for each in stuck))
        for number in range(5):
            two.world.moorcheh.create(f"live-{number}", age=60)

        for asked in [two.world.ask(f"live-{number}") for number in range(5)]:
            asked.ends("Succeeded/DeletionCompleted", within=15)

        stuck[0].reaches("Pending/ServerUnavailable")


def test_the_file_is_read_again_when_it_changes(two: Two) -> None:
    two.says()
    two.other.create("docs", age=60)
    two.world.operator.start()
    asked = two.world.ask("docs", **OTHER)
    asked.reaches("Pending/ServerNotFound")

    two.says(two.other_entry())

    asked.ends("Succeeded/DeletionCompleted")


def test_a_broken_file_changes_nothing_and_is_told(two: Two) -> None:
    two.says()
    two.world.moorcheh.create("docs", age=60)
    two.world.operator.start()
    assert two.metric("moorcheh_operator_servers_file_good 1.0")

    two.says(protectedNames=["[prod"])

    assert until(lambda: two.metric("moorcheh_operator_servers_file_good 0.0"))
    code, detail = two.world.operator.get("/readyz")
    assert code == 200
    assert "servers[0].protectedNames[0]: must be" in detail
    two.world.ask("docs").ends("Succeeded/DeletionCompleted")
    assert two.world.operator.output.read_text().count("the last good one stays in use") == 1

    two.says()
    assert until(lambda: two.metric("moorcheh_operator_servers_file_good 1.0"))
    assert two.world.operator.get("/readyz") == (200, "ok\n")


def test_a_job_is_followed_where_it_runs_though_the_name_means_another_server_by_now(two: Two) -> None:
    """The other one knows neither the job nor the namespace: read there, it would look lost, and gone."""
    two.world.moorcheh.knob(job_seconds=600)
    two.says()
    two.world.moorcheh.create("docs", items=50, age=60)
    two.world.operator.start()
    asked = two.world.ask("docs")
    asked.reaches("Running")

    two.says(url=two.other.url)
    assert until(lambda: "is no server any more" in two.world.operator.output.read_text())

    two.world.moorcheh.end_jobs()
    status = asked.ends("Succeeded/DeletionCompleted")
    assert status["target"]["server"] == two.world.moorcheh.url
    assert len(asked.deletes) == 1
    assert two.other.record()["deletes"] == []


def test_after_a_restart_a_job_at_a_url_that_is_not_in_the_file_is_judged_nowhere_else(two: Two) -> None:
    two.world.moorcheh.knob(job_seconds=600)
    two.says()
    two.world.moorcheh.create("docs", items=50, age=60)
    two.world.operator.start()
    running = two.world.ask("docs")
    running.reaches("Running")
    waiting = two.world.ask("docs")
    waiting.until(lambda body: body["status"].get("target"))
    two.world.operator.kill()

    two.says(url=two.other.url)
    two.world.operator.start()
    running.reaches("Running/PollFailing")
    # It stood behind the other one, which stays on record (rule 8); the message says what it waits for.
    waiting.until(lambda body: "that is another one" in body["status"].get("message", ""))

    two.says(url=two.other.url)
    two.says({"name": "renamed", "url": two.world.moorcheh.url}, url=two.other.url)
    two.world.moorcheh.end_jobs()
    running.ends("Succeeded/DeletionCompleted")
    assert two.other.record()["deletes"] == []
    assert len(two.world.moorcheh.record()["deletes"]) == 1
    assert not waiting.finished


def test_what_runs_is_not_refused_by_a_later_change(two: Two) -> None:
    two.world.moorcheh.knob(job_seconds=600)
    two.says()
    two.world.moorcheh.create("docs", items=50, age=60)
    two.world.operator.start()
    asked = two.world.ask("docs")
    asked.reaches("Running")

    two.says(protectedNames=["*"])
    assert until(lambda: "servers.yaml has changed" in two.world.operator.output.read_text())
    two.world.ask("later").reaches("Pending/Protected")
    two.world.moorcheh.end_jobs()

    asked.ends("Succeeded/DeletionCompleted")


def test_a_key_is_sent_and_read_anew(two: Two, tmp_path: Path) -> None:
    """Where it can't be read nothing is sent; and it stands nowhere but in the call."""
    key = tmp_path / "key"
    two.says(apiKeyFile=str(key))
    two.world.moorcheh.create("docs", age=60)
    two.world.operator.start()
    asked = two.world.ask("docs")
    status = asked.reaches("Pending/ServerUnavailable")
    assert "can't be read" in status["lastError"]

    key.write_text("s3cret-of-the-server\n")

    asked.ends("Succeeded/DeletionCompleted")
    told = json.dumps(asked.versions) + two.world.operator.output.read_text()
    assert "s3cret" not in told + two.world.operator.get("/metrics")[1]


def test_a_key_is_rotated_without_a_restart_and_what_was_refused_meanwhile_goes_on(
    two: Two, tmp_path: Path
) -> None:
    """The file changes as a mounted Secret does: a link to another folder, exchanged."""
    mount = tmp_path / "mount"
    mount.mkdir()
    (mount / "key").symlink_to("..data/key")
    update(mount, "first")
    two.says(apiKeyFile=str(mount / "key"))
    two.world.moorcheh.knob(api_key="first")
    two.world.moorcheh.create("before", age=60)
    two.world.moorcheh.create("docs", age=60)
    two.world.operator.start()
    two.world.ask("before").ends("Succeeded/DeletionCompleted")

    two.world.moorcheh.knob(api_key="second")
    asked = two.world.ask("docs")
    assert "401" in asked.reaches("Pending")["message"]
    update(mount, "second")

    asked.ends("Succeeded/DeletionCompleted")
    assert len(asked.deletes) == 1


def update(mount: Path, key: str) -> None:
    """As kubelet does it."""
    fresh = mount / f"..{key}"
    fresh.mkdir()
    (fresh / "key").write_text(key)
    (mount / "..new").symlink_to(fresh.name)
    (mount / "..new").replace(mount / "..data")


def test_labels_of_the_kubernetes_namespace_decide_with_the_optional_right(two: Two) -> None:
    two.world.plane.kubectl("apply", "-f", str(SELECTOR))
    try:
        selector = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
        two.says(allowedNamespaces=selector)
        two.world.moorcheh.create("docs", age=60)
        assert until(lambda: may_read_namespaces(two.world.plane))
        two.world.operator.start()
        asked = two.world.ask("docs")
        asked.reaches("Pending/NotAllowed")

        two.world.kubectl("label", "namespace", two.world.namespace, "team=a")

        asked.ends("Succeeded/DeletionCompleted")
    finally:
        two.world.plane.kubectl("delete", "-f", str(SELECTOR))


def may_read_namespaces(plane: ControlPlane) -> bool:
    try:
        plane.kubectl("get", "namespace", "default", user="operator")
    except KubectlError:
        return False
    return True
