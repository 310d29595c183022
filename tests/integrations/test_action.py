"""The GitHub action, its steps run from action.yml in scratch repositories."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.conftest import tool

from .conftest import git
from .github import Comments, Runner, api, event

FASTER = ("epochs: 3", "epochs: 4")


@pytest.fixture(scope="session")
def action(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runner, Comments]]:
    """The action, installed once, before an API that is up."""
    with api() as comments:
        yield Runner(source, tmp_path_factory.mktemp("runner"), comments.url), comments


class Request(NamedTuple):
    """A pull request as actions/checkout leaves it: one commit, the merge of both sides."""

    folder: Path
    base: str
    head: str


@pytest.fixture
def request_of(project: Path, tmp_path: Path) -> Any:
    """Makes a pull request out of an edit of the spec, while the base went on."""
    git(project, "branch", "--move", "main")
    for name in ("uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter"):
        git(project, "config", name, "true")

    def make(text: str) -> Request:
        base = git(project, "rev-parse", "HEAD")
        git(project, "checkout", "--quiet", "-b", "change")
        (project / "mlops.yaml").write_text(text)
        subprocess.run([sys.executable, "-m", "mlopsgen", "build", "--quiet"], cwd=project, check=False)
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "change")
        head = git(project, "rev-parse", "HEAD")
        git(project, "checkout", "--quiet", "main")
        (project / "NOTES.md").write_text("the base went on\n")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "later")
        git(project, "merge", "--quiet", "--no-ff", "--message", "merge", "change")
        folder = tmp_path / "checkout"
        git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", str(folder))
        return Request(folder, base, head)

    return make


@pytest.mark.slow
def test_the_check(action: tuple[Runner, Comments], project: Path) -> None:
    run, comments = action
    good = run(project, python=sys.executable)
    assert good.returncode == 0, good.stderr
    assert run(project, specs="--all").returncode == 0
    assert run(project, specs="--all\nmlops.yaml").returncode == 2
    (project / "params.yaml").write_text("data: {}\n")
    edited = run(project)
    assert edited.returncode == 2
    assert "::error title=E302::" in edited.stdout
    git(project, "checkout", "params.yaml")
    spec = project / "mlops.yaml"
    spec.write_text(spec.read_text() + "training: {epochs: 3}\n")
    stale = run(project)
    assert stale.returncode == 1
    assert "run mlopsgen build and commit the result" in stale.stdout
    spec.write_text(spec.read_text() + "registry: {keeep: 3}\n")
    wrong = run(project, command="validate")
    assert wrong.returncode == 2
    assert "::error file=mlops.yaml,line=8,col=12," in wrong.stdout
    assert "did you mean `keep`?" in wrong.stdout
    assert run(project, command="; echo").returncode == 2
    assert run(project, plan="; echo").returncode == 2
    assert (run.summary, comments.calls) == ("", [])


@pytest.mark.slow
def test_a_plan_is_put_on_the_pull_request_and_replaced(
    action: tuple[Runner, Comments], project: Path, request_of: Any
) -> None:
    run, comments = action
    comments.rows.clear()
    made = request_of((project / "mlops.yaml").read_text() + "training: {epochs: 4}\n")
    given = event(base=made.base, head=made.head)
    first = run(made.folder, given, token="writer")
    assert first.returncode == 0, first.stdout + first.stderr
    [body] = comments.bodies
    assert body.startswith("<!-- mlopsgen: plan -->\n### ")
    assert "`training`" in body
    assert "| retrain |" in body
    # The base's own step is no part of the change.
    assert "1 field" in body.splitlines()[1]
    assert run.summary.strip() in body
    assert run(made.folder, given, token="writer").returncode == 0
    assert comments.bodies == [body]
    reached = run(made.folder, given, token="writer", fail_on="retrain")
    assert reached.returncode == 1
    assert "::error title=mlopsgen::the plan has something of the class retrain, or worse" in reached.stdout
    assert run(made.folder, given, token="writer", fail_on="recreate").returncode == 0
    assert run(made.folder, given, token="writer", plan="none").returncode == 0
    assert run.summary == ""
    assert run(made.folder, given, token="writer", specs="--all").returncode == 0
    assert comments.bodies[0].startswith("\n".join(body.splitlines()[:3]))
    assert comments.bodies[0].rstrip().endswith(": 1 changed")
    comments.rows.clear()
    assert run(made.folder, given, token="writer", plan="summary").returncode == 0
    assert run.summary.strip() in body
    assert comments.bodies == []


@pytest.mark.slow
def test_a_pull_request_of_a_fork_has_its_plan_in_the_summary(
    action: tuple[Runner, Comments], project: Path, request_of: Any
) -> None:
    run, comments = action
    comments.rows.clear()
    made = request_of((project / "mlops.yaml").read_text() + "training: {epochs: 4}\n")
    done = run(made.folder, event(fork=True, base=made.base, head=made.head), token="reader")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "see the summary of the run" in done.stdout
    assert "::warning" not in done.stdout
    assert "`training`" in run.summary
    assert comments.bodies == []


@pytest.mark.slow
def test_a_spec_that_is_wrong_is_told_once_at_its_line_and_has_no_plan(
    action: tuple[Runner, Comments], project: Path, request_of: Any
) -> None:
    run, comments = action
    comments.rows.clear()
    made = request_of((project / "mlops.yaml").read_text() + "training: {epoch: 4}\n")
    done = run(made.folder, event(base=made.base, head=made.head), token="writer")
    assert done.returncode == 2
    assert done.stdout.count("::error file=mlops.yaml,line=7,") == 1
    assert (run.summary, comments.bodies) == ("", [])


@pytest.mark.slow
def test_a_base_that_cannot_be_fetched_costs_the_plan_alone(
    action: tuple[Runner, Comments], project: Path, request_of: Any
) -> None:
    run, _ = action
    made = request_of((project / "mlops.yaml").read_text() + "training: {epochs: 4}\n")
    shutil.move(project, project.with_name("gone"))
    done = run(made.folder, event(base=made.base, head=made.head), token="writer")
    assert done.returncode == 0
    assert "::warning title=mlopsgen::no plan: the base" in done.stdout


def test_the_action_interpolates_nothing_into_its_scripts(source: Path) -> None:
    action = yaml.safe_load((source / "action.yml").read_text())
    assert all("${{" not in step["run"] for step in action["runs"]["steps"])
    judges = (
        [tool("check-jsonschema"), "--builtin-schema", "vendor.github-actions", source / "action.yml"],
        [tool("zizmor"), "--offline", "--persona", "auditor", source / "action.yml"],
    )
    for command in judges:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
