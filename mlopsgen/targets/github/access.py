"""What jobs may reach: secrets by name, clouds by OpenID Connect, the permissions that this takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlopsgen.contract import environment as variables
from mlopsgen.project.model import Project
from mlopsgen.spec.serving import SecretRef
from mlopsgen.spec.traced import join, traced

PIP_INDEX = "PIP_INDEX_URL"
"""Secret that pip reads when packages come from a private index."""

REGISTRY_SECRETS = ("REGISTRY_USERNAME", "REGISTRY_PASSWORD")
"""Secrets that sign in to an image registry which no other credentials open."""


def secrets(project: Project) -> list[str]:
    """Names of the GitHub secrets that jobs get as environment variables to reach data and registry."""
    return list(project.ci.credentials.secrets)


def training(project: Project) -> list[str]:
    """Secrets of jobs that train: those of `secrets`, and the key of a second tracking server."""
    names = secrets(project)
    if project.tracking.wandb is not None and variables.WANDB_API_KEY not in names:
        names.append(variables.WANDB_API_KEY)
    return names


def values(names: Iterable[str]) -> dict[str, str]:
    """Environment variables of the same names as the secrets they hold."""
    return {name: join("${{ secrets.", name, " }}") for name in names}


def declared(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Secrets as a called workflow declares them; none is required, for one job's secrets are not the next one's."""
    return {name: {"description": "Handed on by name.", "required": False} for name in names}


def index(project: Project) -> dict[str, str]:
    """The private package index, when its address is among the secrets."""
    return values(name for name in project.ci.credentials.secrets if name == PIP_INDEX)


def signs_in(project: Project) -> bool:
    """Whether jobs exchange an OpenID Connect token for a cloud's."""
    credentials = project.ci.credentials
    return credentials.aws is not None or credentials.gcp is not None


def guarded(project: Project) -> bool:
    """Whether jobs that reach the data need credentials at all."""
    return signs_in(project) or bool(secrets(project))


def variable(reference: SecretRef) -> str:
    """The GitHub secret behind `{secret: …, key: …}`, with its origins."""
    name = variables.secret_variable(reference.secret, reference.key)
    return str(traced(name, *_origins(reference.secret), *_origins(reference.key)))


def every(project: Project) -> list[str]:
    """Secrets of training and of the release that follows it, each once."""
    names = [*training(project), *of_environments(project)]
    if registry(project) == "other":
        names += REGISTRY_SECRETS
    return list(dict.fromkeys(names))


def registry(project: Project) -> str:
    """Who keeps the serving image, and so how to sign in there: `github`, `aws`, `google` or `other`."""
    host = registry_host(project)
    if host in ("", "ghcr.io"):
        return "github"
    if ".dkr.ecr." in host and project.ci.credentials.aws is not None:
        return "aws"
    if host.endswith(("-docker.pkg.dev", "gcr.io")) and project.ci.credentials.gcp is not None:
        return "google"
    return "other"


def registry_host(project: Project) -> str:
    """Host of the image registry; empty for an image that names neither host nor owner."""
    head, slash, _ = str(project.serving.image).partition("/")
    if not slash:
        return ""
    return head if "." in head or ":" in head else "docker.io"


def _origins(value: Any) -> tuple[str, ...]:
    return tuple(getattr(value, "origins", ()))


def of_environments(project: Project) -> list[str]:
    """Secrets that the release workflow reads, beyond those of `secrets`; each once."""
    names: dict[str, None] = {}
    for environment in project.environments:
        names[variable(environment.kubeconfig)] = None
        if environment.serving.auth is not None:
            names[variable(environment.serving.auth)] = None
    return list(names)
