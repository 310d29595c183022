"""The limit per caller, on the real Envoy. Where Istio would put the filter is emulated: see `translation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlopsgen.targets.istio import files
from tests.targets.istio.envoy import Client, accepts, bootstrap, listener, router, running
from tests.targets.istio.specs import Object, objects, one, project, spec
from tests.targets.istio.translation import inserted

OK = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
ROUTES = {"name": "in", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [OK]}]}

# An hour, so that no token comes back while a test runs.
BY_HEADER = "{requests: 60, per: 1h, by: X-User-Id}"
BY_ADDRESS = "{requests: 60, per: 1h}"


def envoy_filter(limit: str) -> Object:
    """The EnvoyFilter of a limit."""
    found = objects(files(project(spec("istio", more=(f"serving: {{port: 9000, rate_limit: {limit}}}",)))))
    return one(found, "EnvoyFilter")


def settings(found: Object) -> dict[str, Any]:
    """Settings of the filter in it."""
    result: dict[str, Any] = found["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
    return result


def config(found: Object, port: int = 9000) -> dict[str, Any]:
    """Envoy as a serving pod's sidecar."""
    return bootstrap([listener("in", ROUTES, inserted([router()], found, "SIDECAR_INBOUND", port))], [])


@contextmanager
def client(folder: Path, found: Object, port: int = 9000) -> Iterator[Client]:
    """A client of such an Envoy."""
    with running(config(found, port), folder) as ports:
        yield Client(ports["in"])


def served(ask: Callable[..., Any], number: int, method: str = "POST", **headers: str) -> list[int]:
    """Statuses of a number of requests."""
    return [ask(method, **headers).status for _ in range(number)]


def test_the_61st_request_of_a_caller_is_refused_and_another_caller_is_served(tmp_path: Path) -> None:
    with client(tmp_path, envoy_filter(BY_HEADER)) as ask:
        assert served(ask, 61, x_user_id="anna") == [200] * 60 + [429]
        refused = ask("POST", x_user_id="anna")
        assert (refused.status, refused.getheader("retry-after")) == (429, "60")
        assert refused.getheader("x-ratelimit-limit") == "60"
        assert served(ask, 61, x_user_id="bert") == [200] * 60 + [429]
        assert served(ask, 5, "GET", x_user_id="anna") == [200] * 5


def test_a_caller_without_the_header_is_known_by_the_address(tmp_path: Path) -> None:
    with client(tmp_path, envoy_filter(BY_HEADER)) as ask:
        assert served(ask, 61, x_forwarded_for="203.0.113.1") == [200] * 60 + [429]
        assert served(ask, 1, x_forwarded_for="203.0.113.2") == [200]
        assert served(ask, 1, x_forwarded_for="203.0.113.1", x_user_id="anna") == [200]


def test_the_address_is_the_one_that_the_gateway_saw(tmp_path: Path) -> None:
    with client(tmp_path, envoy_filter(BY_ADDRESS)) as ask:
        assert served(ask, 60, x_forwarded_for="203.0.113.1") == [200] * 60
        assert served(ask, 1, x_forwarded_for="198.51.100.9, 203.0.113.1") == [429]
        assert served(ask, 1, x_forwarded_for="203.0.113.1, 198.51.100.9") == [200]
        assert served(ask, 1, x_forwarded_for="203.0.113.1", x_user_id="anna") == [429]


def test_many_callers_do_not_make_it_forget_one(tmp_path: Path) -> None:
    def evades(found: Object, folder: Path) -> bool:
        folder.mkdir()
        with client(folder, found) as ask:
            served(ask, 60, x_user_id="anna")
            for number in range(30):
                ask("POST", x_user_id=f"user-{number}")
            return served(ask, 1, x_user_id="anna") == [200]

    found = envoy_filter(BY_HEADER)
    assert not evades(found, tmp_path / "ours")
    del settings(found)["max_dynamic_descriptors"]
    assert evades(found, tmp_path / "default")


def test_another_port_is_not_limited(tmp_path: Path) -> None:
    with client(tmp_path, envoy_filter(BY_HEADER), port=9001) as ask:
        assert served(ask, 61, x_user_id="anna") == [200] * 61


@pytest.mark.parametrize(
    ("limit", "tokens", "interval", "again"),
    [
        ("{requests: 60}", 60, "60s", "1"),
        ("{requests: 1, per: 90s, by: x-user-id}", 1, "90s", "90"),
        ("{requests: 7, per: 1h30m}", 7, "5400s", "772"),
        ("{requests: 5, per: 500ms}", 5, "0.5s", "1"),
        ("{requests: 5, per: 10ms}", 25, "0.05s", "1"),
        ("{requests: 1000000000, per: 1ms}", 2**32 - 1, "0.05s", "1"),
        ("{requests: 1, per: 3650d}", 1, "315360000s", "315360000"),
    ],
)
def test_envoy_takes_every_limit(limit: str, tokens: int, interval: str, again: str, tmp_path: Path) -> None:
    found = envoy_filter(limit)
    buckets = [each["token_bucket"] for each in settings(found)["descriptors"]]
    bucket = {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": interval}
    assert buckets == [bucket] * len(buckets)
    assert settings(found)["response_headers_to_add"][0]["header"]["value"] == again
    assert accepts(config(found), tmp_path) == (True, "")


def test_envoy_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    found = envoy_filter(BY_HEADER)
    settings(found)["max_dynamic_descriptor"] = 5
    good, said = accepts(config(found), tmp_path)
    assert not good
    assert "max_dynamic_descriptor" in said
