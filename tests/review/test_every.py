"""`plan --all` and `diff --all`: the specs of a repository that changed since a revision, those that came and went."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from mlopsgen.cli import words
from mlopsgen.cli.main import run
from tests.conftest import SMALLEST

from .conftest import SMALL, Repository, git

FEW = SMALL.replace("github: false, ", "")
FASTER = "training: {epochs: 2}\n"


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with three projects, built and committed."""
    folder = tmp_path_factory.mktemp("several")
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name in ("alpha", "beta", "gamma"):
        _project(folder, name)
    assert run(["build", "--all", "-q", str(folder)]) == 0
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return folder


def _project(folder: Path, name: str) -> Path:
    spec = folder / "services" / name / "mlops.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text(SMALLEST.read_text().replace("name: docstrings", f"name: {name}") + FEW)
    assert f"name: {name}" in spec.read_text()
    return spec


@pytest.fixture
def several(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Repository:
    shutil.copytree(original, tmp_path / "several")
    return Repository(tmp_path / "several", monkeypatch, capsys)


def told(several: Repository, *more: str) -> dict[str, list[str]]:
    """Specs by what a plan says of them."""
    _, found = several.json("plan", "--all", *more)
    return {
        "changed": [plan["spec"] for plan in found["plans"]],
        "new": found["new"],
        "gone": [row["spec"] for row in found["gone"]],
    }


def test_only_what_changed_is_told(several: Repository) -> None:
    assert several.run("plan", "--all") == (0, f"3 specs against {_head(several)}: 3 unchanged\n", "")
    several.edit(FASTER, "services/beta/mlops.yaml")
    code, out, err = several.run("plan", "--all")
    assert (code, err) == (0, "")
    assert out.startswith(f"services/beta/mlops.yaml against {_head(several)}: 1 field changes\n")
    assert out.endswith(f"3 specs against {_head(several)}: 1 changed, 2 unchanged\n")
    assert several.run("plan", "--all", "--fail-on", "retrain")[0] == 1
    assert several.run("plan", "--all", "--fail-on", "recreate")[0] == 0
    assert several.run("plan", "--all", "services/alpha")[1].endswith(": 1 unchanged\n")
    several.patch.chdir(several.folder / "services" / "alpha")
    assert told(several)["changed"] == ["../beta/mlops.yaml"]


def test_specs_that_came_and_went(several: Repository) -> None:
    _project(several.folder, "delta")
    shutil.rmtree(several.folder / "services" / "alpha")
    workflow = ".github/workflows/beta-ml-ci.yaml"
    found = several.json("plan", "--all")[1]
    assert (found["plans"], found["new"]) == ([], ["services/delta/mlops.yaml"])
    (gone,) = found["gone"]
    assert gone["spec"] == "services/alpha/mlops.yaml"
    assert gone["files"] > len(gone["left"]) > 0
    assert set(gone["left"]) == {
        str(path.relative_to(several.folder)) for path in several.folder.glob(".github/workflows/alpha-*")
    }
    assert workflow not in gone["left"]
    for path in gone["left"]:
        (several.folder / path).unlink()
    expected = (
        "services/delta/mlops.yaml is new\n"
        "services/alpha/mlops.yaml is gone; what it deployed stays in the cluster until it is deleted there\n"
        f"3 specs against {_head(several)}: 1 new, 2 unchanged, 1 gone\n"
    )
    assert several.run("plan", "--all") == (0, expected, "")
    assert several.run("diff", "--all", "--base", "HEAD") == (1, expected, "")
    assert several.run("plan", "--all", "--fail-on", "recreate")[0] == 1
    assert several.json("plan", "--all", "services/beta")[1]["gone"] == []
    markdown = several.run("plan", "--all", "--format", "markdown")[1]
    assert markdown.startswith("- services/delta/mlops.yaml is new\n- services/alpha/mlops.yaml is gone; ")


def test_what_a_sparse_checkout_leaves_out_is_not_gone(several: Repository) -> None:
    several.git("update-index", "--refresh")  # copied files look changed
    several.git("sparse-checkout", "set", "services/beta", "services/gamma")
    assert not (several.folder / "services" / "alpha").exists()
    assert several.run("plan", "--all") == (0, f"2 specs against {_head(several)}: 2 unchanged\n", "")


def test_a_workspace_without_projects_has_nothing_to_compare(several: Repository) -> None:
    (several.folder / "mlops.workspace.yaml").write_text("version: 1\nprojects: [elsewhere]\n")
    code, out, err = several.run("plan", "--all")
    assert (code, out) == (0, f"0 specs against {_head(several)}: none\n")
    assert "W360" in err


def test_files_left_of_a_spec_are_named_up_to_some(several: Repository) -> None:
    (several.folder / "services" / "alpha" / "mlops.yaml").unlink()
    out = several.run("plan", "--all")[1]
    assert re.search(r"; of its (\d+) files are left (\S+, ){2}\S+ and \d+ more\n", out)


@pytest.mark.parametrize("path", ["mlops.workspace.yaml", ".github/workflows/gamma-ml-ci.yaml", "services/gamma/extra"])
def test_whatever_may_go_into_a_spec_counts(path: str, several: Repository) -> None:
    from mlopsgen.cli.affected import affected

    specs = [f"services/{name}/mlops.yaml" for name in ("alpha", "beta", "gamma")]
    assert affected(specs, None, "HEAD").same == 3
    with (several.folder / path).open("a") as stream:
        stream.write("# more\n")
    touched = affected(specs, None, "HEAD").specs
    assert touched == (specs if path == "mlops.workspace.yaml" else specs[2:])


def test_a_default_of_the_workspace_changes_each_that_has_it(several: Repository) -> None:
    (several.folder / "mlops.workspace.yaml").write_text("version: 1\ndefaults: {training: {epochs: 7}}\n")
    several.edit("training: {epochs: 3}\n", "services/alpha/mlops.yaml")
    assert told(several)["changed"] == [f"services/{name}/mlops.yaml" for name in ("alpha", "beta", "gamma")]
    several.commit()
    (several.folder / "mlops.workspace.yaml").write_text("version: 1\ndefaults: {training: {epochs: 8}}\n")
    assert told(several)["changed"] == ["services/beta/mlops.yaml", "services/gamma/mlops.yaml"]


def test_a_missing_lock_means_a_look(several: Repository) -> None:
    (several.folder / "services" / "beta" / "mlops.lock").unlink()
    several.commit()
    (several.folder / ".github" / "workflows" / "other.yaml").write_text("on: push\n")
    from mlopsgen.cli.affected import affected

    specs = ["services/alpha/mlops.yaml", "services/beta/mlops.yaml"]
    assert affected(specs, None, "HEAD").specs == specs[1:]


def test_one_wrong_spec_does_not_stop_the_others(several: Repository) -> None:
    several.edit("nonsense: 1\n", "services/alpha/mlops.yaml")
    several.edit(FASTER, "services/beta/mlops.yaml")
    for command in (("plan", "--all"), ("diff", "--all", "--base", "HEAD")):
        code, out, err = several.run(*command)
        assert code == 2
        assert "services/beta/mlops.yaml against" in out
        assert "E101" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("plan", "--all", "--base", "nowhere"), "E321"),
        (("plan", "--all", "--base", "lock"), "E324"),
        (("diff", "--all", "--base", "nowhere"), "E321"),
        (("plan", "--all", "services/nowhere"), "E360"),
        (("validate", "--all", "services/nowhere"), "E360"),
    ],
)
def test_what_cannot_be_compared(arguments: tuple[str, ...], code: str, several: Repository) -> None:
    status, found = several.codes(*arguments)
    assert (status, set(found)) == (2, {code})


def test_a_command_line_that_means_one_and_all(several: Repository) -> None:
    for more, told in ((("--base", "HEAD:mlops.yaml"), "names one file"), (("a", "b"), "takes one folder")):
        code, out, err = several.run("plan", "--all", *more)
        assert (code, out) == (2, "")
        assert told in err


def test_files_on_disk_and_the_last_build_of_all(several: Repository) -> None:
    for more in ((), ("--base", "lock")):
        assert several.run("diff", "--all", *more) == (0, "", "")
    several.edit(FASTER, "services/beta/mlops.yaml")
    for more in ((), ("--base", "lock")):
        code, out, _ = several.run("diff", "--all", "--quiet", *more)
        assert code == 1
        assert out.startswith("services/beta/mlops.yaml against ")
        assert out.count("\n") == 1


def test_committed_files_of_a_spec_that_did_not_change_are_compared_too(several: Repository) -> None:
    with (several.folder / "services" / "beta" / "dvc.yaml").open("a") as stream:
        stream.write("vars: [{x: 1}]\n")
    several.commit()
    assert several.run("diff", "--all", "--base", "HEAD")[0] == 0
    code, out, _ = several.run("diff", "--all", "--base", "HEAD", "--committed", "--quiet")
    assert code == 1
    assert out.startswith("services/beta/mlops.yaml against the files committed in HEAD")


def test_all_are_validated(several: Repository) -> None:
    code, out, _ = several.run("validate", "--all")
    assert (code, out) == (0, "".join(f"services/{name}/mlops.yaml: valid\n" for name in ("alpha", "beta", "gamma")))
    several.edit("nonsense: 1\n", "services/alpha/mlops.yaml")
    assert several.codes("validate", "--all") == (2, ["E101"])


def test_git_that_cannot_compare_is_said(several: Repository) -> None:
    from mlopsgen.review import revision

    real = revision._git
    several.patch.setattr(revision, "_git", lambda folder, *a, **n: None if a[0] == "diff" else real(folder, *a, **n))
    assert several.codes("plan", "--all") == (2, ["E320"])


def test_names_in_markdown_are_no_markup(several: Repository) -> None:
    _project(several.folder, "delta")
    (several.folder / "services" / "delta").rename(several.folder / "services" / "[x](y)@z")
    assert r"- services/\[x\](y)@" in several.run("plan", "--all", "--format", "markdown")[1]
    assert "@z" not in several.run("plan", "--all", "--format", "markdown")[1]


def test_a_counter_gives_way_to_what_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    step = words.Progress(2, few=1)
    step(1, "a")
    step.clear()
    silent = words.Progress(2)
    silent(1, "a")
    silent.clear()
    assert capsys.readouterr().err == "\r\x1b[K1/2 a\r\x1b[K"


def _head(several: Repository) -> str:
    return f"HEAD ({several.git('rev-parse', 'HEAD')[:12]})"
