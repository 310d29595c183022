"""Specs that between them take every branch of the templates, and what comes out of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets.github import files
from tests.conftest import FULL

SMALLEST = """\
version: 1
project: {name: docstrings}
data: {raw: data/raw}
model: {architecture: {type: llama, hidden_size: 64, layers: 1, heads: 2, vocab_size: 4096}}
"""


class Case(NamedTuple):
    """A spec, and the folder of the repository that it lies in."""

    text: str
    folder: str = ""


def smallest(*sections: str, data: str = "raw: data/raw") -> str:
    """The smallest spec with more sections, each a line of flow YAML."""
    return SMALLEST.replace("raw: data/raw", data) + "".join(f"{section}\n" for section in sections)


REMOTE = "raw: data/raw, remote: s3://acme/dvc"
AWS = "aws: {role: 'arn:aws:iam::123456789012:role/ml-ci', region: eu-west-1}"
GCP = (
    "gcp: {provider: projects/1/locations/global/workloadIdentityPools/github/providers/acme, "
    "service_account: ml-ci@acme.iam.gserviceaccount.com}"
)
ECR = "serving: {image: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/docstrings}"
ARTIFACTS = "serving: {image: europe-docker.pkg.dev/acme/ml/docstrings}"
QUALITY = "quality: {types: mypy src, tests: pytest tests/unit --cov}"
CUDA = "training: {resources: {gpu: 1}, search: {parameters: {learning_rate: {log_uniform: [1.0e-6, 1.0e-4]}}}}"

CASES = {
    "smallest": Case(SMALLEST),
    "full": Case(FULL.read_text(encoding="utf-8")),
    "collects": Case(smallest(data="raw: data/raw, collect: 'collect:fetch'")),
    "remote": Case(smallest(data=REMOTE)),
    "remote-collects": Case(smallest(data=f"{REMOTE}, collect: 'collect:fetch'")),
    "reference": Case(smallest(data="raw: data/raw, drift: {reference: data/reference.jsonl}")),
    "remote-reference": Case(smallest(data=f"{REMOTE}, drift: {{reference: data/reference.jsonl}}")),
    "gpu": Case(smallest(CUDA, f"ci: {{{QUALITY}}}", data=REMOTE)),
    "gpu-hosted": Case(smallest(CUDA, "ci: {runners: {gpu: ubuntu-24.04}}", data=REMOTE)),
    "own-runner": Case(smallest(f"ci: {{{QUALITY}, runners: {{default: [self-hosted, linux]}}}}")),
    "no-quality": Case(smallest("ci: {quality: {format: null, lint: null}}")),
    "aws": Case(smallest(ECR, f"ci: {{credentials: {{{AWS}}}}}", data=REMOTE)),
    "gcp": Case(smallest(ARTIFACTS, f"ci: {{credentials: {{{GCP}}}}}", data=REMOTE)),
    "secrets": Case(
        smallest(
            "serving: {image: registry.acme.dev/docstrings, auth: {secret: serving, key: token}}",
            "tracking: {mlflow: {uri: 'https://mlflow.acme.dev'}, wandb: {entity: acme, project: docstrings}}",
            f"ci: {{{QUALITY}, credentials: {{secrets: [MLFLOW_TRACKING_TOKEN, PIP_INDEX_URL]}}}}",
            data=REMOTE,
        )
    ),
    "docker-hub": Case(smallest("serving: {image: acme/docstrings}")),
    "one-environment": Case(smallest("environments: {live: {branch: main, url: 'https://api.acme.dev'}}")),
    "argo": Case(smallest("rollout: {engine: argo-rollouts, testers: {header: group, value: beta}}")),
    "one-step": Case(smallest("rollout: {steps: [100%]}")),
    "no-branch": Case(smallest("environments: {live: {namespace: ml}}")),
    "three": Case(
        smallest(
            "environments: {test: {branch: dev}, staging: {branch: next, approval: true}, live: {branch: main}}",
            "rollout: {testers: {header: user-group, value: beta}, deadline: 2h}",
        )
    ),
    "retrain": Case(smallest("ci: {schedule: '0 3 * * 0', retrain_on: [data, drift]}", data=REMOTE)),
    "subfolder": Case(smallest(f"ci: {{{QUALITY}, retrain_on: [decay]}}", data=REMOTE), folder="services/x"),
    "subfolder-full": Case(FULL.read_text(encoding="utf-8"), folder="services/support"),
}


def project(name: str) -> Project:
    """The resolved project of a case."""
    case = CASES[name]
    return resolve(parse(case.text, "mlops.yaml"), folder=case.folder).project


def workflows(name: str) -> dict[str, str]:
    """Workflow files of a case: path and text."""
    return {file.path: render(file).content.decode() for file in files(project(name))}


def read(text: str) -> dict[str, Any]:
    """A workflow as GitHub reads it: `on` is a key, not a boolean."""
    loaded = yaml.load(text, Loader=yaml.BaseLoader)
    assert isinstance(loaded, dict)
    return loaded


def all_workflows(name: str) -> dict[str, dict[str, Any]]:
    """Workflows of a case by the name of their template."""
    return {
        path.rpartition("/")[2].split("ml-")[-1].removesuffix(".yaml"): read(text)
        for path, text in workflows(name).items()
    }


def jobs(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Jobs of a workflow."""
    yield from workflow["jobs"].items()


def steps(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Steps of all jobs, each with its job's id."""
    for job, content in jobs(workflow):
        for step in content.get("steps", ()):
            yield job, step


def write(name: str, folder: Path) -> Path:
    """A case's workflows below `folder`, with what tools want to see in a repository."""
    (folder / ".git").mkdir(parents=True)
    for path, text in workflows(name).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    (folder / ".github" / "actionlint.yaml").write_text("self-hosted-runner: {labels: [gpu]}\n", encoding="utf-8")
    return folder
