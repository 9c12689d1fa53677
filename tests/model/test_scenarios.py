"""Single orders of events that random ones may take long to hit: each lost data, or would without some rule.

A write, a look or a DELETE takes 20 ms here: in an ordinary life the claim is written some 30 ms after the
request is made, and the DELETE arrives some 30 ms later.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from moorcheh_operator.api.request import PLURAL
from moorcheh_operator.servers.definitions import Allowed, Definition, From, NameReuse, Servers, single
from tests.model.api_server import ApiServer, Json, Trouble, WriteFault
from tests.model.bench import ENDED, URL, Bench, Process
from tests.model.moorcheh_server import SendFault

LOST = WriteFault(lands=None)
LATE = WriteFault(lands=4.0, answers=None)


def reason(bench: Bench, name: str) -> object:
    return bench.status(name).get("reason")


def sent(bench: Bench) -> int:
    return len(bench.server.arrivals)


# Writes (rule 2)


def test_of_two_that_lead_one_claims_and_sends(bench: Bench) -> None:
    bench.start()
    bench.start()
    name = bench.request("documents")
    bench.let_pass(30.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_a_wait_that_is_written_late_does_not_undo_the_claim(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 100.0
    bench.server.down_until = bench.loop.time() + 2.0
    operator.trouble.writes.append(LATE)
    name = bench.request("documents")
    bench.let_pass(4.0)
    assert bench.status(name)["phase"] == "Running"

    bench.let_pass(150.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_progress_that_is_written_late_does_not_undo_the_end(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 8.0
    name = bench.request("documents")
    bench.let_pass(3.0)
    operator.trouble.writes.append(WriteFault(lands=30.0, answers=None))
    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


@pytest.mark.parametrize("if_absent", ["Succeed", "Fail"])
def test_an_end_that_is_written_late_does_not_end_the_attempt_of_another(
    if_absent: str, bench: Bench
) -> None:
    del bench.server.namespaces["documents"]
    one = bench.start()
    bench.server.job_seconds = 20.0
    one.trouble.writes.append(LATE)
    name = bench.request("documents", ifAbsent=if_absent)
    bench.let_pass(0.05)
    one.trouble.down_until = bench.loop.time() + 100.0
    bench.server.create("documents")
    bench.start()
    bench.let_pass(60.0)

    assert reason(bench, name) == "DeletionCompleted"


def test_a_job_s_id_whose_answer_is_lost_is_written_all_the_same(bench: Bench) -> None:
    operator = bench.start()
    operator.trouble.writes.extend([WriteFault(), LOST, LOST, LATE])
    name = bench.request("documents")
    bench.let_pass(30.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_a_job_s_id_lands_where_the_schema_rejects_its_texts(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 100.0
    operator.trouble.writes.extend([WriteFault(), WriteFault(code=422)])
    name = bench.request("documents")
    bench.let_pass(1.0)

    assert bench.status(name)["job"]["id"] == "job-1"


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

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_a_claim_that_landed_though_a_conflict_was_answered_sends(bench: Bench) -> None:
    """A proxy that sends the write again makes its own echo a conflict: the attempt's id tells."""
    operator = bench.start()
    operator.trouble.writes.append(WriteFault(code=409, takes_effect=True))
    name = bench.request("documents")
    bench.let_pass(30.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


LOST_ANSWERS = [
    pytest.param(WriteFault(answers=None), id="no-answer"),
    pytest.param(WriteFault(answers=20.0), id="an-answer-that-comes-too-late"),
    pytest.param(WriteFault(lands=20.0, answers=None), id="a-write-that-lands-too-late"),
    pytest.param(WriteFault(code=409, takes_effect=True), id="a-conflict"),
    pytest.param(WriteFault(code=404, takes_effect=True), id="not-found"),
    pytest.param(WriteFault(code=422, takes_effect=True), id="invalid"),
    pytest.param(WriteFault(code=500, takes_effect=True), id="an-error"),
    pytest.param(WriteFault(code=403, takes_effect=True), id="forbidden"),
    pytest.param(WriteFault(code=409, answers=4.0, takes_effect=True), id="a-conflict-that-comes-late"),
]


@pytest.mark.parametrize("fault", LOST_ANSWERS)
@pytest.mark.parametrize("if_absent", ["Succeed", "Fail"])
@pytest.mark.parametrize("lag", [0.001, 10.0])
def test_an_end_is_told_once_though_its_write_got_no_answer_of_its_own(
    bench: Bench, fault: WriteFault, if_absent: str, lag: float
) -> None:
    """Whether the watch tells of it before the answer would, or a look finds it."""
    operator = bench.start()
    operator.trouble.watch_lag = lag
    operator.trouble.writes.append(fault)
    bench.request("absent", ifAbsent=if_absent)
    bench.let_pass(60.0)

    assert bench.ends() == 1
    assert bench.ends_told() == 1


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("fault", LOST_ANSWERS)
def test_an_end_is_told_once_whichever_write_of_a_life_got_no_answer(
    bench: Bench, fault: WriteFault, nth: int
) -> None:
    operator = bench.start()
    operator.trouble.writes.extend([*[WriteFault()] * (nth - 1), fault])
    name = bench.request("documents")
    bench.let_pass(200.0)

    assert bench.status(name)["phase"] in ENDED
    assert bench.ends_told() == 1


def test_of_two_that_write_the_same_end_one_tells_it(bench: Bench) -> None:
    """Word for word, in the same second: the loser finds on record what it wanted to write itself."""
    bench.start()
    bench.start()
    for number in range(20):
        bench.request(f"absent-{number}")
        bench.let_pass(1.0)
    bench.let_pass(20.0)

    assert bench.ends() == 20
    assert bench.ends_told() == 20


def test_an_end_that_another_process_wrote_is_not_told(bench: Bench) -> None:
    one = bench.start()
    one.trouble.writes.append(WriteFault(lands=None, answers=None))
    bench.request("absent")
    other = bench.start()
    bench.let_pass(60.0)
    bench.kill(other)

    assert bench.ends() == 1
    assert bench.ends_told() == 1


def test_the_job_s_id_lands_where_its_texts_are_rejected(bench: Bench) -> None:
    """And is there for the next one: without it the request would have to be verified."""
    operator = bench.start()
    bench.server.job_seconds = 100.0
    operator.trouble.rejects = lambda status: "its job is" in status.get("message", "")
    name = bench.request("documents")
    bench.let_pass(2.0)
    bench.kill(operator)

    assert bench.status(name)["job"]["id"] == "job-1"


def test_a_request_made_under_the_name_of_a_deleted_one_is_another_one(bench: Bench) -> None:
    """What the first one was bound to is nothing to it."""
    operator = bench.start()
    bench.server.send_faults.append(SendFault("unsent"))
    name = bench.request("documents")
    bench.let_pass(0.5)
    operator.trouble.deaf_until = bench.loop.time() + 200.0
    bench.remove(name)
    bench.server.create("documents")
    bench.request("documents", name, suspend=True)
    bench.let_pass(150.0)

    assert bench.status(name)["target"]["creationTime"] == "2026-11-23T12:01:00.500Z"


# Sending (rules 1, 3, 11, 14)


def test_each_attempt_has_an_id_of_its_own(bench: Bench) -> None:
    bench.server.fails = 2
    bench.start()
    name = bench.request("documents")
    bench.let_pass(120.0)

    assert len({arrival.attempt for arrival in bench.server.arrivals}) == 3
    assert reason(bench, name) == "DeletionCompleted"


def test_a_claim_that_was_lost_sends_nothing_though_another_s_is_there(bench: Bench) -> None:
    one = bench.start()
    bench.start()
    one.trouble.writes.append(LOST)
    bench.request("documents")
    bench.let_pass(30.0)

    assert sent(bench) == 1


def test_a_claim_that_took_long_to_write_sends_nothing(bench: Bench) -> None:
    operator = bench.start()
    operator.trouble.writes.append(WriteFault(answers=7.0))
    name = bench.request("documents")
    bench.let_pass(7.1)
    assert sent(bench) == 0

    bench.let_pass(60.0)

    assert reason(bench, name) == "DeletionCompleted"


def test_a_claim_that_lands_late_sends_nothing_and_is_taken_back(bench: Bench) -> None:
    operator = bench.start()
    operator.trouble.writes.append(WriteFault(lands=0.8, answers=None))
    name = bench.request("documents")
    bench.let_pass(0.85)
    assert sent(bench) == 0

    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_a_claim_that_met_a_conflict_is_not_repeated_on_an_old_look(bench: Bench) -> None:
    operator = bench.start()
    operator.trouble.writes.append(WriteFault(code=409, answers=4.0))
    name = bench.request("documents")
    bench.let_pass(1.0)
    bench.server.create("documents")
    bench.let_pass(60.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "TargetReplaced"


def test_a_restarted_operator_sends_nothing_for_the_attempt_that_it_finds(bench: Bench) -> None:
    operator = bench.start()
    bench.server.send_faults.append(SendFault("lost"))
    name = bench.request("documents")
    bench.let_pass(0.5)
    assert bench.status(name)["phase"] == "Submitting"

    bench.kill(operator)
    bench.start()
    bench.let_pass(2000.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "OutcomeUnknown"


def test_an_object_that_is_deleted_while_it_is_claimed_sends_nothing(bench: Bench) -> None:
    operator = bench.start()
    operator.trouble.writes.append(WriteFault(answers=2.0))
    name = bench.request("documents")
    bench.let_pass(1.0)
    bench.remove(name)
    bench.let_pass(200.0)

    assert sent(bench) == 0


def test_a_suspended_request_sends_nothing_until_it_is_approved(bench: Bench) -> None:
    bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(300.0)
    assert sent(bench) == 0

    bench.api.edit(name, suspend=False)
    bench.let_pass(30.0)

    assert reason(bench, name) == "DeletionCompleted"


def test_one_that_does_not_lead_sends_nothing(bench: Bench) -> None:
    bench.start().leads = False
    bench.request("documents")
    bench.let_pass(300.0)

    assert sent(bench) == 0


def test_one_that_does_not_lead_writes_no_end(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 20.0
    name = bench.request("documents", activeDeadlineSeconds=10)
    bench.let_pass(3.0)
    bench.kill(operator)
    bench.start().leads = False
    bench.let_pass(130.0)

    assert bench.status(name)["phase"] == "Running"


def test_one_that_is_stopping_claims_nothing_more(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 100.0
    bench.server.create("pictures")
    bench.server.send_faults.append(SendFault("slow", 10.0))
    bench.request("pictures")
    bench.let_pass(1.0)
    stop = bench.loop.create_task(operator.reconciler.drain(30.0), context=operator.context)
    bench.let_pass(0.1)
    bench.request("documents")
    bench.let_pass(20.0)

    assert stop.done()
    assert sent(bench) == 1
    assert bench.status("wipe-1")["phase"] == "Running"


def test_a_claim_during_which_a_clock_was_set_sends_nothing(bench: Bench) -> None:
    """The look-up was judged by a clock that was wrong, or by one that is."""
    operator = bench.start()
    bench.server.create("pictures")
    bench.server.job_seconds = 20.0
    bench.request("pictures")
    bench.let_pass(3.0)
    operator.trouble.writes.append(WriteFault(answers=4.0))
    second = bench.request("documents")
    bench.let_pass(0.5)
    assert bench.status(second)["phase"] == "Submitting"

    bench.server.offset += 3600.0
    bench.let_pass(3.8)

    assert sent(bench) == 1


# What an answer means (rules 4 and 5)


@pytest.mark.parametrize("crash", [False, True], ids=["its-own", "another-s"])
def test_a_late_delete_is_awaited_before_there_is_a_verdict(crash: bool, bench: Bench) -> None:
    """Its target is gone meanwhile: whoever heard that it succeeded might create it anew, and lose that."""
    operator = bench.start()
    bench.server.send_faults.append(SendFault("late", 55.0))
    name = bench.request("documents")
    bench.let_pass(1.0)
    if crash:
        bench.kill(operator)
        bench.start()
    del bench.server.namespaces["documents"]
    bench.let_pass(50.0)
    assert bench.status(name)["phase"] == "Submitting"

    bench.let_pass(50.0)

    assert reason(bench, name) == "VerifiedAbsent"


def test_a_delete_whose_fate_is_unknown_is_never_sent_again(bench: Bench) -> None:
    bench.start()
    bench.server.send_faults.append(SendFault("lost"))
    name = bench.request("documents")
    bench.let_pass(3000.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "OutcomeUnknown"


# Another attempt (rule 6)


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
    assert sent(bench) == 1

    bench.server.create("documents")
    bench.server.hides_times = False
    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "JobFailed"


@pytest.mark.parametrize("forgotten", [False, True], ids=["job-failed", "job-forgotten"])
def test_what_was_created_since_gets_no_second_delete(forgotten: bool, bench: Bench) -> None:
    bench.server.job_seconds = 1.0 if not forgotten else 100.0
    bench.server.fails = 1
    bench.start()
    name = bench.request("documents")
    bench.let_pass(1.5)
    if forgotten:
        bench.server.restart(keeps=False)
    bench.server.create("documents")
    bench.let_pass(300.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "TargetReplaced"


def test_the_answer_about_an_earlier_attempt_s_job_frees_no_target(bench: Bench) -> None:
    """One operator's poll is slow; another has seen the job fail meanwhile and started the next attempt."""
    bench.start()
    bench.server.job_seconds = 3.0
    bench.server.fails = 1
    name = bench.request("documents")
    bench.let_pass(3.4)
    bench.server.slow_polls.append(25.0)
    bench.let_pass(1.5)
    assert not bench.server.slow_polls
    bench.start()
    bench.let_pass(1.5)
    bench.server.job_seconds = 100.0
    bench.let_pass(14.0)
    bench.request("documents")
    bench.let_pass(1.0)
    assert (bench.status(name)["phase"], bench.status(name)["attempt"]["number"]) == ("Running", 2)
    bench.remove(name)
    bench.let_pass(60.0)

    assert sent(bench) == 2


# One incarnation, never newer (rules 7 and 8)


def test_a_request_is_for_what_its_first_look_found() -> None:
    """It waits for a slot; what it was made for is replaced, within the tolerance."""
    crowded = Bench(max_running_jobs=1)
    for name in ("documents", "pictures"):
        crowded.server.create(name)
    crowded.let_pass(60.0)
    crowded.start()
    crowded.server.job_seconds = 10.0
    crowded.request("pictures")
    crowded.let_pass(1.0)
    waiting = crowded.request("documents")
    crowded.let_pass(1.5)
    crowded.server.create("documents")
    crowded.let_pass(60.0)

    assert sent(crowded) == 1
    assert reason(crowded, waiting) == "TargetReplaced"
    crowded.close()


def behind_another(bench: Bench, *, restart: bool) -> str:
    """A request that waited, and never could look, and its target is replaced within three seconds."""
    operator = bench.start()
    bench.server.job_seconds = 2.0
    first = bench.request("documents")
    bench.let_pass(0.3)
    bench.server.down_until = bench.loop.time() + 10.0
    second = bench.request("documents")
    bench.let_pass(2.3)
    bench.server.create("documents")
    if restart:
        bench.remove(first)
        bench.kill(operator)
        bench.start()
    bench.let_pass(60.0)
    return second


@pytest.mark.parametrize("restart", [False, True], ids=["in-one-process", "after-a-restart"])
def test_a_request_that_waited_behind_another_is_granted_no_tolerance(restart: bool, bench: Bench) -> None:
    second = behind_another(bench, restart=restart)

    assert sent(bench) == 1
    assert reason(bench, second) == "TargetNewerThanRequest"


@pytest.mark.parametrize("restart", [False, True], ids=["in-one-process", "after-a-restart"])
def test_a_request_that_waited_deletes_nothing_without_a_creation_time(restart: bool, bench: Bench) -> None:
    bench.server.hides_times = True
    second = behind_another(bench, restart=restart)

    assert sent(bench) == 1
    assert reason(bench, second) == "PreconditionUnverifiable"


def test_a_request_that_was_seen_only_after_another_had_ended_is_granted_no_tolerance(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 1.5
    bench.request("documents")
    bench.let_pass(0.2)
    operator.trouble.watch_lag = 4.0
    second = bench.request("documents")
    bench.let_pass(2.0)
    bench.server.create("documents")
    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, second) == "TargetNewerThanRequest"


def outlived(bench: Bench, how: str) -> str:
    """A job goes on though its request is over, and ends before the operator sees the next request."""
    operator = bench.start()
    bench.server.job_seconds = 3.0
    first = bench.request("documents", activeDeadlineSeconds=1 if how == "deadline" else 600)
    bench.let_pass(1.5)
    if how == "deleted":
        bench.remove(first)
    else:
        assert reason(bench, first) == "DeadlineExceeded"
    operator.trouble.watch_lag = 4.0
    bench.let_pass(0.8)
    second = bench.request("documents")
    bench.let_pass(2.0)
    bench.server.create("documents")
    bench.let_pass(60.0)
    return second


@pytest.mark.parametrize("how", ["deleted", "deadline"])
def test_a_request_that_was_seen_only_after_an_outlived_job_is_granted_no_tolerance(
    how: str, bench: Bench
) -> None:
    second = outlived(bench, how)

    assert sent(bench) == 1
    assert reason(bench, second) == "TargetNewerThanRequest"


@pytest.mark.parametrize("how", ["deleted", "deadline"])
def test_a_request_that_was_seen_only_after_an_outlived_job_deletes_nothing_without_a_creation_time(
    how: str, bench: Bench
) -> None:
    bench.server.hides_times = True
    second = outlived(bench, how)

    assert sent(bench) == 1
    assert reason(bench, second) == "PreconditionUnverifiable"


@pytest.mark.parametrize("undated", [True, False], ids=["undated", "dated"])
def test_rule_8_a_preview_that_found_nothing_is_not_forgotten_for_what_came_since(
    bench: Bench, *, undated: bool
) -> None:
    del bench.server.namespaces["documents"]
    bench.server.hides_times = undated
    bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(2.0)
    bench.server.create("documents")
    bench.let_pass(130.0)
    bench.api.edit(name, suspend=False)
    bench.let_pass(60.0)

    assert sent(bench) == 0
    assert reason(bench, name) == ("PreconditionUnverifiable" if undated else "TargetNewerThanRequest")


def test_rule_8_having_waited_for_a_moment_is_not_forgotten(bench: Bench) -> None:
    """The write that would tell of it fails, and the one that it waited for is gone by then."""
    bench.server.hides_times = True
    bench.server.down_until = bench.loop.time() + 20.0
    operator = bench.start()
    first = bench.request("documents", suspend=True)
    bench.let_pass(2.0)
    second = bench.request("documents")
    bench.let_pass(5.0)
    assert reason(bench, second) == "ServerUnavailable"
    operator.trouble.down_until = bench.loop.time() + 1.0
    bench.api.edit(first, suspend=False)
    bench.let_pass(0.5)
    bench.remove(first)
    bench.let_pass(120.0)

    assert sent(bench) == 0
    assert reason(bench, second) == "PreconditionUnverifiable"


@pytest.mark.parametrize("interruption", ["none", "restart", "leadership", "suspension"])
def test_rule_8_never_reused_is_no_word_against_what_was_seen(bench: Bench, interruption: str) -> None:
    """The name was seen to be free between two attempts, and whatever comes then, that is not forgotten."""
    bench.server.hides_times = True
    bench.server.fails = 1
    bench.serve(single(URL, NameReuse.NEVER))
    operator = bench.start()
    name = bench.request("documents")
    bench.let_pass(4.0)
    assert reason(bench, name) == "Retrying"
    if interruption == "suspension":
        bench.api.edit(name, suspend=True)
        bench.let_pass(2.0)
    del bench.server.namespaces["documents"]
    for _ in range(1000):
        if not bench.status(name)["target"]["found"]:
            break
        bench.let_pass(0.1)
    assert not bench.status(name)["target"]["found"]
    bench.server.create("documents")
    match interruption:
        case "restart":
            bench.kill(operator)
            bench.start()
        case "leadership":
            operator.leads = False
            operator.context.copy().run(operator.reconciler.leadership_changed)
            bench.let_pass(1.0)
            operator.leads = True
            operator.context.copy().run(operator.reconciler.leadership_changed)
        case "suspension":
            bench.let_pass(70.0)
            bench.api.edit(name, suspend=False)
    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "JobFailed"


def test_rule_8_who_loses_the_target_between_two_attempts_does_not_go_on(bench: Bench) -> None:
    """An older one was approved, carried out and removed, before the younger one's next look."""
    bench.server.hides_times = True
    bench.server.fails = 1
    bench.serve(single(URL, NameReuse.NEVER))
    operator = bench.start()
    older = bench.request("documents", suspend=True)
    bench.let_pass(2.0)
    younger = bench.request("documents")
    bench.let_pass(4.0)
    assert reason(bench, younger) == "Retrying"
    bench.api.edit(older, suspend=False)
    until_ended(bench, older)
    bench.server.create("documents")
    bench.kill(operator)
    bench.remove(older)
    bench.start()
    bench.let_pass(60.0)

    assert sent(bench) == 2
    assert reason(bench, younger) == "PreconditionUnverifiable"


def until_ended(bench: Bench, name: str) -> None:
    """To the moment."""
    for _ in range(1000):
        if bench.status(name).get("phase") in ENDED:
            return
        bench.let_pass(0.005)
    pytest.fail(f"{name} has not ended: {bench.status(name)}")


def test_one_that_stood_behind_another_is_strict_though_it_never_saw_what_the_other_did(bench: Bench) -> None:
    """A standby saw both made, and nothing more: the older one was carried out, and its object is gone."""
    leader, standby = bench.start(), bench.start()
    standby.leads = False
    bench.server.job_seconds = 0.4
    bench.server.down_until = bench.loop.time() + 2.0
    first = bench.request("documents")
    bench.let_pass(2.4)
    second = bench.request("documents")
    # The first one's claim, job and end land between them.
    leader.trouble.writes.extend([LOST, LOST, WriteFault(), WriteFault(), LOST])
    bench.let_pass(0.2)
    standby.trouble.deaf_until = bench.loop.time() + 500.0
    until_ended(bench, first)
    bench.kill(leader)
    assert bench.status(second).get("reason") is None
    bench.remove(first)
    bench.server.create("documents")
    standby.leads = True
    standby.context.copy().run(standby.reconciler.leadership_changed)
    bench.let_pass(200.0)

    assert sent(bench) == 1
    assert reason(bench, second) == "TargetNewerThanRequest"


@pytest.mark.parametrize("offset", [-3600.0, 3600.0])
def test_a_server_whose_clock_is_an_hour_off_loses_nothing_new(offset: float) -> None:
    bench = Bench(offset=offset)
    bench.server.create("documents")
    bench.let_pass(60.0)
    bench.server.down_until = 90.0
    name = bench.request("documents")
    bench.let_pass(10.0)
    bench.server.create("documents")
    bench.start()
    bench.let_pass(60.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "TargetNewerThanRequest"
    bench.close()


# Who has the target (rule 10)


def test_the_second_request_for_a_target_waits_for_the_first(bench: Bench) -> None:
    bench.start()
    bench.server.job_seconds = 30.0
    bench.request("documents")
    second = bench.request("documents")
    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, second) == "VerifiedAbsent"


def test_an_older_request_does_not_take_the_target_from_a_claim_that_is_under_way(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 30.0
    older = bench.request("documents", suspend=True)
    bench.let_pass(1.0)
    operator.trouble.writes.append(WriteFault(lands=1.0))
    bench.request("documents")
    bench.let_pass(0.5)
    bench.api.edit(older, suspend=False)
    bench.let_pass(10.0)

    assert sent(bench) == 1
    assert reason(bench, older) == "TargetBusy"


def test_an_older_request_does_not_take_the_target_from_a_job(bench: Bench) -> None:
    bench.start()
    bench.server.job_seconds = 30.0
    older = bench.request("documents", suspend=True)
    bench.request("documents")
    bench.let_pass(1.0)
    bench.api.edit(older, suspend=False)
    bench.let_pass(10.0)

    assert sent(bench) == 1
    assert reason(bench, older) == "TargetBusy"


def test_a_job_keeps_the_target_past_its_deadline(bench: Bench) -> None:
    bench.start()
    bench.server.job_seconds = 200.0
    first = bench.request("documents", activeDeadlineSeconds=30)
    second = bench.request("documents")
    bench.let_pass(100.0)

    assert reason(bench, first) == "DeadlineExceeded"
    assert reason(bench, second) == "TargetBusy"
    assert sent(bench) == 1


def test_a_job_keeps_the_target_when_its_object_is_deleted(bench: Bench) -> None:
    bench.start()
    bench.server.job_seconds = 100.0
    first = bench.request("documents")
    second = bench.request("documents")
    bench.let_pass(5.0)
    bench.remove(first)
    bench.let_pass(60.0)

    assert reason(bench, second) == "TargetBusy"
    assert sent(bench) == 1


def test_the_job_of_a_further_attempt_is_not_over_because_the_one_before_was(bench: Bench) -> None:
    """Its object is deleted while the DELETE is under way: no poll has told of this job yet."""
    bench.start()
    bench.server.fails = 1
    bench.server.job_seconds = 1.0
    first = bench.request("documents")
    bench.let_pass(0.5)
    second = bench.request("documents")
    bench.server.send_faults.append(SendFault("slow", 8.0))
    bench.server.job_seconds = 100.0
    for _ in range(120):
        if bench.status(first)["attempt"]["number"] == 2:
            break
        bench.let_pass(0.5)
    assert bench.status(first)["attempt"]["number"] == 2
    bench.remove(first)
    bench.let_pass(60.0)

    assert reason(bench, second) == "TargetBusy"
    assert sent(bench) == 2


def test_an_attempt_keeps_the_target_until_it_is_settled_when_its_object_is_deleted(bench: Bench) -> None:
    bench.start()
    bench.server.send_faults.append(SendFault("late", 50.0))
    first = bench.request("documents")
    second = bench.request("documents")
    bench.let_pass(5.0)
    bench.remove(first)
    bench.let_pass(40.0)
    assert reason(bench, second) == "TargetBusy"

    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, second) == "VerifiedAbsent"


def test_nothing_is_claimed_before_the_first_complete_list(bench: Bench) -> None:
    operator = bench.start()
    bench.server.job_seconds = 200.0
    bench.request("documents")
    bench.let_pass(2.0)
    bench.kill(operator)
    second = bench.request("documents")
    bench.start(Trouble(unlisted_until=bench.loop.time() + 50.0))
    bench.api.touch(second)
    bench.let_pass(40.0)

    assert sent(bench) == 1


def test_what_was_seen_while_another_had_the_target_decides_nothing(bench: Bench) -> None:
    """The name was absent while the first one's job ran, and came back when that failed."""
    bench.server.leaves_early = True
    bench.server.job_seconds = 5.0
    bench.server.fails = 1
    bench.start()
    bench.request("documents", backoffLimit=0)
    bench.let_pass(1.0)
    second = bench.request("documents")
    bench.let_pass(60.0)

    assert reason(bench, second) == "DeletionCompleted"


def test_what_was_seen_before_an_outage_ends_nothing_after_it(bench: Bench) -> None:
    """Absent, then the API server is away; what has the name since would read as deleted."""
    del bench.server.namespaces["documents"]
    operator = bench.start()
    bench.let_pass(3.0)
    name = bench.request("documents")
    bench.let_pass(0.015)
    operator.trouble.down_until = bench.loop.time() + 300.0
    bench.let_pass(1.0)
    bench.server.create("documents")
    bench.let_pass(600.0)

    assert reason(bench, name) in ("DeletionCompleted", "TargetNewerThanRequest")


def test_a_look_older_than_the_binding_of_another_operator_is_no_proof_that_its_target_is_gone() -> None:
    """One has seen nothing; the other one, a moment later, the target, and bound the request to it."""
    with closing(Bench(max_running_jobs=1)) as bench:
        bench.server.create("pictures")
        bench.let_pass(60.0)
        one, two = bench.start(), bench.start()
        two.trouble.watch_lag = 0.5
        bench.server.job_seconds = 100.0
        bench.request("pictures")
        bench.let_pass(5.0)
        one.trouble.writes.append(WriteFault(code=500, answers=1.6))
        name = bench.request("documents")
        bench.let_pass(0.2)
        bench.server.create("documents")  # within the tolerance
        bench.let_pass(28.0)

        assert bench.status(name)["target"]["found"]
        assert bench.status(name)["phase"] != "Succeeded"


def test_no_deadline_ends_a_request_whose_delete_may_be_in_flight(bench: Bench) -> None:
    bench.start()
    bench.server.send_faults.append(SendFault("late", 50.0))
    name = bench.request("documents", activeDeadlineSeconds=10)
    bench.let_pass(200.0)

    assert reason(bench, name) == "VerifiedAbsent"


def test_rule_10_what_was_seen_while_another_had_the_target_ends_nothing(bench: Bench) -> None:
    """A look that is a second old shows what the other one has deleted since: it is gone, and not too new."""
    del bench.server.namespaces["documents"]
    bench.server.create("documents")
    bench.server.job_seconds = 0.5
    bench.start()
    bench.let_pass(2.0)
    names = [bench.request("documents"), bench.request("documents")]
    bench.let_pass(10.0)

    assert sent(bench) == 1
    assert {reason(bench, name) for name in names} == {"DeletionCompleted", "VerifiedAbsent"}


# Who leads (rule 14)


def test_a_deleted_object_s_job_keeps_its_target_though_the_lease_was_lost_for_a_moment(bench: Bench) -> None:
    """However long it has run. No list shows the object any more: a task that ended would never come back."""
    operator = bench.start()
    bench.server.job_seconds = 10_000.0
    first = bench.request("documents")
    bench.let_pass(3700.0)
    bench.remove(first)
    bench.let_pass(1.0)
    for leads in (False, True):
        operator.leads = leads
        operator.context.run(operator.reconciler.leadership_changed)
        bench.let_pass(20.0)
    second = bench.request("documents")
    bench.let_pass(10.0)

    assert reason(bench, second) == "TargetBusy"
    assert sent(bench) == 1


def test_a_replica_that_does_not_lead_sees_the_job_of_a_deleted_object_end(bench: Bench) -> None:
    """Or, once it leads, it would judge a new request as one that stood behind another."""
    leader, standby = bench.start(), bench.start()
    standby.leads = False
    first = bench.request("documents")
    bench.let_pass(1.0)
    bench.remove(first)
    bench.let_pass(120.0)
    bench.server.create("documents")
    bench.let_pass(1.0)
    leader.leads = False
    second = bench.request("documents")
    bench.let_pass(1.0)
    standby.leads = True
    standby.context.run(standby.reconciler.leadership_changed)
    bench.let_pass(60.0)

    assert reason(bench, second) == "DeletionCompleted"


# Ended ones with a time to live


class Deleting(ApiServer):
    """It deletes, too, and can be told to list nothing."""

    lists = True

    def handle(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Json]:
        if path.endswith(f"/{PLURAL}") and not self.lists:
            return 500, {"message": "no"}
        status, answer = super().handle(method, path, query, body)
        if method == "DELETE" and status == 200:
            self.remove(path.rpartition("/")[2])
        return status, answer


def an_end_and_a_suspended_one_for_its_target(bench: Bench) -> tuple[Deleting, str, str]:
    """The first is to be deleted half a minute after its end. No operator runs any more."""
    api = Deleting(bench.loop)
    api.watchers, api.judges = bench.api.watchers, bench.api.judges
    bench.api = api
    operator = bench.start()
    first = bench.request("documents", ttlSecondsAfterFinished=30)
    bench.let_pass(20.0)
    assert reason(bench, first) == "DeletionCompleted"
    bench.kill(operator)
    return api, first, bench.request("documents", suspend=True)


def test_nothing_expires_before_the_first_complete_list(bench: Bench) -> None:
    """Until then nobody knows of the one that waits for the same target."""
    api, first, second = an_end_and_a_suspended_one_for_its_target(bench)
    api.lists = False
    bench.start()
    api.touch(first)
    bench.let_pass(90.0)

    assert api.objects.keys() == {first, second}


def test_an_end_is_kept_as_long_as_another_request_for_its_target_is_unfinished(bench: Bench) -> None:
    api, first, second = an_end_and_a_suspended_one_for_its_target(bench)
    bench.start()
    bench.let_pass(90.0)
    assert api.objects.keys() == {first, second}

    api.edit(second, suspend=False)
    bench.let_pass(90.0)

    assert api.objects.keys() == {second}


# Nobody is forgotten


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


# Servers


def waiting_for_a_slot(bench: Bench) -> tuple[str, str]:
    """One whose job runs, and one behind it, of another target, that has been looked up."""
    bench.server.create("other")
    bench.server.job_seconds = 30.0
    bench.start()
    first = bench.request("documents")
    bench.let_pass(5.0)
    second = bench.request("other")
    bench.let_pass(5.0)
    assert reason(bench, second) == "WaitingForSlot"
    return first, second


def test_one_that_waited_for_a_slot_gets_it_though_its_server_left_the_file_for_a_while() -> None:
    with closing(Bench(max_running_jobs=1)) as bench:
        bench.server.create("documents")
        first, second = waiting_for_a_slot(bench)
        bench.serve(Servers())
        bench.let_pass(5.0)
        bench.serve(single(URL))
        bench.let_pass(120.0)

        assert [reason(bench, name) for name in (first, second)] == ["DeletionCompleted"] * 2


def test_one_that_was_looked_up_sends_nothing_to_the_server_that_its_name_means_by_then() -> None:
    with closing(Bench(max_running_jobs=1)) as bench:
        bench.server.create("documents")
        first, second = waiting_for_a_slot(bench)
        bench.serve(single("http://another"))
        bench.let_pass(120.0)

        assert reason(bench, first) == "DeletionCompleted"
        assert reason(bench, second) == "ServerNotFound"
        assert sent(bench) == 1


ANOTHER = "http://another"


def test_what_was_seen_of_one_server_says_nothing_of_the_one_that_the_name_means_by_then() -> None:
    """Neither its incarnation, which would make the other one a replacement, nor how many items it has."""
    with closing(Bench(max_running_jobs=1)) as bench:
        there = bench.another(ANOTHER)
        there.create("other")
        bench.let_pass(60.0)
        bench.server.create("documents")
        bench.server.create("other")
        bench.server.job_seconds = 30.0
        bench.start()
        bench.request("documents")
        bench.let_pass(1.0)
        second = bench.request("other")
        bench.let_pass(0.5)
        assert bench.status(second).get("target") is None
        bench.serve(single(ANOTHER))
        bench.let_pass(120.0)

        assert reason(bench, second) == "DeletionCompleted"
        assert "other" not in there.namespaces
        assert "other" in bench.server.namespaces


def test_one_name_on_two_servers_is_two_targets() -> None:
    """Neither waits for the other, nor is the end of one anything to the other (rule 8)."""
    with closing(Bench()) as bench:
        there = bench.another(ANOTHER)
        for server in (bench.server, there):
            server.create("documents")
            server.job_seconds = 30.0
        bench.serve(
            Servers(
                (
                    Definition("default", URL, allowed_namespaces=Allowed(From.ALL)),
                    Definition("archive", ANOTHER, allowed_namespaces=Allowed(From.ALL)),
                )
            )
        )
        bench.start()
        names = [bench.request("documents"), bench.request("documents", serverRef={"name": "archive"})]
        bench.let_pass(10.0)

        assert [bench.status(name)["phase"] for name in names] == ["Running", "Running"]
        assert (sent(bench), len(there.arrivals)) == (1, 1)
        bench.let_pass(60.0)
        assert [reason(bench, name) for name in names] == ["DeletionCompleted"] * 2


def test_a_job_is_followed_at_the_server_that_it_is_at_whatever_becomes_of_its_name() -> None:
    with closing(Bench()) as bench:
        there = bench.another(ANOTHER)
        for server in (bench.server, there):
            server.create("documents")
            server.job_seconds = 30.0
        operator = bench.start()
        name = bench.request("documents")
        bench.let_pass(10.0)
        bench.serve(single(ANOTHER))
        bench.let_pass(5.0)
        bench.kill(operator)
        bench.serve(Servers((Definition("old", URL), Definition("default", ANOTHER))))
        bench.start()
        bench.let_pass(60.0)

        assert reason(bench, name) == "DeletionCompleted"
        assert (sent(bench), len(there.arrivals)) == (1, 0)


def for_server(name: str, url: str, *elsewhere: str) -> Servers:
    return Servers((Definition(name, url, allowed_namespaces=Allowed(From.ALL)),), served_elsewhere=elsewhere)


def says(process: Process, servers: Servers) -> None:
    process.servers.apply(servers)
    process.context.copy().run(process.reconciler.servers_changed)


@pytest.mark.parametrize("spec", [{}, {"suspend": True}, {"activeDeadlineSeconds": 30}], ids=str)
def test_a_request_for_a_server_that_is_anothers_is_left_alone(spec: dict[str, Any], bench: Bench) -> None:
    bench.serve(for_server("default", URL, "archive"))
    operator = bench.start()
    name = bench.request("documents", serverRef={"name": "archive"}, **spec)
    bench.let_pass(300.0)

    assert bench.records[bench.api.objects[name]["metadata"]["uid"]].statuses == []
    assert sent(bench) == 0
    operator.reconciler.measure()
    [counted] = bench.metrics
    assert {sample.value for metric in counted.requests.collect() for sample in metric.samples} == {0.0}


def test_two_that_are_for_a_server_each_follow_their_own_to_the_end() -> None:
    with closing(Bench()) as bench:
        there = bench.another(ANOTHER)
        for server in (bench.server, there):
            server.create("documents")
            server.job_seconds = 30.0
        bench.serve(for_server("default", URL, "archive"))
        first = bench.start()
        bench.serve(Servers())
        second = bench.start()
        says(first, for_server("default", URL, "archive"))
        says(second, for_server("archive", ANOTHER, "*"))
        names = [bench.request("documents"), bench.request("documents", serverRef={"name": "archive"})]
        bench.let_pass(10.0)
        bench.kill(first)
        bench.let_pass(60.0)
        assert [bench.status(name)["phase"] for name in names] == ["Running", "Succeeded"]

        bench.serve(for_server("default", URL, "archive"))
        bench.start()
        bench.let_pass(60.0)
        assert [reason(bench, name) for name in names] == ["DeletionCompleted"] * 2
        assert (sent(bench), len(there.arrivals)) == (1, 1)


@pytest.mark.parametrize("url", [ANOTHER, URL], ids=["apart", "one-server"])
def test_an_operator_says_so_where_its_server_is_anothers_too(url: str) -> None:
    with closing(Bench()) as bench:
        there = bench.another(ANOTHER)
        for server in (bench.server, there):
            server.create("documents")
        bench.serve(for_server("default", URL, "archive"))
        first = bench.start()
        bench.serve(Servers())
        second = bench.start()
        says(first, for_server("default", URL, "archive"))
        says(second, for_server("archive", url, "*"))
        name = bench.request("documents", serverRef={"name": "archive"})
        bench.let_pass(60.0)

        assert reason(bench, name) == "DeletionCompleted"
        told = [line for line in first.servers.notices if "another operator also serves" in line]
        assert len(told) == (url == URL)
        says(first, for_server("default", URL))
        assert [line for line in first.servers.notices if "another operator also serves" in line] == []


@pytest.mark.parametrize("after", [0.035, 0.06, 0.2, 5.0], ids=lambda after: f"{after}-s")
def test_a_server_that_goes_to_another_operator_takes_its_deletions_along(after: float) -> None:
    """Whatever the first had under way: the claim, the DELETE, or the job."""
    with closing(Bench()) as bench:
        bench.server.create("documents")
        bench.server.job_seconds = 30.0
        first = bench.start()
        bench.serve(for_server("another", ANOTHER, "*"))
        second = bench.start()
        says(first, single(URL))
        name = bench.request("documents")
        bench.let_pass(after)
        says(first, for_server("archive", "http://archive", "default"))
        bench.let_pass(70.0)
        says(second, for_server("default", URL, "*"))
        bench.let_pass(200.0)

        assert bench.status(name)["phase"] == "Succeeded"
        assert sent(bench) == 1


def test_a_refusal_stands_for_a_minute_with_whoever_leads_by_then(bench: Bench) -> None:
    """A standby whose file is older has refused for long what the leader would have carried out."""
    leader, standby = bench.start(), bench.start()
    standby.leads = False
    standby.servers.apply(
        Servers((Definition("default", URL, allowed_namespaces=Allowed(From.ALL), allowed_names=()),))
    )
    bench.server.down_until = bench.loop.time() + 200.0
    name = bench.request("documents")
    bench.let_pass(100.0)
    bench.kill(leader)
    standby.leads = True
    standby.context.copy().run(standby.reconciler.leadership_changed)
    bench.let_pass(30.0)
    assert bench.status(name)["phase"] == "Pending"

    bench.serve(single(URL))
    bench.let_pass(200.0)

    assert reason(bench, name) == "DeletionCompleted"
