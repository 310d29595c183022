"""The loop: steps, validations, checkpoints, and how a run stops before its end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_runtime.training.plan import deal, micro_batches
from mlops_runtime.training.stop import Interrupted, Stop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlops_runtime.tracking import Tracker
    from mlops_runtime.training.checkpoints import Checkpoints
    from mlops_runtime.training.examples import Examples
    from mlops_runtime.training.meter import Meter
    from mlops_runtime.training.optimization import Stepper
    from mlops_runtime.training.plan import Plan
    from mlops_runtime.training.progress import Progress
    from mlops_runtime.training.ranks import Ranks
    from mlops_runtime.training.scoring import Scorer
    from mlopsgen.spec.training import Training

ROWS = 1000
"""Rows of the loss curve at most, about."""

GLANCE = 0.3
"""Records of a validation on the way, over the records trained on between two: a tenth of the time, as a forward pass
is a third of a step."""

LEAST_SCALE = 1.0
"""In fp16, a loss that still overflows at this scale is no accident."""


class Diverged(Exception):
    """The loss or its gradient is not finite; the state before it is saved."""


@dataclass
class State:
    """Where a run is; all of it goes into each checkpoint.

    Attributes:
        step: steps done.
        validated: the step of the last validation.
        rows: of the loss curve: step, mean training loss since the row before, validation loss or None.
        since: sum of losses and number of targets since the last row.
        tokens: trained on, prompts included.
        seconds: spent on steps.
        best: `entry`, `step` and `loss` of the best validation.
        scaler: of the fp16 loss.
        finished: nothing is left to train.
    """

    step: int = 0
    validated: int = 0
    rows: list[tuple[int, float, float | None]] = field(default_factory=list)
    since: list[float] = field(default_factory=lambda: [0.0, 0.0])
    tokens: int = 0
    seconds: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    finished: bool = False


@dataclass
class Loop:
    """Everything that a run consists of; `run` does it.

    Attributes:
        budget: tokens of a micro-batch.
        glance: records of the validation part that a validation on the way looks at.
    """

    training: Training
    ranks: Ranks
    scorer: Scorer
    stepper: Stepper
    plan: Plan
    examples: Examples
    validation: Examples
    checkpoints: Checkpoints
    tracker: Tracker
    progress: Progress
    meter: Meter
    state: State
    budget: int
    glance: NDArray[np.int64]
    _seen: list[str] = field(default_factory=list)
    _saved: int = 0

    def run(self, stop: Stop) -> None:
        """Train to the end.

        Raises:
            Interrupted: SIGTERM came.
            Diverged: a loss or gradient is not finite.
            OSError: a checkpoint could not be written.
        """
        self._saved = self.state.step
        if self._saved:
            self.meter.resumed(self._saved, self._epoch())
        while not self.state.finished:
            step = self.state.step
            if step and self.state.validated != step and self._due(step):
                self._milestone(stop)
                continue
            self.advance()
            if self.ranks.total(float(stop.asked))[0]:
                self._interrupt()

    def validate(self, records: NDArray[np.int64], stop: Stop | None = None) -> tuple[float, int, int] | None:
        """Score records of the validation part.

        Returns:
            Sum of losses in nats, number of targets, number predicted right; None when `stop` was asked meanwhile.
        """
        import torch

        total, right, count = 0.0, 0.0, int(self.validation.targets[records].sum())
        self.scorer.eval()
        try:
            with torch.no_grad():
                for batch, counts in self._batches(self.validation, records):
                    if stop is not None and self.ranks.total(float(stop.asked))[0]:
                        return None
                    losses, correct = self.scorer(self.scorer.collate(self.validation, batch, self.ranks.device), True)
                    total += float(losses.double().sum()) * counts
                    right += int(correct.sum()) * counts
        finally:
            self.scorer.train()
        found = self.ranks.total(total, right)
        return found[0], count, int(found[1])

    def advance(self) -> None:
        """Do one step.

        Raises:
            Diverged: its loss or gradient is not finite; it was not applied.
        """
        import torch

        from mlops_runtime.training.optimization import learning_rate

        started, step = time.perf_counter(), self.state.step
        records = self.plan.records(step)
        targets = int(self.examples.targets[records].sum())
        # Dropout depends on seed, step and rank only, so that no generator's state needs saving.
        torch.manual_seed(((self.training.seed * 1_000_003 + step) * 65_537 + self.ranks.rank) % 2**63)
        share = (self.ranks.size if self.ranks.sharded else 1) / targets
        mine = torch.zeros((), dtype=torch.float64, device=self.ranks.device)
        for batch, counts in self._batches(self.examples, records):
            loss = self.scorer(self.scorer.collate(self.examples, batch, self.ranks.device))
            self.stepper.backward(loss * (counts * share))
            mine += loss.detach().double() * counts
        mean = self.ranks.total(float(mine))[0] / targets
        if not math.isfinite(mean):
            self.stepper.clear()
            self._diverge(f"the loss is {mean}", step, records)
        rate = learning_rate(step, self.plan.steps, self.training)
        norm = self.stepper.apply(rate)
        if not math.isfinite(norm) and self.stepper.scaler.get_scale() <= LEAST_SCALE:
            self._diverge(f"the norm of the gradients is {norm}", step, records)
        lengths = self.examples.lengths[records]
        work = (int(lengths.sum()), targets, int((lengths**2).sum()))
        seconds = time.perf_counter() - started
        self._note(step, mean, work, seconds, records)
        self.meter.advanced(self.state.step, self._epoch(), mean, rate, norm, work[0], seconds)
        if self.state.step % self._interval == 0 and not self._due(self.state.step):
            self._row(None, {"learning_rate": rate, "gradient_norm": norm})

    def _note(self, step: int, loss: float, work: tuple[int, int, int], seconds: float, records: Any) -> None:
        state = self.state
        state.step = step + 1
        state.since = [state.since[0] + loss * work[1], state.since[1] + work[1]]
        state.tokens += work[0]
        state.seconds += seconds
        if self.ranks.main:
            names = " ".join(self.examples.name(record) for record in records.tolist())
            self._seen.append(f"{step} {self.plan.place(step)[0]} {names}\n")
        self.progress.advance(state.step, self._epoch(), loss, work, seconds)

    def _batches(self, examples: Examples, records: Any) -> Iterator[tuple[list[int], float]]:
        """This process's micro-batches and 1; filled up to the number of the busiest process with some that count 0.

        Sharded networks work only when all processes take part in each pass.
        """
        shares = deal(records, examples.lengths, self.ranks.size)
        cut = [micro_batches(s, examples.lengths, self.budget, self.scorer.padded) for s in shares]
        mine, rounds = cut[self.ranks.rank], max(len(batches) for batches in cut)
        idle = [min(records.tolist(), key=lambda record: int(examples.lengths[record]))]
        for index in range(rounds):
            yield (mine[index], 1.0) if index < len(mine) else (idle, 0.0)

    def _milestone(self, stop: Stop) -> None:
        found = self.validate(self.glance, stop)
        if found is None:
            self._interrupt()
            return
        state, loss = self.state, found[0] / found[1]
        if not math.isfinite(loss):
            raise Diverged(f"the validation loss is {loss} after step {state.step}; the last checkpoint stays")
        state.validated = state.step
        self.meter.validated(loss)
        self._row(loss, {"val_loss": loss, "val_accuracy": found[2] / found[1]})
        name = self.checkpoints.name(state.step)
        if not state.best or loss < state.best["loss"]:
            state.best = {"entry": name, "step": state.step, "loss": loss}
        state.finished = state.step == self.plan.steps
        self.progress.say(f"step {state.step}/{self.plan.steps}: validation loss {loss:.4f}")
        self._save(name)

    def _row(self, validation: float | None, metrics: dict[str, float]) -> None:
        state = self.state
        mean = state.since[0] / state.since[1] if state.since[1] else state.rows[-1][1]
        state.rows.append((state.step, mean, validation))
        state.since = [0.0, 0.0]
        speed = {"tokens_per_second": self.progress.tokens_per_second, "mfu": self.progress.mfu}
        known = {name: value for name, value in speed.items() if value is not None}
        if self.ranks.main:
            self.tracker.log_metrics({"train_loss": mean, "epoch": self._epoch(), **metrics, **known}, state.step)

    def _save(self, name: str) -> None:
        state = self.state
        state.scaler = self.stepper.scaler.state_dict()
        if self.ranks.main and self._seen:
            first, last = (row.split(" ", 1)[0] for row in (self._seen[0], self._seen[-1]))
            self.checkpoints.store.put(f"samples-{int(first):09d}-{int(last):09d}.log", "".join(self._seen).encode())
        self.checkpoints.save(name, self.scorer, self.stepper.optimizer, asdict(state))
        self._seen, self._saved = [], state.step
        self.meter.saved(state.step)

    def _interrupt(self) -> None:
        if self._saved != self.state.step:
            self._save(self.checkpoints.name(self.state.step))
        raise Interrupted(f"stopped by SIGTERM after step {self.state.step} of {self.plan.steps}; the state is saved")

    def _diverge(self, what: str, step: int, records: Any) -> None:
        if self._saved != step:
            self._save(self.checkpoints.name(step))
        names = ", ".join(self.examples.name(record) for record in records.tolist()[:4])
        raise Diverged(
            f"{what} in step {step + 1} of {self.plan.steps} (records {names} …); the state before it is saved. Lower "
            "`training.learning_rate`, lengthen `training.warmup_steps`, or train in bf16 or fp32"
        )

    def _due(self, step: int) -> bool:
        return step % self.training.checkpoint.every == 0 or self.plan.ends_epoch(step - 1) or step == self.plan.steps

    def _epoch(self) -> float:
        epoch, inside = self.plan.place(self.state.step - 1)
        return epoch + (inside + 1) / self.plan.full(epoch)

    @property
    def _interval(self) -> int:
        return max(1, self.plan.steps // ROWS)


def glance(count: int, training: Training) -> NDArray[np.int64]:
    """Records of a validation part of `count` that validations on the way look at: the same ones each time."""
    from mlops_runtime.training.plan import permutation

    enough = max(256, round(GLANCE * training.checkpoint.every * training.batch_size))
    return permutation(count, training.seed, 2**32)[:enough]
