"""Servers to compare with, behind FastAPI: transformers' own continuous batching, and one `generate` after another.

    python benchmarks/rivals.py (continuous | one-by-one | ours-without-metrics) FOLDER PORT

They answer `POST /v1/completions` with `prompt` (token ids) and `max_tokens`, greedily; `benchmarks/serve.py` starts
them. `ours-without-metrics` is `mlops-runtime serve` whose families ignore what they are told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

LONGEST = 320
"""Tokens of prompt and answer."""

SLOTS = 32


def continuous(folder: str) -> Any:
    """Answers by transformers' continuous batching; its handler runs in the event loop."""
    from mlops_runtime.models import load
    from transformers import ContinuousBatchingConfig, GenerationConfig

    model = load(folder, dtype="float32").model
    # On a CPU it would take most of the memory for its cache: blocks for as many requests as ours.
    size = {"page_size": 32, "num_blocks": SLOTS * LONGEST // 32, "max_batch_tokens": 512}
    manager = model.init_continuous_batching(
        generation_config=GenerationConfig(do_sample=False, max_new_tokens=200, eos_token_id=-1, pad_token_id=0),
        continuous_batching_config=ContinuousBatchingConfig(**size),
    )
    manager.start()
    count = 0

    async def answer(prompt: list[int], length: int) -> list[int]:
        nonlocal count
        count += 1
        name, done = str(count), asyncio.get_running_loop().create_future()

        def handle(given: Any) -> None:
            if given.is_finished() and not done.done():
                done.set_result(given)

        manager.register_result_handler(name, handle)
        manager.add_request(prompt, request_id=name, max_new_tokens=length)
        given = await done
        assert not given.error, given.error
        return list(given.generated_tokens)

    return answer


def one_by_one(folder: str) -> Any:
    """Answers by `generate`, in a thread, behind a lock."""
    import torch
    from mlops_runtime.models import load

    model = load(folder, dtype="float32").model
    lock = asyncio.Lock()

    def generate(prompt: list[int], length: int) -> list[int]:
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            found = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=length)
        tokens: list[int] = found[0, len(prompt) :].tolist()
        return tokens

    async def answer(prompt: list[int], length: int) -> list[int]:
        async with lock:
            return await asyncio.to_thread(generate, prompt, length)

    return answer


def app(answer: Any, folder: str) -> Any:
    """A plain FastAPI application."""
    from fastapi import FastAPI
    from pydantic import BaseModel
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = FastAPI()

    class Body(BaseModel):
        prompt: list[int]
        max_tokens: int

    async def completions(body: Body) -> dict[str, Any]:
        tokens = await answer(body.prompt, body.max_tokens)
        return {"choices": [{"text": tokenizer.decode(tokens)}], "usage": {"completion_tokens": len(tokens)}}

    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    # The annotation is a class of this function, which FastAPI cannot look up by its name.
    completions.__annotations__["body"] = Body
    found.post("/v1/completions", response_model=None)(completions)
    found.get("/readyz", response_model=None)(ready)
    return found


def without_metrics() -> int:
    """Serve as `mlops-runtime serve`, counting nothing."""
    from mlops_runtime.serving import metrics, serve

    metrics.Metrics._series = lambda self, name, **labels: _Ignoring()  # type: ignore[method-assign]
    return serve.serve()


class _Ignoring:
    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


def main() -> None:
    """Serve until ended."""
    kind, folder, port = sys.argv[1:]
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if kind == "ours-without-metrics":
        raise SystemExit(without_metrics())
    import torch
    import uvicorn

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    async def serve() -> None:
        answer = {"continuous": continuous, "one-by-one": one_by_one}[kind](folder)
        config = uvicorn.Config(app(answer, folder), port=int(port), log_level="warning", access_log=False)
        await uvicorn.Server(config).serve()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
