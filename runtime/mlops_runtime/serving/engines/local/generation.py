"""Continuous batching: every step draws one token for each running answer and computes a piece of the next prompts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mlops_runtime.serving.engines.base import Broken
from mlops_runtime.serving.engines.local import sampling
from mlops_runtime.serving.engines.local.jobs import Answer, Score
from mlops_runtime.serving.engines.local.networks import Drawn, Network, Piece
from mlops_runtime.serving.engines.local.slots import Slots
from mlops_runtime.serving.engines.local.worker import LOG, Worker

LOGITS = 2**23
"""Logits of scored texts at a time: 32 MiB."""


class Generation(Worker):
    """The loop.

    Args:
        network: with at least `slots` places.
        slots: requests at a time.
        prefill: tokens of prompts that a step computes beside the running answers.
        vocabulary: of the network.
        threads: of torch; as torch has it when not given.
    """

    def __init__(self, network: Network, slots: int, prefill: int, vocabulary: int, threads: int | None) -> None:
        super().__init__("engine", threads)
        self.network = network
        self._most, self._prefill, self._scored = slots, prefill, max(1, LOGITS // vocabulary)
        self._waiting: deque[Answer | Score] = deque()
        self._slots = Slots(network)

    def busy(self) -> bool:
        """Whether anything runs or waits."""
        return bool(self._slots.held or self._waiting)

    def turn(self, arrived: list[Any]) -> None:
        """One step."""
        self._waiting.extend(arrived)
        held = self._slots.held
        for slot in reversed(range(len(held))):
            if held[slot].cancelled:
                self._slots.free(slot)
        pieces = self._pieces()
        if not held:
            return
        drawn = [Drawn(job.token, job.length) for job in held[: self._slots.running] if isinstance(job, Answer)]
        try:
            self._sort(self.network.forward(drawn, pieces), pieces)
        except Exception:
            LOG.exception("a step of %d requests failed", len(held))
            self.went(False)
            self._fail("the model failed in this step")
        else:
            self.went(True)

    def drop(self, reason: str) -> None:
        """End all."""
        self._fail(reason)
        for job in self._waiting:
            self.give(job, Broken(reason))
        self._waiting.clear()

    def trial(self) -> None:
        """One token in the first slot."""
        self.network.forward([], [Piece(0, 0, [0], 1)])
        self.network.clear(0)

    def _fail(self, reason: str) -> None:
        for job in self._slots.held:
            self.give(job, Broken(reason))
        self._slots.clear()

    def _pieces(self) -> list[Piece]:
        """What to compute of prompts in this step; takes waiting requests into free slots."""
        held, left, slot = self._slots.held, self._prefill, self._slots.running
        found: list[Piece] = []
        while left > 0:
            if slot == len(held):
                while self._waiting and self._waiting[0].cancelled:
                    self._waiting.popleft()
                if not self._waiting or slot == self._most:
                    break
                held.append(self._waiting.popleft())
            job = held[slot]
            size = len(job.prompt) - job.length
            if self.network.chunked:
                size = min(size, left, self._scored if isinstance(job, Score) else left)
            keep = size if isinstance(job, Score) else 1
            found.append(Piece(slot, job.length, job.prompt[job.length : job.length + size], keep))
            if job.length + size < len(job.prompt):
                break
            left -= size
            slot += 1
        return found

    def _sort(self, logits: Tensor, pieces: Sequence[Piece]) -> None:
        """Hand each request the logits that are its own, and free the slots of those that are done."""
        held, running = self._slots.held, self._slots.running
        rows = list(range(running))
        drawing = [(slot, job) for slot, job in enumerate(held[:running]) if isinstance(job, Answer)]
        for _, job in drawing:
            job.length += 1
        done: dict[int, bool] = {}
        at = running
        for piece in pieces:
            request = held[piece.slot]
            request.length += len(piece.tokens)
            if isinstance(request, Score):
                done |= self._scores(piece.slot, request, logits[at : at + piece.keep])
            elif request.length == len(request.prompt):
                drawing.append((piece.slot, request))
                rows.append(at)
            at += piece.keep
        if drawing:
            done |= self._answers(drawing, logits if len(rows) == len(logits) else logits[rows])
        joined = sum(slot >= running and slot not in done for slot, _ in drawing)
        for slot in sorted(done, reverse=True):
            self._slots.free(slot, done[slot])
        self._slots.running += joined

    def _answers(self, jobs: Sequence[tuple[int, Answer]], logits: Tensor) -> dict[int, bool]:
        """Draw for these; slots of those that ended, and whether they are spoiled."""
        try:
            taken = sampling.draw(logits, [job.draw() for _, job in jobs])
        except Exception:
            if len(jobs) > 1:
                return {
                    slot: spoiled
                    for row, one in enumerate(jobs)
                    for slot, spoiled in self._answers([one], logits[row : row + 1]).items()
                }
            LOG.exception("drawing a token failed")
            return self._broken(*jobs[0], "drawing a token failed")
        done: dict[int, bool] = {}
        for (slot, job), token, logprob, sound in zip(jobs, *taken, strict=True):
            if not sound:
                done |= self._broken(slot, job, "the model computed something that is no number", True)
                continue
            try:
                piece = job.take(token, logprob)
            except Exception:
                LOG.exception("decoding a token failed")
                done |= self._broken(slot, job, "decoding a token failed")
                continue
            if piece is None:
                continue
            self.give(job, piece)
            if piece.finish:
                done[slot] = False
        return done

    def _scores(self, slot: int, job: Score, logits: Tensor) -> dict[int, bool]:
        try:
            found = job.take(logits)
        except Broken as broken:
            return self._broken(slot, job, str(broken), True)
        if found is None:
            return {}
        self.give(job, found)
        return {slot: False}

    def _broken(self, slot: int, job: Answer | Score, reason: str, spoiled: bool = False) -> dict[int, bool]:
        self.give(job, Broken(reason))
        return {slot: spoiled}
