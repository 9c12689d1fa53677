"""`kubectl moorcheh` as a process of its own, against a real API server, operator and stand-in."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.kubectl.terminal import PLUGIN, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.life import Asked, World
    from tests.kubectl.conftest import Person


@pytest.fixture
def target(world: World) -> Iterator[str]:
    """A Moorcheh namespace with 5,000 items, made yesterday. The stand-in has room for twenty."""
    name = make(world)
    yield name
    world.moorcheh.remove(name)


def make(world: World, **wanted: object) -> str:
    name = f"Docs_{uuid.uuid4().hex[:8]}"
    world.moorcheh.create(name, **{"items": 5000, "seconds": 0.5, "age": 86400} | wanted)
    return name


def requests(world: World, target: str) -> list[dict[str, Any]]:
    listed = world.http.get(world.path, params={"fieldSelector": f"spec.namespaceName={target}"})
    return list(listed.raise_for_status().json()["items"])


def lives(world: World, target: str) -> bool:
    return target in world.moorcheh.namespaces()


def failed(world: World, target: str) -> Asked:
    world.moorcheh.fault("run", target, kind="fail", last_error="disk is full")
    asked = world.ask(target, backoffLimit=0)
    asked.ends("Failed/BackoffLimitExceeded")
    return asked


# Show before asking


def test_a_preview_shows_what_would_go_and_leaves_nothing_behind(
    person: Person, world: World, target: str
) -> None:
    shown = person.runs("delete", target, "--preview")

    assert shown.returncode == 0, shown.stderr
    assert re.search(r"Items: +5,000\n", shown.stdout)
    assert re.search(r"Created: +20", shown.stdout)
    assert "Would be deleted, with everything in it:" in shown.stdout
    assert "Nothing was deleted, and no request is left." in shown.stdout
    assert requests(world, target) == []
    assert lives(world, target)


def test_a_preview_of_what_is_not_there_says_so(person: Person) -> None:
    shown = person.runs("delete", "no-such-namespace", "--preview")

    absent = 'There is no Moorcheh namespace "no-such-namespace". Nothing was deleted.\n'
    assert (shown.returncode, shown.stdout.endswith(absent)) == (1, True)
    assert person.runs("delete", "no-such-namespace", "--preview", "--ignore-not-found").returncode == 0


@pytest.mark.parametrize("condition", [["--max-items", "10"], ["--created-before", "2020-01-01T00:00:00Z"]])
def test_a_preview_of_what_would_be_refused_says_why_and_fails(
    person: Person, world: World, target: str, condition: list[str]
) -> None:
    shown = person.runs("delete", target, "--preview", *condition)

    assert shown.returncode == 1
    assert "It would be refused (PreconditionFailed)" in shown.stdout
    assert requests(world, target) == []


def test_a_preview_where_the_server_is_down_gives_up_and_removes_its_request(
    person: Person, world: World, target: str
) -> None:
    world.moorcheh.fault("list", kind="status", status=503, count=-1)
    try:
        shown = person.runs("delete", target, "--preview")
    finally:
        world.moorcheh.clear_faults()

    assert shown.returncode == 1
    assert "what would be deleted can't be shown: The server gave no usable listing" in shown.stderr
    assert "Nothing was deleted. The request was removed." in shown.stdout
    assert requests(world, target) == []


def test_where_no_operator_looks_it_says_so_after_some_seconds_and_removes_its_request(
    stranger: Person, world: World
) -> None:
    asked = stranger.runs("delete", "docs", "--preview")

    assert asked.returncode == 1
    assert "No operator has looked" in asked.stderr
    assert "Nothing was deleted. The request was removed." in asked.stdout
    left = world.plane.kubectl("get", "namespacedeletions", "--namespace", stranger.namespace)
    assert left == ""


# Deleting, at a terminal


def test_yes_at_the_question_deletes_and_the_bar_shows_items_rate_and_time_left(
    person: Person, world: World
) -> None:
    target = make(world, seconds=40)
    with person.sits_at("delete", target) as terminal:
        terminal.sees(f'Delete the Moorcheh namespace "{target}"? This can\'t be undone. [y/N]')
        assert lives(world, target)
        terminal.types("y\n")
        terminal.sees_match(r"Running.*[1-9][0-9,]*/5,000 items .*[0-9]/s, [0-9]+ s left")
        world.moorcheh.end_jobs(target)
        assert terminal.ends() == 0
        assert f"Gone: {target}. 5,000 items were removed." in terminal.text

    assert not lives(world, target)
    [request] = requests(world, target)
    assert {"admin"} == set(request["metadata"]["annotations"].values())


@pytest.mark.parametrize("answer", ["n\n", "\n", "what?\n", "\x04"], ids=["n", "enter", "nonsense", "ctrl-d"])
def test_anything_but_yes_deletes_nothing_and_removes_the_request(
    person: Person, world: World, target: str, answer: str
) -> None:
    with person.sits_at("delete", target) as terminal:
        terminal.sees("[y/N]")
        terminal.types(answer)
        assert terminal.ends() == 1
        assert "Nothing was deleted. The request was removed." in terminal.text

    assert (requests(world, target), lives(world, target)) == ([], True)


def test_ctrl_c_at_the_question_deletes_nothing_and_removes_the_request(
    person: Person, world: World, target: str
) -> None:
    with person.sits_at("delete", target) as terminal:
        terminal.sees("[y/N]")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert "Nothing was deleted. The request was removed." in terminal.text

    assert (requests(world, target), lives(world, target)) == ([], True)


def test_a_terminal_that_is_closed_at_the_question_leaves_no_request(
    person: Person, world: World, target: str
) -> None:
    with person.sits_at("delete", target) as terminal:
        terminal.sees("[y/N]")
        terminal.closes()
        assert terminal.ends() == 130

    assert (requests(world, target), lives(world, target)) == ([], True)


def test_ctrl_c_while_it_looks_leaves_no_request(stranger: Person, world: World) -> None:
    with stranger.sits_at("delete", "docs") as terminal:
        terminal.sees("Look at what is there")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert "Nothing was deleted. The request was removed." in terminal.text

    assert world.plane.kubectl("get", "namespacedeletions", "--namespace", stranger.namespace) == ""


def test_ctrl_c_later_stops_only_the_watching_and_says_so(person: Person, world: World) -> None:
    target = make(world, seconds=600)
    with person.sits_at("delete", target, "--yes") as terminal:
        terminal.sees("Running")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert "The deletion goes on without you." in terminal.text
        assert "kubectl moorcheh watch" in terminal.text

    world.moorcheh.end_jobs(target)
    [request] = requests(world, target)
    world.find(request["metadata"]["name"]).ends("Succeeded/DeletionCompleted")


def test_ctrl_c_while_it_waits_tells_how_to_withdraw_it(stranger: Person) -> None:
    with stranger.sits_at("delete", "docs", "--yes") as terminal:
        terminal.sees("Asked")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        terminal.sees("It still waits. To withdraw it: kubectl delete nsdel")


def test_what_changed_while_it_was_asked_is_shown_and_asked_again(
    person: Person, world: World, target: str
) -> None:
    with person.sits_at("delete", target) as terminal:
        terminal.sees("[y/N]")
        [request] = requests(world, target)
        world.kubectl("annotate", "namespacedeletion", request["metadata"]["name"], "touched=yes")
        terminal.types("y\n")
        terminal.sees("It has changed meanwhile. Now:")
        assert lives(world, target)
        terminal.types("y\n")
        assert terminal.ends() == 0


def test_a_request_that_somebody_else_approved_meanwhile_is_not_removed(
    person: Person, world: World, target: str
) -> None:
    with person.sits_at("delete", target) as terminal:
        terminal.sees("[y/N]")
        [request] = requests(world, target)
        asked = world.find(request["metadata"]["name"])
        asked.change(suspend=False).raise_for_status()
        asked.ends("Succeeded/DeletionCompleted")
        terminal.types("n\n")
        terminal.sees("It was approved meanwhile, by ")

    assert len(requests(world, target)) == 1


# Deleting, without a terminal


def test_without_a_terminal_plain_lines_tell_it(person: Person, world: World) -> None:
    target = make(world, seconds=5)
    ended = person.runs("delete", target, "--yes")

    assert ended.returncode == 0, ended.stderr
    assert "\x1b" not in ended.stdout
    first, *_, last = ended.stdout.splitlines()
    assert first.startswith(
        f'Asked to delete the Moorcheh namespace "{target}": request {world.namespace}/docs-'
    )
    assert f"{target}  Running/JobRunning" in ended.stdout
    assert last == f"Gone: {target}. 5,000 items were removed."


def test_without_a_terminal_and_without_yes_it_is_wrong_use_and_nothing_is_made(
    person: Person, world: World, target: str
) -> None:
    asked = person.runs("delete", target)

    assert (asked.returncode, "give --yes" in asked.stderr) == (2, True)
    assert requests(world, target) == []


def test_a_deletion_that_fails_ends_with_1_and_the_reason(person: Person, target: str) -> None:
    ended = person.runs("delete", target, "--yes", "--max-items", "10")

    assert ended.returncode == 1
    assert "Failed: PreconditionFailed. The namespace holds 5000 items, more than 10" in ended.stdout


def test_a_mistyped_namespace_is_a_failure_unless_it_may_be_absent(person: Person) -> None:
    mistyped = person.runs("delete", "no-such-namespace", "--yes")

    assert (mistyped.returncode, "Failed: TargetAbsent." in mistyped.stdout) == (1, True)
    assert "retry" not in mistyped.stdout
    fine = person.runs("delete", "no-such-namespace", "--yes", "--ignore-not-found")
    assert (fine.returncode, fine.stdout.splitlines()[-1]) == (
        0,
        'Nothing to delete: The server has no namespace "no-such-namespace". Nothing was sent.',
    )


@pytest.mark.parametrize(("truth", "lie"), [("true", "false"), ("1", "0"), ("T", "F")])
def test_options_that_are_true_or_false_are_read_as_kubectl_reads_its_own(
    person: Person, world: World, target: str, truth: str, lie: str
) -> None:
    absent = person.runs("delete", "nothing", f"--preview={truth}", f"--ignore-not-found={truth}")
    asked = person.runs("delete", target, f"--yes={truth}", f"--wait={lie}", f"--preview={lie}")

    assert (absent.returncode, asked.returncode, "Follow it with" in asked.stdout) == (0, 0, True)
    assert person.runs("delete", target, f"--yes={lie}").returncode == 2
    assert person.runs("delete", target, "--yes=maybe").returncode == 2
    [request] = requests(world, target)
    world.find(request["metadata"]["name"]).ends("Succeeded/DeletionCompleted")


def test_an_unknown_server_is_said_at_once_and_without_advice_about_what_is_removed(
    person: Person, world: World, target: str
) -> None:
    shown = person.runs("delete", target, "--preview", "--server", "nope")

    assert shown.returncode == 1
    assert 'There is no server "nope" (spec.serverRef.name).\n' in shown.stdout
    assert "delete this request" not in shown.stdout
    assert requests(world, target) == []


def test_a_request_to_an_unknown_server_is_taken_back(person: Person, world: World, target: str) -> None:
    """It would delete on the day when somebody gives a server that name."""
    asked = person.runs("delete", target, "--yes", "--server", "nope")

    assert asked.returncode == 1
    assert asked.stderr == 'Error: There is no server "nope" (spec.serverRef.name).\n'
    assert "delete this request" not in asked.stdout
    assert asked.stdout.endswith("Nothing was deleted. The request was removed.\n")
    assert requests(world, target) == []


def test_another_ones_request_to_an_unknown_server_is_left_alone_after_some_seconds(
    person: Person, world: World, target: str
) -> None:
    asked = world.ask(target, serverRef={"name": "nope"})
    followed = person.runs("watch", asked.name)

    assert followed.returncode == 1
    assert 'There is no server "nope"' in followed.stderr
    assert "It still waits. To withdraw it: kubectl delete nsdel" in followed.stdout
    assert followed.stdout.count('There is no server "nope"') == 1
    assert len(requests(world, target)) == 1
    asked.withdraw()


def test_after_a_ctrl_c_there_is_a_way_back_to_the_bar(person: Person, world: World) -> None:
    target = make(world, seconds=600)
    with person.sits_at("delete", target, "--yes") as terminal:
        terminal.sees("Running")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert "To follow it again: kubectl moorcheh watch" in terminal.text.replace("\r\n", "")
    [request] = requests(world, target)
    with person.sits_at("watch", request["metadata"]["name"]) as terminal:
        terminal.sees("Running")
        world.moorcheh.end_jobs(target)
        assert terminal.ends() == 0
        assert f"Gone: {target}." in terminal.text


@pytest.mark.parametrize("again", [["--yes"], []], ids=" ".join)
def test_delete_leads_back_to_a_deletion_that_is_under_way(
    person: Person, world: World, again: list[str]
) -> None:
    """Another request would wait behind it, and then fail for there is nothing left. What is under way can't
    be refused any more, so there is no question either.
    """
    target = make(world, seconds=600)
    asked = world.ask(target)
    asked.reaches("Running")
    previewed = person.runs("delete", target, "--preview")
    assert (
        f'"{target}" is being deleted already, by the request {world.namespace}/{asked.name}.'
        in previewed.stdout
    )
    refused = person.runs("delete", target, "--max-items", "1", "--yes")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "conditions of its own (none). Yours (maxItems 1) can't be checked any more" in refused.stderr
    assert f"To follow it: kubectl moorcheh watch -n {world.namespace} {asked.name}\n" in refused.stderr
    with person.sits_at("delete", target, *again) as terminal:
        terminal.sees(f'The Moorcheh namespace "{target}" is being deleted already')
        world.moorcheh.end_jobs(target)
        assert terminal.ends() == 0
        assert f"Gone: {target}. 5,000 items were removed." in terminal.text

    assert [each["metadata"]["name"] for each in requests(world, target)] == [asked.name]


def test_delete_leads_back_to_a_request_that_waits_only_if_it_asks_for_the_same(
    stranger: Person, world: World
) -> None:
    for conditions in ([], ["--max-items", "5"], ["--server", "other"], []):
        assert stranger.runs("delete", "docs", "--yes", "--no-wait", *conditions).returncode == 0
    made = world.plane.kubectl("get", "nsdel", "-n", stranger.namespace, "-o", "name").splitlines()

    assert len(made) == 3


def test_no_wait_returns_at_once(person: Person, world: World) -> None:
    target = make(world, seconds=600)
    asked = person.runs("delete", target, "--yes", "--no-wait")

    assert (asked.returncode, lives(world, target)) == (0, True)
    world.moorcheh.end_jobs(target)
    [request] = requests(world, target)
    world.find(request["metadata"]["name"]).ends("Succeeded/DeletionCompleted")


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_with_an_output_format_standard_output_is_the_object_alone(
    person: Person, target: str, output: str
) -> None:
    ended = person.runs("delete", target, "--yes", "-o", output)

    body = json.loads(ended.stdout) if output == "json" else yaml.safe_load(ended.stdout)
    assert (0, "Succeeded", target) == (
        ended.returncode,
        body["status"]["phase"],
        body["spec"]["namespaceName"],
    )
    assert "managedFields" not in body["metadata"]
    assert "Gone" in ended.stderr


def test_a_request_that_is_deleted_while_it_is_followed_ends_the_following(
    stranger: Person, world: World
) -> None:
    with stranger.sits_at("delete", "docs", "--yes") as terminal:
        terminal.sees("Asked")
        world.plane.kubectl("delete", "namespacedeletions", "--all", "--namespace", stranger.namespace)
        assert terminal.ends() == 1
        assert "was deleted meanwhile" in terminal.text


# Approving and retrying


def test_approve_shows_asks_and_follows_to_a_failure(person: Person, world: World, target: str) -> None:
    world.moorcheh.fault("run", target, kind="fail", last_error="disk is full")
    asked = world.ask(target, suspend=True, backoffLimit=0)
    with person.sits_at("approve", asked.name) as terminal:
        terminal.sees_match(r"Items +5,000")
        terminal.sees(f'Approve the deletion of the Moorcheh namespace "{target}"?')
        terminal.types("y\n")
        assert terminal.ends() == 1
        assert "Failed: BackoffLimitExceeded. The only attempt failed" in terminal.text
        assert f"kubectl moorcheh retry -n {world.namespace} {asked.name}" in terminal.text


def test_no_to_an_approval_leaves_the_request_as_it_was(person: Person, world: World, target: str) -> None:
    asked = world.ask(target, suspend=True)
    with person.sits_at("approve", asked.name) as terminal:
        terminal.sees("[y/N]")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert "Not approved. The request stays suspended" in terminal.text

    [request] = requests(world, target)
    assert request["spec"]["suspend"]


def test_what_is_not_suspended_can_not_be_approved(person: Person, world: World, target: str) -> None:
    asked = world.ask(target)
    asked.ends("Succeeded/DeletionCompleted")
    approved = person.runs("approve", asked.name, "--yes")

    assert (approved.returncode, "nothing to approve" in approved.stderr) == (1, True)


def test_retry_makes_a_fresh_request_that_asks_for_the_same(
    person: Person, world: World, target: str
) -> None:
    before = failed(world, target)
    with person.sits_at("retry", before.name) as terminal:
        terminal.sees("[y/N]")
        terminal.types("y\n")
        assert terminal.ends() == 0

    again = next(each for each in requests(world, target) if each["metadata"]["name"] != before.name)
    assert before.name == again["metadata"]["annotations"]["moorcheh.ai/retry-of"]
    assert (again["spec"]["backoffLimit"], again["status"]["phase"]) == (0, "Succeeded")


def test_retry_warns_of_a_namespace_that_was_created_anew(person: Person, world: World, target: str) -> None:
    before = failed(world, target)
    world.moorcheh.recreate(target, items=7)
    shown = person.runs("retry", before.name, "--preview")

    assert f"Careful: {before.name} was for the one created at" in shown.stdout


def test_what_has_not_failed_is_not_retried(person: Person, world: World, target: str) -> None:
    asked = world.ask(target, suspend=True)
    asked.reaches("Suspended")
    again = person.runs("retry", asked.name, "--yes")

    assert (again.returncode, "has not failed, it is Suspended" in again.stderr) == (1, True)


# Show


def test_list_shows_the_requests_in_aligned_columns(person: Person, world: World, target: str) -> None:
    asked = world.ask(target)
    asked.ends("Succeeded/DeletionCompleted")
    shown = person.runs("list")

    header, *rows = shown.stdout.splitlines()
    assert header.split() == ["NAME", "TARGET", "PHASE", "PROGRESS", "REASON", "AGE"]
    [row] = [row for row in rows if row.startswith(asked.name)]
    assert header.index("PHASE") == row.index("Succeeded")
    assert "5000/5000 (100%)" in row


def test_list_of_everywhere_names_the_kubernetes_namespace(person: Person, world: World, target: str) -> None:
    world.ask(target).ends("Succeeded/DeletionCompleted")
    everywhere = person.runs("list", "--all-namespaces")

    assert re.search(rf"^{world.namespace} +docs-.* {target} ", everywhere.stdout, re.MULTILINE)


def test_list_as_json_is_a_list_of_the_objects(person: Person, world: World, target: str) -> None:
    asked = world.ask(target, suspend=True)
    listed = json.loads(person.runs("list", "-o", "json").stdout)

    assert listed["kind"] == "List"
    assert asked.name in [item["metadata"]["name"] for item in listed["items"]]
    assert {"NamespaceDeletion"} == {item["kind"] for item in listed["items"]}


def test_describe_is_a_receipt(person: Person, world: World, target: str) -> None:
    assert person.runs("delete", target, "--yes").returncode == 0
    [request] = requests(world, target)
    shown = person.runs("describe", request["metadata"]["name"]).stdout

    job = request["status"]["job"]
    for line in (
        r"State: +Succeeded \(DeletionCompleted\)",
        r"How sure: +Sure: the server's own job completed, and the name had left its listing\.",
        r"Listing then: +Absent, at ",
        r"By: +(claimed by )?admin",
        r"Made with: +kubectl-moorcheh",
        r"Attempts: +1, the last one at 20",
        rf"Sent as: +X-Request-Id: {request['metadata']['uid']}/{request['status']['attempt']['id']}",
        rf"Job: +{job['id']}, completed",
        r"Removed: +5,000 of 5,000 items",
        rf"Server's clock: +began {job['startTime']}",
        r"Ended: +20",
        r"DeletionCompleted: The job completed: 5000 items were removed\.",
    ):
        assert re.search(line, shown), f"no {line} in:\n{shown}"


def test_describe_shows_no_control_characters_of_what_others_wrote(
    person: Person, world: World, target: str
) -> None:
    asked = world.ask(target, suspend=True)
    asked.reaches("Suspended")
    world.http.patch(
        f"{world.path}/{asked.name}/status",
        content=json.dumps({"status": {"lastError": "\x1b[2Jcleared"}}),
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()

    with person.sits_at("describe", asked.name) as terminal:
        assert terminal.ends() == 0
        assert " [2Jcleared" in terminal.text


def test_watch_tells_each_change_in_a_line(person: Person, world: World, target: str) -> None:
    with person.sits_at("watch", "-o", "json") as terminal:
        asked = world.ask(target)
        terminal.sees(f'"name": "{asked.name}"')
        terminal.sees_match(rf'"namespaceName": "{target}".*"phase": "Succeeded".*\n')
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert f"{asked.name}  {target}" not in terminal.text


BEGUN = "import moorcheh_kubectl.__main__ as program; print('begun', flush=True); program.main()"


@pytest.mark.parametrize("moment", [step / 20 for step in range(8)], ids=str)
def test_ctrl_c_ends_it_without_a_traceback_at_any_moment(person: Person, moment: float) -> None:
    """While it is imported, while kubectl starts, and later. Before it can tidy up there is nothing to tidy
    up: it ends by the signal then, as kubectl does.
    """
    with Terminal([sys.executable, "-c", BEGUN, "list", "-n", person.namespace], person.env) as terminal:
        terminal.sees("begun")
        time.sleep(moment)
        terminal.presses_ctrl_c()
        assert terminal.ends() in (0, 130, -signal.SIGINT)
        assert "Traceback" not in terminal.text


def test_who_ignores_a_closed_terminal_goes_on_doing_so(person: Person, world: World) -> None:
    """`nohup kubectl moorcheh delete … &`."""
    target = make(world, seconds=600)
    program = shlex.join([*PLUGIN, "-n", person.namespace, "delete", target, "--yes"])
    with Terminal(["/bin/sh", "-c", f"trap '' HUP; exec {program}"], person.env) as terminal:
        terminal.sees("Running")
        terminal.closes()
        world.moorcheh.end_jobs(target)
        assert terminal.ends() == 0
        assert f"Gone: {target}." in terminal.text


def test_watch_at_a_terminal_is_a_table_that_follows(person: Person, world: World, target: str) -> None:
    with person.sits_at("watch") as terminal:
        terminal.sees("Ctrl-C leaves.")
        asked = world.ask(target)
        terminal.sees_match(rf"{asked.name} .*Succeeded")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130


# What goes wrong


@pytest.mark.parametrize(
    "arguments",
    [
        ["delete", "a/b", "--yes"],
        ["delete", "", "--yes"],
        ["delete", "docs.old", "--yes"],
        ["delete", "x" * 256, "--yes"],
        ["delete", "docs", "--yes", "--created-before", "yesterday"],
        ["delete", "docs", "--yes", "--created-before", "2026-02-30T00:00:00Z"],
        ["delete", "docs", "--yes", "--max-items", "-1"],
        ["delete", "docs", "--yes", "--max-items", "1_0"],
        ["delete", "docs", "--yes", "-o", "table"],
        ["remove", "docs"],
        ["delete"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_wrong_use_is_found_before_any_call(person: Person, arguments: list[str]) -> None:
    person.env["KUBECONFIG"] = "/nothing/there"
    used = person.runs(*arguments)

    assert (used.returncode, "Usage:" in used.stderr) == (2, True)


def test_what_is_no_number_of_items_is_told_what_would_be_one(person: Person) -> None:
    used = person.runs("delete", "docs", "--yes", "--max-items", "x")

    assert "'x' must be a whole number, 0 or more, such as 100" in used.stderr


@pytest.mark.parametrize("name", ["", "..", "a/b", "größe", "x%2Fy", "a" * 254, "\udcff", "Docs"])
@pytest.mark.parametrize("command", ["describe", "approve", "retry", "watch"])
def test_what_can_not_be_a_requests_name_is_wrong_use(person: Person, command: str, name: str) -> None:
    used = person.runs(command, name)

    assert (used.returncode, "can't be the name of a request" in used.stderr) == (2, True)


@pytest.mark.parametrize("namespace", ["..", "a/b", "größe", "\udcff"])
def test_what_can_not_be_a_kubernetes_namespace_is_wrong_use(person: Person, namespace: str) -> None:
    used = person.runs("list", "-n", namespace)

    assert (used.returncode, "can't be a Kubernetes namespace" in used.stderr) == (2, True)


def test_a_name_may_stand_behind_its_kind_as_kubectl_prints_it(person: Person, world: World) -> None:
    asked = world.ask("Docs_named_by_kind", suspend=True)
    for kind in ("nsdel", "namespacedeletion.moorcheh.ai"):
        assert person.runs("describe", f"{kind}/{asked.name}").returncode == 0


def test_who_may_not_ask_is_told_so(reader: Person, world: World, target: str) -> None:
    asked = reader.runs("delete", target, "--yes")

    assert asked.returncode == 1
    assert "you may not do that" in asked.stderr
    assert 'cannot create resource "namespacedeletions"' in asked.stderr
    assert "removed" not in asked.stdout
    assert requests(world, target) == []


def test_a_request_that_is_not_there_is_said_plainly(person: Person) -> None:
    asked = person.runs("describe", "nothing")

    assert (asked.returncode, '"nothing" not found' in asked.stderr) == (1, True)


def test_an_unknown_context_is_said_plainly(person: Person) -> None:
    used = person.runs("--context", "nowhere", "list")

    assert (used.returncode, used.stderr) == (1, 'Error: context "nowhere" does not exist\n')
