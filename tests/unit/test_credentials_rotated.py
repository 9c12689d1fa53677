"""Tokens and certificates are rotated: what is refused or has expired is obtained anew, and not too often."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster import kubeconfig
from moorcheh_operator.cluster.credentials import (
    QUIET_SECONDS,
    REFUSED_GAP,
    REFUSED_MOST,
    RENEW_SECONDS,
    Credential,
    CredentialError,
    Credentials,
    Refusals,
)
from moorcheh_operator.cluster.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cret"


class Time:
    def __init__(self) -> None:
        self.ticks = 0.0
        self.clock = Clock(lambda: self.ticks, lambda: 1_700_000_000.0 + self.ticks)


class Issuer:
    """Gives `t1`, `t2`, …, or fails."""

    def __init__(self, time: Time, *, lifetime: float | None = None) -> None:
        self.asked = 0
        self.fails = False
        self.current = 1
        self._time = time
        self._lifetime = lifetime

    async def obtain(self) -> Credential:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise CredentialError("out of order")
        expires = None
        if self._lifetime is not None:
            expires = self._time.clock.now().time + timedelta(seconds=self._lifetime)
        return Credential(f"Bearer t{self.current}", expires=expires)


async def test_what_is_costly_is_kept_until_it_expires() -> None:
    time = Time()
    issuer = Issuer(time, lifetime=60)
    credentials = Credentials("it", issuer.obtain, time.clock, costly=True)
    first = [await credentials.current() for _ in range(3)]
    assert issuer.asked == 1

    time.ticks = 60.0
    issuer.current = 2
    assert (await credentials.current()).authorization == "Bearer t2"
    assert {each.authorization for each in first} == {"Bearer t1"}


async def test_what_is_refused_is_obtained_anew_once_for_all_who_were_refused() -> None:
    time = Time()
    issuer = Issuer(time)
    credentials = Credentials("it", issuer.obtain, time.clock, costly=True)
    refused = await credentials.current()
    issuer.current, time.ticks = 2, RENEW_SECONDS
    others = await asyncio.gather(*(credentials.other_than(refused) for _ in range(5)))

    assert {other.authorization for other in others if other} == {"Bearer t2"}
    assert None not in others
    assert issuer.asked == 2


async def test_where_the_same_is_refused_again_and_again_it_is_not_obtained_for_each_call() -> None:
    time = Time()
    issuer = Issuer(time)
    credentials = Credentials("it", issuer.obtain, time.clock, costly=True)
    refused = await credentials.current()
    for second in range(60):
        time.ticks = float(second)
        refused = await credentials.current()
        assert await credentials.other_than(refused) is None

    assert issuer.asked <= 1 + 60 / RENEW_SECONDS


async def test_a_file_that_is_away_while_it_is_replaced_does_no_harm() -> None:
    time = Time()
    issuer = Issuer(time)
    credentials = Credentials("it", issuer.obtain, time.clock)
    issuer.fails = True
    with pytest.raises(CredentialError):
        await credentials.current()
    issuer.fails = False
    await credentials.current()
    issuer.fails = True
    assert (await credentials.current()).authorization == "Bearer t1"
    issuer.fails, issuer.current = False, 2
    assert (await credentials.current()).authorization == "Bearer t2"


class Watched:
    def __init__(self) -> None:
        self.time = Time()
        self.given_up = 0
        credentials = Credentials("the token in /t", Issuer(self.time).obtain, self.time.clock)
        self.refusals = Refusals(credentials, "https://api", lambda: self.time.ticks)
        self.refusals.given_up = self.count

    def count(self) -> None:
        self.given_up += 1

    def play(self, seconds: float, refused: set[str], taken: set[str], each: float = 1.0) -> None:
        end = self.time.ticks + seconds
        while self.time.ticks < end:
            self.time.ticks += each
            for call in taken:
                self.refusals.taken(call)
            for call in refused:
                self.refusals.refused(call, "HTTP 401")


def test_what_is_refused_for_too_long_is_given_up_once_with_its_name() -> None:
    watched = Watched()
    watched.play(REFUSED_MOST - 1, {"PUT leases"}, {"GET namespacedeletions"})
    assert watched.given_up == 0
    watched.play(5, {"PUT leases"}, {"GET namespacedeletions"})

    assert watched.given_up == 1
    assert watched.refusals.words is not None
    words = ("https://api", "the token in /t", "PUT leases", "HTTP 401", "start the operator again")
    assert [each for each in words if each not in watched.refusals.words] == []


LIVED = {
    "one that is let through now and then": lambda watched: [
        (watched.play(10, {"GET x"}, set()), watched.play(1, set(), {"GET x"})) for _ in range(20)
    ],
    "one call of a kind that is seldom made": lambda watched: [
        watched.play(REFUSED_GAP + 1, {"POST x"}, {"GET x"}, REFUSED_GAP + 1) for _ in range(20)
    ],
    "six seconds": lambda watched: watched.play(6, {"GET x", "PATCH x"}, set()),
}


@pytest.mark.parametrize("lived", LIVED.values(), ids=LIVED)
def test_what_comes_and_goes_is_not_given_up(lived: Any) -> None:
    watched = Watched()
    lived(watched)

    assert watched.given_up == 0


def test_it_is_told_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched()
    watched.play(5, {"GET x", "PATCH y"}, {"GET z"})
    watched.play(1, set(), {"GET x"})
    watched.play(2 * REFUSED_GAP, set(), {"GET z"})
    begun, over = caplog.records

    assert (begun.levelname, over.levelname) == ("WARNING", "INFO")
    assert "does not take the token in /t" in begun.getMessage()
    assert over.getMessage() == "the API server at https://api takes the token in /t again"


def test_what_flaps_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched()
    for _ in range(60):
        watched.play(1, {"GET x"}, {"GET x"})

    assert len(caplog.records) <= 2 + 2 * 60 / QUIET_SECONDS


PROGRAM = """#!/bin/sh
[ -z "$TOLD" ] || printf '%s' "$KUBERNETES_EXEC_INFO" > "$TOLD"
exec cat "$0.says"
"""


def a_plugin(folder: Path, status: Any, **more: Any) -> None:
    """And a kubeconfig that names it."""
    program = folder / "plugin"
    program.write_text(PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    says(folder, status)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./plugin",
        "interactiveMode": "Never",
        "env": [{"name": "TOLD", "value": str(folder / "told")}],
        **more,
    }
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1", "tls-server-name": "api"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "config").write_text(yaml.safe_dump(content))


def says(folder: Path, status: Any) -> None:
    (folder / "plugin.says").write_text(status if isinstance(status, str) else json.dumps({"status": status}))


async def test_a_plugin_s_token_is_kept_until_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_plugin(tmp_path, {"token": "t1"}, provideClusterInfo=True)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    time = Time()
    found = await kubeconfig.load(time.clock)
    first = await found.credentials.current()
    says(tmp_path, {"token": "t2"})
    assert await found.credentials.current() is first
    time.ticks = RENEW_SECONDS
    second = await found.credentials.other_than(first)

    assert (first.authorization, second and second.authorization) == ("Bearer t1", "Bearer t2")
    told = json.loads((tmp_path / "told").read_text())
    assert told["spec"]["interactive"] is False
    assert told["spec"]["cluster"] == {"server": "http://127.0.0.1:1", "tls-server-name": "api"}


PLUGINS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no JSON": (f"{SECRET}", {}, "no ExecCredential"),
    "a list": ("[]", {}, "no ExecCredential"),
    "nothing in it": ({}, {}, "neither a token nor a certificate"),
    "half a certificate": ({"clientCertificateData": SECRET}, {}, "neither a token nor a certificate"),
    "a broken certificate": (
        {"clientCertificateData": SECRET, "clientKeyData": SECRET}, {}, "can't be used"
    ),
    "a terminal": ({"token": SECRET}, {"interactiveMode": "Always"}, "wants a terminal"),
    "not there": ({"token": SECRET}, {"command": "/none/such", "installHint": "get it"}, "get it"),
    "an error": (
        {}, {"command": "sh", "args": ["-c", "echo a; echo no login >&2; exit 3"]}, "with 3: no login"
    ),
    "silence": ({"token": SECRET}, {"command": "false"}, "ended with 1: it said nothing"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "more", "words"), PLUGINS.values(), ids=PLUGINS)
async def test_a_plugin_that_gives_nothing_is_named_with_the_reason(
    status: Any, more: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_plugin(tmp_path, status, **more)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(KubeconfigError) as refused:
        await kubeconfig.load(Clock())

    assert words in str(refused.value)
    assert "credential plugin" in str(refused.value)
    assert SECRET not in str(refused.value)
