"""Parameters of a command."""

from __future__ import annotations

import pytest
from mlops_runtime import parameters
from mlops_runtime.errors import Mistaken

from tests.runtime.data.conftest import Folder


def test_sections_by_name_and_numbers_as_dvc_writes_them(folder: Folder) -> None:
    folder.write("params.yaml", "train: {learning_rate: 1e-05, name: on}\ndata: {raw: x}\n")
    assert parameters.read("train", optional=("safety",)) == {"train": {"learning_rate": 1e-05, "name": "on"}}
    assert list(parameters.read("data", "train")) == ["data", "train"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no params.yaml here"),
        ("train: {", "cannot be read"),
        ("train: 1\ntrain: 2\n", "cannot be read"),
        ("train: {}\n", "no section `data`"),
        ("data: 3\ntrain: {}\n", "no section `data`"),
        ("- 1\n", "no section `data`"),
    ],
)
def test_mistakes(content: str | None, message: str, folder: Folder) -> None:
    if content is not None:
        folder.write("params.yaml", content)
    with pytest.raises(Mistaken, match=message):
        parameters.read("data")


def test_a_missing_section_is_named_as_the_spec_names_it(folder: Folder) -> None:
    folder.write("params.yaml", "data: {raw: x}\n")
    with pytest.raises(Mistaken, match=r"no section `safety`, `model`: set `evaluation.safety`, `model` in mlops.yaml"):
        parameters.read("data", "safety", "model")


def test_who_the_project_is(folder: Folder) -> None:
    assert parameters.project()["name"] == folder.path.name
    assert parameters.project()["tracking"]["mlflow"] == {"uri": None, "experiment": folder.path.name}
    rest = "data: {raw: data/raw}\nmodel: {base: gpt2}\n"
    folder.write("mlops.yaml", f"version: 1\nproject: {{name: docstrings, owner: team}}\n{rest}")
    expected = {"mlflow": {"uri": None, "experiment": "docstrings"}, "wandb": None}
    assert parameters.project() == {"name": "docstrings", "owner": "team", "tracking": expected}


@pytest.mark.parametrize(
    "content", ["version: 1\n", "project: {name: Not Good}\n", "project: [", "project: {nme: x}\n"]
)
def test_a_spec_that_is_not_valid(content: str, folder: Folder) -> None:
    folder.write("mlops.yaml", content)
    with pytest.raises(Mistaken, match="mlopsgen validate"):
        parameters.project()
