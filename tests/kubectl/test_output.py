"""Pipes, full disks, plain terminals and old locales: as any other program of the shell has it."""

from __future__ import annotations

import shlex
import signal
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.dev.waiting import until
from tests.kubectl.terminal import PLUGIN, Terminal, ran

if TYPE_CHECKING:
    from tests.integration.life import World
    from tests.kubectl.conftest import Person


def piped(person: Person, *arguments: str) -> tuple[int, bytes]:
    """Into `head -1`: how it ended, and its errors."""
    with subprocess.Popen(
        [*PLUGIN, "--namespace", person.namespace, *arguments],
        env=person.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as plugin:
        assert plugin.stdout is not None
        assert plugin.stderr is not None
        try:
            plugin.stdout.readline()
            plugin.stdout.close()
            code = plugin.wait(timeout=60)
            return code, plugin.stderr.read()
        finally:
            plugin.kill()


def many(world: World) -> None:
    """More than a pipe holds."""
    for _ in range(150):
        world.ask(f"docs-{uuid.uuid4().hex * 6}", name=f"many-{uuid.uuid4().hex}", suspend=True)


@pytest.mark.parametrize(
    "arguments",
    [["list", "-o", "json"], ["list", "-o", "yaml"], ["receipts", "-o", "json"], ["watch", "-o", "json"]],
    ids=" ".join,
)
def test_whose_output_nobody_reads_ends_by_sigpipe_without_a_word_about_it(
    person: Person, world: World, arguments: list[str]
) -> None:
    if len(world.http.get(world.path).content) < 150_000:
        many(world)

    code, errors = piped(person, *arguments)

    assert code == -signal.SIGPIPE
    assert b"Error" not in errors
    assert b"Traceback" not in errors


@pytest.mark.parametrize("arguments", [["watch", "-o", "json"], ["watch"]], ids=" ".join)
def test_a_watch_that_nobody_reads_ends_though_nothing_happens(
    person: Person, world: World, arguments: list[str]
) -> None:
    """It is told when its reader leaves, not when it has something to write again."""
    if not world.http.get(world.path).json()["items"]:
        world.ask("Docs_watched", suspend=True).reaches("Suspended")

    code, errors = piped(person, *arguments)

    assert (code, errors) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize("command", ["list", "describe"])
def test_what_a_pipe_holds_is_written_at_once_and_its_reader_may_leave(
    person: Person, world: World, command: str
) -> None:
    """As kubectl's: `| head -1` is no error under `set -o pipefail`."""
    asked = world.ask("Docs_written_at_once", suspend=True)
    asked.reaches("Suspended")
    words = [] if command == "list" else [asked.name]
    program = shlex.join([*PLUGIN, "-n", person.namespace, command, *words])
    ended = ran(["/bin/bash", "-o", "pipefail", "-c", f"{program} | head -1"], person.env)

    assert (ended.returncode, ended.stderr, ended.stdout.count("\n")) == (0, "", 1)


CLOSED = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-", "all": "<&- >&- 2>&-"}


@pytest.mark.parametrize("closed", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("command", ["list", "list -o json", "delete no-such-thing --preview", "--version"])
def test_a_stream_that_is_closed_is_as_dev_null(person: Person, command: str, closed: str) -> None:
    program = f"{shlex.join(PLUGIN)} -n {person.namespace} {command}"
    ended = ran(["/bin/sh", "-c", f"{program} {closed}"], person.env)

    assert (ended.returncode, ended.stderr) == (1 if command.startswith("delete") else 0, "")


def test_that_there_is_nothing_is_no_output(person: Person) -> None:
    """A script that counts lines counts none. kubectl says it to standard error as well."""
    listed = person.runs("list", "-n", "no-such-namespace")

    assert (listed.returncode, listed.stdout) == (0, "")
    assert listed.stderr == "No requests found in the Kubernetes namespace no-such-namespace.\n"


def test_a_preview_whose_output_nobody_reads_leaves_no_request(person: Person, world: World) -> None:
    target = f"Docs_{uuid.uuid4().hex[:8]}"
    world.moorcheh.create(target, items=5, seconds=0.3, age=86400)
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        asked = subprocess.run(
            [*PLUGIN, "-n", person.namespace, "delete", target, "--preview"],
            env=person.env,
            stdin=subprocess.DEVNULL,
            stdout=reader.stdin,
            stderr=subprocess.PIPE,
            check=False,
        )
    listed = world.http.get(world.path, params={"fieldSelector": f"spec.namespaceName={target}"}).json()

    assert (asked.returncode, asked.stderr, listed["items"]) == (-signal.SIGPIPE, b"", [])


def test_objects_go_to_the_file_while_the_table_moves_on_the_terminal(
    person: Person, world: World, tmp_path: Path
) -> None:
    program = shlex.join([*PLUGIN, "-n", person.namespace, "watch", "-o", "json"])
    with Terminal(["/bin/sh", "-c", f"exec {program} > {tmp_path}/objects"], person.env) as terminal:
        terminal.sees("Ctrl-C leaves.")
        asked = world.ask("Docs_in_a_file", suspend=True)
        assert until(lambda: asked.name in (tmp_path / "objects").read_text())
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130
        assert f'"name": "{asked.name}"' not in terminal.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk to write to")
@pytest.mark.parametrize("arguments", [["list"], ["list", "-o", "json"], ["--help"]], ids=" ".join)
def test_a_full_disk_is_an_error_in_one_line(person: Person, world: World, arguments: list[str]) -> None:
    world.ask("Docs_on_a_full_disk", suspend=True)
    with Path("/dev/full").open("w") as full:
        listed = subprocess.run(
            [*PLUGIN, "-n", person.namespace, *arguments],
            env=person.env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (listed.returncode, listed.stderr) == (
        1,
        "Error: the output can't be written: No space left on device\n",
    )


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_a_plain_terminal_gets_no_colours(person: Person, plain: dict[str, str]) -> None:
    person.env.update(plain)
    for arguments in (["list"], ["describe", "nothing"]):
        with person.sits_at(*arguments) as terminal:
            terminal.ends()
            assert "\x1b[3" not in terminal.raw


def test_a_dumb_terminal_gets_lines(person: Person, world: World) -> None:
    """No table or bar that moves: on such a terminal rich shows either at its end only."""
    target = f"Docs_{uuid.uuid4().hex[:8]}"
    world.moorcheh.create(target, items=5, seconds=0.3, age=86400)
    person.env["TERM"] = "dumb"
    with person.sits_at("watch") as watch, person.sits_at("delete", target) as delete:
        delete.sees("[y/N]")
        delete.types("y\n")
        assert delete.ends() == 0
        assert f"Gone: {target}." in delete.text
        watch.sees_match(rf"docs-\S+  {target}  Succeeded/DeletionCompleted")
        watch.presses_ctrl_c()
        assert watch.ends() == 130


@pytest.mark.parametrize("size", [(24, 20), (2, 1), (0, 0)], ids=str)
def test_a_narrow_terminal_loses_no_words(person: Person, world: World, size: tuple[int, int]) -> None:
    asked = world.ask("Docs_in_a_narrow_terminal", suspend=True)
    asked.reaches("Suspended")
    for arguments in (["describe", asked.name], ["approve", asked.name], ["list"]):
        with person.sits_at(*arguments, size=size) as terminal:
            terminal.sees_in_pieces("Docs_in_a_narrow_terminal")
            if arguments[0] == "approve":
                terminal.sees_in_pieces("[y/N]")
                terminal.types("n\n")
            assert terminal.ends() == (1 if arguments[0] == "approve" else 0)
            assert "Traceback" not in terminal.text
    with person.sits_at("watch", size=size) as terminal:
        terminal.sees_in_pieces("N")
        terminal.presses_ctrl_c()
        assert terminal.ends() == 130


def test_objects_are_utf8_in_any_locale(person: Person, world: World) -> None:
    """They are for programs. kubectl itself asks no locale."""
    asked = world.ask("Docs_in_utf8", suspend=True)
    asked.reaches("Suspended")
    world.kubectl("annotate", "nsdel", asked.name, "--overwrite", "moorcheh.ai/retry-of=größer …")
    for encoding in ("ascii", "latin-1", "utf-8"):
        person.env["PYTHONIOENCODING"] = encoding
        for output in ("yaml", "json"):
            shown = subprocess.run(
                [*PLUGIN, "-n", person.namespace, "describe", asked.name, "-o", output],
                env=person.env,
                capture_output=True,
                check=True,
            ).stdout.decode("utf-8")
            annotations = yaml.safe_load(shown)["metadata"]["annotations"]
            assert annotations["moorcheh.ai/retry-of"] == "größer …"


def test_a_locale_that_lacks_characters_is_no_traceback(person: Person, world: World) -> None:
    asked = world.ask("Docs_locale", suspend=True)
    asked.reaches("Suspended")
    world.kubectl("annotate", "nsdel", asked.name, "--overwrite", "moorcheh.ai/retry-of=größer …")
    person.env["PYTHONIOENCODING"] = "ascii"
    described = person.runs("describe", asked.name)

    assert (described.returncode, described.stderr) == (0, "")
    assert "gr\\xf6\\xdfer" in described.stdout
