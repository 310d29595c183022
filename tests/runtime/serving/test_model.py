"""Which model is served: from where, whole, and only with the preprocessing that it was trained with."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlops_runtime.errors import Mistaken
from mlops_runtime.registry import content
from mlops_runtime.registry.promotion import promote
from mlops_runtime.registry.register import register
from mlops_runtime.serving import download, model
from mlops_runtime.serving import settings as serving_settings
from mlops_runtime.serving.settings import RateLimit

from tests.conftest import ROOT
from tests.runtime.serving.fake import settings
from tests.runtime.tracking.store import empty_store, project, tiny_models

__all__ = ["empty_store", "project", "tiny_models"]

DIGESTS = re.compile(r"stored with the model is ([0-9a-f]{64}), the one here ([0-9a-f]{64})")


def described(folder: Path, steps: list[str] | None = None, **rendering: Any) -> None:
    """Write `mlops.json` as the trainer does, with identities."""
    from mlops_runtime.preprocessing import Preprocessing
    from mlops_runtime.training.rendering import Rendering
    from transformers import AutoTokenizer

    found = Rendering("causal-lm", {"text": "text"}, AutoTokenizer.from_pretrained(folder), 64).identity()
    preprocessing = Preprocessing(steps if steps is not None else ["strip", "nfc"]).identity()
    data = {part: {"sha256": part[0] * 64, "records": 10} for part in ("train", "validation")}
    info = {
        "format": 1, "adapter": False, "task": "causal-lm", "base": None, "revision": None, "base_digest": None,
        "preprocessing": preprocessing, "rendering": {**found, **rendering}, "spec_digest": "5" * 64, "data": data,
    }  # fmt: skip
    (folder / "mlops.json").write_text(json.dumps(info))


@pytest.fixture
def folder(project: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`models/model` of a project."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    found = project / "models" / "model"
    shutil.copytree(tiny_models / "base", found)
    described(found)
    return found


def given(uri: str, **more: Any) -> Any:
    return settings(model_uri=uri, task="causal-lm", **more)


def test_a_registered_version_is_downloaded_verified_and_kept(folder: Path, project: Path) -> None:
    made = register()
    promote(made["version"])
    found = model.found(given("models:/tiny@champion"))
    assert (found.name, found.version) == ("tiny", "1")
    assert found.folder == str(project / "cache" / "mlops-runtime" / "models" / made["model_digest"])
    assert content.digest(found.folder) == made["model_digest"]
    assert found.tags["semantic_version"] == "1.0.0"
    assert len(found.data_digest or "") == 64
    assert found.spec_digest == "5" * 64
    assert model.found(given("models:/tiny/1")).folder == found.folder
    assert model.found(given(f"runs:/{made['run_id']}/model")).folder == found.folder
    weights = Path(found.folder) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert model.found(given("models:/tiny/1")).folder == found.folder
    assert content.digest(found.folder) == made["model_digest"], "a damaged copy is fetched again"
    assert sorted(os.listdir(project / "cache" / "mlops-runtime" / "models")) == [
        made["model_digest"], f"{made['model_digest']}.lock",
    ]  # fmt: skip


def test_a_damaged_store_is_refused_with_both_digests(folder: Path, project: Path) -> None:
    made = register()
    for path in project.rglob("mlruns/**/artifacts/model/model.safetensors"):
        path.unlink()
        path.write_bytes(b"other weights")
    with pytest.raises(Mistaken, match=f"digest [0-9a-f]{{64}}, and were registered with {made['model_digest']}"):
        model.found(given("models:/tiny/1"))
    assert not (project / "cache" / "mlops-runtime" / "models" / made["model_digest"]).exists()


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("models:/tiny@champion", "tiny has no champion yet: run `mlops-runtime promote`"),
        ("models:/tiny@challenger", "tiny has no challenger yet: run `mlops-runtime register`"),
        ("models:/none@champion", "none has no champion yet"),
        ("models:/tiny/5", "has no version 5 of tiny"),
        ("models:/tiny/0", "no version of tiny was released here yet"),
        ("models:/tiny", "names no model"),
        ("runs:/abc/model", "there is no run abc"),
        ("models/none", "there is no models/none/mlops.json"),
    ],
)
def test_a_model_that_is_not_there_is_a_mistake_that_says_what_to_do(folder: Path, uri: str, text: str) -> None:
    from mlops_runtime.tracking import server

    server.client().create_registered_model("tiny")
    with pytest.raises(Mistaken, match=text):
        model.found(given(uri))


def test_a_version_without_a_digest_is_refused(folder: Path) -> None:
    from mlops_runtime.tracking import server

    client = server.client()
    client.create_registered_model("tiny")
    client.create_model_version("tiny", str(folder))
    with pytest.raises(Mistaken, match="has no tag model_digest"):
        model.found(given("models:/tiny/1"))


def test_other_preprocessing_than_the_model_s_is_refused_with_both_digests(folder: Path) -> None:
    good = model.found(given("models/model", preprocess=("strip", "nfc")))
    with pytest.raises(Mistaken, match="trained with strip, nfc, and here are strip, lower") as refused:
        model.found(given("models/model", preprocess=("strip", "lower")))
    digests = DIGESTS.search(str(refused.value))
    assert digests is not None
    assert digests[1] == good.preprocessing_digest
    assert digests[2] != digests[1]


def test_changed_source_of_a_step_is_refused_with_both_digests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder.parent.parent))
    (folder.parent.parent / "own_steps.py").write_text("def clean(text):\n    return text\n")
    described(folder, ["own_steps:clean"])
    assert model.found(given("models/model")).version == "local"
    (folder.parent.parent / "own_steps.py").write_text("def clean(text):\n    return text.lower()\n")
    with pytest.raises(Mistaken, match=DIGESTS.pattern):
        model.found(given("models/model"))


def test_other_rendering_than_the_model_s_is_refused_with_both_digests(folder: Path) -> None:
    described(folder, template="0" * 64)
    with pytest.raises(Mistaken, match="trained with another template") as refused:
        model.found(given("models/model"))
    assert DIGESTS.search(str(refused.value))


def test_models_of_another_task_or_runtime_are_refused(folder: Path) -> None:
    with pytest.raises(Mistaken, match="is a model for causal-lm, and `model"):
        model.found(settings(model_uri="models/model"))
    (folder / "mlops.json").write_text('{"format": 99}')
    with pytest.raises(Mistaken, match="another version of the runtime"):
        model.found(given("models/model"))
    (folder / "mlops.json").write_text("{")
    with pytest.raises(Mistaken, match="cannot be read"):
        model.found(given("models/model"))
    described(folder)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(Mistaken, match="tokenizer of models/model cannot be loaded"):
        model.found(given("models/model"))


def test_behind_a_custom_engine_only_the_registry_is_asked(folder: Path) -> None:
    made = register()
    found = model.found(given(f"models:/tiny/{made['version']}", engine="custom"))
    assert (found.folder, found.text, found.tags["semantic_version"]) == (None, None, "1.0.0")
    assert model.found(given("models:/tiny/0", engine="custom")).version == "0"
    assert model.found(given("models:/tiny/9", engine="custom")).version == "9"
    assert download.source("anywhere", wanted=False).version == "local"


def test_prompts_become_the_tokens_that_training_saw(folder: Path) -> None:
    import asyncio

    from mlops_runtime.serving.engines.base import Refused

    text = model.found(given("models/model")).text
    assert text is not None
    assert asyncio.run(text.encode("  a b ")) == [1, 2]
    assert asyncio.run(text.encode("a " * 20_000))[:3] == [1, 1, 1]
    assert text.decode([1, 2, 3]) == "a b"
    assert "</s>" in text.decode([1, 3], special=True)
    with pytest.raises(Refused, match="not trained on chats"):
        asyncio.run(text.encode([{"role": "user", "content": "a"}]))


EXAMPLES = ("examples/docstrings/local/champion.yaml", "examples/support-assistant/local/canary.yaml")


@pytest.mark.parametrize("path", EXAMPLES)
def test_generated_settings_are_read(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_CONFIG", str(ROOT / path))
    monkeypatch.setenv("MLOPS_VARIANT", "canary")
    monkeypatch.setenv("MLOPS_MODEL_URI", "models:/x@champion")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///own.db")
    found = serving_settings.read()
    content = yaml.safe_load((ROOT / path).read_text())
    for name in ("engine", "port", "max_input_tokens", "max_output_tokens", "timeout", "queue", "auth", "gpu"):
        assert getattr(found, name) == content["serving"][name]
    assert list(found.latency_buckets) == content["serving"]["latency_buckets"]
    assert (found.name, found.variant, found.environment) == (content["model"]["name"], "canary", "local")
    assert found.drift == content["drift"]["features"]
    assert found.drift
    assert found.cpu == {"docstrings": 2.0, "llama2-7b-lora": 4.0}[found.name]
    limit = content["serving"]["rate_limit"]
    assert found.rate_limit == (limit and RateLimit(limit["requests"], limit["per"], limit["by"]))
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///own.db"
    monkeypatch.setenv("MLOPS_AUTH_TOKEN", "")
    if found.auth:
        with pytest.raises(Mistaken, match="MLOPS_AUTH_TOKEN is empty"):
            serving_settings.token(found)
        monkeypatch.setenv("MLOPS_AUTH_TOKEN", "t")
        assert serving_settings.token(found) == "t"
    else:
        assert serving_settings.token(found) is None


def test_without_settings_the_project_s_own_are_used(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLOPS_CONFIG", "MLOPS_MODEL_URI", "MLOPS_VARIANT", "MLOPS_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    found = serving_settings.read()
    assert (found.name, found.task, found.model_uri, found.port) == ("tiny", "causal-lm", "models/model", 8000)
    assert (found.variant, found.environment, found.timeout, found.queue) == ("champion", "local", 30.0, 64)
    (project / "mlops.yaml").write_text((project / "mlops.yaml").read_text() + "serving: {timeout: 1m, queue: 5}\n")
    assert serving_settings.read().timeout == 60.0
    (project / "mlops.yaml").write_text((project / "mlops.yaml").read_text() + "  wrong: [\n")
    with pytest.raises(Mistaken, match=r"mlops\.yaml"):
        serving_settings.read()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c["serving"].pop("queue"), "holds no settings of the serving app"),
        (lambda c: c.pop("model"), "holds no settings of the serving app"),
        (lambda c: c["serving"].update(engine="other"), "one of transformers, vllm, custom"),
        (lambda c: c["serving"].update(address="NO_SUCH"), "NO_SUCH.*holds no URL"),
        (lambda c: None, "MLOPS_VARIANT is 'blue'"),
    ],
)
def test_settings_that_cannot_be_used_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, text: str
) -> None:
    content = yaml.safe_load((ROOT / EXAMPLES[0]).read_text())
    change(content)
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("MLOPS_CONFIG", str(path))
    monkeypatch.setenv("MLOPS_VARIANT", "blue" if "VARIANT" in text else "champion")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "x")
    with pytest.raises(Mistaken, match=text):
        serving_settings.read()
    path.write_text("a: [")
    with pytest.raises(Mistaken, match="cannot be read"):
        serving_settings.read()
