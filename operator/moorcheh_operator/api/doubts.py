"""What makes it doubtful that somebody wants just this, and now (docs/safety.md, rules 16 and 17). Pure.

The schema keeps fields that it does not know instead of dropping them, so that a misspelled one is seen
here, whoever let it in. What the API server drops all the same (in `metadata`, or by an older schema) still
stands in the manifest that `kubectl apply` leaves with the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain, islice
from typing import Any

import msgspec
from msgspec import Struct

from .spec import Spec
from .texts import plain_text
from .times import JsonObject

COPY_OF = "moorcheh.ai/copy-of"  # stamped at creation by an admission policy; the value does not matter

TOP = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
METADATA = frozenset({
    "annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers",
    "generateName", "generation", "labels", "managedFields", "name", "namespace", "ownerReferences",
    "resourceVersion", "selfLink", "uid",
})  # fmt: skip

ONLY_STORED = ("generation", "resourceVersion", "creationTimestamp")
"""What a manifest that somebody wrote has not."""

SHOWN = 5  # flaws; one is enough to refuse
NAME_SHOWN = 64  # characters of an unknown field's name


def applied_manifest(text: str | None) -> JsonObject | None:
    """What `kubectl apply` was given, `{}` where it was not used; None: it can't be read."""
    if not text:
        return {}
    try:
        manifest = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) else None


def flaws(body: JsonObject, applied: JsonObject, *, kind: type[Struct] = Spec) -> tuple[str, ...]:
    """The fields that ask for nothing, in words: those that nobody knows, and those that are null. `kind`: of
    the spec.
    """
    # Not of the object itself: the API server has dropped what it doesn't know, and may know more than we.
    strange = _part(applied, "metadata").keys() - METADATA
    metadata = (_unknown(f"metadata.{key}") for key in strange)
    return tuple(dict.fromkeys(islice(chain(_flaws(body, kind), metadata, _flaws(applied, kind)), SHOWN)))


def _flaws(manifest: JsonObject, kind: type[Struct]) -> Iterator[str]:
    for key in manifest.keys() - TOP:
        yield _unknown(key)
    yield from _spec_flaws(_part(manifest, "spec"), kind, "spec.")


def _spec_flaws(fields: JsonObject, kind: type[Struct], path: str) -> Iterator[str]:
    known = api_fields(kind)
    for key, value in fields.items():
        if key not in known:
            yield _unknown(path + key)
        elif value is None:
            yield f"{path}{key} is null"
        elif (part := known[key]) and isinstance(value, dict):
            yield from _spec_flaws(value, part, f"{path}{key}.")


@cache
def api_fields(kind: type[Struct]) -> dict[str, type[Struct] | None]:
    """As the API has their names; with those that have fields of their own, their type."""
    return {field.encode_name: _struct(field.type) for field in msgspec.structs.fields(kind)}


def _struct(kind: object) -> type[Struct] | None:
    return kind if isinstance(kind, type) and issubclass(kind, Struct) else None


def _unknown(field: str) -> str:
    return f"unknown field {plain_text(field)[:NAME_SHOWN]}"


def without_nulls(fields: JsonObject, kind: type[Struct] = Spec) -> dict[str, Any]:
    """What is left of a spec once the flaws of that kind are noted."""
    known = api_fields(kind)
    return {
        key: without_nulls(value, part) if (part := known.get(key)) and isinstance(value, dict) else value
        for key, value in fields.items()
        if value is not None
    }


def copied(uid: str, stamp: str | None, applied: JsonObject | None) -> str | None:
    """Why the object looks like the copy of another one, in words; None: it does not.

    A manifest with this object's own uid was taken from it, and applied to it again.
    """
    if stamp is not None:
        return f"it was created with what only a stored object has (annotation {COPY_OF})"
    if applied is None:
        return "the manifest that it was applied from can't be read (annotation last-applied-configuration)"
    metadata = _part(applied, "metadata")
    if named := metadata.get("uid"):
        return None if named == uid else "the manifest that it was applied from has another object's uid"
    if _part(applied, "status").get("phase"):
        return "the manifest that it was applied from has a status"
    stored = next((key for key in ONLY_STORED if metadata.get(key)), None)
    return stored and f"the manifest that it was applied from has metadata.{stored}"


def _part(manifest: JsonObject, key: str) -> JsonObject:
    part = manifest.get(key)
    return part if isinstance(part, dict) else {}
