"""What a run says while it goes: a bar on a terminal, else a line now and then; both on standard error."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from mlops_runtime.training.flops import Arithmetic

EVERY = 30.0
"""Seconds between two lines."""


class Progress:
    """Speed and course of a run.

    Args:
        steps: of the whole run.
        done: steps that were done before.
        arithmetic: of the model.
        peak: of all devices together, in FLOP/s; None where MFU means nothing.
        main: whether this process is the one that speaks.
    """

    def __init__(self, steps: int, done: int, arithmetic: Arithmetic, peak: float | None, main: bool) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]

        self._steps, self._first, self._arithmetic, self._peak, self._main = steps, done, arithmetic, peak, main
        terminal = sys.stderr.isatty()
        self._bar: Any = tqdm(
            total=steps, initial=done, desc="training", unit=" steps", disable=not (main and terminal), mininterval=0.5
        )
        self._lines = main and not terminal
        self._said = time.monotonic()
        self._recent: list[tuple[float, float, float]] = []
        self._seconds = 0.0

    def advance(self, step: int, epoch: float, loss: float, work: tuple[int, int, int], seconds: float) -> None:
        """A step was done.

        Args:
            step: steps done.
            epoch: passes over the records done.
            loss: mean of the step's target tokens, nats.
            work: tokens, target tokens and sum of squared lengths of the step's records.
            seconds: that it took.
        """
        self._seconds += seconds
        self._recent = [*self._recent[-19:], (float(work[0]), self._arithmetic.of(*work), seconds)]
        shown = {"loss": f"{loss:.3f}", "tokens/s": f"{self.tokens_per_second:,.0f}"}
        if self.mfu is not None:
            shown["MFU"] = f"{self.mfu:.1%}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()
        if self._lines and (time.monotonic() - self._said > EVERY or step == self._steps):
            self._said = time.monotonic()
            left = self._seconds / max(1, step - self._first) * (self._steps - step)
            facts = ", ".join(f"{name} {value}" for name, value in shown.items())
            click.echo(f"step {step}/{self._steps}, epoch {epoch:.2f}, {facts}, {clock(left)} left", err=True)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._main:
            self._bar.clear()
            click.echo(text, err=True)

    def close(self) -> None:
        """Leave the terminal as it is."""
        self._bar.close()

    @property
    def tokens_per_second(self) -> float:
        """Real tokens a second over the last twenty steps."""
        return sum(tokens for tokens, _, _ in self._recent) / max(1e-9, sum(s for _, _, s in self._recent))

    @property
    def mfu(self) -> float | None:
        """Share of the devices' dense peak over the last twenty steps."""
        if self._peak is None or not self._recent:
            return None
        return sum(flops for _, flops, _ in self._recent) / max(1e-9, sum(s for _, _, s in self._recent)) / self._peak


def clock(seconds: float) -> str:
    """A time span as people read it: `1 h 5 min`, `3 min 20 s`, `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
