"""Context of `ml-train.yaml`."""

from __future__ import annotations

from typing import Any

from mlopsgen.contract.commands import command, model_tests
from mlopsgen.contract.files import MODEL, REGISTRATION, REPORTS
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.traced import join
from mlopsgen.targets.github import access, steps
from mlopsgen.targets.github.names import BUILD, RELEASE, TRAIN, call, inside, named, others

HOSTED_MINUTES, OWN_MINUTES = 350, 1440
"""Longest training: GitHub's runners stop after 360 minutes, one's own after a day."""

FREE_GIB = 50
"""Room that a runner of one's own must have before training."""

STAGES = {
    "collect": "Collect the data",
    "prepare": "Prepare the data",
    "validate": "Validate the data",
    "drift": "Compare the data with the reference",
    "train": "Train",
    "evaluate": "Evaluate",
    "benchmark": "Benchmark",
    "safety": "Test safety",
    "bias": "Test bias",
    "gate": "Judge the model",
    "register": "Register the model",
}
"""Stages of the pipeline, in order, and their steps' names."""

UNTOUCHED = ("*.md", "**/*.md", "docs/**", "deploy/**", "monitoring/**", "local/**", "reports/**", "dvc.lock")
"""Paths whose change alone neither trains nor releases: prose, output, and what runs themselves record."""


def context(project: Project) -> dict[str, Any]:
    """What the template takes."""
    runner = project.ci.runners.gpu if project.uses_gpu else project.ci.runners.default
    hosted = steps.hosted(runner)
    return steps.common(project, TRAIN) | {
        "branches": [each.branch for each in project.environments if each.branch is not None],
        "paths": paths(project),
        "schedule": project.ci.schedule,
        "search": project.training.search is not None,
        "tests": project.ci.quality.tests,
        "machine": steps.labels(runner),
        "own": not hosted,
        "minutes": HOSTED_MINUTES if hosted else OWN_MINUTES,
        "free": FREE_GIB,
        "environment": named(project, BUILD),
        "guarded": access.signs_in(project) or bool(access.training(project)),
        "secrets": access.values(access.training(project)),
        "declared": access.declared(access.every(project)),
        "stages": stages(project),
        "model": MODEL,
        "model_tests": _model_tests(project),
        "again": _again(project),
        "prepare": _lines(f"dvc repro {_pull(project)}prepare", *_data(project)),
        "searches": command("search"),
        "drift": _lines(*_data(project), command("drift")),
        "collects": project.data.collect is not None,
        "drift_stage": project.data.drift.reference != "champion",
        "reachable": steps.reachable(project),
        "raw": project.data.raw,
        "registration": REGISTRATION,
        "reports": inside(project, REPORTS),
        "groups": {
            "test": join(project.name, "-test-${{ github.ref }}"),
            "train": join(project.name, "-train-${{ github.ref }}"),
            "search": join(project.name, "-search-${{ github.ref }}"),
            "record": join(project.name, "-record"),
        },
        "releases": [_release(project, each) for each in project.environments if each.branch is not None],
    }


def _again(project: Project) -> str:
    """Runs every stage, changed or not; raw data that no stage fetches must be there first."""
    fetch = ['dvc pull "$RAW"'] if steps.reachable(project) and project.data.collect is None else []
    return _lines(*fetch, "dvc repro --force")


def _pull(project: Project) -> str:
    """Options that fetch only what a stage that runs needs, and nothing for one that does not."""
    return "--pull --allow-missing " if steps.reachable(project) else ""


def _data(project: Project) -> list[str]:
    """Commands that bring prepared data into the workspace, where the pipeline did not have to make it."""
    return ["dvc pull --allow-missing prepare"] if steps.reachable(project) else []


def _model_tests(project: Project) -> str:
    """Tests the model on disk; where no stage made or fetched one, nothing changed that could fail."""
    tests = "\n".join(f"  {line}" for line in (*_data(project), model_tests()))
    said = '  echo "No stage had to run: the model is the one tested before." >> "$GITHUB_STEP_SUMMARY"'
    return f'if [ -d "$MODEL" ]; then\n{tests}\nelse\n{said}\nfi\n'


def _lines(*commands: str) -> str:
    return "\n".join(commands) + ("\n" if len(commands) > 1 else "")


def stages(project: Project) -> list[dict[str, str]]:
    """Stages that the pipeline of this project has, each with the command that brings it up to date."""
    evaluation = project.evaluation
    absent = {name for name in ("benchmark", "safety", "bias") if getattr(evaluation, name) is None}
    if not (evaluation.gates or evaluation.against_champion or len(absent) < 3):
        absent.add("gate")
    if project.data.collect is None:
        absent.add("collect")
    if project.data.drift.reference == "champion":
        absent.add("drift")
    return [
        {"name": name, "title": title, "run": f"dvc repro {_pull(project)}{name}"}
        for name, title in STAGES.items()
        if name not in absent
    ]


def paths(project: Project) -> list[Any]:
    """Paths whose change starts a training or a release."""
    ignored = project.data.collect is None and "data" not in project.ci.retrain_on
    data = [join(project.data.raw, ".dvc")] if ignored else []
    left = [join("!", inside(project, each)) for each in (*UNTOUCHED, *data)]
    return [inside(project, "**"), *left, *others(project), *([] if project.folder else ["!.github/**"])]


def _release(project: Project, environment: Environment) -> dict[str, Any]:
    return {
        "job": join("release-", environment.name),
        "title": join("Release to ", environment.name),
        "condition": join("github.ref == 'refs/heads/", environment.branch, "'"),
        "workflow": call(project, RELEASE),
        "environment": environment.name,
        "secrets": access.values(access.every(project)),
    }
