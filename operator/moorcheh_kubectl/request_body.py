"""What is asked for: a name and its conditions, checked as the CRD checks them, and the object made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from moorcheh_operator.api.request import GROUP, KIND, PLURAL, VERSION
from moorcheh_operator.api.spec import DEFAULT_SERVER
from moorcheh_operator.api.status import ENDED, OPEN_ATTEMPT

from .api import Seen

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A server's name, or a Kubernetes namespace's."""
OBJECT = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
KINDS = ("nsdel", KIND.lower(), PLURAL, f"{KIND.lower()}.{GROUP}", f"{PLURAL}.{GROUP}")
TIME = re.compile(
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)

REQUESTED_BY = f"{GROUP}/requested-by"
APPROVED_BY = f"{GROUP}/approved-by"
RETRY_OF = f"{GROUP}/retry-of"

RETRIED = (
    "namespaceName",
    "serverRef",
    "ifAbsent",
    "preconditions",
    "backoffLimit",
    "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
)
"""What a fresh request takes over from a failed one."""

_STEM = 40  # characters of the namespace's name that go into the request's
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes' generateName: no words come out by chance


@dataclass(frozen=True, slots=True)
class RequestBody:
    """`spec` without `suspend`, which is the plugin's own means."""

    spec: dict[str, Any]
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return str(self.spec["namespaceName"])

    @property
    def server(self) -> str:
        return str((self.spec.get("serverRef") or {}).get("name", DEFAULT_SERVER))

    def is_asked_by(self, seen: Seen) -> bool:
        """Whether that request is about to do this already. Another one would only wait behind it, to find
        nothing in the end.
        """
        request, phase = seen.request, seen.request.status.phase
        alike = conditions(seen.body["spec"]) == conditions(self.spec)
        waits = alike and not request.spec.suspend and not request.flaws and phase not in ENDED
        return (
            (request.spec.namespace_name, request.spec.server) == (self.target, self.server)
            and not request.withdrawn
            and (waits or phase in OPEN_ATTEMPT)
        )

    def is_kept_by(self, seen: Seen) -> bool:
        """Whether what that request deletes meets the conditions of this one."""
        return conditions(self.spec) in ({}, conditions(seen.body["spec"]))

    def render(self, *, suspend: bool, asker: str | None) -> dict[str, Any]:
        """A fresh object. Its name is made here, as generateName would: where the answer to the creation is
        lost, or it is interrupted, there is a name to look for.
        """
        import secrets  # noqa: PLC0415 - slow to import, and only who asks for something needs it

        stem = name_stem(self.target)
        asked = {REQUESTED_BY: asker} if asker else {}
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": {
                "name": stem + "".join(secrets.choice(_SUFFIX) for _ in range(5)),
                "generateName": stem,
                "annotations": {**self.annotations, **asked},
            },
            "spec": {**self.spec, "suspend": suspend},
        }


def conditions(spec: dict[str, Any]) -> dict[str, Any]:
    return spec.get("preconditions") or {}


def again(failed: Seen) -> RequestBody:
    """The same as a failed request asked for."""
    spec = {key: failed.body["spec"][key] for key in RETRIED if key in failed.body["spec"]}
    return RequestBody(spec, {RETRY_OF: failed.request.name})


def name_stem(target: str) -> str:
    """`My_Docs` -> `my-docs-`: a Kubernetes name's beginning."""
    words = re.sub(r"[^a-z0-9]+", "-", target.lower()).strip("-")[:_STEM].strip("-")
    return f"{words or 'namespace'}-"
