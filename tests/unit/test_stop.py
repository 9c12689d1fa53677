"""A stop ends kopf by cancelling its tasks; what the operator still does then must not be in one of those."""

from __future__ import annotations

import asyncio
from typing import cast

import kopf
from kopf._cogs.structs.ephemera import AnyMemo
from kopf._core.actions.lifecycles import all_at_once
from kopf._core.engines.activities import run_activity
from kopf._core.engines.indexing import OperatorIndexers
from kopf._core.intents.causes import Activity

from moorcheh_operator.cluster.api_server import ApiServer
from moorcheh_operator.process import watch


async def test_a_timeout_of_the_stop_is_no_cancellation() -> None:
    """Before Python 3.11.3 one is, in a task that was cancelled before: it gave up a DELETE under way."""
    cancellations = []

    async def stop() -> None:
        task = asyncio.current_task()
        assert task is not None
        cancellations.append(task.cancelling())

    hooks = watch.Hooks(lambda: None, stop, lambda: None, lambda _body, _gone: None)
    registry = watch.registry(cast("ApiServer", None), hooks)

    async def as_kopf_does() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await run_activity(
                lifecycle=all_at_once,
                registry=registry,
                settings=kopf.OperatorSettings(),
                activity=Activity.CLEANUP,
                indices=OperatorIndexers().indices,
                memo=AnyMemo(kopf.Memo()),
            )

    task = asyncio.create_task(as_kopf_does())
    await asyncio.sleep(0)
    task.cancel()
    await task

    assert cancellations == [0]
