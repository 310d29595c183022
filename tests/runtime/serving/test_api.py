"""What callers get: official client, own endpoints, and a clear 4xx for everything that makes no sense."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from mlops_runtime.data.features import number_bin
from mlops_runtime.serving.problems import Problem
from mlops_runtime.serving.schemas import Completion, parsed
from pydantic import ValidationError

from tests.runtime.serving.fake import DATA, INFO, MODEL, FakeEngine, made
from tests.runtime.serving.running import CLIENT, Running, running, until


@pytest.fixture
def client(server: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def test_predict_answers_one_prompt_with_an_object(server: Running) -> None:
    found = server.post("/predict", {"prompt": "hello", "max_tokens": 3})
    body = found.json()
    assert found.status_code == 200
    assert body["generated_text"] == "<he"
    assert (body["input_tokens"], body["output_tokens"], body["finish_reason"]) == (5, 3, "length")
    assert 0 < body["latency_seconds"] < 5
    assert found.headers["x-response-id"] == body["id"]
    assert found.headers["x-variant"] == "champion"


def test_predict_answers_several_prompts_and_one_that_fails_takes_no_other(server: Running) -> None:
    found = server.post("/predict", {"prompts": ["a", "b!broken", "c!refuse", "d"]})
    assert found.status_code == 200
    texts = [one.get("generated_text") for one in found.json()]
    codes = [one["error"]["code"] for one in found.json() if "error" in one]
    assert texts == ["<a>", None, None, "<d>"]
    assert codes == ["engine_unavailable", "invalid_value"]
    assert server.post("/predict", {"prompts": ["b!broken", "c!broken"]}).status_code == 503


def test_predict_classifies() -> None:
    with running(made(FakeEngine(), task="text-classification")) as server:
        found = server.post("/predict", {"prompts": ["hello you", "hi"]}).json()
        assert [one["label"] for one in found] == ["long", "short"]
        assert found[0]["scores"] == {"long": 0.75, "short": 0.25}
        assert server.post("/predict", {"prompt": "hi"}).json()["label"] == "short"
        refused = server.post("/v1/completions", {"prompt": "hi"})
        assert refused.status_code == 400
        assert "/predict" in refused.json()["error"]["message"]


def test_openai_client_completes(client: openai.OpenAI) -> None:
    found = client.completions.create(model="tiny", prompt="abc", max_tokens=9, temperature=0, seed=1, stop=["x"])
    assert found.choices[0].text == "<abc>"
    assert found.choices[0].finish_reason == "stop"
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 5)
    many = client.completions.create(model="tiny", prompt=["a", "bc"], n=2, max_tokens=2)
    assert [(one.index, one.text) for one in many.choices] == [(0, "<a"), (1, "<a"), (2, "<b"), (3, "<b")]
    ids = client.completions.create(model="tiny", prompt=[[65, 66], [67]])
    assert [one.text for one in ids.choices] == ["<AB>", "<C>"]


def test_openai_client_streams_completions(client: openai.OpenAI) -> None:
    stream = client.completions.create(
        model="tiny", prompt=["ab", "cd"], stream=True, stream_options={"include_usage": True}, echo=True
    )
    texts, usage, reasons = {0: "", 1: ""}, None, []
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            reasons += [choice.finish_reason] if choice.finish_reason else []
    assert texts == {0: "ab<ab>", 1: "cd<cd>"}
    assert reasons == ["stop", "stop"]
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (4, 8)


def test_openai_client_scores_token_ids(client: openai.OpenAI) -> None:
    found = client.completions.create(
        model="tiny", prompt=[[65, 66, 67], [68, 69]], echo=True, logprobs=1, max_tokens=0,
        extra_body={"return_tokens_as_token_ids": True},
    )  # fmt: skip
    first = found.choices[0].logprobs
    assert first is not None
    assert first.tokens == ["token_id:65", "token_id:66", "token_id:67"]
    assert first.token_logprobs == [None, -1.0, -0.5]
    assert first.top_logprobs is not None
    assert first.top_logprobs == [None, {"token_id:66": -1.0}, {"token_id:67": -0.5, "token_id:65": -0.25}]
    assert found.choices[0].text == "ABC"
    assert found.usage is not None
    assert found.usage.completion_tokens == 0


def test_openai_client_gets_log_probabilities_of_prompt_and_answer(client: openai.OpenAI) -> None:
    found = client.completions.create(model="tiny", prompt="ab", echo=True, logprobs=1, max_tokens=2)
    logprobs = found.choices[0].logprobs
    assert logprobs is not None
    assert found.choices[0].text == "ab<a"
    assert logprobs.tokens == ["a", "b", "<", "a"]
    assert logprobs.token_logprobs == [None, -1.0, -0.5, -0.5]
    assert logprobs.text_offset == [0, 1, 2, 3]


def test_openai_client_chats(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}]
    found = client.chat.completions.create(model="tiny", messages=messages, logprobs=True, n=2)
    assert [choice.message.content for choice in found.choices] == ["<hi>", "<hi>"]
    assert found.choices[0].message.role == "assistant"
    assert found.choices[0].logprobs is not None
    assert [one.logprob for one in found.choices[0].logprobs.content or ()] == [-0.5] * 4
    stream = client.chat.completions.create(
        model="tiny", messages=messages, stream=True, max_completion_tokens=3, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "<hi"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 5


def test_openai_client_raises_its_errors(client: openai.OpenAI, server: Running) -> None:
    with pytest.raises(openai.NotFoundError, match="no model 'other'") as missing:
        client.completions.create(model="other", prompt="a")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="101 tokens; at most 100") as long:
        client.completions.create(model="tiny", prompt="x" * 101)
    assert long.value.code == "context_length_exceeded"
    assert long.value.param == "prompt"
    with pytest.raises(openai.BadRequestError, match="max_tokens is 51; at most 50"):
        client.completions.create(model="tiny", prompt="x", max_tokens=51)
    with pytest.raises(openai.InternalServerError, match="try again"):
        client.completions.create(model="tiny", prompt="x!broken")
    with pytest.raises(openai.APIError, match="try again"):
        list(client.completions.create(model="tiny", prompt="x!broken", stream=True))
    before = server.sample("model_requests_total", status="error")
    with pytest.raises(openai.BadRequestError, match="this prompt is refused"):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "!refuse"}], stream=True)
    assert server.sample("model_requests_total", status="error") == before
    assert [model.id for model in client.models.list()] == ["tiny"]


BAD: list[tuple[str, Any, int, str]] = [
    ("/predict", b"{", 400, "no JSON"),
    ("/predict", b'{"prompt": "\xff"}', 400, "no JSON"),
    ("/predict", b'{"prompt": "\\ud800"}', 400, "no JSON"),
    ("/predict", b'{"prompt": "a\x00b"}', 400, "no JSON"),
    ("/predict", b'{"prompt": "a\\u0000b"}', 400, "NUL"),
    ("/predict", b'["prompt"]', 400, "object"),
    ("/predict", {}, 400, "either `prompt` or `prompts`"),
    ("/predict", {"prompt": "a", "prompts": ["b"]}, 400, "either"),
    ("/predict", {"prompts": []}, 400, "prompts"),
    ("/predict", {"prompts": ["x"] * 13}, 400, "13 answers at once are more than this server takes: at most 12"),
    ("/predict", {"prompt": ""}, 400, "prompt: String should have at least 1 character"),
    ("/predict", {"prompt": 5}, 400, "valid string"),
    ("/predict", {"prompt": "a", "max_tokens": -1}, 400, "max_tokens"),
    ("/predict", {"prompt": "a", "max_tokens": "5"}, 400, "max_tokens"),
    ("/predict", {"prompt": "a", "max_token": 5}, 400, "max_token: Extra inputs"),
    ("/predict", b'{"prompt": "a", "temperature": NaN}', 400, "temperature"),
    ("/predict", {"prompt": "a", "temperature": -0.1}, 400, "temperature"),
    ("/predict", {"prompt": "a", "top_p": 0}, 400, "top_p"),
    ("/predict", {"prompt": "a", "seed": 2**70}, 400, "seed"),
    ("/predict", {"prompt": "x" * 6401}, 400, "6,401 characters; at most 100 tokens"),
    ("/predict", {"prompt": "x" * 1_000_000}, 400, "1,000,000 characters"),
    ("/predict", {"prompt": "x" * 5_000_000}, 413, "larger than 4,194,304 bytes"),
    ("/v1/completions", {"prompt": [1, 2], "model": "tiny", "max_tokens": 0}, 400, "max_tokens is 0"),
    ("/v1/completions", {"prompt": [0x110000]}, 400, "the largest is"),
    ("/v1/completions", {"prompt": [-1]}, 400, "prompt"),
    ("/v1/completions", {"prompt": []}, 400, "prompt"),
    ("/v1/completions", {"prompt": [[]]}, 400, "prompt"),
    ("/v1/completions", {"prompt": "a", "n": 0}, 400, "n: "),
    ("/v1/completions", {"prompt": "a", "logit_bias": {"5": 1.0}}, 400, "logit_bias"),
    ("/v1/completions", {"prompt": "a", "presence_penalty": 0.5}, 400, "presence_penalty"),
    ("/v1/completions", {"prompt": "a", "stream": True, "echo": True, "logprobs": 1}, 400, "cannot be streamed"),
    ("/v1/chat/completions", {"messages": []}, 400, "messages"),
    ("/predict", {str(number): 1 for number in range(65)}, 400, "more than 64 fields"),
    ("/v1/chat/completions", {"messages": [dict.fromkeys(map(str, range(65)))]}, 400, "more than 64 fields"),
    ("/v1/chat/completions", {"messages": [{"role": "king", "content": "a"}]}, 400, "role"),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": ""}]}, 400, "no token"),
    ("/feedback", {"id": "cmpl-1", "rating": 6}, 400, "rating"),
    ("/feedback", {"id": "cmpl-1", "rating": 5}, 404, "no answer of this id"),
    ("/nothing", {}, 404, "nothing at /nothing"),
    ("/version", {}, 405, "another method"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "code", "text"), BAD, ids=[f"{b[0]}-{b[3][:20]}" for b in BAD])
def test_requests_that_make_no_sense_get_a_clear_4xx(
    server: Running, path: str, body: Any, code: int, text: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = CLIENT.post(server.url + path, content=content, timeout=30)
    assert found.status_code == code
    error = found.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert text in error["message"], error["message"]
    assert len(found.content) < 2000, "what was sent is not sent back"


HUGE = {
    "empty texts": b'{"prompt": [' + b'"",' * 1_000_000 + b'""]}',
    "short lists": b'{"prompt": [' + b"[-1]," * 600_000 + b"[1]]}",
    "unknown fields": b"{" + b",".join(b'"k%d":1' % number for number in range(200_000)) + b"}",
    "nested lists": b"[" * 4_000_000,
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_body_full_of_mistakes_is_refused(kind: str) -> None:
    with pytest.raises(Problem):
        parsed(Completion, HUGE[kind])


@pytest.mark.parametrize("kind", ["empty texts", "short lists"])
def test_looking_for_mistakes_ends_early_so_that_no_body_holds_up_the_others(kind: str) -> None:
    with pytest.raises(ValidationError) as found:
        Completion.model_validate(json.loads(HUGE[kind]))
    assert found.value.error_count() < 20


def test_the_fields_of_a_crowded_body_are_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Completion, "model_validate", lambda content: pytest.fail("200,000 mistakes are collected"))
    with pytest.raises(Problem, match="more than 64 fields"):
        parsed(Completion, HUGE["unknown fields"])


def test_a_body_without_a_length_is_cut_off_while_it_arrives(server: Running) -> None:
    sent = 0

    def parts() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1 << 16
            yield b"x" * (1 << 16)

    try:
        assert CLIENT.post(server.url + "/predict", content=parts(), timeout=30).status_code == 413
    except httpx.WriteError:
        pass
    assert sent < 40 << 20


def test_token_is_asked_for_where_answers_are_and_not_where_probes_look() -> None:
    with running(made(FakeEngine(), token="s3cret", auth=True)) as server:
        for path in ("/healthz", "/readyz", "/metrics", "/version"):
            assert server.get(path).status_code == 200
        wrong = ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}, {"Authorization": "Basic s3cret"})
        for headers in wrong:
            for path in ("/predict", "/v1/completions", "/v1/chat/completions", "/feedback"):
                found = server.post(path, {"prompt": "a"}, headers=headers)
                assert found.status_code == 401
                assert found.json()["error"]["code"] == "invalid_api_key"
                assert found.headers["www-authenticate"] == "Bearer"
            assert server.get("/internal/features", headers=headers).status_code == 401
            assert server.get("/v1/models", headers=headers).status_code == 401
        right = {"Authorization": "bearer s3cret"}
        assert server.post("/predict", {"prompt": "a"}, headers=right).status_code == 200
        assert server.get("/internal/features", headers=right).status_code == 200
        assert server.sample("model_requests_rejected_total", reason="unauthorized") == 12


def test_ratings_belong_to_answers_of_this_server_and_count_once(server: Running) -> None:
    name = server.post("/v1/completions", {"prompt": "abc"}).json()["id"]
    assert server.post("/feedback", {"id": name, "rating": 4}).json() == {"id": name, "rating": 4}
    again = server.post("/feedback", {"id": name, "rating": 1})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_rated")
    assert server.sample("model_feedback_rating_sum") == 4
    assert server.sample("model_feedback_rating_count") == 1


def test_a_batch_s_answers_are_rated_one_by_one(server: Running) -> None:
    first, second = server.post("/predict", {"prompts": ["a", "b"]}).json()
    assert server.post("/feedback", {"id": first["id"], "rating": 4}).status_code == 200
    assert server.post("/feedback", {"id": second["id"], "rating": 2}).status_code == 200


def test_version_tells_what_runs(server: Running) -> None:
    found = server.get("/version").json()
    assert (found["model"], found["version"], found["semantic_version"]) == ("tiny", "7", "1.2.3")
    assert found["variant"] == "champion"
    assert found["model_digest"] == DATA
    assert found["spec_digest"] == INFO["spec_digest"]
    assert all(len(found[name]) == 64 for name in ("data_digest", "preprocessing_digest"))


def test_request_ids_are_kept_when_they_are_sane(server: Running) -> None:
    assert server.get("/version", headers={"x-request-id": "abc-1.2:3"}).headers["x-request-id"] == "abc-1.2:3"
    for wrong in ('{"a": 1}', "x" * 129, "a b", ""):
        found = server.get("/version", headers={"x-request-id": wrong}).headers["x-request-id"]
        assert len(found) == 32


def test_the_log_has_a_line_a_request_and_never_a_text(capfd: pytest.CaptureFixture[str]) -> None:
    with running(made(FakeEngine())) as server:
        secret = "violet-otter"
        server.post("/predict", {"prompt": secret}, headers={"x-request-id": "mine"})
        server.post("/v1/completions", {"prompt": secret + "!crash", "user": secret, "stream": True})
        server.post("/predict", {"prompt": secret, "temperature": secret})
    out, err = capfd.readouterr()
    assert "violet" not in out + err
    lines = [json.loads(line) for line in out.splitlines()]
    first = next(line for line in lines if line.get("request_id") == "mine")
    assert (first["status"], first["outcome"], first["input_tokens"], first["output_tokens"]) == (
        200,
        "success",
        12,
        14,
    )
    assert first["variant"] == "champion"
    assert first["seconds"] > 0
    failure = next(line for line in lines if line["event"] == "failure")
    assert failure["kind"] == "ZeroDivisionError"
    assert any("fake.py" in frame for frame in failure["stack"])


def test_recent_requests_are_counted_in_bins_without_text() -> None:
    drift = {"question": ["length", "words", "value"], "answer": ["length", "tokens"], "other": ["length"]}
    with running(made(FakeEngine(), drift=drift)) as server:
        server.post("/predict", {"prompt": "two words"})
        server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "I cannot"}], "max_tokens": 2})
        server.post("/v1/completions", {"prompt": "\ufffd", "n": 2})
        server.post("/v1/completions", {"prompt": [1, 2], "echo": True, "max_tokens": 0, "logprobs": 1})
        server.post("/predict", {"prompt": "x!broken"})
        found = server.get("/internal/features").json()
        assert found["records"] == 4
        assert set(found["features"]) == {"question.length", "question.words", "answer.length", "answer.tokens"}
        assert found["features"]["question.length"]["bins"] == {
            str(number_bin(9)): 1, str(number_bin(8)): 1, str(number_bin(1)): 2,
        }  # fmt: skip
        assert found["answers"] == {"count": 4, "refused": 0, "empty": 2, "malformed": 2, "truncated": 1}
        assert found["output_tokens"] == 11 + 2 + 3 + 3
        assert found["logprob"] == {"count": 1, "sum": -0.5}
        assert "words" not in json.dumps(found["features"]["answer.tokens"])
        assert server.get("/internal/features", params={"since": found["end"] + 1}).json()["records"] == 0
        assert server.get("/internal/features", params={"since": "nan"}).status_code == 400


def test_callers_are_limited_by_header_or_address() -> None:
    from mlops_runtime.serving.settings import RateLimit

    limit = RateLimit(3, 60.0, "x-user-id")
    with running(made(FakeEngine(), rate_limit=limit)) as server:
        one, other = {"x-user-id": "one"}, {"x-user-id": "other"}
        codes = [server.post("/predict", {"prompt": "a"}, headers=one).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        refused = server.post("/predict", {"prompt": "a"}, headers=one)
        assert 15 <= int(refused.headers["retry-after"]) <= 21
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert server.post("/predict", {"prompt": "a"}, headers=other).status_code == 200
        assert server.get("/version", headers=one).status_code == 200
        nobody = [server.post("/predict", {"prompt": "a"}).status_code for _ in range(4)]
        assert nobody == [200, 200, 200, 429]
        assert server.sample("model_requests_rejected_total", reason="rate_limit") == 4


@pytest.mark.slow
def test_idle_connections_stay_open_for_longer_than_routers_keep_theirs(server: Running) -> None:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0, timeout=10)
    connection.connect()
    same = connection.sock
    for pause in (0.0, 5.2):
        time.sleep(pause)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        assert connection.sock is same
    connection.close()


def test_a_server_is_not_ready_without_its_engine() -> None:
    engine = FakeEngine()
    with running(made(engine)) as server:
        engine.healthy = False
        assert server.get("/readyz").status_code == 503
        assert server.get("/healthz").status_code == 200
        found = server.post("/predict", {"prompt": "a"})
        assert (found.status_code, found.json()["error"]["code"]) == (503, "engine_unavailable")
        engine.healthy = True
        until(lambda: server.get("/readyz").status_code == 200)
        assert server.sample("model_requests_total", status="error") == 1


def test_liveness_ends_when_the_engine_inside_stays_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_runtime.serving.routes import plain

    monkeypatch.setattr(plain, "STUCK", 0.05)
    for engine, code in (("transformers", 503), ("custom", 200)):
        fake = FakeEngine()
        with running(made(fake, engine=engine)) as server:
            assert server.get("/healthz").status_code == 200
            fake.healthy = False
            if code == 503:
                until(lambda server=server: server.get("/healthz").status_code == 503)
            else:
                assert server.get("/healthz").status_code == 200


def test_model_without_tokenizer_shows_pieces_as_tokens() -> None:
    model = MODEL._replace(text=None, folder=None, info={})
    with running(made(FakeEngine(), model=model, engine="custom")) as server:
        found = server.post("/v1/completions", {"prompt": "ab", "logprobs": 1}).json()["choices"][0]
        assert found["text"] == "<ab>"
        assert len(found["logprobs"]["tokens"]) == 4
