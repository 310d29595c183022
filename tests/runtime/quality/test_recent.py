"""Recent requests of several replicas."""

from __future__ import annotations

import math
import socket
from contextlib import ExitStack
from typing import Any

import pytest
from mlops_runtime.data.features import number_bin
from mlops_runtime.endpoint import Unanswered
from mlops_runtime.quality.recent import Replicas
from mlops_runtime.serving.recent import Recent

from mlopsgen.contract.ports import FEATURES as PATH
from tests.runtime.quality.fake import Asked, fake
from tests.runtime.serving.running import free_port

ROLES = {"prompt": "question", "response": "answer"}


def recent(*prompts: str) -> Recent:
    """A server's window, with an answer to each prompt."""
    found = Recent({"question": ("length", "tokens")}, ROLES)
    for prompt in prompts:
        found.add(prompt, "I cannot help with that." if "!" in prompt else "Yes.", 3, "stop", (-1.0, -2.0))
    return found


def rated(count: int, total: float) -> bytes:
    """What a server that got ratings shows."""
    name = "model_feedback_rating"
    return (
        f"# TYPE {name} histogram\n"
        f'{name}_bucket{{model_name="a",le="+Inf"}} {count}\n'
        f'{name}_sum{{model_name="a"}} {total}\n{name}_count{{model_name="a"}} {count}\n'
        "# TYPE model_queue_depth gauge\nmodel_queue_depth 3\n"
    ).encode()


def page(source: Recent) -> Any:
    """What a server answers about its window."""

    def answer(asked: Asked) -> tuple[int, Any]:
        return 200, source.document(float(asked.query["since"]))

    return answer


def resolving(*addresses: str) -> Any:
    """A name server that knows these."""
    kinds = [(socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in addresses]
    return lambda host, port, *_: [(kind, socket.SOCK_STREAM, 6, "", (one, port)) for kind, one in kinds]


def test_replicas_behind_a_name_are_asked_one_by_one_and_added_up() -> None:
    port = free_port()
    rating = rated(2, 7.0)
    first = {PATH: page(recent("abc", "abcd")), "/metrics": (200, rating)}
    second = {PATH: page(recent("abc", "x!")), "/metrics": (200, rating)}
    with fake(first, "127.0.0.1", port) as one, fake(second, "127.0.0.2", port) as other:
        replicas = Replicas(f"http://model:{port}", "secret", resolving("::1", "127.0.0.1", "127.0.0.2"))
        found = replicas.window()
        assert replicas.rating() == (4, 14.0)
    assert found.features.records == 4
    assert found.features.counts["question.length"].bins == {number_bin(3): 2, number_bin(4): 1, number_bin(2): 1}
    assert found.features.counts["question.tokens"].total == 4
    assert found.answers.signs == {"refused": 1, "empty": 0, "malformed": 0, "truncated": 0}
    assert found.answers == (4, found.answers.signs, 12, (4, -6.0))
    for asked in (*one.asked, *other.asked):
        assert asked.headers["host"] == f"model:{port}"
        assert asked.headers["authorization"] == "Bearer secret"


def test_no_request_is_part_of_two_windows() -> None:
    source = recent("abc", "abcd")
    with fake({PATH: page(source)}) as server:
        replicas = Replicas(server.url, None)
        assert replicas.window().features.records == 2
        assert replicas.window().features.records == 0
        source.add("abcde", "Yes.", 1)
        found = replicas.window()
    assert found.features.counts["question.length"].bins == {number_bin(5): 1}


@pytest.mark.parametrize("there", [False, True])
def test_replicas_that_are_gone_or_stopping_are_left_out_until_none_is_there(there: bool) -> None:
    port = free_port()
    replicas = Replicas(f"http://model:{port}", None, resolving("127.0.0.1", "127.0.0.2"))
    stopping = (503, {"error": {"message": "this server is stopping", "code": "draining"}})
    pages = {PATH: page(recent("abc")), "/metrics": (200, rated(1, 5.0))}
    with ExitStack() as stack:
        if there:
            stack.enter_context(fake({PATH: stopping, "/metrics": stopping}, "127.0.0.1", port))
        with fake(pages, "127.0.0.2", port):
            assert replicas.window().features.records == 1
            assert replicas.rating() == (1, 5.0)
        for ask in (replicas.window, replicas.rating):
            with pytest.raises(Unanswered, match="no answer" if not there else "no answer|503 this server is stopping"):
                ask()


def test_a_replica_that_gets_company_is_not_counted_again() -> None:
    port, known = free_port(), ["127.0.0.1"]

    def resolve(*more: Any) -> Any:
        return resolving(*known)(*more)

    replicas = Replicas(f"http://localhost:{port}", None, resolve)
    first = recent("abc", "abcd")
    with fake({PATH: page(first)}, "127.0.0.1", port), fake({PATH: page(recent("x!"))}, "127.0.0.2", port):
        assert replicas.window().features.records == 2
        known.append("127.0.0.2")
        first.add("abcde", "Yes.", 1)
        assert replicas.window().features.counts["question.length"].bins == {number_bin(5): 1, number_bin(2): 1}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (recent().document() | {"version": 2}, "counts of version 2"),
        ({"version": 1}, "no counts of requests"),
        ([1], "no counts of requests"),
    ],
)
def test_what_is_no_document_is_told(document: Any, told: str) -> None:
    with fake({PATH: (200, document)}) as server, pytest.raises(Unanswered, match=told):
        Replicas(server.url, None).window()


def test_a_name_that_nobody_knows_is_told() -> None:
    def unknown(*_: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unanswered, match=r"model cannot be found.*not known"):
        Replicas("http://model:8000", None, unknown).window()


def test_a_refused_token_is_told_and_metrics_must_be_there() -> None:
    pages: dict[str, Any] = {PATH: (401, {"error": {"message": "a valid bearer token is needed", "code": "x"}})}
    with fake(pages) as server:
        replicas = Replicas(server.url, "wrong")
        with pytest.raises(Unanswered, match="401 a valid bearer token"):
            replicas.window()
        with pytest.raises(Unanswered, match="/metrics answered 404"):
            replicas.rating()
        pages["/metrics"] = (200, b"<html>")
        with pytest.raises(Unanswered, match="/metrics answered no metrics"):
            replicas.rating()
    assert math.isfinite(float(server.asked[0].query["since"]))


def test_a_server_behind_tls_is_asked_by_its_name() -> None:
    replicas = Replicas("https://model.example:1", None, resolving("127.0.0.1", "127.0.0.2"))
    with pytest.raises(Unanswered, match=r"https://model\.example:1"):
        replicas.window()
