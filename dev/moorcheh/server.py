"""The documented calls: from the raw path to an operation, through the script of faults, to an answer."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web

from dev.moorcheh.clock import Moment, http_date, iso, read_clock
from dev.moorcheh.disk import Disk
from dev.moorcheh.faults import REQUESTS, Faults, Rule
from dev.moorcheh.jobs import plan
from dev.moorcheh.knobs import CLOUD_PREFIX, Knobs
from dev.moorcheh.record import Record
from dev.moorcheh.refusal import Refusal
from dev.moorcheh.store import NAME, Store, fresh
from dev.moorcheh.wire import Answer, failure, send, spoiled, success

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ALIVE_SECONDS = 0.1
"""How often a running server says so on disk: by that much a job's progress may be wrong after a kill."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a request line asks for. `other` is everything that the API does not have."""

    operation: str
    name: str = ""
    job_id: str = ""
    refusal: Refusal | None = None


def route(method: str, raw_path: str, *, cloud: bool = False) -> Call:
    """Decided on the path as it came over the wire: nothing is normalised, `..` and `%2F` are bad names."""
    parts = [unquote(part) for part in raw_path.partition("?")[0].split("/")[1:]]
    if cloud:
        prefix, *parts = parts
        if prefix != CLOUD_PREFIX:
            return Call("other", refusal=Refusal(404, "Not Found"))
    calls: dict[str, Call]
    match parts:
        case ["health"] if not cloud:
            calls = {"GET": Call("health")}
        case ["namespaces"]:
            calls = {"GET": Call("list"), "POST": Call("create")}
        case ["namespaces", name] if name:
            calls = {"DELETE": Call("delete", name)}
        case ["namespaces", name, "delete-jobs", job_id] if name and job_id and not cloud:
            calls = {"GET": Call("job", name, job_id)}
        case _:
            return Call("other", refusal=Refusal(404, "Not Found"))
    allowed = {"Allow": ", ".join(calls)}
    return calls.get(method) or Call("other", refusal=Refusal(405, "Method Not Allowed", allowed))


class Server:
    """State, script and record of one stand-in, and its handler of requests."""

    def __init__(self, data: Path, knobs: Knobs, faults: Faults) -> None:
        self.disk = Disk(data)
        self.record = Record(data / "journal.jsonl")
        self.faults = faults
        self.first_knobs = knobs
        self.store = Store(self.disk, self.record, knobs, read_clock(knobs.clock_shift))
        self.admin: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.resets = 0
        """How often all namespaces were reset; a request held back since before comes to nothing."""
        self._timer: asyncio.TimerHandle | None = None

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", r"/{path:[\s\S]*}", self.handle)  # a line break in a name is ours to refuse
        app.on_response_prepare.append(self._set_date)
        app.cleanup_ctx.append(self._live)
        return app

    def now(self) -> Moment:
        """The time, with everything done that fell due until then."""
        now = read_clock(self.store.knobs.clock_shift)
        self.store.advance(now)
        return now

    def arm(self) -> None:
        """One timer for whatever falls due next."""
        due = self.store.next_due
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
        # The loop's clock is time.monotonic, which is what a Moment has.
        self._timer = None if due is None else asyncio.get_running_loop().call_at(due, self._wake)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw_path = request.raw_path
        if raw_path.startswith("/_admin") and self.admin is not None:
            return await self.admin(request)
        now = self.now()
        call = route(request.method, raw_path, cloud=self.store.knobs.product == "cloud")
        body = await request.read() if call.operation == "create" else b""
        name = call.name or _asked_name(body)
        headers, peer = request.headers, request.transport and request.transport.get_extra_info("peername")
        wire = {"method": request.method, "path": raw_path, "request_id": headers.get("X-Request-Id")}
        wire["port"] = peer[1] if peer else None
        seq = self.record.request(now, call.operation, name, wire)
        rule = self.faults.take(call.operation, name) if call.operation in REQUESTS else None
        if rule is None:
            answer = self._perform(call, seq, body, headers.get("x-api-key"))
            self._note_answer(call, seq, answer, answer, None)
            return await send(request, answer, None)
        resets = self.resets
        await asyncio.sleep(rule.delay)
        if resets != self.resets:
            return await send(request, None, None)
        done: Answer | None = None
        if rule.effect:
            done = self._perform(call, seq, body, headers.get("x-api-key"))
        if rule.kind == "duplicate":  # as a proxy does that sends a request again: the last answer counts
            self._note_answer(call, seq, done, None, rule)
            seq = self.record.request(self.now(), call.operation, name, {**wire, "duplicate": True})
            done = self._perform(call, seq, body, headers.get("x-api-key"))
        sent = spoiled(done, rule)
        self._note_answer(call, seq, done, sent, rule)
        await asyncio.sleep(rule.hold)
        return await send(request, sent, rule)

    def _perform(self, call: Call, seq: int, body: bytes, key: str | None) -> Answer:
        """The request's work, in one go: nothing else happens meanwhile."""
        now, store = self.now(), self.store
        try:
            if call.refusal is not None:
                raise call.refusal
            if store.knobs.api_key and key != store.knobs.api_key:
                raise Refusal(401, "Unauthorized: invalid or missing API key")
            if call.name and NAME.fullmatch(call.name) is None:
                raise Refusal(400, "Invalid namespace name: letters, digits, '-' and '_' only")
            match call.operation:
                case "health":
                    return success(200, store.health(now))
                case "list":
                    return Answer(200, store.listing(now))
                case "job":
                    job = store.job(call.name, call.job_id)
                    return success(200, job.report(now, whole=store.knobs.whole_seconds))
                case "create":
                    return self._create(body, now)
                case _:
                    return self._delete(call.name, now, seq)
        except Refusal as refusal:
            return failure(refusal)
        finally:
            self.arm()

    def _create(self, body: bytes, now: Moment) -> Answer:
        asked = _json_object(body)
        name, kind = asked.get("namespace_name"), asked.get("type")
        dimension = asked.get("vector_dimension")
        if not isinstance(name, str):
            raise Refusal(400, "namespace_name is required and must be a string")
        if kind not in ("text", "vector"):
            raise Refusal(400, "type must be 'text' or 'vector'")
        if kind == "text" and dimension is not None:
            raise Refusal(400, "vector_dimension is for namespaces of type 'vector'")
        if kind == "vector" and not (type(dimension) is int and dimension > 0):
            raise Refusal(400, "vector_dimension must be a positive integer")
        self.store.create(fresh(name, now, type=kind, vector_dimension=dimension), now, "api")
        made = {"namespace_name": name, "type": kind}
        if dimension is not None:
            made["vector_dimension"] = dimension
        return success(201, {"status": "success", "message": f"Namespace '{name}' created", **made})

    def _delete(self, name: str, now: Moment, seq: int) -> Answer:
        job = self.store.delete(name, now, seq, lambda: plan(self.faults, name))
        knobs, accepted = self.store.knobs, {"message": f"Deletion of namespace '{name}' started"}
        if knobs.product == "cloud":
            accepted |= {"status": "pending", "deletion_started_at": iso(job.begun.server)}
            accepted["estimated_completion"] = iso(job.begun.server + job.seconds)
        else:
            accepted |= {"status": "success", "job_id": job.job_id}
        return success(int(knobs.accepts_with), {**accepted, "namespace_name": name})

    def _note_answer(
        self, call: Call, seq: int, done: Answer | None, sent: Answer | None, rule: Rule | None
    ) -> None:
        if call.operation not in ("delete", "create"):
            return
        effect = done is not None and done.status < 300
        job_id = json.loads(done.body).get("job_id") if done is not None and effect else None
        outcome = {"status": sent.status if sent else None, "effect": effect, "job_id": job_id}
        outcome["fault"] = rule.kind if rule else None
        self.record.answered(read_clock(0.0), seq, outcome)

    async def _set_date(self, _: web.Request, response: web.StreamResponse) -> None:
        knobs = self.store.knobs
        if not knobs.date_header:
            response.headers.popall("Date", None)
        elif knobs.clock_shift:
            response.headers["Date"] = http_date(read_clock(knobs.clock_shift).server)

    async def _live(self, _: web.Application) -> Any:
        self.now()
        self.arm()
        beat = asyncio.create_task(self._stay_alive())
        yield
        beat.cancel()
        self.disk.note_alive(read_clock(0.0).monotonic)
        self.disk.close()
        self.record.close()

    async def _stay_alive(self) -> None:
        while True:
            self.disk.note_alive(read_clock(0.0).monotonic)
            await asyncio.sleep(ALIVE_SECONDS)

    def _wake(self) -> None:
        self._timer = None
        self.now()
        self.arm()


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise Refusal(400, "The body is not valid JSON") from error
    if not isinstance(content, dict):
        raise Refusal(400, "The body must be a JSON object")
    return content


def _asked_name(body: bytes) -> str:
    """The name in the body of a create, for the record and the script; empty if there is none."""
    try:
        return str(_json_object(body).get("namespace_name", "")) if body else ""
    except Refusal:
        return ""
