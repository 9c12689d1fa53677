"""Namespaces and their deletion jobs: what they are, and how far a job has come at a given moment."""

from dataclasses import asdict, dataclass, field
from typing import Any

from dev.moorcheh.clock import Moment, iso
from dev.moorcheh.faults import Faults


@dataclass(slots=True, eq=False)
class Namespace:
    """One incarnation of a namespace; the same name created again is another one."""

    name: str
    type: str
    vector_dimension: int | None
    items: int
    created: float
    """Server time; what the listing shows."""
    born: float
    """The same in true time, for the harness."""
    incarnation: str
    precious: bool = False
    """Nobody asked to delete this one: the harness' mark."""
    seconds: float | None = None
    """How long its deletion takes; None: as the knobs say."""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Recreation:
    """Somebody creates the namespace anew: `seconds` after the job's `end`, or after the `accept`."""

    when: str
    seconds: float = 0.0
    items: int = 1
    precious: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job will go: it completes, fails or gets stuck after a `fraction` of the items."""

    outcome: str = "completed"
    fraction: float = 1.0
    last_error: str | None = None
    falling: bool = False
    """Report `deleted_items` counting down."""
    report: dict[str, Any] | None = None
    """Fields of the report to overwrite, with whatever nonsense."""
    recreation: Recreation | None = None


NONSENSE: dict[str, Any] = {"status": "🦆", "total_items": -1, "deleted_items": "many", "started_at": 12}


def plan(faults: Faults, name: str) -> Plan:
    """The plan for a job that starts now, from the rules for `run` and `recreate`, which are used up."""
    rule, again = faults.take("run", name), faults.take("recreate", name)
    recreation = None
    if again is not None:
        chosen = {key: again.options[key] for key in ("seconds", "items", "precious") if key in again.options}
        recreation = Recreation(again.kind, **chosen)
    if rule is None:
        return Plan(recreation=recreation)
    options = rule.options
    report = options.get("report", NONSENSE if rule.kind == "nonsense" else None)
    outcome = {"fail": "failed", "stuck": "stuck"}.get(rule.kind, "completed")
    fraction = 1.0 if outcome == "completed" else min(1.0, max(0.0, options.get("fraction", 0.5)))
    last_error = options.get("last_error", "the disk is full") if outcome == "failed" else None
    return Plan(outcome, fraction, last_error, rule.kind == "falling", report, recreation)


@dataclass(slots=True, eq=False)
class Job:
    """A deletion under way; how far it is is a matter of elapsed time, computed when asked."""

    job_id: str
    namespace: Namespace
    total: int
    begun: Moment
    seconds: float
    plan: Plan = field(default_factory=Plan)
    status: str = "running"
    deleted: int = 0
    finished: Moment | None = None

    @property
    def ends(self) -> float | None:
        """The monotonic time at which it ends by itself, or None."""
        if self.plan.outcome == "stuck":
            return None
        return self.begun.monotonic + self.seconds * self.plan.fraction

    def deleted_by(self, monotonic: float) -> int:
        """How many items it has removed by then; rises, and never falls."""
        if self.status != "running":
            return self.deleted
        elapsed = max(0.0, monotonic - self.begun.monotonic)
        done = elapsed / self.seconds if self.seconds > 0 else 1.0
        return int(self.total * min(done, self.plan.fraction))

    def end(self, at: Moment) -> None:
        """End as planned: all of its share of the items is gone."""
        self.deleted = int(self.total * self.plan.fraction)
        self.status = self.plan.outcome
        self.finished = at

    def report(self, now: Moment, *, whole: bool) -> dict[str, Any]:
        """The job as the API shows it."""
        deleted = self.deleted_by(now.monotonic)
        updated = self.finished or self.begun.plus(now.monotonic - self.begun.monotonic)
        if self.plan.falling and self.status == "running":
            deleted = self.total - deleted
        shown = {
            "job_id": self.job_id,
            "namespace_name": self.namespace.name,
            "status": self.status,
            "total_items": self.total,
            "deleted_items": deleted,
            "last_error": self.plan.last_error if self.status == "failed" else None,
            "started_at": iso(self.begun.server, whole=whole),
            "updated_at": iso(updated.server, whole=whole),
            "finished_at": iso(self.finished.server, whole=whole) if self.finished else None,
        }
        return {**shown, **self.plan.report} if self.plan.report else shown

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def parse(cls, data: dict[str, Any]) -> "Job":
        """A job as `as_json` wrote it."""
        again = data["plan"].pop("recreation")
        return cls(
            **{
                **data,
                "namespace": Namespace(**data["namespace"]),
                "begun": Moment(**data["begun"]),
                "plan": Plan(**data["plan"], recreation=Recreation(**again) if again else None),
                "finished": Moment(**data["finished"]) if data["finished"] else None,
            }
        )
