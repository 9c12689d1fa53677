"""`make release`."""

from __future__ import annotations

from pathlib import Path

import click

from dev.controlplane import ControlPlaneError, prepare
from dev.release import ROOT, ReleaseError, build
from dev.release.plugin import PluginError


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "dist", help="Default: dist")
def main(out: Path) -> None:
    """Build all that a release has, reproducibly."""
    try:
        files = build(ROOT, out, prepare().kubectl)
    except (ReleaseError, PluginError, ControlPlaneError) as error:
        raise click.ClickException(str(error)) from error
    for file in files:
        click.echo(f"{file.stat().st_size:>9}  {file}")


main()
