"""Where it is not certain that somebody wants this deletion now, nothing is sent: rules 11, 15 and 18."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.model.api_server import Json, WriteFault
from tests.model.bench import Bench

NOTICED = 75.0  # seconds: what waits asks once a minute
SET_BACK_SEEN = 15.0  # seconds: that the API server was set back is looked for every ten


def reason(bench: Bench, name: str) -> object:
    return bench.status(name).get("reason")


def message(bench: Bench, name: str) -> str:
    return str(bench.status(name).get("message"))


def attempts(bench: Bench, name: str) -> list[str]:
    return list(bench.records[bench.api.objects[name]["metadata"]["uid"]].attempts)


def sent(bench: Bench) -> int:
    return len(bench.server.arrivals)


def when_written(bench: Bench, phase: str, do: Callable[[], object]) -> None:
    """Once, at the moment at which a status with this phase is written."""

    def judge(_: Json, after: Json) -> None:
        if after["status"].get("phase") == phase:
            bench.api.judges.remove(judge)
            do()

    bench.api.judges.append(judge)


# Rule 15: a Kubernetes namespace that is being deleted


def test_nothing_is_claimed_once_the_namespace_is_being_deleted(bench: Bench) -> None:
    bench.start()
    bench.end_namespace()
    name = bench.request("documents")
    bench.let_pass(3.0)

    assert sent(bench) == 0
    assert attempts(bench, name) == []
    assert reason(bench, name) == "NamespaceTerminating"


def test_a_claim_that_was_overtaken_by_the_deletion_sends_nothing(bench: Bench) -> None:
    bench.start()
    when_written(bench, "Submitting", bench.end_namespace)
    name = bench.request("documents")
    bench.let_pass(30.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "NamespaceTerminating"
    assert "attempt" not in bench.status(name)


def test_what_was_under_way_is_followed_and_ends(bench: Bench) -> None:
    bench.start()
    bench.server.job_seconds = 20.0
    name = bench.request("documents")
    bench.let_pass(1.0)
    bench.end_namespace()
    bench.let_pass(30.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


@pytest.fixture
def one_slot() -> Iterator[Bench]:
    bench = Bench(max_running_jobs=1)
    with closing(bench):
        for number in range(20):
            bench.server.create(f"documents-{number}")
        bench.let_pass(60.0)
        yield bench
    bench.check()


def test_all_that_waits_says_so_and_stays_where_it_is(one_slot: Bench) -> None:
    one_slot.start()
    one_slot.server.job_seconds = 5.0
    names = [one_slot.request(f"documents-{number}") for number in range(20)]
    one_slot.let_pass(12.0)
    before = sent(one_slot)
    one_slot.end_namespace()
    one_slot.let_pass(NOTICED)

    assert sent(one_slot) == before > 1
    reasons = [reason(one_slot, name) for name in names]
    assert reasons.count("DeletionCompleted") == before
    assert reasons.count("NamespaceTerminating") == 20 - before


def test_what_is_suspended_says_that_it_would_not_be_deleted(bench: Bench) -> None:
    bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(5.0)
    bench.end_namespace()
    bench.let_pass(NOTICED)
    assert "NamespaceTerminating" in message(bench, name)

    bench.api.edit(name, suspend=False)
    bench.let_pass(5.0)

    assert sent(bench) == 0


def test_a_job_that_failed_is_not_tried_again(bench: Bench) -> None:
    bench.start()
    bench.server.fails = 1
    name = bench.request("documents")
    bench.let_pass(6.0)
    assert reason(bench, name) == "Retrying"
    bench.end_namespace()
    bench.let_pass(NOTICED)

    assert sent(bench) == 1
    assert reason(bench, name) == "NamespaceTerminating"
    assert bench.status(name)["attempt"]["number"] == 1


def test_an_operator_that_was_down_when_it_was_deleted_sends_nothing(bench: Bench) -> None:
    name = bench.request("documents")
    bench.end_namespace()
    bench.start()
    bench.start()
    bench.let_pass(NOTICED)

    assert sent(bench) == 0
    assert reason(bench, name) == "NamespaceTerminating"


def test_where_nobody_can_tell_nothing_is_claimed_until_somebody_can(bench: Bench) -> None:
    bench.start()
    bench.api.vague_until = bench.loop.time() + 40.0
    name = bench.request("documents")
    bench.let_pass(35.0)
    assert sent(bench) == 0
    assert reason(bench, name) == "NamespaceUnverified"
    assert "etcdserver: request timed out" in message(bench, name)

    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_where_nobody_can_tell_any_more_the_claim_is_taken_back(bench: Bench) -> None:
    bench.start()

    def vague() -> None:
        bench.api.vague_until = bench.loop.time() + 3.0

    when_written(bench, "Submitting", vague)
    name = bench.request("documents")
    bench.let_pass(1.0)
    assert sent(bench) == 0
    bench.let_pass(30.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"
    assert bench.status(name)["attempt"]["number"] == 1


def test_another_namespace_of_the_same_name_is_another_one(bench: Bench) -> None:
    bench.start()
    bench.end_namespace()
    bench.request("documents")
    bench.let_pass(5.0)
    bench.replace_namespace()
    name = bench.request("documents")
    bench.let_pass(5.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


# Rule 11: deleted, and kept by somebody's finalizer


def test_the_end_of_one_that_was_deleted_while_it_ran_is_written(bench: Bench) -> None:
    first = bench.start()
    bench.server.job_seconds = 20.0
    name = bench.request("documents")
    bench.let_pass(1.0)
    bench.api.withdraw(name)
    bench.kill(first)
    bench.start()
    bench.let_pass(40.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"
    generation = bench.api.objects[name]["metadata"]["generation"]
    assert bench.status(name)["observedGeneration"] == generation == 2


def test_one_that_was_deleted_while_it_waited_ends(bench: Bench) -> None:
    bench.start()
    bench.server.down_until = bench.loop.time() + 10.0
    waiting, held = bench.request("documents"), bench.request("documents", suspend=True)
    bench.let_pass(3.0)
    for name in (waiting, held):
        bench.api.withdraw(name)
    bench.let_pass(1.0)
    for name in (waiting, held):
        assert (bench.status(name)["phase"], reason(bench, name)) == ("Failed", "Withdrawn")
        assert "Nothing was sent." in message(bench, name)

    bench.let_pass(150.0)

    assert sent(bench) == 0


def test_one_whose_job_was_forgotten_since_is_looked_for(bench: Bench) -> None:
    """As those of earlier versions were left: running for ever."""
    first = bench.start()
    bench.server.job_seconds = 5.0
    name = bench.request("documents")
    bench.let_pass(1.0)
    bench.api.withdraw(name)
    bench.kill(first)
    bench.let_pass(60.0)
    bench.server.restart(keeps=False)
    bench.start()
    bench.let_pass(120.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "VerifiedAbsent"


def test_its_target_is_free_for_others(bench: Bench) -> None:
    bench.start()
    bench.server.fails = 1
    name = bench.request("documents")
    bench.let_pass(1.0)
    bench.api.withdraw(name)
    other = bench.request("documents")
    bench.let_pass(8.0)

    assert reason(bench, name) == "Withdrawn"
    assert reason(bench, other) == "DeletionCompleted"


# Rule 18: the API server is set back to an earlier state


def test_an_approval_after_the_restore_is_heard(bench: Bench) -> None:
    bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(5.0)
    bench.api.take_snapshot()
    bench.api.go_on_to(10_000)
    bench.api.touch(name)
    bench.let_pass(70.0)
    bench.restore()
    bench.let_pass(1.0)
    bench.api.edit(name, suspend=False)
    bench.let_pass(SET_BACK_SEEN)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_the_same_version_of_another_history_is_not_taken_for_the_one_that_was_seen(bench: Bench) -> None:
    """The operator knows an approval that nobody has given now, of the very version that is held: its claim
    lands, and is not what it was made for.
    """
    bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(5.0)
    bench.api.take_snapshot()
    bench.api.edit(name, suspend=False)
    approved = bench.api.objects[name]["metadata"]["resourceVersion"]
    bench.let_pass(0.03)  # it is looking
    bench.restore()
    bench.api.edit(name, backoffLimit=1)  # the same generation, too
    assert bench.api.objects[name]["metadata"]["resourceVersion"] == approved
    assert bench.api.objects[name]["spec"]["suspend"]
    bench.let_pass(60.0)

    assert len(attempts(bench, name)) == 1
    assert sent(bench) == 0
    assert reason(bench, name) == "Suspended"


def test_the_same_version_with_another_content_is_another_history(bench: Bench) -> None:
    process = bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(5.0)
    bench.api.take_snapshot()
    bench.api.edit(name, backoffLimit=1)
    bench.let_pass(1.0)
    known = bench.api.objects[name]["metadata"]["resourceVersion"]
    bench.restore()
    bench.api.edit(name, backoffLimit=2)
    while bench.api.objects[name]["metadata"]["resourceVersion"] != known:
        bench.api.touch(name)
    bench.let_pass(NOTICED)

    assert process.life == 2


def test_what_is_newer_and_has_gone_back_is_of_another_history(bench: Bench) -> None:
    process = bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(5.0)
    bench.api.take_snapshot()
    bench.api.edit(name, backoffLimit=1)
    bench.let_pass(1.0)
    bench.restore()
    bench.api.go_on_to(10_000)
    bench.api.touch(name)
    bench.let_pass(5.0)

    assert process.life == 2


def set_back_under_one_that_waits(bench: Bench) -> None:
    """It is the same in both histories, and something else was newer in the one that is lost."""
    bench.let_pass(3.0)
    bench.api.take_snapshot()
    bench.api.go_on_to(1_000)
    bench.request("pictures", suspend=True)
    bench.let_pass(0.1)
    bench.restore()


def test_a_claim_whose_own_answer_is_older_than_what_was_seen_sends_nothing(bench: Bench) -> None:
    process = bench.start()
    bench.server.down_until = bench.loop.time() + 3.3
    name = bench.request("documents")
    set_back_under_one_that_waits(bench)
    bench.let_pass(30.0)

    first, second = attempts(bench, name)
    assert [arrival.attempt for arrival in bench.server.arrivals] == [second]
    assert first != second
    assert process.life == 2


def test_nothing_is_claimed_once_it_is_noticed(bench: Bench) -> None:
    process = bench.start()
    bench.let_pass(5.0)
    bench.server.down_until = bench.loop.time() + 60.0
    name = bench.request("documents")
    set_back_under_one_that_waits(bench)
    process.reconciler.list_anew()
    bench.let_pass(0.05)
    bench.server.down_until = 0.0
    bench.api.touch(name)
    process.context.run(process.reconciler.leadership_changed)
    bench.let_pass(40.0)

    assert len(attempts(bench, name)) == 1
    assert sent(bench) == 1
    assert process.life == 2


LOST: dict[str, Callable[[Bench, str], None]] = {
    "it ended": lambda bench, _: bench.let_pass(20.0),
    "it was under way": lambda bench, _: bench.let_pass(2.0),
    "it ended long ago": lambda bench, _: bench.let_pass(200.0),
}


@pytest.mark.parametrize("beyond", [False, True], ids=["versions-fall", "versions-grow-all-the-same"])
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("born_again", [False, True], ids=["gone", "born-again"])
def test_what_was_carried_out_in_the_history_that_is_lost_is_not_carried_out_again(
    lost: str, born_again: bool, beyond: bool, bench: Bench
) -> None:
    """Its target may have been created again within the three seconds that rule 8 tolerates. etcd can be
    restored with versions that are higher than any before.
    """
    bench.start()
    bench.server.job_seconds = 0.5 if lost != "it was under way" else 10.0
    name = bench.request("documents")
    bench.api.take_snapshot()
    if born_again:
        bench.loop.call_later(0.9, bench.server.create, "documents")
    LOST[lost](bench, name)
    assert sent(bench) == 1
    bench.restore()
    if beyond:
        bench.api.go_on_to(10_000)
    bench.let_pass(300.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "RestoredFromBackup"


WITHDRAWN: dict[str, Callable[[Bench, str], None]] = {
    "deleted": lambda bench, name: bench.remove(name),
    "held": lambda bench, name: bench.api.edit(name, suspend=True),
}


@pytest.mark.parametrize("since", [1.0, 150.0], ids=["just-now", "long-ago"])
@pytest.mark.parametrize("how", WITHDRAWN)
def test_what_was_withdrawn_in_the_history_that_is_lost_is_not_carried_out(
    how: str, since: float, bench: Bench
) -> None:
    bench.server.down_until = bench.loop.time() + 300.0
    bench.start()
    name = bench.request("documents")
    bench.let_pass(5.0)
    bench.api.take_snapshot()
    WITHDRAWN[how](bench, name)
    bench.let_pass(since)
    bench.restore()
    bench.let_pass(400.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "RestoredFromBackup"


def test_an_attempt_that_both_histories_know_is_followed_to_its_end(bench: Bench) -> None:
    bench.start()
    bench.server.job_seconds = 30.0
    name = bench.request("documents")
    bench.let_pass(3.0)
    bench.api.take_snapshot()
    bench.let_pass(10.0)
    bench.restore()
    bench.let_pass(60.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"


def test_an_answer_that_was_under_way_is_recorded(bench: Bench) -> None:
    bench.start()
    name = bench.request("documents")
    when_written(bench, "Submitting", bench.api.take_snapshot)
    when_written(bench, "Running", lambda: bench.loop.call_soon(bench.restore))
    bench.let_pass(300.0)

    assert sent(bench) == 1
    assert bench.status(name)["phase"] == "Succeeded"


def test_what_still_waits_goes_on(bench: Bench) -> None:
    bench.server.down_until = bench.loop.time() + 30.0
    bench.start()
    name = bench.request("documents")
    bench.let_pass(5.0)
    bench.api.take_snapshot()
    bench.api.go_on_to(1_000)
    bench.api.touch(name)
    bench.let_pass(2.0)
    bench.restore()
    later = bench.request("documents")
    bench.let_pass(90.0)

    assert sent(bench) == 1
    assert reason(bench, name) == "DeletionCompleted"
    assert reason(bench, later) in ("AlreadyAbsent", "VerifiedAbsent")


def test_an_older_version_is_looked_into_also_where_others_are_beyond_it(bench: Bench) -> None:
    """Whatever else was written since, one object's versions never fall."""
    bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(5.0)
    bench.api.take_snapshot()
    bench.api.edit(name, backoffLimit=1)
    bench.let_pass(1.0)
    [process] = bench.processes
    bench.restore()
    bench.api.go_on_to(10_000)
    bench.let_pass(90.0)

    assert process.life == 2
    assert bench.status(name)["observedGeneration"] == 1


def test_a_watch_that_is_late_is_no_other_history(bench: Bench) -> None:
    process = bench.start()
    process.trouble.watch_lag = 20.0
    bench.server.job_seconds = 15.0
    name = bench.request("documents")
    for number in range(30):
        bench.let_pass(3.0)
        if bench.status(name)["phase"] not in ("Submitting", "Running"):
            bench.api.edit(name, backoffLimit=number % 5)
        bench.api.touch(name)
    bench.let_pass(60.0)

    assert process.life == 1
    assert reason(bench, name) == "DeletionCompleted"


# What comes late, twice or slowly


def test_a_withdrawal_that_was_seen_before_the_claim_s_answer_counts(bench: Bench) -> None:
    process = bench.start()
    bench.let_pass(6.0)
    process.trouble.writes.append(WriteFault(answers=1.0))
    name = bench.request("documents")
    when_written(bench, "Submitting", lambda: bench.loop.call_later(0.05, bench.api.withdraw, name))
    bench.let_pass(30.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "Withdrawn"


def test_an_object_that_a_list_did_not_show_any_more_stays_gone_when_its_claim_is_answered(
    bench: Bench,
) -> None:
    process = bench.start()
    bench.let_pass(6.0)
    process.trouble.writes.append(WriteFault(answers=2.0))

    def withdraw() -> None:
        process.trouble.deaf_until = bench.loop.time() + 100.0
        bench.loop.call_later(0.05, bench.remove, name)
        bench.loop.call_later(0.1, process.context.copy().run, process.reconciler.list_anew)

    when_written(bench, "Submitting", withdraw)
    name = bench.request("documents")
    bench.let_pass(30.0)

    assert sent(bench) == 0


def test_what_was_known_before_two_restores_still_counts(bench: Bench) -> None:
    process = bench.start()
    bench.let_pass(6.0)
    name = bench.request("documents")
    bench.api.take_snapshot()
    bench.api.edit(name, suspend=True)
    bench.let_pass(30.0)
    process.leads = False
    for _ in range(2):
        bench.restore()
        bench.let_pass(25.0)
        bench.api.go_on_to(1000)
        bench.let_pass(25.0)
    process.leads = True
    process.reconciler.leadership_changed()
    bench.let_pass(90.0)

    assert sent(bench) == 0
    assert reason(bench, name) == "RestoredFromBackup"


def test_a_version_from_before_its_end_is_no_other_history(bench: Bench) -> None:
    """A list may have begun before the object was deleted, and end after that was seen."""
    process = bench.start()
    name = bench.request("documents", suspend=True)
    bench.let_pass(30.0)
    before = copy.deepcopy(bench.api.objects[name])
    process.trouble.deaf_until = bench.loop.time() + 100.0
    bench.remove(name)
    bench.let_pass(70.0)  # the next list does not have it, and a read tells that it is gone
    context = process.context.copy()
    context.run(lambda: process.reconciler.observe(before, listed=True))
    bench.let_pass(30.0)

    assert process.life == 1
    assert sent(bench) == 0


def test_where_the_api_server_answers_too_slowly_it_says_so_and_goes_on_later(one_slot: Bench) -> None:
    process = one_slot.start()
    process.trouble.namespace_seconds = 2.5
    name, other = one_slot.request("documents-1"), one_slot.request("documents-2")
    one_slot.let_pass(300.0)
    assert sent(one_slot) == 0
    assert {reason(one_slot, each) for each in (name, other)} == {"NamespaceUnverified"}

    process.trouble.namespace_seconds = 0.0
    one_slot.let_pass(60.0)
    assert {reason(one_slot, each) for each in (name, other)} == {"DeletionCompleted"}


def test_who_looked_long_before_takes_no_quick_answer_for_a_slow_one(one_slot: Bench) -> None:
    """Each request looks when it is first seen, and then waits for the job slot while others' claims ask."""
    one_slot.server.job_seconds = 4.0
    one_slot.start()
    names = [one_slot.request(f"documents-{number}") for number in range(6)]
    one_slot.let_pass(6 * (4.0 + 1.0))

    assert {reason(one_slot, each) for each in names} == {"DeletionCompleted"}
    shown = {status.get("reason") for each in one_slot.records.values() for status in each.statuses}
    assert "NamespaceUnverified" not in shown
