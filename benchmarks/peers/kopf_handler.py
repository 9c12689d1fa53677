"""The operator that an engineer would write from kopf's documentation, as a peer in the benchmarks.

One handler that is tried again until the job has ended. It knows no preconditions, and a crash between the
DELETE and the write of its job makes it delete twice.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import kopf

POLL_FIRST = 1.0
POLL_MOST = 10.0


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    # Its default writes the handler's progress into the status, too, which a structural CRD drops again.
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage()
    memo.moorcheh = aiohttp.ClientSession(os.environ["MOORCHEH_BASE_URL"])


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    await memo.moorcheh.close()


@kopf.on.create("moorcheh.ai", "v1alpha1", "namespacedeletions")
async def delete_namespace(
    spec: kopf.Spec,
    status: kopf.Status,
    patch: kopf.Patch,
    memo: kopf.Memo,
    runtime: timedelta,
    **_: Any,
) -> None:
    path = f"/namespaces/{spec['namespaceName']}"
    if "job" not in status:
        async with memo.moorcheh.delete(path) as answer:
            if answer.status >= 500:
                raise kopf.TemporaryError(f"the server answers {answer.status}", delay=5)
            body = await answer.json()
        if answer.status != 202:
            patch.status.update(phase="Failed", reason="Rejected", message=body["message"])
            raise kopf.PermanentError(body["message"])
        patch.status.update(phase="Running", reason="JobRunning", message="The server deletes it.")
        patch.status["job"] = {"id": body["job_id"], "status": "running"}
        patch.status["startTime"] = _now()
        raise kopf.TemporaryError("the job has begun", delay=POLL_FIRST)

    async with memo.moorcheh.get(f"{path}/delete-jobs/{status['job']['id']}") as answer:
        job = await answer.json()
    match job.get("status"):
        case "running":
            delay = min(max(runtime.total_seconds() / 10, POLL_FIRST), POLL_MOST)
            raise kopf.TemporaryError("the job runs", delay=delay)
        case "completed":
            patch.status.update(phase="Succeeded", reason="DeletionCompleted", message="It is gone.")
        case _:
            message = job.get("last_error") or job.get("message") or "the job failed"
            patch.status.update(phase="Failed", reason="JobFailed", message=message)
    patch.status["completionTime"] = _now()
    patch.status["job"] = {
        "status": job.get("status", "unknown"),
        "totalItems": job.get("total_items", 0),
        "deletedItems": job.get("deleted_items", 0),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")  # noqa: TID251 - as anybody would write it
