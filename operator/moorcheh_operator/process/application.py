"""The parts put together: what `moorcheh-operator run` runs."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import uuid
from contextlib import AsyncExitStack

from moorcheh_operator import __version__
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster import kubeconfig
from moorcheh_operator.cluster.client import Cluster, ClusterError
from moorcheh_operator.cluster.leader_election import Elector
from moorcheh_operator.controller.live_servers import LiveServers
from moorcheh_operator.controller.reconciler import Reconciler
from moorcheh_operator.metrics import Metrics
from moorcheh_operator.moorcheh.client import Moorcheh
from moorcheh_operator.servers.definitions import Definition, ServersError, single
from moorcheh_operator.servers.file import Loaded, ServersFile

from .credentials import credential_of
from .kopf_words import error_words, is_from_api_server
from .lives import CredentialsRefusedError, Lives, WatchBrokeOffError
from .probes import Probes
from .settings import LeaderElection, Settings

DRAIN_EXTRA = 10.0  # seconds, for the write of an answer that came at the last moment

logger = logging.getLogger(__name__)


class CannotStartError(Exception):
    """One sentence for the person who started it."""


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises `CannotStartError` where there is no use in going on."""
    clock, metrics = Clock(), Metrics()
    async with AsyncExitStack() as stack:
        servers = LiveServers(clock, settings.defaults, functools.partial(_client, metrics))
        stack.push_async_callback(servers.aclose)
        file = _first_servers(settings, servers)
        try:
            api_server = await kubeconfig.load(clock)
            cluster = Cluster(api_server, clock, metrics.count_api_call)
            stack.push_async_callback(cluster.aclose)
            await cluster.check(settings.watch_namespaces)
        except (kubeconfig.KubeconfigError, ClusterError) as error:
            raise CannotStartError(str(error)) from error
        # Its own connections: a renewal must not queue behind the calls of the requests.
        lease_cluster = Cluster(api_server, clock, metrics.count_api_call)
        stack.push_async_callback(lease_cluster.aclose)
        elector = _elector(settings, lease_cluster, clock)
        begin = functools.partial(
            Reconciler,
            cluster,
            servers,
            clock,
            settings.watch_namespaces,
            metrics,
            elector.leads if elector else lambda: True,
            kubeconfig.own_namespace() or settings.lease_namespace or None,
        )
        lives = Lives(api_server, settings.watch_namespaces, cluster.history, elector, begin)
        probes = Probes(
            metrics,
            lambda: lives.reconciler.list_age,
            lives.measure,
            notices=lambda: [
                *([f"SERVERS_FILE can't be used: {file.trouble}"] if file and file.trouble else []),
                *servers.notices,
            ],
        )
        try:
            await probes.start(*settings.http_address)
        except OSError as error:
            host, port = settings.http_address
            raise CannotStartError(f"--http-address {host or ''}:{port} can't be served: {error}") from error
        stack.push_async_callback(probes.stop)
        shown = ", ".join(f"{each.name} at {each.url}" for each in servers.defined.definitions)
        logger.info("moorcheh-operator %s serves %s", __version__, shown)
        if elsewhere := servers.defined.served_elsewhere:
            logger.info("requests for other servers (%s) are left to another operator", ", ".join(elsewhere))

        def changed(loaded: Loaded) -> None:
            servers.apply(loaded.servers, loaded.authorities)
            lives.reconciler.servers_changed()

        if file is not None:
            reread = asyncio.create_task(file.watch(changed, metrics.servers_file_good.set), name="servers")
            stack.callback(reread.cancel)
        try:
            await lives.run(lambda: servers.longest_timeout + DRAIN_EXTRA)
        except CredentialsRefusedError as error:
            raise CannotStartError(str(error)) from error
        except WatchBrokeOffError as error:
            raise CannotStartError(await _why_it_broke_off(error, cluster, settings)) from error


def _first_servers(settings: Settings, servers: LiveServers) -> ServersFile | None:
    """None: there is no file, and the one server stays what it is."""
    if settings.servers_file is None:
        try:
            servers.apply(single(settings.moorcheh_base_url or "", settings.name_reuse))
        except ValueError as error:
            raise CannotStartError(f"--moorcheh-base-url: {error}") from error
        return None
    file = ServersFile(settings.servers_file)
    try:
        file.look(lambda loaded: servers.apply(loaded.servers, loaded.authorities))
    except ServersError as error:
        raise CannotStartError(f"--servers-file {settings.servers_file}: {error}") from error
    return file


def _client(
    metrics: Metrics, definition: Definition, timeout: float, authorities: str | None, clock: Clock
) -> Moorcheh:
    credential = credential_of(definition)
    observer = functools.partial(metrics.time_moorcheh_call, server=definition.name)
    return Moorcheh.at(definition.url, timeout, clock, observer, credential, authorities, definition.name)


def _elector(settings: Settings, cluster: Cluster, clock: Clock) -> Elector | None:
    """None: this process always leads."""
    match settings.leader_election:
        case LeaderElection.OFF:
            return None
        case LeaderElection.AUTO if not kubeconfig.in_cluster():
            return None
        case _:
            pass
    namespace = settings.lease_namespace or kubeconfig.own_namespace()
    if namespace is None:
        raise CannotStartError("--leader-election on needs --lease-namespace outside a cluster")
    identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    return Elector(cluster, clock, namespace, identity)


async def _why_it_broke_off(error: WatchBrokeOffError, cluster: Cluster, settings: Settings) -> str:
    """As another look at the API server tells it: kopf's errors name neither the thing nor the way out."""
    try:
        await cluster.check(settings.watch_namespaces)
    except ClusterError as found:
        return f"the watch broke off: {found}"
    words = error_words(error.__cause__ or error)
    if not is_from_api_server(error.__cause__):
        logger.error("the watch broke off unexpectedly", exc_info=error.__cause__)
    way_out = "in a Pod the operator is restarted, elsewhere start it again"
    return f"the watch broke off ({words}); the API server answers again: {way_out}"
