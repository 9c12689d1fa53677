"""The API server's JSON, read without building what nobody asks for.

Whoever may create a request may write a megabyte into it: annotations, labels, who manages which field,
fields that do not exist. Built as Python objects that takes up to twenty times as much. What is not read is
passed over in the bytes; of a field that nobody knows no more than its name is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple, TypeVar

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder, Encoder

from .doubts import METADATA, NAME_SHOWN, ONLY_STORED, SHOWN, TOP, api_fields
from .request import Metadata
from .spec import Spec

LEVELS = 64  # that are kept where there are too many: the API server takes 10,000, Python stops at some 1,000
NESTING = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{}]')  # brackets, and the strings that may hold others
VALUE_MOST = 256  # bytes of a value that is compared with our own
NOTED = Raw(b"1")  # in the place of a value that nobody reads
UNREADABLE = "-"
SMALL = 16 * 1024  # bytes that are cheaper to read as they are …
SHALLOW = 400  # … if they can't be so deep that they can't be read
SHOWS = ("ADDED", "MODIFIED", "DELETED")

Parts = dict[str, Raw]
Read = TypeVar("Read")


class _ListMeta(Struct, rename={"more": "continue", "resource_version": "resourceVersion"}):
    resource_version: str = ""
    more: str = ""


class Page(Struct):
    """A page of a list; the items are views of its bytes."""

    metadata: _ListMeta
    items: list[Raw]


class _Event(Struct):
    type: str
    object: Raw


class Event(NamedTuple):
    """Of a watch; the object as `lean` makes it."""

    type: str
    object: bytes
    version: str


class _Versioned(Struct):
    metadata: _ListMeta


_PARTS, _METADATA, _PAGE, _EVENT = Decoder(Parts), Decoder(Metadata), Decoder(Page), Decoder(_Event)
_VERSIONED = Decoder(_Versioned)
_ENCODER = Encoder()


def _decode(decoder: Decoder[Read], data: bytes | bytearray | Raw) -> Read:
    """However deep it is. Raises `DecodeError`."""
    try:
        return decoder.decode(data)
    except RecursionError:
        return decoder.decode(_shallow(bytes(data)))


def _shallow(data: bytes) -> bytes:
    """The same with `NOTED` in the place of what is more than `LEVELS` deep: nothing is read of that."""
    kept, start, level = bytearray(), 0, 0
    for token in NESTING.finditer(data):
        if token[0] in b"[{":
            level += 1
            if level == LEVELS + 1:
                kept += data[start : token.start()]
        elif token[0] in b"]}":
            level -= 1
            if level == LEVELS:
                kept += NOTED
                start = token.end()
    return bytes(kept + data[start:])


def page(data: bytes | bytearray) -> Page:
    """Raises `ValueError` for what is none."""
    return _decode(_PAGE, data)


def trimmed(body: bytes | bytearray | Raw) -> bytes:
    """The object without what is not read. One that can't be read stays as it is."""
    try:
        parts = _decode(_PARTS, body)
        return _ENCODER.encode(_object(parts)) if "metadata" in parts else bytes(body)
    except DecodeError:
        return bytes(body)


def lean(body: bytes | bytearray | Raw) -> bytes:
    """The object, without what is not read where there may be much of it."""
    whole = bytes(body)
    small = len(whole) <= SMALL and whole.count(b"{") + whole.count(b"[") <= SHALLOW
    return whole if small else trimmed(whole)


def event(line: bytes) -> Event | None:
    """None for what is no event of an object: a BOOKMARK, an ERROR, or nothing that can be read."""
    try:
        found = _decode(_EVENT, line)
        if found.type not in SHOWS:
            return None
        version = _decode(_VERSIONED, found.object).metadata.resource_version
    except DecodeError:
        return None
    return Event(found.type, lean(found.object), version)


def bookmark(event: Event) -> bytes:
    """The event that says no more than how far the watch has come."""
    return _ENCODER.encode({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": event.version}}})


def _object(parts: Parts) -> dict[str, object]:
    metadata = _METADATA.decode(parts["metadata"])
    writers = [each for each in metadata.managed_fields or () if each.subresource == "status"]
    metadata.managed_fields = sorted(writers, key=lambda each: not each.gave_reason)[:1] or None
    if metadata.annotations is not None and metadata.annotations.applied:
        metadata.annotations.applied = _applied(metadata.annotations.applied)
    own = {key: parts[key] for key in ("apiVersion", "kind", "status") if key in parts}
    return own | {"metadata": metadata} | _asked(parts) | _strange(parts, TOP)


def _applied(text: str) -> str:
    """The manifest that was applied, as far as it is read."""
    try:
        parts = _PARTS.decode(text)
    except (DecodeError, RecursionError):  # to the API server it is a text, of any depth
        return UNREADABLE
    metadata, status = _parts(parts.get("metadata")), _parts(parts.get("status"))
    shown = {key: _short(metadata[key]) for key in ("uid", *ONLY_STORED) if key in metadata}
    ended = {"phase": _short(status["phase"])} if "phase" in status else {}
    kept = {"metadata": _strange(metadata, METADATA) | shown, "status": ended}
    return _ENCODER.encode(_strange(parts, TOP) | kept | _asked(parts)).decode()


def _asked(parts: Parts) -> dict[str, object]:
    return {"spec": _spec(parts["spec"], Spec)} if "spec" in parts else {}


def _spec(spec: Raw, kind: type[Struct]) -> object:
    try:
        fields, known = _decode(_PARTS, spec), api_fields(kind)
    except DecodeError:
        return spec  # a null, say
    kept: dict[str, object] = {}
    strange = 0
    for key, value in fields.items():
        if key in known:
            part = known[key]
            kept[key] = value if part is None else _spec(value, part)
        elif (strange := strange + 1) <= SHOWN:
            kept[key[:NAME_SHOWN]] = NOTED
    return kept


def _strange(parts: Mapping[str, Raw], known: Iterable[str]) -> dict[str, object]:
    """The names of those that nobody knows: some, as one is enough."""
    return {key[:NAME_SHOWN]: NOTED for key in islice((key for key in parts if key not in known), SHOWN)}


def _parts(value: Raw | None) -> Parts:
    try:
        return _decode(_PARTS, value) if value is not None else {}
    except DecodeError:
        return {}


def _short(value: Raw) -> Raw:
    return value if len(memoryview(value)) <= VALUE_MOST else NOTED
