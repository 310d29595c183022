"""No test of the runtime sees what another one, in the same process, put into the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


def _restored() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


_module = pytest.fixture(scope="module", autouse=True)(_restored)
_test = pytest.fixture(autouse=True)(_restored)
