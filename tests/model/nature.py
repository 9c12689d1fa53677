"""What the world does around the operators: it is late, loses, crashes; and what may never come of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.model.protocol import (
    ABSENT,
    ENDED,
    NONE,
    PENDING,
    SUCCEEDED,
    Delete,
    Job,
    Rules,
    Setting,
    Status,
    Task,
    Truth,
    World,
    Write,
    all_ended,
    swap,
)
from tests.model.search import Move

NOBODY = -1


def moves(world: World, setting: Setting, rules: Rules) -> Iterator[Move[World]]:
    if all_ended(world) and not world.writes and not world.deletes:
        return
    yield from _operators(world, rules)
    yield from _requests(world)
    yield from _server(world, setting)
    yield from _owner(world, setting)
    yield from _late(world, rules)


def _operators(world: World, rules: Rules) -> Iterator[Move[World]]:
    for number, tasks in enumerate(world.operators):
        if tasks is None:
            listed = tuple(
                Task(truth.status, current=True) if truth.made else Task() for truth in world.requests
            )
            started = world.but(operators=swap(world.operators, number, listed))
            yield Move(f"operator {number} starts and lists", started)
            if rules.claim_before_list:
                one = world.but(operators=swap(world.operators, number, (*listed[:-1], Task())))
                yield Move(f"operator {number} starts, and has seen one request", one)
        elif world.faults.crashes:
            crashed = world.but(
                operators=swap(world.operators, number, None),
                faults=world.faults.but(crashes=world.faults.crashes - 1),
            )
            yield Move(f"operator {number} crashes", crashed, fault=True)


def _requests(world: World) -> Iterator[Move[World]]:
    for number, truth in enumerate(world.requests):
        if not truth.made:
            made = truth.but(made=True, old=world.born, tolerated=world.born)
            yield Move(f"request {number} is made", _with(world, number, made))
            continue
        if truth.young and truth.status.phase not in ENDED and world.faults.births:
            yield Move(f"request {number} is young no more", _with(world, number, truth.but(young=False)))
        if truth.held:
            yield Move(f"request {number} is approved", _with(world, number, truth.but(held=False)))


def _with(world: World, number: int, truth: Truth) -> World:
    return world.but(requests=swap(world.requests, number, truth))


# The owner


def _owner(world: World, setting: Setting) -> Iterator[Move[World]]:
    if not world.faults.births:
        return
    is_open = any(truth.made and truth.status.phase not in ENDED for truth in world.requests)
    if setting.never_reused and is_open and not setting.reused:
        return
    newest = world.born + 1
    truths = tuple(
        truth.but(tolerated=newest) if truth.made and truth.young else truth for truth in world.requests
    )
    born = _gone(world).but(
        present=newest,
        born=newest,
        requests=truths,
        faults=world.faults.but(births=world.faults.births - 1),
    )
    what = "creates" if world.present == ABSENT else "deletes the target and creates"
    yield Move(f"the owner {what} incarnation {newest}", born, fault=True)


def _gone(world: World) -> World:
    """The incarnation that is there is no more; a job that works on it has nothing left to do."""
    jobs = tuple(
        job.but(state="done") if job.state == "running" and job.incarnation == world.present else job
        for job in world.jobs
    )
    return world.but(present=ABSENT, jobs=jobs)


# The server


def _server(world: World, setting: Setting) -> Iterator[Move[World]]:
    for delete in world.deletes:
        rest = world.but(deletes=tuple(other for other in world.deletes if other is not delete))
        name = f"the DELETE {delete.request}/{delete.attempt}"
        arrived, answer, broken = _arrival(rest, setting, delete)
        yield Move(f"{name} arrives: {answer}", _told(arrived, delete, answer), broken=broken)
        if not world.faults.lost:
            continue
        faults = world.faults.but(lost=world.faults.lost - 1)
        if _waited_for(world, delete):
            refused = _told(_forget_sent(rest, delete).but(faults=faults), delete, "unsent")
            yield Move(f"{name} arrives: refused", refused, fault=True)
        lost = _told(rest.but(faults=faults), delete, "unclear")
        yield Move(f"{name} is lost, its sender gives up", lost, fault=True)
        if _waited_for(world, delete):
            late = _told(world.but(faults=faults), delete, "unclear")
            yield Move(f"{name} is late, its sender gives up", late, fault=True)
            unheard = _told(arrived.but(faults=faults), delete, "unclear")
            yield Move(f"{name} arrives: {answer}, and that is lost", unheard, fault=True)
    for job in world.jobs:
        if job.state == "running":
            yield from _job(world, job)


def _arrival(world: World, setting: Setting, delete: Delete) -> tuple[World, str, str | None]:
    # A target that is gone, or that a job works on already: an error that names no job.
    if world.present == ABSENT or any(
        job.state == "running" and job.incarnation == world.present for job in world.jobs
    ):
        return world, "answered", None
    number = max((job.id for job in world.jobs), default=0) + 1
    job = Job(number, delete.request, delete.attempt, world.present)
    return world.but(jobs=(*world.jobs, job)), "accepted", _destroyed(world, setting, delete)


def _destroyed(world: World, setting: Setting, delete: Delete) -> str | None:
    """What is wrong with destroying what is there, if anything."""
    truth, inc = world.requests[delete.request], world.present
    if inc != delete.seen:
        return None  # born between the look and the arrival: rule 14 does not cover it
    if setting.dated:
        if inc > truth.tolerated:
            return f"incarnation {inc} is newer than request {delete.request}, and is destroyed"
        if truth.bound not in (NONE, inc):
            return f"request {delete.request} was bound to incarnation {truth.bound} and destroys {inc}"
    elif delete.number > 1 and not setting.never_reused:
        return "a second DELETE, and nothing tells which incarnation it destroys"
    elif delete.number > 1 and inc > truth.bound:
        return f"a second DELETE of request {delete.request} destroys the newer incarnation {inc}"
    if setting.operators == 1 and truth.rival_ended and inc > truth.old:
        return f"request {delete.request} waited behind another and destroys the newer incarnation {inc}"
    return None


def _forget_sent(world: World, delete: Delete) -> World:
    """The server has refused it: nothing came of it, and nothing will."""
    truth = world.requests[delete.request]
    sent = tuple(attempt for attempt in truth.sent if attempt != delete.attempt)
    return _with(world, delete.request, truth.but(sent=sent))


def _waited_for(world: World, delete: Delete) -> bool:
    return any(
        tasks is not None
        and tasks[delete.request].own == delete.attempt
        and tasks[delete.request].hand == "sent"
        for tasks in world.operators
    )


def _told(world: World, delete: Delete, answer: str) -> World:
    """Whoever waits for this answer has it; nobody may be there any more."""
    for number, tasks in enumerate(world.operators):
        if tasks is None:
            continue
        task = tasks[delete.request]
        if task.own == delete.attempt and task.hand == "sent":
            told = task.but(hand=answer, job=world.jobs[-1].id if answer == "accepted" else 0)
            told_all = swap(tasks, delete.request, told)
            return world.but(operators=swap(world.operators, number, told_all))
    return world


def _job(world: World, job: Job) -> Iterator[Move[World]]:
    place = world.jobs.index(job)
    done = world.but(jobs=swap(world.jobs, place, job.but(state="done")))
    yield Move(f"job {job.id} completes", done.but(present=ABSENT))
    if world.faults.failures:
        faults = world.faults.but(failures=world.faults.failures - 1)
        for state in ("failed", "unknown"):
            ended = world.but(jobs=swap(world.jobs, place, job.but(state=state)), faults=faults)
            yield Move(f"job {job.id}: {state}, the target stays", ended, fault=True)
            yield Move(f"job {job.id}: {state}, the target goes", ended.but(present=ABSENT), fault=True)


# Status writes


def _late(world: World, rules: Rules) -> Iterator[Move[World]]:
    for write in world.writes:
        rest = world.but(writes=tuple(other for other in world.writes if other is not write))
        label = f"the late write of {write.request} ({write.kind})"
        if write.current:
            landed, broken = land(rest, write.request, write.new, NOBODY, rules.blind_writes)
            yield Move(f"{label} lands", landed, broken=broken)
        elif write.kind in rules.blind_writes:
            landed, broken = land(rest, write.request, patched(rest, write), NOBODY, rules.blind_writes)
            yield Move(f"{label} lands on what has changed", landed, broken=broken)


def patched(world: World, write: Write) -> Status:
    """A merge patch without a resourceVersion: what it changed, and its phase, on top of all else."""
    status = world.requests[write.request].status
    changes: dict[str, Any] = {
        name: new
        for name in Status.__struct_fields__
        if (new := getattr(write.new, name)) != getattr(write.old, name) or name == "phase"
    }
    return status.but(**changes)


def land(
    world: World, request: int, status: Status, writer: int, blind: tuple[str, ...] = ()
) -> tuple[World, str | None]:
    """The status is in the API server: every other view of the request is stale, and so is a late write,
    which can land no more unless it is a `blind` one.
    """
    truth = world.requests[request]
    broken = _wrong_write(world, request, status)
    ends = status.phase in ENDED and truth.status.phase not in ENDED
    truths = tuple(
        truth.but(status=status, bound=status.target if truth.bound == NONE else truth.bound)
        if number == request
        else other.but(rival_ended=True)
        if ends and other.made and other.status.phase not in ENDED
        else other
        for number, other in enumerate(world.requests)
    )
    operators = tuple(
        tasks
        if tasks is None or tasks[request].view is None
        else swap(
            tasks,
            request,
            viewed(tasks[request], status) if number == writer else tasks[request].but(current=False),
        )
        for number, tasks in enumerate(world.operators)
    )
    writes = tuple(
        write.but(current=False) if write.request == request else write
        for write in world.writes
        if write.request != request or write.kind in blind
    )
    return world.but(requests=truths, operators=operators, writes=writes), broken


def viewed(task: Task, status: Status) -> Task:
    """A new chapter: what was seen of the old one counts no more."""
    if status.phase in ENDED:
        return Task(status, current=True)
    task_now = task.but(view=status, current=True)
    chapter = (status.phase, status.attempt, status.target)
    if task.view is not None and (task.view.phase, task.view.attempt, task.view.target) == chapter:
        return task_now
    task_now = task_now.but(looks=(), was_gone=False)
    if status.phase == PENDING or task.own != status.attempt:
        task_now = task_now.but(own=0, hand="", job=0, seen=NONE, back=None)
    return task_now


def _wrong_write(world: World, request: int, status: Status) -> str | None:
    old = world.requests[request].status
    if old.phase in ENDED and (old.phase, old.job) != (status.phase, status.job):
        return f"request {request} had ended as {old.phase} and is {status.phase} now"
    if old.attempt == status.attempt and old.job and status.job != old.job and status.phase != PENDING:
        return f"the job of an attempt of request {request} changes from {old.job} to {status.job}"
    if status.phase in ENDED and old.phase not in ENDED:
        if any(delete.request == request for delete in world.deletes):
            return f"request {request} ends while its DELETE may still arrive"
        if status.phase == SUCCEEDED and NONE != status.target == world.present:
            return f"request {request} ends as {SUCCEEDED}, and its target is there"
    return None
