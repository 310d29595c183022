"""The OpenAPI document against the server that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from tests.runtime.serving.fake import FakeEngine, made
from tests.runtime.serving.running import Running, running

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def strict() -> Iterator[Running]:
    with running(made(FakeEngine(slots=4))) as found:
        yield found


def test_nothing_that_the_schema_allows_or_forbids_is_a_server_error(strict: Running) -> None:
    schema = schemathesis.openapi.from_url(strict.url + "/openapi.json")
    paths = {_probed(found.ok(), mode, strict.url) for mode in MODES for found in schema.get_all_operations()}
    assert {"/predict", "/v1/completions", "/v1/chat/completions", "/feedback", "/metrics"} <= paths
    assert strict.sample("model_requests_total", status="error") == 0
    assert strict.sample("model_requests_total", status="success") > 10
    assert strict.sample("model_requests_rejected_total", reason="invalid") > 10


def _probed(operation: Any, mode: GenerationMode, url: str) -> str:
    @settings(
        max_examples=15, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def probe(case: Any) -> None:
        case.call_and_validate(base_url=url, checks=[not_a_server_error])

    if mode is GenerationMode.POSITIVE or operation.method == "post":
        probe()
    return str(operation.path)
