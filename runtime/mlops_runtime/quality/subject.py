"""What is judged: the model that the server serves, by its small files; its weights stay where they are."""

from __future__ import annotations

import os
import tempfile
from typing import Any, NamedTuple

from mlops_runtime import models
from mlops_runtime.data import features
from mlops_runtime.endpoint import Endpoint, Unanswered
from mlops_runtime.quality.settings import Settings
from mlops_runtime.registry import flavor
from mlops_runtime.tracking import server
from mlops_runtime.training.rendering import Rendering
from mlopsgen.contract import ports
from mlopsgen.spec.data import ANSWERS

WEIGHTS = ".safetensors"
"""Ending of what is not fetched."""


class Subject(NamedTuple):
    """A served model.

    Attributes:
        version: in the registry, a run's id, or `local`.
        uri: of its files.
        rendering: from records to tokens, as trained.
        reference: counts of its training data, of the features that requests have.
    """

    version: str
    uri: str
    rendering: Rendering
    reference: features.Features


def served(settings: Settings, endpoint: Endpoint) -> tuple[str, str]:
    """Version that the server says it serves, and where its files are.

    Raises:
        Unanswered: the server does not answer, or serves another model or task.
    """
    found = endpoint.get(ports.VERSION).json()
    said, task = found.get("model"), found.get("task")
    if said != settings.name or task != settings.task:
        raise Unanswered(
            f"{endpoint.url} serves {said} for {task}; the settings are for {settings.name}, {settings.task}"
        )
    version = str(found.get("version"))
    return version, f"models:/{settings.name}/{version}" if version.isdigit() else settings.model_uri


def remote(uri: str) -> bool:
    """Whether MLflow has the files; those of a version never change, and those of a folder may."""
    return uri.startswith(("models:/", "runs:/"))


def load(settings: Settings, version: str, uri: str) -> Subject:
    """Fetch and read the small files.

    Raises:
        Mistaken: there are none, or they do not fit the code that runs here.
    """
    if not remote(uri):
        return _read(settings, version, uri, uri)
    with tempfile.TemporaryDirectory(prefix="mlops-quality-") as folder:
        return _read(settings, version, uri, fetched(uri, folder))


def _read(settings: Settings, version: str, uri: str, folder: str) -> Subject:
    rendering = models.interface(folder).rendering
    path = os.path.join(folder, features.FILE)
    counts = features.load(path) if os.path.exists(path) else features.Features(0, {})
    asked = {name for role, name in rendering.roles.items() if role not in ANSWERS}
    kept = {
        name: count
        for name, count in counts.counts.items()
        if name in settings.watched and name.rpartition(".")[0] in asked
    }
    return Subject(version, uri, rendering, features.Features(counts.records, kept))


def fetched(uri: str, folder: str) -> str:
    """Fetch the files of a model but its weights, and so without a check of the digest, which is over all of them.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/ID/PATH`.
        folder: to put them in.

    Returns:
        The folder that they are in.

    Raises:
        Mistaken: there is no such model, or the server does not answer.
    """
    with server.answering():
        server.client()
        from mlflow.artifacts import download_artifacts, list_artifacts

        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        above = list_artifacts(artifact_uri=uri)
        inner = any(one.is_dir and os.path.basename(one.path) == flavor.FOLDER for one in above)
        place = f"{uri}/{flavor.FOLDER}" if inner else uri
        found = list_artifacts(artifact_uri=place) if inner else above
        names = [os.path.basename(one.path) for one in found if not one.is_dir and not one.path.endswith(WEIGHTS)]
        for name in names:
            download_artifacts(artifact_uri=f"{place}/{name}", dst_path=folder)
    return folder if os.path.exists(os.path.join(folder, models.INFO)) else _deepest(folder)


def _deepest(folder: str) -> str:
    """Where the description of the model lies below a folder; the folder itself where there is none."""
    return next((here for here, _, names in os.walk(folder) if models.INFO in names), folder)


def artifact(uri: str, name: str, folder: str) -> str | None:
    """Fetch a file of the run that trained a model.

    Args:
        uri: of the model, as of `Subject`.
        name: of the file, at the top level of the run.
        folder: to put it in.

    Returns:
        Its path; None where the model has no run, or the run no such file.

    Raises:
        Mistaken: the server does not answer.
    """
    if uri.startswith("models:/"):
        run = version_of(uri).run_id
    elif uri.startswith("runs:/"):
        run = uri.removeprefix("runs:/").partition("/")[0]
    else:
        return None
    with server.answering():
        client = server.client()
        if not run or name not in {one.path for one in client.list_artifacts(run)}:
            return None
        return str(client.download_artifacts(run, name, folder))


def version_of(uri: str) -> Any:
    """MLflow's version that `models:/NAME/VERSION` or `models:/NAME@ALIAS` names.

    Raises:
        Mistaken: there is none, or the server does not answer.
    """
    name, at, alias = uri.removeprefix("models:/").partition("@")
    with server.answering():
        client = server.client()
        if at:
            return server.patient(client.get_model_version_by_alias, name, alias)
        name, _, version = name.rpartition("/")
        return server.patient(client.get_model_version, name, version)
