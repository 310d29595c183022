"""The judges of the field find nothing but what docs/workflows.md explains; and each finds a planted fault."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, tool
from tests.targets.github import specs

YAMLLINT = (
    "{extends: default, rules: {line-length: disable, document-start: disable, truthy: {check-keys: false},"
    " comments: {min-spaces-from-content: 1}}}"
)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each case as a repository."""
    root = tmp_path_factory.mktemp("repositories")
    return {name: specs.write(name, root / name) for name in specs.CASES}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full case, to plant faults in."""
    return specs.write("full", tmp_path_factory.mktemp("faulty") / "full")


def run(name: str, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a judge."""
    return subprocess.run(
        [tool(name), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=240, check=False
    )


def workflows(folder: Path) -> list[Path]:
    """Workflow files of a repository."""
    return sorted((folder / ".github" / "workflows").iterdir())


def zizmor(*folders: Path) -> list[dict[str, Any]]:
    """Findings of the strictest persona."""
    result = run("zizmor", "--offline", "--persona", "auditor", "--no-exit-codes", "--format", "json", *folders)
    assert result.returncode == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def explained() -> set[str]:
    """Findings that docs/workflows.md accepts, by their id."""
    text = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| zizmor `([a-z-]+)` \|", text, re.MULTILINE))


@pytest.mark.parametrize("name", specs.CASES)
def test_actionlint_finds_nothing(name: str, repositories: dict[str, Path]) -> None:
    result = run("actionlint", "-oneline", *workflows(repositories[name]), cwd=repositories[name])
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_zizmor_finds_only_what_is_explained(repositories: dict[str, Path]) -> None:
    found = {finding["ident"] for finding in zizmor(*repositories.values())}
    assert found == explained()


def test_workflows_have_the_shape_that_github_publishes(repositories: dict[str, Path]) -> None:
    files = [file for folder in repositories.values() for file in workflows(folder)]
    result = run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    assert result.returncode == 0, result.stdout


def test_yamllint_finds_nothing(repositories: dict[str, Path]) -> None:
    result = run("yamllint", "--strict", "-d", YAMLLINT, *repositories.values())
    assert (result.returncode, result.stdout) == (0, "")


def plant(repository: Path, workflow: str, old: str, new: str) -> Path:
    """A copy of the repository's workflows with one fault."""
    folder = repository.parent / f"{workflow}-{abs(hash((old, new)))}"
    specs.write("full", folder)
    file = folder / ".github" / "workflows" / f"{workflow}.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_actionlint_finds_a_planted_fault(repository: Path) -> None:
    folder = plant(repository, "ml-train", "needs.train.outputs.model_version", "needs.train.outputs.version")
    result = run("actionlint", "-oneline", *workflows(folder), cwd=folder)
    assert result.returncode == 1
    assert 'property "version" is not defined' in result.stdout


def test_zizmor_finds_a_planted_fault(repository: Path) -> None:
    folder = plant(repository, "ml-train", 'echo "Started by $REASON."', 'echo "Started by ${{ inputs.reason }}."')
    assert "template-injection" in {finding["ident"] for finding in zizmor(folder)}


def test_the_schema_finds_a_planted_fault(repository: Path) -> None:
    folder = plant(repository, "ml-release", "queue: max", "queue: all")
    result = run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows(folder))
    assert result.returncode == 1


def test_yamllint_finds_a_planted_fault(repository: Path) -> None:
    folder = plant(repository, "ml-ci", "permissions: {}\n", "permissions: {}\npermissions: {}\n")
    assert run("yamllint", "--strict", "-d", YAMLLINT, folder).returncode == 1
