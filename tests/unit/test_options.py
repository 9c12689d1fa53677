"""Every number, list and address of the command line has its bounds, and one line that says which."""

from __future__ import annotations

from typing import Any

import click
import pytest

from moorcheh_operator.process.cli import run

NUMBERS = {
    "not a number": "nan",
    "infinite": "inf",
    "negative": "-1",
    "with an exponent": "1e3",
    "with underscores": "1_0",
    "hexadecimal": "0x10",
    "Arabic digits": "\u0663\u0660",
    "full-width digits": "\uff13\uff10",
    "superscript": "3\u00b2",
    "21 digits": "1" * 21,
    "words": "soon",
    "two numbers": "30 30",
    "a unit": "30s",
    "a newline inside": "3\n0",
    "nothing but a point": ".",
}
ADDRESSES = {
    "no port": "127.0.0.1",
    "no colon": "8080",
    "port too large": ":65536",
    "port of other digits": ":\u0668\u0660",
    "a negative port": ":-1",
    "IPv6 without brackets": "::1:8080",
    "a URL": "http://127.0.0.1:8080",
    "a space": "127.0.0.1 :8080",
    "nothing": ":",
}
URLS = {
    "an empty port": "http://moorcheh:",
    "a port too large": "http://moorcheh:65536",
    "no scheme": "moorcheh:8080",
    "another scheme": "ftp://moorcheh",
    "no host": "http://:8080",
    "a query": "http://moorcheh?x=1",
    "other digits": "http://moorcheh:\u0668\u0660",
    "spaces": "http://moor cheh",
}
LISTS = {
    "a comma": ",",
    "commas and spaces": " , ,, ",
    "upper case": "A",
    "one bad of two": "a,b_c",
    "a star": "*",
}
WRONG = {
    "--moorcheh-timeout-seconds": NUMBERS | {"too small": "0.4", "too large": "301"},
    "--moorcheh-verify-seconds": NUMBERS | {"too large": "86401"},
    "--moorcheh-max-running-jobs": NUMBERS | {"a fraction": "1.5", "too large": "100001"},
    "--http-address": ADDRESSES,
    "--moorcheh-base-url": URLS,
    "--moorcheh-name-reuse": {"another word": "Sometimes", "no word": ""},
    "--watch-namespaces": LISTS,
    "--lease-namespace": {"two": "a,b", "upper case": "A", "a path": "a/b"},
    "--leader-election": {"another word": "maybe"},
    "--log-format": {"another word": "xml"},
}
FREE = {"--servers-file"}  # a path: whether it can be read is told by reading it


def parsed(*arguments: str) -> dict[str, Any]:
    with run.make_context("run", list(arguments)) as context:
        return dict(context.params)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param(option, value, id=f"{option} {name}")
        for option, values in WRONG.items()
        for name, value in values.items()
    ],
)
def test_a_value_out_of_bounds_is_refused_in_one_line_that_names_the_option(option: str, value: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        parsed(option, value)

    message = refused.value.format_message()
    assert option in message
    assert "\n" not in message.replace(value, "")


def test_every_option_has_values_that_it_refuses() -> None:
    named = {option.opts[0] for option in run.params if option.param_type_name == "option"}

    assert named - FREE == WRONG.keys()


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(click.BadParameter) as refused:
        parsed("--moorcheh-base-url", "http://me:secret@moorcheh")

    assert "secret" not in refused.value.format_message()


@pytest.mark.parametrize(
    ("option", "value", "name", "expected"),
    [
        ("--moorcheh-timeout-seconds", "0.5", "moorcheh_timeout_seconds", 0.5),
        ("--moorcheh-timeout-seconds", "300", "moorcheh_timeout_seconds", 300.0),
        ("--moorcheh-verify-seconds", "0", "moorcheh_verify_seconds", 0.0),
        ("--moorcheh-max-running-jobs", "0", "moorcheh_max_running_jobs", 0),
        ("--moorcheh-name-reuse", "Never", "moorcheh_name_reuse", "Never"),
        ("--watch-namespaces", "", "watch_namespaces", ()),
        ("--watch-namespaces", "a, b,a", "watch_namespaces", ("a", "b")),
        ("--http-address", ":8080", "http_address", (None, 8080)),
        ("--http-address", "0.0.0.0:80", "http_address", ("0.0.0.0", 80)),
        ("--http-address", "[::1]:0", "http_address", ("::1", 0)),
        ("--moorcheh-base-url", "HTTP://Moorcheh:80/", "moorcheh_base_url", "http://moorcheh"),
        ("--moorcheh-base-url", "", "moorcheh_base_url", None),
    ],
)
def test_a_value_within_bounds_is_taken(option: str, value: str, name: str, expected: object) -> None:
    assert parsed(option, value)[name] == expected
