"""The API server's JSON, read without building what nobody asks for.

Whoever may create a request may write a megabyte into it: annotations, labels, who manages which field. Built
as Python objects that takes up to twenty times as much. What is not read is passed over in the bytes.
"""

from __future__ import annotations

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder, Encoder

from .request import Metadata


class _Body(Struct, rename="camel", omit_defaults=True):
    metadata: Metadata
    api_version: str = ""
    kind: str = ""
    spec: Raw = Raw(b"{}")
    status: Raw = Raw(b"{}")


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


_BODY, _PAGE, _EVENT = Decoder(_Body), Decoder(Page), Decoder(_Event)
_ENCODER = Encoder()


def page(data: bytes | bytearray) -> Page:
    """Raises `ValueError` for what is none."""
    return _PAGE.decode(data)


def trimmed(body: bytes | bytearray | Raw) -> bytes:
    """The object without what is not read. One that can't be read stays as it is."""
    try:
        return _ENCODER.encode(_BODY.decode(body))
    except DecodeError:
        return bytes(body)


def trimmed_event(line: bytes) -> bytes:
    """The same for an event of a watch, such as MODIFIED; a BOOKMARK or an ERROR stays as it is."""
    try:
        event = _EVENT.decode(line)
    except DecodeError:
        return line
    return _ENCODER.encode(_Event(event.type, Raw(trimmed(event.object))))
