"""The committed examples: fresh, and accepted by DVC and by the judges of workflows and images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import EXAMPLES, ROOT, Run, tool

NAMES = sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir())
JUDGES = {
    "schema": ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
    "timeouts": ("check-jsonschema", "--builtin-schema", "custom.github-workflows-require-timeout"),
    "actionlint": ("actionlint", "-no-color"),
}


def workflows(example: str) -> list[Path]:
    """The example's workflows."""
    return sorted((EXAMPLES / example / ".github" / "workflows").glob("*.yaml"))


@pytest.mark.parametrize("example", NAMES)
def test_the_output_is_fresh(example: str, mlopsgen: Run) -> None:
    done = mlopsgen("build", "--check", str(EXAMPLES / example))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an example in a Git repository of its own."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLES / request.param, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def dvc(folder: Path, *arguments: str) -> str:
    """Run DVC; it must succeed."""
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "PATH": f"{Path(tool('dvc')).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [tool("dvc"), *arguments], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "repository",
    [pytest.param(name, marks=[] if name == "support-assistant" else pytest.mark.slow) for name in NAMES],
    indirect=True,
)
def test_dvc_accepts_the_pipeline(repository: Path) -> None:
    stages = yaml.safe_load((repository / "dvc.yaml").read_text())["stages"]
    listed = [line.split()[0] for line in dvc(repository, "stage", "list").splitlines()]
    assert listed == list(stages)
    assert "-->" in dvc(repository, "dag", "--mermaid")
    assert set(json.loads(dvc(repository, "status", "--json"))) <= set(stages)
    for stage in stages.values():
        dvc(repository, "stage", "list")
        assert stage["cmd"].split()[0] in ("mlops-runtime", "torchrun")


@pytest.mark.parametrize("repository", ["support-assistant"], indirect=True)
def test_dvc_reads_numbers_as_numbers(repository: Path) -> None:
    code = "import dvc.api, json; print(json.dumps(dvc.api.params_show()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    train = json.loads(done.stdout)["train"]
    assert train["learning_rate"] == 2e-05
    assert isinstance(train["learning_rate"], float)
    assert train["packing"] is True


@pytest.mark.parametrize("repository", ["docstrings"], indirect=True)
def test_the_first_stage_runs_on_real_text(repository: Path) -> None:
    dvc(repository, "repro", "--quiet", "collect")
    lines = (repository / "data/raw/records.jsonl").read_text("utf-8").splitlines()
    assert len(lines) > 3000
    assert all(set(json.loads(line)) == {"prompt", "response", "module"} for line in lines)
    assert json.loads(dvc(repository, "status", "--json", "collect")) == {}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("example", NAMES)
def test_workflows_pass(example: str, judge: str) -> None:
    assert len(workflows(example)) == 4
    program, *arguments = JUDGES[judge]
    labels = EXAMPLES / example / ".github" / "actionlint.yaml"
    if judge == "actionlint" and labels.exists():
        arguments += ["-config-file", str(labels)]
    command = [tool(program), *arguments, *map(str, workflows(example))]
    done = subprocess.run(command, cwd=EXAMPLES / example, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", NAMES)
def test_zizmor_finds_only_what_the_docs_explain(example: str) -> None:
    command = [
        tool("zizmor"),
        "--offline",
        "--no-progress",
        "--persona=auditor",
        "--format=json",
        *map(str, workflows(example)),
    ]
    done = subprocess.run(command, cwd=EXAMPLES / example, capture_output=True, text=True, check=False)
    found = {finding["ident"] for finding in json.loads(done.stdout)}
    explained = (ROOT / "docs" / "workflows.md").read_text()
    assert all(f"`{ident}`" in explained for ident in found), found


@pytest.mark.parametrize("example", NAMES)
def test_no_expression_stands_in_a_script_and_every_action_is_pinned(example: str) -> None:
    for path in workflows(example):
        text = path.read_text()
        document = yaml.safe_load(text)
        assert document["permissions"] == {}
        for job in document["jobs"].values():
            for step in job.get("steps", []):
                assert "${{" not in step.get("run", "")
        for line in text.splitlines():
            if "uses: " in line and "./" not in line:
                _, _, action = line.partition("uses: ")
                _, _, rest = action.partition("@")
                sha, _, tag = rest.partition(" # ")
                assert len(sha) == 40, line
                assert tag.startswith("v"), line


@pytest.mark.parametrize("example", NAMES)
def test_hadolint_passes(example: str) -> None:
    files = sorted(str(p) for p in (EXAMPLES / example / "docker").glob("*.Dockerfile"))
    done = subprocess.run([tool("hadolint"), *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
