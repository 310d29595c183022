"""Output tokens a second of the engine in process, beside transformers' own ways to generate, in one run without HTTP.

    python benchmarks/engine.py [--rounds N] [--threads N] [--dtype D] [--clients N ...] [--wall] [--quick]

Everyone answers the same prompts greedily with the same random Llama of five million weights that never ends by itself:
closed loop, so many clients at a time, answers of 64 tokens or of 4 to 200. Rounds are interleaved; the table shows
medians, and the median of the ratios to ours with as many clients. Seconds are those that the process computed, so that
neighbours on the machine disturb no one's figure; `--wall` takes those that passed, for machines without any.
`--quick` is a small network and few requests, to see that the script runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

LONGEST = 320
"""Tokens of prompt and answer."""

now = time.process_time


class Load(NamedTuple):
    """Requests: prompts, tokens of the answers, and how many are open at a time."""

    name: str
    clients: int
    prompts: list[list[int]]
    lengths: list[int]


def shape(quick: bool) -> dict[str, int]:
    """Of the network."""
    if quick:
        return {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 320}
    return {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4, "vocab_size": 4096}


def prepared(folder: Path, quick: bool) -> None:
    """Write the model as training leaves it."""
    import torch
    from mlops_runtime.models import FORMAT
    from mlops_runtime.preprocessing import Preprocessing
    from mlops_runtime.training.rendering import Rendering
    from mlops_runtime.training.vocabulary import trained
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4}
    ids = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    LlamaForCausalLM(LlamaConfig(**shape(quick), **heads, **ids)).save_pretrained(folder)
    tokenizer = trained([Path(__file__).read_text()], shape(quick)["vocab_size"], "causal-lm")
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    rendering = Rendering("causal-lm", {"text": "text"}, tokenizer, LONGEST).identity()
    info = {"format": FORMAT, "task": "causal-lm", "adapter": False, "rendering": rendering}
    (folder / "mlops.json").write_text(json.dumps({**info, "preprocessing": Preprocessing(()).identity()}))


def loads(quick: bool, at_once: list[int]) -> list[Load]:
    """What is asked for."""
    chance, found = random.Random(1), []
    for name, low, high in (("fixed 64", 64, 64), ("mixed 4-200", 4, 200)):
        for clients in [2] if quick else at_once:
            count = 4 if quick else 8 * clients
            lengths = [chance.randint(*((4, 9) if quick else (low, high))) for _ in range(count)]
            prompts = [[chance.randrange(4, shape(quick)["vocab_size"]) for _ in range(32)] for _ in range(count)]
            found.append(Load(name, clients, prompts, lengths))
    return found


async def closed(load: Load, ask: Callable[[list[int], int], Awaitable[int]]) -> float:
    """Tokens a second of clients that each send the next request when theirs is answered."""
    left = list(zip(load.prompts, load.lengths, strict=True))[::-1]

    async def client() -> int:
        made = 0
        while left:
            prompt, length = left.pop()
            given = await ask(prompt, length)
            assert given == length, f"{given} tokens instead of {length}"
            made += given
        return made

    began = now()
    tokens = sum(await asyncio.gather(*(client() for _ in range(load.clients))))
    return tokens / (now() - began)


class Ours:
    """The engine."""

    name = "ours"

    def __init__(self, folder: str, options: argparse.Namespace) -> None:
        from mlops_runtime.serving.engines.local import LocalEngine

        self.loop = asyncio.new_event_loop()
        self.engine = LocalEngine(folder, dtype=options.dtype, longest=LONGEST, threads=options.threads)
        self.loop.run_until_complete(self.engine.start())

    def run(self, load: Load) -> float:
        """Tokens a second."""
        from mlops_runtime.serving.engines.base import Sampling

        async def ask(prompt: list[int], length: int) -> int:
            return sum([len(piece.tokens) async for piece in self.engine.stream(prompt, Sampling(length))])

        return self.loop.run_until_complete(closed(load, ask))

    def close(self) -> None:
        """Stop."""
        self.loop.run_until_complete(self.engine.close())
        self.loop.close()


class Plain:
    """`generate`, one request after another."""

    name = "generate, one by one"

    def __init__(self, folder: str, options: argparse.Namespace) -> None:
        from mlops_runtime.models import load

        self.model = load(folder, dtype=options.dtype).model

    def run(self, load: Load) -> float:
        """Tokens a second; as many requests as one client sends, since more change nothing."""
        count = len(load.prompts) // load.clients
        began = now()
        for prompt, length in zip(load.prompts[:count], load.lengths, strict=False):
            self._generate([prompt], length)
        return sum(load.lengths[:count]) / (now() - began)

    def _generate(self, prompts: list[list[int]], length: int) -> None:
        import torch

        ids = torch.tensor(prompts, device=self.model.device)
        with torch.inference_mode():
            self.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=length)

    def close(self) -> None:
        """Nothing runs."""


class Static(Plain):
    """`generate` with as many requests as there are clients; a batch ends with its longest answer."""

    name = "generate, static batches"

    def run(self, load: Load) -> float:
        """Tokens a second that were asked for."""
        began = now()
        for first in range(0, len(load.prompts), load.clients):
            last = first + load.clients
            self._generate(load.prompts[first:last], max(load.lengths[first:last]))
        return sum(load.lengths) / (now() - began)


class Continuous(Plain):
    """transformers' own continuous batching, whole answers (streaming costs it more)."""

    name = "transformers, continuous"

    def __init__(self, folder: str, options: argparse.Namespace) -> None:
        from transformers import ContinuousBatchingConfig, GenerationConfig

        super().__init__(folder, options)
        # On a CPU it would take most of the memory for its cache: blocks for 32 requests, as ours.
        size = {"page_size": 32, "num_blocks": 32 * LONGEST // 32, "max_batch_tokens": 512}
        self.manager = self.model.init_continuous_batching(
            generation_config=GenerationConfig(do_sample=False, max_new_tokens=200, eos_token_id=-1, pad_token_id=0),
            continuous_batching_config=ContinuousBatchingConfig(**size),
        )
        self.manager.start()
        self.number = 0

    def run(self, load: Load) -> float:
        """Tokens a second."""

        async def ask(prompt: list[int], length: int) -> int:
            self.number += 1
            name, done = str(self.number), asyncio.get_running_loop().create_future()
            self.manager.register_result_handler(name, lambda given: given.is_finished() and done.set_result(given))
            self.manager.add_request(prompt, request_id=name, max_new_tokens=length)
            given = await done
            assert not given.error, given.error
            return len(given.generated_tokens)

        return asyncio.run(closed(load, ask))

    def close(self) -> None:
        """Stop."""
        self.manager.stop(block=True, timeout=10)
        self.manager.destroy()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--only", help="parts of the names of contenders, with commas")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    import torch

    global now
    now = time.perf_counter if options.wall else now
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        prepared(Path(folder), options.quick)
        parts = (options.only or "").split(",")
        kinds = [kind for kind in (Ours, Continuous, Static, Plain) if any(part in kind.name for part in parts)]
        contenders = [kind(folder, options) for kind in kinds]
        found: dict[tuple[str, str, int], list[float]] = {}
        for turn in range(-1, 1 if options.quick else options.rounds):
            for load in loads(options.quick, options.clients):
                for contender in contenders:
                    if turn < 0:
                        count = load.clients
                        contender.run(load._replace(prompts=load.prompts[:count], lengths=[4] * count))
                    else:
                        speed = contender.run(load)
                        found.setdefault((contender.name, load.name, load.clients), []).append(speed)
        for contender in contenders:
            contender.close()
    kind = "passed" if options.wall else "computed"
    print(f"{torch.get_num_threads()} thread(s), {options.dtype}, {options.rounds} rounds, seconds that {kind}")
    print(f"{'':26}{'answers':>12} {'clients':>8} {'tokens/s':>9} {'ours is':>8}")
    for (name, load, clients), speeds in sorted(found.items(), key=lambda one: (one[0][1:], -one[1][0])):
        ours = found.get((Ours.name, load, clients), speeds)
        ratio = statistics.median(a / b for a, b in zip(ours, speeds, strict=True))
        print(f"{name:26}{load:>12} {clients:>8} {statistics.median(speeds):>9.0f} {ratio:>7.2f}×")


if __name__ == "__main__":
    main()
