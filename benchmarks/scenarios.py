"""What is measured: how many requests, when they come, and what is there already."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.peers import GO, KOPF, OURS

ALL = (OURS, KOPF, GO)


@dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    """In words, for the page."""
    requests: int = 0
    job_seconds: float = 2.0
    before_start: bool = False
    """The requests are there when the operator starts."""
    finished: int = 0
    """Requests that have ended, there when the operator starts."""
    bystanders: int = 0
    """Namespaces in the listing that nobody asks to delete."""
    listing_seconds: float = 0.0
    """How long the stand-in takes over each listing, next to making it."""
    idle_seconds: float = 0.0
    one_by_one: bool = False
    """Each request is made when the one before it has ended; the first one only warms up."""
    peers: tuple[str, ...] = ALL
    """Who is measured where nobody is named: those beside whom the figures tell something."""
    once: bool = False
    """However often the others are repeated: it takes a minute or more, and its figures hardly vary."""

    @property
    def starts_with_objects(self) -> bool:
        return self.before_start or self.finished > 0

    @property
    def most_seconds(self) -> float:
        """The bound for all requests to end, and for the operator to come to rest."""
        return 120.0 + self.job_seconds + 0.1 * max(self.requests, self.finished)


def burst(requests: int) -> Scenario:
    return Scenario(f"burst-{requests}", f"{requests:,} at once, jobs of 2 s", requests)


BURSTS = (20, 200, 2000)
SINGLE = Scenario(
    "single", "one alone, 24 times, jobs of 0.2 s", 25, job_seconds=0.2, one_by_one=True, peers=(OURS, GO)
)
MINUTE = Scenario(
    "minute-200", "200 at once, jobs of 1 minute", 200, job_seconds=60.0, peers=(OURS, GO), once=True
)
BACKLOG = Scenario(
    "backlog-2000",
    "2,000 found at the start, jobs of 2 s",
    2000,
    before_start=True,
    peers=(OURS,),
    once=True,
)
FINISHED = Scenario(
    "finished-10000", "10,000 finished ones at the start", finished=10_000, peers=(OURS,), once=True
)
LISTING = Scenario(
    "listing-2000",
    "2,000 at once, 10,000 other namespaces in a listing that takes the server 0.1 s",
    2000,
    bystanders=10_000,
    listing_seconds=0.1,
    peers=(OURS,),
    once=True,
)
IDLE = Scenario(
    "idle-60",
    "1,000 finished ones, 60 s of nothing to do",
    finished=1000,
    idle_seconds=60.0,
    peers=(OURS, GO),
    once=True,
)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (SINGLE, *map(burst, BURSTS), BACKLOG, MINUTE, FINISHED, LISTING, IDLE)
}


def scenario(name: str) -> Scenario:
    """One of SCENARIOS, or `burst-N` of any size. KeyError if there is none such."""
    kind, _, size = name.partition("-")
    return burst(int(size)) if kind == "burst" and size.isdecimal() and int(size) > 0 else SCENARIOS[name]
