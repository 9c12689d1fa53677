"""What a person meets on the way to a server with a certificate: each told by its cause, with what helps.

Real sockets and real certificates (`tests/tls`).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dev.moorcheh.standin import StandIn
from tests.check.checking import Checked, check, run
from tests.check.test_hostile import always, answer, entry, listing, lists
from tests.check.wire import Behaviour, serving

FILES = Path(__file__).parents[1] / "tls"
CA = f"--ca-file={FILES / 'ca.pem'}"
WELL = lists(answer(200, listing(entry()), Date="Sat, 28 Nov 2026 02:00:00 GMT"))
TO_HTTPS = always(answer(400, None, b"<html>The plain HTTP request was sent to HTTPS port</html>"))


def certified(name: str, *, asks: bool = False, at_most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FILES / f"{name}.pem")
    if at_most is not None:
        context.maximum_version = at_most
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(FILES / "ca.pem")
    return context


@dataclass(frozen=True)
class Case:
    tls: ssl.SSLContext | None
    arguments: tuple[str, ...] = ()
    says: str = ""  # what speaks against it; nothing: it can be asked
    do: str = ""
    scheme: str = ""  # in the url, where it is not the server's
    behaviour: Behaviour = field(default=WELL)


OLD = ssl.TLSVersion.TLSv1_2
CASES: dict[str, Case] = {
    "its own CA": Case(certified("good"), (CA,)),
    "its own CA, TLS 1.2": Case(certified("good", at_most=OLD), (CA,)),
    "its own CA, which nobody named": Case(certified("good"), (), "not trusted", "`caFile`"),
    "another CA": Case(certified("good"), (f"--ca-file={FILES / 'another.pem'}",), "not trusted", "`caFile`"),
    "a certificate that has expired": Case(certified("expired"), (CA,), "expired", "renew"),
    "a certificate with another name": Case(certified("elsewhere"), (CA,), "mismatch", "a url with a name"),
    "it wants a client certificate": Case(
        certified("good", asks=True), (CA,), "a client certificate", "`apiKeyFile`"
    ),
    "it wants one, TLS 1.2": Case(
        certified("good", asks=True, at_most=OLD), (CA,), "there is no TLS at port", "client certificate"
    ),
    "TLS, and the url says http": Case(
        certified("good"), (), "the url says http, and the port speaks TLS", "https://", "http"
    ),
    "plain HTTP, and the url says https": Case(None, (CA,), "no TLS at port", "http://", "https"),
    "a redirect to https": Case(
        None,
        (),
        "it redirects to https://moorcheh.example/namespaces",
        "as the server's url",
        behaviour=always(answer(308, None, b"", Location="https://moorcheh.example/namespaces")),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_stands_between_is_told_with_what_helps(name: str) -> None:
    case = CASES[name]
    with serving(case.behaviour, case.tls) as wire:
        scheme, _, rest = wire.url.partition(":")
        url = f"{case.scheme or scheme}:{rest}"

        checked = check(url, *case.arguments, "--write" if case.says else "--moorcheh-name-reuse=Never")

    words = checked.words("It can be asked")
    if case.says:
        assert case.says in words
        assert case.do in checked.to_do("It can be asked")
        assert checked.code == 1
        assert wire.methods <= {"GET"}
    else:
        assert checked.state("It can be asked") == "Holds", words
        assert checked.found["reach"]["tls"]["certificateEnds"].startswith("Jan 1 00:00:00 2120")
        assert checked.code == 0


def test_a_server_that_answers_plain_http_with_an_error_speaks_tls_all_the_same() -> None:
    """nginx has words for it. What answers here does so by its first bytes: not by TLS."""
    with serving(TO_HTTPS) as wire:
        plain = check(wire.url)

    assert "HTTP 400" in plain.words("It can be asked")


FILE = """\
servers:
  - name: default
    url: {url}
    caFile: {ca}
    apiKeyFile: {key}
    nameReuse: Never
"""


def test_what_the_servers_file_has_is_used_the_ca_the_key_and_what_it_declares(tmp_path: Path) -> None:
    undated = entry()
    del undated["created_at"]
    (tmp_path / "key").write_text("k-123")
    with serving(lists(answer(200, listing(undated))), certified("good")) as wire:
        path = tmp_path / "servers.yaml"
        path.write_text(FILE.format(url=wire.url, ca=FILES / "ca.pem", key=tmp_path / "key"))
        checked = check(f"--servers-file={path}")

    assert checked.found["keySent"] == "X-Api-Key"
    assert any("x-api-key: k-123" in head.lower() for head in wire.headers)
    assert checked.found["nameReuse"] == "Never"
    assert checked.state("A failed job") == "Assumed"  # only read: whether there are jobs is open


def retries(moorcheh: StandIn, *arguments: str, **environment: str) -> str:
    _, out, _ = run(moorcheh.url, *arguments, environment=environment)
    return next(line for line in out.splitlines() if "A failed job may be tried again" in line).split()[0]


def test_of_a_url_what_is_declared_is_an_option_or_of_the_environment_that_has_the_url(
    moorcheh: StandIn,
) -> None:
    moorcheh.knob(created_field="none")
    moorcheh.create("documents")

    assert retries(moorcheh) == "limited"
    assert retries(moorcheh, "--moorcheh-name-reuse=Never") == "assumed"
    assert retries(moorcheh, MOORCHEH_NAME_REUSE="Never", MOORCHEH_BASE_URL=moorcheh.url) == "assumed"
    assert retries(moorcheh, MOORCHEH_NAME_REUSE="Never", MOORCHEH_BASE_URL="http://other") == "limited"


def test_a_declaration_that_the_server_does_not_keep_is_told(moorcheh: StandIn) -> None:
    """The name can be created anew while its job runs."""
    moorcheh.knob(created_field="none", name_leaves="accept")

    checked: Checked = check(moorcheh.url, "--write", "--moorcheh-name-reuse=Never")

    assert checked.trial["createMeanwhile"]["code"] == 201
    assert checked.state("A failed job") == "Limited"
    assert "created anew while its job runs" in checked.words("A failed job")
