"""One cleanup policy: asks `policies` for the next step, does it, notes the facts, asks again.

It acts only while this process leads. Whatever two that both think they lead do, a run is claimed by one
compare-and-set, and each of its requests has one name (docs/safety.md, rule 19).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from moorcheh_operator.api.policy import Policy, PolicyStatus
from moorcheh_operator.api.times import JsonObject
from moorcheh_operator.backoff import failed
from moorcheh_operator.clock import Now
from moorcheh_operator.cluster.client import ClusterError, retry_pause
from moorcheh_operator.cluster.history import is_newer
from moorcheh_operator.cluster.policies import Answer, PoliciesClient
from moorcheh_operator.moorcheh.answers import Listing
from moorcheh_operator.policies.announcements import policy_names
from moorcheh_operator.policies.facts import (
    Creation,
    Creations,
    Facts,
    Forbidden,
    Look,
    Made,
    Refused,
    Right,
    Unanswered,
)
from moorcheh_operator.policies.next_step import next_step
from moorcheh_operator.policies.steps import AskRight, Create, LookUp, Record, Step, Wait

from .looks import Looks
from .relist import CRASH_SECONDS, RELIST_SECONDS
from .shared import Shared

logger = logging.getLogger(__name__)

Told = Callable[[PolicyStatus, Policy], None]
"""The status before, and the policy with the one that is on record now."""


class PolicyTask:
    def __init__(
        self, policy: Policy, shared: Shared, client: PoliciesClient, looks: Looks, told: Told
    ) -> None:
        self.policy = policy
        self._shared = shared
        self._client = client
        self._looks = looks
        self._told = told
        known = shared.past.policies.get(policy.uid) if shared.past else None
        self._facts = Facts(known=known)
        self._wake = asyncio.Event()
        self._failures = 0  # calls about the object in a row that failed

    def adopt(self, policy: Policy) -> None:
        """A version that somebody has seen."""
        before = self.policy
        if not is_newer(policy.resource_version, before.resource_version):
            return
        self.policy = policy
        self._told(before.status, policy)
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._advance()
            except Exception:
                words = "unexpected error with this cleanup policy; it is tried again"
                logger.exception(words, extra=policy_names(self.policy))
                await asyncio.sleep(CRASH_SECONDS)

    @property
    def _may_act(self) -> bool:
        """Not before the first complete list: it shows which targets have an unfinished request."""
        return self._shared.leads() and not self._shared.closing and self._shared.listed

    async def _advance(self) -> None:
        if not self._may_act:
            await self._sleep(RELIST_SECONDS)
            return
        await self._see_server()
        step, now = self._decide()
        if not self._may_act:
            return
        match step:
            case Wait(until):
                await self._sleep(until - now.ticks)
            case AskRight():
                given = await self._client.may_create(self.policy.namespace)
                self._facts = replace(
                    self._facts, right=Right(given is not False, self._shared.clock.ticks())
                )
            case LookUp(anew):
                await self._look(anew=anew)
            case Record(status):
                await self._record(status)
            case Create(requests):
                await self._create(requests)
            case _:
                assert_never(step)

    def _decide(self) -> tuple[Step, Now]:
        now = self._shared.clock.now()
        return next_step(self.policy, self._facts, now), now

    async def _see_server(self) -> None:
        """What the servers file says now. What was seen at another server counts for nothing."""
        server = self._shared.servers.defined.get(self.policy.spec.server)
        before = self._facts.server
        if server is None or before is None or server.url != before.url:
            self._facts = replace(self._facts, look=None, outage=None)
        shut_out = await self._shared.shut_out(server, self.policy.namespace) if server is not None else None
        self._facts = replace(self._facts, server=server, shut_out=shut_out)

    async def _look(self, *, anew: bool) -> None:
        server = self._facts.server
        live = None if server is None else self._shared.servers.at(server.url)
        if live is None:
            self._unlooked("it is not connected")
            return
        look = await self._looks.at(live, anew=anew)
        if not isinstance(look.answer, Listing):
            self._unlooked(look.answer.error)
            return
        seen = Look(look.answer, look.asked, look.answered, self._shared.targets.wanted_at(live.url))
        self._facts = replace(self._facts, look=seen, outage=None)

    def _unlooked(self, error: str) -> None:
        outage = failed(self._facts.outage, error, self._shared.clock.ticks())
        self._facts = replace(self._facts, outage=outage)

    async def _create(self, requests: tuple[tuple[str, JsonObject], ...]) -> None:
        run, generation = self.policy.status.last_run, self.policy.generation
        if run is None:
            return
        made: dict[str, Creation] = {}
        for target, body in requests:
            if not self._may_act or self.policy.generation != generation:
                break
            made[target] = creation(await self._client.create(self.policy.namespace, body))
            if isinstance(made[target], Unanswered | Forbidden):
                break
        self._note(Creations(run.scheduled_time, made))

    def _note(self, creations: Creations) -> None:
        errors = [each.error for each in creations.by_target.values() if isinstance(each, Unanswered)]
        before, now = self._facts.create_outage, self._shared.clock.ticks()
        outage = failed(before, errors[0], now) if errors else None
        if outage is not None and before is None:
            words = "a request could not be created, which is tried again: %s"
            logger.warning(words, outage.error, extra=policy_names(self.policy))
        forbidden = any(isinstance(each, Forbidden) for each in creations.by_target.values())
        right = Right(False, now) if forbidden else self._facts.right
        self._facts = replace(self._facts, creations=creations, create_outage=outage, right=right)

    async def _record(self, status: PolicyStatus) -> None:
        built_on = self.policy
        try:
            written = await self._client.write_status(built_on, status)
            if written is not None:
                self._failures = 0
                self.adopt(written)
                return
            read = await self._client.read(built_on)
        except ClusterError as error:
            await self._pause("the status could not be written, which is decided anew: %s", error)
            with contextlib.suppress(ClusterError):
                read = await self._client.read(built_on)
                if read is not None:
                    self.adopt(read)
            return
        if read is None:
            await self._sleep(RELIST_SECONDS)  # the list or the watch ends this task
            return
        if read.resource_version == built_on.resource_version:
            await self._pause(
                "the API server does not store this policy's status; %s",
                "does an admission webhook interfere?",
            )
        self.adopt(read)

    async def _pause(self, words: str, error: object) -> None:
        self._failures += 1
        if self._failures == 1:
            logger.warning(words, error, extra=policy_names(self.policy))
        await asyncio.sleep(retry_pause(self._failures))

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(seconds, 0.0), RELIST_SECONDS)):
                await self._wake.wait()
        self._wake.clear()


def creation(answer: Answer) -> Creation:
    match answer.status:
        case 200 | 201:
            return Made()
        case 403 if "because it is being terminated" not in answer.words:
            return Forbidden(answer.words)
        case 400 | 403 | 404 | 409 | 422:
            return Refused(answer.words)
        case _:
            return Unanswered(answer.words)
