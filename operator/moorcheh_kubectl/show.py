"""The commands that only look: list, describe, receipts, watch."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from .api import Api
from .screen import Screen, shown_body
from .texts import HEADER, RECEIPTS, aligned, receipt, receipt_row, records, row
from .watching import Watching

DONE, INTERRUPTED = 0, 130


@dataclass(frozen=True, slots=True)
class Show:
    api: Api
    screen: Screen
    namespace: str

    def list(self, *, everywhere: bool) -> int:
        found, version = self.api.requests(None if everywhere else self.namespace)
        if self.screen.has_data:
            items = [shown_body(seen) for seen in found]
            metadata = {"resourceVersion": version}
            self.screen.data({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items})
            return DONE
        if not found:
            self.screen.say_aside(self._none(everywhere=everywhere))
            return DONE
        requests = sorted((seen.request for seen in found), key=lambda each: each.seniority)
        now = self.api.clock.now().time
        header = ["NAMESPACE", *HEADER] if everywhere else [*HEADER]
        rows = [row(request, now, with_namespace=everywhere) for request in requests]
        self.screen.rows(aligned([header, *rows]), [request.status.phase for request in requests])
        return DONE

    def describe(self, name: str) -> int:
        seen = self.api.get(self.namespace, name)
        if self.screen.has_data:
            self.screen.data(shown_body(seen))
            return DONE
        events = self.api.events(seen.request)
        sections = receipt(seen, events, self.api.vouching(), self.api.clock.now().time)
        with self.screen.as_one():
            for title, lines in sections:
                self.screen.say(title, "bold")
                self.screen.pairs(lines)
        return DONE

    def receipts(self, *, everywhere: bool) -> int:
        found, _ = self.api.requests(None if everywhere else self.namespace)
        found.sort(key=lambda seen: seen.request.seniority)
        vouching = self.api.vouching()
        if self.screen.has_data:
            by, now = self.api.whoami(), self.api.clock.now().time
            self.screen.data(records(found, vouching, cluster=self.api.cluster(), by=by, now=now))
            return DONE
        if not found:
            self.screen.say_aside(self._none(everywhere=everywhere))
            return DONE
        header = ["NAMESPACE", *RECEIPTS] if everywhere else [*RECEIPTS]
        rows = [receipt_row(seen, vouching, with_namespace=everywhere) for seen in found]
        self.screen.rows(aligned([header, *rows]), [seen.request.status.phase for seen in found])
        return DONE

    def _none(self, *, everywhere: bool) -> str:
        return "No requests found" + (
            "." if everywhere else f" in the Kubernetes namespace {self.namespace}."
        )

    def watch(self, *, everywhere: bool) -> int:
        self.screen.prepare()
        with contextlib.suppress(KeyboardInterrupt):
            self.screen.leave_with_the_reader()
            Watching(self.api, self.screen, None if everywhere else self.namespace).run()
        return INTERRUPTED
