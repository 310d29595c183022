"""States of a run: what is saved, which of them are kept, which one a run goes on from.

An entry holds, for each process, the rows of weights and optimizer state that it has, so that saving takes no more
memory than training, and that a run can go on with another number of processes. Weights that are not trained are not
saved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from mlops_runtime.training import ranks as shards
from mlops_runtime.training.stores import Store, intact

if TYPE_CHECKING:
    import torch

    from mlops_runtime.training.ranks import Ranks

STATE = "state.json"
MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW remembers by weight, besides the number of steps."""

Facts = dict[str, Any]
"""What else a run needs to go on, as JSON: `step`, and `best` with `entry`, `step` and `loss`, among them."""


class Checkpoints:
    """Checkpoints of one run.

    Args:
        store: of this run alone.
        keep: newest entries kept; the best is kept besides.
        ranks: processes of the run.
    """

    def __init__(self, store: Store, keep: int, ranks: Ranks) -> None:
        self.store, self.keep, self.ranks = store, keep, ranks

    def name(self, step: int) -> str:
        """Name of the next entry at a step; one step may be saved again, after a validation that was cut short."""
        prefix = f"step-{step:09d}-"
        taken = [int(name.removeprefix(prefix)) for name in self._names() if name.startswith(prefix)]
        return f"{prefix}{max(taken, default=-1) + 1}"

    def save(self, name: str, scorer: Any, optimizer: torch.optim.Optimizer, facts: Facts) -> None:
        """Write an entry, verify it, then drop those that need not be kept. All processes call it.

        Raises:
            OSError: it could not be written or did not read back; what was there before is still there.
        """
        from safetensors.torch import save_file

        shards.resharded(scorer)
        mine = f"rank-{self.ranks.rank:05d}.safetensors"
        with ExitStack() as stack:
            # The first process makes the folder before the others write into it.
            if self.ranks.main:
                folder = stack.enter_context(self.store.writing(name))
            self.ranks.shared(None)
            if not self.ranks.main:
                folder = stack.enter_context(self.store.writing(name, first=False))
            tensors, rows = _parts(scorer, optimizer, self.ranks)
            save_file(tensors, os.path.join(folder, mine), metadata={"rows": json.dumps(rows)})
            del tensors
            written = {mine: self.store.keep(folder, name, mine)}
            if self.ranks.main:
                with open(os.path.join(folder, STATE), "w", encoding="utf-8") as stream:
                    json.dump({**facts, "optimizer_steps": _steps(optimizer)}, stream)
                written[STATE] = self.store.keep(folder, name, STATE)
            manifest = {file: seal for part in self.ranks.gathered(written) for file, seal in part.items()}
            if self.ranks.main:
                self.store.commit(folder, name, manifest)
        self.ranks.shared(None)
        if not all(self.ranks.gathered(self.store.verified(name, list(written)))):
            raise OSError(f"checkpoint {name} does not read back as it was written")
        if self.ranks.main:
            self._prune(facts)

    def resume(self, scorer: Any, optimizer: torch.optim.Optimizer) -> Facts | None:
        """Load the newest entry that is intact and return its facts; None when there is none. All processes call it."""
        if self.ranks.main:
            self.store.tidy()
        for name in reversed(self._names()):
            facts = self.load(name, scorer, optimizer)
            if facts is not None:
                return facts
        return None

    def load(self, name: str, scorer: Any, optimizer: torch.optim.Optimizer | None = None) -> Facts | None:
        """Put an entry's weights, and the optimizer's state, where each process keeps its rows of them.

        Returns:
            The entry's facts; None, and nothing is touched, when one of its files is not what the manifest says.
        """
        import torch

        shards.resharded(scorer)
        try:
            files = self._needed(self.store.files_of(name))
        except (OSError, ValueError):
            files = []
        with self.store.reading(name, files) as folder, ExitStack() as stack, torch.no_grad():
            if not all(self.ranks.gathered(bool(files) and intact(folder, files))):
                return None
            with open(os.path.join(folder, STATE), encoding="utf-8") as stream:
                facts: Facts = json.load(stream)
            saved = _Saved([os.path.join(folder, file) for file in files if file != STATE], stack)
            for key, parameter in _trained(scorer):
                saved.fill(key, parameter, self.ranks)
                if optimizer is None or not facts["optimizer_steps"]:
                    continue
                state = optimizer.state[parameter]
                state["step"] = torch.tensor(float(facts["optimizer_steps"]), device=self.ranks.device)
                for moment in MOMENTS:
                    state[moment] = torch.zeros_like(parameter)
                    saved.fill(f"{moment}.{key}", state[moment], self.ranks)
        return facts

    def _names(self) -> list[str]:
        names: list[str] = self.ranks.shared(self.store.names() if self.ranks.main else None)
        return names

    def _needed(self, files: list[str]) -> list[str]:
        """Files that this process reads: its own where as many processes wrote them, else all."""
        mine = f"rank-{self.ranks.rank:05d}.safetensors"
        parts = [file for file in files if file != STATE]
        return [mine, STATE] if len(parts) == self.ranks.size and mine in parts else files

    def _prune(self, facts: Facts) -> None:
        kept = set(self.store.names()[-self.keep :])
        if facts.get("best"):
            kept.add(facts["best"]["entry"])
        for name in self.store.names():
            if name not in kept:
                self.store.remove(name)


class _Saved:
    """The files of an entry, opened: rows of any tensor in them, whoever wrote them."""

    def __init__(self, paths: list[str], stack: ExitStack) -> None:
        from safetensors import safe_open

        self._rows: dict[str, list[tuple[int, int, Any]]] = {}
        for path in paths:
            opened = stack.enter_context(safe_open(path, framework="pt"))
            for key, (start, end) in json.loads(opened.metadata()["rows"]).items():
                self._rows.setdefault(key, []).append((start, end, opened))

    def fill(self, key: str, tensor: torch.Tensor, ranks: Ranks) -> None:
        """Copy into this process's part of `tensor` the rows that belong there."""
        mine = shards.local(tensor)
        sharded = mine is not tensor
        first, last = shards.own_rows(tensor.shape[0], ranks) if sharded else (0, tensor.shape[0] if tensor.ndim else 1)
        for start, end, opened in self._rows[key]:
            low, high = max(start, first), min(end, last)
            if low < high and tensor.ndim:
                mine[low - first : high - first].copy_(opened.get_slice(key)[low - start : high - start])
            elif low < high:
                mine.copy_(opened.get_tensor(key))


def _trained(scorer: Any) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, p) for name, p in scorer.network.named_parameters() if p.requires_grad)


def _parts(scorer: Any, optimizer: Any, ranks: Ranks) -> tuple[dict[str, torch.Tensor], dict[str, tuple[int, int]]]:
    """This process's rows by name, and which they are. Without sharding the first process has all, the others none."""
    tensors, rows = {}, {}
    for key, parameter in _trained(scorer):
        state = optimizer.state.get(parameter, {})
        named = {key: parameter, **{f"{moment}.{key}": state[moment] for moment in MOMENTS if moment in state}}
        for name, tensor in named.items():
            mine = shards.local(tensor.detach())
            sharded = hasattr(tensor, "to_local")
            extent = shards.own_rows(tensor.shape[0], ranks) if sharded else (0, tensor.shape[0] if tensor.ndim else 1)
            tensors[name], rows[name] = mine.cpu().contiguous(), extent
    return tensors, rows


def _steps(optimizer: Any) -> int:
    return next((int(state["step"]) for state in optimizer.state.values()), 0)
