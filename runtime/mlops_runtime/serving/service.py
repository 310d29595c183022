"""What is served: the parts that every request needs, together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlops_runtime.serving import callers, drain, problems, traces
from mlops_runtime.serving.admission import Admission
from mlops_runtime.serving.engines.base import Engine
from mlops_runtime.serving.feedback import Feedback
from mlops_runtime.serving.metrics import Metrics
from mlops_runtime.serving.model import Model
from mlops_runtime.serving.recent import Recent
from mlops_runtime.serving.settings import DRIFT, Settings

CHARACTERS = 64
"""Characters that a token holds on average at most: beyond that, a prompt is too long without counting its tokens."""

BODY = 4 << 20
"""Bytes of a body at least that are taken; more where prompts may be longer."""

ROLES = {"prompt": "prompt", "response": "response"}
"""Columns of a model that is not known here."""

GENERATING = ("instruction-tuning", "causal-lm")


class Service(NamedTuple):
    """The parts of a server. `admission` has its places once the engine has started."""

    settings: Settings
    model: Model
    engine: Engine
    token: callers.Token | None
    admission: Admission
    metrics: Metrics
    feedback: Feedback
    recent: Recent
    drain: drain.Drain
    traces: traces.Traces | None

    @property
    def body(self) -> int:
        """Bytes of a body at most."""
        return max(BODY, 2 * CHARACTERS * self.settings.max_input_tokens)

    @property
    def longest(self) -> int:
        """Most tokens of prompt and answer together; what the settings ask for until the engine has started."""
        asked = self.settings.max_input_tokens + self.settings.max_output_tokens
        return self.engine.longest if self.drain.warm else asked

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.drain.warm and not self.drain.started and self.engine.healthy

    def demand_engine(self) -> None:
        """Refuse what cannot be answered now.

        Raises:
            Problem: 503, the engine is loading or down.
        """
        if not self.drain.warm:
            raise problems.broken("the model is being loaded: try again")
        if not self.engine.healthy:
            raise problems.broken()

    def remember(self, prompt: str | Sequence[Mapping[str, str]], *answer: Any) -> None:
        """Count features of a prompt as training saw it, and of its answer; arguments as of `Recent.add`."""
        text = self.model.text
        self.recent.add(prompt if text is None else text.clean(prompt), *answer)

    async def encoded(self, prompt: str | Sequence[Mapping[str, str]], param: str) -> list[int]:
        """Tokens of a prompt that is not too long.

        Raises:
            Problem: 400 when it is, or empty.
            Refused: the model cannot take it.
        """
        size = len(prompt) if isinstance(prompt, str) else sum(len(message["content"]) for message in prompt)
        most = self.settings.max_input_tokens
        if size > CHARACTERS * most:
            text = f"{param} has {size:,} characters; at most {most:,} tokens are taken, never more than "
            raise problems.too_long(f"{text}{CHARACTERS * most:,} characters", param)
        if self.settings.task in GENERATING or self.model.text is None:
            tokens = await self.engine.encode(prompt)
        else:
            tokens = await self.model.text.encode(prompt)
        # Many prompts of one request are made into tokens one after the other, with others in between.
        await asyncio.sleep(0)
        self.demand_length(tokens, param)
        return tokens

    def demand_length(self, tokens: Sequence[int], param: str) -> None:
        """Refuse a prompt that is too long or has no tokens.

        Raises:
            Problem: 400.
        """
        most = min(self.settings.max_input_tokens, self.engine.longest)
        if len(tokens) > most:
            raise problems.too_long(f"{param} has {len(tokens):,} tokens; at most {most:,} are taken", param)
        if not tokens:
            raise problems.invalid(f"{param} holds no token", param)

    def room(self, tokens: Sequence[int], asked: int | None, param: str = "max_tokens") -> int:
        """Most tokens of the answer to a prompt.

        Args:
            tokens: of the prompt.
            asked: by the caller; None for as many as may be.
            param: that the caller asked with.

        Raises:
            Problem: 400, more than there is room for.
        """
        limit, left = self.settings.max_output_tokens, self.engine.longest - len(tokens)
        if asked is None:
            asked = min(limit, left)
        if asked > limit:
            raise problems.invalid(f"{param} is {asked:,}; at most {limit:,} are given", param)
        if asked > left or left < 1:
            text = f"the prompt has {len(tokens):,} tokens and {param} is {asked:,}: together at most "
            raise problems.too_long(f"{text}{self.engine.longest:,}", param)
        return asked


def made(settings: Settings, model: Model, engine: Engine, token: str | None) -> Service:
    """The parts around a model and its engine, which need not have started."""
    admission = Admission(1, settings.queue)
    metrics = Metrics(settings._replace(name=model.name), model.version)
    metrics.watch(admission)
    roles = model.info["rendering"]["roles"] if model.info else ROLES
    named = settings.drift if settings.drift is not None else {roles.get(r, r): kinds for r, kinds in DRIFT.items()}
    if settings.drift is None and (column := roles.get("text") or roles.get("messages")):
        named = {column: DRIFT["prompt"]}
    return Service(
        settings=settings,
        model=model,
        engine=engine,
        token=callers.Token(token) if token is not None else None,
        admission=admission,
        metrics=metrics,
        feedback=Feedback(),
        recent=Recent(named, roles),
        drain=drain.Drain(),
        traces=traces.configured(settings, model.version),
    )
