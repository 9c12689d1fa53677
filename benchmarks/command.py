"""The commands: measure, and write the page."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import click

from benchmarks import page, results, scale, scale_page
from benchmarks.calls import measure as measure_calls
from benchmarks.calls import table
from benchmarks.errors import BenchmarkError
from benchmarks.goals import verdicts
from benchmarks.machine import ROOT, this_machine
from benchmarks.measuring import install_api, measure
from benchmarks.peers import PEERS, Peer, other
from benchmarks.results import Run
from benchmarks.scenarios import SCENARIOS, Scenario, burst, scenario
from dev.controlplane import ControlPlane, ControlPlaneError, prepare
from dev.controlplane.progress import Progress
from dev.golang import GoError

SCALE = ROOT / "build" / "benchmarks" / "scale.json"
RESULTS = ROOT / "build" / "benchmarks" / "results.json"
INTERRUPTED = 130

_results = click.option(
    "--results",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=RESULTS,
    show_default="build/benchmarks/results.json",
    help="Where the raw figures are.",
)


class _Commands(click.Group):
    """Tells our own errors in words, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        signal.signal(signal.SIGINT, _interrupt)
        try:
            return super().invoke(ctx)
        except (BenchmarkError, ControlPlaneError, GoError, aiohttp.ClientError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted; everything that was started is stopped.", err=True)
            sys.exit(INTERRUPTED)


def _interrupt(*_: object) -> None:
    """Only once: what was started ends within seconds, and a second Ctrl-C would only get in the way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _scenario(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[Scenario]:
    try:
        return [scenario(name) for name in names]
    except KeyError as error:
        raise click.BadParameter(f"there is no {error}; there are {', '.join(SCENARIOS)}, burst-N") from None


def _other(_: click.Context, __: click.Parameter, command: str | None) -> Peer | None:
    try:
        return None if command is None else other(command)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure this operator beside others, on this machine.

    `run` measures and keeps the raw figures; `page` makes docs/performance.md of them. `make bench` does
    both, with everything there is. Two cores and 4 GiB will do; nothing else should run meanwhile.
    """


_WHAT_THERE_IS = "\n".join(f"  {each.name:<16}{each.what}" for each in SCENARIOS.values())


@main.command(
    epilog="\b\nScenarios:\n" + _WHAT_THERE_IS + "\n  burst-N         any other size\n\n"
    "\b\nExamples:\n"
    "  python -m benchmarks run --scenario burst-200 --repeat 3\n"
    "  python -m benchmarks run --peer ours --size 1000\n"
    "  python -m benchmarks run --peer ours --size 200 --operator './my-operator --verbose'"
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    type=click.Choice(list(PEERS)),
    help="An operator; may be repeated. [those that a scenario is for]",
)
@click.option(
    "--operator",
    callback=_other,
    metavar="COMMAND",
    help="Measure this one too. It finds its servers in KUBECONFIG and MOORCHEH_BASE_URL, and must set "
    "status.phase to Succeeded at the end.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    callback=_scenario,
    metavar="NAME",
    help="May be repeated. [all]",
)
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(1), help="Short for --scenario burst-SIZE."
)
@click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True,
    help="Measure so many times in turn, but for what takes minutes; medians count.",
)  # fmt: skip
@click.option("--add", is_flag=True, help="Keep the earlier figures of what is not measured anew.")
@_results
def run(
    *,
    peers: tuple[str, ...],
    operator: Peer | None,
    scenarios: list[Scenario],
    sizes: tuple[int, ...],
    repeat: int,
    add: bool,
    path: Path,
) -> None:
    """Measure; a minute for each operator in each scenario, or less."""
    chosen = [*scenarios, *map(burst, sizes)] or list(SCENARIOS.values())
    assets = prepare()
    with Progress() as progress:
        compared = [PEERS[key](progress) for key in (peers or PEERS)]
    if operator:
        compared.append(operator)
    every = _pairs(chosen, compared, named=bool(peers))
    planned = [pair for turn in range(repeat) for pair in every if turn == 0 or not pair[0].once]
    new = {(each.name, peer.key) for each, peer in planned}
    machine, taken = this_machine(assets.version), []
    if add and path.exists():
        before = results.load(path)
        taken = [each for each in before.measurements if (each.scenario, each.peer) not in new]
        if taken and machine.commit not in before.machine.commit.split(", "):
            machine = replace(machine, commit=f"{before.machine.commit}, {machine.commit}")
    begun = time.monotonic()
    for number, (each, peer) in enumerate(planned, 1):
        click.echo(
            f"[{number}/{len(planned)}, {time.monotonic() - begun:.0f} s] {each.what}: {peer.title} …",
            err=True,
        )
        taken.append(measure(peer, each, assets))
        click.echo(page.summary(taken[-1]))
        Run(machine, tuple(taken)).save(path)


def _pairs(scenarios: list[Scenario], peers: list[Peer], *, named: bool) -> list[tuple[Scenario, Peer]]:
    """`named`: these peers were asked for, whatever a scenario is for."""
    return [
        (each, peer)
        for each in scenarios
        for peer in peers
        if (peer.knows_ends or not each.finished)
        and (named or peer.key in each.peers or peer.key not in PEERS)
    ]


@main.command("scale")
@click.option(
    "--finished", "sizes", multiple=True, type=click.IntRange(scale.BURST), default=scale.SIZES,
    show_default=True, help="How many finished requests there are; may be repeated, ascending.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Put the figures into docs/scale.md.")
def measure_scale(*, sizes: tuple[int, ...], write: bool) -> None:
    """What very many finished requests cost; 5 to 10 minutes for each number of them."""
    assets = prepare()
    machine = this_machine(assets.version)
    steps: list[scale.Step] = []

    def tell(step: scale.Step) -> None:
        steps.append(step)
        scale.save(steps, SCALE)
        click.echo(f"{step.finished:,} finished: measured", err=True)

    scale.measure(sorted(sizes), assets, tell)
    click.echo(scale_page.figures(steps, machine))
    if write:
        scale_page.write(steps, machine)


@main.command()
@click.option(
    "--requests",
    "count",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="Each kind of call so many times.",
)
@click.option(
    "--watches", type=click.IntRange(0), default=1, show_default=True, help="Clients that watch all requests."
)
@click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True, help="So many rounds; medians count."
)
@click.option(
    "--api",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=ROOT / "crds",
    show_default="crds",
    help="A folder with another kustomization of the API, to compare with.",
)
def calls(*, count: int, watches: int, repeat: int, api: Path) -> None:
    """What each of the operator's calls costs the API server."""
    assets, rounds = prepare(), []
    for _ in range(repeat):
        with ControlPlane(assets=assets) as plane:
            install_api(plane, api)
            rounds.append(asyncio.run(measure_calls(plane, count, watches)))
    click.echo(table(rounds))


@main.command("page")
@_results
def write_page(*, path: Path) -> None:
    """Write docs/performance.md and its picture from the raw figures."""
    if not path.exists():
        raise click.ClickException(f"{path} is not there; `python -m benchmarks run` measures first")
    measured = results.load(path)
    page.write(measured)
    for each in verdicts(measured.medians()):
        mark = {True: "met", False: "NOT MET", None: "not measured"}[each.met]
        click.echo(f"{mark:<14}{each.what}: {each.figure} (goal: {each.goal})")
    click.echo(f"{page.PAGE.relative_to(ROOT)} is written", err=True)
