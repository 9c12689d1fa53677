"""YAML without what would let a reader see another file than the operator. Pure."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """No key twice (the last one would win, silently), no anchors and merges (and with them no bombs)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # types-PyYAML leaves it open
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.constructor.ConstructorError(None, None, "anchors are not taken", event.start_mark)
        return super().compose_node(parent, index)

    def construct_null(self, node: yaml.Node) -> None:
        raise yaml.constructor.ConstructorError(None, None, "a field has no value", node.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else None
            if word is None or word == "<<":
                raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key.start_mark)
            if word in seen:
                raise yaml.constructor.ConstructorError(None, None, "a key is there twice", key.start_mark)
            seen.add(word)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:null", _Loader.construct_null)


def load(text: str) -> object:
    """Raises `yaml.YAMLError`, and `ValueError`, `RecursionError` or `OverflowError` for what is worse."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
