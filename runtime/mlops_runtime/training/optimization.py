"""AdamW with decay on matrices only, clipped gradients, and a learning rate that is a function of the step alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from mlopsgen.spec.training import Training

MAX_NORM = 1.0
"""Gradients are scaled down to this norm over all parameters."""


def optimizer(scorer: Any, training: Training) -> torch.optim.AdamW:
    """Fused AdamW (Loshchilov and Hutter, 2019) over what is trained; norms and biases do not decay."""
    import torch

    trained = [parameter for parameter in scorer.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    # Each step sets its own rate.
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, fused=True)


def learning_rate(step: int, steps: int, training: Training) -> float:
    """Learning rate of a step, counted from 0, of `steps`: a linear rise over the warm-up, then the schedule.

    The first step already learns, and so does the last: cosine and linear reach 0 one step after it.
    """
    warmup, peak = min(training.warmup_steps, steps), training.learning_rate
    assert peak is not None, "settings.read refuses parameters without one"
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    if training.scheduler == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak * (1 - done) if training.scheduler == "linear" else peak


class Stepper:
    """Applies gradients. In fp16 the loss is scaled, so that small ones survive, and steps that overflow are left out.

    Args:
        scorer: the model.
        training: of the spec.
        kind: `cuda` or `cpu`.
    """

    def __init__(self, scorer: Any, training: Training, kind: str) -> None:
        import torch

        self.optimizer = optimizer(scorer, training)
        self.scaler = torch.amp.GradScaler(kind, enabled=training.precision == "fp16")
        self._trained = [p for group in self.optimizer.param_groups for p in group["params"]]

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of a part of the step's loss."""
        scaled: Any = self.scaler.scale(loss)
        scaled.backward()

    def clear(self) -> None:
        """Forget all gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def apply(self, rate: float) -> float:
        """Clip and apply the gradients, and clear them.

        Args:
            rate: learning rate.

        Returns:
            Norm of the gradients before clipping. When it is not finite, nothing was applied; in fp16 that happens
            now and then, and lowers the scale.
        """
        import torch

        from mlops_runtime.training.ranks import whole

        self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in self._trained if p.grad is not None]
        total = torch.nn.utils.get_total_norm(grads)
        norm = float(whole(total))
        if math.isfinite(norm):
            torch.nn.utils.clip_grads_with_norm_(self._trained, MAX_NORM, total)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.clear()
        return norm
