"""The admin path `/_admin/…`: what tests and demos do to the stand-in; no documented API, never recorded.

The table of calls is in README.md, and `GET /_admin` shows it in short.
"""

import json
from fnmatch import fnmatchcase
from types import UnionType
from typing import TYPE_CHECKING, Any

from aiohttp import web

from dev.moorcheh.clock import iso
from dev.moorcheh.faults import Rule
from dev.moorcheh.jobs import Job, Namespace
from dev.moorcheh.refusal import Refusal
from dev.moorcheh.server import Server
from dev.moorcheh.store import fresh
from dev.moorcheh.wire import failure

if TYPE_CHECKING:
    from collections.abc import Callable

RESETTABLE = ("record", "faults", "knobs", "namespaces")


CREATABLE: dict[str, type | UnionType] = {
    "items": int,
    "seconds": int | float | None,
    "age": int | float,
    "precious": bool,
    "type": str,
    "vector_dimension": int | None,
    "replace": bool,
}
"""What a namespace can be created with, next to its name."""


class Admin:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._calls: dict[str, Callable[[dict[str, Any]], object]] = {
            "GET /_admin": self._help,
            "GET /_admin/namespaces": self._namespaces,
            "POST /_admin/namespaces": self._create,
            "POST /_admin/remove": self._remove,
            "GET /_admin/faults": lambda _: {"faults": server.faults.as_json()},
            "POST /_admin/faults": self._add_fault,
            "POST /_admin/faults/clear": self._clear_faults,
            "GET /_admin/knobs": lambda _: server.store.knobs.as_json(),
            "POST /_admin/knobs": self._turn,
            "POST /_admin/forget": self._forget,
            "POST /_admin/end": lambda asked: {
                "ended": server.store.end_jobs(self._jobs(asked), server.now())
            },
            "GET /_admin/record": self._record,
            "GET /_admin/counts": lambda _: server.record.counts,
            "POST /_admin/reset": self._reset,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = self._calls.get(f"{request.method} {request.path.rstrip('/')}")
        try:
            if call is None:
                raise Refusal(404, f"no such admin call; there are: {', '.join(self._calls)}")
            body = await request.read()
            asked = json.loads(body) if body else dict(request.query)
            if not isinstance(asked, dict):
                raise Refusal(400, "the body must be a JSON object")
            self._server.now()
            answer = call(asked)
            self._server.arm()
        except Refusal as refusal:
            refused = failure(refusal)
            return web.Response(status=refused.status, body=refused.body, content_type="application/json")
        except (TypeError, ValueError) as error:
            return web.json_response({"status": "failure", "message": str(error)}, status=400)
        return web.json_response(answer)

    def _help(self, _: dict[str, Any]) -> object:
        return {"calls": list(self._calls), "more": "dev/moorcheh/README.md"}

    def _namespaces(self, _: dict[str, Any]) -> object:
        return {"namespaces": [self._shown(one) for one in self._server.store.namespaces.values()]}

    def _create(self, asked: dict[str, Any]) -> object:
        """One (`name`), some (`names`) or many (`count` with a `prefix`), each with `items`."""
        names = asked.pop("names", None) or [asked.pop("name", None)]
        if (how_many := asked.pop("count", None)) is not None:
            prefix = asked.pop("prefix", "ns-")
            names = [f"{prefix}{number:05d}" for number in range(how_many)]
        if not all(isinstance(name, str) for name in names):
            raise Refusal(400, "a name (or names, or count and prefix) is needed")
        for key, value in asked.items():
            if key not in CREATABLE or not isinstance(value, CREATABLE[key]):
                raise Refusal(400, f"a namespace can't be created with {key}={value!r}")
        replace, store = asked.pop("replace", False), self._server.store
        put = store.replace if replace else store.create
        made = []
        for name in names:
            now = self._server.now()
            made.append(put(fresh(name, now, **asked), now, "admin"))
        return {"created": [self._shown(namespace) for namespace in made]}

    def _remove(self, asked: dict[str, Any]) -> object:
        return {"removed": self._server.store.remove(str(asked.get("name")))}

    def _add_fault(self, asked: dict[str, Any]) -> object:
        return {"id": self._server.faults.add(Rule.parse(asked))}

    def _clear_faults(self, asked: dict[str, Any]) -> object:
        self._server.faults.clear(asked.get("id"))
        return {"faults": self._server.faults.as_json()}

    def _turn(self, asked: dict[str, Any]) -> object:
        store = self._server.store
        store.turn(store.knobs.changed(asked), self._server.now())
        return store.knobs.as_json()

    def _forget(self, asked: dict[str, Any]) -> object:
        stop = asked.get("stop", True) is True
        return {"forgotten": self._server.store.forget_jobs(self._jobs(asked), self._server.now(), stop=stop)}

    def _jobs(self, asked: dict[str, Any]) -> list[Job]:
        """Those that are meant, by `name` or `job_id`."""
        name, job_id = asked.get("name", "*"), asked.get("job_id")
        return [
            job
            for job in self._server.store.jobs.values()
            if job_id in (None, job.job_id) and fnmatchcase(job.namespace.name, name)
        ]

    def _record(self, asked: dict[str, Any]) -> object:
        return self._server.record.as_json(requests="requests" in asked)

    def _reset(self, asked: dict[str, Any]) -> object:
        what = asked.get("what", RESETTABLE)
        if unknown := set(what) - set(RESETTABLE):
            raise Refusal(400, f"can't reset {', '.join(sorted(unknown))}; there are {', '.join(RESETTABLE)}")
        server = self._server
        if "faults" in what:
            server.faults.clear()
        if "knobs" in what:
            server.store.turn(server.first_knobs, server.now())
        if "namespaces" in what:
            server.store.clear()
            server.resets += 1
        if "record" in what:
            server.record.reset()
        return {"reset": list(what)}

    def _shown(self, one: Namespace) -> dict[str, Any]:
        shown = {"name": one.name, "incarnation": one.incarnation, "precious": one.precious}
        # `items` as of its creation, or of its last job's end; the listing counts along with a running job.
        return {**shown, "items": one.items, "created_at": iso(one.created), "born": one.born}
