"""One Event a request and reason, so that `kubectl describe` tells a story instead of a list."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.spec import Spec
from moorcheh_operator.api.status import Status
from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster.client import Cluster
from tests.dev.clusters import api_server

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

RETRYING = ("Warning", "Retrying")


@pytest.fixture
def events(control_plane: ControlPlane) -> Any:
    """Posts these about one new request, in order, and gives what the API server then shows."""

    def post(*news: tuple[str, str, str, int]) -> list[dict[str, Any]]:
        made = datetime.now(UTC)  # noqa: TID251 - any time will do
        request = Request("default", "wipe", str(uuid4()), "1", 1, made, Spec("documents"), Status())

        async def say() -> list[dict[str, Any]]:
            tls = ssl.create_default_context(cafile=str(control_plane.ca_file))
            cluster = Cluster(api_server(control_plane.url, control_plane.admin_token, tls), Clock())
            try:
                for each in news:
                    await cluster.post_event(request, *each)
                selector = f"fieldSelector=involvedObject.uid%3D{request.uid}"
                _, shown = await cluster.call("GET", f"/api/v1/namespaces/default/events?{selector}")
                return list(shown["items"])
            finally:
                await cluster.aclose()

        return asyncio.run(say())

    return post


def test_what_is_told_again_is_one_event_with_its_count_and_the_newest_words(events: Any) -> None:
    told = events((*RETRYING, "attempt 1 failed", 1), (*RETRYING, "attempt 2 failed", 2))

    assert [(each["reason"], each["message"], each["count"]) for each in told] == [
        ("Retrying", "attempt 2 failed", 2)
    ]


def test_another_reason_is_another_event(events: Any) -> None:
    told = events(("Normal", "Submitted", "sent", 1), (*RETRYING, "attempt 1 failed", 1))

    assert sorted(each["reason"] for each in told) == ["Retrying", "Submitted"]
