"""What an operator may do next by what it knows: the rules of design section 3, one step at a time."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.nature import land, patched, viewed
from tests.model.protocol import (
    ABSENT,
    ENDED,
    FAILED,
    NONE,
    OPEN,
    PENDING,
    RUNNING,
    SUBMITTING,
    SUCCEEDED,
    Delete,
    Rules,
    Setting,
    Status,
    Task,
    World,
    Write,
    swap,
)
from tests.model.search import Move

GONE, REPLACED, SAME, UNCLEAR = "gone", "replaced", "same", "unclear"


class Operators:
    def __init__(self, setting: Setting, rules: Rules) -> None:
        self._setting = setting
        self._rules = rules

    def moves(self, world: World) -> Iterator[Move[World]]:
        for operator, tasks in enumerate(world.operators):
            for request, task in enumerate(tasks or ()):
                if task.view is None:
                    if world.requests[request].made:
                        yield from self._see(world, operator, request, task)
                elif task.view.phase not in ENDED:
                    yield from Steps(self._setting, self._rules, world, operator, request, task).moves()
                    yield from self._see(world, operator, request, task)

    @staticmethod
    def _see(world: World, operator: int, request: int, task: Task) -> Iterator[Move[World]]:
        if not task.current:
            fresh = viewed(task, world.requests[request].status)
            yield Move(f"operator {operator} reads {request}", with_task(world, operator, request, fresh))


def with_task(world: World, operator: int, request: int, task: Task) -> World:
    tasks = world.operators[operator]
    assert tasks is not None
    return world.but(operators=swap(world.operators, operator, swap(tasks, request, task)))


class Steps:
    """Of one operator about one request."""

    def __init__(
        self, setting: Setting, rules: Rules, world: World, operator: int, request: int, task: Task
    ) -> None:
        assert task.view is not None
        self._setting, self._rules, self._world = setting, rules, world
        self._operator, self._request, self._task = operator, request, task
        self._truth = world.requests[request]
        self._view = task.view
        self._tasks = world.operators[operator] or ()

    def moves(self) -> Iterator[Move[World]]:
        match self._view.phase:
            case "Pending" if not self._truth.held:
                yield from self._behind() if self._blocked() else self._pending()
            case "Submitting":
                yield from self._submitting()
            case "Running":
                yield from self._running()

    # Words

    def _label(self, words: str) -> str:
        return f"operator {self._operator}, request {self._request}: {words}"

    def _now(self, words: str, task: Task) -> Move[World]:
        return Move(self._label(words), with_task(self._world, self._operator, self._request, task))

    def _write(self, kind: str, new: Status, task: Task | None = None) -> Iterator[Move[World]]:
        """By compare-and-set: on a stale view it does nothing, so only a late one needs to be told apart."""
        words = self._label(f"writes {new.phase} ({kind})")
        world = self._world if task is None else with_task(self._world, self._operator, self._request, task)
        if self._task.current:
            landed, broken = land(world, self._request, new, self._operator, self._rules.blind_writes)
            yield Move(words, landed, broken=broken)
        elif kind in self._rules.blind_writes:
            blind = patched(world, Write(self._request, kind, self._view, new))
            landed, broken = land(world, self._request, blind, self._operator, self._rules.blind_writes)
            yield Move(f"{words}, on a stale view", landed, broken=broken)
        yield from self._write_late(kind, new, self._world, words)

    def _write_late(self, kind: str, new: Status, world: World, words: str) -> Iterator[Move[World]]:
        if not self._task.current or not world.faults.late_writes:
            return
        if kind == "claim":
            # Its sender reads, does not find it, and knows that nothing was sent for it.
            unsent = self._task.but(own=new.attempt, hand="unsent", back=self._view, looks=())
            world = with_task(world, self._operator, self._request, unsent)
            world = self._with_ids(world, new.attempt)
        old = self._view if kind in self._rules.blind_writes else new
        late = world.but(
            writes=(*world.writes, Write(self._request, kind, old, new)),
            faults=world.faults.but(late_writes=world.faults.late_writes - 1),
        )
        yield Move(f"{words}, and it is late", late, fault=True)

    def _end(self, phase: str, why: str, over: str | None = None) -> Iterator[Move[World]]:
        ended = self._view.but(phase=phase, busy=False, verifying=False)
        if over is not None:
            ended = ended.but(over=over)
        yield from self._write(f"end: {why}", ended)

    # What it knows

    def _blocked(self) -> bool:
        """Rule 10, by this operator's own views."""
        held_by = min(
            (
                (0 if view.phase in OPEN and not self._rules.oldest_takes_all else 1, number)
                for number, task in enumerate(self._tasks)
                if (view := task.view) is not None
                and view.phase not in ENDED
                and not self._world.requests[number].held
            ),
            default=(0, self._request),
        )
        return held_by[1] != self._request

    def _strict(self) -> bool:
        """Another request for the target ended after this one was made (rule 8)."""
        if self._rules.tolerance_for_all:
            return False
        seen = any(task.view is not None and task.view.phase in ENDED for task in self._tasks)
        return self._task.queued or self._view.busy or (seen and self._truth.rival_ended)

    def _bound(self) -> int:
        if self._rules.looks_rebind and self._task.looks and self._task.looks[-1] != ABSENT:
            return self._task.looks[-1]
        return self._view.target if self._view.target != NONE else self._task.bound

    def _sight(self, look: int) -> str:
        if look == ABSENT:
            return GONE
        if not self._setting.dated:
            known = self._setting.never_reused and not self._task.was_gone
            return SAME if known and self._view.phase == PENDING and self._view.attempt else UNCLEAR
        bound = self._bound()
        if look > bound != NONE:
            return REPLACED
        return SAME if look == bound else UNCLEAR

    def _newer(self, look: int) -> bool:
        limit = self._truth.old if self._strict() else self._truth.tolerated
        return look > limit if self._setting.dated else self._strict()

    # Steps

    def _look(self) -> Move[World]:
        look, task = self._world.present, self._task
        first = self._view.phase == PENDING and self._view.attempt == 0  # one look is enough for it
        agree = bool(task.looks) and not first and self._sight(task.looks[0]) == self._sight(look)
        looks = (task.looks[0], look) if agree else (look,)
        was_gone = task.was_gone or (self._setting.never_reused and not first and look == ABSENT)
        bound = look if task.bound == NONE else task.bound
        return self._now(f"looks: {look}", task.but(looks=looks, bound=bound, was_gone=was_gone))

    def _agreed(self) -> str | None:
        return self._sight(self._task.looks[-1]) if len(self._task.looks) > 1 else None

    def _behind(self) -> Iterator[Move[World]]:
        look, task = self._world.present, self._task
        if not task.queued:
            bound = look if task.bound == NONE else task.bound
            yield self._now(
                f"stands behind another, looks: {look}",
                task.but(queued=True, bound=bound, looks=()),
            )
        elif not self._view.busy:
            busy = self._view.but(busy=True, target=self._bound())
            yield from self._write("wait", busy)

    def _pending(self) -> Iterator[Move[World]]:
        looks = self._task.looks
        first = self._view.attempt == 0
        if len(looks) < (1 if first else 2) or (first and self._world.present != looks[-1]):
            yield self._look()
        if not looks:
            return
        if self._view.target == NONE or self._view.busy or self._rules.looks_rebind:
            waits = self._view.but(target=self._bound(), busy=False)
            if waits != self._view and waits.target != NONE:
                yield from self._write("wait", waits)
        verdict = self._sight(looks[-1]) if first else self._agreed()
        if verdict is None:
            return
        yield from self._first(verdict) if first else self._further(verdict)

    def _first(self, verdict: str) -> Iterator[Move[World]]:
        if verdict == GONE:
            yield from self._end(SUCCEEDED, "absent")
        elif verdict == REPLACED:
            yield from self._end(SUCCEEDED, "replaced")
        elif self._newer(self._task.looks[-1]):
            yield from self._end(FAILED, "newer than the request")
        else:
            yield from self._claim()

    def _further(self, verdict: str) -> Iterator[Move[World]]:
        any_incarnation = self._rules.retry_any_incarnation and verdict != GONE
        if self._view.number > self._setting.limit:
            yield from self._end(FAILED, "limit")
        elif verdict == SAME or any_incarnation:
            if self._newer(self._task.looks[-1]):
                yield from self._end(FAILED, "newer than the request")
            else:
                yield from self._claim()
        elif verdict == REPLACED or (verdict == GONE and self._view.over == "unknown"):
            yield from self._end(SUCCEEDED, verdict)
        else:
            yield from self._end(FAILED, verdict)

    def _claim(self) -> Iterator[Move[World]]:
        look = self._task.looks[-1]
        target = self._view.target if self._view.target != NONE else self._bound()
        if self._rules.looks_rebind:
            target = look
        fresh = self._truth.ids + 1
        if self._rules.keep_attempt_id and self._view.attempt:
            fresh = self._view.attempt
        claimed = Status(SUBMITTING, self._view.number + 1, fresh, target=target)
        won = self._task.but(own=fresh, hand="won", seen=look, back=self._view)
        for move in self._write("claim", claimed, won):
            yield move._replace(state=self._with_won(move.state, won, fresh))

    def _with_won(self, world: World, won: Task, attempt: int) -> World:
        """Where the claim landed, its winner keeps what it needs to send."""
        world = self._with_ids(world, attempt)
        tasks = world.operators[self._operator]
        assert tasks is not None
        mine = tasks[self._request]
        if mine.view is None or mine.view.phase != SUBMITTING or mine.view.attempt != attempt:
            return world
        mine = mine.but(own=attempt, hand="won", seen=won.seen, back=won.back)
        return with_task(world, self._operator, self._request, mine)

    def _with_ids(self, world: World, attempt: int) -> World:
        truth = world.requests[self._request]
        truth = truth.but(ids=max(truth.ids, attempt))
        return world.but(requests=swap(world.requests, self._request, truth))

    def _submitting(self) -> Iterator[Move[World]]:
        if self._task.own != self._view.attempt:
            if self._rules.resume_attempts:
                seen = self._world.present
                yield self._now(
                    "takes up the attempt",
                    self._task.but(own=self._view.attempt, hand="won", seen=seen, back=None),
                )
            yield from self._verifying()
            return
        match self._task.hand:
            case "won":
                yield self._send()
                if self._task.back is not None and self._world.faults.lost:
                    unsent = self._now("could not send", self._task.but(hand="unsent"))
                    faults = self._world.faults.but(lost=self._world.faults.lost - 1)
                    yield unsent._replace(state=unsent.state.but(faults=faults), fault=True)
            case "accepted":
                job = 0 if self._setting.jobless else self._task.job
                running = self._view.but(phase=RUNNING, job=job, verifying=False)
                yield from self._write("job", running)
            case "unsent":
                back = self._task.back
                assert back is not None
                pending = self._view.but(
                    phase=PENDING,
                    number=back.number,
                    attempt=back.attempt,
                    job=back.job,
                    over=back.over,
                    verifying=False,
                )
                yield from self._write("back", pending)
            case "unclear" | "answered":
                yield from self._verifying()

    def _send(self) -> Move[World]:
        attempt, truth = self._view.attempt, self._truth
        delete = Delete(self._request, attempt, self._view.number, self._task.seen)
        broken = self._wrong_send()
        sent = truth.but(sent=tuple(sorted({*truth.sent, attempt})))
        world = with_task(self._world, self._operator, self._request, self._task.but(hand="sent"))
        world = world.but(
            requests=swap(world.requests, self._request, sent), deletes=(*world.deletes, delete)
        )
        return Move(self._label(f"sends the DELETE of attempt {attempt}"), world, broken=broken)

    def _wrong_send(self) -> str | None:
        request, world = self._request, self._world
        if self._view.attempt in self._truth.sent:
            return f"a second DELETE for attempt {self._view.attempt} of request {request}"
        ended = {
            job.attempt for job in world.jobs if job.request == request and job.state in ("failed", "unknown")
        }
        if not ended.issuperset(self._truth.sent):
            return f"request {request} sends again, and the server did not end what it sent before"
        under_way = {job.request for job in world.jobs if job.state == "running"}
        under_way |= {delete.request for delete in world.deletes}
        for other in under_way - {request}:
            # Of one that ended the outcome was unknown, and its time to verify is over.
            if self._setting.operators == 1 and world.requests[other].status.phase not in ENDED:
                return f"request {request} sends while request {other} has the target"
        return None

    def _verifying(self) -> Iterator[Move[World]]:
        view = self._view
        if not view.verifying and self._setting.operators > 1:
            yield from self._write("wait", view.but(verifying=True))
        if not (self._settled() or self._task.hand == "answered" or self._rules.verdict_unsettled):
            return
        if len(self._task.looks) < 2:
            yield self._look()
        match self._agreed():
            case "gone" | "replaced" as verdict:
                yield from self._end(SUCCEEDED, verdict)
            case "same" | "unclear":
                yield from self._end(FAILED, "outcome unknown")
                if self._rules.retry_after_unknown:
                    again = view.but(phase=PENDING, over="unknown", verifying=False)
                    yield from self._write("retry", again)

    def _settled(self) -> bool:
        """So much time has passed that no DELETE of the attempt is under way, and nobody waits to send it."""
        attempt = self._view.attempt
        in_flight = any(
            delete.request == self._request and delete.attempt == attempt for delete in self._world.deletes
        )
        about_to = any(
            tasks is not None
            and tasks[self._request].own == attempt
            and tasks[self._request].hand in ("won", "sent")
            for tasks in self._world.operators
        )
        return not in_flight and not about_to

    def _running(self) -> Iterator[Move[World]]:
        if self._setting.jobless:
            yield from self._accepted()
            return
        view = self._view
        yield from self._write_late("progress", view, self._world, self._label("writes progress"))
        job = next(job for job in self._world.jobs if job.id == view.job)
        if job.state == "done":
            yield from self._end(SUCCEEDED, "completed")
        elif job.state == "failed" and view.number > self._setting.limit:
            yield from self._end(FAILED, "limit", over="failed")
        elif job.state != "running":
            yield from self._write("retry", view.but(phase=PENDING, over=job.state))

    def _accepted(self) -> Iterator[Move[World]]:
        """Nothing but the listing tells; or its time is over."""
        if len(self._task.looks) < 2:
            yield self._look()
        verdict = self._agreed()
        if verdict in (GONE, REPLACED):
            yield from self._end(SUCCEEDED, verdict)
        elif verdict is not None and self._rules.retry_without_job:
            yield from self._write("retry", self._view.but(phase=PENDING, over="unknown"))
        else:
            yield from self._end(FAILED, "deadline")
