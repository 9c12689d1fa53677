"""The servers file: what it says, and the one line about what is wrong with it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.client import Moorcheh
from moorcheh_operator.process.application import CannotStartError, serve
from moorcheh_operator.process.settings import Settings
from moorcheh_operator.servers.addresses import address
from moorcheh_operator.servers.definitions import (
    MAX_FILE,
    Allowed,
    Definition,
    From,
    NameReuse,
    Operator,
    Selector,
    Servers,
    ServersError,
    Term,
    parse,
    single,
)
from moorcheh_operator.servers.file import Loaded, ServersFile
from tests.dev.waiting import until

WHOLE = """
servers:
  - name: default
    url: http://moorcheh:8080/
  - name: archive
    url: HTTPS://Archive.example:443/api
    apiKeyFile: /keys/archive
    caFile: /keys/ca.pem
    timeoutSeconds: 2.5
    maxRunningJobs: 0
    nameReuse: Never
    allowedNamespaces:
      from: Selector
      selector:
        matchLabels: {team: a}
        matchExpressions:
          - {key: env, operator: NotIn, values: [prod, live]}
          - {key: example.com/new, operator: DoesNotExist}
    allowedNames: ["logs-*"]
    protectedNames: ["logs-1?", "keep"]
"""


def test_every_field_is_read() -> None:
    assert parse(WHOLE).definitions == (
        Definition("default", "http://moorcheh:8080"),
        Definition(
            "archive",
            "https://archive.example/api",
            api_key_file="/keys/archive",
            ca_file="/keys/ca.pem",
            timeout_seconds=2.5,
            max_running_jobs=0,
            name_reuse=NameReuse.NEVER,
            allowed_namespaces=Allowed(
                From.SELECTOR,
                Selector(
                    {"team": "a"},
                    (
                        Term("env", Operator.NOT_IN, frozenset({"prod", "live"})),
                        Term("example.com/new", Operator.DOES_NOT_EXIST),
                    ),
                ),
            ),
            allowed_names=("logs-*",),
            protected_names=("logs-1?", "keep"),
        ),
    )


def test_what_is_declared_of_one_server_counts_for_its_url_alone() -> None:
    servers = parse(WHOLE)

    assert servers.name_reuse("https://archive.example/api") is NameReuse.NEVER
    assert servers.name_reuse("http://moorcheh:8080") is NameReuse.POSSIBLE
    assert servers.name_reuse("https://archive.example") is NameReuse.POSSIBLE
    assert single("http://moorcheh", NameReuse.NEVER).name_reuse("http://moorcheh") is NameReuse.NEVER


def test_json_is_yaml() -> None:
    assert parse('{"servers": [{"name": "a", "url": "http://a"}]}').get("a") == Definition("a", "http://a")


@pytest.mark.parametrize(
    ("elsewhere", "left"),
    [
        pytest.param([], set(), id="nothing"),
        pytest.param(["logs"], {"logs"}, id="by-name"),
        pytest.param(["log?"], {"logs"}, id="by-glob"),
        pytest.param(["*"], {"logs", "misspelled"}, id="all-but-its-own"),
    ],
)
def test_requests_for_a_server_of_the_file_are_served_and_others_unless_they_are_anothers(
    elsewhere: list[str], left: set[str]
) -> None:
    servers = parse(
        yaml.safe_dump({"servers": [{"name": "a", "url": "http://a"}], "servedElsewhere": elsewhere})
    )

    assert {name for name in ("a", "logs", "misspelled") if not servers.serves(name)} == left


def test_the_one_server_of_the_environment_is_open_to_all() -> None:
    assert single("http://moorcheh:80/") == Servers(
        (Definition("default", "http://moorcheh", allowed_namespaces=Allowed(From.ALL)),)
    )


def file(**fields: Any) -> str:
    return yaml.safe_dump({"servers": [{"name": "a", "url": "http://a"} | fields]})


def selecting(**selector: Any) -> str:
    return file(allowedNamespaces={"from": "Selector", "selector": selector})


TWO = "{servers: [{name: a, url: 'http://a'}, %s]}"
NO_HOST = "must have a host's name"
WRONG = {
    "empty": ("", "the file must be a mapping"),
    "a list": ("[]", "the file must be a mapping"),
    "no servers": ("servers: []", "servers: must name at least one"),
    "another key": ("{servers: [], server: 1}", "server: is no field"),
    "no list": ("servers: {}", "servers: must be a list"),
    "no mapping": ("servers: [1]", "servers[0]: must be a mapping"),
    "no name": ("servers: [{url: 'http://a'}]", "servers[0].name: must be there"),
    "no url": ("servers: [{name: a}]", "servers[0].url: must be there"),
    "a mistyped key": (file(protectedName=["x"]), "servers[0].protectedName: is no field"),
    "a secret in place": (file(apiKey="hunter2"), "servers[0].apiKey: is no field"),
    "a name by YAML's no": ("servers: [{name: no, url: 'http://a'}]", "servers[0].name: must be a text"),
    "a name of capitals": (file(name="A"), "servers[0].name: must be"),
    "a name too long": (file(name=64 * "a"), "servers[0].name: must be"),
    "the same name": (TWO % "{name: a, url: 'http://b'}", "servers[1].name: is the same as servers[0].name"),
    "the same server": (
        TWO % "{name: b, url: 'HTTP://A:80/'}",
        "servers[1].url: is the same as servers[0].url",
    ),
    "a url of another kind": (file(url="ftp://a"), "servers[0].url: must look like"),
    "a url with a password": (file(url="http://me:hunter2@a"), "servers[0].url: must hold no user"),
    "a url with a query": (file(url="http://a/?key=hunter2"), "servers[0].url: must be no more"),
    "a url with dots": (file(url="http://a/x/%2e%2e"), "servers[0].url: must have no"),
    "a url with a space": (file(url="http://a b"), "servers[0].url: must be at most"),
    "a url with a bad port": (file(url="http://a:99999"), "servers[0].url: is no URL"),
    "an address that is none": (file(url="http://10.0.0.300:8080"), f"servers[0].url: {NO_HOST}"),
    "an address of three": (file(url="http://10.0.0"), f"servers[0].url: {NO_HOST}"),
    "an address with a dot": (file(url="http://10.0.0.1."), f"servers[0].url: {NO_HOST}"),
    "an address of a link": (file(url="http://[fe80::1%25eth0]"), f"servers[0].url: {NO_HOST}"),
    "an address to come": (file(url="http://[v1.a]"), f"servers[0].url: {NO_HOST}"),
    "a host of dots": (file(url="http://..."), f"servers[0].url: {NO_HOST}"),
    "a host with an empty label": (file(url="http://a..b"), f"servers[0].url: {NO_HOST}"),
    "a host with a long label": (file(url=f"http://{64 * 'a'}.b"), f"servers[0].url: {NO_HOST}"),
    "a host of another script that is none": (file(url="http://xn--a"), f"servers[0].url: {NO_HOST}"),
    "a host with an escape": (file(url="http://a%20b"), f"servers[0].url: {NO_HOST}"),
    "a host with a comma": (file(url="http://a,b"), f"servers[0].url: {NO_HOST}"),
    "two credentials": (file(apiKeyFile="/a", bearerTokenFile="/b"), "servers[0].bearerTokenFile: can't"),
    "a relative file": (file(apiKeyFile="key"), "servers[0].apiKeyFile: must be an absolute path"),
    "a CA without TLS": (file(caFile="/ca"), "servers[0].caFile: has no use"),
    "another reuse": (
        file(nameReuse="Sometimes"),
        "servers[0].nameReuse: must be Possible or Never",
    ),
    "a reuse that is false": (file(nameReuse=False), "servers[0].nameReuse: must be a text"),
    "no time": (file(timeoutSeconds="5"), "servers[0].timeoutSeconds: must be a number"),
    "too little time": (file(timeoutSeconds=0), "servers[0].timeoutSeconds: must be a number"),
    "a time that is true": (file(timeoutSeconds=True), "servers[0].timeoutSeconds: must be a number"),
    "a time that is none": (file(timeoutSeconds=float("nan")), "servers[0].timeoutSeconds: must be a number"),
    "half a job": (file(maxRunningJobs=0.5), "servers[0].maxRunningJobs: must be a whole number"),
    "less than no job": (file(maxRunningJobs=-1), "servers[0].maxRunningJobs: must be"),
    "a name for a list": (file(allowedNames="a*"), "servers[0].allowedNames: must be a list"),
    "a set in a glob": (file(protectedNames=["a", "[ab]"]), "servers[0].protectedNames[1]: must be made of"),
    "an empty glob": (file(protectedNames=[""]), "servers[0].protectedNames[0]: must be made of"),
    "from nowhere": (file(allowedNamespaces={"from": "None"}), "servers[0].allowedNamespaces.from: must be"),
    "from a list": (file(allowedNamespaces={"from": ["All"]}), "servers[0].allowedNamespaces.from: must be"),
    "a selector for all": (
        file(allowedNamespaces={"from": "All", "selector": {"matchLabels": {"a": "b"}}}),
        "servers[0].allowedNamespaces.selector: has no use",
    ),
    "no selector": (
        file(allowedNamespaces={"from": "Selector"}),
        "allowedNamespaces.selector: must be there",
    ),
    "an empty selector": (selecting(), "selector: must have at least one term"),
    "labels that select none": (selecting(matchLabels={}), "selector: must have at least one term"),
    "a label by YAML's yes": (selecting(matchLabels={"team": True}), "matchLabels[...]: must be a text"),
    "a label that can't be": (selecting(matchLabels={"a b": "c"}), "matchLabels: has a key"),
    "another operator": (
        selecting(matchExpressions=[{"key": "a", "operator": "Gt", "values": ["1"]}]),
        "matchExpressions[0].operator: must be",
    ),
    "In of nothing": (
        selecting(matchExpressions=[{"key": "a", "operator": "In", "values": []}]),
        "matchExpressions[0].values: must be there",
    ),
    "Exists of something": (
        selecting(matchExpressions=[{"key": "a", "operator": "Exists", "values": ["b"]}]),
        "matchExpressions[0].values: must be there",
    ),
    "elsewhere in capitals": (
        "{servers: [{name: a, url: 'http://a'}], servedElsewhere: [B]}",
        "servedElsewhere[0]: must be at most 63",
    ),
    "elsewhere and here": (
        "{servers: [{name: a, url: 'http://a'}], servedElsewhere: [b, a]}",
        "servedElsewhere[1]: is the name of one",
    ),
    "elsewhere that is no list": (
        "{servers: [{name: a, url: 'http://a'}], servedElsewhere: b}",
        "servedElsewhere: must be a list",
    ),
    "a key twice": ("servers:\n- {name: a, name: b, url: 'http://a'}", "a key is there twice"),
    "an anchor": ("servers: &a []", "anchors are not taken"),
    "a bomb": ("a: &a [x]\nservers: [*a, *a]", "anchors are not taken"),
    "a merge": ("servers: [{<<: {name: a}, url: 'http://a'}]", "a key must be a text"),
    "nothing as a value": (
        "servers: [{name: a, url: 'http://a', apiKeyFile: }]",
        "line 1: apiKeyFile: has no value: give it one, or leave it out",
    ),
    "a null": (
        "servers:\n- {name: a, url: 'http://a', protectedNames: null}",
        "line 2: protectedNames: has no value",
    ),
    "nothing below servers": ("servers:\n", "line 1: servers: has no value"),
    "nothing as a list": (
        "servers: [{name: a, url: 'http://a'}]\nservedElsewhere:\n",
        "line 2: servedElsewhere: has no value",
    ),
    "an item of nothing": (
        "servers:\n- name: a\n  url: http://a\n  protectedNames:\n  - a\n  -\n",
        "protectedNames[1]: has no value",
    ),
    "a null deeper": (
        "servers: [{name: a, url: 'http://a', allowedNamespaces: {selector: {matchLabels: {a: ~}}}}]",
        "line 1: a: has no value",
    ),
    "nothing but a null": ("~", "line 1: the file: has no value"),
    "an object": ("servers: !!python/object/apply:os.system [ls]", "can't be read as YAML"),
    "two documents": ("servers: []\n---\nservers: []", "can't be read as YAML"),
    "half": ("servers: [{name: a", "can't be read as YAML"),
    "a deep one": ("[" * 5000, "can't be read as YAML"),
    "a zero byte": ("servers: \0", "can't be read as YAML"),
}


@pytest.mark.parametrize(("text", "words"), [pytest.param(*row, id=name) for name, row in WRONG.items()])
def test_what_is_wrong_is_one_line_that_names_the_field_and_no_value(text: str, words: str) -> None:
    with pytest.raises(ServersError) as raised:
        parse(text)

    assert words in str(raised.value)
    assert str(raised.value).isprintable()
    assert "hunter2" not in str(raised.value)


def test_two_ways_to_write_a_server_are_one() -> None:
    ways = ["http://a", "http://a/", "HTTP://A", "http://a:80", "http://A:80/"]

    assert {address(way) for way in ways} == {"http://a"}
    assert address("http://[::1]:8080/") == "http://[::1]:8080"


@pytest.mark.parametrize(
    "host", ["a_b.c-d.", "10.0.0.30", "[fd00::1]", "[::ffff:10.0.0.30]", "xn--bcher-kva.de"]
)
def test_a_host_that_can_be_one_is_taken(host: str) -> None:
    assert address(f"https://{host}:443") == f"https://{host}"


# Whatever stands in it


scalars = (
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20) | some.dates()
)
trees = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=9), inner, max_size=3),
)
FIELDS = (
    "name", "url", "apiKeyFile", "bearerTokenFile", "caFile", "timeoutSeconds", "maxRunningJobs", "nameReuse",
    "allowedNamespaces", "allowedNames", "protectedNames", "from", "selector", "matchLabels",
)  # fmt: skip
entries = some.dictionaries(some.sampled_from(FIELDS), trees | some.text(max_size=600), max_size=6)


def says_or_refuses(text: str) -> None:
    wrong, servers = "", Servers()
    try:
        servers = parse(text)
    except ServersError as error:
        wrong = str(error)

    assert wrong.isprintable()
    assert len(wrong) < 500
    assert bool(wrong) != bool(servers.definitions)
    assert all(address(each.url) == each.url for each in servers.definitions)


@given(some.text(max_size=300))
def test_any_text_is_a_servers_file_or_one_line(text: str) -> None:
    says_or_refuses(text)


@given(some.lists(entries, max_size=3))
def test_any_entries_are_servers_or_one_line(listed: list[Any]) -> None:
    says_or_refuses(yaml.safe_dump({"servers": listed}, allow_unicode=True))


@given(some.text(max_size=100) | some.from_regex(r"https?://[^\s]{1,50}", fullmatch=True))
def test_any_url_is_in_its_one_form_or_refused(url: str) -> None:
    wrong, shown = "", ""
    try:
        shown = address(url)
    except ValueError as error:
        wrong = str(error)

    assert wrong.isprintable()
    if shown:
        assert address(shown) == shown
        assert "@" not in shown.split("/")[2]


hosts = (
    some.from_regex(r"[0-9.]{1,16}|\[[0-9a-f:.]{1,40}\]|(xn--)?[!-~]{1,70}", fullmatch=True)
    | some.lists(some.from_regex(r"(xn--)?[a-z0-9_-]{0,64}", fullmatch=True), max_size=4).map(".".join)
    | some.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip))
)


@given(hosts)
def test_with_any_host_that_is_taken_a_call_can_be_made(host: str) -> None:
    try:
        url = address(f"http://{host}")
    except ValueError:
        return
    request = httpx.Request("GET", httpx.URL(url))

    request.url.raw_host.decode().encode("idna")  # what resolving it does first
    assert url.startswith(f"http://{request.headers['Host']}")


# The file on disk


def test_a_file_that_can_t_be_had_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ServersError, match=r"can't be read: No such file"):
        ServersFile(str(tmp_path / "none")).read()
    large = tmp_path / "large"
    large.write_text("#" * (MAX_FILE + 1))
    with pytest.raises(ServersError, match="is larger than"):
        ServersFile(str(large)).read()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ServersError, match="no UTF-8"):
        ServersFile(str(binary)).read()


NO_CAS = {
    "empty": "",
    "a blank line": " \n",
    "no PEM": "no certificate",
    "a comment": "# no certificate\n",
    "not a certificate": "-----BEGIN CERTIFICATE-----\naaaa\n-----END CERTIFICATE-----\n",
    "a key": "-----BEGIN PRIVATE KEY-----\naaaa\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("pem", [pytest.param(pem, id=name) for name, pem in NO_CAS.items()])
def test_a_ca_that_is_none_is_named(tmp_path: Path, pem: str) -> None:
    (tmp_path / "ca").write_text(pem)
    (tmp_path / "servers").write_text(file(url="https://a", caFile=str(tmp_path / "ca")))

    with pytest.raises(ServersError, match=r"^servers\[0\]\.caFile: holds no certificate"):
        ServersFile(str(tmp_path / "servers")).read()


def test_a_ca_with_a_name_of_another_script_beside_it_is_taken(tmp_path: Path) -> None:
    certificate = certifi.contents().partition("-----BEGIN")[2].partition("-----END")[0]
    pem = f"# CN=Főtanúsítvány\n-----BEGIN{certificate}-----END CERTIFICATE-----\n"
    (tmp_path / "ca").write_text(pem, encoding="utf-8")
    (tmp_path / "servers").write_text(file(url="https://a", caFile=str(tmp_path / "ca")))

    (taken,) = ServersFile(str(tmp_path / "servers")).read().authorities.values()

    assert isinstance(Moorcheh.at("https://a", 1.0, Clock(), authorities=taken), Moorcheh)


async def test_a_good_change_is_told_and_a_bad_one_keeps_the_last(tmp_path: Path) -> None:
    path = tmp_path / "servers"
    path.write_text(file())
    watched = ServersFile(str(path), look_seconds=0.01)
    watched.look(lambda _: None)
    told: list[Loaded] = []
    notes: list[bool] = []
    task = asyncio.create_task(watched.watch(told.append, notes.append))
    try:
        path.write_text("servers: [")
        await wait_for(lambda: False in notes)
        assert (told, bool(watched.trouble)) == ([], True)

        path.write_text(file(name="b"))
        await wait_for(lambda: bool(told))
        assert told[0].servers.get("b")
        await wait_for(lambda: notes[-1])
        assert watched.trouble is None
    finally:
        task.cancel()


async def test_what_can_t_be_applied_is_trouble_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "servers"
    path.write_text(file(name="first"))
    watched = ServersFile(str(path), look_seconds=0.01)
    watched.look(lambda _: None)
    tries: list[str] = []
    notes: list[bool] = []
    fails = True

    def changed(loaded: Loaded) -> None:
        tries.append(loaded.servers.definitions[0].name)
        if fails:
            raise RuntimeError("not\nnow")

    task = asyncio.create_task(watched.watch(changed, notes.append))
    try:
        path.write_text(file(name="second"))
        await wait_for(lambda: len(tries) >= 3)
        assert set(tries) == {"second"}
        assert True not in notes
        assert watched.trouble == "unexpected RuntimeError: not now"

        # Nobody knows how much of the second was taken.
        path.write_text(file(name="first"))
        await wait_for(lambda: "first" in tries)
        assert True not in notes

        fails = False
        await wait_for(lambda: notes[-1])
        assert watched.trouble is None
        tried = len(tries)
        await wait_for(lambda: notes[-3:] == [True] * 3)
        assert len(tries) == tried
    finally:
        task.cancel()


# At the start


STARTS = {
    "a base URL": ({"moorcheh_base_url": "http://10.0.0.300"}, f"--moorcheh-base-url: {NO_HOST}"),
    "a base URL of another kind": ({"moorcheh_base_url": "ftp://a"}, "--moorcheh-base-url: must look like"),
    "no file": ({"servers_file": "none"}, "--servers-file none: can't be read"),
    "a host": ({"servers_file": "host"}, "--servers-file host: servers[0].url: must have a host"),
    "a CA": ({"servers_file": "ca"}, "--servers-file ca: servers[0].caFile: holds no certificate"),
}


@pytest.mark.parametrize(("options", "words"), [pytest.param(*row, id=name) for name, row in STARTS.items()])
async def test_what_can_t_be_used_at_the_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "host").write_text(file(url="http://10.0.0.300:8080"))
    (tmp_path / "ca").write_text(file(url="https://a", caFile=str(tmp_path / "empty")))

    with pytest.raises(CannotStartError) as raised:
        await serve(Settings(**options))  # type: ignore[arg-type]  # texts alone

    assert str(raised.value).startswith(words)
    assert str(raised.value).isprintable()


async def wait_for(condition: Any) -> None:
    assert await asyncio.to_thread(until, condition)
