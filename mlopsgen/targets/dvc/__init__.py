"""DVC: the pipeline, its parameters, the remote."""

from __future__ import annotations

from collections.abc import Iterable

from mlopsgen.contract import files as paths
from mlopsgen.project.model import Project
from mlopsgen.render.files import File
from mlopsgen.targets.dvc.params import parameters
from mlopsgen.targets.dvc.stages import pipeline

PARAMS_COMMENT = """\
Parameters of the pipeline, from mlops.yaml: change them there.
For one experiment: dvc exp run -S train.learning_rate=1e-4
Durations are in seconds, shares from 0 to 1."""


def files(project: Project) -> Iterable[File]:
    """`dvc.yaml`, `params.yaml`, `.dvcignore`; and, once, `.dvc/config` and `.dvc/.gitignore`."""
    yield File(path="dvc.yaml", data=pipeline(project), comment="The pipeline: `dvc repro` runs what changed.")
    yield File(path=paths.PARAMS, data=parameters(project), comment=PARAMS_COMMENT)
    yield File(path=".dvcignore", text=".git\n.venv\n__pycache__\n")
    yield File(path=".dvc/config", text=_config(project), keep=True)
    yield File(path=".dvc/.gitignore", text="/config.local\n/tmp\n/cache\n/store\n", keep=True)


def _config(project: Project) -> str:
    remote = project.data.remote
    url = remote if "://" in remote else f"../{remote}"
    return f"[core]\n    analytics = false\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n"
