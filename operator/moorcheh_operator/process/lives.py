"""kopf and the reconciler, begun anew each time that the API server was set back to an earlier state.

Nothing that was remembered is believed then, and a watch that goes on from a version that is not there any
more hears nothing until it is there again (docs/safety.md, rule 18).
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import kopf

from moorcheh_operator.cluster.api_server import ApiServer
from moorcheh_operator.cluster.history import History
from moorcheh_operator.cluster.leader_election import Elector
from moorcheh_operator.controller.reconciler import HistoryEnds, Reconciler
from moorcheh_operator.lifecycle.rewound import Past

from . import watch

REFUSED_DRAIN_SECONDS = 5.0

logger = logging.getLogger(__name__)


class WatchBrokeOffError(Exception):
    """kopf gave up; the cause says why."""


class CredentialsRefusedError(Exception):
    """The API server has not taken the operator's credentials for too long; one sentence."""


class Lives:
    def __init__(
        self,
        api_server: ApiServer,
        namespaces: tuple[str, ...],
        history: History,
        elector: Elector | None,
        begin: Callable[[HistoryEnds, Past | None], Reconciler],
    ) -> None:
        self._api_server = api_server
        self._namespaces = namespaces
        self._history = history
        self._elector = elector
        self._begin = begin
        self._past: Past | None = None
        self._refusals = api_server.refusals
        self._refusals.given_up = self._terminate
        self._terminated = False
        self._stop = asyncio.Event()
        self.reconciler = begin(self._end_life, None)

    def measure(self) -> None:
        self.reconciler.measure()

    async def run(self, drain_seconds: Callable[[], float]) -> None:
        """Until SIGTERM or SIGINT. Raises `WatchBrokeOffError`, `CredentialsRefusedError`."""
        election = None
        if self._elector is not None:
            leading = self._elector.run(self._leadership_changed)
            election = asyncio.create_task(leading, name="leader election")

        def start() -> None:
            # kopf's handlers would end this life alone, and then wait 5 s for its look at the flag. It sets
            # them after it has begun to call this.
            asyncio.get_running_loop().call_soon(self._heed_signals)
            self.reconciler.start()

        async def stop() -> None:
            logger.info("stopping: answers under way are recorded first")
            # Without credentials nothing can be recorded.
            await self.reconciler.drain(REFUSED_DRAIN_SECONDS if self._refusals.words else drain_seconds())
            if election is not None and self._elector is not None and not self._lives_again:
                election.cancel()
                await asyncio.gather(election, return_exceptions=True)
                await self._elector.release()

        def observe(body: dict[str, object], gone: bool) -> None:
            self.reconciler.observe(body, deleted=gone)

        def watch_began() -> None:
            self.reconciler.list_anew()

        hooks = watch.Hooks(start, stop, watch_began, observe)
        while True:
            await self._watch(hooks)
            if self._refusals.words is not None:
                raise CredentialsRefusedError(self._refusals.words)
            if not self._lives_again:
                return
            logger.info("beginning anew: everything is read again")
            self._stop.clear()
            self.reconciler = self._begin(self._end_life, self._past)

    def _leadership_changed(self) -> None:
        self.reconciler.leadership_changed()

    @property
    def _lives_again(self) -> bool:
        return self._history.over and not self._terminated

    def _end_life(self, past: Past | None) -> None:
        self._past = past
        self._stop.set()

    def _heed_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._terminate)

    def _terminate(self) -> None:
        self._terminated = True
        self._stop.set()

    async def _watch(self, hooks: watch.Hooks) -> None:
        try:
            await kopf.operator(
                registry=watch.registry(self._api_server, hooks),
                settings=watch.settings(),
                standalone=True,
                # Or kopf asks for the name of the user, which a uid in a container may not have.
                identity="moorcheh-operator",  # type: ignore[arg-type]  # kopf keeps its type for it to itself
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=self._stop,
            )
        except Exception as error:  # kopf's own
            raise WatchBrokeOffError from error
