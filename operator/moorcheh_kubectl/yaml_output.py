"""YAML for kubectl's reader: what PyYAML leaves bare, Go may take for a number or a truth value."""

from __future__ import annotations

import re
from typing import Any

import yaml

BARE = re.compile(r"[A-Za-z_/]")  # numbers, dates and the rest begin otherwise
TRUTHS = ("y", "n")  # of YAML 1.1; PyYAML knows the longer words


class _Dumper(yaml.SafeDumper):
    pass


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    bare = BARE.match(text) and text.lower() not in TRUTHS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if bare else '"')


_Dumper.add_representer(str, _string)


def dumped(body: dict[str, Any]) -> str:
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
