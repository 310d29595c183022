"""Rules that every workflow keeps, whatever the spec says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mlopsgen.contract.commands import COMMANDS, PROGRAM
from mlopsgen.contract.environment import QUIET
from mlopsgen.contract.pins import ACTIONS
from mlopsgen.targets.github import files
from tests.targets.github import specs

LEVELS = {"none": 0, "read": 1, "write": 2}

pytestmark = pytest.mark.parametrize("name", specs.CASES)


def test_the_same_project_gives_the_same_files(name: str) -> None:
    project = specs.project(name)
    assert list(files(project)) == list(files(project))
    assert specs.workflows(name) == specs.workflows(name)


def test_no_expression_stands_in_a_script(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        for job, step in specs.steps(workflow):
            assert "${{" not in step.get("run", ""), (job, step)


def test_every_action_is_pinned_to_a_commit_and_says_its_version(name: str) -> None:
    for text in specs.workflows(name).values():
        for line in re.findall(r"uses: (.*)", text):
            if line.startswith("./"):
                continue
            action = re.fullmatch(r"([a-z-]+/[a-z-]+)@([0-9a-f]{40}) # (v[0-9.]+)", line)
            assert action, line
            assert ACTIONS[action[1]] == (action[3], action[2])


def test_nothing_is_permitted_that_a_job_does_not_ask_for(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        assert workflow["permissions"] == {}
        for job, content in specs.jobs(workflow):
            assert content.get("permissions"), job


def test_only_records_write_to_the_repository(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        for job, content in specs.jobs(workflow):
            writes = content["permissions"].get("contents") == "write"
            assert writes == (job == "record" or "uses" in content), job


def test_every_job_that_runs_has_an_end(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        for job, content in specs.jobs(workflow):
            if "uses" not in content:
                assert 0 < int(content["timeout-minutes"]) <= 24 * 60, job
                hosted = str(content["runs-on"]).startswith("ubuntu-")
                assert not hosted or int(content["timeout-minutes"]) < 360, job


def test_every_job_has_a_turn(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        for job, content in specs.jobs(workflow):
            assert "concurrency" in workflow or "concurrency" in content or "uses" in content, job


def test_checkouts_keep_no_credentials(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        for _, step in specs.steps(workflow):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] == "false"


def test_secrets_are_read_only_in_github_environments(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        for job, content in specs.jobs(workflow):
            if "uses" not in content and "secrets." in str(content):
                assert "environment" in content, job


def test_pull_requests_get_no_gpu_and_forks_no_credentials(name: str) -> None:
    workflow = specs.all_workflows(name)["ci"]
    assert list(workflow["on"]) == ["pull_request"]
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    for job, content in specs.jobs(workflow):
        assert "gpu" not in content["runs-on"], job
        needs_guard = job == "data" or not str(content["runs-on"]).startswith("ubuntu-")
        assert (own in content.get("if", "")) == needs_guard, job
        assert needs_guard or "id-token" not in content["permissions"], job


def test_nothing_is_cached(name: str) -> None:
    for text in specs.workflows(name).values():
        assert "actions/cache" not in text
        assert not re.search(r"^ *(cache|cache-from|cache-to):", text, re.MULTILINE)


def test_no_part_calls_home(name: str) -> None:
    for kind, workflow in specs.all_workflows(name).items():
        assert kind == "retrain" or QUIET.items() <= workflow["env"].items()


def test_commands_are_those_of_the_contract(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        for _, step in specs.steps(workflow):
            for command in re.findall(rf"{PROGRAM} (\S+)", step.get("run", "")):
                assert command in COMMANDS


def test_calls_give_what_the_called_workflow_takes(name: str) -> None:
    workflows = specs.all_workflows(name)
    for workflow in workflows.values():
        for job, content in specs.jobs(workflow):
            if "uses" not in content:
                continue
            called = workflows[content["uses"].split("ml-")[-1].removesuffix(".yaml")]
            taken = called["on"]["workflow_call"]
            required = {key for key, value in taken["inputs"].items() if value.get("required") == "true"}
            assert required <= content["with"].keys() <= taken["inputs"].keys(), job
            assert content.get("secrets", {}).keys() == taken.get("secrets", {}).keys(), job
            assert _within(called, content["permissions"]), job


def _within(called: dict[str, Any], granted: dict[str, str]) -> bool:
    """Whether no job of a called workflow asks for more than its caller grants; GitHub refuses to start otherwise."""
    return all(
        LEVELS[level] <= LEVELS[granted.get(scope, "none")]
        for _, content in specs.jobs(called)
        for scope, level in content["permissions"].items()
    )


def test_secrets_that_are_read_are_declared(name: str) -> None:
    for workflow in specs.all_workflows(name).values():
        triggers = workflow["on"]
        if "workflow_call" in triggers:
            read = set(re.findall(r"secrets\.([A-Z_]+)", str(workflow["jobs"])))
            assert read <= triggers["workflow_call"].get("secrets", {}).keys()
