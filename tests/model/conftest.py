from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A world of a minute's age, with one namespace and no operator yet."""
    bench = Bench()
    bench.server.create("documents")
    bench.let_pass(60.0)
    yield bench
    bench.close()
    bench.check()
