"""The command: which servers it means, what it refuses in one line, and how it looks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dev.moorcheh.standin import StandIn
from dev.processes import free_port
from tests.check.checking import check, run

FILE = """\
servers:
  - name: default
    url: {url}
  - name: archive
    url: http://127.0.0.1:1
    protectedNames: ["*"]
"""


@pytest.fixture
def servers_file(moorcheh: StandIn, tmp_path: Path) -> Path:
    path = tmp_path / "servers.yaml"
    path.write_text(FILE.format(url=moorcheh.url))
    return path


WRONG = {
    "no server": ([], "name a URL"),
    "no URL": (["moorcheh:8080"], "must look like http://"),
    "a name without its file": (["archive"], "give the file that has it, too: --servers-file"),
    "another scheme": (["ftp://moorcheh"], "must look like http://"),
    "a password": (["http://me:secret@moorcheh"], "no user or password"),
    "both keys": (["http://m", "--api-key-file=a", "--bearer-token-file=b"], "--bearer-token-file"),
    "CAs without TLS": (["http://m", "--ca-file=a"], "--ca-file"),
    "CAs that can't be read": (["https://m", "--ca-file=/nowhere"], "--ca-file: /nowhere can't be read"),
    "a key that can't be read": (
        ["http://m", "--api-key-file=/nowhere"],
        "--api-key-file: /nowhere can't be read",
    ),
    "a key that is a directory": (["http://m", "--api-key-file=/"], "--api-key-file: / can't be read"),
    "an empty key": (
        ["http://m", "--api-key-file=/dev/null"],
        "--api-key-file: /dev/null must hold one line",
    ),
    "a token that can't be read": (
        ["http://m", "--bearer-token-file=/nowhere"],
        "--bearer-token-file: /nowhere can't be read",
    ),
    "no servers file": (["--servers-file=/nowhere"], "can't be read"),
    "a time": (["http://m", "--wait-seconds=nan"], "--wait-seconds"),
    "a timeout": (["http://m", "--moorcheh-timeout-seconds=0"], "--moorcheh-timeout-seconds"),
    "an output": (["http://m", "-o", "xml"], "json"),
    "two servers": (["http://m", "http://n"], "unexpected extra argument"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_use_is_code_2_and_one_line(wrong: str) -> None:
    arguments, words = WRONG[wrong]

    code, out, told = run(*arguments)

    assert code == 2
    assert words in told
    assert out == ""
    assert "secret" not in told
    assert "Traceback" not in told


def test_a_url_and_a_servers_file_are_one_too_many(servers_file: Path) -> None:
    assert run("http://m", f"--servers-file={servers_file}")[0] == 2


def test_a_key_file_goes_with_a_url(servers_file: Path) -> None:
    assert run(f"--servers-file={servers_file}", "--api-key-file=k")[0] == 2


def test_without_a_name_every_server_of_the_file_is_checked_and_the_worst_counts(servers_file: Path) -> None:
    code, out, _ = run(f"--servers-file={servers_file}", "-o", "json")

    assert [each["name"] for each in json.loads(out)["servers"]] == ["default", "archive"]
    assert code == 1


def test_a_name_means_that_server_of_the_file(servers_file: Path) -> None:
    code, out, _ = run("default", f"--servers-file={servers_file}")

    assert out.startswith("default at ")
    assert "archive" not in out
    assert code == 0


def test_an_unknown_name_is_refused_with_those_that_there_are(servers_file: Path) -> None:
    code, _, told = run("other", f"--servers-file={servers_file}")

    assert code == 2
    assert "default, archive" in told


def test_what_the_operator_would_use_is_checked(moorcheh: StandIn, servers_file: Path) -> None:
    code, out, _ = run(environment={"MOORCHEH_BASE_URL": moorcheh.url})
    named, archive, _ = run("archive", environment={"SERVERS_FILE": str(servers_file)})

    assert code == 0
    assert out.startswith(f"{moorcheh.url}\n")
    assert named == 1
    assert archive.startswith("archive at ")


def test_a_url_counts_before_the_environment(moorcheh: StandIn, servers_file: Path) -> None:
    code, out, _ = run(moorcheh.url, environment={"SERVERS_FILE": str(servers_file)})

    assert code == 0
    assert "archive" not in out


def test_write_takes_one_server(moorcheh: StandIn, servers_file: Path) -> None:
    code, _, told = run(f"--servers-file={servers_file}", "--write")

    assert code == 2
    assert "default, archive" in told
    assert moorcheh.counts().get("create", 0) == 0


def test_where_the_throw_away_name_is_protected_nothing_is_created(moorcheh: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "servers.yaml"
    path.write_text(
        f"servers:\n  - name: default\n    url: {moorcheh.url}\n    protectedNames: ['moorcheh-*']\n"
    )

    code, _, told = run(f"--servers-file={path}", "--write")

    assert code == 2
    assert "protectedNames" in told
    assert moorcheh.counts().get("create", 0) == 0


def test_reading_writes_nothing(moorcheh: StandIn) -> None:
    moorcheh.create("documents")

    code, out, told = run(moorcheh.url)

    assert code == 0
    assert {request["method"] for request in moorcheh.requests()} == {"GET"}
    assert "documents" not in out + told


def test_a_key_is_sent_and_tried_without(moorcheh: StandIn, tmp_path: Path) -> None:
    moorcheh.knob(api_key="k-123")
    key = tmp_path / "key"
    key.write_text("k-123\n")

    with_it = check(moorcheh.url, f"--api-key-file={key}", "--write")
    moorcheh.knob(api_key="")
    not_needed = run(moorcheh.url, f"--api-key-file={key}")[1]

    assert with_it.code == 0
    assert with_it.found["withoutKey"]["code"] == 401
    assert "NOT needed" in not_needed


def test_a_key_that_is_refused_is_told_with_what_to_set(moorcheh: StandIn, tmp_path: Path) -> None:
    moorcheh.knob(api_key="k-123")
    key = tmp_path / "key"
    key.write_text("k-124")

    wrong = check(moorcheh.url, f"--api-key-file={key}")

    assert "not accepted" in wrong.words("It can be asked")
    assert wrong.code == 1


@pytest.mark.parametrize("field", ["apiKeyFile", "bearerTokenFile", "caFile"])
def test_a_file_that_the_servers_file_names_in_vain_is_wrong_use(tmp_path: Path, field: str) -> None:
    path = tmp_path / "servers.yaml"
    path.write_text(
        f"servers:\n- {{name: a, url: 'http://a'}}\n- {{name: b, url: 'https://b', {field}: /nowhere}}\n"
    )

    code, out, told = run("b", f"--servers-file={path}")

    assert (code, out) == (2, "")
    assert f"--servers-file {path}: servers[1].{field}: " in told
    assert "can't be read: No such file" in told


def test_a_server_that_is_left_to_another_operator_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "servers.yaml"
    path.write_text("servers: [{name: default, url: 'http://a'}]\nservedElsewhere: [arch*]\n")

    code, _, told = run("archive", f"--servers-file={path}")

    assert code == 2
    assert "archive is left to another operator (servedElsewhere)" in told


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{port}", "can't be reached"),
        ("http://nowhere.invalid", "can't be resolved"),
        ("https://127.0.0.1:{moorcheh}", "no TLS"),
    ],
)
def test_what_can_not_be_reached_is_told_by_its_cause(moorcheh: StandIn, url: str, words: str) -> None:
    checked = check(url.format(port=free_port(), moorcheh=moorcheh.port), "--write")

    assert checked.code == 1
    assert words in checked.words("It can be asked")


def test_where_nothing_answered_nothing_is_said_to_be_absent(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k-123")

    _, plain, _ = run(f"http://127.0.0.1:{free_port()}", f"--api-key-file={key}")
    _, secure, _ = run(f"https://127.0.0.1:{free_port()}")

    for out in (plain, secure):
        rows = dict(re.findall(r"^  (\w+): +(.+)$", out, re.MULTILINE))
        assert {rows[label] for label in ("TLS", "Proxy", "Clock")} == {"not seen"}
    assert "X-Api-Key, not sent\n" in plain


def test_no_proxy_of_the_environment_is_used(moorcheh: StandIn) -> None:
    nowhere = "http://127.0.0.1:1"
    code, _, _ = run(
        moorcheh.url, environment={"HTTP_PROXY": nowhere, "http_proxy": nowhere, "ALL_PROXY": nowhere}
    )

    assert code == 0
