"""What Prometheus may ask: one catalogue of every metric. No namespace names as labels."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from . import __version__
from .model import ENDED, Phase, Request, Status

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Gauge(
            "moorcheh_operator_requests", "Unfinished requests by phase", ["phase"], registry=self.registry
        )
        self.oldest = Gauge(
            "moorcheh_operator_oldest_unfinished_request_age_seconds",
            "Age of the oldest request that has not ended and is not suspended",
            registry=self.registry,
        )
        self.ended = Counter(
            "moorcheh_operator_requests_ended",
            "Requests that ended, by phase and reason",
            ["phase", "reason"],
            registry=self.registry,
        )
        self.submit_seconds = Histogram(
            "moorcheh_operator_submit_seconds",
            "From a request's creation to the job that the server gave it",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.end_seconds = Histogram(
            "moorcheh_operator_end_seconds",
            "From a request's creation to its end",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.items_removed = Counter(
            "moorcheh_operator_items_removed",
            "Items that ended jobs reported as removed",
            registry=self.registry,
        )
        self.deletes_sent = Counter(
            "moorcheh_operator_deletes_sent", "DELETE requests sent to the server", registry=self.registry
        )
        self.moorcheh_calls = Histogram(
            "moorcheh_operator_moorcheh_request_seconds",
            "Calls to the server by operation and status code (or error)",
            ["operation", "code"],
            registry=self.registry,
        )
        self.api_calls = Counter(
            "moorcheh_operator_kubernetes_requests",
            "Calls to the API server by verb and status code, watches aside",
            ["verb", "code"],
            registry=self.registry,
        )
        self.job_slots_used = Gauge(
            "moorcheh_operator_job_slots_used", "Job slots in use", registry=self.registry
        )
        self.leader = Gauge("moorcheh_operator_leader", "1 while this process leads", registry=self.registry)
        self.loop_lag = Gauge(
            "moorcheh_operator_loop_lag_seconds",
            "How late the event loop woke a sleeper, at the last check",
            registry=self.registry,
        )
        self.list_age = Gauge(
            "moorcheh_operator_list_age_seconds",
            "Time since the last complete list of requests",
            registry=self.registry,
        )
        Info("moorcheh_operator_build", "What is running", registry=self.registry).info(
            {"version": __version__}
        )

    def count_api_call(self, verb: str, code: str) -> None:
        self.api_calls.labels(verb, code).inc()

    def time_moorcheh_call(self, operation: str, code: str, seconds: float) -> None:
        self.moorcheh_calls.labels(operation, code).observe(seconds)
        if operation == "delete":
            self.deletes_sent.inc()

    def count_write(self, before: Status, after: Request, age: float) -> None:
        """`age`: seconds since the request's creation."""
        status = after.status
        if status.phase == before.phase:
            return
        if status.phase is Phase.RUNNING:
            self.submit_seconds.observe(age)
        if status.phase in ENDED:
            self.ended.labels(str(status.phase), str(status.reason)).inc()
            self.end_seconds.observe(age)
            if status.job is not None:
                self.items_removed.inc(status.job.deleted_items or 0)

    def show_requests(self, phases: Iterable[Phase]) -> None:
        counts = {phase: 0 for phase in Phase if phase not in ENDED}
        for phase in phases:
            counts[phase] = counts.get(phase, 0) + 1
        for phase, count in counts.items():
            if phase not in ENDED:
                self.requests.labels(str(phase)).set(count)
