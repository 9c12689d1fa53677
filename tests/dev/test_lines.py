"""The list of all lines that can be printed leaves none out."""

from __future__ import annotations

import pytest

from dev.lines import lines, texts


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ('logger.warning("It is %s", x)', "logger.warning", "It is %s"),
        ('raise StopError(f"{name} can\'t" " go on")', "StopError", "{} can't go on"),
        ('say("One " + "text of " + name)', "say", "One text of {}"),
        ("say(f\"{key} {'is gone' if gone else state}\")", "say", "is gone"),
        ('message = "It " if a else "It may happen"', "message", "It may happen"),
        ('def why() -> str:\n    return "no one knows"', "why", "no one knows"),
        ('flag(help="Don\'t ask")', "flag help", "Don't ask"),
        ('WORDS = {REASON: ("very sure",)}', "WORDS", "very sure"),
        ('@group.command()\ndef list_() -> None:\n    """List them."""', "list_ help", "List them."),
    ],
)
def test_a_text_is_found_wherever_it_stands(source: str, kind: str, words: str) -> None:
    assert (kind, words) in [found[1:] for found in texts(source)]


@pytest.mark.parametrize("source", ['"""A docstring of it."""', 'x = "Word"', 'x = f"{a}: {b}"'])
def test_what_is_no_text_for_a_person_is_left_out(source: str) -> None:
    assert list(texts(source)) == []


def test_both_programs_are_read() -> None:
    assert {"moorcheh_kubectl", "moorcheh_operator"} == {line.file.partition("/")[0] for line in lines()}
