"""Records scored over HTTP, by a server that is not always kind."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from mlops_runtime.data.heldout import sample
from mlops_runtime.endpoint import Endpoint, Unanswered
from mlops_runtime.quality import scoring
from mlops_runtime.quality.heldout import Question
from mlops_runtime.training.rendering import Encoded

from tests.runtime.quality.fake import Asked, fake

COMPLETIONS, PREDICT = "/v1/completions", "/predict"


def question(*ids: int, begin: int = 1) -> Question:
    return Question(Encoded(list(ids), [(begin, len(ids))]))


def choice(index: int, ids: list[int]) -> dict[str, Any]:
    """As our server has it: each even token the likeliest, with a log-probability of minus a tenth of the token."""
    names = [f"token_id:{one}" for one in ids]
    values = [None, *(-one / 10 for one in ids[1:])]
    tops = [
        None if value is None else {name: value} | ({} if token % 2 == 0 else {"token_id:99": None})
        for token, name, value in zip(ids, names, values, strict=True)
    ]
    return {"index": index, "logprobs": {"tokens": names, "token_logprobs": values, "top_logprobs": tops}}


def scored(asked: Asked) -> tuple[int, Any]:
    """Choices come in any order."""
    return 200, {"choices": [choice(index, ids) for index, ids in enumerate(asked.body["prompt"])][::-1]}


def soon() -> float:
    return time.monotonic() + 20


def test_only_targets_count() -> None:
    with fake({COMPLETIONS: scored}) as server:
        found = scoring.score(Endpoint(server.url), [question(1, 2, 3, 4), question(6, 5, 7, 8, begin=2)], soon())
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.perplexity == pytest.approx(math.exp((0.2 + 0.3 + 0.4 + 0.7 + 0.8) / 5))
    assert (found.records, found.left_out) == (2, 0)
    [asked] = server.asked
    assert {**asked.body, "prompt": None} == {
        "prompt": None,
        "max_tokens": 0,
        "echo": True,
        "logprobs": 1,
        "return_tokens_as_token_ids": True,
    }


def test_records_that_are_too_long_are_left_out_and_others_of_their_batch_are_not() -> None:
    def limited(asked: Asked) -> tuple[int, Any]:
        if any(len(ids) > 3 for ids in asked.body["prompt"]):
            return 400, {"error": {"code": "context_length_exceeded", "message": "prompt has 4 tokens"}}
        return scored(asked)

    with fake({COMPLETIONS: limited}) as server:
        found = scoring.score(Endpoint(server.url), [question(1, 2), question(1, 2, 3, 4), question(4, 4)], soon())
        assert (found.records, found.left_out, found.accuracy) == (2, 1, 1.0)
        with pytest.raises(Unanswered, match="takes none of the 1 records"):
            scoring.score(Endpoint(server.url), [question(1, 2, 3, 4)], soon())


def test_a_busy_server_is_asked_less_at_once_and_later() -> None:
    busy = [True, True]

    def answer(asked: Asked) -> Any:
        if len(asked.body["prompt"]) > 1 or (busy and busy.pop()):
            return 429, {"error": {"code": "queue_full", "message": "the queue is full"}}, {"Retry-After": "0"}
        return scored(asked)

    with fake({COMPLETIONS: answer}) as server:
        found = scoring.score(Endpoint(server.url), [question(1, 2), question(2, 4)], soon())
    assert found.records == 2
    assert [len(asked.body["prompt"]) for asked in server.asked] == [2, 1, 1, 1, 1]


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_exceeded"), (503, "engine_unavailable"), (429, "")])
def test_a_rate_limit_or_a_loading_engine_is_waited_for_with_the_same_records(status: int, code: str) -> None:
    busy = [True, True]

    def answer(asked: Asked) -> Any:
        if busy and busy.pop():
            return status, {"error": {"code": code, "message": "later"}}, {"Retry-After": "0"}
        return scored(asked)

    with fake({COMPLETIONS: answer}) as server:
        found = scoring.score(Endpoint(server.url), [question(1, 2), question(2, 4)], soon())
    assert found.records == 2
    assert [len(asked.body["prompt"]) for asked in server.asked] == [2, 2, 2]


@pytest.mark.parametrize("status", [413, 504])
def test_records_that_are_too_much_together_are_asked_one_by_one(status: int) -> None:
    def answer(asked: Asked) -> Any:
        several = len(asked.body["prompt"]) > 1
        return (status, {"error": {"code": "x", "message": "too much"}}) if several else scored(asked)

    with fake({COMPLETIONS: answer}) as server:
        assert scoring.score(Endpoint(server.url), [question(1, 2), question(2, 4)], soon()).records == 2
        server.pages[COMPLETIONS] = (status, {"error": {"code": "x", "message": "too much"}})
        with pytest.raises(Unanswered, match=f"{status} too much"):
            scoring.score(Endpoint(server.url), [question(1, 2), question(2, 4)], soon())


def test_a_server_that_stays_busy_ends_at_the_deadline() -> None:
    with fake({COMPLETIONS: (503, {}, {"Retry-After": "60"})}) as server:
        begin = time.monotonic()
        with pytest.raises(Unanswered, match="longer than the time between two cycles"):
            scoring.score(Endpoint(server.url), [question(1, 2)], begin + 0.3)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, {"error": {"message": "a valid bearer token is needed"}}), "401 a valid bearer token"),
        ((400, {"error": {"message": "unknown field", "code": "invalid_value"}}), "400 unknown field"),
        ((200, {"choices": []}), "something else than was asked for"),
        ((200, {"choices": [choice(0, [1, 3])]}), "other tokens"),
        ((200, b"<html>"), "no JSON"),
        ((302, b"", {"Location": "http://127.0.0.1:9/"}), "302"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told(answer: Any, told: str) -> None:
    with fake({COMPLETIONS: answer}) as server, pytest.raises(Unanswered, match=told) as error:
        scoring.score(Endpoint(server.url), [question(1, 2)], soon())
    assert server.url in str(error.value)
    assert len(server.asked) == 1


def test_classes_are_compared_by_name() -> None:
    rows = [Question(Encoded([1], [], 0), text, label) for text, label in (("a", "x"), ("b", "y"), ("c", "x"))]

    def answer(asked: Asked) -> tuple[int, Any]:
        return 200, [{"label": "x"} for _ in asked.body["prompts"]]

    with fake({PREDICT: answer}) as server:
        found = scoring.score(Endpoint(server.url), rows, soon())
    assert found == (2 / 3, None, 3, 0)
    assert server.asked[0].body == {"prompts": ["a", "b", "c"]}


def test_the_sample_is_random_and_the_same_in_every_order() -> None:
    records = [{"id": f"{number:016x}"} for number in range(200)]
    first = sample(iter(records), 20)
    assert first == sample(records[::-1], 20)
    assert first == sample(records, 50)[:20]
    numbers = [int(str(record["id"]), 16) for record in first]
    assert numbers != sorted(numbers)
    assert len(set(numbers)) == 20
    assert len(sample(records, 1000)) == 200
