"""The whole way with real parts: users through Envoy to two servers, their logs, the analysis."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlops_runtime.experiment.analysis import analyzed
from mlops_runtime.experiment.outcomes import read
from mlops_runtime.experiment.stages import Stages
from mlops_runtime.serving.settings import Experiment

from tests.runtime.experiment.records import settings
from tests.runtime.serving.fake import FakeEngine, made
from tests.runtime.serving.running import Running, running
from tests.targets.local.serving import envoy

USERS = 120


@pytest.fixture
def servers() -> Iterator[dict[str, Running]]:
    """Champion and canary, which answers twice as slowly."""
    given = Experiment("x-user-id", "assistant/local")
    with (
        running(made(FakeEngine(slots=16, step=0.0005), experiment=given, variant="champion")) as champion,
        running(made(FakeEngine(slots=16, step=0.002), experiment=given, variant="canary")) as canary,
    ):
        yield {"champion": champion, "canary": canary}


@pytest.mark.slow
def test_users_of_a_ramp_through_envoy(
    servers: dict[str, Running], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each stage has its share of users, nobody is in both arms of one, and the slower canary is found."""
    shares, begins, seen = (0.2, 0.5), [], []
    ports = {name: int(server.url.rpartition(":")[2]) for name, server in servers.items()}
    with envoy("sticky", tmp_path, ports) as router, httpx.Client(trust_env=False, verify=False) as client:
        for share in shares:
            begins.append(time.time())
            router.weigh(round(100 * share))
            seen.append([served(client, router.port, f"user-{number}") for number in range(USERS)])
    log = tmp_path / "log.jsonl"
    log.write_text("".join(line + "\n" for line in capfd.readouterr().out.splitlines() if '"outcome"' in line))
    stages = Stages(tuple(begins), shares)
    given = settings(metric="latency")
    found = analyzed(read([str(log)], stages), given, stages, "sequence")
    assert found["users"]["total"] == USERS
    assert found["users"]["in_both_arms"] == 0
    canaries = [one.count("canary") for one in seen]
    assert [one["canary"] for one in found["balance"]["stages"]] == canaries
    assert [one["champion"] for one in found["balance"]["stages"]] == [USERS - count for count in canaries]
    assert found["users"]["moved_by_the_schedule"] == canaries[1] - canaries[0] > 0
    assert not found["balance"]["alarm"]
    assert found["decision"]["verdict"] == "keep"
    assert found["decision"]["reason"].startswith("latency is worse: +")
    assert found["metrics"]["rating"]["users"]["canary"] == canaries[1]


def served(client: httpx.Client, port: int, user: str) -> str:
    """The variant that served a user, who rates the answer."""
    url, headers = f"http://127.0.0.1:{port}", {"x-user-id": user}
    answer = client.post(f"{url}/predict", json={"prompt": "hello"}, headers=headers)
    rating: dict[str, Any] = {"id": answer.json()["id"], "rating": 3 + len(user) % 2}
    rated = client.post(f"{url}/feedback", json=rating, headers=headers)
    assert (answer.status_code, rated.status_code) == (200, 200), json.dumps(rating)
    assert rated.headers["x-variant"] == answer.headers["x-variant"]
    return answer.headers["x-variant"]
