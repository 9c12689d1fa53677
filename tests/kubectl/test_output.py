"""Pipes, full disks, plain terminals and old locales: as any other program of the shell has it."""

from __future__ import annotations

import shlex
import signal
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dev.waiting import until
from tests.kubectl.terminal import PLUGIN, Terminal

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
            errors = plugin.stderr.read()
            return plugin.wait(timeout=60), errors
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
def test_a_full_disk_is_an_error_in_one_line(person: Person, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        listed = subprocess.run(
            [*PLUGIN, *arguments], env=person.env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
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


def test_a_locale_that_lacks_characters_is_no_traceback(person: Person, world: World) -> None:
    asked = world.ask("Docs_locale", suspend=True)
    asked.reaches("Suspended")
    world.kubectl("annotate", "nsdel", asked.name, "--overwrite", "moorcheh.ai/retry-of=größer …")
    person.env["PYTHONIOENCODING"] = "ascii"
    described = person.runs("describe", asked.name)

    assert (described.returncode, described.stderr) == (0, "")
    assert "gr\\xf6\\xdfer" in described.stdout
