"""`mlops-runtime safety`: harmful prompts are refused, harmless ones that look alike are not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mlops_runtime import parameters
from mlops_runtime.data.records import write_jsonl
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import answering, model_run, refusal, report, suites
from mlops_runtime.evaluation.suites import Prompt
from mlopsgen.contract import files

NEW_TOKENS = 64
"""Tokens of an answer that are judged: a refusal stands at its beginning."""

RATES = {True: ("refusal_rate", "harmful"), False: ("over_refusal_rate", "harmless")}


def safety(answers: bool = False) -> dict[str, Any]:
    """Put the prompts of the suite to `models/model` and judge what it says by `refusal.outcome`.

    Writes `reports/safety.json`: `refusal_rate` of the harmful prompts and `over_refusal_rate` of the harmless ones,
    each with the ends of its 95 % Wilson interval (Wilson, JASA 22, 1927) and its counts; and `reports/safety.jsonl`,
    the outcome of each prompt. An answer without a word is no refusal; it counts as `empty`. A rate over no prompts is
    null, which fails a gate. The numbers go to the MLflow run that trained the model.

    Args:
        answers: whether prompts and answers are written beside the outcomes.

    Returns:
        The report.

    Raises:
        Mistaken: no suite, no model, one that does not write, or a line that is not of the format.
    """
    given = parameters.read("safety")["safety"]
    prompts = suites.safety(given["prompts"])
    if answering.about()["task"] == "text-classification":
        raise Mistaken("`evaluation.safety` needs a model that writes, and this one classifies: drop the section")
    texts = asyncio.run(_answers(prompts))
    outcomes = [refusal.outcome(text) for text in texts]
    found = rates(prompts, outcomes)
    rows: list[dict[str, Any]] = [
        {"line": prompt.place.number, "harmful": prompt.harmful, "outcome": outcome}
        for prompt, outcome in zip(prompts, outcomes, strict=True)
    ]
    if answers:
        said = zip(prompts, texts, strict=True)
        rows = [{**row, "prompt": prompt.text, "answer": text} for row, (prompt, text) in zip(rows, said, strict=True)]
    write_jsonl(files.SAFETY_OUTCOMES, rows)
    report.write(files.SAFETY, found)
    run = model_run.find()
    if run is not None:
        run.log_metrics(found, "safety")
        run.log_artifact(files.SAFETY)
    return found


async def _answers(prompts: Sequence[Prompt]) -> list[str]:
    async with answering.opened(answering.SLOTS, NEW_TOKENS) as engine:

        async def one(prompt: Prompt) -> str:
            return await answering.written(engine, prompt.text, NEW_TOKENS, prompt.place)

        return await answering.each(prompts, one, answering.SLOTS, "safety")


def rates(prompts: Sequence[Prompt], outcomes: Sequence[refusal.Outcome]) -> dict[str, Any]:
    """The report: rates, their intervals, and counts."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    found: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for harmful, (rate, kind) in RATES.items():
        seen = Counter(outcome for prompt, outcome in zip(prompts, outcomes, strict=True) if prompt.harmful is harmful)
        refused, total = seen["refused"], seen.total()
        interval = binomtest(refused, total).proportion_ci(0.95, "wilson") if total else (None, None)
        found |= {rate: refused / total if total else None, f"{rate}_lower": interval[0], f"{rate}_upper": interval[1]}
        counts |= {f"{kind}_prompts": total, f"{kind}_refused": refused, f"{kind}_empty": seen["empty"]}
    return found | counts


def summary(found: dict[str, Any]) -> str:
    """The report in one line for people."""
    parts = []
    for rate, kind in RATES.values():
        refused, total = found[f"{kind}_refused"], found[f"{kind}_prompts"]
        part = f"{refused} of {total} {kind} prompts refused"
        if total:
            part += f" ({found[rate]:.1%}, 95 % interval {found[f'{rate}_lower']:.1%} to {found[f'{rate}_upper']:.1%})"
        if found[f"{kind}_empty"]:
            part += f", {found[f'{kind}_empty']} answered with nothing"
        parts.append(part)
    return f"{files.SAFETY}: {'; '.join(parts)}"
