"""Accumulation, packing and several processes change nothing but rounding."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mlops_runtime.training import memory
from mlops_runtime.training.attention import Segments
from mlops_runtime.training.loss import LinearCrossEntropy, token_scores
from mlops_runtime.training.scoring import Ragged, Scorer, scorer

from tests.conftest import ROOT
from tests.runtime.training.conftest import forked, report, sections, seen, train, weights


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Largest difference between weights."""
    assert set(one) == set(other)
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


@pytest.fixture
def whole(project: Path) -> dict[str, Any]:
    """Weights after training with a step's records in one pass."""
    assert train(sections()) == 0
    return weights()


def test_a_batch_of_eight_is_eight_batches_of_one(whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before, order = report(), seen()
    monkeypatch.setattr(memory, "CPU_BUDGET", 1)
    assert train(sections(checkpoint={"store": "apart"})) == 0
    assert seen("apart") == order
    assert difference(whole, weights()) < 1e-4
    for name in ("train_loss", "val_loss"):
        assert report()[name] == pytest.approx(before[name], abs=1e-4)


@pytest.mark.parametrize("adapter", [False, True])
def test_two_processes_are_one(adapter: bool, whole: dict[str, Any], project: Path) -> None:
    given = sections(checkpoint={"store": "alone"})
    if adapter:
        (project / "models/model").rename(project / "base")
        lora = {"type": "lora", "r": 4, "alpha": 8, "dropout": 0.0}
        given["model"] |= {"architecture": None, "base": "base", "adapter": lora}
    assert train(given) == 0
    alone, before = weights(), report()
    given["train"]["checkpoint"]["store"] = "together"
    assert together(2, given) == [0, 0]
    assert seen("together") == seen("alone")
    assert difference(alone, weights()) < 1e-4
    for name in ("train_loss", "val_loss", "tokens", "steps"):
        assert report()[name] == pytest.approx(before[name], abs=1e-4)


def test_more_processes_than_records_of_a_step(whole: dict[str, Any]) -> None:
    given = sections(batch_size=1, epochs=0.2, checkpoint={"store": "alone"})
    assert train(given) == 0
    alone = weights()
    given["train"]["checkpoint"]["store"] = "together"
    assert together(3, given) == [0, 0, 0]
    assert difference(alone, weights()) < 1e-4


@pytest.mark.slow
def test_torchrun_starts_it(project: Path) -> None:
    import yaml

    (project / "params.yaml").write_text(yaml.safe_dump(sections(epochs=0.3)))
    command = ["--standalone", "--nproc-per-node", "2", "--module", "mlops_runtime", "train"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *command],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("models/model: after step 2 of 2") == 1
    assert report()["steps"] == 2


def test_packed_records_learn_as_they_do_alone(project: Path) -> None:
    """The same records in the same steps, packed by hand into rows of 64 tokens, or one to a row with padding."""
    from mlops_runtime.training import examples, inputs, networks, ranks, settings
    from mlops_runtime.training.optimization import Stepper
    from mlops_runtime.training.plan import Plan

    torch.set_num_threads(1)
    asked = settings.read(sections(packing=True))
    courses = []
    with ranks.joined(False, "fp32") as group:
        made = inputs.made(asked, group, str(project / "encoded"))
        plan = Plan(made.training.lengths, asked.training)
        for kind in (Ragged, Scorer):
            network = networks.built(asked, made.base, made.rendering.tokenizer, [])
            model = scorer(network, asked.task, 0) if kind is Ragged else Scorer(network, 0)
            assert type(model) is kind
            courses.append(list(course(model, plan, made.training, Stepper(model, asked.training, "cpu"))))
    assert isinstance(made.training, examples.Examples)
    packed, alone = courses
    assert len(packed) == plan.steps > 5
    assert packed[-1] < packed[0] - 1
    assert packed == pytest.approx(alone, rel=5e-3)


def course(model: Any, plan: Any, data: Any, stepper: Any) -> Iterator[float]:
    """Loss by step."""
    for step in range(plan.steps):
        records = plan.records(step).tolist()
        loss = model(model.collate(data, records, torch.device("cpu"))) / int(data.targets[records].sum())
        stepper.backward(loss)
        stepper.apply(0.01)
        yield float(loss.detach())


NETWORKS = {
    "llama": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 6},
    "qwen3": {"num_key_value_heads": 4, "head_dim": 8},
    "gpt2": {},
    "gpt_neox": {},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8},
    "mamba": {},
}


def network(kind: str) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 300, "pad_token_id": 0}
    inner = {} if kind in ("gpt2", "mamba") else {"intermediate_size": 64}
    config = AutoConfig.for_model(kind, **shape, **inner, **NETWORKS[kind], bos_token_id=1, eos_token_id=1)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("kind", list(NETWORKS))
def test_records_in_one_row_do_not_see_each_other_or_are_not_put_there(kind: str) -> None:
    made = network(kind)
    records = [torch.randint(2, 300, (1, length)) for length in (9, 1, 14, 7)]
    with torch.no_grad():
        wanted = torch.cat([made(input_ids=record, use_cache=False).logits[0] for record in records])
    model = scorer(made, "causal-lm", 0)
    assert model.padded == (kind in ("gemma2", "mamba"))
    if model.padded:
        assert made.config._attn_implementation != "mlops_ragged"
        return
    lengths = [record.shape[1] for record in records]
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    segments = Segments.of(lengths, positions.device)
    with torch.no_grad():
        found = made(input_ids=torch.cat(records, 1), position_ids=positions, segments=segments, use_cache=False)
    assert (found.logits[0] - wanted).abs().max() < 1e-5


def test_a_network_that_leaks_cannot_be_packed(project: Path) -> None:
    from mlops_runtime.errors import Mistaken

    made = network("gemma2")
    made.save_pretrained("base")
    assert train(sections(epochs=0.2)) == 0
    for file in (project / "models/model").glob("*token*"):
        file.rename(project / "base" / file.name)
    given = sections(model={"architecture": None, "base": "base"}, epochs=0.5)
    assert train(given) == 0, "padded it trains"
    given["train"]["packing"] = True
    with pytest.raises(Mistaken, match="the attention of gemma2 cannot be kept inside of records"):
        train(given)


def test_the_loss_and_its_gradients_are_those_of_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_runtime.training.loss.CHUNK", 300 * 4)
    torch.manual_seed(0)
    hidden, weight = torch.randn(10, 16, requires_grad=True), torch.randn(300, 16, requires_grad=True)
    wanted = torch.randint(300, (10,))
    usual = torch.nn.functional.cross_entropy(hidden @ weight.T, wanted, reduction="sum")
    expected = torch.autograd.grad(usual * 0.3, (hidden, weight))
    found = LinearCrossEntropy.apply(hidden, weight, wanted)
    assert found.item() == pytest.approx(usual.item(), rel=1e-6)
    for mine, theirs in zip(torch.autograd.grad(found * 0.3, (hidden, weight)), expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
    losses, right = token_scores(hidden.detach(), weight.detach(), wanted)
    assert losses.sum().item() == pytest.approx(usual.item(), rel=1e-6)
    assert right.tolist() == ((hidden @ weight.T).argmax(1) == wanted).tolist()


def test_compiled_blocks_give_the_same_loss_and_are_compiled_once() -> None:
    from mlops_runtime.training import batches

    made = network("llama")
    model = scorer(made, "causal-lm", 0)

    def batch(lengths: list[int]) -> Any:
        torch.manual_seed(sum(lengths))
        ids = torch.randint(2, 300, (1, sum(lengths)))
        positions = torch.cat([torch.arange(length) for length in lengths])[None]
        where = torch.arange(sum(lengths) - 1)
        return batches.Batch(ids, positions, Segments.of(lengths, ids.device), None, where, ids[0, 1:])

    made_batches = [batch(lengths) for lengths in ([5, 9], [30], [4, 4, 4, 7, 20])]
    with torch.no_grad():
        wanted = [float(model(one)) for one in made_batches]
    torch._dynamo.reset()
    counts = torch._dynamo.utils.counters
    counts.clear()
    for module in made.model.layers:
        module.compile(dynamic=True, backend="eager")
    found = [float(model(one).detach()) for one in made_batches]
    assert found == pytest.approx(wanted, rel=1e-5)
    first = counts["stats"]["unique_graphs"]
    model(batch([11, 3, 17]))
    assert counts["stats"]["unique_graphs"] == first > 0


def together(size: int, given: dict[str, Any]) -> list[int]:
    """Train in several processes that find each other as torchrun's do; their exit codes."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])

    def one(rank: int) -> int:
        surroundings = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
        os.environ.update({key: str(value) for key, value in surroundings.items()} | {"MASTER_ADDR": "127.0.0.1"})
        return train(given)

    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            os._exit(abs(forked(lambda rank=rank: one(rank))))  # type: ignore[misc]
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
