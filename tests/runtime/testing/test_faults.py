"""A planted fault makes the check that is made for it fail, and no other of its level."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.testing.conftest import Project

Plant = Callable[[Project], Any]


def _changed(part: str, number: int, **values: Any) -> Plant:
    def plant(project: Project) -> None:
        records = project.lines(part)
        records[number] |= values
        project.write(part, records)

    return plant


def _repeated(project: Project) -> None:
    records = project.lines("train")
    project.write("train", records + [{**each, "id": f"{i:016x}"} for i, each in enumerate(records[:10])])


def _shared(project: Project) -> None:
    project.write("train", [*project.lines("train"), project.lines("validation")[4]])


def _torn(project: Project) -> None:
    with open(project.path / "data/processed/train.jsonl", "a") as stream:
        stream.write('{"id": \n')


def _uneven(project: Project) -> None:
    records = project.lines("train")
    rare = [each for each in records if each["label"] == "long"][:2]
    project.write("train", rare + [each for each in records if each["label"] == "short"])
    project.write("validation", [each for each in project.lines("validation") if each["label"] == "short"])


@pytest.mark.parametrize(
    ("kind", "plant", "check", "said"),
    [
        ("project", _changed("train", 6, response=None), "test_required_columns_are_filled", "train.jsonl:7: response.null"),
        ("project", _changed("validation", 2, response=" " * 9), "test_required_columns_are_filled", "validation.jsonl:3: response.blank"),
        ("project", _changed("train", 6, prompt=5), "test_required_columns_are_filled", "train.jsonl:7: prompt.type"),
        ("project", _changed("train", 11, response="ab"), "test_lengths_and_ranges", "expected 5 to 4096 characters, found 1 of 132 rows fail\n  at data/processed/train.jsonl:12"),
        ("project", _repeated, "test_few_duplicates", "expected at most 5.00%, found 7.04% (10 of 142 records)\n  at data/processed/train.jsonl:121 repeats data/processed/train.jsonl:1\n"),
        ("project", _shared, "test_parts_share_no_record", "expected none in both, found 1 in both\n  at data/processed/validation.jsonl and data/processed/train.jsonl, id "),
        ("project", _torn, "test_lines_are_records", "expected one JSON object each, found 1 that are none\n  at data/processed/train.jsonl:121"),
        ("classifier", _uneven, "test_classes_are_balanced", "classes of `label`: expected at most 10 to 1, found "),
    ],
    ids=["null", "blank", "type", "length", "duplicates", "overlap", "torn line", "imbalance"],
)  # fmt: skip
def test_data(kind: str, plant: Plant, check: str, said: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(kind)
    plant(project)
    found = project.suite("-m", "data")
    assert found.failed == {check}, found.text
    assert said in found.message
    assert found.code == 1


def test_data_without_limits_is_not_judged_by_them(project: Project) -> None:
    _repeated(project)
    project.parameters(lambda given: given["data"].pop("duplicates"))
    found = project.suite("-m", "data")
    assert found.code == 0, found.text
    assert found.count("skipped") == 2


def _nan(project: Project) -> None:
    def change(weights: dict[str, Any]) -> None:
        weights["model.layers.1.mlp.up_proj.weight"][3, 3] = float("nan")

    project.weights(change)


def _pickled(project: Project) -> None:
    (project.path / "models/model/extra.dat").write_bytes(pickle.dumps({"a": 1}))


def _zipped(project: Project) -> None:
    with zipfile.ZipFile(project.path / "models/model/extra.dat", "w") as archive:
        archive.writestr("extra/data.pkl", pickle.dumps({"a": 1}))


def _named(project: Project) -> None:
    (project.path / "models/model/pytorch_model.bin").write_bytes(b"any")


def _foreign_tokens(project: Project) -> None:
    from transformers import AutoTokenizer

    folder = str(project.path / "models/model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<new {number}>" for number in range(3)])
    tokenizer.save_pretrained(folder)


def _undecoded(project: Project) -> None:
    path = project.path / "models/model/tokenizer.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "decoder": None}))


FORWARD = """
from transformers import LlamaForCausalLM
plain = LlamaForCausalLM.forward
"""
MLP = """
import random, torch
from transformers.models.llama.modeling_llama import LlamaMLP
plain = LlamaMLP.forward
"""


def _code(text: str) -> Plant:
    return lambda project: project.patch(text)


CHANCE = _code(f"{MLP}LlamaMLP.forward = lambda self, x: plain(self, x) + torch.randn_like(x)")
UNSEEDED = _code(f"{MLP}LlamaMLP.forward = lambda self, x: plain(self, x) + (random.random() if self.training else 0)")
DETACHED = _code(f"{MLP}LlamaMLP.forward = lambda self, x: plain(self, x).detach()")
ENDLESS = _code(f"""{MLP}
class Spoilt(torch.autograd.Function):
    forward = staticmethod(lambda ctx, x: x.clone())
    backward = staticmethod(lambda ctx, slope: slope * float("inf"))
LlamaMLP.forward = lambda self, x: Spoilt.apply(plain(self, x))
""")
HUGE = _code(f"""{FORWARD}
def forward(self, *given, **more):
    found = plain(self, *given, **more)
    found.logits = found.logits.sign() * 3e38
    return found
LlamaForCausalLM.forward = forward
""")
FORGETFUL = _code("""
from transformers import LlamaForCausalLM
plain = LlamaForCausalLM.save_pretrained
def save(self, *given, **more):
    kept = self.model.norm.weight.data.clone()
    self.model.norm.weight.data *= 2
    plain(self, *given, **more)
    self.model.norm.weight.data = kept
LlamaForCausalLM.save_pretrained = save
""")
RIGHT = _code(f"""{FORWARD}
def forward(self, *given, attention_mask=None, **more):
    found = plain(self, *given, attention_mask=attention_mask, **more)
    if attention_mask is not None and bool((attention_mask[:, -1] == 0).any()):
        found.logits[..., 0] += 1
    return found
LlamaForCausalLM.forward = forward
""")
LEFT = _code(f"""{FORWARD}
def forward(self, *given, attention_mask=None, position_ids=None, **more):
    return plain(self, *given, **more)
LlamaForCausalLM.forward = forward
""")


@pytest.mark.parametrize(
    ("plant", "check", "said"),
    [
        (_nan, "test_numbers_are_finite", "weights: expected finite numbers, found NaN or infinity in 1 of them\n  at model.layers.1.mlp.up_proj.weight"),
        (_pickled, "test_weights_are_safetensors", "expected safetensors only, found 1 pickle(s)\n  at models/model/extra.dat"),
        (_zipped, "test_weights_are_safetensors", "at models/model/extra.dat"),
        (_named, "test_weights_are_safetensors", "at models/model/pytorch_model.bin"),
        (_foreign_tokens, "test_output_shapes", "logits (records × tokens × vocabulary): expected ("),
        (CHANCE, "test_passes_repeat", "two passes in evaluation mode: expected the same logits, found a difference of "),
        (UNSEEDED, "test_passes_repeat", "two training passes, same seed: expected the same logits, found a difference of "),
        (DETACHED, "test_gradient_reaches_all_weights", "at model.layers.0.mlp.up_proj.weight"),
        (ENDLESS, "test_gradient_reaches_all_weights", "gradient: expected finite numbers, found NaN or infinity in "),
        (FORGETFUL, "test_saved_and_loaded_alike", "saved and loaded again: expected the same logits, found a difference of "),
        (_undecoded, "test_tokenizer_loses_nothing", "text → tokens → text: expected the same text"),
        (RIGHT, "test_padding_changes_nothing", "padding on the right, "),
        (LEFT, "test_padding_changes_nothing", "padding on the left, "),
    ],
    ids=["NaN", "pickle", "zip", "bin", "tokens", "chance", "unseeded", "detached", "gradient", "saved", "tokenizer", "right", "left"],
)  # fmt: skip
def test_unit(plant: Plant, check: str, said: str, project: Project) -> None:
    plant(project)
    found = project.suite("-m", "unit")
    assert found.failed == {check}, found.text
    assert said in found.message
    assert found.code == 1


def test_a_loss_that_is_not_finite(project: Project) -> None:
    HUGE(project)
    found = project.suite("-k", "test_gradient_reaches_all_weights")
    assert "loss of a batch: expected a finite number, found inf" in found.message


def test_outputs_that_are_not_finite(project: Project) -> None:
    project.patch(
        f"{FORWARD}\ndef forward(self, *given, **more):\n    found = plain(self, *given, **more)\n    found.logits[0, 0, 0] = float('inf')\n    return found\nLlamaForCausalLM.forward = forward\n"
    )
    found = project.suite("-m", "unit")
    assert found.failed == {"test_numbers_are_finite"}, found.text
    assert "logits: expected finite numbers, found NaN or infinity in 1 of " in found.message


def test_no_judgement_is_no_pass(project: Project) -> None:
    """Where the check that would tell the cause is not chosen, those that cannot judge fail."""
    _nan(project)
    found = project.suite("-k", "test_saved_and_loaded_alike or test_gradient_reaches_all_weights")
    assert found.failed == {"test_saved_and_loaded_alike", "test_gradient_reaches_all_weights"}


def test_a_folder_without_weights(project: Project) -> None:
    (project.path / "models/model/model.safetensors").unlink()
    found = project.suite("-k", "test_weights_are_safetensors")
    assert "weights: expected safetensors, found none\n  at models/model" in found.message


GENERATE = """
import time
from transformers import LlamaForCausalLM
plain = LlamaForCausalLM.generate
def generate(self, input_ids, max_new_tokens, **more):
    {}
LlamaForCausalLM.generate = generate
"""
SILENT = _code(GENERATE.format("return input_ids"))
MIXED = _code(GENERATE.format("return plain(self, input_ids, max_new_tokens=max_new_tokens, **more).roll(1, 0)"))
TALKATIVE = _code(GENERATE.format("return plain(self, input_ids, max_new_tokens=max_new_tokens + 5, **more)"))
SLOW = f"""
import time
clock, late = time.perf_counter, [0.0]
time.perf_counter = lambda: clock() + late[0]
{GENERATE.format("late[0] += 2.5; return plain(self, input_ids, max_new_tokens=max_new_tokens, **more)")}
"""
SHORT_SIGHTED = _code(f"""{FORWARD}
def forward(self, input_ids=None, **more):
    if input_ids is not None and input_ids.shape[1] > 100:
        raise IndexError("position 100 is out of range")
    return plain(self, input_ids=input_ids, **more)
LlamaForCausalLM.forward = forward
""")


def _needs_text(project: Project) -> None:
    (project.path / "own.py").write_text("def first(text):\n    return text[0] + text[1:]\n")
    path = project.path / "models/model/mlops.json"
    info = json.loads(path.read_text())
    digest = hashlib.sha256((project.path / "own.py").read_bytes()).hexdigest()
    info["preprocessing"] = {"steps": ["own:first"], "sources": {"own:first": digest}}
    path.write_text(json.dumps(info))


def _unlearned(project: Project) -> None:
    def change(weights: dict[str, Any]) -> None:
        weights["lm_head.weight"] *= -1

    project.weights(change)


@pytest.mark.parametrize(
    ("plant", "check", "said"),
    [
        (SILENT, "test_prompts_are_answered", "answers: expected text, found 8 empty ones"),
        (MIXED, "test_batches_equal_single_requests", "answer in a batch: expected '"),
        (_code(SLOW), "test_latency", "latency, 95th percentile: expected at most 2 s, found 2."),
        (TALKATIVE, "test_max_tokens", "answer with max_tokens=1: expected at most 1 tokens, found 6"),
        (SHORT_SIGHTED, "test_unusual_prompts", "prompt that is very long: expected an answer, found IndexError: position 100"),
        (_needs_text, "test_unusual_prompts", "prompt that is empty: expected an answer, found IndexError: string index"),
        (_unlearned, "test_loss_is_below_unigram", "validation loss: expected below 3."),
    ],
    ids=["silent", "mixed", "slow", "talkative", "long", "empty", "unlearned"],
)  # fmt: skip
def test_integration(plant: Plant, check: str, said: str, project: Project) -> None:
    plant(project)
    found = project.suite("-m", "integration")
    assert found.failed == {check}, found.text
    assert said in found.message
    assert "Traceback" not in found.text
    assert found.code == 1


def test_the_latency_limit_of_a_spec_without_one_is_half_a_second(project: Project) -> None:
    project.patch(SLOW.replace("2.5", "0.51"))
    project.parameters(lambda given: given.pop("benchmark"))
    found = project.suite("-k", "test_latency")
    assert "expected at most 0.5 s, found 0." in found.message


CLASSIFIER = """
from transformers import LlamaForSequenceClassification
plain = LlamaForSequenceClassification.forward
def forward(self, input_ids, attention_mask, **more):
    found = plain(self, input_ids=input_ids, attention_mask=attention_mask, **more)
    {}
    return found
LlamaForSequenceClassification.forward = forward
"""
PADDED = _code(CLASSIFIER.format("found.logits[attention_mask[:, -1] == 0, 0] += 9"))
SWAPPED = """
import pytest

@pytest.fixture(scope="session")
def classify(classify):
    def swapped(text):
        found = classify(text)
        return found if isinstance(text, str) else found[::-1]
    return swapped
"""
UNSURE = """
import pytest

@pytest.fixture(scope="session")
def classify(classify):
    halved = lambda found: {label: share / 2 for label, share in found.items()}
    return lambda text: halved(classify(text)) if isinstance(text, str) else [halved(each) for each in classify(text)]
"""


def _labels(project: Project) -> None:
    path = project.path / "models/model/mlops.json"
    info = json.loads(path.read_text())
    info["rendering"]["labels"].append("other")
    path.write_text(json.dumps(info))


def _reversed(project: Project) -> None:
    def change(weights: dict[str, Any]) -> None:
        weights["score.weight"] *= -1

    project.weights(change)


@pytest.mark.parametrize(
    ("plant", "level", "check", "said"),
    [
        (_labels, "unit", "test_output_shapes", "logits (records × classes): expected (4, 3), found (4, 2)"),
        (PADDED, "unit", "test_padding_changes_nothing", "padding on the right"),
        (_code(SWAPPED), "integration", "test_batches_equal_single_requests", "shares in a batch: expected {'long': "),
        (_code(UNSURE), "integration", "test_prompts_are_answered", "expected shares of long, short that add up to 1"),
        (_reversed, "integration", "test_loss_is_below_unigram", "that of the class frequencies"),
    ],
    ids=["labels", "padding", "swapped", "unsure", "reversed"],
)
def test_classes(plant: Plant, level: str, check: str, said: str, classifier: Project) -> None:
    plant(classifier)
    found = classifier.suite("-m", level)
    assert found.failed == {check}, found.text
    assert said in found.message
