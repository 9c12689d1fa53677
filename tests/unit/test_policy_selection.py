"""What a policy matches in a listing: by name, by age, by what it holds, and nothing that can't be told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorcheh_operator.api.policy import Select
from moorcheh_operator.moorcheh.answers import Entry
from moorcheh_operator.policies.selection import duration, flaw, matches
from moorcheh_operator.servers.definitions import Allowed, Definition, From
from tests.unit.policies import NOW, SERVER, a_listing, a_select, old, undated

DAY = timedelta(hours=24)
LOOKED = NOW.time


def born(before: timedelta, count: int | None = 3) -> Entry:
    return Entry(count, (LOOKED.replace(microsecond=0) - before).isoformat())


OTHERS = {"dated": old()}

YEAR_0 = Entry(3, "1970-01-01T00:00:00Z")
A_DAY_AND_A_SECOND = born(DAY + timedelta(seconds=1))

SELECTED = [
    pytest.param(a_select("ci-*"), {"ci-1": old(), "CI-2": old(), "xci-3": old()}, ["ci-1"], 0, id="glob"),
    pytest.param(a_select("ci-1"), {"ci-1": old(), "ci-12": old()}, ["ci-1"], 0, id="a-name-is-a-glob"),
    pytest.param(a_select("ci-?"), {"ci-1": old(), "ci-12": old()}, ["ci-1"], 0, id="one-character"),
    pytest.param(a_select("b", "a"), {"b": old(), "a": old()}, ["a", "b"], 0, id="any-of-the-globs-sorted"),
    pytest.param(
        a_select("ci-*", except_names=("ci-keep-*",)),
        {"ci-1": old(), "ci-keep-1": old()},
        ["ci-1"],
        0,
        id="except",
    ),
    pytest.param(a_select("*", older_than="24h"), {"a": old(), "b": old(hours=1)}, ["a"], 0, id="older"),
    pytest.param(a_select(older_than="24h"), {"ci-1": born(DAY)}, [], 0, id="just-so-old-is-not-older"),
    pytest.param(a_select(older_than="24h"), {"ci-1": A_DAY_AND_A_SECOND}, ["ci-1"], 0, id="a-second-older"),
    pytest.param(
        a_select(older_than="36h30m"), {"ci-1": old(hours=36), "ci-2": old(hours=37)}, ["ci-2"], 0,
        id="minutes"
    ),
    pytest.param(a_select(older_than="24h"), {"ci-1": undated()}, [], 1, id="age-on-an-undated-server"),
    pytest.param(a_select(older_than="24h"), {"ci-1": Entry(3, "soon"), **OTHERS}, [], 1,
                 id="unreadable-time"),
    pytest.param(a_select(older_than="24h"), {"ci-1": YEAR_0, **OTHERS}, [], 1, id="1970"),
    pytest.param(a_select(older_than="24h"), {"ci-1": Entry(3, "2026-01-01"), **OTHERS}, [], 1,
                 id="a-bare-date"),
    pytest.param(a_select(), {"ci-1": undated()}, ["ci-1"], 0, id="by-name-on-an-undated-server"),
    pytest.param(a_select(), {"ci-1": undated(), **OTHERS}, [], 1, id="undated-where-others-have-a-time"),
    pytest.param(a_select(), {"ci-1": born(timedelta()), "ci-2": born(timedelta(hours=-1))}, [], 0,
                 id="newer"),
    pytest.param(a_select("*", max_items=0), {"a": old(0), "b": old(1)}, ["a"], 0, id="only-if-empty"),
    pytest.param(a_select("*", max_items=5), {"a": old(5), "b": old(6)}, ["a"], 0, id="at-most-so-many"),
    pytest.param(a_select("*", max_items=0), {"a": old(None)}, [], 1, id="no-count"),
    pytest.param(a_select("*", max_items=0), {"a": undated(0)}, ["a"], 0, id="empty-on-an-undated-server"),
    pytest.param(
        a_select(older_than="24h", max_items=0), {"ci-1": old(None, hours=1)}, [], 0,
        id="too-young-whatever-it-holds"
    ),
    pytest.param(
        a_select("*", older_than="1s"), {"a/b": old(), "..": old(), "ü": old(), "x" * 256: old()},
        [], 0, id="no-request-can-name-it",
    ),
    pytest.param(a_select("*"), {"a": old()}, [], 0, id="everything-and-no-bound"),
    pytest.param(a_select(older_than="tomorrow"), {"ci-1": old()}, [], 0, id="no-duration"),
    pytest.param(a_select(older_than="999999h"), {"ci-1": old()}, [], 0, id="older-than-a-century"),
    pytest.param(a_select(), {}, [], 0, id="nothing-there"),
]  # fmt: skip


@pytest.mark.parametrize(("select", "entries", "names", "unverifiable"), SELECTED)
def test_what_is_selected(
    select: Select, entries: dict[str, Entry], names: list[str], unverifiable: int
) -> None:
    found = matches(select, a_listing(entries), SERVER, LOOKED)

    assert (list(found.names), found.unverifiable) == (names, unverifiable)


@pytest.mark.parametrize(
    ("skew", "age", "matched"),
    [
        pytest.param(0, 25, True, id="clocks-agree"),
        pytest.param(2 * 3600, 25, False, id="its-clock-is-behind-and-it-only-looks-old"),
        pytest.param(2 * 3600, 27, True, id="old-by-both"),
        pytest.param(-2 * 3600, 23, False, id="its-clock-is-ahead-and-its-own-word-says-young"),
        pytest.param(-2 * 3600, 25, True, id="old-by-its-own-word-too"),
    ],
)
def test_a_namespace_is_old_by_both_clocks(skew: float, age: float, matched: bool) -> None:
    found = matches(a_select(older_than="24h"), a_listing({"ci-1": old(hours=age)}, skew), SERVER, LOOKED)

    assert bool(found.names) is matched


def test_what_the_servers_file_keeps_is_not_matched_and_not_shown() -> None:
    server = Definition(
        "default",
        "http://moorcheh:8080",
        allowed_namespaces=Allowed(From.ALL),
        allowed_names=("ci-*", "prod"),
        protected_names=("ci-keep", "prod"),
    )
    entries = {"ci-1": old(), "ci-keep": old(), "prod": old(), "other": old()}

    found = matches(a_select("*", older_than="1s"), a_listing(entries), server, LOOKED)

    assert found.names == ("ci-1",)


@pytest.mark.parametrize(
    ("select", "entries", "bound"),
    [
        pytest.param(a_select(), {"ci-1": old()}, timedelta(), id="the-look-itself"),
        pytest.param(a_select(older_than="24h"), {"ci-1": old()}, DAY, id="less-the-age"),
        pytest.param(a_select(), {"ci-1": undated()}, None, id="none-on-an-undated-server"),
    ],
)
def test_the_bound_of_the_requests(
    select: Select, entries: dict[str, Entry], bound: timedelta | None
) -> None:
    found = matches(select, a_listing(entries), SERVER, LOOKED + timedelta(milliseconds=700))

    assert found.created_before == (None if bound is None else LOOKED - bound)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("168h", 604800), ("36h30m", 131400), ("1m", 60), ("1h1m1s", 3661), ("45s", 45), ("007h", 25200)],
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "0h", "0h0m0s", "7d", "1.5h", "-1h", "1h ", "30m1h", "h", "1000000h", "٣h", "1H"]
)
def test_what_is_no_duration(text: str) -> None:
    assert duration(text) is None


@pytest.mark.parametrize(
    ("select", "field"),
    [
        pytest.param(Select(("*",)), "spec.select.names[0]", id="star-alone"),
        pytest.param(Select(("a", "**")), "spec.select.names[1]", id="stars-beside-a-name"),
        pytest.param(Select(("?*",)), "spec.select.names[0]", id="any-one-and-more"),
        pytest.param(Select(("[a-z]*",)), "spec.select.names[0]", id="a-set-and-a-star"),
        pytest.param(Select(("",)), "spec.select.names[0]", id="empty"),
        pytest.param(Select(("a b",)), "spec.select.names[0]", id="blank"),
        pytest.param(Select(("a", "a/*")), "spec.select.names[1]", id="slash"),
        pytest.param(Select(("[ab",)), "spec.select.names[0]", id="half-a-set"),
        pytest.param(Select(("a",), ("b.*",)), "spec.select.exceptNames[0]", id="except"),
        pytest.param(Select(()), "spec.select.names", id="no-names"),
        pytest.param(Select(("a",), older_than="7d"), "spec.select.olderThan", id="days"),
        pytest.param(Select(("*",), older_than="0s"), "spec.select.olderThan", id="older-than-nothing"),
        pytest.param(Select(("a",), max_items=-1), "spec.select.maxItems", id="negative"),
    ],
)
def test_what_is_wrong_is_named(select: Select, field: str) -> None:
    assert (flaw(select) or "").startswith(field)


@pytest.mark.parametrize(
    "select", [Select(("*",), older_than="1h"), Select(("*",), max_items=0), Select(("c*",))]
)
def test_what_is_right(select: Select) -> None:
    assert flaw(select) is None


def test_five_thousand_namespaces_are_judged_by_globs_made_to_be_slow() -> None:
    """In some tenths of a second: by a reader that goes back and tries again it would be for ever."""
    entries = {f"ci-{number:05}-{'a' * 200}": old(hours=number % 100) for number in range(5000)}
    hard = (*(f"*{'a*' * 20}{letter}" for letter in "bcdefghij"), "ci-*")

    found = matches(a_select(*hard, older_than="48h"), a_listing(entries), SERVER, LOOKED)

    assert len(found.names) == sum(number % 100 > 48 for number in range(5000))
