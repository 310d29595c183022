"""Specs of older versions of the language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlopsgen.cli.main import run
from mlopsgen.review.writing.migrate import migrate
from mlopsgen.spec.load import parse
from mlopsgen.spec.migrations import CHAIN, zero
from mlopsgen.spec.version import NEWEST
from tests.review.absorptions import comments

OLD = """\
# Our service.
version: 0   # the first form

project: {name: shop}

data:
  path: data/raw          # what we track
  columns: {prompt: {type: text}, response: {type: text}}
  duplicates: {columns: [prompt], max: "1/20"}
model: {pretrained: acme/tiny}   # small

train:
  lr: 2e-5     # as in the paper
  epochs: 3

deploy:
  # How long an answer may take.
  timeout: 30          # seconds
  gpus: 1   # one is enough
canary:
  hold: 600
  min_requests: 100
  steps: ["1/20", '0.25', "1/1"]  # slowly
environments:
  staging: {branch: dev, deploy: {timeout: 20}}   # quick
  production:
    branch: main
    monitor: {alerts: {error_rate: {max: "1/50"}}}
monitor:
  alerts:
    error_rate: {max: "1/20", for: 300}
"""

NEW = """\
# Our service.
version: 1   # the first form

project: {name: shop}

data:
  raw: data/raw          # what we track
  columns: {prompt: {type: text}, response: {type: text}}
  duplicates: {columns: [prompt], max: "5%"}
model: {base: acme/tiny}   # small

training:
  learning_rate: 2e-5     # as in the paper
  epochs: 3

serving:
  # How long an answer may take.
  timeout: 30s          # seconds
  resources: {gpu: 1}   # one is enough
rollout:
  hold: 600s
  min_requests: 100
  steps: ["5%", '25%', "100%"]  # slowly
environments:
  staging: {branch: dev, serving: {timeout: 20s}}   # quick
  production:
    branch: main
    monitoring: {alerts: {error_rate: {max: "2%"}}}
monitoring:
  alerts:
    error_rate: {max: "5%", for: 300s}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mlops.yaml"
    path.write_text(OLD)
    return path


def test_a_spec_of_version_0_becomes_one_of_version_1_with_its_comments(spec: Path, capsys) -> None:
    assert run(["migrate"]) == 0
    assert spec.read_text() == NEW
    assert comments(NEW) == comments(OLD)
    assert "mlops.yaml was brought from version 0 to 1" in capsys.readouterr().out
    assert run(["validate", "-q"]) == 0
    assert run(["build", "-q"]) == 0


def test_again_changes_nothing(spec: Path, capsys) -> None:
    assert run(["migrate"]) == 0
    status = spec.stat()
    assert run(["migrate", "--check"]) == 0
    assert run(["migrate"]) == 0
    assert capsys.readouterr().out.endswith("mlops.yaml is of version 1, the newest\n")
    assert (spec.stat().st_mtime_ns, spec.stat().st_ino) == (status.st_mtime_ns, status.st_ino)


@pytest.mark.parametrize(("flag", "code"), [("--check", 1), ("--dry-run", 0)])
def test_check_and_dry_run_write_nothing(flag: str, code: int, spec: Path, capsys) -> None:
    assert run(["migrate", flag]) == code
    assert spec.read_text() == OLD
    assert ("-  path: data/raw          # what we track\n+  raw: data/raw" in capsys.readouterr().out) is (code == 0)


def test_json(spec: Path, capsys) -> None:
    assert run(["migrate", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["diagnostics"] == []
    (row,) = told["specs"]
    assert (row["spec"], row["found"]) == ("mlops.yaml", 0)
    assert "data.path → data.raw" in row["changes"]


def test_without_a_version_it_is_version_0(spec: Path) -> None:
    spec.write_text(OLD.replace("version: 0   # the first form\n", ""))
    assert run(["migrate"]) == 0
    assert spec.read_text() == "# Our service.\n\nversion: 1\n" + NEW.partition("first form\n\n")[2]


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "word"),
    [
        ("timeout: 30 ", "timeout: 0.0001 ", 18, 12, "seconds"),
        ('max: "1/20"}\nmodel', 'max: "3/2"}\nmodel', 9, 40, "3/2"),
        ("'0.25'", "1/0", 23, 19, "1/0"),
        ("  gpus: 1 ", "  resources: {cpu: 2}\n  gpus: 1 ", 20, 9, "`resources`"),
        ("\ntrain:", "\ntraining: {}\ntrain:", 13, 1, "`training`"),
        ("deploy: {timeout: 20}", "deploy: {timeout: 0}", 25, 44, "seconds"),
        ("timeout: 30 ", "timeout: &t 30 ", 18, 12, "anchor"),
    ],
)
def test_what_cannot_be_brought_over_is_told_where_it_stands(
    old: str, new: str, line: int, column: int, word: str, spec: Path, capsys
) -> None:
    assert old in OLD
    spec.write_text(OLD.replace(old, new, 1))
    before = spec.read_text()
    assert run(["migrate", "--format", "json"]) == 2
    rows = json.loads(capsys.readouterr().out)["diagnostics"]
    assert ("E335", line, column) in [(row["code"], row["line"], row["column"]) for row in rows]
    assert word in " ".join(row["message"] for row in rows)
    assert spec.read_text() == before


def test_every_place_that_is_stuck_is_told_at_once(spec: Path, capsys) -> None:
    spec.write_text(OLD.replace("timeout: 30", "timeout: 0").replace('"1/1"', '"a/b"'))
    assert run(["migrate", "--format", "json"]) == 2
    rows = json.loads(capsys.readouterr().out)["diagnostics"]
    assert [(row["code"], row["line"]) for row in rows] == [("E335", 18), ("E335", 23)]


@pytest.mark.parametrize(("version", "code"), [("2", "E337"), ("-1", "E335"), ("one", "E335"), ("true", "E335")])
def test_a_version_that_is_not_known(version: str, code: str, spec: Path, capsys) -> None:
    spec.write_text(OLD.replace("version: 0", f"version: {version}"))
    assert run(["migrate", "--format", "json"]) == 2
    (row,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert (row["code"], row["line"], row["column"]) == (code, 2, 10)


@pytest.mark.parametrize("verb", ["build", "validate", "show", "plan"])
def test_other_commands_say_so_at_the_line_of_the_version(verb: str, spec: Path, capsys) -> None:
    assert run([verb, *(["--base", "HEAD"] if verb == "plan" else []), "--format", "json"]) == 2
    (row,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert (row["code"], row["line"], row["column"]) == ("E336", 2, 10)
    assert row["help"] == "run `mlopsgen migrate`"


def test_old_sections_without_a_version_are_told_at_the_section(spec: Path, capsys) -> None:
    spec.write_text(OLD.replace("version: 0   # the first form\n", ""))
    assert run(["validate", "--format", "json"]) == 2
    (row,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert (row["code"], row["path"], row["line"]) == ("E336", "train", 11)


def test_what_today_calls_wrong_is_told_of_the_new_text(spec: Path, capsys) -> None:
    spec.write_text(OLD.replace("  epochs: 3", "  epoch: 3"))
    assert run(["migrate", "--format", "json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert [(row["code"], row["line"]) for row in told["diagnostics"]] == [("E101", 14)]
    assert spec.read_text() == NEW.replace("  epochs: 3", "  epoch: 3")


def test_the_chain_leads_from_every_version_to_the_newest() -> None:
    assert sorted(CHAIN) == list(range(zero.VERSION, NEWEST))


def test_the_table_of_version_0_is_what_happens() -> None:
    for old, new in zero.SECTIONS.items():
        assert list(parse(migrate(f"version: 0\n{old}: {{}}\n", "x").text, "x").value) == ["version", new]
    for pattern in zero.DURATIONS:
        *above, last = pattern.split(".")
        path = [part if part != "*" else "x" for part in above]
        text = "version: 0\n" + "".join("  " * depth + part + ":\n" for depth, part in enumerate(path))
        text += "  " * len(path) + f"{last if last != '*' else 'x'}: 1.5\n"
        if "custom" not in path:
            assert migrate(text, "x").text.endswith(": 1500ms\n")
