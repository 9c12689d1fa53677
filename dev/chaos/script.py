"""The rules, and the account of every call in order."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from dev.chaos.calls import Call, Meaning
from dev.chaos.faults import CallFault, EventFault, Gate, Rule


class Script:
    """Shared by proxies, so that the calls to both servers are numbered in one row."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.injected: Counter[str] = Counter()
        self._rules: list[Rule] = []
        self._event_rules: list[Rule] = []
        self._afterwards: list[Gate] = []
        self._lock = threading.Lock()
        self._number = 0

    # From the test

    def on(
        self,
        fault: CallFault,
        verb: str = "*",
        resource: str = "*",
        name: str = "*",
        *,
        nth: int = 1,
        count: int = 1,
        when: Callable[[Call], bool] | None = None,
    ) -> Rule:
        """What befalls calls. Of several rules that match, the oldest counts."""
        rule = Rule(fault, verb, resource, name, nth, count, when)
        with self._lock:
            self._rules.append(rule)
        return rule

    def on_event(
        self, fault: EventFault, kind: str = "*", name: str = "*", *, nth: int = 1, count: int = 1
    ) -> Rule:
        """What befalls events of watches: ADDED, MODIFIED, DELETED, BOOKMARK."""
        rule = Rule(fault, kind, "*", name, nth, count)
        with self._lock:
            self._event_rules.append(rule)
        return rule

    def unused(self) -> list[Rule]:
        """Those that nothing has met yet."""
        with self._lock:
            return [rule for rule in (*self._rules, *self._event_rules) if not rule.used]

    def clear(self) -> None:
        """No more rules; what is held goes on."""
        with self._lock:
            rules = [*self._rules, *self._event_rules]
            self._rules.clear()
            self._event_rules.clear()
        for rule in rules:
            rule.release()

    def count_anew(self) -> None:
        """The next call is number 1. The account stays."""
        with self._lock:
            self._number = 0

    # From the proxies

    def note(self, meaning: Meaning, path: str, body: bytes, request_id: str | None) -> Call:
        with self._lock:
            self._number += 1
            call = Call(self._number, time.monotonic(), meaning, path, body, request_id)
            self.calls.append(call)
            afterwards, self._afterwards = self._afterwards, []
        for gate in afterwards:
            gate.then(call)
        return call

    def take(self, call: Call) -> Rule | None:
        meaning = call.meaning
        return self._take(self._rules, meaning.verb, meaning.resource, meaning.name, call)

    def take_event(self, kind: str, name: str, call: Call) -> Rule | None:
        return self._take(self._event_rules, kind, call.meaning.resource, name, call)

    def afterwards(self, gate: Gate) -> None:
        """Its callback runs at the next call, before anything comes of that, or by `run_afterwards`."""
        with self._lock:
            self._afterwards.append(gate)

    def run_afterwards(self, gate: Gate, call: Call) -> None:
        with self._lock:
            if gate not in self._afterwards:
                return
            self._afterwards.remove(gate)
        gate.then(call)

    def _take(self, rules: list[Rule], what: str, resource: str, name: str, call: Call) -> Rule | None:
        with self._lock:
            for rule in rules:
                if rule.takes(what, resource, name, call):
                    self.count(rule.fault, call)
                    return rule
        return None

    def count(self, fault: CallFault | EventFault, call: Call) -> None:
        kind = type(fault).__name__.lower()
        if detail := getattr(fault, "status", None) or getattr(fault, "code", None):
            kind = f"{kind} {detail}"
        if getattr(fault, "forwarded", False):
            kind += " to what took effect"
        call.fault = kind
        if not isinstance(fault, Gate):  # what it opens for is the caller's to count
            self.injected[kind] += 1
