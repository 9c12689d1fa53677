"""One stand-in a file, and the check of it as a person starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.moorcheh.standin import StandIn
from tests.check.checking import JOB_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("moorcheh"), job_seconds=JOB_SECONDS) as moorcheh:
        yield moorcheh


@pytest.fixture
def moorcheh(shared_stand_in: StandIn) -> StandIn:
    """As good as new."""
    shared_stand_in.reset()
    return shared_stand_in
