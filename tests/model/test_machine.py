"""The real reconciler among faults drawn at random: whatever their order, the invariants hold and all ends.

`MODEL_EXAMPLES=2000` looks longer.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from moorcheh_operator.servers.definitions import NameReuse
from tests.model.api_server import WriteFault
from tests.model.bench import ENDED, Bench, Process
from tests.model.moorcheh_server import SendFault

TARGETS = some.sampled_from(("documents", "pictures"))
FIND_ONLY = (Phase.explicit, Phase.generate)  # for the mutation gate: that it fails is enough
MOMENTS = (0.005, 0.02, 0.05, 0.3, 1.0, 2.5, 6.0, 16.0, 40.0, 70.0, 130.0)

WRITE_FAULTS = some.one_of(
    some.just(WriteFault(lands=None)),
    some.just(WriteFault(answers=None)),
    some.builds(WriteFault, lands=some.sampled_from((1.0, 3.0, 8.0, 20.0)), answers=some.none()),
    some.builds(WriteFault, answers=some.sampled_from((1.0, 4.0, 7.0, 14.0))),
    some.builds(WriteFault, answers=some.sampled_from((0.01, 3.0)), code=some.sampled_from((422, 500))),
)
SEND_FAULTS = some.one_of(
    some.builds(
        SendFault, some.sampled_from(("unsent", "lost", "refused", "reset", "reset", "no job id", "rejected"))
    ),
    some.builds(SendFault, some.just("late"), some.sampled_from((2.0, 20.0, 55.0))),
    some.builds(SendFault, some.just("slow"), some.sampled_from((1.0, 10.0, 25.0))),
)


class Machine(RuleBasedStateMachine):
    bench: Bench

    @initialize(
        offset=some.sampled_from((0.0, 0.0, -3600.0, 3600.0, 0.7)),
        slots=some.sampled_from((10, 10, 1, 0)),
        job_seconds=some.sampled_from((0.5, 3.0, 30.0, 200.0)),
        hides_times=some.sampled_from((False, False, False, True)),
        leaves_early=some.booleans(),
        name_reuse=some.sampled_from(NameReuse),
    )
    def begin(
        self,
        offset: float,
        slots: int,
        job_seconds: float,
        hides_times: bool,
        leaves_early: bool,
        name_reuse: NameReuse,
    ) -> None:
        self.bench = Bench(offset=offset, max_running_jobs=slots, name_reuse=name_reuse)
        self.name_reuse = name_reuse
        self.server, self.api = self.bench.server, self.bench.api
        self.server.job_seconds = job_seconds
        self.server.hides_times = hides_times
        self.server.leaves_early = leaves_early
        for name in ("documents", "pictures"):
            self.server.create(name)
        self.bench.let_pass(20.0)
        self.bench.start()

    def process(self, which: int) -> Process | None:
        running = self.bench.processes
        return running[which % len(running)] if running else None

    # Users

    @rule(
        target_name=TARGETS,
        suspend=some.sampled_from((False, False, False, True)),
        backoff=some.integers(0, 3),
        deadline=some.sampled_from((86400, 86400, 60)),
        created_before=some.sampled_from((None, None, None, "2026-11-23T12:00:30Z")),
        max_items=some.sampled_from((None, None, None, 0, 100)),
    )
    def apply(
        self,
        target_name: str,
        suspend: bool,
        backoff: int,
        deadline: int,
        created_before: str | None,
        max_items: int | None,
    ) -> None:
        if len(self.api.objects) >= 6 or self.api.ended is not None:
            return
        preconditions: dict[str, Any] = {}
        if created_before is not None:
            preconditions["createdBefore"] = created_before
        if max_items is not None:
            preconditions["maxItems"] = max_items
        self.bench.request(
            target_name,
            suspend=suspend,
            backoffLimit=backoff,
            activeDeadlineSeconds=deadline,
            preconditions=preconditions,
        )
        self.bench.let_pass(0.001)

    def an_object(self, which: int) -> str | None:
        names = sorted(self.api.objects)
        return names[which % len(names)] if names else None

    @rule(which=some.integers(0, 5), suspend=some.booleans())
    def suspend_or_approve(self, which: int, suspend: bool) -> None:
        name = self.an_object(which)
        if name is None or (suspend and self.bench.status(name).get("phase") in ("Submitting", "Running")):
            return
        self.api.edit(name, suspend=suspend)

    @rule(which=some.integers(0, 5))
    def label(self, which: int) -> None:
        if (name := self.an_object(which)) is not None:
            self.api.touch(name)

    @rule(which=some.integers(0, 5))
    def delete_the_object(self, which: int) -> None:
        if (name := self.an_object(which)) is not None:
            self.bench.remove(name)

    @rule(which=some.integers(0, 5))
    def delete_what_a_finalizer_keeps(self, which: int) -> None:
        if (name := self.an_object(which)) is not None:
            self.api.withdraw(name)

    @rule(again=some.sampled_from((True, False, False)))
    def the_kubernetes_namespace_is_deleted(self, again: bool) -> None:
        if again and self.api.ended is not None:
            self.bench.replace_namespace()
        else:
            self.bench.end_namespace()

    @rule(seconds=some.sampled_from((0.5, 8.0, 70.0)))
    def nobody_can_tell_whether_it_is(self, seconds: float) -> None:
        self.api.vague_until = self.bench.loop.time() + seconds

    # Time

    @rule(seconds=some.sampled_from(MOMENTS))
    def time_passes(self, seconds: float) -> None:
        self.bench.let_pass(seconds)

    @rule(seconds=some.sampled_from(MOMENTS))
    def more_time_passes(self, seconds: float) -> None:
        self.bench.let_pass(seconds)

    # Operators

    @rule(which=some.integers(0, 1))
    def crash(self, which: int) -> None:
        if (process := self.process(which)) is not None:
            self.bench.kill(process)

    @precondition(lambda self: len(self.bench.processes) < 2)
    @rule()
    def start(self) -> None:
        if len(self.bench.processes) < 2:
            self.bench.start()

    @rule(which=some.integers(0, 1), leads=some.sampled_from((True, True, False)))
    def lead(self, which: int, leads: bool) -> None:
        if (process := self.process(which)) is not None and process.leads != leads:
            process.leads = leads
            process.reconciler.leadership_changed()

    # The API server and the watch

    @rule(which=some.integers(0, 1), fault=WRITE_FAULTS, after=some.integers(0, 2))
    def a_write_goes_wrong(self, which: int, fault: WriteFault, after: int) -> None:
        if (process := self.process(which)) is not None:
            process.trouble.writes.extend([WriteFault()] * after)
            process.trouble.writes.append(fault)

    @rule(which=some.integers(0, 1), seconds=some.sampled_from((1.0, 10.0, 90.0)))
    def api_server_is_down(self, which: int, seconds: float) -> None:
        if (process := self.process(which)) is not None:
            process.trouble.down_until = self.bench.loop.time() + seconds

    @rule(which=some.integers(0, 1), lag=some.sampled_from((0.01, 1.0, 10.0, 45.0)))
    def watch_lags(self, which: int, lag: float) -> None:
        if (process := self.process(which)) is not None:
            process.trouble.watch_lag = lag

    @rule(which=some.integers(0, 1), seconds=some.sampled_from((5.0, 90.0)))
    def watch_is_deaf(self, which: int, seconds: float) -> None:
        if (process := self.process(which)) is not None:
            process.trouble.deaf_until = self.bench.loop.time() + seconds

    # Moorcheh

    @rule(name=TARGETS)
    def the_owner_creates_it_anew(self, name: str) -> None:
        """Where it was said that nobody does so while a request is open, nobody does."""
        if self.name_reuse is NameReuse.POSSIBLE or not self.is_open(name):
            self.server.create(name)

    def is_open(self, target: str) -> bool:
        """Also one whose object is gone: its DELETE may be under way."""
        return any(record.target == target and record.ended is None for record in self.bench.records.values())

    @rule(fault=SEND_FAULTS)
    def a_delete_goes_wrong(self, fault: SendFault) -> None:
        self.server.send_faults.append(fault)

    @rule()
    def a_job_fails(self) -> None:
        self.server.fails += 1

    @rule(keeps=some.booleans())
    def server_restarts(self, keeps: bool) -> None:
        self.server.restart(keeps=keeps)

    @rule(seconds=some.sampled_from((0.5, 8.0, 70.0)))
    def listing_is_down(self, seconds: float) -> None:
        self.server.down_until = self.bench.loop.time() + seconds

    @rule(seconds=some.sampled_from((3.0, 70.0)))
    def polls_are_down(self, seconds: float) -> None:
        self.server.polls_down_until = self.bench.loop.time() + seconds

    @rule()
    def creation_times_come_and_go(self) -> None:
        self.server.hides_times = not self.server.hides_times

    # The end

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        if self.bench.wrong:
            self.bench.close()
            return
        try:
            self.stop_the_faults()
            for _ in range(40):
                self.bench.let_pass(60.0)
                if not (waiting := self.unfinished()):
                    self.each_end_was_told_once()
                    return
            for _ in range(24):
                self.bench.let_pass(300.0)
            waiting = self.unfinished()
            assert not waiting, f"I4: never ended: {waiting}"
        finally:
            self.bench.close()

    def each_end_was_told_once(self) -> None:
        """By whoever wrote it; a process that died may not have come to it, nor one whose object is gone."""
        told, ends = self.bench.ends_told(), self.bench.ends()
        all_alive = len(self.bench.processes) == len(self.bench.metrics)
        removed = any(record.removed is not None for record in self.bench.records.values())
        assert told == ends if all_alive and not removed else told <= ends

    def stop_the_faults(self) -> None:
        if not self.bench.processes:
            self.bench.start()
        for process in self.bench.processes:
            process.trouble.writes.clear()
            process.trouble.down_until = process.trouble.deaf_until = 0.0
            process.trouble.watch_lag = 0.01
            process.leads = True
            process.reconciler.leadership_changed()
        self.server.send_faults.clear()
        self.api.vague_until = 0.0
        if self.api.ended is not None:
            self.bench.replace_namespace()
        self.server.fails = 0
        self.server.down_until = self.server.polls_down_until = 0.0
        for name, body in list(self.api.objects.items()):
            if body["spec"].get("suspend") and body["status"].get("phase") not in ENDED:
                self.api.edit(name, suspend=False)

    def unfinished(self) -> dict[str, object]:
        return {
            name: body["status"]
            for name, body in self.api.objects.items()
            if body["status"].get("phase") not in ENDED
        }


Machine.TestCase.settings = settings(
    max_examples=int(os.environ.get("MODEL_EXAMPLES", "150")),
    stateful_step_count=40,
    deadline=None,
    phases=FIND_ONLY if "MODEL_FIND_ONLY" in os.environ else tuple(Phase),
    suppress_health_check=list(HealthCheck),
)
TestWhateverGoesWrong = Machine.TestCase
