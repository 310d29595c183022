"""The commands as people run them, and reports whose bytes only the input decides."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from mlops_runtime.cli.main import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.experiment import settings
from mlops_runtime.experiment.assignment import position

from tests.conftest import tool
from tests.runtime.experiment.records import BEGIN, DAY, SPEC, log, write

GIVEN = {
    "project": "assistant",
    "environment": "production",
    "experiment": {
        "traffic": 0.5,
        "sticky": {"header": "X-User-Id"},
        "metric": "latency",
        "alpha": 0.05,
        "power": 0.8,
        "min_effect": 0.2,
        "min_samples": 30,
        "max_duration": 604_800,
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `mlops.yaml`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLOPS_CONFIG", raising=False)
    (tmp_path / "mlops.yaml").write_text(SPEC)
    return tmp_path


def configured(project: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Settings at `MLOPS_CONFIG`."""
    content = {**GIVEN, "experiment": {**GIVEN["experiment"], **more}}  # type: ignore[dict-item]
    (project / "rollout.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("MLOPS_CONFIG", str(project / "rollout.yaml"))


def ran(*arguments: str, told: str | None = None) -> Result:
    """A command that does not raise."""
    return CliRunner().invoke(cli, ["experiment", *arguments], catch_exceptions=False, input=told)


def test_settings_of_the_project_and_of_an_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings.read()
    assert found == settings.Settings("assistant", "x-user-id", 0.1, "rating", 0.05, 0.8, 0.2, 30, 604_800.0)
    configured(project, monkeypatch)
    assert settings.read() == found._replace(traffic=0.5, metric="latency")


def test_settings_are_those_that_the_generator_writes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.targets.local.specs import outputs

    (project / "rollout.yaml").write_text(outputs("full")["local/rollout.yaml"])
    monkeypatch.setenv("MLOPS_CONFIG", str(project / "rollout.yaml"))
    assert settings.read().header == "x-user-id"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"traffic": 0}, "`experiment.traffic` of .* is 0.0: it must be above 0% and below 100%"),
        ({"traffic": 1}, "`experiment.traffic`"),
        ({"alpha": 0}, "`experiment.alpha`"),
        ({"alpha": 0.5}, "`experiment.alpha`"),
        ({"power": 0.04}, "`experiment.power` .* above `alpha`"),
        ({"power": 1}, "`experiment.power`"),
        ({"min_effect": 0}, "`experiment.min_effect`"),
        ({"min_samples": 1}, "`experiment.min_samples` .* 2 or more"),
        ({"metric": "love"}, "one of rating, success, latency"),
        ({"sticky": None}, "is not complete"),
        ({"traffic": "a lot"}, "is not complete"),
    ],
)
def test_settings_that_leave_nothing_to_test(
    more: dict[str, Any], told: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(project, monkeypatch, **more)
    with pytest.raises(Mistaken, match=told):
        settings.read()


def test_settings_that_are_not_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = project / "mlops.yaml"
    spec.write_text(SPEC.replace("traffic: 10%", "traffic: 10"))
    with pytest.raises(Mistaken, match=r"`experiment` of mlops\.yaml is not valid"):
        settings.read()
    spec.write_text("".join(SPEC.splitlines(keepends=True)[:-1]))
    with pytest.raises(Mistaken, match=r"mlops\.yaml has no `experiment`"):
        settings.read()
    spec.unlink()
    with pytest.raises(Mistaken, match=r"there is no mlops.yaml here, and MLOPS_CONFIG names no settings"):
        settings.read()
    monkeypatch.setenv("MLOPS_CONFIG", str(project / "rollout.yaml"))
    (project / "rollout.yaml").write_text("project: assistant\nexperiment: null\n")
    with pytest.raises(Mistaken, match=r"rollout\.yaml has no `experiment`"):
        settings.read()
    (project / "rollout.yaml").write_text("[]\n")
    with pytest.raises(Mistaken, match="holds no settings of the rollout controller"):
        settings.read()


def test_plan(project: Path) -> None:
    assert "1,980" in ran("plan").stdout
    found = json.loads(ran("plan", "--users-per-day", "2000", "--format", "json").stdout)
    assert (found["fixed"]["canary"], found["fixed"]["days"]) == (220, 1.1)
    assert ran("plan", "--users-per-day", "0").exit_code == 2


def test_assign(project: Path) -> None:
    users = [f"user-{number}" for number in range(300)]
    told = ran("assign", "--salt", "v3", "-", told="\n".join(users) + "\n").stdout.splitlines()
    arms = dict(line.split("\t") for line in told)
    assert list(arms) == users
    assert arms == {user: "canary" if position("v3", user) < 0.1 else "champion" for user in users}
    assert {"champion", "canary"} == set(arms.values())
    found = json.loads(ran("assign", "--salt", "v3", "anna", "--format", "json").stdout)
    assert found == [{"user": "anna", "arm": "champion", "position": position("v3", "anna")}]
    assert ran("assign", "anna").exit_code == 2
    with pytest.raises(Mistaken, match="a user id is empty"):
        ran("assign", "--salt", "v3", "anna", "")


def test_analyze_prints_and_writes(project: Path) -> None:
    path = write(project / "log.jsonl", log(users=2500, effect=0.8))
    shown = ran("analyze", path)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Ship the challenger. Rating is better")
    for part in ("typical time to an answer (guardrail)", "always", "versions: champion 3, canary 4", "planned: 2,200"):
        assert part in shown.stdout
    written = json.loads((project / "reports" / "experiment.json").read_text())
    assert json.loads(ran("analyze", path, "--format", "json").stdout) == written
    page = (project / "reports" / "experiment.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "Ship the challenger" in page
    assert "p95" in page


def test_analyze_says_by_its_exit_code_that_the_champion_stays(project: Path) -> None:
    path = write(project / "log.jsonl", log(users=2500, effect=-0.8))
    assert ran("analyze", path, "--folder", "elsewhere").exit_code == 1
    assert (project / "elsewhere" / "experiment.html").exists()


def test_analyze_of_few_and_of_a_window(project: Path) -> None:
    path = write(project / "log.jsonl", log(users=300))
    shown = ran("analyze", path, "--since", "2026-11-23T00:00:00Z", "--until", "2026-11-23T06:00:00+00:00")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Wait for more users")
    assert "outside: " in shown.stdout
    assert "<img" not in (project / "reports" / "experiment.html").read_text()
    with pytest.raises(Mistaken, match="--since is 'noon': a time with its zone"):
        ran("analyze", path, "--since", "noon")


def test_analyze_of_a_ramp(project: Path) -> None:
    shares = (0.05, 0.1, 0.25, 0.5)
    path = write(project / "log.jsonl", log(users=1500, effect=0.8, shares=shares))
    blind = ran("analyze", path)
    assert blind.exit_code == 1
    assert "sample-ratio mismatch" in blind.stdout
    assert "users within one stage: left out" in blind.stdout
    assert '<td class="bad">' in (project / "reports" / "experiment.html").read_text()
    stages = [{"at": BEGIN + DAY * number, "share": share} for number, share in enumerate(shares)]
    (project / "stages.json").write_text(json.dumps(stages))
    shown = ran("analyze", path, "--stages", "stages.json")
    assert shown.stdout.startswith("Ship the challenger")
    assert "users from one stage to the next" in shown.stdout
    assert '<td class="bad">' not in (project / "reports" / "experiment.html").read_text()


def test_analyze_of_ratings_alone(project: Path) -> None:
    path = write(project / "log.jsonl", [one for one in log(users=900) if "rating" in one])
    assert "of success and latency" not in ran("analyze", path).stdout
    assert "Latency of requests" not in (project / "reports" / "experiment.html").read_text()


def test_analyze_of_a_metric_in_logarithms(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(project, monkeypatch)
    path = write(project / "log.jsonl", log(users=1500, shares=(0.5,), slower=-0.3, rated=0.0))
    found = json.loads(ran("analyze", path, "--format", "json").stdout)
    one = found["metrics"]["latency"]
    assert found["decision"]["verdict"] == "ship"
    assert -0.35 < one["sequence"]["interval"][0] < one["effect"] < one["sequence"]["interval"][1] < -0.15
    assert one["canary"] / one["champion"] - 1 == pytest.approx(one["effect"])
    assert one["min_effect"] < 0
    assert found["latency_quantiles"]["p95"]["interval"][1] < 0


def test_the_same_input_is_the_same_bytes(project: Path) -> None:
    """In another process, with another hash seed, time zone and order of files, and a matplotlibrc of its own."""
    lines = log(users=400)
    champion = write(project / "champion.jsonl", [one for one in lines if one["variant"] == "champion"])
    canary = write(project / "canary.jsonl", [one for one in lines if one["variant"] == "canary"])
    assert ran("analyze", champion, canary, "--folder", "here").exit_code == 0
    (project / "matplotlibrc").write_text("figure.facecolor: red\nlines.linewidth: 9\n")
    command = [tool("mlops-runtime"), "experiment", "analyze", canary, champion, "--folder", "there"]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("experiment.json", "experiment.html"):
        assert (project / "here" / name).read_bytes() == (project / "there" / name).read_bytes()


@pytest.mark.parametrize("name", ["plan", "assign", "analyze"])
def test_help_has_examples_that_it_takes(name: str) -> None:
    _, _, tail = ran(name, "--help").stdout.partition("Example")
    lines = tail.partition("\n\n")[0].replace("\\\n", " ").splitlines()[1:]
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" < ")[0])
        words = words[words.index("mlops-runtime") :]
        assert words[1:3] == ["experiment", name]
        command = cli.commands["experiment"].commands[name]  # type: ignore[attr-defined]
        command.make_context(name, words[3:])


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom mlops_runtime.cli.main import cli\n"
        "cli.main(['experiment', 'analyze', '--help'], standalone_mode=False)\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"numpy", "scipy", "matplotlib", "orjson"} & set(done.stdout.splitlines()[-1].split())
