"""`mlopsgen show`, `schema` and `explain`."""

from __future__ import annotations

import json

import pytest
import yaml

from mlopsgen.diagnostics.catalogue import CODES
from tests.conftest import FULL, ROOT, SMALLEST, Run


def test_show_prints_the_spec_that_holds(mlopsgen: Run) -> None:
    shown = mlopsgen("show", str(FULL)).stdout
    read = yaml.safe_load(shown)
    assert read["serving"]["timeout"] == "30s"
    assert read["training"]["learning_rate"] == 2e-05
    assert read["rollout"]["steps"] == ["5%", "10%", "25%", "50%", "100%"]
    assert read["data"]["columns"]["prompt"]["role"] == "prompt"


def test_what_show_prints_is_valid_and_means_the_same(mlopsgen: Run, tmp_path) -> None:  # type: ignore[no-untyped-def]
    first = mlopsgen("show", str(FULL), "--no-origins").stdout
    copy = tmp_path / "copy.yaml"
    copy.write_text(first)
    again = mlopsgen("show", "copy.yaml", "--no-origins")
    assert (again.returncode, again.stdout) == (0, first)


def test_every_value_says_where_it_came_from(mlopsgen: Run) -> None:
    shown = json.loads(mlopsgen("show", str(FULL), "-e", "production", "--format", "json").stdout)
    lines = FULL.read_text().splitlines()

    def line(part: str) -> int:
        return next(number for number, text in enumerate(lines, 1) if part in text)

    assert shown["serving"]["replicas"]["min"] == {"value": 4, "origin": f"{FULL}:{line('{min: 4')}:31"}
    assert shown["serving"]["replicas"]["scale_on"]["queue_depth"]["value"] == 8
    assert shown["serving"]["resources"]["gpu_type"] == {"value": None, "origin": "default"}
    assert shown["namespace"]["value"] == "ml-production"


def test_derived_values_name_their_source(mlopsgen: Run) -> None:
    shown = json.loads(mlopsgen("show", str(SMALLEST), "--format", "json").stdout)
    assert shown["model"]["name"]["value"] == "docstrings"
    assert shown["model"]["name"]["origin"].endswith("(project.name)")
    assert shown["environments"]["production"]["namespace"]["value"] == "docstrings-production"


def test_an_unknown_environment(mlopsgen: Run) -> None:
    done = mlopsgen("show", str(FULL), "-e", "prodution")
    assert done.returncode == 2
    assert "did you mean `production`?" in done.stderr


def test_schema_is_the_committed_one(mlopsgen: Run) -> None:
    assert mlopsgen("schema").stdout == (ROOT / "schemas" / "mlops.v1.schema.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        (
            "training.learning_rate",
            ("Peak learning rate.", "default: from how it is trained: 1e-3 from scratch", "example: 2e-05"),
        ),
        ("environments.staging.serving.replicas.min", ("Fewest.", "pods")),
        ("data.columns.anything.length", ("characters", "{min: 10, max: 2000}")),
        ("rollout", ("steps", "sticky")),
        ("e107", ("not a duration", "1h30m", "hold: 10 min")),
    ],
)
def test_explain(topic: str, parts: tuple[str, ...], mlopsgen: Run) -> None:
    told = mlopsgen("explain", topic)
    assert told.returncode == 0
    for part in parts:
        assert part in told.stdout


@pytest.mark.parametrize(
    ("topic", "hint"), [("training.learning_rat", "training.learning_rate"), ("E10", ""), ("E199", "did you mean")]
)
def test_explain_something_unknown(topic: str, hint: str, mlopsgen: Run) -> None:
    done = mlopsgen("explain", topic)
    assert done.returncode == 2
    assert hint in done.stderr


def test_explain_as_json(mlopsgen: Run) -> None:
    told = json.loads(mlopsgen("explain", "E201", "--format", "json").stdout)
    assert told["title"] == CODES["E201"].title
