"""The commands about cleanup policies: list them, and show what a run would have created at the newest look.

Only the operator can ask the Moorcheh server. So a policy that is in a file gets a copy in the cluster,
suspended: of such a one there are no runs, and the operator shows in it what one would find. The copy is
removed again, also after an interruption.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from moorcheh_operator.api.policy import POLICY_KIND
from moorcheh_operator.api.request import GROUP

from .api import Api, ApiError, SeenPolicy
from .kubectl import Kubectl, SaidError
from .policy_texts import HEADER, WIDE, colour, is_shown, preview, row, would_run
from .request_body import name_stem
from .screen import Screen, without_managed_fields
from .texts import aligned

DONE, FAILED, INTERRUPTED = 0, 1, 130
LOOK_SECONDS = 0.25
UNSEEN_SECONDS = 15.0  # an operator sees a policy within a second, and asks a server for up to its timeout
POLICY = f"{POLICY_KIND.lower()}.{GROUP}"
"""As `kubectl get -o name` has it."""
PREVIEW_LABEL = f"{GROUP}/preview"
FILE = re.compile(r"-|.*/.*|.*\.(ya?ml|json)", re.DOTALL)
"""What is taken for a file's name. A policy's name has no slash, and hardly such an ending."""


class RefusedError(ApiError):
    """The API server did not create the copy."""


@dataclass(frozen=True, slots=True)
class Policies:
    api: Api
    screen: Screen
    namespace: str

    def list(self, *, everywhere: bool, wide: bool) -> int:
        found, version = self.api.policies(None if everywhere else self.namespace)
        if self.screen.has_data:
            items = [without_managed_fields(seen.body) for seen in found]
            metadata = {"resourceVersion": version}
            self.screen.data({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items})
            return DONE
        if not found:
            where = "" if everywhere else f" in the namespace {self.namespace}"
            self.screen.say_aside(f"No policies found{where}.")
            return DONE
        policies = sorted((seen.policy for seen in found), key=lambda each: (each.namespace, each.name))
        now = self.api.clock.now().time
        header = [*(["NAMESPACE"] if everywhere else []), *HEADER, *(WIDE if wide else [])]
        rows = [row(policy, now, with_namespace=everywhere, wide=wide) for policy in policies]
        self.screen.rows(aligned([header, *rows]), [colour(policy) for policy in policies])
        return DONE

    def preview(self, source: str, given_namespace: str | None) -> int:
        """Of a policy in the cluster by its name, or of one in a file."""
        if not FILE.fullmatch(name := source.removeprefix(f"{POLICY}/").removeprefix("nscp/")):
            return self._shown(self._looked_at(self.namespace, name))
        body = read(self.api.kubectl, source, given_namespace)
        namespace = body["metadata"].get("namespace") or self.namespace
        return self._preview_of_copy(namespace, copy_of(body))

    def _preview_of_copy(self, namespace: str, body: dict[str, Any]) -> int:
        name = body["metadata"]["name"]
        try:
            self._create(namespace, body)
            seen = self._looked_at(namespace, name)
        except KeyboardInterrupt:
            self._remove(namespace, name)
            return INTERRUPTED
        except RefusedError:
            raise  # so there is nothing to remove
        except SaidError:
            self._remove(namespace, name)
            raise
        self._remove(namespace, name)
        return self._shown(seen, of_copy=True)

    def _create(self, namespace: str, body: dict[str, Any]) -> None:
        try:
            self.api.create_policy(namespace, body)
        except ApiError as error:
            if error.status is None or not 400 <= error.status < 500:
                raise
            why = "for the preview of a file a suspended copy is created, and removed again"
            right = f"\n({why}: it takes the right to create policies)" if error.status == 403 else ""
            raise RefusedError(f"{error}{right}", error.status) from error

    def _remove(self, namespace: str, name: str) -> None:
        """Whatever is left of it: it is the plugin's own, under a name that nobody else has."""
        try:
            self.api.remove_policy(namespace, name)
        except (ApiError, KeyboardInterrupt) as error:
            if isinstance(error, ApiError) and error.status == 404:
                return
            remove = self.api.kubectl.pasted("delete nscp", name, namespace=namespace)
            self.screen.say(
                f"The suspended copy {namespace}/{name} may be left ({error}). It creates nothing. "
                f"To remove it: {remove}"
            )

    def _looked_at(self, namespace: str, name: str) -> SeenPolicy:
        """Once the operator has shown what there is, or why it can't."""
        end = self.api.clock.ticks() + UNSEEN_SECONDS
        with self.screen.busy("Asking what it matches"):
            while True:
                seen = self.api.policy(namespace, name)
                if is_shown(seen.policy):
                    return seen
                if self.api.clock.ticks() > end:
                    break
                time.sleep(LOOK_SECONDS)
        if seen.policy.status.observed_generation == seen.policy.generation:
            return seen  # with what its conditions say
        raise SaidError(
            f"no operator has looked at the policy {namespace}/{name} for {UNSEEN_SECONDS:.0f} s. Does one "
            f"run that knows policies, and does it serve the namespace {namespace}?"
        )

    def _shown(self, seen: SeenPolicy, *, of_copy: bool = False) -> int:
        if self.screen.has_data:
            self.screen.data(without_managed_fields(seen.body))
        else:
            lines, names = preview(seen.policy, self.api.clock.now().time, of_copy=of_copy)
            with self.screen.as_one():
                self.screen.pairs(lines, indent=0)
                for name in names:
                    self.screen.say(f"  {name}")
        return DONE if would_run(seen.policy) else FAILED


def read(kubectl: Kubectl, source: str, namespace: str | None) -> dict[str, Any]:
    """The one policy of a file, `-` for standard input, as kubectl reads it and in its namespace."""
    where = ["-n", namespace] if namespace else []
    ran = subprocess.run(  # noqa: S603 - kubectl, without a shell
        kubectl.command("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", source, *where),
        stdin=None if source == "-" else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ran.returncode != 0:
        raise SaidError(kubectl.words(ran.stderr))
    body = json.loads(ran.stdout)
    found = [each for each in body.get("items", [body]) if each.get("kind") == POLICY_KIND]
    if len(found) != 1:
        many = "no" if not found else str(len(found))
        raise SaidError(f"{source} has {many} {POLICY_KIND} in it: give a file with one")
    return dict(found[0])


def copy_of(body: dict[str, Any]) -> dict[str, Any]:
    """Suspended, under a name that is made here: to be removed where the answer to its creation is lost."""
    stem = name_stem(f"preview-{body['metadata'].get('name') or 'policy'}")
    name = stem + secrets.token_hex(4)
    return {
        **{key: value for key, value in body.items() if key != "status"},
        "metadata": {"name": name, "labels": {PREVIEW_LABEL: "true"}},
        "spec": {**(body.get("spec") or {}), "suspend": True},
    }
