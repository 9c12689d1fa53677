"""What is told of a request: metrics, a log line, an Event."""

from __future__ import annotations

import logging

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Phase, Status
from moorcheh_operator.clock import Clock
from moorcheh_operator.lifecycle.announcements import Announcement, announcement, log_fields, long_wait
from moorcheh_operator.lifecycle.retention import ignored
from moorcheh_operator.metrics import Metrics
from moorcheh_operator.moorcheh.answers import (
    Accepted,
    AcceptedWithoutJob,
    NotSent,
    Refused,
    Rejected,
    SendAnswer,
    Unclear,
)

from .events import Events

WORDS = {
    Accepted: "accepted as job",
    AcceptedWithoutJob: "accepted without a job",
    NotSent: "surely not sent",
    Refused: "refused",
    Rejected: "rejected for good",
    Unclear: "without a clear answer, so its effect is looked for",
}

logger = logging.getLogger(__name__)


class Reporter:
    def __init__(self, metrics: Metrics, events: Events, clock: Clock) -> None:
        self._metrics = metrics
        self._events = events
        self._clock = clock

    def written(self, before: Status, request: Request) -> None:
        """A status that has just landed, and the one that it replaced."""
        age = (self._clock.now().time - request.creation_time).total_seconds()
        self._metrics.count_write(before, request, age)
        if (kept := ignored(before, request)) is not None:
            self._events.announce(request, kept)
        news = announcement(before, request)
        if news is None:
            return
        if request.status.phase is not Phase.RUNNING:  # the DELETE has its own line
            logger.log(_level(news), "%s: %s", news.reason, news.message, extra=log_fields(request))
        self._events.announce(request, news)

    def waits(self, request: Request, seconds: float) -> bool:
        """The status has shown the same for so long. False: that is not worth telling, or not yet."""
        news = long_wait(request, seconds)
        if news is None:
            return False
        logger.log(_level(news), "still %s: %s", news.reason, news.message, extra=log_fields(request))
        self._events.announce(request, news)
        return True

    def deleted(self, request: Request, answer: SendAnswer, code: str | None, seconds: float) -> None:
        """The answer to its DELETE; `code`: HTTP status or error, None where it never left."""
        job_id = getattr(answer, "job_id", None)
        logger.log(
            logging.INFO if isinstance(answer, Accepted | AcceptedWithoutJob) else logging.WARNING,
            "DELETE %s: %s",
            WORDS[type(answer)],
            getattr(answer, "error", None) or getattr(answer, "message", None) or job_id or "",
            extra={
                **log_fields(request),
                "job": job_id,
                "code": code,
                "created_at": request.status.target.creation_time if request.status.target else None,
                "seconds": round(seconds, 3),
            },
        )


def _level(news: Announcement) -> int:
    return logging.WARNING if news.type == "Warning" else logging.INFO
