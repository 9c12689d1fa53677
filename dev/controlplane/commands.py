"""The command: make the programs, or run a control plane to try things by hand."""

from __future__ import annotations

import sys
import threading
import time

import click

from dev.controlplane.assets import prepare
from dev.controlplane.errors import ControlPlaneError
from dev.controlplane.server import ControlPlane


class _Commands(click.Group):
    """Tells our own errors in words, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ControlPlaneError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A real Kubernetes API server and etcd on this machine, without containers."""


@main.command()
def assets() -> None:
    """Find, download or build kube-apiserver, etcd and kubectl; print their folder.

    In this order: KUBEBUILDER_ASSETS, the cache folder, the envtest archive (its checksum is checked),
    a build with Go. CACHE or XDG_CACHE_HOME moves the cache folder from ~/.cache.
    """
    found = prepare()
    click.echo(f"Kubernetes {found.version} from {found.origin}", err=True)
    click.echo(found.folder)


@main.command()
def up() -> None:
    """Start an empty control plane and print how to use it; Ctrl-C ends it and forgets all."""
    found = prepare()
    click.echo(f"Kubernetes {found.version} from {found.origin}", err=True)
    begun = time.monotonic()
    with ControlPlane(assets=found) as plane:
        click.echo(
            f"Up at {plane.url} after {time.monotonic() - begun:.1f} s. In another terminal:\n", err=True
        )
        click.echo(f"export KUBECONFIG={plane.kubeconfig}")
        click.echo(f"alias kubectl={found.kubectl}")
        click.echo(
            f"\nThe operator's own identity: KUBECONFIG={plane.kubeconfig_for('operator')}\n"
            f"Logs: {plane.apiserver.output}\n"
            "No controller manager: a namespace is never finalized, a Deployment makes no Pods.\n"
            "Ctrl-C ends it.",
            err=True,
        )
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("\nEnding it.", err=True)
