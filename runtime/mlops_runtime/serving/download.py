"""From a model's address to its folder on this machine: whole, verified by its digest, kept for the next start."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.registry import content, flavor
from mlops_runtime.tracking import server
from mlopsgen.contract import registry
from mlopsgen.contract.release import NONE

LOCAL = "local"
"""Version of a model that is a folder."""


class Source(NamedTuple):
    """Where a model was found.

    Attributes:
        name: in the registry; None for a run or a folder.
        version: in the registry, the run's id, or `local`.
        folder: with the trainer's files; None when they were not wanted.
        tags: of the version or the run.
    """

    name: str | None
    version: str
    folder: str | None
    tags: Mapping[str, str]


def source(uri: str, wanted: bool = True) -> Source:
    """Find a model, and fetch its files unless they are here.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID/PATH` or a folder.
        wanted: whether the files are; without, only what the registry says about them, as far as it knows.

    Raises:
        Mistaken: there is no such model (yet), the server does not answer, or the files are not those of the digest.
    """
    if uri.startswith("models:/"):
        return _version(uri, wanted)
    if uri.startswith("runs:/"):
        return _run(uri, wanted)
    return Source(None, LOCAL, uri if wanted else None, {})


def _version(uri: str, wanted: bool) -> Source:
    name, version, alias = _named(uri)
    if not wanted and version == NONE:
        return Source(name, NONE, None, {})
    if version == NONE:
        raise Mistaken(f"no version of {name} was released here yet: run the release workflow")
    with server.answering():
        from mlflow.exceptions import MlflowException

        client = server.client()
        try:
            if alias is not None:
                found = server.patient(client.get_model_version_by_alias, name, alias)
            else:
                found = server.patient(client.get_model_version, name, str(version))
        except MlflowException as error:
            if not (server.absent(error) or _unknown_alias(error)):
                raise
            if not wanted:
                return Source(name, version or NONE, None, {})
            raise Mistaken(_absent(name, version, alias)) from None
    folder = _fetched(f"models:/{name}/{found.version}", found.tags) if wanted else None
    return Source(name, str(found.version), folder, dict(found.tags))


def _named(uri: str) -> tuple[str, str | None, str | None]:
    """Name, version and alias; one of the last two is None."""
    rest = uri.removeprefix("models:/").strip("/")
    name, at, alias = rest.partition("@")
    if at and name and alias and "/" not in rest:
        return name, None, alias
    name, slash, version = rest.partition("/")
    if slash and name and version.isdigit():
        return name, version, None
    raise Mistaken(f"{uri} names no model: models:/NAME@ALIAS or models:/NAME/VERSION")


def _unknown_alias(error: Exception) -> bool:
    return getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE" and "alias" in str(error).lower()


def _absent(name: str, version: str | None, alias: str | None) -> str:
    if version is not None:
        return f"the registry has no version {version} of {name}: it was deleted, or `MLOPS_MODEL_URI` is wrong"
    how = "promote" if alias == registry.CHAMPION else "register"
    return f"{name} has no {alias} yet: run `mlops-runtime {how}`, then this again"


def _run(uri: str, wanted: bool) -> Source:
    run = uri.removeprefix("runs:/").partition("/")[0]
    with server.answering():
        from mlflow.exceptions import MlflowException

        try:
            tags = dict(server.patient(server.client().get_run, run).data.tags)
        except MlflowException as error:
            if not server.absent(error):
                raise
            raise Mistaken(f"there is no run {run}: `mlops-runtime runs` lists them") from None
    return Source(None, run, _fetched(uri, tags) if wanted else None, tags)


def _fetched(uri: str, tags: Mapping[str, str]) -> str:
    """The folder of the files with the digest in the tags, from the cache or from the registry."""
    from filelock import FileLock

    wanted = tags.get(registry.TAG_MODEL_DIGEST)
    if wanted is None:
        raise Mistaken(f"{uri} has no tag {registry.TAG_MODEL_DIGEST}: register it with `mlops-runtime register`")
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mlops-runtime", "models")
    folder = os.path.join(cache, wanted)
    os.makedirs(cache, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if os.path.isdir(folder):
            if content.digest(folder) == wanted:
                return folder
            shutil.rmtree(folder)
        part = tempfile.mkdtemp(prefix=".part-", dir=cache)
        try:
            files = _downloaded(uri, part)
            if (given := content.digest(files)) != wanted:
                raise Mistaken(
                    f"the files of {uri} have the digest {given}, and were registered with {wanted}: the store is "
                    "damaged or they were changed; register the model again"
                )
            os.rename(files, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _downloaded(uri: str, part: str) -> str:
    with server.answering():
        server.client()
        from mlflow.artifacts import download_artifacts

        quiet: Any = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
        for name, value in quiet.items():
            os.environ.setdefault(name, value)
        path = str(download_artifacts(artifact_uri=uri, dst_path=part))
    inner = os.path.join(path, flavor.FOLDER)
    return inner if os.path.exists(os.path.join(inner, content.INFO)) else path
