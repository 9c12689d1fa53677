"""Single orders of events that the random ones may take long to hit: each once lost data, or would."""

from __future__ import annotations

from tests.model.api_server import WriteFault
from tests.model.bench import Bench


def test_a_creation_time_that_shows_up_late_is_not_taken_for_the_target_of_a_second_delete(
    bench: Bench,
) -> None:
    """The first DELETE went to a namespace without a creation time; what has one now may be another."""
    bench.server.hides_times = True
    bench.server.job_seconds = 0.5
    bench.server.fails = 1
    bench.start()
    name = bench.request("documents")
    bench.let_pass(1.5)
    assert len(bench.server.arrivals) == 1

    bench.server.create("documents")
    bench.server.hides_times = False
    bench.let_pass(60.0)

    assert len(bench.server.arrivals) == 1
    assert bench.status(name)["reason"] == "JobFailed"


def test_a_rejected_write_is_not_repeated_on_what_another_operator_wrote_meanwhile(bench: Bench) -> None:
    """What the schema rejects is written again without its texts: only on the object that it was made for."""
    one = bench.start()
    bench.server.job_seconds = 100.0
    bench.server.down_until = bench.loop.time() + 3.0
    one.trouble.writes.append(WriteFault(answers=5.0, code=422))
    name = bench.request("documents")
    bench.let_pass(3.5)
    bench.start()
    bench.let_pass(1.5)
    assert bench.status(name)["phase"] == "Running"

    bench.let_pass(300.0)

    assert len(bench.server.arrivals) == 1
    assert bench.status(name)["reason"] == "DeletionCompleted"


def test_a_request_that_is_suspended_in_the_queue_for_a_slot_lets_the_next_one_pass() -> None:
    """It is the one that is woken when the slot is free, and has no use for it any more."""
    bench = Bench(max_running_jobs=1)
    for name in ("documents", "pictures", "letters"):
        bench.server.create(name)
    bench.let_pass(60.0)
    bench.start()
    bench.server.job_seconds = 30.0
    first, second, third = (bench.request(name) for name in ("documents", "pictures", "letters"))
    bench.let_pass(5.0)
    bench.api.edit(second, suspend=True)

    bench.let_pass(120.0)

    assert bench.status(first)["phase"] == bench.status(third)["phase"] == "Succeeded"
    bench.close()
