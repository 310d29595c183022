"""The suite on healthy projects: what passes, what is left out, what is said."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.runtime.testing.conftest import SUITE, Project


def test_a_healthy_model_passes(project: Project) -> None:
    found = project.suite()
    assert found.code == 0, found.text
    assert (found.count("passed"), found.count("skipped"), found.failed) == (22, 1, set())
    levels = [name.split("::")[0] for name in found.tests]
    assert levels == sorted(levels, key=lambda name: ("data" not in name, "unit" not in name))
    assert "data         5 passed, 1 skipped\nunit         9 passed\nintegration  8 passed\n" in found.text
    assert "end to end   12 not run: no endpoint was given, add --endpoint URL" in found.text
    assert all(name.startswith("mlops_runtime/testing/suite/") for name in found.tests), "alike on every machine"
    assert not list(project.path.glob("reports/**/validation.json")), "nothing is written into the project"


def test_a_healthy_classifier_passes(classifier: Project) -> None:
    found = classifier.suite()
    assert found.code == 0, found.text
    assert (found.count("passed"), found.count("skipped"), found.failed) == (20, 3, set())


def test_one_level_alone_needs_what_it_needs(project: Project) -> None:
    (project.path / "models/model/mlops.json").unlink()
    found = project.suite("-m", "data")
    assert found.code == 0, found.text
    assert {name.split("/")[-1].split("::")[0] for name in found.tests} == {"test_data.py"}


OWN = """
import pytest

def test_fixtures(model, tokenizer, records, generate, spec):
    assert spec["model"]["task"] == "instruction-tuning"
    assert len(records) == 8 and records[0]["id"]
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    alone = generate(records[0]["prompt"])
    assert isinstance(alone, str) and generate([records[0]["prompt"]]) == [alone]

@pytest.mark.integration
def test_level(generate):
    assert len(generate("Count on from one, 3 words, variant 500.", max_tokens=2).split()) <= 2

def test_deployed(endpoint):
    raise AssertionError("must not run without --endpoint")
"""


def test_own_tests_use_the_fixtures_beside_the_suite(project: Project) -> None:
    (project.path / "test_own.py").write_text(OWN)
    found = project.suite("test_own.py", "-m", "not data and not unit")
    assert found.code == 0, found.text
    assert found.tests["test_own.py::test_fixtures"] == found.tests["test_own.py::test_level"] == ("passed", "")
    assert "test_own.py::test_deployed" not in found.tests
    assert "integration  9 passed" in found.text
    assert "13 not run" in found.text


@pytest.mark.parametrize(("kind", "fixture"), [("project", "classify"), ("classifier", "generate")])
def test_the_wrong_kind_of_answer_says_which_is_right(kind: str, fixture: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(kind)
    (project.path / "test_own.py").write_text(f"def test_it({fixture}):\n    pass\n")
    found = project.pytest("-p", "mlops_runtime.testing", "test_own.py")
    assert found.code == 1
    assert found.message.startswith("the model ")
    assert ("`generate`" if fixture == "classify" else "`classify`") in found.message
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("params.yaml", "there is no params.yaml here: run `mlopsgen build`"),
        ("data/processed/train.jsonl", "there is no data/processed/train.jsonl: run `dvc repro prepare`"),
        ("data/processed/validation.jsonl", "there is no data/processed/validation.jsonl: run `dvc repro prepare`"),
        ("models/model/mlops.json", "there is no models/model/mlops.json: run `dvc repro train`"),
    ],
)
def test_what_is_not_there_is_said_before_anything_runs(project: Project, missing: str, said: str) -> None:
    (project.path / missing).unlink()
    found = project.suite()
    assert found.code == pytest.ExitCode.USAGE_ERROR
    assert said in found.text
    assert "Traceback" not in found.text
    assert not found.tests


def test_an_address_that_is_none_is_refused(project: Project) -> None:
    found = project.suite("--endpoint", "staging.acme.dev")
    assert found.code == pytest.ExitCode.USAGE_ERROR
    assert "--endpoint staging.acme.dev is no address: begin it with http:// or https://" in found.text


@pytest.mark.parametrize("device", ["banana", "cuda:17"])
def test_a_device_that_is_not_there_is_named(project: Project, device: str) -> None:
    found = project.suite("--device", device, "-k", "test_output_shapes")
    assert found.code == 1
    assert f"models/model cannot be loaded with --device {device}: " in found.message
    assert "\n" not in found.message


def test_weights_that_do_not_load_are_said_in_one_line(project: Project) -> None:
    (project.path / "models/model/model.safetensors").unlink()
    found = project.suite("-k", "test_output_shapes")
    assert found.code == 1
    assert found.message.startswith("the weights of models/model cannot be loaded: ")
    assert "\n" not in found.message


def _python(*arguments: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    paths = f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False, env=environment
    )


def test_the_plugin_loads_nothing_heavy() -> None:
    code = "import mlops_runtime.testing, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = set(_python("-c", code).stdout.split())
    assert "pytest" in loaded
    assert not loaded & {"torch", "transformers", "numpy", "pandas", "mlflow", "great_expectations", "ruamel", "click"}


@pytest.mark.slow
def test_the_command_runs_from_a_cold_start(project: Project) -> None:
    found = _python("-m", "pytest", *SUITE, "-m", "data", "-p", "no:cacheprovider", cwd=str(project.path))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "5 passed, 1 skipped" in found.stdout
