"""From a document to a Project: overlays, derived values, origins, checks that point at both places."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from mlopsgen.diagnostics import Diagnostic, Failed
from mlopsgen.diagnostics.catalogue.code import SMALLEST
from mlopsgen.project.checks.rollout import requests_needed
from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.spec.load import parse
from mlopsgen.spec.traced import origins
from tests.conftest import FULL


def project(extra: str = "", base: str = SMALLEST) -> Project:
    return resolve(parse(base + extra, "mlops.yaml")).project


def findings(extra: str, base: str = SMALLEST) -> tuple[Diagnostic, ...]:
    try:
        return resolve(parse(base + extra, "mlops.yaml")).warnings
    except Failed as failure:
        return failure.diagnostics


def environment(found: Project, name: str) -> Any:
    return next(each for each in found.environments if each.name == name)


def test_overlays_merge_mappings_and_replace_the_rest() -> None:
    found = project(base=FULL.read_text())
    production, staging = environment(found, "production"), environment(found, "staging")
    replicas = production.serving.replicas
    assert (replicas.min, replicas.max, replicas.scale_on.queue_depth) == (4, 20, 8)
    assert (staging.serving.replicas.min, staging.serving.replicas.max, staging.serving.replicas.scale_on) == (
        2,
        2,
        None,
    )
    assert (found.serving.replicas.min, found.serving.replicas.max) == (2, 10)


def test_an_overlay_touches_no_other_environment() -> None:
    extra = (
        "rollout: {steps: [10%, 100%], hold: 5m}\n"
        "environments:\n  a: {rollout: {steps: [50%, 100%]}}\n  b: {monitoring: {scrape_interval: 30s}}\n"
    )
    found = project(extra)
    a, b = environment(found, "a"), environment(found, "b")
    assert (a.rollout.steps, a.rollout.hold) == ((0.5, 1.0), 300.0)
    assert (b.rollout.steps, b.monitoring.scrape_interval) == ((0.1, 1.0), 30.0)
    assert a.monitoring.scrape_interval == found.monitoring.scrape_interval == 15.0


def test_values_know_where_they_were_written() -> None:
    found = project(base=FULL.read_text())
    assert origins(found.training.learning_rate) == ("training.learning_rate",)
    assert origins(environment(found, "production").serving.replicas.min) == (
        "environments.production.serving.replicas.min",
    )
    assert origins(environment(found, "staging").serving.replicas.min) == ("environments.staging.serving.replicas",)
    assert origins(environment(found, "production").serving.replicas.scale_on.queue_depth) == (
        "serving.replicas.scale_on.queue_depth",
    )
    assert origins(found.data.columns["prompt"].length.min) == ("data.columns.prompt.length.min",)


def test_derived_values_carry_the_origin_of_their_source() -> None:
    found = project("project: {}\n".replace("project: {}\n", ""))
    assert (found.model.name, origins(found.model.name)) == ("docs", ("project.name",))
    assert found.tracking.mlflow.experiment == "docs"
    assert found.serving.image == "docs"
    named = project(base=SMALLEST.replace("{name: docs}", "{name: docs, repository: Acme/Docs}"))
    assert (named.serving.image, origins(named.serving.image)) == ("ghcr.io/acme/docs", ("project.repository",))


def test_without_environments_there_are_staging_and_production() -> None:
    found = project()
    rows = [(each.name, each.branch, each.namespace, each.approval) for each in found.environments]
    assert rows == [("staging", "dev", "docs-staging", False), ("production", "main", "docs-production", True)]


@pytest.mark.parametrize(
    ("columns", "task"),
    [
        ("{question: {}, answer: {}}", "instruction-tuning"),
        ("{messages: {type: messages}}", "instruction-tuning"),
        ("{text: {}, label: {type: category}}", "text-classification"),
        ("{text: {}}", "causal-lm"),
        ("{q: {role: prompt}, a: {role: response}, label: {}}", "instruction-tuning"),
    ],
)
def test_the_task_follows_from_the_columns(columns: str, task: str) -> None:
    found = project(base=SMALLEST.replace("{raw: data/raw}", f"{{raw: data/raw, columns: {columns}}}"))
    assert found.model.task == task


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("instruction-tuning", {"prompt": "text", "response": "text"}),
        ("causal-lm", {"text": "text"}),
        ("text-classification", {"text": "text", "label": "category"}),
    ],
)
def test_the_columns_follow_from_the_task(task: str, columns: dict[str, str]) -> None:
    found = project(base=SMALLEST.replace("acme/tiny}", f"acme/tiny, task: {task}}}"))
    assert {name: column.type for name, column in found.data.columns.items()} == columns
    assert {name: column.role for name, column in found.data.columns.items()} == {name: name for name in columns}
    wanted = {name: ("category",) if kind == "category" else ("length", "words") for name, kind in columns.items()}
    assert dict(found.data.drift.features) == wanted


@pytest.mark.parametrize(
    ("model", "rate"),
    [
        ("{architecture: {type: llama, hidden_size: 64, layers: 2, heads: 4, vocab_size: 500}}", 1e-3),
        ("{base: org/model, adapter: {r: 8}}", 2e-4),
        ("{base: org/model}", 2e-5),
    ],
)
def test_the_learning_rate_follows_from_how_it_is_trained(model: str, rate: float) -> None:
    base = f"version: 1\nproject: {{name: tiny}}\ndata: {{raw: data/raw}}\nmodel: {model}\n"
    assert project(base=base).training.learning_rate == rate
    assert project("training: {learning_rate: 0.5}\n", base).training.learning_rate == 0.5


def test_peoples_own_data_is_ignored() -> None:
    assert project("x-anything: {version: 7, [1, 2]: x}\n".replace("[1, 2]: x", "deep: [1]")) is not None


def test_nothing_can_be_changed_afterwards() -> None:
    found = project(base=FULL.read_text())
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.name = "other"  # type: ignore[misc]
    with pytest.raises(Exception, match="frozen"):
        found.training.epochs = 9
    with pytest.raises(TypeError):
        found.data.columns["prompt"] = None  # type: ignore[index]
    with pytest.raises(TypeError):
        found.rollout.steps[0] = 1  # type: ignore[index]


def everything(value: Any) -> Iterator[Any]:
    yield value
    inside: Any = ()
    if hasattr(value, "model_fields_set"):
        inside = value.__dict__.values()
    elif dataclasses.is_dataclass(value):
        inside = [getattr(value, field.name) for field in dataclasses.fields(value)]
    elif isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, Sequence) and not isinstance(value, str):
        inside = value
    for item in inside:
        yield from everything(item)


def test_nothing_in_it_can_be_changed_afterwards() -> None:
    patch = "patches: [{file: dvc.yaml, ops: [{op: add, path: /a, value: {b: [1, {c: [d]}]}}]}]\n"
    text = FULL.read_text()
    text = text[: text.index("\npatches:")] + "\n" + patch
    seen = list(everything(project(base=text)))
    assert len(seen) > 400
    for value in seen:
        assert not isinstance(value, dict | list | set), value
        if hasattr(value, "model_fields_set"):
            for name in value.__dict__:
                with pytest.raises(Exception, match=r"frozen|immutable"):
                    setattr(value, name, 1)


def test_a_mistake_is_told_once_however_many_environments_share_it() -> None:
    found = findings("rollout: {check_every: 20m}\nenvironments: {a: {}, b: {}, c: {}}\n")
    assert [d.code for d in found] == ["E227"]


def test_a_mistake_in_an_overlay_is_told_in_the_overlay() -> None:
    (found,) = findings("environments:\n  a:\n    rollout: {check_every: 20m}\n")
    assert (found.code, found.path, found.span and found.span[1:3]) == (
        "E227",
        "environments.a.rollout.check_every",
        (7, 28),
    )
    (unknown,) = findings("environments:\n  a:\n    serving: {replicsa: 2}\n")
    assert (unknown.code, unknown.path) == ("E101", "environments.a.serving.replicsa")
    assert unknown.help == "did you mean `replicas`?"


@pytest.mark.parametrize(
    ("extra", "code", "other"),
    [
        ("environments: {a: {branch: x}, b: {branch: x}}\n", "E217", (5, 28)),
        ("environments: {a: {namespace: x}, b: {namespace: x}}\n", "E218", (5, 31)),
        ("rollout: {check_every: 20m, hold: 5m}\n", "E227", (5, 35)),
        (
            "serving: {timeout: 1s}\nmonitoring: {alerts: {latency_p95: null}}\n"
            "rollout: {gates: {latency_p95: {max: 2s}}}\n",
            "E220",
            (5, 20),
        ),
        ("rollout: {engine: istio, sticky: {header: a}}\nexperiment: {sticky: {header: b}}\n", "E215", (5, 43)),
        ("rollout: {steps: [10%, 5%, 100%]}\n", "E211", (5, 19)),
        ("targets: {github: false}\nenvironments: {a: {approval: true}}\n", "E219", (5, 19)),
    ],
)
def test_a_contradiction_shows_both_places(extra: str, code: str, other: tuple[int, int]) -> None:
    found = next(d for d in findings(extra) if d.code == code)
    assert [span[1:3] for _, span in found.related] == [other]


def test_warnings_do_not_stop() -> None:
    resolution = resolve(parse(SMALLEST + "rollout: {expected_rate: 0.5}\n", "mlops.yaml"))
    assert {d.code for d in resolution.warnings} == {"W212"}
    assert resolution.project.rollout.expected_rate == 0.5


def test_sample_sizes_are_those_of_the_literature() -> None:
    """Two proportions, one-sided alpha 1 %, power 90 %: figures of a standard calculator."""
    assert requests_needed(0.005, 0.02, 0.01) == pytest.approx(1426, rel=0.01)
    assert requests_needed(0.005, 0.01, 0.01) == pytest.approx(7750, rel=0.01)
    assert requests_needed(0.01, 0.05, 0.01) == pytest.approx(472, rel=0.01)
