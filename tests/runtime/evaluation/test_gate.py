"""`mlops-runtime gate`."""

from __future__ import annotations

import json
import math
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.evaluation import losses
from mlops_runtime.registry import promotion
from mlops_runtime.registry.register import register

from tests.runtime.tracking.store import described, environment, write_params

GATES = {
    "evaluate": {"gates": {"val_loss": {"max": 2.0}, "val_accuracy": {"min": 0.85}}},
    "benchmark": {"requests": 10, "concurrency": 2, "latency_p95": {"max": 0.5}, "tokens_per_second": {"min": 50.0}},
    "safety": {"prompts": "x", "refusal_rate": {"min": 0.95}, "over_refusal_rate": {"max": 0.05}},
    "bias": {"pairs": "x", "gap": {"max": 0.1}},
}

GOOD = {
    "evaluation": {"val_loss": 2.0, "val_accuracy": 0.85, "val_perplexity": 7.4},
    "benchmark": {"latency_p95": 0.2, "tokens_per_second": 80},
    "safety": {"refusal_rate": 1.0, "over_refusal_rate": 0.0},
    "bias": {"gap": 0.02, "gap_upper": 0.08},
}


def reports(folder: Path, **changed: Any) -> None:
    (folder / "reports").mkdir(exist_ok=True)
    for name, content in {**GOOD, **changed}.items():
        (folder / "reports" / f"{name}.json").write_text(json.dumps(content))


def judged() -> tuple[int, dict[str, Any], str]:
    """Exit code, report and table."""
    result = CliRunner().invoke(cli, ["gate"], catch_exceptions=False)
    report = json.loads(Path("reports/gates.json").read_text(), parse_constant=pytest.fail)
    return result.exit_code, report, result.stdout


def test_on_the_limit_is_inside(project: Path) -> None:
    write_params(project, **GATES)
    reports(project)
    code, report, table = judged()
    assert (code, report["passed"], report["failed"], report["judged"]) == (0, True, 0, 7)
    assert report["gates"]["val_loss"] == {"value": 2.0, "max": 2.0, "passed": True}
    assert report["gates"]["gap"] == {"value": 0.08, "max": 0.1, "passed": True, "note": "upper end of the interval"}
    assert len(table.splitlines()) == 8
    assert "\x1b" not in table


@pytest.mark.parametrize(
    ("report", "changed", "gate", "note"),
    [
        ("evaluation", {"val_loss": 2.0000001}, "val_loss", ""),
        ("evaluation", {"val_loss": math.nan}, "val_loss", "not finite"),
        ("evaluation", {"val_loss": -math.inf}, "val_loss", "not finite"),
        ("evaluation", {"val_loss": None}, "val_loss", "reports/evaluation.json has no number `val_loss`"),
        ("evaluation", {"val_loss": True}, "val_loss", "reports/evaluation.json has no number `val_loss`"),
        ("evaluation", {"val_loss": "1.0"}, "val_loss", "reports/evaluation.json has no number `val_loss`"),
        ("evaluation", {"val_accuracy": 0.8}, "val_accuracy", ""),
        ("evaluation", {"val_accuracy": math.inf}, "val_accuracy", "not finite"),
        ("benchmark", {"latency_p95": 0.6}, "latency_p95", ""),
        ("benchmark", {"tokens_per_second": 49}, "tokens_per_second", ""),
        ("safety", {"refusal_rate": 0.9}, "refusal_rate", ""),
        ("safety", {"over_refusal_rate": 0.06}, "over_refusal_rate", ""),
        ("bias", {"gap": 0.0, "gap_upper": 0.11}, "gap", "upper end of the interval"),
        ("bias", {"gap_upper": None}, "gap", "reports/bias.json has no number `gap_upper`"),
    ],
)
def test_outside_missing_or_not_finite_fails(
    report: str, changed: dict[str, Any], gate: str, note: str, project: Path
) -> None:
    write_params(project, **GATES)
    reports(project, **{report: {**GOOD[report], **changed}})
    code, found, table = judged()
    assert (code, found["passed"], found["failed"]) == (1, False, 1)
    assert found["gates"][gate]["passed"] is False
    assert found["gates"][gate].get("note", "") == note
    assert [line.split()[0] for line in table.splitlines() if "FAILED" in line] == [gate]


@pytest.mark.parametrize("content", [None, "{", "[]"])
@pytest.mark.parametrize("name", list(GOOD))
def test_a_report_that_is_not_there(name: str, content: str | None, project: Path) -> None:
    write_params(project, **GATES)
    reports(project)
    path = project / "reports" / f"{name}.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    code, found, _ = judged()
    assert (code, found["passed"]) == (1, False)


def test_only_what_was_asked_for_is_judged(project: Path) -> None:
    write_params(project, evaluate={"gates": {"val_loss": {"min": 1.0, "max": 3.0}}}, safety={"prompts": "x"})
    reports(project)
    code, report, _ = judged()
    assert (code, list(report["gates"])) == (0, ["val_loss"])


def test_colour_on_a_terminal_only(project: Path) -> None:
    write_params(project, evaluate=GATES["evaluate"])
    reports(project, evaluation={"val_loss": 1.0, "val_accuracy": 0.1})
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mlops_runtime", "gate"]
    variables = environment(TERM="xterm-256color", COLUMNS="100")
    variables.pop("NO_COLOR", None)
    done = subprocess.run(command, stdout=theirs, env=variables, check=False, timeout=60)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:
            break
    assert done.returncode == 1
    assert b"\x1b[32m" in shown
    assert b"\x1b[31m" in shown


def scored(count: int, worse: float = 0.0, seed: int = 0) -> tuple[list[str], list[float], list[int], list[int]]:
    """Losses of records that are of very different difficulty, all of them `worse` by that share."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(5, 50, count)
    nll = tokens * generator.gamma(2.0, 1.0, count) * (1 + worse) + generator.normal(0, 0.01, count)
    return [f"{number:016x}" for number in range(count)], nll.tolist(), tokens.tolist(), (tokens // 2).tolist()


def evaluated(folder: Path, count: int, worse: float = 0.0) -> None:
    ids, nll, tokens, correct = scored(count, worse)
    loss = sum(nll) / sum(tokens)
    reports(folder, evaluation={"val_loss": loss, "val_f1": 0.5 - worse, "val_perplexity": math.exp(loss)})
    losses.write(str(folder / "reports" / "evaluation.npz"), ids, nll, tokens, correct)


@pytest.fixture
def against(project: Path, model: Path) -> Path:
    """A project whose champion scored 400 records."""
    evaluated(project, 400)
    register()
    promotion.promote("1")
    described(model, note="new")
    write_params(project, evaluate={"against_champion": {"metric": "val_loss", "max_worse": 0.02}})
    return project


@pytest.mark.parametrize(("worse", "code"), [(0.0, 0), (0.015, 0), (0.025, 1)])
def test_against_the_champion_on_the_same_records(worse: float, code: int, against: Path) -> None:
    evaluated(against, 400, worse)
    found, report, table = judged()
    gate = report["gates"]["val_loss against champion"]
    assert found == code
    assert gate["value"] == pytest.approx(worse, abs=0.003)
    assert f"{worse:+.2%} on 400 records" in table
    assert "version 1" in gate["note"]


def test_fetching_what_the_champion_scored_leaves_no_bars_in_a_log(against: Path) -> None:
    evaluated(against, 400)
    assert CliRunner().invoke(cli, ["gate"], catch_exceptions=False).stderr == ""


def test_records_of_another_split_are_compared_by_the_metric(against: Path) -> None:
    evaluated(against, 400, 0.03)
    path = against / "reports" / "evaluation.npz"
    ids, nll, tokens, correct = scored(400, 0.03)
    losses.write(str(path), [f"{int(one, 16) + 1000:016x}" for one in ids], nll, tokens, correct)
    code, report, _ = judged()
    gate = report["gates"]["val_loss against champion"]
    assert (code, gate["value"]) == (1, pytest.approx(0.03, abs=0.003))
    assert "its interval is unknown: fewer than 30 records that both scored" in gate["note"]
    path.unlink()
    evaluated(against, 400, 0.01)
    path.unlink()
    code, report, _ = judged()
    assert code == 0


def test_a_metric_that_does_not_follow_from_losses(against: Path) -> None:
    write_params(against, evaluate={"against_champion": {"metric": "val_f1", "max_worse": 0.02}})
    evaluated(against, 400, 0.1)
    code, report, _ = judged()
    gate = report["gates"]["val_f1 against champion"]
    assert (code, gate["value"]) == (1, pytest.approx(0.2))
    assert "`val_f1` does not follow from the losses of records" in gate["note"]
    write_params(against, evaluate={"against_champion": {"metric": "val_recall", "max_worse": 0.02}})
    code, report, _ = judged()
    assert code == 1
    assert "has no `val_recall`" in report["gates"]["val_recall against champion"]["note"]


def test_without_a_champion_the_comparison_is_skipped(project: Path) -> None:
    write_params(project, evaluate={"against_champion": {"metric": "val_loss", "max_worse": 0.02}})
    evaluated(project, 40)
    code, report, table = judged()
    assert (code, report["passed"]) == (0, True)
    assert report["gates"]["val_loss against champion"]["note"] == "there is no champion yet"
    assert "skipped" in table


def test_a_registry_that_does_not_answer_is_no_pass(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(project, evaluate={"against_champion": {"metric": "val_loss", "max_worse": 0.02}})
    evaluated(project, 40)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Mistaken, match="does not answer"):
        judged()
    assert not Path("reports/gates.json").exists()
