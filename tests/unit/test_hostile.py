"""Whatever a server answers and whatever a name is: bounded, without control characters, and never "absent".

Over a stand-in for httpcore's connection, which is the wire as far as ours can see. What needs real bytes on
a real socket (redirects, endless bodies, broken HTTP) is in test_moorcheh.py.
"""

from __future__ import annotations

import json
import re
import ssl
from urllib.parse import unquote

import httpcore
import httpx
from hypothesis import given
from hypothesis import strategies as some

from moorcheh_operator.api.spec import Spec
from moorcheh_operator.api.status import MAX_COUNT
from moorcheh_operator.api.texts import MAX_TEXT
from moorcheh_operator.clock import Clock
from moorcheh_operator.lifecycle.access import access
from moorcheh_operator.moorcheh.answers import Accepted, JobReport, JobUnknown, Listing, NotSent, Unavailable
from moorcheh_operator.moorcheh.connection import NAME, Connection
from moorcheh_operator.moorcheh.parsing import JOB_ID
from moorcheh_operator.servers.definitions import Allowed, Definition, From
from tests.unit.builders import a_request
from tests.unit.servers import FakeHttp

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=2000)
trees = some.recursive(
    scalars,
    lambda inner: (
        some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=12), inner, max_size=4)
    ),
)
KEYS = (
    "status", "message", "job_id", "namespace_name", "last_error", "total_items", "deleted_items",
    "namespaces",
    "started_at", "finished_at", "name", "created_at", "item_count",
)  # fmt: skip
bodies = (
    some.binary(max_size=300)
    | trees.map(lambda tree: json.dumps(tree).encode())
    | some.dictionaries(some.sampled_from(KEYS), trees, max_size=6).map(
        lambda body: json.dumps(body).encode()
    )
)
statuses = some.sampled_from(
    [200, 201, 202, 204, 301, 302, 307, 308, 400, 401, 403, 404, 409, 422, 429, 500, 503]
)
headers = some.fixed_dictionaries(
    {},
    optional={
        "Location": some.sampled_from(["http://evil/", "/namespaces/other", "//evil"]),
        "Retry-After": some.text(some.characters(min_codepoint=33, max_codepoint=126), max_size=30),
        "Date": some.text(some.characters(min_codepoint=33, max_codepoint=126), max_size=30),
        "Content-Encoding": some.sampled_from(["gzip", "br", "identity"]),
    },
)


class Wire(FakeHttp):
    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        super().__init__(lambda _: httpcore.Response(status, headers=raw, content=body))

    def connection(self) -> Connection:
        connection = Connection(httpx.URL("http://moorcheh"), 5.0, Clock(), lambda *_: None, NO_TLS)
        connection._http = self  # noqa: SLF001 - the wire, where it meets the connection
        return connection

    @property
    def targets(self) -> list[bytes]:
        return [request.url.target for request in self.asked]


def shown_well(*texts: object) -> None:
    for text in texts:
        if text is not None:
            assert isinstance(text, str)
            assert text.isprintable()
            assert len(text.encode()) <= MAX_TEXT


@given(statuses, bodies, headers)
async def test_whatever_a_server_answers_to_a_delete(status: int, body: bytes, more: dict[str, str]) -> None:
    wire = Wire(status, body, more)
    said = await wire.connection().delete("documents", "uid/attempt")

    assert wire.targets == [b"/namespaces/documents"]
    shown_well(getattr(said, "error", None))
    if isinstance(said, Accepted):
        assert JOB_ID.fullmatch(said.job_id)
        assert 200 <= status < 300
    assert not isinstance(said, NotSent), "it was sent"


async def test_rule_3_a_delete_connects_within_what_is_left_of_its_time() -> None:
    """TCP and TLS may take that long each."""
    wire = Wire(202, b'{"job_id": "job-1"}', {})
    await wire.connection().delete("documents", "uid/attempt", leave_by=Clock().ticks() + 1.0)

    assert 0 < wire.asked[0].extensions["timeout"]["connect"] <= 0.5


@given(statuses, bodies, headers)
async def test_whatever_a_server_answers_to_a_poll(status: int, body: bytes, more: dict[str, str]) -> None:
    said = await Wire(status, body, more).connection().job("documents", "job-1")

    match said:
        case JobReport(job):
            assert job.id == "job-1"
            shown_well(job.status, job.last_error, job.start_time, job.update_time, job.finish_time)
            for count in (job.total_items, job.deleted_items):
                assert count is None or 0 <= count <= MAX_COUNT
        case JobUnknown(error) | Unavailable(error):
            shown_well(error)


@given(statuses, bodies, headers)
async def test_whatever_a_server_lists_it_is_a_list_or_no_answer(
    status: int, body: bytes, more: dict[str, str]
) -> None:
    said = await Wire(status, body, more).connection().listing()

    match said:
        case Listing(entries):
            assert status == 200
            listed = json.loads(body)["namespaces"]
            assert len(entries) == len(listed), "an entry that can't be read would read as absent"
            for name in entries:
                shown_well(entries[name].creation_time)
        case Unavailable(error):
            shown_well(error)


@given(some.text(max_size=300) | some.from_regex(r"[A-Za-z0-9_.%/\\-]{1,20}"))
async def test_whatever_the_name_only_its_own_path_is_asked_for(name: str) -> None:
    wire = Wire(202, b'{"job_id": "job-1"}', {})
    said = await wire.connection().delete(name, "uid/attempt")

    if NAME.fullmatch(name):
        assert wire.targets == [f"/namespaces/{name}".encode()]
    else:
        assert (type(said), wire.asked) == (NotSent, [])


@given(some.text(max_size=300))
async def test_whatever_the_job_id_only_its_own_path_is_asked_for(job_id: str) -> None:
    wire = Wire(200, b"{}", {})
    await wire.connection().job("documents", job_id)

    for target in wire.targets:
        assert re.fullmatch(rb"/namespaces/documents/delete-jobs/[A-Za-z0-9_-]{1,128}", target)


@given(some.lists(some.text(max_size=5) | some.sampled_from([".", "..", "%2e", "/"]), max_size=4))
async def test_whatever_a_path_is_made_of_it_means_what_it_says(parts: list[str]) -> None:
    """No server, and no proxy before it, takes it for another one."""
    wire = Wire(200, b"{}", {})
    await wire.connection().call("GET", ["namespaces", "documents", *parts])

    for target in wire.targets:
        expected = ["namespaces", "documents", *parts]
        assert [unquote(part, errors="strict") for part in target.decode().split("/")[1:]] == expected
        assert not {".", ".."} & set(parts)


@given(
    some.from_regex(r"[A-Za-z0-9_-]{1,255}", fullmatch=True),
    some.from_regex(r"[A-Za-z0-9_*?-]{1,40}", fullmatch=True),
)
def test_a_glob_means_what_its_letters_say(name: str, glob: str) -> None:
    pattern = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in glob)
    server = Definition("default", "http://a", allowed_namespaces=Allowed(From.ALL), protected_names=(glob,))
    request = a_request(spec=Spec(name))

    protected = getattr(access(request, server, None, None), "reason", None) == "Protected"
    assert protected == bool(re.fullmatch(pattern, name))
