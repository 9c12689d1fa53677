"""YAML without what would let a reader see another file than the operator. Pure."""

from __future__ import annotations

from typing import Any

import yaml

NULL = "tag:yaml.org,2002:null"
SHOWN = 64  # characters of a key


class NoValueError(yaml.constructor.ConstructorError):
    """`problem` begins with the field, where there is one."""


class _Loader(yaml.SafeLoader):
    """No key twice (the last one would win, silently), no anchors and merges (and with them no bombs)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # types-PyYAML leaves it open
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.constructor.ConstructorError(None, None, "anchors are not taken", event.start_mark)
        return super().compose_node(parent, index)

    def construct_null(self, node: yaml.Node) -> None:
        raise _no_value("the file", node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, value in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else None
            if word is None or word == "<<":
                raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key.start_mark)
            if word in seen:
                raise yaml.constructor.ConstructorError(None, None, "a key is there twice", key.start_mark)
            seen.add(word)
            if value.tag == NULL:
                raise _no_value(word, value)
            for number, item in enumerate(value.value if isinstance(value, yaml.SequenceNode) else ()):
                if item.tag == NULL:
                    raise _no_value(f"{word[:SHOWN]}[{number}]", item)
        return super().construct_mapping(node, deep)


def _no_value(field: str, node: yaml.Node) -> NoValueError:
    words = f"{field[:SHOWN]}: has no value: give it one, or leave it out"
    return NoValueError(None, None, words, node.start_mark)


_Loader.add_constructor(NULL, _Loader.construct_null)


def load(text: str) -> object:
    """Raises `yaml.YAMLError`, and `ValueError`, `RecursionError` or `OverflowError` for what is worse."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
