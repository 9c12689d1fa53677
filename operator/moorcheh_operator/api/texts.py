"""Texts from elsewhere, as they may be shown to a person."""

from __future__ import annotations

MAX_TEXT = 1024  # bytes of UTF-8


def error_text(error: BaseException) -> str:
    """Its kind, and its words where it has some: a timeout often has none."""
    return plain_text(": ".join(word for word in (type(error).__name__, str(error)) if word))


def plain_text(text: str) -> str:
    """`text` as it may be shown to a person: one line, no control characters, at most 1 KiB."""
    kept = text[: 4 * MAX_TEXT]
    if not kept.isprintable():
        kept = "".join(character if character.isprintable() else " " for character in kept)
    words = " ".join(kept.split()).encode("utf-8", "replace")
    if len(words) <= MAX_TEXT:
        return words.decode()
    return words[: MAX_TEXT - 3].decode("utf-8", "ignore") + "…"
