"""`mlops.workspace.yaml`: what the projects of a repository share."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from mlopsgen.cli.fast import ready
from mlopsgen.cli.workspace import SHARED, Workspace
from mlopsgen.diagnostics import Failed
from mlopsgen.spec.shared import below, matches, parse
from tests.cli.test_all import write
from tests.conftest import Run

DEFAULTS = """\
version: 1
projects: [a, teams/*]
defaults:
  training: {epochs: 7}
  serving:
    port: 9001
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two projects that share defaults, and one that does not belong to them."""
    write(tmp_path, {"a": "ant", "teams/b": "bird", "c": "cat"})
    spec = tmp_path / "teams" / "b" / "mlops.yaml"
    spec.write_text(spec.read_text() + "serving: {timeout: 20s}\ntraining: {epochs: 2}\n")
    (tmp_path / SHARED).write_text(DEFAULTS)
    return tmp_path


def epochs(folder: Path) -> float:
    return yaml.safe_load((folder / "params.yaml").read_text())["train"]["epochs"]


def test_defaults_lie_under_the_specs_of_members(repository: Path, mlopsgen: Run) -> None:
    done = mlopsgen("build", "--all", "--format", "json")
    assert [row["spec"] for row in json.loads(done.stdout)["specs"]] == ["a/mlops.yaml", "teams/b/mlops.yaml"]
    assert (epochs(repository / "a"), epochs(repository / "teams" / "b")) == (7, 2)
    assert mlopsgen("build", "c").returncode == 0
    assert epochs(repository / "c") == 1
    ports = [json.loads(mlopsgen("show", each, "--format", "json").stdout)["serving"]["port"] for each in ("a", "c")]
    assert [port["value"] for port in ports] == [9001, 8000]
    assert ports[0]["origin"] == "mlops.workspace.yaml:6:11, default of the workspace"
    timeout = json.loads(mlopsgen("show", "teams/b", "--format", "json").stdout)["serving"]["timeout"]
    assert timeout == {"value": "20s", "origin": "teams/b/mlops.yaml:6:20"}


def test_a_mistake_in_a_default_is_told_at_its_line_once(repository: Path, mlopsgen: Run) -> None:
    (repository / SHARED).write_text(DEFAULTS + "    prt: 3\n")
    done = mlopsgen("build", "--all", "--format", "json")
    assert done.returncode == 2
    [found] = json.loads(done.stdout)["diagnostics"]
    assert (found["code"], found["file"], found["line"], found["column"]) == ("E101", SHARED, 7, 5)


def test_the_short_cut_knows_the_workspace_file(repository: Path, mlopsgen: Run, monkeypatch) -> None:
    from mlopsgen.cli import fast

    assert mlopsgen("build", "--all").returncode == 0
    monkeypatch.setattr(fast, "IN_CHECKOUT", False)
    place = Workspace(str(repository / "a"))
    assert ready(place.spec, place.folder, place.repository)
    (repository / SHARED).write_text(DEFAULTS.replace("7", "8"))
    assert ready(place.spec, place.folder, place.repository) is None
    done = mlopsgen("build", "--all")
    assert "a/mlops.yaml: 1 of" in done.stdout
    assert "teams/b/mlops.yaml: the lock was brought in step" in done.stdout
    assert ready(place.spec, place.folder, place.repository)
    (repository / SHARED).unlink()
    assert ready(place.spec, place.folder, place.repository) is None


def test_plan_why_and_uses_take_a_default_for_an_input(repository: Path, mlopsgen: Run) -> None:
    mlopsgen("build", "--all")
    for arguments in (("init", "-q"), ("add", "-A"), ("-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x")):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    (repository / SHARED).write_text(DEFAULTS.replace("7", "8"))
    plan = mlopsgen("plan", "a")
    assert "training.epochs: 7 → 8  mlops.workspace.yaml:4" in plan.stdout
    assert "1 field changes" in plan.stdout
    assert "nothing changes" in mlopsgen("plan", "teams/b").stdout
    mlopsgen("build", "--all")
    line = 1 + (repository / "a" / "params.yaml").read_text().split("\n").index("  epochs: 8.0")
    assert "from training.epochs: 8  mlops.workspace.yaml:4" in mlopsgen("why", f"a/params.yaml:{line}").stdout


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("version: 1\nprojects: services\n", "E361", 2, 11),
        ("version: 1\nprojects: []\n", "E361", 2, 11),
        ("version: 1\nprojects: [../x]\n", "E361", 2, 12),
        ("version: 1\nprojects: [/x]\n", "E361", 2, 12),
        ("version: 1\nprojects: [3]\n", "E361", 2, 12),
        ("version: 2\n", "E361", 1, 10),
        ("projects: [a]\n", "E361", 1, 1),
        ("version: 1\ndefaults: [a]\n", "E361", 2, 11),
        ("version: 1\ndefaults:\n  templates: ops\n", "E362", 3, 3),
        ("version: 1\ndefaults:\n  version: 1\n", "E362", 3, 3),
        ("version: 1\ndefaults: {a: 1, a: 2}\n", "E013", 2, 18),
        ("- a\n", "E011", 1, 1),
    ],
)
def test_mistakes_of_the_workspace_file_are_told_at_their_place(text: str, code: str, line: int, column: int) -> None:
    with pytest.raises(Failed) as caught:
        parse(text.encode(), SHARED)
    [found] = caught.value.diagnostics
    assert found.span
    assert (found.code, found.span.line, found.span.column) == (code, line, column)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("services/*", ["services/a"], ["services", "services/a/b", "services2/a"]),
        ("teams/**", ["teams/a", "teams/a/b", "teams"], ["team/a", "teamsx/a"]),
        ("**/ml", ["ml", "a/ml", "a/b/ml"], ["a/mlx", "a/ml/b"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["az", "a/bz"]),
        (".", [""], ["a"]),
        ("p?", ["pa"], ["p", "pab", "p/"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_pattern_means_folders(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [folder for folder in yes if not matches(pattern, folder)] == []
    assert [folder for folder in no if matches(pattern, folder)] == []


def test_what_belongs_to_others_is_left_out() -> None:
    assert below(["services/*", "teams/**", "."], "") == ["services/*/**", "teams/**"]
    assert below(["services/*", "services"], "services") == ["services/*/**"]
    assert below(["services/*"], "services/a") == []
    assert below(["**"], "") == []


def test_the_schema_takes_what_a_build_takes(mlopsgen: Run) -> None:
    schema = json.loads(mlopsgen("schema", "--workspace").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    good = [DEFAULTS, "version: 1\ndefaults: null\n", "version: 1\ndefaults: {data: {rows: {min: 3}}, x-own: 1}\n"]
    bad = ["projects: [a]\n", "version: 1\ndefaults: {project: {name: x}}\n", "version: 1\ndefaults: {prt: 1}\n"]
    assert [judge.is_valid(yaml.safe_load(text)) for text in [*good, *bad]] == [True] * 3 + [False] * 3
