"""What Prometheus may ask: every metric, named by its conventions. No namespace names as labels.

`docs/reference.md`, the alerts and the dashboard are compared with what is registered here.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)

from moorcheh_operator.api.policy import PolicyStatus, Result
from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import DEFAULT_SERVER
from moorcheh_operator.api.status import ENDED, Phase, Reason, Status, VerificationResult

from . import __version__

LIFE_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

ENDS = {
    Phase.SUCCEEDED: (
        Reason.DELETION_COMPLETED,
        Reason.ALREADY_ABSENT,
        Reason.VERIFIED_ABSENT,
        Reason.TARGET_REPLACED,
    ),
    Phase.FAILED: (
        Reason.JOB_FAILED,
        Reason.BACKOFF_LIMIT_EXCEEDED,
        Reason.REJECTED,
        Reason.TARGET_ABSENT,
        Reason.PRECONDITION_FAILED,
        Reason.PRECONDITION_UNVERIFIABLE,
        Reason.STILL_LISTED,
        Reason.TARGET_NEWER_THAN_REQUEST,
        Reason.DEADLINE_EXCEEDED,
        Reason.OUTCOME_UNKNOWN,
        Reason.RESTORED_FROM_BACKUP,
        Reason.INVALID_SPEC,
        Reason.WITHDRAWN,
        Reason.NOT_ALLOWED,
        Reason.PROTECTED,
    ),
}
"""Each is a series from the start: where a counter first appears as 1, `increase` sees no growth."""

RUN_ENDS = tuple(result for result in Result if result is not Result.CREATING)

NEVER_LEFT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""The errors of a DELETE that was certainly not sent."""


class Metrics:
    def __init__(self) -> None:
        # One series more for each counter, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client types it not
        self.registry = registry = CollectorRegistry()
        self.requests = Gauge(
            "moorcheh_operator_requests",
            "Requests that have not ended, by phase. The same at every replica.",
            ["phase"],
            registry=registry,
        )
        self.oldest = Gauge(
            "moorcheh_operator_oldest_unfinished_request_age_seconds",
            "Age of the oldest request that has not ended and is not suspended; 0 if there is none.",
            registry=registry,
        )
        self.ended = Counter(
            "moorcheh_operator_requests_ended",
            "Requests that ended, by phase and reason.",
            ["phase", "reason"],
            registry=registry,
        )
        self.submit_seconds = Histogram(
            "moorcheh_operator_request_submit_duration_seconds",
            "From a request's creation to the job that the server gave its first attempt.",
            buckets=LIFE_SECONDS,
            registry=registry,
        )
        self.end_seconds = Histogram(
            "moorcheh_operator_request_duration_seconds",
            "From a request's creation to its end.",
            buckets=LIFE_SECONDS,
            registry=registry,
        )
        self.items_removed = Counter(
            "moorcheh_operator_items_removed",
            "Items that the jobs of ended requests reported as removed.",
            registry=registry,
        )
        self.verifications = Counter(
            "moorcheh_operator_verifications",
            "Ends by what the listing showed then (status.verification).",
            ["result"],
            registry=registry,
        )
        self.deletes_sent = Counter(
            "moorcheh_operator_deletes_sent",
            "DELETE requests that left for the Moorcheh server, or may have.",
            registry=registry,
        )
        self.moorcheh_calls = Histogram(
            "moorcheh_operator_moorcheh_request_duration_seconds",
            "Calls to Moorcheh by server, operation (delete, list, job) and status code or error's name.",
            ["server", "operation", "code"],
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self.api_calls = Counter(
            "moorcheh_operator_kubernetes_requests",
            "Calls to the API server by verb (PATCH: a status write) and status code, or error. No watches.",
            ["verb", "code"],
            registry=registry,
        )
        self.job_slots_used = Gauge(
            "moorcheh_operator_job_slots_used", "Deletion jobs that may be running.", registry=registry
        )
        self.job_slots = Gauge(
            "moorcheh_operator_job_slots",
            "Sum of the servers' limits for jobs at once; 0: a server has none.",
            registry=registry,
        )
        self.servers_file_good = Gauge(
            "moorcheh_operator_servers_file_good",
            "0 while SERVERS_FILE can't be used and the last good one stays, else 1.",
            registry=registry,
        )
        self.servers_file_good.set(1)
        self.shows_creation_times = Gauge(
            "moorcheh_operator_server_shows_creation_times",
            "1 where a server shows creation times, 0 where not; no series before its listing has told.",
            ["server"],
            registry=registry,
        )
        self.leader = Gauge(
            "moorcheh_operator_leader", "1 while this process leads, else 0.", registry=registry
        )
        self.loop_lag = Gauge(
            "moorcheh_operator_loop_lag_seconds",
            "How late the event loop woke a sleeper: the worst of the last minute.",
            registry=registry,
        )
        self.list_age = Gauge(
            "moorcheh_operator_list_age_seconds",
            "Time since the last complete list of requests, or since the start.",
            registry=registry,
        )
        self.policies = Gauge(
            "moorcheh_operator_policies",
            "Cleanup policies, by state: ready, suspended, stalled. Only at the leader.",
            ["state"],
            registry=registry,
        )
        self.policy_runs = Counter(
            "moorcheh_operator_policy_runs",
            "Runs of cleanup policies that are over, by result.",
            ["result"],
            registry=registry,
        )
        Info("moorcheh_operator_build", "What is running.", registry=registry).info(
            {"version": __version__, "python_version": platform.python_version()}
        )
        for result in RUN_ENDS:
            self.policy_runs.labels(str(result))
        self.show_policies(())
        for phase, reasons in ENDS.items():
            for reason in reasons:
                self.ended.labels(str(phase), str(reason))
        for shown in VerificationResult:
            self.verifications.labels(str(shown))

    def count_api_call(self, verb: str, code: str) -> None:
        self.api_calls.labels(verb, code).inc()

    def time_moorcheh_call(
        self, operation: str, code: str, seconds: float, server: str = DEFAULT_SERVER
    ) -> None:
        self.moorcheh_calls.labels(server, operation, code).observe(seconds)
        if operation == "delete" and code not in NEVER_LEFT:
            self.deletes_sent.inc()

    def count_write(self, before: Status, after: Request, age: float) -> None:
        """`age`: seconds since the request's creation."""
        status = after.status
        if status.phase == before.phase:
            return
        if status.phase is Phase.RUNNING and status.attempt is not None and status.attempt.number == 1:
            self.submit_seconds.observe(age)
        if status.phase in ENDED:
            self.ended.labels(str(status.phase), str(status.reason)).inc()
            self.end_seconds.observe(age)
            self.items_removed.inc(status.deleted_items or 0)
            if status.verification is not None:
                self.verifications.labels(status.verification.result).inc()

    def show_policies(self, statuses: Iterable[PolicyStatus]) -> None:
        counts = dict.fromkeys(("ready", "suspended", "stalled"), 0)
        for status in statuses:
            reasons = {condition.type: condition.reason for condition in status.conditions}
            state = "stalled" if "Stalled" in reasons else "ready"
            counts["suspended" if reasons.get("Ready") == "Suspended" else state] += 1
        for state, count in counts.items():
            self.policies.labels(state).set(count)

    def show_servers(self, dated: Mapping[str, bool]) -> None:
        """By name: whether it shows creation times."""
        self.shows_creation_times.clear()
        for server, shows in dated.items():
            self.shows_creation_times.labels(server).set(shows)

    def show_requests(self, phases: Iterable[Phase]) -> None:
        counts = {phase: 0 for phase in Phase if phase not in ENDED}
        for phase in phases:
            counts[phase] = counts.get(phase, 0) + 1
        for phase, count in counts.items():
            if phase not in ENDED:
                self.requests.labels(str(phase)).set(count)
