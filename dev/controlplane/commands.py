"""The command: make the programs, or run a control plane to try things by hand."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import nullcontext

import click

from dev.controlplane.assets import prepare, prepare_controller_manager
from dev.controlplane.controllers import CONTROLLERS, ControllerManager
from dev.controlplane.errors import AssetsError, ControlPlaneError
from dev.controlplane.others import prepare_other
from dev.controlplane.server import ControlPlane

_AT_WORK = f"At work: {', '.join(CONTROLLERS)}."
_NO_CONTROLLERS = (
    "No controller manager: a namespace is never finalized, a Deployment makes no Pods. See --controllers."
)


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

    kube-controller-manager, which no archive has, is found or built. The tests that need it are skipped
    where that can't be.
    """
    found = prepare()
    click.echo(f"Kubernetes {found.version} from {found.origin}", err=True)
    try:
        prepare_controller_manager(found)
    except AssetsError as error:
        click.echo(f"{error}\nThe tests that need it are skipped.", err=True)
    click.echo(found.folder)


@main.command()
@click.argument("version")
def other(version: str) -> None:
    """Build another VERSION of Kubernetes, such as v1.31.14, and print its folder, for KUBEBUILDER_ASSETS."""
    click.echo(prepare_other(version, os.environ))


@main.command()
@click.option("--controllers", is_flag=True, help="With kube-controller-manager: namespaces end, roles fill.")
def up(*, controllers: bool) -> None:
    """Start an empty control plane and print how to use it; Ctrl-C ends it and forgets all."""
    found = prepare()
    click.echo(f"Kubernetes {found.version} from {found.origin}", err=True)
    program = prepare_controller_manager(found) if controllers else None
    begun = time.monotonic()
    with ControlPlane(assets=found) as plane, ControllerManager(plane, program) if program else nullcontext():
        click.echo(
            f"Up at {plane.url} after {time.monotonic() - begun:.1f} s. In another terminal:\n", err=True
        )
        click.echo(f"export KUBECONFIG={plane.kubeconfig}")
        click.echo(f"alias kubectl={found.kubectl}")
        click.echo(
            f"\nThe operator's own identity: KUBECONFIG={plane.kubeconfig_for('operator')}\n"
            f"Logs: {plane.apiserver.output}\n"
            f"{_AT_WORK if controllers else _NO_CONTROLLERS}\n"
            "Ctrl-C ends it.",
            err=True,
        )
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("\nEnding it.", err=True)
