"""The champion, for those who compare with it."""

from __future__ import annotations

import tempfile
from typing import Any

from mlops_runtime import parameters
from mlops_runtime.tracking import server
from mlopsgen.contract import registry

_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Copies of artifacts; they last as long as the process."""


def champion() -> Any:
    """MLflow's version that is in production; None when there is none.

    Raises:
        Mistaken: no parameters, or the server does not answer.
    """
    name = parameters.read("model")["model"]["name"]
    if not server.exists(server.uri()):
        return None
    with server.answering():
        from mlflow.exceptions import MlflowException

        client = server.client()
        try:
            aliases = server.patient(client.get_registered_model, name).aliases
        except MlflowException as error:
            if not server.absent(error):
                raise
            return None
        version = aliases.get(registry.CHAMPION)
        return None if version is None else server.patient(client.get_model_version, name, str(version))


def artifact(version: Any, path: str) -> str | None:
    """Local copy of an artifact of a version's run; None when the run has none of that name.

    Raises:
        Mistaken: the server does not answer.
    """
    with server.answering():
        client = server.client()
        above = path.rpartition("/")[0] or None
        if path not in {found.path for found in client.list_artifacts(version.run_id, above)}:
            return None
        folder = tempfile.TemporaryDirectory(prefix="mlops-")
        _FOLDERS.append(folder)
        return str(client.download_artifacts(version.run_id, path, folder.name))
