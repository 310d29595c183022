"""Level `end_to_end`: a deployed endpoint, asked as its callers and its cluster ask it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from mlops_runtime.testing.verdict import fail
from mlopsgen.contract import metrics, ports

if TYPE_CHECKING:
    from mlops_runtime.testing.endpoint import Endpoint, Reply

pytestmark = pytest.mark.end_to_end

PROMPTS = ("Hello.", "What can you do?", "Write one sentence.")

HIDDEN = (403, 404)
"""Statuses by which a gateway keeps a path to itself."""

REFUSALS = (400, 413, 415, 422)
"""Statuses that say that the request itself is wrong."""

MALFORMED: dict[str, object] = {
    "no JSON": b'{"prompt": ',
    "no object": ["Hello."],
    "no prompt": {},
    "prompt of another type": {"prompt": {"text": 5}},
}


def _answered(reply: Reply) -> Reply:
    if reply.status != 200:
        fail("status", expected=200, found=reply.shown, at=[reply.place])
    return reply


@pytest.mark.parametrize("path", [ports.HEALTH, ports.READY])
def test_is_up(endpoint: Endpoint, path: str) -> None:
    """The probes of the cluster are answered."""
    _answered(endpoint.get(path))


def test_serves_the_model(endpoint: Endpoint, spec: Mapping[str, Any], pytestconfig: pytest.Config) -> None:
    """The endpoint serves the model of this project, and the version that `--model-version` names."""
    reply = _answered(endpoint.get(ports.VERSION))
    found = reply.json()
    expected = {"model": spec["model"]["name"], "version": pytestconfig.getoption("model_version")}
    for key, value in expected.items():
        if value is not None and str(found.get(key)) != value:
            fail(f"`{key}` that is served", expected=value, found=found.get(key), at=[reply.place])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_predicts(endpoint: Endpoint, spec: Mapping[str, Any], prompt: str) -> None:
    """A prompt gets an answer: text, or a class."""
    reply = _answered(endpoint.post(ports.PREDICT, {"prompt": prompt}))
    key = "label" if spec["model"]["task"] == "text-classification" else "generated_text"
    if not isinstance(reply.json().get(key), str):
        fail("answer", expected=f"a text under `{key}`", found=reply.shown, at=[reply.place])


def test_completes(endpoint: Endpoint, spec: Mapping[str, Any]) -> None:
    """The OpenAI-compatible path answers, and keeps to max_tokens."""
    if spec["model"]["task"] == "text-classification":
        pytest.skip("a classifier completes nothing")
    body = {"model": spec["model"]["name"], "prompt": PROMPTS[0], "max_tokens": 4, "temperature": 0}
    reply = _answered(endpoint.post(ports.COMPLETIONS, body))
    found = reply.json()
    choices = found.get("choices")
    text = choices[0].get("text") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    if not isinstance(text, str):
        fail("completion", expected="a text under `choices[0].text`", found=reply.shown, at=[reply.place])
    used = (found.get("usage") or {}).get("completion_tokens")
    if not isinstance(used, int) or used > 4:
        fail("`usage.completion_tokens` with max_tokens=4", expected="at most 4", found=used, at=[reply.place])


def test_exports_metrics(endpoint: Endpoint, spec: Mapping[str, Any]) -> None:
    """Prometheus finds every metric that rules and dashboards ask for."""
    reply = endpoint.get(ports.METRICS)
    if reply.status in HIDDEN:
        pytest.skip(f"{reply.place} answers {reply.status}: this address hides metrics from outside, as it should")
    _answered(reply)
    types = {line.split(" ", 3)[2]: line.split(" ", 3)[3] for line in reply.text.splitlines() if _typed(line)}
    task = spec["model"]["task"]
    wanted = [f for f in metrics.serving.FAMILIES if not f.engines and not f.needs and (not f.tasks or task in f.tasks)]
    missing = [f"{family.name} ({family.kind})" for family in wanted if types.get(family.name) != family.kind]
    if missing:
        fail(
            "metrics", expected=f"{len(wanted)} families", found=f"{len(missing)} not there", at=[*missing, reply.place]
        )


def _typed(line: str) -> bool:
    return line.startswith("# TYPE ") and line.count(" ") >= 3


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
def test_refuses_malformed_requests(endpoint: Endpoint, body: object) -> None:
    """What is no request is refused as the caller's mistake, and does no harm."""
    reply = endpoint.post(ports.PREDICT, body)
    if reply.status not in REFUSALS:
        fail("malformed request", expected="a refusal, such as 422", found=reply.shown, at=[reply.place])
