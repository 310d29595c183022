"""A trained model's folder: read whole or without weights, and refused when it is damaged or does not fit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlops_runtime import models
from mlops_runtime.errors import Mistaken
from mlops_runtime.identity import digest
from mlops_runtime.preprocessing import Preprocessing

from tests.runtime.serving.engines.conftest import folder

__all__ = ["folder"]


@pytest.mark.parametrize(
    ("adapter", "name", "what"),
    [
        (False, "model.safetensors", "weights"),
        (True, "adapter_model.safetensors", "adapter"),
        (False, "tokenizer.json", "tokenizer"),
    ],
)
def test_a_damaged_file_is_a_mistake_that_names_it(
    folder: Callable[..., str], tmp_path: Path, adapter: bool, name: str, what: str
) -> None:
    place = shutil.copytree(folder(adapter=adapter), tmp_path / "model")
    os.truncate(place / name, (place / name).stat().st_size // 2)
    with pytest.raises(Mistaken, match=f"the {what} of {place} cannot be loaded: "):
        models.load(str(place), "cpu")


def test_everything_but_the_weights_needs_no_weights(folder: Callable[..., str], tmp_path: Path) -> None:
    place = shutil.copytree(folder(steps=("strip",)), tmp_path / "model")
    (place / "model.safetensors").unlink()
    found = models.interface(str(place))
    assert found.rendering.prompt(found.preprocessing(" one two "))
    assert found.info["task"] == "causal-lm"
    assert found.preprocessing.steps == ("strip",)


@pytest.mark.parametrize("steps", [("strip", "lower"), ()])
def test_other_preprocessing_is_refused_with_both_digests(folder: Callable[..., str], steps: tuple[str, ...]) -> None:
    with pytest.raises(Mistaken) as refused:
        models.interface(folder(steps=("strip",)), steps)
    assert digest(Preprocessing(("strip",)).identity()) in str(refused.value)
    assert digest(Preprocessing(steps).identity()) in str(refused.value)


def test_other_rendering_is_refused_with_both_digests(folder: Callable[..., str], tmp_path: Path) -> None:
    place = shutil.copytree(folder(), tmp_path / "model")
    info = json.loads((place / "mlops.json").read_text())
    good, bad = info["rendering"], {**info["rendering"], "version": 99}
    (place / "mlops.json").write_text(json.dumps({**info, "rendering": bad}))
    with pytest.raises(Mistaken, match="another version") as refused:
        models.load(str(place), "cpu")
    assert digest(good) in str(refused.value)
    assert digest(bad) in str(refused.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "there is no .*run `dvc repro train`"),
        ("{", "cannot be read"),
        ("[1]", "another version of the runtime"),
        ('{"format": 99}', "another version of the runtime"),
    ],
)
def test_a_folder_without_a_description_is_a_mistake(tmp_path: Path, content: str | None, text: str) -> None:
    if content is not None:
        (tmp_path / "mlops.json").write_text(content)
    with pytest.raises(Mistaken, match=text):
        models.interface(str(tmp_path))
