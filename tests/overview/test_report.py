"""`mlopsgen report`: what it writes, and what it refuses to overwrite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlopsgen.overview import delivery, tables, values
from mlopsgen.overview.page import MARK, page
from tests.conftest import FULL, SMALLEST
from tests.overview.conftest import Compile

Tell = Callable[..., tuple[int, str, str]]


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    def once(seed: str, zone: str) -> bytes:
        command = [sys.executable, "-m", "mlopsgen", "report", str(FULL), "--output", "-"]
        environment = {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
        return subprocess.run(command, capture_output=True, check=True, env=environment, cwd=tmp_path).stdout

    assert once("1", "UTC") == once("2", "Asia/Tokyo")
    assert os.listdir(tmp_path) == []


def test_it_writes_one_page_and_replaces_its_own(tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlops.yaml").write_text(SMALLEST.read_text())
    code, said, _ = tell("report")
    assert code == 0
    assert said.startswith("report.html: ")
    assert sorted(os.listdir(tmp_path)) == ["mlops.yaml", "report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith(MARK)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o666 & ~mask
    code, said, _ = tell("report", "--format", "json")
    assert code == 0
    found = json.loads(said)["report"]
    assert found["output"] == "report.html"
    assert found["bytes"] == (tmp_path / "report.html").stat().st_size
    assert found["spec_digest"] in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("what", ["file", "link", "folder", "nowhere"])
def test_it_overwrites_nothing_else(tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlops.yaml").write_text(SMALLEST.read_text())
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to("mine.txt")
    (tmp_path / "folder").mkdir()
    output = {"file": "mine.txt", "link": "link", "folder": "folder", "nowhere": "no/such/report.html"}[what]
    before = sorted(os.listdir(tmp_path))
    code, said, _ = tell("report", "--output", output, "--format", "json")
    assert code == 2
    assert [row["code"] for row in json.loads(said)["diagnostics"]] == ["E350"]
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == before


def test_json_needs_a_file(tell: Tell) -> None:
    assert tell("report", str(SMALLEST), "--output", "-", "--format", "json")[0] == 2


def test_the_last_run_tells_how_long_a_training_takes(tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(
        SMALLEST.read_text() + "training: {epochs: 2, resources: {gpu: 4, nodes: 2}}\n"
    )
    assert "is not known before the first one" in tell("report", str(tmp_path), "--output", "-")[1]
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/training.json").write_text('{"seconds": 1800}')
    assert "it takes 4 GPU-hours" in tell("report", str(tmp_path), "--output", "-")[1]


def test_a_step_lasts_until_it_has_its_requests(compiled: Compile) -> None:
    side = compiled(
        SMALLEST.read_text() + "rollout: {steps: [10%, 100%], hold: 5m, min_requests: 300, expected_rate: 5}\n"
    )
    [plan] = delivery.plans(side.project)
    assert [(step.start, step.end) for step in plan.steps] == [(0, 600), (600, 900)]
    assert [step.requests for step in plan.steps] == pytest.approx([300, 1500])
    assert plan.length == 900


def test_only_hard_limits_judge_a_canary_that_has_all_traffic(compiled: Compile) -> None:
    side = compiled(SMALLEST.read_text() + "rollout: {against_champion: {error_rate: {max_ratio: 2}}}\n")
    rows = tables.steps(delivery.plans(side.project)[0])
    assert rows[0].judged == (
        "error rate at most 5%",
        "p95 latency at most 2s",
        "error rate at most 2 times the champion's",
    )
    assert rows[-1].judged == ("error rate at most 5%", "p95 latency at most 2s")
    assert [row.rows for row in rows] == [4, 0, 0, 0, 1]


def test_environments_that_agree_share_a_plan(compiled: Compile) -> None:
    text = SMALLEST.read_text() + "environments: {a: {branch: a, approval: true}, b: {branch: b}}\n"
    assert [[each.name for each in plan.environments] for plan in delivery.plans(compiled(text).project)] == [
        ["a", "b"]
    ]
    text = text.replace("approval: true", "approval: true, rollout: {hold: 20m}")
    assert [[each.name for each in plan.environments] for plan in delivery.plans(compiled(text).project)] == [
        ["a"],
        ["b"],
    ]


def test_prices(compiled: Compile) -> None:
    text = SMALLEST.read_text() + "serving: {resources: {gpu: 2}, replicas: {min: 1, max: 3}, cost: {gpu_hour: 1.5}}\n"
    project = compiled(text).project
    assert [(each.gpus, each.hours, each.text) for each in tables.prices(project)] == [
        ("2 to 6 GPUs", "1,440 to 4,320", "2,160 to 6,480 USD")
    ] * 2
    assert tables.total(project) == "4,320 to 12,960 USD"
    mixed = text + "environments: {a: {serving: {cost: {currency: EUR}}}, b: {}}\n"
    assert tables.total(compiled(mixed).project) == ""
    free = tables.prices(compiled(SMALLEST.read_text() + "serving: {resources: {gpu: 1}}\n").project)
    assert free[0].text == "not known: no price is given"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (59, "59s"),
        (600, "10m"),
        (666.7, "11m 7s"),
        (5400, "1h 30m"),
        (604800, "7d"),
        (90061, "1d 1h"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert values.span(seconds) == text


TARGETS = ("dvc", "github", "docker", "kubernetes", "routing", "prometheus", "alertmanager", "grafana", "local", "docs")
ODD = {
    **{f"no {name}": f"targets: {{{name}: false}}\n" for name in TARGETS},
    "nothing": "targets: {" + ", ".join(f"{name}: false" for name in TARGETS) + "}\n",
    "unmanaged": "unmanaged: [dvc.yaml, monitoring/rules.yaml]\n",
    "nginx": "rollout: {engine: nginx, sticky: {header: x-user}}\n",
    "no gates": "rollout: {gates: {error_rate: null, latency_p95: null}}\n",
    "no alerts": "monitoring: {alerts: {latency_p95: null, error_rate: null, gpu_memory: null, traffic_drop: null, drift: null}}\n",
    "many looks": "rollout: {check_every: 1s, hold: 1h, deadline: 7d}\n",
    "many steps": "rollout: {deadline: 7d, steps: [" + ", ".join(f"{share}%" for share in range(2, 101, 2)) + "]}\n",
    "patched": "patches: [{file: dvc.yaml, ops: [{op: replace, path: /stages, value: [1, 2]}]}, "
    "{file: monitoring/dashboards/service.json, ops: [{op: replace, path: /panels/1/gridPos, value: {x: -3, w: 1e30}}]}, "
    "{file: monitoring/rules.yaml, ops: [{op: replace, path: /groups/0/rules/0/labels, value: 3}, "
    "{op: remove, path: /groups/0/rules/1/annotations}, {op: replace, path: /groups/0/rules/2/expr, value: '('}]}]\n",
}


@pytest.mark.parametrize("name", ODD)
def test_every_part_can_be_missing(compiled: Compile, name: str) -> None:
    side = compiled(SMALLEST.read_text(encoding="utf-8") + ODD[name])
    text = page(side.project, side.files, side.source.digest)
    assert text.endswith("</html>\n")
    assert ">None<" not in text
    assert ("writes no pipeline" in text) == (name in ("no dvc", "nothing", "unmanaged", "patched"))
    assert ("writes no alerts" in text) == (name in ("no prometheus", "nothing", "unmanaged"))
    assert ("writes no dashboards" in text) == (name in ("no grafana", "nothing"))
