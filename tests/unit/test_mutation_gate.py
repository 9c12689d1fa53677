"""The gate of `make test-mutations`: what it takes for a test that noticed, and what not."""

from __future__ import annotations

import pytest

from dev.mutate import Outcome, Result, Verdict, judged
from dev.mutations.mutation import Mutation

FAILURE = "FAILED tests/unit/test_x.py::test_it[a-b] - assert 1 == 2\n1 failed in 0.1s\n"
SETUP = "ERROR tests/unit/test_x.py::test_it - RuntimeError\n1 error in 0.1s\n"
COLLECTION = "ERROR tests/unit/test_x.py - ImportError: no such name\n!!! stopping after 1 failures !!!\n"
NO_FILE = "ERROR: file or directory not found: tests/unit/test_y.py\n\n"
NAMED = Outcome(Verdict.CAUGHT, "tests/unit/test_x.py::test_it[a-b]")


def test_a_test_that_failed_is_named() -> None:
    assert judged(1, FAILURE) == NAMED
    assert judged(1, SETUP) == Outcome(Verdict.CAUGHT, "tests/unit/test_x.py::test_it")


def test_tests_that_pass_noticed_nothing() -> None:
    assert judged(0, "200 passed in 3s\n") == Outcome(Verdict.SURVIVED)


@pytest.mark.parametrize(
    ("code", "out", "last"),
    [
        pytest.param(2, COLLECTION, COLLECTION.splitlines()[0], id="a-file-that-can-t-be-read"),
        pytest.param(1, COLLECTION, COLLECTION.splitlines()[0], id="the-same-with-another-exit-code"),
        pytest.param(4, NO_FILE, NO_FILE.strip(), id="a-file-that-is-not-there"),
        pytest.param(5, "no tests ran in 0.1s\n", "no tests ran in 0.1s", id="no-tests"),
        pytest.param(3, "INTERNALERROR> boom\n", "INTERNALERROR> boom", id="a-crash-of-pytest"),
        pytest.param(3, f"{FAILURE}INTERNALERROR> boom\n", "INTERNALERROR> boom", id="a-late-crash"),
        pytest.param(-9, "", "pytest ended with -9", id="killed"),
    ],
)
def test_a_run_that_broke_off_caught_nothing(code: int, out: str, last: str) -> None:
    assert judged(code, out) == Outcome(Verdict.BROKEN, last)


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_named_test_passes_the_gate(verdict: Verdict) -> None:
    result = Result(Mutation("1", "something", "model.py", ()), Outcome(verdict, "words"))

    assert result.good is (verdict is Verdict.CAUGHT)
    assert "words" in str(result)
    assert (str(result) == "words") is (verdict is Verdict.CAUGHT)
