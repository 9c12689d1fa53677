"""The parts put together: what `moorcheh-operator run` runs."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import Any

import kopf

from . import __version__, handlers, kubeconfig
from .clock import Clock
from .cluster import Cluster, ClusterError
from .metrics import Metrics
from .moorcheh import Moorcheh
from .probes import Probes
from .reconciler import Reconciler
from .settings import Settings

logger = logging.getLogger(__name__)


class CannotStartError(Exception):
    """One sentence for the person who started it."""


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises `CannotStartError` where there is no use in going on."""
    clock, metrics = Clock(), Metrics()
    async with AsyncExitStack() as stack:
        try:
            configuration = await kubeconfig.load()
            cluster = Cluster(configuration, clock, metrics.count_api_call)
            stack.push_async_callback(cluster.aclose)
            await cluster.check(settings.watch_namespaces)
        except (kubeconfig.KubeconfigError, ClusterError) as error:
            raise CannotStartError(str(error)) from error
        moorcheh = Moorcheh(
            settings.moorcheh_base_url, settings.moorcheh_timeout, clock, metrics.time_moorcheh_call
        )
        stack.push_async_callback(moorcheh.aclose)
        reconciler = Reconciler(
            cluster,
            moorcheh,
            clock,
            settings.limits,
            settings.max_running_jobs,
            settings.watch_namespaces,
            metrics,
        )
        probes = Probes(metrics, lambda: reconciler.list_age, reconciler.measure)
        try:
            await probes.start(*settings.http_address)
        except OSError as error:
            host, port = settings.http_address
            raise CannotStartError(f"--http-address {host}:{port} can't be served: {error}") from error
        stack.push_async_callback(probes.stop)
        await _run_kopf(settings, configuration, reconciler)


async def _run_kopf(settings: Settings, configuration: Any, reconciler: Reconciler) -> None:
    def start() -> None:
        logger.info("moorcheh-operator %s serves %s", __version__, settings.moorcheh_base_url)
        reconciler.start()
        reconciler.lead(True)

    async def stop() -> None:
        logger.info("stopping: answers under way are recorded first")
        await reconciler.drain(settings.drain)

    hooks = handlers.Hooks(start, stop, lambda body, gone: reconciler.observe(body, deleted=gone))
    try:
        await kopf.operator(
            registry=handlers.registry(configuration, hooks),
            settings=handlers.settings(),
            standalone=True,
            clusterwide=not settings.watch_namespaces,
            namespaces=settings.watch_namespaces,
        )
    except Exception as error:  # kopf's own, which it has logged
        raise CannotStartError(f"the watch broke off: {type(error).__name__}: {error}") from error
