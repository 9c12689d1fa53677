"""The figures of `benchmarks.scale` as a table, and its place in docs/scale.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.machine import ROOT
from benchmarks.scale import BURST, DAILY

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.machine import Machine
    from benchmarks.scale import Step, Used

PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- written by python -m benchmarks scale --write: begin -->", "<!-- end -->"
MIB = 1024 * 1024
DAY = 86_400

ROWS: tuple[tuple[str, Callable[[Step], str]], ...] = (
    ("One finished request in etcd, with its managedFields, bytes", lambda step: f"{step.object_bytes:,}"),
    ("etcd's file: after a compaction; and a defragmentation, MiB",
     lambda step: f"{step.compacted.file / MIB:,.0f}; {step.defragmented.file / MIB:,.0f}"),
    ("of it for each request, bytes", lambda step: f"{step.defragmented.in_use / step.finished:,.0f}"),
    ("etcd's memory; the API server's, MiB",
     lambda step: f"{step.etcd_mib:,.0f}; {step.api_server_mib:,.0f}"),
    ("The operator's memory; the most at its start, MiB",
     lambda step: f"{step.operator_mib:.0f}; {step.start_peak_mib:.0f}"),
    ("Its start: until ready, s", lambda step: f"{step.ready_seconds:.1f}"),
    ("Its start: its CPU; the API server's, s", lambda step: _two(step.start, 1)),
    ("Its start: pages of the list", lambda step: f"{_calls(step.start, 'LIST namespacedeletions')}"),
    ("An hour with nothing to do: its CPU; the API server's, beyond what that takes by itself, s",
     lambda step: f"{_idle(step, 'operator') * 3600:.1f}; {_idle(step, 'api_server') * 3600:.0f}"),
    ("One request more: its CPU; the API server's; etcd's, ms",
     lambda step: f"{_more(step, step.burst, 'operator'):.1f}; {_more(step, step.burst, 'api_server'):.1f}; "
                  f"{_more(step, step.burst, 'etcd'):.1f}"),
    ("One request more: written to etcd, before the next compaction, bytes",
     lambda step: f"{(step.burst_room[1].in_use - step.burst_room[0].in_use) / BURST:,.0f}"),
    (f"One request more: creation to DELETE, {BURST} at once, p50; p99, s",
     lambda step: f"{step.begins.p50:.1f}; {step.begins.p99:.1f}" if step.begins else ""),
    ("One deleted after its time to live: its CPU; the API server's, ms",
     lambda step: "; ".join(f"{_more(step, step.expiry, who):.1f}" for who in ("operator", "api_server"))),
    ("The API server started anew: until it is ready; its CPU, s",
     lambda step: f"{step.api_server_ready:.0f}; {step.restart.api_server:.0f}"),
    ("The API server started anew: the operator's CPU, s", lambda step: f"{step.restart.operator:.1f}"),
    (f"A day with {DAILY:,} new ones, computed of these: its CPU; the API server's, minutes",
     lambda step: f"{_day(step, 'operator') / 60:.1f}; {_day(step, 'api_server') / 60:.1f}"),
)  # fmt: skip


def figures(steps: list[Step], machine: Machine) -> str:
    head = ["Finished requests", *(f"{step.finished:,}" for step in steps)]
    rows = [head, ["---", *("--:" for _ in steps)]]
    rows += [[what, *(told(step) for step in steps)] for what, told in ROWS]
    where = (
        f"{machine.processor}, {machine.cores} cores, {machine.system}; Python {machine.python}, "
        f"kube-apiserver {machine.kubernetes}; commit {machine.commit}, {machine.day}."
    )
    return "\n".join([where, "", *(f"| {' | '.join(row)} |" for row in rows)])


def write(steps: list[Step], machine: Machine) -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{figures(steps, machine)}\n{END}{after}")


def _two(used: Used, digits: int) -> str:
    return f"{used.operator:.{digits}f}; {used.api_server:.{digits}f}"


def _calls(used: Used, call: str) -> int:
    return used.calls.get(call, 0)


def _idle(step: Step, what: str) -> float:
    """CPU a second, without what is used where no operator runs."""
    quiet = float(getattr(step.quiet, what)) / step.quiet.seconds
    return max(float(getattr(step.idle, what)) / step.idle.seconds - quiet, 0.0)


def _more(step: Step, used: Used, what: str) -> float:
    """ms for one of the burst, without what is used where nothing is to do."""
    idle = float(getattr(step.idle, what)) / step.idle.seconds
    return max(float(getattr(used, what)) - idle * used.seconds, 0.0) * 1000 / BURST


def _day(step: Step, what: str) -> float:
    each = _more(step, step.burst, what) + _more(step, step.expiry, what)
    return each * DAILY / 1000 + _idle(step, what) * DAY
