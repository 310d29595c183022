"""What the two OpenAI APIs that generate have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlops_runtime.serving import problems
from mlops_runtime.serving.engines.base import Sampling
from mlops_runtime.serving.schemas import Drawn
from mlops_runtime.serving.service import GENERATING, Service

UNKNOWN = -1
"""Id of a token that the engine does not tell."""


def demand(service: Service, body: Drawn) -> None:
    """Refuse what this server does not serve.

    Raises:
        Problem: 404 for another model, 400 for a model that does not generate, 503 without an engine.
    """
    if body.model is not None and body.model != service.model.name:
        text = f"there is no model {body.model!r} here: this server has {service.model.name!r}"
        raise problems.Problem(404, text, "model_not_found", param="model", kind="not_found_error")
    if service.settings.task not in GENERATING:
        raise problems.invalid(f"{service.model.name} is a model for {service.settings.task}: ask /predict")
    service.demand_engine()


def samplings(body: Drawn, most: int, logprobs: bool) -> list[Sampling]:
    """How each of `n` answers is drawn: with a seed, each by one of its own. The default temperature is OpenAI's, 1."""
    return [
        Sampling(
            max_tokens=most,
            temperature=1.0 if body.temperature is None else body.temperature,
            top_p=1.0 if body.top_p is None else body.top_p,
            seed=None if body.seed is None else body.seed + number,
            stop=body.stops,
            logprobs=logprobs,
        )
        for number in range(body.n or 1)
    ]


def usage(inputs: int, outputs: int) -> dict[str, int]:
    """Numbers of tokens."""
    return {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs}


def names(service: Service, tokens: Sequence[int], text: str, by_id: bool) -> list[str]:
    """Tokens as callers see them.

    Args:
        service: whose model has them.
        tokens: ids.
        text: of all of them, for an engine that does not tell ids.
        by_id: as `token_id:ID`.
    """
    if by_id:
        return [f"token_id:{token}" for token in tokens]
    if service.model.text is None or UNKNOWN in tokens:
        return [text, *("" for _ in tokens[1:])]
    return [service.model.text.decode([token], special=True) for token in tokens]


def listed(service: Service) -> dict[str, Any]:
    """Body of `/v1/models`."""
    model = {"id": service.model.name, "object": "model", "created": 0, "owned_by": "mlops-runtime"}
    return {"object": "list", "data": [{**model, "max_model_len": service.longest}]}
