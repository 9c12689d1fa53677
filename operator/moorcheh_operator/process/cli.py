"""The command `moorcheh-operator`: options by flag or environment; one clear line where it can't start."""

from __future__ import annotations

import asyncio
import gc

import click

from moorcheh_operator import __version__
from moorcheh_operator.servers.definitions import NameReuse

from . import logs, options
from .check import check
from .settings import LeaderElection, LogFormat, Settings

GC_THRESHOLDS = (20_000, 20, 20)  # Python's own: 700, 10, 10


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="moorcheh-operator")
def main() -> None:
    """Delete Moorcheh namespaces declaratively, once, and only those that were asked for."""


main.add_command(check)


@main.command()
@click.option(
    "--moorcheh-base-url",
    envvar="MOORCHEH_BASE_URL",
    type=options.URL,
    metavar="URL",
    show_envvar=True,
    help="The Moorcheh server, for example http://moorcheh:8080. Use no proxy that resends requests. "
    "This or a servers file is required.",
)
@click.option(
    "--servers-file",
    envvar="SERVERS_FILE",
    metavar="PATH",
    show_envvar=True,
    help="Several servers, and who may delete what on them: a YAML file, read again when it changes.",
)
@click.option(
    "--moorcheh-name-reuse",
    envvar="MOORCHEH_NAME_REUSE",
    type=click.Choice([choice.value for choice in NameReuse]),
    default=NameReuse.POSSIBLE.value,
    show_default=True,
    show_envvar=True,
    help="Never: you know that no name is used again at that server while a request for it is open. Where it "
    "shows no creation times, a failed job may then be followed by another attempt (docs/servers.md).",
)
@click.option(
    "--moorcheh-timeout-seconds",
    envvar="MOORCHEH_TIMEOUT_SECONDS",
    type=options.seconds(0.5, 300),
    default=30.0,
    show_default=True,
    show_envvar=True,
    help="How long to wait for one answer of a server. A servers file may say otherwise.",
)
@click.option(
    "--moorcheh-verify-seconds",
    envvar="MOORCHEH_VERIFY_SECONDS",
    type=options.seconds(0, 86400),
    default=600.0,
    show_default=True,
    show_envvar=True,
    help="How long to look for the effect of a DELETE whose answer was lost, before OutcomeUnknown.",
)
@click.option(
    "--moorcheh-max-running-jobs",
    envvar="MOORCHEH_MAX_RUNNING_JOBS",
    type=options.count(100_000),
    default=10,
    show_default=True,
    show_envvar=True,
    help="How many deletion jobs may run at a server at once; 0: no limit. A servers file may say otherwise.",
)
@click.option(
    "--watch-namespaces",
    envvar="WATCH_NAMESPACES",
    type=options.NAMESPACES,
    default="",
    metavar="NAMES",
    show_envvar=True,
    help="Kubernetes namespaces to serve, separated by commas.  [default: all]",
)
@click.option(
    "--leader-election",
    envvar="LEADER_ELECTION",
    type=click.Choice([choice.value for choice in LeaderElection]),
    default=LeaderElection.AUTO.value,
    show_default=True,
    show_envvar=True,
    help="Whether replicas elect the one that acts; auto: in a Pod.",
)
@click.option(
    "--lease-namespace",
    envvar="LEASE_NAMESPACE",
    type=options.NAMESPACE,
    default="",
    metavar="NAME",
    show_envvar=True,
    help="Where the replicas' Lease is.  [default: the Pod's own namespace]",
)
@click.option(
    "--http-address",
    envvar="HTTP_ADDRESS",
    type=options.LISTEN,
    default=":8080",
    metavar="HOST:PORT",
    show_default=True,
    show_envvar=True,
    help="Where to serve /healthz, /readyz and /metrics. Without a host: at all addresses, IPv4 and IPv6; "
    "port 0: any free one.",
)
@click.option(
    "--log-format",
    envvar="LOG_FORMAT",
    type=click.Choice([choice.value for choice in LogFormat]),
    default=LogFormat.TEXT.value,
    show_default=True,
    show_envvar=True,
    help="How to write the log, to standard error.",
)
def run(
    *,
    moorcheh_base_url: str | None,
    servers_file: str | None,
    moorcheh_name_reuse: str,
    moorcheh_timeout_seconds: float,
    moorcheh_verify_seconds: float,
    moorcheh_max_running_jobs: int,
    watch_namespaces: tuple[str, ...],
    leader_election: str,
    lease_namespace: str,
    http_address: options.Listen,
    log_format: str,
) -> None:
    """Carry out the NamespaceDeletions of a cluster until stopped.

    The cluster is found as kubectl finds it: KUBECONFIG, else the Pod's service account, else ~/.kube/config.
    A Moorcheh that is down is waited for. SIGTERM stops cleanly: answers under way are recorded first.
    """
    if moorcheh_base_url and servers_file:
        raise click.UsageError(
            "--moorcheh-base-url (MOORCHEH_BASE_URL) and --servers-file (SERVERS_FILE) are both set: "
            "take one away"
        )
    if not moorcheh_base_url and not servers_file:
        raise click.UsageError(
            "set one of --moorcheh-base-url (MOORCHEH_BASE_URL) and --servers-file (SERVERS_FILE)"
        )
    name_reuse = NameReuse(moorcheh_name_reuse)
    if servers_file and name_reuse is not NameReuse.POSSIBLE:
        raise click.UsageError(
            "--moorcheh-name-reuse (MOORCHEH_NAME_REUSE) is about --moorcheh-base-url: with a servers file, "
            "write nameReuse into the entry of the server that it is true of"
        )
    settings = Settings(
        moorcheh_base_url=moorcheh_base_url,
        servers_file=servers_file or None,
        name_reuse=name_reuse,
        moorcheh_timeout=moorcheh_timeout_seconds,
        verify=moorcheh_verify_seconds,
        max_running_jobs=moorcheh_max_running_jobs,
        watch_namespaces=watch_namespaces,
        leader_election=LeaderElection(leader_election),
        lease_namespace=lease_namespace,
        http_address=http_address,
        log_format=LogFormat(log_format),
    )
    # --help and wrong use need not wait a second for kopf and kubernetes.
    from .application import CannotStartError, serve  # noqa: PLC0415 - the reason is above

    logs.set_up(settings.log_format)
    # What is imported stays for good, and tasks come and go by the thousand: the collector need not look
    # through all of it each time.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        asyncio.run(serve(settings))
    except CannotStartError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
