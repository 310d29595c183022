"""The file of settings that `MLOPS_CONFIG` names, as `mlopsgen.project.settings` writes it for long-running parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mlops_runtime.errors import Mistaken
from mlopsgen.contract import environment


def content(path: str) -> Any:
    """The file's YAML; what it holds is for the part to judge.

    Raises:
        Mistaken: it cannot be read.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        with open(path, encoding="utf-8") as stream:
            return YAML(typ="safe", pure=True).load(stream)
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise Mistaken(f"{path}, named by {environment.CONFIG}, cannot be read: {reason}") from None


def track(content: Mapping[str, Any]) -> None:
    """Put address and experiment of the tracking server into the environment, unless they are there."""
    for name, key in ((environment.TRACKING_URI, "uri"), (environment.TRACKING_EXPERIMENT, "experiment")):
        if given := (content.get("tracking") or {}).get(key):
            os.environ.setdefault(name, str(given))
