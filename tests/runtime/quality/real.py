"""A served tiny model, and what the exporter needs to know about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlops_runtime.quality.settings import Settings
from mlops_runtime.serving import model, serve, service
from mlops_runtime.serving import settings as serving
from prometheus_client.parser import text_string_to_metric_families

from tests.runtime.serving.running import Running, running

FEATURES = {"prompt": ("length", "words"), "response": ("length",)}


@contextmanager
def served(task: str, uri: str = "models/model", token: str | None = None, **more: Any) -> Iterator[Running]:
    """Serve the model at an address in the working directory."""
    given = serving.Settings("tiny", task, "champion", "test", uri, max_input_tokens=100, max_output_tokens=50)
    given = given._replace(timeout=20.0, queue=64, precision="fp32")._replace(**more)
    found = model.found(given)
    with running(service.made(given, found, serve.engine(given, found), token)) as server:
        yield server


def asked(server: str, task: str = "instruction-tuning", **more: Any) -> Settings:
    """Settings of an exporter of that server."""
    found = Settings(
        name="tiny",
        task=task,
        environment="test",
        server=server,
        model_uri="models/model",
        every=3600.0,
        dataset="data/processed/validation.jsonl",
        samples=1000,
        features=FEATURES,
        alpha=0.01,
        min_effect=0.05,
    )
    return found._replace(**more)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Values by name and labels but the model's."""
    return {
        (sample.name, *(value for name, value in sample.labels.items() if name != "model_name")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def features(counts: Mapping[str, Any], records: int) -> dict[str, Any]:
    """A document as servers give it, around features."""
    return {
        "version": 1,
        "records": records,
        "features": counts,
        "begin": None,
        "end": None,
        "answers": {"count": 0, "refused": 0, "empty": 0, "malformed": 0, "truncated": 0},
        "output_tokens": 0,
        "logprob": {"count": 0, "sum": 0.0},
    }
