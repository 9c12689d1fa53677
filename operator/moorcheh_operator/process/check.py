"""The command `moorcheh-operator check`: can this server be trusted with the operator?"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moorcheh_operator import __version__

from . import options

if TYPE_CHECKING:
    from moorcheh_operator.check.findings import Findings, Left
    from moorcheh_operator.check.guarantees import Guarantee, Verdict
    from moorcheh_operator.clock import Clock
    from moorcheh_operator.servers.definitions import Definition

USABLE, UNUSABLE, LIMITS, LEFT, INTERRUPTED = 0, 1, 3, 4, 130
WIDTH = 110  # columns, where the output is no terminal


@dataclass(frozen=True, slots=True)
class Server:
    definition: Definition
    authorities: str | None  # PEM; None: the usual ones
    named: bool = True  # in a servers file

    @property
    def title(self) -> str:
        url = self.definition.url
        return f"{self.definition.name} at {url}" if self.named else url


@click.command(
    epilog="Exit codes: 0 nothing speaks against it (with --write: every guarantee that can be seen holds), "
    "1 unusable or not reachable, 2 wrong use, 3 it works within limits, 4 something of this run may be left "
    "at the server, 130 interrupted and nothing is left.",
    context_settings={"max_content_width": 100},
)
@click.argument("server", required=False, envvar="MOORCHEH_BASE_URL", metavar="[URL|NAME]")
@click.option(
    "--servers-file",
    envvar="SERVERS_FILE",
    metavar="PATH",
    show_envvar=True,
    help="Check the servers of this file, or the one that is named.",
)
@click.option("--api-key-file", metavar="PATH", help="With a URL: a file with the key, sent as X-Api-Key.")
@click.option(
    "--bearer-token-file", metavar="PATH", help="With a URL: the same, sent as Authorization: Bearer."
)
@click.option("--ca-file", metavar="PATH", help="With a URL: PEM file of the CAs to trust, and no others.")
@click.option(
    "--moorcheh-name-reuse",
    envvar="MOORCHEH_NAME_REUSE",
    type=click.Choice(["Possible", "Never"]),
    default="Possible",
    show_default=True,
    show_envvar=True,
    help="With a URL: what is declared of its names (docs/servers.md). A servers file has its own.",
)
@click.option(
    "--moorcheh-timeout-seconds",
    envvar="MOORCHEH_TIMEOUT_SECONDS",
    type=options.seconds(0.5, 300),
    default=30.0,
    show_default=True,
    show_envvar=True,
    help="How long to wait for one answer. A servers file may say otherwise.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Also create a throw-away namespace, delete it, and watch what the server does. Without it the "
    "check only reads.",
)
@click.option(
    "--wait-seconds",
    type=options.seconds(1, 86400),
    default=120.0,
    show_default=True,
    help="With --write: how long to wait for that deletion's end.",
)
@click.option("-o", "--output", type=click.Choice(["json"]), help="Write one JSON document.")
@click.pass_context
def check(
    context: click.Context,
    *,
    server: str | None,
    servers_file: str | None,
    api_key_file: str | None,
    bearer_token_file: str | None,
    ca_file: str | None,
    moorcheh_name_reuse: str,
    moorcheh_timeout_seconds: float,
    write: bool,
    wait_seconds: float,
    output: str | None,
) -> None:
    """Tell what a Moorcheh server is like, and which of the operator's guarantees hold on it.

    Without URL and NAME it checks what the operator would use: SERVERS_FILE, or MOORCHEH_BASE_URL. It shows
    no keys and no namespaces' names, so you can put its output into an issue about a server.
    """
    logging.getLogger("moorcheh_operator").addHandler(logging.NullHandler())  # the report says it all
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale may not have all characters
    servers_file, server = _meant(context, servers_file, server)
    files = {
        "api_key_file": api_key_file,
        "bearer_token_file": bearer_token_file,
        "ca_file": ca_file,
    }
    servers = _servers(server, servers_file, files, _declared(context, server, moorcheh_name_reuse))
    if write and len(servers) > 1:
        names = ", ".join(each.definition.name for each in servers)
        raise click.UsageError(f"--write takes one server: name one of {names}")
    run = Run(moorcheh_timeout_seconds, wait_seconds, write=write)
    try:
        asyncio.run(run.check(servers))
    finally:
        run.progress.clear()
        for left in run.left:
            run.progress.tell(f"LEFT at the server: {left.name}: {left.words}. To remove it: {left.remove}")
    if run.interrupted:
        run.progress.tell(
            "Interrupted." + ("" if run.left or not write else " Nothing is left at the server.")
        )
        sys.exit(LEFT if run.left else INTERRUPTED)
    sys.exit(_report(servers, run, output))


def _meant(
    context: click.Context, servers_file: str | None, server: str | None
) -> tuple[str | None, str | None]:
    """The servers file, and URL or name. What is on the command line counts before the environment."""
    from_environment = {
        name
        for name in ("servers_file", "server")
        if context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
    }
    if not (servers_file and server):
        return servers_file, server
    if from_environment == {"server"}:
        return servers_file, None
    if "://" not in server:
        return servers_file, server
    if from_environment == {"servers_file"}:
        return None, server
    raise click.UsageError(
        "a URL (or MOORCHEH_BASE_URL) and --servers-file (or SERVERS_FILE) are both given: take one away"
    )


def _declared(context: click.Context, server: str | None, name_reuse: str) -> str | None:
    """Of the URL; the environment's is about the URL of the environment. None: nothing was."""
    environment = click.core.ParameterSource.ENVIRONMENT
    match context.get_parameter_source("moorcheh_name_reuse"):
        case click.core.ParameterSource.COMMANDLINE:
            return name_reuse
        case source if source is environment and server and server == os.environ.get("MOORCHEH_BASE_URL"):
            return name_reuse
        case _:
            return None


def _servers(
    server: str | None, servers_file: str | None, files: dict[str, str | None], name_reuse: str | None
) -> list[Server]:
    from moorcheh_operator.servers.definitions import ServersError  # noqa: PLC0415 - only where it is needed
    from moorcheh_operator.servers.file import ServersFile  # noqa: PLC0415 - the same

    if not servers_file:
        return [_by_url(server, files, name_reuse)]
    if named := [f"--{name.replace('_', '-')}" for name, path in files.items() if path]:
        raise click.UsageError(f"{named[0]} goes with a URL; the servers file has its own")
    if name_reuse is not None:
        raise click.UsageError("--moorcheh-name-reuse goes with a URL; the servers file has its own")
    try:
        loaded = ServersFile(servers_file).read()
    except ServersError as error:
        raise click.UsageError(f"--servers-file {servers_file}: {error}") from error
    found = []
    for number, each in enumerate(loaded.servers.definitions):
        if server in (None, each.name):
            field = f"--servers-file {servers_file}: servers[{number}]"
            _check_key(each, field.__add__)
            found.append(Server(each, loaded.authorities[each.ca_file] if each.ca_file is not None else None))
    if not found and server is not None and not loaded.servers.serves(server):
        raise click.UsageError(f"{servers_file}: {server} is left to another operator (servedElsewhere)")
    if not found:
        names = ", ".join(each.name for each in loaded.servers.definitions)
        raise click.UsageError(f"{servers_file} has no such server; it has {names}")
    return found


def _by_url(server: str | None, files: dict[str, str | None], name_reuse: str | None) -> Server:
    from moorcheh_operator.api.spec import DEFAULT_SERVER  # noqa: PLC0415 - only where it is needed
    from moorcheh_operator.servers.definitions import (  # noqa: PLC0415 - the same
        DNS_LABEL,
        Definition,
        NameReuse,
        ServersError,
    )
    from moorcheh_operator.servers.file import read_authorities  # noqa: PLC0415 - the same

    if not server:
        raise click.UsageError("name a URL, or set --servers-file (SERVERS_FILE) or MOORCHEH_BASE_URL")
    if DNS_LABEL.fullmatch(server):
        raise click.UsageError(
            f"{server!r} is no URL such as http://moorcheh.example:8080. If it is a server's name, give the "
            "file that has it, too: --servers-file (SERVERS_FILE)"
        )
    paths = {name: str(Path(path).absolute()) if path else None for name, path in files.items()}
    try:
        definition = Definition(
            DEFAULT_SERVER,
            options.URL.convert(server, None, None),
            api_key_file=paths["api_key_file"],
            bearer_token_file=paths["bearer_token_file"],
            ca_file=paths["ca_file"],
            name_reuse=NameReuse(name_reuse or NameReuse.POSSIBLE),
        )
        ca_file = definition.ca_file
        authorities = None if ca_file is None else read_authorities(ca_file, f"--ca-file: {ca_file} ")
        _check_key(definition, _as_options)
        return Server(definition, authorities, named=False)
    except ServersError as error:
        raise click.UsageError(str(error)) from None
    except ValueError as error:
        raise click.UsageError(_as_options(str(error))) from None


def _check_key(definition: Definition, shown: Callable[[str], str]) -> None:
    """Raises `UsageError` if it can't be sent: that says nothing about the server."""
    from moorcheh_operator.moorcheh.credentials import KeyFileError  # noqa: PLC0415 - only where it is needed

    from .credentials import credential_of  # noqa: PLC0415 - the same

    field = ".bearerTokenFile" if definition.api_key_file is None else ".apiKeyFile"
    try:
        if credential := credential_of(definition):
            credential.headers()
    except KeyFileError as error:
        raise click.UsageError(f"{shown(field)}: {error}") from None


def _as_options(words: str) -> str:
    for field, option in (
        (".apiKeyFile", "--api-key-file"),
        (".bearerTokenFile", "--bearer-token-file"),
        (".caFile", "--ca-file"),
        ("apiKeyFile", "--api-key-file"),
        (".url", "URL"),
    ):
        words = words.replace(field, option)
    return words


class Progress:
    """On standard error: a line that changes, on a terminal alone, and lines that stay."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()

    def say(self, words: str) -> None:
        if self._moves:
            width = shutil.get_terminal_size().columns - 2
            self._write(f"\r\x1b[K{words[:width]}…")

    def tell(self, words: str) -> None:
        self.clear()
        self._write(f"{words}\n")

    def clear(self) -> None:
        if self._moves:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(
            OSError, ValueError
        ):  # nobody reads it: what was made is removed all the same
            sys.stderr.write(text)
            sys.stderr.flush()


class Run:
    """One check. The first signal asks for an orderly end, the second one for an end at once."""

    def __init__(self, timeout: float, wait: float, *, write: bool) -> None:
        self._timeout = timeout
        self._wait = wait
        self._write = write
        self.progress = Progress()
        self.found: list[Findings] = []
        self.interrupted = False
        self.time = ""

    @property
    def left(self) -> list[Left]:
        return [
            each.trial.left for each in self.found if each.trial is not None and each.trial.left is not None
        ]

    async def check(self, servers: Sequence[Server]) -> None:
        from moorcheh_operator.api.times import render_time  # noqa: PLC0415 - only where it is needed
        from moorcheh_operator.clock import Clock  # noqa: PLC0415 - the same

        clock = Clock()
        self.time = render_time(clock.now().time)
        stop, abandon = asyncio.Event(), asyncio.Event()

        def interrupt() -> None:
            if stop.is_set():
                abandon.set()
            elif self._write:
                self.progress.tell(
                    "Interrupted: removing what was created. Ctrl-C again quits at once, and leaves it there."
                )
            self.interrupted = True
            stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                loop.add_signal_handler(number, interrupt)
        work = asyncio.ensure_future(self._check_all(servers, clock, stop))
        given_up = asyncio.ensure_future(abandon.wait())
        await asyncio.wait({work, given_up}, return_when=asyncio.FIRST_COMPLETED)
        for each in (work, given_up):
            each.cancel()
        await asyncio.wait({work, given_up})
        if not work.cancelled():
            work.result()

    async def _check_all(self, servers: Sequence[Server], clock: Clock, stop: asyncio.Event) -> None:
        from moorcheh_operator.check.calls import StoppedError  # noqa: PLC0415 - only where it is needed

        with contextlib.suppress(StoppedError):
            for server in servers:
                await self._check_one(server, clock.for_another_server(), stop)

    async def _check_one(self, server: Server, clock: Clock, stop: asyncio.Event) -> None:
        import httpx  # noqa: PLC0415 - --help and wrong use need not wait for it

        from moorcheh_operator.check.calls import Calls  # noqa: PLC0415 - the same
        from moorcheh_operator.check.findings import Findings, Trial  # noqa: PLC0415 - the same
        from moorcheh_operator.check.guarantees import is_usable  # noqa: PLC0415 - the same
        from moorcheh_operator.check.looking import clock_of, look_at  # noqa: PLC0415 - the same
        from moorcheh_operator.check.trial import Trying, how_to_remove, new_name  # noqa: PLC0415 - the same
        from moorcheh_operator.moorcheh.connection import Connection, trusting  # noqa: PLC0415 - the same

        from .credentials import credential_of  # noqa: PLC0415 - the same

        definition = server.definition
        credential, tls = credential_of(definition), trusting(server.authorities)
        timeout = definition.timeout_seconds or self._timeout
        found = Findings(
            definition.url, definition.name_reuse, key_sent=credential.header if credential else None
        )
        self.found.append(found)
        async with contextlib.AsyncExitStack() as stack:

            def calls(key: Any) -> Calls:
                url = httpx.URL(definition.url)
                connection = Connection(url, timeout, clock, lambda *_: None, tls, key)
                stack.push_async_callback(connection.aclose)
                return Calls(connection, clock, stop)

            main = calls(credential)
            await look_at(found, main, calls(None) if credential else None, tls, self.progress.say)
            if not self._write or not is_usable(found):
                return
            name = new_name()
            if glob := definition.protects(name):
                raise click.UsageError(
                    f"--write: nothing was created, as {glob!r} of protectedNames protects {name}"
                )
            self.progress.tell(f"{name} will be created at {definition.url}, and removed at the end")
            found.trial = Trial(name)
            remove = how_to_remove(definition.url, name, found.key_sent)
            late = 2 * timeout + 5  # as in docs/safety.md, rule 5
            trying = Trying(main, found.trial, remove, self._wait, late, self.progress.say)
            try:
                await trying.run()
            finally:
                found.clock = clock_of(clock)


def _report(servers: Sequence[Server], run: Run, output: str | None) -> int:
    """Prints it; the exit code."""
    from moorcheh_operator.check.guarantees import Verdict, judge, verdict  # noqa: PLC0415 - only where needed

    codes = {
        Verdict.ALL: USABLE,
        Verdict.SO_FAR: USABLE,
        Verdict.LIMITS: LIMITS,
        Verdict.UNUSABLE: UNUSABLE,
    }
    judged = [judge(found) for found in run.found]
    verdicts = [
        verdict(each, wrote=found.trial is not None) for each, found in zip(judged, run.found, strict=True)
    ]
    if output == "json":
        click.echo(_json(servers, run, judged, verdicts))
    else:
        for server, found, each, final in zip(servers, run.found, judged, verdicts, strict=True):
            _print(server, run, found, each, final)
    worst = Verdict.UNUSABLE if Verdict.UNUSABLE in verdicts else None
    worst = worst or (Verdict.LIMITS if Verdict.LIMITS in verdicts else verdicts[0])
    return LEFT if run.left else codes[worst]


def _json(
    servers: Sequence[Server],
    run: Run,
    judged: Sequence[tuple[Guarantee, ...]],
    verdicts: Sequence[Verdict],
) -> str:
    import msgspec  # noqa: PLC0415 - only where it is needed

    shown = [
        {"name": server.definition.name, "verdict": final, "guarantees": each, "found": found}
        for server, found, each, final in zip(servers, run.found, judged, verdicts, strict=True)
    ]
    body = {"moorchehOperator": __version__, "time": run.time, "servers": shown}
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def _print(
    server: Server, run: Run, found: Findings, guarantees: tuple[Guarantee, ...], final: Verdict
) -> None:
    from moorcheh_operator.check.guarantees import State  # noqa: PLC0415 - only where it is needed
    from moorcheh_operator.check.report import SAYS, STATES, guarantee_rows, seen_rows  # noqa: PLC0415 - the same

    colours = {
        State.HOLDS: "green",
        State.ASSUMED: "cyan",
        State.NOT_APPLICABLE: "cyan",
        State.LIMITED: "yellow",
        State.BROKEN: "red",
        State.NOT_SEEN: "cyan",
    }
    click.secho(server.title, bold=True)
    how = "with --write" if found.trial is not None else "only read"
    click.echo(f"moorcheh-operator {__version__}, {run.time}, {how}\n")
    rows = seen_rows(found)
    width = max(len(label) for label, _ in rows) + 2
    for label, words in rows:
        click.echo(_wrapped(f"  {label + ':':<{width}}", words))
    click.echo("")
    for state, name, words in guarantee_rows(guarantees):
        head = f"  {STATES[state]:<10}"
        lines = _wrapped(head, f"{name}: {words}")
        click.echo(click.style(head, fg=colours[state]) + lines[len(head) :])
    click.echo("")
    click.secho(SAYS[final], bold=True)
    if found.trial is not None and (left := found.trial.left) is not None:
        click.echo(f"LEFT at the server: {left.name}: {left.words}. To remove it: {left.remove}")
    click.echo("")


def _wrapped(head: str, words: str) -> str:
    columns = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    lines = textwrap.wrap(words, max(columns - len(head), 30), break_on_hyphens=False) or [""]
    return head + f"\n{' ' * len(head)}".join(lines)
