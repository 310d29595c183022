"""A server around a fake engine, for tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.serving.fake import FakeEngine, made
from tests.runtime.serving.running import Running, running


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server with a fake engine that answers at once."""
    with running(made(FakeEngine(slots=4))) as found:
        yield found
