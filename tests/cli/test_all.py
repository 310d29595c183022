"""`mlopsgen build --all`: many specs, several at once, each as if it were alone."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.cli import compile as compiler
from mlopsgen.cli import twins
from mlopsgen.cli.build import outcomes
from mlopsgen.cli.finding import below
from mlopsgen.cli.pins import effective
from mlopsgen.cli.several import Options, Outcome
from mlopsgen.cli.workspace import Workspace
from mlopsgen.output import statcache
from tests.conftest import FULL, Run, tool
from tests.test_package import tree

SPEC = """\
version: 1
project: {{name: {name}}}
data: {{raw: data/raw}}
model: {{base: acme/tiny}}
"""
SIX = [f"p{number:03}" for number in range(6)]
LITTLE = "targets: {kubernetes: false, routing: false, grafana: false, local: false, docs: false, prometheus: false}\n"


def write(root: Path, folders: dict[str, str], more: str = LITTLE) -> Path:
    """A repository with a spec in each folder, by folder and name."""
    (root / ".git").mkdir(parents=True, exist_ok=True)
    for folder, name in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "mlops.yaml").write_text(SPEC.format(name=name) + more)
    return root


def test_every_spec_below_the_root_is_built_and_ignored_folders_are_not(tmp_path: Path, mlopsgen: Run) -> None:
    seen = {"b": "bird", "a/deep": "ant", "c": "cat"}
    ignored = ("node_modules/x", ".hidden", "env", "cache", "other")
    write(tmp_path, seen | {folder: f"no{number}" for number, folder in enumerate(ignored)})
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "cache" / "CACHEDIR.TAG").touch()
    (tmp_path / "other" / ".git").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "b")
    done = mlopsgen("build", "--all", cwd=tmp_path / "a")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line[0] not in "+~="]
    assert [line.partition(":")[0] for line in lines[:-1]] == ["deep/mlops.yaml", "../b/mlops.yaml", "../c/mlops.yaml"]
    assert lines[-1].startswith("3 specs: 3 changed (")
    assert {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("mlops.lock")} == set(seen)
    again = mlopsgen("build", "--all")
    assert (again.returncode, again.stdout) == (0, "3 specs: 3 up to date\n")
    assert mlopsgen("build", "--all", "b").stdout == "1 spec: 1 up to date\n"
    assert "E360" in mlopsgen("build", "--all", "nowhere").stderr


def test_only_what_changed_is_written_and_check_writes_nothing(tmp_path: Path, mlopsgen: Run) -> None:
    write(tmp_path, {"a": "ant", "b": "bird"})
    mlopsgen("build", "--all")
    spec = tmp_path / "b" / "mlops.yaml"
    spec.write_text(spec.read_text() + "training: {epochs: 9}\n")
    before = tree(tmp_path)
    check = mlopsgen("build", "--all", "--check")
    assert (check.returncode, tree(tmp_path)) == (1, before)
    assert check.stdout.splitlines()[-1] == "2 specs: 1 would change (1 files), 1 up to date"
    done = mlopsgen("build", "--all")
    assert done.stdout.splitlines()[-1] == "2 specs: 1 changed (1 files), 1 up to date"
    assert {k for k, v in tree(tmp_path).items() if v != before[k]} == {"b/params.yaml", "b/mlops.lock"}


def test_a_spec_that_fails_stops_no_other(tmp_path: Path, mlopsgen: Run) -> None:
    write(tmp_path, {"a": "ant", "b": "bird", "c": "cat"})
    (tmp_path / "b" / "mlops.yaml").write_text("version: 1\n")
    done = mlopsgen("build", "--all", "--format", "json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert [row["spec"] for row in told["specs"]] == ["a/mlops.yaml", "c/mlops.yaml"]
    assert {each["file"] for each in told["diagnostics"]} == {"b/mlops.yaml"}
    (tmp_path / "c" / "params.yaml").write_text("edited: true\n")
    (tmp_path / "a" / "params.yaml").unlink()
    assert mlopsgen("build", "--all").returncode == 2
    assert (tmp_path / "a" / "params.yaml").exists()
    assert (tmp_path / "c" / "params.yaml").read_text() == "edited: true\n"


def test_what_comes_out_is_the_same_whatever_the_jobs(tmp_path: Path, mlopsgen: Run) -> None:
    names = {f"p{number:02}": f"name-{number:02}" for number in range(9)}
    found = []
    for jobs in ("1", "3"):
        root = write(tmp_path / jobs, names)
        done = mlopsgen("build", "--all", "--jobs", jobs, "-v", cwd=root)
        assert done.returncode == 0, done.stderr
        found.append((done.stdout, tree(root)))
    assert found[0] == found[1]
    alone = write(tmp_path / "alone", names)
    for name in ("p00", "p05"):
        assert mlopsgen("build", "-q", name, cwd=alone).returncode == 0
    one, other = (
        {name: data for name, data in each.items() if name.startswith(("p00/", "p05/"))}
        for each in (tree(alone), found[0][1])
    )
    assert one == other


def test_two_projects_of_one_name_are_told_with_both_specs(tmp_path: Path, mlopsgen: Run) -> None:
    write(tmp_path, {"a": "ant", "b": "ant", "c": "cat"}, "")
    done = mlopsgen("build", "--all", "--list")
    assert done.returncode == 2
    assert "b/mlops.yaml and a/mlops.yaml are both named `ant`" in done.stderr
    assert done.stderr.count("E363") == 1
    write(tmp_path, {"a": "ant", "b": "ant"}, "targets: {github: false}\n")
    assert mlopsgen("build", "--all", "--list").returncode == 0


def test_alone_the_second_is_told_whose_workflows_are_there(tmp_path: Path, mlopsgen: Run) -> None:
    write(tmp_path, {"a": "ant"})
    assert mlopsgen("build", "a").returncode == 0
    write(tmp_path, {"b": "ant"}, LITTLE + "ci: {python: '3.12'}\n")
    done = mlopsgen("build", "b")
    assert done.returncode == 2
    assert "error E363: b/mlops.yaml and a/mlops.yaml are both named `ant`" in done.stderr
    assert "E301" not in done.stderr


def test_two_specs_in_one_folder_are_refused(tmp_path: Path, mlopsgen: Run) -> None:
    write(tmp_path, {"a": "ant"})
    (tmp_path / "a" / "other.yaml").write_text(SPEC.format(name="other"))
    done = mlopsgen("build", "a", "a/other.yaml", "--format", "json")
    assert done.returncode == 2
    assert [each["code"] for each in json.loads(done.stdout)["diagnostics"]] == ["E363"]
    assert not (tmp_path / "a" / "mlops.lock").exists()


def test_a_spec_that_is_named_twice_is_built_once(tmp_path: Path, mlopsgen: Run) -> None:
    write(tmp_path, {"a": "ant"})
    assert mlopsgen("build", "a", "./a/mlops.yaml").stdout.count("a/mlops.yaml:") == 1


def test_workflows_run_for_changes_of_their_project_alone(tmp_path: Path, mlopsgen: Run) -> None:
    write(tmp_path, {"services/a": "ant", "services/b": "bird", ".": "root"})
    (tmp_path / "mlops.workspace.yaml").write_text("version: 1\nprojects: [., services/*]\n")
    assert mlopsgen("build", "--all").returncode == 0
    workflows = tmp_path / ".github" / "workflows"
    assert len(list(workflows.iterdir())) == 12
    for name in ("ant", "bird"):
        for workflow, key in (("ml-ci", "pull_request"), ("ml-train", "push")):
            on = yaml.safe_load((workflows / f"{name}-{workflow}.yaml").read_text())[True]
            folder = f"services/{name[0]}"
            own = {
                f".github/workflows/{name}-{each}.yaml" for each in ("ml-ci", "ml-train", "ml-release", "ml-retrain")
            }
            paths = [each.removeprefix("!") for each in on[key]["paths"]]
            assert all(each.startswith(f"{folder}/") or each in own | {"mlops.workspace.yaml"} for each in paths)
    for workflow, key in (("ml-ci", "pull_request"), ("ml-train", "push")):
        on = yaml.safe_load((workflows / f"{workflow}.yaml").read_text())[True]
        assert "!services/*/**" in on[key]["paths"]
    done = subprocess.run(
        [tool("actionlint"), *map(str, workflows.iterdir())], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "")


NAMES = [
    "ant",
    "anteater",
    "api",
    "b-0",
    "main",
    "mlflow-x",
    "model",
    "nz",
    "shop-api-2",
    "sz-eu-west-1",
    "p0001",
    "p0002",
    "production",
    "s1",
    "sz-9",
]


@pytest.mark.parametrize("kind", ["smallest", pytest.param("full", marks=pytest.mark.slow)])
def test_what_is_told_from_others_is_what_a_build_alone_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Names before, between and behind those that lists hold, words of the output, equal and unequal folders."""
    dice = random.Random(5)
    names = NAMES + ["".join(dice.choices("abmnpsz09-", k=dice.randint(4, 30))) for _ in range(8)]
    names = [name for name in dict.fromkeys(names) if name[0].isalpha() and name[-1].isalnum() and "--" not in name]
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    text = SPEC
    if kind == "full":
        full = FULL.read_text().partition("\npatches:")[0].replace("{", "{{").replace("}", "}}")
        text = full.replace("name: support-assistant", "name: {name}", 1).replace("\ntemplates:", "\nx-templates:")
        names = [name for name in names if name[0] in "ap" and len(name) <= 12][:6]
    known = twins.Twins()
    for number, name in enumerate(names):
        folder = tmp_path / (name if number % 3 else f"teams/{name}")
        folder.mkdir(parents=True)
        (folder / "mlops.yaml").write_text(text.format(name=name))
        workspace = Workspace(str(folder.relative_to(tmp_path) / "mlops.yaml"))
        made, _ = known.compile(workspace)
        alone = compiler.compile(workspace, effective(workspace)[0])
        assert made == alone, name


def test_some_are_told_from_others_indeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {f"p{number:03}": f"p{number:03}" for number in range(6)}, "")
    monkeypatch.chdir(tmp_path)
    known, real, full = twins.Twins(), compiler.compile_document, []
    monkeypatch.setattr(compiler, "compile_document", lambda *given: full.append(1) or real(*given))
    for number in range(6):
        known.compile(Workspace(f"p{number:03}"))
    assert len(full) == twins.ENOUGH


def test_what_depends_on_a_name_in_another_way_is_made_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compiler.render_file

    def other(target: str, file: Any, overrides: Any, used: set[str]) -> Any:
        made = real(target, file, overrides, used)
        if file.path == "params.yaml":
            own = name(made.content)
            made = replace(made, content=made.content.replace(own, own.replace(b"-", b"_")))
        return made

    def name(content: bytes) -> bytes:
        return content.split(b"name: ")[1].split(b"\n")[0]

    monkeypatch.setattr(compiler, "render_file", other)
    names = ["pab", "pabc", "pabd", "pabe", "pab-e", "pab-f"]
    write(tmp_path, {each: each for each in names}, "")
    monkeypatch.chdir(tmp_path)
    known = twins.Twins()
    for each in names:
        workspace = Workspace(each)
        assert known.compile(workspace)[0].files == compiler.compile(workspace, effective(workspace)[0]).files


def test_a_check_tells_nothing_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {f"p{number:03}": f"p{number:03}" for number in range(6)}, "")
    monkeypatch.chdir(tmp_path)
    real, full = compiler.compile_document, []
    monkeypatch.setattr(compiler, "compile_document", lambda *given: full.append(1) or real(*given))
    list(outcomes(SIX, Options(check=True), jobs=1))
    assert len(full) == 6


def test_mistakes_are_told_for_each_spec_also_where_files_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {f"p{number:03}": f"p{number:03}" for number in range(6)}, "unmanaged: [nothing.yaml]\n")
    monkeypatch.chdir(tmp_path)
    done = list(outcomes(SIX, Options(), jobs=1))
    assert [[each.code for each in outcome.diagnostics] for outcome in done] == [["W221"]] * 6
    assert [outcome.diagnostics[0].span.file for outcome in done] == [f"p{number:03}/mlops.yaml" for number in range(6)]


def test_files_that_look_as_they_did_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {name: name for name in SIX})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlopsgen.cli.fast.IN_CHECKOUT", False)
    monkeypatch.setattr(statcache, "SETTLED", -(10**12))
    monkeypatch.setattr("mlopsgen.cli.several.LOOKED_AT", 2)
    remembered = tmp_path / ".git" / statcache.FOLDER

    def built(*specs: str, jobs: int = 1, **options: Any) -> list[Any]:
        return [each.row["differs"] if each.row else each.diagnostics[0].code for each in found(specs, jobs, options)]

    def found(specs: tuple[str, ...], jobs: int, options: dict[str, Any]) -> list[Outcome]:
        return list(outcomes(specs or SIX, Options(**options), jobs))

    assert built() == [True] * 6
    assert built("p001") == [False]
    assert built(check=True) == [False] * 6
    assert not list(remembered.glob("*"))
    assert built(jobs=2) == [False] * 6
    assert len(list(remembered.iterdir())) == 6
    with monkeypatch.context() as patched:
        patched.setattr("mlopsgen.output.fast._open", None)
        assert built() == built(jobs=2) == built(check=True) == [False] * 6
    with (tmp_path / "p001" / "mlops.yaml").open("a") as stream:
        stream.write("serving: {port: 9001}\n")
    dvc = tmp_path / "p003" / "dvc.yaml"
    dvc.write_text(dvc.read_text().replace("stages", "STAGES"))
    assert built() == [False, True, False, "E302", False, False]


def test_below_finds_the_folder_itself(tmp_path: Path) -> None:
    write(tmp_path, {".": "root", "a": "ant"})
    assert below(str(tmp_path)) == [str(tmp_path / "a" / "mlops.yaml"), str(tmp_path / "mlops.yaml")]
