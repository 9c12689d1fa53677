"""The script of what goes wrong: rules, each for some requests (or jobs), used up one by one.

A rule names an operation, a glob over namespace names, and a kind. For requests, `effect` says whether the
request does its work first; the kinds say what becomes of the answer. For `run` (the job itself) and
`recreate` (somebody creates the namespace anew) see `plan` in jobs.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from dev.moorcheh.refusal import Refusal

REQUESTS = ("delete", "list", "job", "health", "create")
EFFECT_FIRST = {
    "status": False,
    "drop": False,
    "rst": False,
    "redirect": False,
    "answer": True,
    "half": True,
    "body": True,
    "job-id": True,
    "no-job": True,
    "oversized": True,
    "endless": True,
    "duplicate": True,
}
"""The kinds for requests, and whether the request takes effect if the rule does not say."""
NEEDS_EFFECT = frozenset({"half", "job-id", "no-job", "duplicate"})
KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(REQUESTS, tuple(EFFECT_FIRST)),
    "run": ("fail", "stuck", "falling", "nonsense"),
    "recreate": ("end", "accept"),
}
_NUMBER = (int, float)
_OPTIONS: dict[str, tuple[type, ...]] = {
    "delay": _NUMBER,
    "hold": _NUMBER,
    "effect": (bool,),
    "status": (int,),
    "body": (str,),
    "json": (object,),
    "retry_after": (str, *_NUMBER),
    "location": (str,),
    "job_id": (object,),
    "size": (int,),
    "pause": _NUMBER,
    "fraction": _NUMBER,
    "last_error": (str,),
    "report": (dict,),
    "seconds": _NUMBER,
    "items": (int,),
    "precious": (bool,),
}


@dataclass(slots=True)
class Rule:
    """`count` uses (-1: for ever), after letting the first `skip` matching ones pass."""

    operation: str
    kind: str
    name: str = "*"
    count: int = 1
    skip: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    used: int = 0

    @classmethod
    def parse(cls, data: object) -> "Rule":
        """A rule from the admin path's JSON; anything unclear is a 400 that says so."""
        if not isinstance(data, Mapping):
            raise Refusal(400, "a fault is a JSON object")
        rest = dict(data)
        operation, kind = rest.pop("operation", None), rest.pop("kind", "answer")
        if operation not in KINDS:
            raise Refusal(400, f"operation is one of {', '.join(KINDS)}, not {operation!r}")
        if kind not in KINDS[operation]:
            raise Refusal(400, f"kind of {operation} is one of {', '.join(KINDS[operation])}, not {kind!r}")
        name, count, skip = rest.pop("name", "*"), rest.pop("count", 1), rest.pop("skip", 0)
        if not (isinstance(name, str) and isinstance(count, int) and isinstance(skip, int)):
            raise Refusal(400, "name is a glob; count and skip are whole numbers")
        for key, value in rest.items():
            if key not in _OPTIONS:
                raise Refusal(400, f"a fault has no option {key!r}; there are {', '.join(_OPTIONS)}")
            if not isinstance(value, _OPTIONS[key]):
                raise Refusal(400, f"{key} can't be {value!r}")
        if kind in NEEDS_EFFECT and rest.get("effect") is False:
            raise Refusal(400, f"{kind} needs an answer, so the request takes effect")
        if kind == "redirect" and "location" not in rest:
            raise Refusal(400, "redirect needs a location")
        return cls(operation, kind, name, count, skip, rest)

    @property
    def effect(self) -> bool:
        """Whether the request does its work; a rule for `run` has no say in that."""
        return bool(self.options.get("effect", EFFECT_FIRST.get(self.kind, True)))

    @property
    def delay(self) -> float:
        """Seconds to wait before the effect."""
        return float(self.options.get("delay", 0.0))

    @property
    def hold(self) -> float:
        """Seconds to wait between the effect and the answer."""
        return float(self.options.get("hold", 0.0))

    def as_json(self) -> dict[str, Any]:
        shown = {"id": self.id, "operation": self.operation, "kind": self.kind, "name": self.name}
        return {**shown, "count": self.count, "skip": self.skip, "used": self.used, **self.options}


class Faults:
    """All rules, oldest first; the first that matches and is not used up is the one that counts."""

    def __init__(self) -> None:
        self._rules: dict[str, list[Rule]] = {operation: [] for operation in KINDS}
        self._last_id = 0

    def add(self, rule: Rule) -> int:
        self._last_id += 1
        rule.id = self._last_id
        self._rules[rule.operation].append(rule)
        return rule.id

    def take(self, operation: str, name: str) -> Rule | None:
        """The rule for this request, counted as used. What has no name (a listing) matches every glob."""
        for rule in self._rules.get(operation, ()):
            if rule.count == 0 or (name and not fnmatchcase(name, rule.name)):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.count -= rule.count > 0
            rule.used += 1
            return rule
        return None

    def clear(self, rule_id: int | None = None) -> None:
        for rules in self._rules.values():
            rules[:] = [rule for rule in rules if rule_id not in (None, rule.id)]

    def as_json(self) -> list[dict[str, Any]]:
        every = [rule for rules in self._rules.values() for rule in rules]
        return [rule.as_json() for rule in sorted(every, key=lambda rule: rule.id)]
