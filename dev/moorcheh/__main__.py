"""`python -m dev.moorcheh --data DIR`: the stand-in as a program."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import click
from aiohttp import web

from dev.moorcheh.admin import Admin
from dev.moorcheh.disk import BrokenData
from dev.moorcheh.faults import Faults, Rule
from dev.moorcheh.knobs import CHOICES, Knobs
from dev.moorcheh.refusal import Refusal
from dev.moorcheh.server import Server

DEFAULT = Knobs()


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the state is kept."
)
@click.option(
    "--faults", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="JSON list of fault rules."
)
@click.option(
    "--job-seconds", type=click.FloatRange(0), default=DEFAULT.job_seconds, show_default=True,
    help="How long a deletion takes.",
)  # fmt: skip
@click.option(
    "--seconds-per-item", type=click.FloatRange(0), default=DEFAULT.seconds_per_item, show_default=True,
    help="Added to that for each item.",
)  # fmt: skip
@click.option(
    "--product", type=click.Choice(CHOICES["product"]), default=DEFAULT.product, show_default=True,
    help="cloud: under /v1, and without jobs.",
)  # fmt: skip
@click.option(
    "--accepts-with", type=click.Choice(CHOICES["accepts_with"]), default=DEFAULT.accepts_with,
    show_default=True, help="The status code of an accepted DELETE.",
)  # fmt: skip
@click.option(
    "--name-leaves", type=click.Choice(CHOICES["name_leaves"]), default=DEFAULT.name_leaves,
    show_default=True, help="When the name leaves the listing.",
)  # fmt: skip
@click.option(
    "--failed-stays/--failed-goes",
    default=DEFAULT.failed_stays,
    help="Is a name listed after its job failed?",
)
@click.option(
    "--lingers", type=click.FloatRange(0), default=DEFAULT.lingers, show_default=True,
    help="Seconds that a name is listed on after its job completed.",
)  # fmt: skip
@click.option(
    "--comes-back/--stays-gone", default=DEFAULT.comes_back,
    help="Is what was deleted there again after a restart?",
)  # fmt: skip
@click.option(
    "--second-delete", type=click.Choice(CHOICES["second_delete"]), default=DEFAULT.second_delete,
    show_default=True, help="What a DELETE gets while a job runs.",
)  # fmt: skip
@click.option(
    "--created-field", type=click.Choice(CHOICES["created_field"]), default=DEFAULT.created_field,
    show_default=True, help="The listing's creation time.",
)  # fmt: skip
@click.option(
    "--items-field", type=click.Choice(CHOICES["items_field"]), default=DEFAULT.items_field,
    show_default=True, help="The listing's number of items.",
)  # fmt: skip
@click.option("--whole-seconds/--milliseconds", default=DEFAULT.whole_seconds, help="Precision of all times.")
@click.option("--clock-shift", type=float, default=0.0, help="Seconds that the server's clock is ahead.")
@click.option("--date-header/--no-date-header", default=DEFAULT.date_header, help="Do answers carry a Date?")
@click.option(
    "--jobs-survive-restart/--jobs-forgotten", "jobs_survive", default=DEFAULT.jobs_survive,
    help="Do jobs outlive a restart?",
)  # fmt: skip
@click.option("--max-items", type=click.IntRange(0), default=DEFAULT.max_items, show_default=True)
@click.option("--api-key", default="", help="Ask for it as x-api-key.")
def main(port: int, host: str, data: Path, faults: Path | None, **knobs: Any) -> None:
    """A stand-in for the Moorcheh on-prem server, scriptable under /_admin."""
    try:
        script = read_script(faults)
        server = Server(data, Knobs().changed(knobs), script)
    except (BrokenData, Refusal) as error:
        raise click.ClickException(str(error)) from error
    server.admin = Admin(server).handle
    try:
        asyncio.run(serve(server, host, port))
    except OSError as error:
        raise click.ClickException(f"can't listen on {address(host, port)}: {error.strerror}") from error


def read_script(path: Path | None) -> Faults:
    faults = Faults()
    if path is None:
        return faults
    try:
        rules = json.loads(path.read_bytes())
        if not isinstance(rules, list):
            raise Refusal(400, "it is no JSON list")
        for rule in rules:
            faults.add(Rule.parse(rule))
    except (ValueError, Refusal) as error:
        raise click.ClickException(f"{path}: {error}") from error
    return faults


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def serve(server: Server, host: str, port: int) -> None:
    """Until SIGTERM or SIGINT; requests under way get half a second to end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        print(f"listening on http://{address(host, runner.addresses[0][1])}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main(prog_name="python -m dev.moorcheh")
