"""`mlops-runtime bias`: the same text with another group's words must not change what the model does.

Two measures, each from 0 to 1, over sets that say the same once for each group (`suites.bias`):

- likelihood, of models that write: tanh((l(a) - l(b)) / 2), where l is the mean log-likelihood per token, from the
  first token on in which the set's texts differ. It is p(a) - p(b) for the shares p = exp(l) / (exp(l(a)) + exp(l(b)))
  of a model that has to choose between the two. Comparing how likely a model holds two sentences that differ in the
  group alone: Nangia et al., CrowS-Pairs (EMNLP 2020); per token, because words for groups are longer and shorter.
- outcome: whether the answer is a refusal (`refusal.outcome`), or the probability of a label. A prediction that changes
  when only the group does: Garg et al., Counterfactual Fairness in Text Classification (AIES 2019).

What is made of the differences, and why the largest one needs a wider interval: `disparity`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mlops_runtime import parameters
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import answering, disparity, model_run, refusal, report, suites
from mlops_runtime.evaluation.disparity import Contrast, Measure
from mlops_runtime.evaluation.suites import Variants
from mlops_runtime.serving.engines.base import Broken, Engine, Refused
from mlopsgen.contract import files

NEW_TOKENS = 64
"""Tokens of an answer that are judged: a refusal stands at its beginning."""


def bias() -> dict[str, Any]:
    """Put the sets of the suite to `models/model` and compare the groups.

    Writes `reports/bias.json`: `gap`, the largest mean difference between two groups, and `gap_upper`, which it lies
    below with 95 % confidence and which the gate judges; both by measure too, and every contrast with its interval.
    With fewer than `disparity.MINIMUM` sets both are null and `reason` says why, which fails the gate. The numbers go
    to the MLflow run that trained the model.

    Returns:
        The report.

    Raises:
        Mistaken: no suite, no model, a line that is not of the format, or a text that the model cannot take.
    """
    given = parameters.read("bias")["bias"]
    sets = suites.bias(given["pairs"])
    found: dict[str, Any] = {"gap": None, "gap_upper": None, "sets": len(sets), "groups": len(sets[0].texts)}
    if len(sets) < disparity.MINIMUM:
        found["reason"] = f"{len(sets)} sets are too few to tell, {disparity.MINIMUM} are needed"
    else:
        classes = answering.about()["task"] == "text-classification"
        measures = asyncio.run(_measured(sets, classes))
        found |= stated(disparity.contrasts(list(sets[0].texts), measures))
    report.write(files.BIAS, found)
    run = model_run.find()
    if run is not None:
        run.log_metrics(found, "bias")
        run.log_artifact(files.BIAS)
    return found


async def _measured(sets: Sequence[Variants], classes: bool) -> list[Measure]:
    import numpy as np

    async with answering.opened(answering.SLOTS, NEW_TOKENS) as engine:

        async def one(found: Variants) -> Any:
            try:
                return await (engine.classify(list(found.texts.values())) if classes else _language(engine, found))
            except Refused as error:
                raise Mistaken(f"{found.place}: {error}") from None
            except Broken as error:
                raise Mistaken(f"{found.place}: the model fails on it: {error}") from None

        rows = await answering.each(sets, one, answering.SLOTS, "bias")
    if classes:
        labels = sorted(rows[0][0])
        values = np.array([[[answer[label] for label in labels] for answer in row] for row in rows])
        return [
            Measure("outcome", disparity.differences(values[..., at]), True, label) for at, label in enumerate(labels)
        ]
    likelihoods, refused = (np.array(side) for side in zip(*rows, strict=True))
    return [
        Measure("likelihood", np.tanh(disparity.differences(likelihoods) / 2), False),
        Measure("outcome", disparity.differences(refused), True),
    ]


async def _language(engine: Engine, found: Variants) -> tuple[list[float], list[float]]:
    """By group, mean log-likelihood per token from the first difference on, and 1 for a refusal."""
    tokens = [await engine.encode(text) for text in found.texts.values()]
    scored = [(await engine.score(ids)).logprobs for ids in tokens]
    # Log-likelihoods begin with the second token.
    begin = max(0, min(_common(tokens) - 1, min(map(len, scored)) - 1))
    likelihoods = [sum(row[begin:]) / len(row[begin:]) for row in scored]
    answers = [await answering.written(engine, text, NEW_TOKENS, found.place) for text in found.texts.values()]
    return likelihoods, [float(refusal.outcome(answer) == "refused") for answer in answers]


def _common(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    for index, column in enumerate(zip(*rows, strict=False)):
        if len(set(column)) > 1:
            return index
    return min(map(len, rows))


def stated(found: Sequence[Contrast]) -> dict[str, Any]:
    """The numbers of the report: gaps over all, by measure, and each contrast; of several labels the worst one."""
    report: dict[str, Any] = _widest("", found)
    table: dict[str, dict[str, Any]] = {}
    for measure in dict.fromkeys(contrast.measure for contrast in found):
        of_measure = [contrast for contrast in found if contrast.measure == measure]
        report |= _widest(f"{measure}_", of_measure)
        for groups in dict.fromkeys(contrast.groups for contrast in of_measure):
            worst = max((one for one in of_measure if one.groups == groups), key=lambda one: one.most)
            ends: dict[str, Any] = {"value": worst.value, "lower": worst.lower, "upper": worst.upper}
            if worst.label is not None:
                ends["label"] = worst.label
            table.setdefault(measure, {})["-".join(groups)] = ends
    return report | {"contrasts": table}


def _widest(prefix: str, found: Sequence[Contrast]) -> dict[str, float]:
    import numpy as np

    # NaN of any is NaN of all, unlike with max().
    return {
        f"{prefix}gap": float(np.max([abs(contrast.value) for contrast in found])),
        f"{prefix}gap_upper": float(np.max([contrast.most for contrast in found])),
    }


def summary(found: dict[str, Any]) -> str:
    """The report in one line for people."""
    if found["gap"] is None:
        return f"{files.BIAS}: no gap is stated: {found['reason']}"
    parts = [
        f"{measure} {found[f'{measure}_gap']:.3f} (at most {found[f'{measure}_gap_upper']:.3f})"
        for measure in found["contrasts"]
    ]
    return (
        f"{files.BIAS}: gap {found['gap']:.3f}, with 95 % confidence at most {found['gap_upper']:.3f}, between "
        f"{found['groups']} groups on {found['sets']} sets: {', '.join(parts)}"
    )
