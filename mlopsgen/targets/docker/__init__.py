"""Docker: the images that train and serve, and what stays out of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.contract.environment import QUIET
from mlopsgen.contract.files import LOCAL_TRACKING, PROCESSED, REPORTS
from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.spec.traced import Text, join, merged, traced
from mlopsgen.targets.docker.bases import pinned, python, vllm

USER = 10001
"""Numeric, so that Kubernetes can see that it is not root."""


def files(project: Project) -> Iterable[File]:
    """`docker/train.Dockerfile`, `docker/serve.Dockerfile` and `.dockerignore`."""
    yield File(path="docker/train.Dockerfile", template="docker/train.Dockerfile", context=_train(project))
    beside = project.serving.engine == "vllm"
    template = "docker/serve-vllm.Dockerfile" if beside else "docker/serve.Dockerfile"
    yield File(path="docker/serve.Dockerfile", template=template, context=_serve(project))
    yield File(path=".dockerignore", template="docker/dockerignore", context={"left": _left(project)})


def _train(project: Project) -> dict[str, Any]:
    return _common(project, "train") | {
        "base": pinned(project, python(project)),
        "requirements": project.training.requirements,
    }


def _serve(project: Project) -> dict[str, Any]:
    base = vllm(project) if project.serving.engine == "vllm" else python(project)
    return _common(project, "serve") | {
        "base": pinned(project, base),
        "requirements": project.serving_requirements,
        "port": project.serving.port,
    }


def _common(project: Project, purpose: str) -> dict[str, Any]:
    labels: dict[str, str] = {"title": join(project.name, "-", purpose)}
    if project.description is not None:
        labels["description"] = project.description
    if project.repository is not None:
        labels["source"] = join("https://github.com/", project.repository)
    return {
        "labels": {f"org.opencontainers.image.{name}": quoted(value) for name, value in labels.items()},
        "env": QUIET,
        "user": USER,
    }


def quoted(text: str) -> Text:
    """The text as a Dockerfile reads it back: in double quotes, nothing in it special."""
    body = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    result: Text = traced(f'"{body}"', *merged(text))
    return result


def _left(project: Project) -> list[str]:
    """What the project itself keeps out of images: its data, its models, its output."""
    left = [project.data.raw, PROCESSED, "models", REPORTS, LOCAL_TRACKING]
    left += [store for store in (project.data.remote, project.training.checkpoint.store) if "://" not in store]
    return list(dict.fromkeys(left))
