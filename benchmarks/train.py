"""Training speed: ours, the plain padded loop, transformers' Trainer and TRL, side by side in one run.

    python benchmarks/train.py [--rounds N] [--steps N] [--device cpu|cuda] [--precision fp32|bf16] [--lora]

Everyone trains the same network on the same records (docstrings of the standard library, prompt and response, tokenized
once), with fused AdamW and the loss on the responses. Every round runs each of them once, in a process of its own that
sees nothing of the others; the table shows medians over the rounds: real tokens a second (padding does not count), the
ratio to ours of the same round, peak memory, and on a GPU the share of its dense peak (MFU). A step has about the same
number of real tokens for all. On a CPU the seconds are those that the process computed, with one thread by default, so
that neighbours on the machine disturb no one's figure.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

SHAPES = {
    "cpu": {"hidden_size": 256, "layers": 4, "heads": 4, "vocab_size": 4096},
    "cuda": {"hidden_size": 2048, "layers": 24, "heads": 16, "vocab_size": 32768},
}
"""Five million weights on a CPU, 1.3 billion on a GPU."""

SEQUENCES = {"cpu": (16, 512), "cuda": (64, 4096)}
"""Records of a step, and tokens of the longest."""

WARM = 2
"""Steps before the clock starts."""


class Clock:
    """Real tokens and seconds of the steps that count."""

    def __init__(self, steps: int, device: str) -> None:
        self._last, self._device = WARM + steps, device
        self.tokens, self.seconds, self._done, self._start = 0, 0.0, 0, 0.0

    def begin(self) -> None:
        """A step begins."""
        if self._done == WARM:
            self._start = self._now()

    def saw(self, tokens: int) -> None:
        """Real tokens went through the network."""
        if WARM <= self._done < self._last:
            self.tokens += tokens

    def end(self) -> None:
        """A step ended."""
        self._done += 1
        if self._done == self._last:
            self.seconds = self._now() - self._start

    def _now(self) -> float:
        import torch

        if self._device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def prepared(folder: Path, device: str) -> None:
    """Write the processed parts and the sections of params.yaml that everyone reads."""
    import hashlib

    sys.path.insert(0, str(ROOT / "examples" / "docstrings"))
    from collect import docstrings  # type: ignore[import-not-found]

    (folder / "data/processed").mkdir(parents=True)
    records = sorted((hashlib.sha256(json.dumps(r).encode()).hexdigest()[:16], r) for r in docstrings())
    unique = dict(records)
    lines = [json.dumps({**record, "id": name}) + "\n" for name, record in unique.items()]
    (folder / "data/processed/validation.jsonl").write_text("".join(lines[:50]))
    (folder / "data/processed/train.jsonl").write_text("".join(lines[50:]))


def sections(options: argparse.Namespace, **train: Any) -> dict[str, Any]:
    """As in params.yaml."""
    size, longest = SEQUENCES[options.device]
    columns = {name: {"type": "text", "role": name} for name in ("prompt", "response")}
    fixed = {"batch_size": size, "max_length": longest, "precision": options.precision, "learning_rate": 3e-4}
    architecture = {"type": "llama", **SHAPES[options.device]}
    model = {"architecture": architecture, "task": "instruction-tuning", "name": "benchmark"}
    return {"data": {"columns": columns}, "model": model, "train": {**fixed, **train}}


def records_of(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Settings, network and encoded inputs, for those who bring their own loop."""
    from mlops_runtime.training import inputs, networks, ranks, settings

    asked = settings.read(sections(options))
    with ranks.joined(False, "fp32") as group:
        made = inputs.made(asked, group, tempfile.mkdtemp(dir="."))
    network = networks.built(asked, made.base, made.rendering.tokenizer, [])
    if options.lora:
        from peft import LoraConfig, get_peft_model

        network = get_peft_model(network, LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    return asked, network, made


def ours(options: argparse.Namespace, packing: bool) -> Clock:
    """Our loop as `mlops-runtime train` runs it, without checkpoints."""
    from mlops_runtime.training import inputs, networks, ranks, settings
    from mlops_runtime.training.run import assembled

    clock = Clock(options.steps, options.device)
    asked = settings.read(sections(options, packing=packing))
    if options.lora:
        built = networks.built

        def adapted(*arguments: Any) -> Any:
            from peft import LoraConfig, get_peft_model

            return get_peft_model(
                built(*arguments), LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
            )

        networks.built = adapted
    with ranks.joined(options.device == "cuda", options.precision) as group:
        made = inputs.made(asked, group, tempfile.mkdtemp(dir="."))
        if packing:
            mean = float(made.training.lengths.mean())
            rows = max(1, round(asked.training.batch_size * mean / asked.training.max_length))
            asked = asked._replace(training=asked.training.model_copy(update={"batch_size": rows}))
        loop = assembled(asked, made, group)
        for _ in range(WARM + options.steps):
            clock.begin()
            records = loop.plan.records(loop.state.step)
            clock.saw(int(made.training.lengths[records].sum()))
            loop.advance()
            clock.end()
        clock.mfu = loop.progress.mfu  # type: ignore[attr-defined]
    return clock


def plain(options: argparse.Namespace) -> Clock:
    """The loop that tutorials write: shuffled batches, padded to the longest record, the network's own loss."""
    import torch

    clock = Clock(options.steps, options.device)
    asked, network, made = records_of(options)
    network.to(options.device).train()
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=3e-4, fused=True)
    autocast = torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bf16")
    torch.manual_seed(0)
    order = iter(torch.randperm(len(made.training)).tolist() * 100)
    for _ in range(WARM + options.steps):
        clock.begin()
        rows = [example(made, next(order)) for _ in range(asked.training.batch_size)]
        batch = {key: value.to(options.device) for key, value in padded(rows).items()}
        clock.saw(int(batch["attention_mask"].sum()))
        with autocast:
            loss = network(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.end()
    return clock


def trainer(options: argparse.Namespace, grouped: bool) -> Clock:
    """transformers' Trainer, with records of like length in a batch or without."""
    from transformers import Trainer, TrainingArguments

    asked, network, made = records_of(options)
    given = {"train_sampling_strategy": "group_by_length"} if grouped else {}
    arguments = TrainingArguments(**common(options), per_device_train_batch_size=asked.training.batch_size, **given)
    data = [example(made, index) for index in range(len(made.training))]
    return timed(Trainer(network, arguments, train_dataset=data, data_collator=padded), options)


def trl(options: argparse.Namespace, packing: bool) -> Clock:
    """TRL's SFTTrainer, with packing or without."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    asked, network, made = records_of(options)
    size, longest = asked.training.batch_size, asked.training.max_length
    if packing:
        size = max(1, round(size * float(made.training.lengths.mean()) / longest))
    rows = [example(made, index) for index in range(len(made.training))]
    data = Dataset.from_list(
        [{"input_ids": r["input_ids"], "completion_mask": [int(t != -100) for t in r["labels"]]} for r in rows]
    )
    arguments = SFTConfig(
        **common(options),
        per_device_train_batch_size=size,
        packing=packing,
        max_length=longest,
        completion_only_loss=True,
    )
    return timed(
        SFTTrainer(network, args=arguments, train_dataset=data, processing_class=made.rendering.tokenizer), options
    )


def common(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of transformers' Trainer that make it do what the others do."""
    return {
        "output_dir": "out",
        "max_steps": WARM + options.steps,
        "learning_rate": 3e-4,
        "optim": "adamw_torch_fused",
        "lr_scheduler_type": "cosine",
        "logging_steps": 10_000,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": options.device == "cpu",
        "bf16": options.precision == "bf16",
        "gradient_checkpointing": False,
    }


def timed(made: Any, options: argparse.Namespace) -> Clock:
    """Train with a Trainer whose steps and tokens are counted."""
    from transformers import TrainerCallback

    clock = Clock(options.steps, options.device)

    class Watch(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.begin()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.end()

    def count(_: Any, positional: Any, named: dict[str, Any]) -> None:
        clock.saw(int((named["input_ids"] != 0).sum()))

    made.model.register_forward_pre_hook(count, with_kwargs=True)
    made.add_callback(Watch())
    made.train()
    return clock


def example(made: Any, index: int) -> dict[str, list[int]]:
    """A record as transformers has it."""
    ids = made.training.ids(index).tolist()
    return {"input_ids": ids, "labels": [t if m else -100 for t, m in zip(ids, made.training.mask(index), strict=True)]}


def padded(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Rows filled up to the longest."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)

    def filled(key: str, value: int) -> Any:
        return torch.tensor([row[key] + [value] * (width - len(row[key])) for row in rows])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows])
    return {"input_ids": filled("input_ids", 0), "labels": filled("labels", -100), "attention_mask": mask}


WAYS: dict[str, Callable[[argparse.Namespace], Clock]] = {
    "ours": lambda options: ours(options, False),
    "ours, packed": lambda options: ours(options, True),
    "plain loop, padded": plain,
    "Trainer": lambda options: trainer(options, False),
    "Trainer, grouped by length": lambda options: trainer(options, True),
    "TRL": lambda options: trl(options, False),
    "TRL, packed": lambda options: trl(options, True),
}


def one(name: str, options: argparse.Namespace) -> dict[str, float | None]:
    """One way, in this process."""
    import torch
    from mlops_runtime.models import quieten
    from mlops_runtime.training.reports import peak_memory

    torch.set_num_threads(options.threads)
    quieten()
    clock = WAYS[name](options)
    speed = clock.tokens / clock.seconds
    memory = peak_memory(torch.device(options.device))
    return {"speed": speed, "memory": memory, "mfu": getattr(clock, "mfu", None)}


def rounds(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """Each way once a round, in processes of their own."""
    for number in range(options.rounds):
        found = {}
        for name in WAYS:
            command = [sys.executable, __file__, *sys.argv[1:], "--one", name]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr[-3000:]}")
            found[name] = json.loads(done.stdout.splitlines()[-1])
            print(f"round {number + 1}, {name}: {found[name]['speed']:,.0f} tokens/s", file=sys.stderr, flush=True)
        yield found


def main() -> int:
    """Print the table; exit code 1 when someone else is faster on a CPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--lora", action="store_true", help="train an adapter of rank 16")
    parser.add_argument("--one", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if options.one:
        print(json.dumps(one(options.one, options)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        prepared(Path(name), options.device)
        found = list(rounds(options, Path(name)))
    ratios = {way: statistics.median(r[way]["speed"] / r["ours"]["speed"] for r in found) for way in WAYS}
    what = f"{options.device}, {options.precision}{', LoRA' if options.lora else ''}, {options.rounds} rounds"
    print(f"| {what:26} | tokens/s | ratio to ours | peak memory, MiB |   MFU |")
    print(f"|{'-' * 28}|----------|---------------|------------------|-------|")
    for way in WAYS:
        speed, memory = (statistics.median(r[way][key] for r in found) for key in ("speed", "memory"))
        mfu = found[-1][way]["mfu"]
        shown = f"{mfu:.1%}" if mfu else ""
        print(f"| {way:26} | {speed:8,.0f} | {ratios[way]:13.2f} | {memory / 2**20:16,.0f} | {shown:>5} |")
    best = max(ratios["ours"], ratios["ours, packed"])
    return int(options.device == "cpu" and max(ratios.values()) > best)


if __name__ == "__main__":
    sys.exit(main())
