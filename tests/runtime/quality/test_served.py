"""The exporter against the real server with a tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlops_runtime.evaluation.evaluate import evaluate
from mlops_runtime.quality.cycle import Cycles
from mlops_runtime.quality.exposition import Values

from tests.runtime.quality.real import asked, samples, served


@pytest.mark.parametrize("task", ["instruction-tuning", "causal-lm", "text-classification"])
def test_numbers_are_those_of_the_evaluation(trained: Callable[[str], Path], task: str) -> None:
    trained(task)
    expected = evaluate()
    with served(task, max_input_tokens=128) as server:
        given = asked(server.url, task)
        values = Values(given)
        assert Cycles(given, None, values).run()
    found = samples(values.text().decode())
    assert found["model_accuracy",] == pytest.approx(expected["val_accuracy"], rel=1e-6)
    assert found["model_quality_samples", "accuracy"] == expected["records"]
    if task == "text-classification":
        assert ("model_perplexity",) not in found
    else:
        assert found["model_perplexity",] == pytest.approx(expected["val_perplexity"], rel=1e-6)


def test_too_long_records_are_left_out_and_the_rest_is_scored(trained: Callable[[str], Path]) -> None:
    trained("instruction-tuning")
    with served("instruction-tuning", max_input_tokens=20) as server:
        given = asked(server.url)
        values = Values(given)
        assert Cycles(given, None, values).run()
    scored = samples(values.text().decode())["model_quality_samples", "accuracy"]
    assert 0 < scored < 30
