"""Where a request's target is, as a table: by the name until it was looked up, by the URL from then on."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import Phase
from moorcheh_operator.lifecycle.facts import Polls
from moorcheh_operator.lifecycle.placement import needs_labels, place, working_at
from moorcheh_operator.servers.definitions import Allowed, Definition, From, Selector, Servers
from tests.unit.builders import TARGET, a_request

HERE, ELSEWHERE = "http://here", "http://elsewhere"
IN_FILE = Servers((Definition("default", HERE), Definition("other", ELSEWHERE)))
MOVED = Servers((Definition("default", ELSEWHERE),))
GONE = Servers()


def seen_at(url: str | None, phase: Phase = Phase.PENDING) -> Request:
    return a_request(phase, target=msgspec.structs.replace(TARGET, server=url))


ROWS: list[tuple[str, Request, Servers, str, str | None]] = [
    ("not looked up", a_request(), IN_FILE, HERE, HERE),
    ("not looked up, the name means another by now", a_request(), MOVED, ELSEWHERE, ELSEWHERE),
    ("not looked up, no such server", a_request(), GONE, "default", None),
    ("looked up", seen_at(HERE), IN_FILE, HERE, HERE),
    ("looked up, the name means another by now", seen_at(HERE), MOVED, HERE, None),
    ("looked up, no such server any more", seen_at(HERE), GONE, HERE, None),
    ("looked up elsewhere, which has another name", seen_at(ELSEWHERE), IN_FILE, ELSEWHERE, None),
    ("its job runs", seen_at(HERE, Phase.RUNNING), IN_FILE, HERE, HERE),
    ("its job runs, the name means another by now", seen_at(HERE, Phase.RUNNING), MOVED, HERE, HERE),
    ("its job runs, no such server any more", seen_at(HERE, Phase.RUNNING), GONE, HERE, HERE),
    ("its DELETE may be on its way", seen_at(HERE, Phase.SUBMITTING), MOVED, HERE, HERE),
    ("from before servers had names", seen_at(None, Phase.RUNNING), IN_FILE, HERE, HERE),
    ("ended", seen_at(HERE, Phase.SUCCEEDED), MOVED, HERE, None),
]


@pytest.mark.parametrize(
    ("_", "request_", "servers", "where", "worked_at"), ROWS, ids=[row[0] for row in ROWS]
)
def test_where_the_target_is_and_which_server_is_worked_with(
    _: str, request_: Request, servers: Servers, where: str, worked_at: str | None
) -> None:
    assert place(request_, servers) == (where, "documents")
    assert working_at(request_, Polls(), servers) == worked_at


LABELS: list[tuple[str, Request, From, bool]] = [
    ("open to all", a_request(), From.ALL, False),
    ("chosen by labels", a_request(), From.SELECTOR, True),
    ("its DELETE may be on its way", seen_at(HERE, Phase.SUBMITTING), From.SELECTOR, False),
    ("ended", seen_at(HERE, Phase.FAILED), From.SELECTOR, False),
    ("deleted", replace(a_request(), withdrawn=True), From.SELECTOR, False),
]


@pytest.mark.parametrize(("_", "request_", "allowed", "needed"), LABELS, ids=[row[0] for row in LABELS])
def test_labels_are_read_for_one_that_is_still_to_be_let_in(
    _: str, request_: Request, allowed: From, *, needed: bool
) -> None:
    selector = Selector({"team": "a"}) if allowed is From.SELECTOR else None
    server = Definition("default", HERE, allowed_namespaces=Allowed(allowed, selector))

    assert needs_labels(request_, Servers((server,))) is needed
