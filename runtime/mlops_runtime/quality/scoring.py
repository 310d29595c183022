"""Accuracy and perplexity of the served model, as callers get it: over HTTP, from its own log-probabilities.

The numbers are those of `mlops-runtime evaluate` on the same records: the same tokens, the same targets, the same sums.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlops_runtime.endpoint import Endpoint, Reply, Unanswered
from mlops_runtime.evaluation import metrics
from mlops_runtime.quality.heldout import Question
from mlopsgen.contract import ports

TOGETHER = 8
"""Records of one request: enough for the engine's batch, few enough to leave room to callers."""

TOO_LONG = "context_length_exceeded"
"""What the server calls a prompt that is longer than it takes."""

FULL = "queue_full"
"""What it says when there is no room for so many records at once."""

LATER = (429, 503)
"""Statuses after which the same request may be answered."""

TOO_MUCH = (400, 413, 504)
"""Statuses after which fewer records at once may be answered: one is too long, all are, or all take too long."""

WAIT = 30.0
"""Seconds between two tries at most."""


class Scores(NamedTuple):
    """What was found.

    Attributes:
        accuracy: share of targets, or of records, that the model holds for the likeliest.
        perplexity: exp of the mean loss of a target; None where the model writes no text.
        records: that were scored.
        left_out: records that are longer than the server takes.
    """

    accuracy: float
    perplexity: float | None
    records: int
    left_out: int


def score(endpoint: Endpoint, questions: Sequence[Question], deadline: float) -> Scores:
    """Ask the server about each record.

    Args:
        endpoint: of the server.
        questions: one or more.
        deadline: of `time.monotonic`.

    Raises:
        Unanswered: the server does not answer, or not in time, or takes none of the records.
    """
    import numpy as np

    ask = _classes if questions[0].label else _language
    found: list[tuple[float, int, int] | None] = []
    for start in range(0, len(questions), TOGETHER):
        found += _asked(ask, endpoint, questions[start : start + TOGETHER], deadline)
    kept = [one for one in found if one is not None]
    left_out = len(found) - len(kept)
    if not kept:
        raise Unanswered(f"{endpoint.url} takes none of the {left_out} records: all are longer than its longest prompt")
    nll, right, targets = (np.array(column) for column in zip(*kept, strict=True))
    if questions[0].label:
        return Scores(float(right.sum() / targets.sum()), None, len(kept), left_out)
    numbers = metrics.language(nll, right, targets)
    return Scores(numbers["val_accuracy"], numbers["val_perplexity"], len(kept), left_out)


def _asked(ask: Any, endpoint: Endpoint, rows: Sequence[Question], deadline: float) -> list[Any]:
    """By record: loss, hits and targets; None for one that is too long. Refused together, they are asked one by one."""
    several = len(rows) > 1
    reply = _patient(lambda: ask(endpoint, rows), deadline, several)
    if several and (reply.status in TOO_MUCH or reply.code == FULL):
        return [found for row in rows for found in _asked(ask, endpoint, [row], deadline)]
    if reply.status in TOO_MUCH and reply.code == TOO_LONG:
        return [None]
    try:
        return (_classified if rows[0].label else _scored)(reply.json(), rows)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Unanswered(f"{reply.place} answered something else than was asked for ({error!r})") from None


def _patient(send: Any, deadline: float, several: bool) -> Reply:
    """The answer, after waiting as long as the server asks for while it is busy; `several` do not wait for room."""
    while True:
        if time.monotonic() >= deadline:
            raise Unanswered("the cycle took longer than the time between two cycles: lower `quality.samples`")
        reply: Reply = send()
        if reply.status not in LATER or (several and reply.code == FULL):
            return reply
        asked = reply.headers.get("retry-after", "")
        time.sleep(min(float(asked) if asked.isdigit() else 1.0, WAIT, max(0.0, deadline - time.monotonic())))


def _language(endpoint: Endpoint, rows: Sequence[Question]) -> Reply:
    return endpoint.post(
        ports.COMPLETIONS,
        {
            "prompt": [row.encoded.ids for row in rows],
            "max_tokens": 0,
            "echo": True,
            "logprobs": 1,
            "return_tokens_as_token_ids": True,
        },
    )


def _scored(body: Mapping[str, Any], rows: Sequence[Question]) -> list[tuple[float, int, int]]:
    choices = sorted(body["choices"], key=lambda choice: choice["index"])
    return [_targets(choice["logprobs"], row) for choice, row in zip(choices, rows, strict=True)]


def _targets(found: Mapping[str, Any], row: Question) -> tuple[float, int, int]:
    """Loss, hits and number of a record's targets."""
    ids, values, tops = row.encoded.ids, found["token_logprobs"], found["top_logprobs"]
    if [f"token_id:{token}" for token in ids] != found["tokens"] or not len(ids) == len(values) == len(tops):
        raise ValueError("other tokens")
    places = [place for begin, end in row.encoded.spans for place in range(begin, end)]
    loss = -sum(float(values[place]) for place in places)
    return loss, sum(len(tops[place]) == 1 for place in places), len(places)


def _classes(endpoint: Endpoint, rows: Sequence[Question]) -> Reply:
    return endpoint.post(ports.PREDICT, {"prompts": [row.text for row in rows]})


def _classified(body: Sequence[Mapping[str, Any]], rows: Sequence[Question]) -> list[tuple[float, int, int]]:
    return [(0.0, int(found["label"] == row.label), 1) for found, row in zip(body, rows, strict=True)]
