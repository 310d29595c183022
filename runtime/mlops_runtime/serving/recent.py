"""What is known of recent requests without their text: counts in bins, and signs that an answer may be bad.

Bins are those of `mlops_runtime.data.features`, so that recent requests compare with the data that a model was trained
on.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlops_runtime.data import features
from mlops_runtime.evaluation import refusal

WINDOW = 2000
"""Requests that are remembered."""

SAMPLED = 16
"""One answer in so many is asked for its log-probabilities."""

BEGINNING = 1000
"""Characters of an answer that are looked at for a refusal."""

_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")


class Record(NamedTuple):
    """What is kept of one prompt and its answer.

    Attributes:
        time: seconds since 1970.
        bins: by feature, named `column.feature`.
        tokens: of the answer; None where the model generates none.
        signs: of `SIGNS`, those that it shows.
        logprob: mean log-probability of its tokens; None where it was not asked for.
    """

    time: float
    bins: dict[str, Any]
    tokens: int | None
    signs: tuple[str, ...]
    logprob: float | None


SIGNS = ("refused", "empty", "malformed", "truncated")


def signs(text: str, finish: str) -> tuple[str, ...]:
    """What speaks against an answer: refused, empty, malformed (characters that no text has, or a code block that
    never ends), truncated at the most tokens that were asked for."""
    said, truncated = refusal.outcome(text[:BEGINNING]), finish == "length"
    fences = not truncated and text.count("```") % 2 == 1
    found = {
        "refused": said == "refused",
        "empty": said == "empty",
        "malformed": fences or bool(_BROKEN.search(text)),
        "truncated": truncated,
    }
    return tuple(name for name in SIGNS if found[name])


class Recent:
    """The window.

    Args:
        watched: features by column, as `data.drift.features`.
        roles: column by role, as the model's rendering has them.
    """

    def __init__(self, watched: Mapping[str, Sequence[str]], roles: Mapping[str, str]) -> None:
        asked = next((roles[role] for role in ("messages", "prompt", "text") if role in roles), "prompt")
        self._asked = self._kinds(watched, asked)
        self._answered = self._kinds(watched, roles["response"]) if "response" in roles else ()
        self._chat = "messages" in roles
        self._records: deque[Record] = deque(maxlen=WINDOW)
        self._begun = 0

    @staticmethod
    def _kinds(watched: Mapping[str, Sequence[str]], column: str) -> tuple[tuple[str, str], ...]:
        of_texts = ("length", "words", "tokens")
        return tuple((f"{column}.{name}", name) for name in watched.get(column, ()) if name in of_texts)

    def sampled(self) -> bool:
        """Whether the next answer is to carry log-probabilities."""
        self._begun += 1
        return self._begun % SAMPLED == 1

    def add(
        self,
        prompt: str | Sequence[Mapping[str, str]],
        text: str | None = None,
        tokens: int = 0,
        finish: str = "stop",
        logprobs: Sequence[float] = (),
    ) -> None:
        """Remember a prompt, and its answer where the model generates one.

        Args:
            prompt: as the model saw it, a text or messages.
            text: of the answer.
            tokens: of the answer.
            finish: why it ended.
            logprobs: of its tokens, if they were asked for.
        """
        whole: Any = prompt
        if self._chat and text is not None:
            messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
            whole = [*messages, {"role": "assistant", "content": text}]
        bins = {name: features.measured(whole, kind) for name, kind in self._asked}
        mean = sum(logprobs) / len(logprobs) if logprobs else None
        if text is None:
            self._records.append(Record(time.time(), bins, None, (), None))
            return
        bins |= {name: features.measured(text, kind) for name, kind in self._answered}
        self._records.append(Record(time.time(), bins, tokens, signs(text, finish), mean))

    def document(self, since: float = 0.0) -> dict[str, Any]:
        """Counts of the window.

        Args:
            since: seconds since 1970; earlier requests are left out.

        Returns:
            `version`, `records` and `features` as `mlops_runtime.data.features.save` writes them; `begin` and `end`:
            times of the first and the last request; `answers`: their number, and of how many of them each sign is
            true; `output_tokens`: their sum; `logprob`: number and sum of means over tokens.
        """
        records = [record for record in self._records if record.time >= since]
        counts: dict[str, Counter[Any]] = {name: Counter() for name, _ in (*self._asked, *self._answered)}
        shown: Counter[str] = Counter()
        for record in records:
            for name, bin in record.bins.items():
                counts[name][bin] += 1
            shown.update(record.signs)
        answers = [record for record in records if record.tokens is not None]
        logprobs = [record.logprob for record in answers if record.logprob is not None]
        return {
            "version": features.VERSION,
            "records": len(records),
            "features": {
                name: {
                    "kind": features.KINDS[name.rpartition(".")[2]],
                    "bins": {str(bin): count for bin, count in sorted(counted.items())},
                }
                for name, counted in sorted(counts.items())
            },
            "begin": records[0].time if records else None,
            "end": records[-1].time if records else None,
            "answers": {"count": len(answers), **{name: shown[name] for name in SIGNS}},
            "output_tokens": sum(record.tokens or 0 for record in answers),
            "logprob": {"count": len(logprobs), "sum": sum(logprobs)},
        }
