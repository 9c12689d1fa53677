"""How long an ended request is kept (spec.ttlSecondsAfterFinished). Pure.

Without its object a request counts as never made: whoever still has its manifest makes it again, and then it
runs again, on whatever has the name by then. So a doubt keeps it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, Status

from .announcements import Announcement

IGNORED = "TTLIgnored"
FORBIDDEN = "TTLForbidden"


def expires_at(request: Request) -> datetime | None:
    """When its object is to be deleted; None: it is kept."""
    ttl, end = request.spec.ttl_seconds_after_finished, request.status.completion_time
    if ttl is None or end is None or request.status.phase not in ENDED:
        return None
    if request.withdrawn or request.recreated_by is not None:
        return None
    return end + timedelta(seconds=ttl)


def ignored(before: Status, after: Request) -> Announcement | None:
    """To be said once, when it ended or when the spec of an ended one was changed."""
    if after.spec.ttl_seconds_after_finished is None or after.recreated_by is None:
        return None
    if after.status.phase not in ENDED:
        return None
    if before.phase in ENDED and before.observed_generation == after.status.observed_generation:
        return None
    message = (
        f"spec.ttlSecondsAfterFinished is ignored: {after.recreated_by} would create this object again, and "
        "the deletion would run again. Remove its manifest instead."
    )
    return Announcement("Warning", IGNORED, message)


def forbidden(namespace: str) -> Announcement:
    message = (
        f"spec.ttlSecondsAfterFinished has no effect in namespace {namespace}: the operator has no right to "
        "delete requests there. manifests/components/ttl gives it."
    )
    return Announcement("Warning", FORBIDDEN, message)
