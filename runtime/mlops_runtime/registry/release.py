"""Facts of a release in `deploy/ENVIRONMENT/release.yaml`; comments and everything else in the file stay."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import Any

from mlops_runtime import parameters
from mlops_runtime.data.atomic import write
from mlops_runtime.errors import Mistaken
from mlops_runtime.tracking import server
from mlopsgen.contract import files
from mlopsgen.contract import release as contract

_ENVIRONMENT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_IMAGE = re.compile(r"[a-z0-9][^\s@]*@sha256:[0-9a-f]{64}\Z")
_VERSION = re.compile(r"[1-9][0-9]{0,17}\Z")


def release(environment: str, variant: str, image: str, version: str | None) -> str:
    """Write what an environment runs.

    Naming a canary lets it start (one replica, from which the rollout grows it); naming a champion ends the canary.

    Args:
        environment: with a folder in `deploy/`.
        variant: `champion`, `canary` or `training`.
        image: with its digest, `REPOSITORY@sha256:…`: a tag can be moved.
        version: number in the registry; None for `training`, whose pods load no version.

    Returns:
        The file that was written.

    Raises:
        Mistaken: something is not of that form, not in the registry, or there is no such environment.
    """
    if not _IMAGE.match(image):
        raise Mistaken(f"`--image {image}` names no digest: write REPOSITORY@sha256:… with 64 hex digits")
    if variant == "training":
        if version is not None:
            raise Mistaken("`--model-version` does not go with `--variant training`: training makes versions")
    elif version is None:
        raise Mistaken(f"`--variant {variant}` needs `--model-version NUMBER`")
    elif not _VERSION.match(version):
        raise Mistaken(
            f"`--model-version {version}` is no version of the registry: a whole number from 1, no alias and "
            "no semantic version"
        )
    path = _path(environment, variant)
    if version is not None:
        _demand(version)
    facts = {contract.key(variant, contract.IMAGE): image}
    if version is not None:
        facts[contract.key(variant, contract.MODEL_VERSION)] = version
        facts[contract.key("canary", contract.REPLICAS)] = "1" if variant == "canary" else "0"
    _write(path, facts)
    return path


def _path(environment: str, variant: str) -> str:
    path = files.release(environment)
    folder, name = os.path.split(path)
    if not _ENVIRONMENT.match(environment) or not os.path.isdir(folder):
        above = os.path.dirname(folder) if _ENVIRONMENT.match(environment) else "deploy"
        there = sorted(entry.name for entry in os.scandir(above) if entry.is_dir()) if os.path.isdir(above) else []
        known = ", ".join(there) or "none"
        raise Mistaken(f"there is no environment {environment}: {above}/ has {known}; run `mlopsgen build`")
    path = os.path.join(folder, "training", name) if variant == "training" else path
    if not os.path.isfile(path):
        raise Mistaken(f"there is no {path}: run `mlopsgen build`")
    return path


def _demand(version: str) -> None:
    """A version that the registry does not have is refused; without a registry to ask, that is said and let pass."""
    name = parameters.read("model")["model"]["name"]
    address = server.uri()
    try:
        import mlflow  # noqa: F401
    except ImportError:
        _say("mlflow is not installed: the version is not looked up")
        return
    if not server.exists(address):
        _say(f"there is no tracking server and no {files.LOCAL_TRACKING} here: the version is not looked up")
        return
    from mlflow.exceptions import MlflowException

    try:
        server.patient(server.client().get_model_version, name, version)
    except MlflowException as error:
        if server.absent(error):
            raise Mistaken(
                f"the registry at {server.shown(address)} has no version {version} of {name}: register it first, or "
                "name another"
            ) from None
        if not server.passing(error):
            with server.answering():
                raise
        _say(f"the tracking server at {server.shown(address)} does not answer: the version is not looked up")


def _write(path: str, facts: dict[str, str]) -> None:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            document: Any = yaml.load(stream)
        data = document["data"]
        missing = [key for key in facts if key not in data]
    except (YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise Mistaken(f"{path} is no release file ({reason}): bring it back with `git checkout {path}`") from None
    if missing:
        raise Mistaken(f"{path} has no {' and no '.join(missing)}: run `mlopsgen build`")
    data.update(facts)  # texts: Kubernetes takes nothing else in a ConfigMap
    text = io.StringIO()
    yaml.dump(document, text)
    write(path, text.getvalue().encode())


def _say(text: str) -> None:
    print(f"release: {text}", file=sys.stderr, flush=True)
