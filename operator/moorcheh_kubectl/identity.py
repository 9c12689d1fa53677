"""Whose word the names in a receipt are: the API server's, where a policy stands, else a claim. Pure.

crds/identity.yaml has the policy, docs/security.md ("Names in the receipt") what it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.api.times import parse_time

POLICY = "moorcheh-identity"
SETTLING = timedelta(seconds=60)  # until every API server holds requests to a policy that is new
CLAIMED = (
    "no admission policy vouched for it when the request was created (one counts from a minute after it was "
    "applied)"
)


@dataclass(frozen=True, slots=True)
class Name:
    text: str
    vouched: bool  # by the API server; else anybody may have typed it

    def __str__(self) -> str:
        return self.text if self.vouched else f"claimed by {self.text}: {CLAIMED}"


@dataclass(frozen=True, slots=True)
class Vouching:
    """`since` is when the policy began to hold; None where none does."""

    since: datetime | None

    def name(self, annotation: object, request: Request) -> Name | None:
        if not isinstance(annotation, str):
            return None
        return Name(plain_text(annotation), self.since is not None and request.creation_time >= self.since)


def vouching(policy: Mapping[str, Any], binding: Mapping[str, Any]) -> Vouching:
    """By the two objects as the API server shows them; whatever is not as shipped vouches for nothing."""
    bound, made = binding.get("spec") or {}, [each.get("metadata") or {} for each in (policy, binding)]
    times = [parse_time(each.get("creationTimestamp")) for each in made]
    holds = (
        not any(each.get("deletionTimestamp") for each in made)
        and (policy.get("spec") or {}).get("failurePolicy", "Fail") == "Fail"
        and bound.get("policyName") == POLICY
        and "Deny" in (bound.get("validationActions") or ())
        and not bound.get("matchResources")
        and not bound.get("paramRef")
    )
    known = [time for time in times if time is not None]
    return Vouching(max(known) + SETTLING if holds and len(known) == len(times) else None)
