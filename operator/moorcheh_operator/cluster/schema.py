"""Whether the cluster's CRD is one that this operator can rely on. Pure."""

from __future__ import annotations

from typing import Any

from moorcheh_operator.api.request import KIND


def keeps_unknown_fields(published: Any) -> bool:
    """In a request and in each part of its spec, by what `/openapi/v3` shows of the API."""
    try:
        (root,) = (
            schema
            for schema in published["components"]["schemas"].values()
            if any(of["kind"] == KIND for of in schema.get("x-kubernetes-group-version-kind", ()))
        )
        spec = root["properties"]["spec"]
        parts = [part for part in spec["properties"].values() if part["type"] == "object"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return all(each.get("x-kubernetes-preserve-unknown-fields") for each in (root, spec, *parts))
