"""`mlopsgen build`, as people and machines run it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import FULL, SMALLEST, Run, count_of_files
from tests.test_package import tree

FILES = count_of_files(SMALLEST)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The smallest spec in a repository of its own."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    shutil.copy(SMALLEST, folder)
    return folder


def test_it_writes_once_and_then_touches_nothing(project: Path, mlopsgen: Run) -> None:
    first = mlopsgen("build", cwd=project)
    assert first.returncode == 0
    assert first.stdout.endswith(f"mlops.yaml: {FILES} of {FILES} files changed\n")
    assert "+ .github/workflows/ml-ci.yaml\n" in first.stdout
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    again = mlopsgen("build", cwd=project)
    assert (again.returncode, again.stdout, again.stderr) == (0, f"mlops.yaml: {FILES} files up to date\n", "")
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


def test_a_changed_field_changes_what_depends_on_it(project: Path, mlopsgen: Run) -> None:
    mlopsgen("build", cwd=project)
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + "serving: {port: 9000}\n")
    done = mlopsgen("build", cwd=project)
    changed = [line for line in done.stdout.splitlines() if line.startswith("~")]
    depending = ".github/workflows/ml-release.yaml", "docker/serve.Dockerfile", "deploy/staging/serving.yaml"
    assert {f"~ {path}" for path in depending} <= set(changed)
    assert not any("dvc" in path or "params" in path or "training" in path for path in changed)


def test_check_writes_nothing(project: Path, mlopsgen: Run) -> None:
    before = tree(project)
    done = mlopsgen("build", "--check", cwd=project)
    assert done.returncode == 1
    assert done.stdout.endswith("files would change: run `mlopsgen build`\n")
    assert tree(project) == before
    mlopsgen("build", cwd=project)
    assert mlopsgen("build", "--check", cwd=project).returncode == 0


def test_a_target_that_is_switched_off_takes_its_files_along(project: Path, mlopsgen: Run) -> None:
    mlopsgen("build", cwd=project)
    edited = project / "docker" / "train.Dockerfile"
    edited.write_text("FROM scratch\n")
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + "targets: {docker: false}\n")
    done = mlopsgen("build", cwd=project)
    assert done.returncode == 0
    assert "- docker/serve.Dockerfile\n" in done.stdout
    assert "warning W301" in done.stderr
    assert edited.read_text() == "FROM scratch\n"
    assert not (project / ".dockerignore").exists()


def test_a_hand_edit_is_kept_until_force(project: Path, mlopsgen: Run) -> None:
    mlopsgen("build", cwd=project)
    edited = project / "dvc.yaml"
    good = edited.read_text()
    edited.write_text("stages: {}\n")
    done = mlopsgen("build", cwd=project)
    assert done.returncode == 2
    assert "error E302" in done.stderr
    for way in ("patches:", "unmanaged:", "--force"):
        assert way in done.stderr
    assert edited.read_text() == "stages: {}\n"
    assert mlopsgen("build", "--force", cwd=project).returncode == 0
    assert edited.read_text() == good


def test_an_unmanaged_file_is_ours_no_more(project: Path, mlopsgen: Run) -> None:
    mlopsgen("build", cwd=project)
    (project / "dvc.yaml").write_text("stages: {}\n")
    (project / ".github/workflows/ml-ci.yaml").write_text("name: mine\n")
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + "unmanaged: [dvc.yaml, .github/workflows/ml-ci.yaml]\n")
    assert mlopsgen("build", cwd=project).returncode == 0
    assert (project / "dvc.yaml").read_text() == "stages: {}\n"
    assert (project / ".github/workflows/ml-ci.yaml").read_text() == "name: mine\n"
    assert " dvc.yaml\n" not in (project / "mlops.lock").read_text()


def test_a_template_of_ones_own_replaces_ours(project: Path, mlopsgen: Run) -> None:
    mlopsgen("build", cwd=project)
    folder = project / "ops" / "docker"
    folder.mkdir(parents=True)
    (folder / "dockerignore").write_text("[% for path in left %]\n[[ path ]]\n[% endfor %]\nmine\n")
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + "templates: ops\n")
    assert mlopsgen("build", cwd=project).returncode == 0
    assert (project / ".dockerignore").read_text().endswith("\nmine\n")
    (folder / "dockerignore").write_text("other\n")
    assert mlopsgen("build", cwd=project).returncode == 0
    assert (project / ".dockerignore").read_text() == "other\n"


def test_a_patch_changes_one_place_and_keeps_comments(project: Path, mlopsgen: Run) -> None:
    mlopsgen("build", cwd=project)
    path = project / ".github/workflows/ml-ci.yaml"
    before = path.read_text().splitlines()
    spec = project / "mlops.yaml"
    spec.write_text(
        spec.read_text() + "patches:\n  - file: .github/workflows/ml-ci.yaml\n"
        "    ops: [{op: replace, path: /jobs/lint/timeout-minutes, value: 5}]\n"
    )
    assert mlopsgen("build", cwd=project).returncode == 0
    after = path.read_text().splitlines()
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        ("    timeout-minutes: 20", "    timeout-minutes: 5")
    ]


def test_list_names_the_files_and_writes_none(project: Path, mlopsgen: Run) -> None:
    done = mlopsgen("build", "--list", cwd=project)
    assert len(done.stdout.splitlines()) == FILES
    assert "dvc.yaml" in done.stdout.splitlines()
    assert sorted(p.name for p in project.iterdir()) == [".git", "mlops.yaml"]


def test_quiet_and_verbose(project: Path, mlopsgen: Run) -> None:
    assert mlopsgen("build", "-q", cwd=project).stdout == ""
    (project / "dvc.yaml").unlink()
    shown = mlopsgen("build", "-v", cwd=project).stdout.splitlines()
    assert "+ dvc.yaml" in shown
    assert "  params.yaml" in shown


def test_json(project: Path, mlopsgen: Run) -> None:
    told = json.loads(mlopsgen("build", "--format", "json", cwd=project).stdout)
    assert told["diagnostics"] == []
    (row,) = told["specs"]
    assert (row["spec"], row["count"], row["differs"]) == ("mlops.yaml", FILES, True)
    assert {"path": "dvc.yaml", "change": "create", "target": "dvc"} in row["files"]


def test_several_specs_one_of_them_wrong(tmp_path: Path, mlopsgen: Run) -> None:
    (tmp_path / ".git").mkdir()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        text = SMALLEST.read_text().replace("docstrings}", f"{name}}}")
        (tmp_path / name / "mlops.yaml").write_text(text)
    (tmp_path / "two" / "mlops.yaml").write_text("version: 2\n")
    done = mlopsgen("build", "one", "two/mlops.yaml")
    assert done.returncode == 2
    assert re.search(r"one/mlops.yaml: (\d+) of \1 files changed", done.stdout)
    assert "two/mlops.yaml:1:10: error E337" in done.stderr
    assert sorted(p.name for p in (tmp_path / ".github/workflows").iterdir()) == [
        f"one-ml-{kind}.yaml" for kind in ("ci", "release", "retrain", "train")
    ]
    assert [p.name for p in (tmp_path / "two").iterdir()] == ["mlops.yaml"]


def test_workflows_of_a_project_in_a_linked_folder_go_to_its_real_repository(tmp_path: Path, mlopsgen: Run) -> None:
    real = tmp_path / "real" / "project"
    (real / ".git").mkdir(parents=True)
    shutil.copy(SMALLEST, real)
    (tmp_path / "link").symlink_to(real)
    assert mlopsgen("build", "link").returncode == 0
    assert (real / ".github/workflows/ml-ci.yaml").exists()


@pytest.mark.parametrize("arguments", [("build",), ("build", "--check"), ("validate",)])
@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_a_wrong_spec_writes_nothing_and_exits_with_2(
    arguments: tuple[str, ...], form: str, project: Path, mlopsgen: Run
) -> None:
    (project / "mlops.yaml").write_text(FULL.read_text().replace("epochs: 3", "epochs: three"))
    done = mlopsgen(*arguments, "--format", form, cwd=project)
    assert done.returncode == 2
    assert "E103" in done.stdout + done.stderr
    assert sorted(p.name for p in project.iterdir()) == [".git", "mlops.yaml"]


def test_no_colour_without_a_terminal(project: Path, mlopsgen: Run) -> None:
    (project / "mlops.yaml").write_text("version: 1\n")
    done = mlopsgen("build", cwd=project)
    assert "\x1b" not in done.stdout + done.stderr


def test_a_credential_is_not_shown(project: Path, mlopsgen: Run) -> None:
    secret = "https://hooks.slack.com/services/T00000000/B00000000/" + "x" * 24
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + f"monitoring: {{notify: {{slack: {{channel: a, webhook: '{secret}'}}}}}}\n")
    for form in ("text", "json", "github", "sarif"):
        done = mlopsgen("validate", "--format", form, cwd=project)
        assert "E201" in done.stdout + done.stderr
        assert "T00000000" not in done.stdout + done.stderr
