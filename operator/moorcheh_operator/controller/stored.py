"""One request's object: the newest version that this process knows, and the writes of its status (rule 2).

What of its own writes is on record is told once, whether an answer says so or a later look at the object: an
answer may be lost, or a proxy makes an error of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Status
from moorcheh_operator.cluster.client import (
    Cluster,
    ClusterError,
    Conflict,
    Invalid,
    Unanswered,
    WriteAnswer,
    Written,
    retry_pause,
)
from moorcheh_operator.cluster.history import is_newer
from moorcheh_operator.lifecycle.announcements import log_names
from moorcheh_operator.lifecycle.rewound import goes_back

VERSIONS_KEPT = 8

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Write:
    before: Status
    status: Status
    told: bool = False

    def is_in(self, request: Request) -> bool:
        """Somebody may have written other things since: labels, `observedGeneration`."""
        return _news(request.status) == _news(self.status) != _news(self.before)


def _news(status: Status) -> tuple[object, ...]:
    attempt = status.attempt.id if status.attempt else None
    return status.phase, status.reason, attempt, status.completion_time


class StoredRequest:
    def __init__(
        self,
        request: Request,
        cluster: Cluster,
        changed: Callable[[Request, Request], None],
        landed: Callable[[Status, Request], None],
    ) -> None:
        """`changed` is told of each new version: the one before, and it. `landed`, once, of each status that
        was written here and is on record: the one that it replaced, and the object.
        """
        self.request = request
        self._cluster = cluster
        self._changed = changed
        self._landed = landed
        self._versions = deque([request.resource_version], VERSIONS_KEPT)
        self._unanswered = 0  # status writes in a row without an answer
        self._writes: list[_Write] = []  # built on this version; one of them may land yet, or have landed

    def adopt(self, request: Request) -> None:
        """From now on this is what is known. One that is gone stays so, and what is older is not taken: the
        answer to a call may come after the watch has shown what happened since.
        """
        before = self.request
        late = is_newer(before.resource_version, request.resource_version)
        if late and not self._cluster.history.over:
            return
        if before.gone and not request.gone:
            request = dataclasses.replace(request, withdrawn=True, gone=True)
        self.request = request
        self._versions.append(request.resource_version)
        self._changed(before, request)
        if request.resource_version != before.resource_version:
            if self._cluster.wrote(request):
                self._tell(next((write for write in self._writes if write.is_in(request)), None))
            self._writes.clear()  # what has not landed never will

    def contradicts(self, request: Request) -> bool:
        """Whether it may be of another history than what is known: not one that was known, late from the
        watch.
        """
        known = self.request
        same = request.resource_version == known.resource_version
        if same and not known.gone and not request.says_the_same(known):
            self._cluster.history.end(f"{known.key} has changed, and its version has not")
        return request.resource_version not in self._versions

    def mark_gone(self) -> None:
        """The object is gone."""
        self.adopt(dataclasses.replace(self.request, withdrawn=True, gone=True))

    async def write(self, status: Status) -> WriteAnswer:
        """Compare-and-set. Where it did not land the object is read: what follows builds on the truth."""
        write = _Write(self.request.status, status)
        self._writes.append(write)
        answer = await self._cluster.write_status(self.request, status)
        match answer:
            case Written(request):
                if self._unanswered:
                    logger.info(
                        "the status could be written, after %d failures",
                        self._unanswered,
                        extra=log_names(self.request),
                    )
                self._unanswered = 0
                self.adopt(request)
                self._tell(write)
            case Conflict() | Invalid():
                version = self.request.resource_version
                await self.read()
                unchanged = self.request.resource_version == version and not self.request.gone
                if isinstance(answer, Conflict) and unchanged:
                    # Not the version: an admission webhook's 409, say, or no /status in the CRD.
                    await self._pause(
                        "HTTP 409 or 404, though the object is unchanged; "
                        "does an admission webhook interfere?"
                    )
            case Unanswered(error):
                await self._pause(error)
                await self.read()
            case _:
                assert_never(answer)
        return answer

    def _tell(self, write: _Write | None) -> None:
        if write is None or write.told:
            return
        for each in (write, *self._writes):  # of those that were built on one version one lands
            each.told = True
        self._landed(write.before, self.request)

    async def _pause(self, error: str) -> None:
        self._unanswered += 1
        if self._unanswered == 1:
            words = "the status could not be written, which is decided anew: %s"
            logger.warning(words, error, extra=log_names(self.request))
        await asyncio.sleep(retry_pause(self._unanswered))

    async def read(self) -> None:
        """Until the API server answers: without it nothing can be decided."""
        failures = 0
        while not self.request.gone:
            known = self.request
            try:
                request = await self._cluster.read(known.namespace, known.name)
            except ClusterError as error:
                failures += 1
                if failures == 1:
                    logger.warning(
                        "the object can't be read, which is tried again: %s",
                        error,
                        extra=log_names(self.request),
                    )
                await asyncio.sleep(retry_pause(failures))
                continue
            if request is None or request.uid != known.uid:
                self.mark_gone()
                return
            older = is_newer(known.resource_version, request.resource_version)
            if older or goes_back(known, request):
                self._cluster.history.end(f"{known.key} has gone back")
            self.adopt(request)
            return
