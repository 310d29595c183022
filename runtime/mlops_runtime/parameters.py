"""Parameters of a command: sections of `params.yaml`, and who the project is.

Both are read from the working directory, so that `dvc exp run -S` and a copy of the project work alike.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mlops_runtime.errors import Mistaken
from mlopsgen.contract.files import PARAMS

SPEC = "mlops.yaml"

FIELDS = {
    "drift": "data.drift",
    "train": "training",
    "evaluate": "evaluation",
    "benchmark": "evaluation.benchmark",
    "safety": "evaluation.safety",
    "bias": "evaluation.bias",
    "register": "registry",
}
"""Sections of `params.yaml` that `mlops.yaml` calls otherwise."""


def read(*sections: str, optional: Sequence[str] = ()) -> dict[str, Any]:
    """Sections of `params.yaml` by name.

    Numbers are read as YAML 1.2 means them (`1e-05`, as DVC writes it, is a number), which is how DVC reads them.

    Args:
        sections: sections that must be there.
        optional: sections that may be absent; they are then absent from the result.

    Raises:
        Mistaken: no file, no YAML, a section missing or no mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        with open(PARAMS, encoding="utf-8") as stream:
            content = YAML(typ="safe", pure=True).load(stream)
    except FileNotFoundError:
        raise Mistaken(f"there is no {PARAMS} here: run `mlopsgen build`, then this in the folder of {SPEC}") from None
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise Mistaken(f"{PARAMS} cannot be read ({reason}): run `mlopsgen build` to write it again") from None
    found = content if isinstance(content, dict) else {}
    missing = [name for name in sections if not isinstance(found.get(name), dict)]
    if missing:
        named, fields = (
            ", ".join(f"`{one}`" for one in some) for some in (missing, [FIELDS.get(m, m) for m in missing])
        )
        raise Mistaken(f"{PARAMS} has no section {named}: set {fields} in {SPEC} and run `mlopsgen build`")
    return {name: found[name] for name in (*sections, *optional) if isinstance(found.get(name), dict)}


def project() -> dict[str, Any]:
    """Name, owner and tracking of the project.

    Returns:
        `name`, `owner` (or None) and `tracking`: `{"mlflow": {"uri", "experiment"}, "wandb": None or {"entity",
        "project"}}`, with the experiment named after the project when the spec names none. Without `mlops.yaml`, the
        name is the folder's and the rest is as when nothing is set.

    Raises:
        Mistaken: `mlops.yaml` is there and cannot be read, or these sections of it are not valid.
    """
    if not os.path.exists(SPEC):
        name = os.path.basename(os.getcwd()) or "project"
        return _project({"name": name}, {})
    from mlopsgen.diagnostics import Failed
    from mlopsgen.spec import language
    from mlopsgen.spec.core import ValidationError
    from mlopsgen.spec.load import parse
    from mlopsgen.spec.read import read as text

    try:
        tree = parse(text(SPEC), SPEC)
        sections = {name: node.plain() for name in ("project", "tracking") if (node := tree.find((name,))) is not None}
        for name in ("project", "tracking"):
            language.validate_section(name, sections.get(name, {}))
    except Failed as error:
        raise Mistaken(f"{SPEC} cannot be read: {error}; run `mlopsgen validate`") from None
    except ValidationError:
        raise Mistaken(f"{SPEC} is not valid: run `mlopsgen validate`") from None
    return _project(sections["project"], sections.get("tracking", {}))


def _project(given: dict[str, Any], tracking: dict[str, Any]) -> dict[str, Any]:
    mlflow = tracking.get("mlflow") or {}
    return {
        "name": given["name"],
        "owner": given.get("owner"),
        "tracking": {
            "mlflow": {"uri": mlflow.get("uri"), "experiment": mlflow.get("experiment") or given["name"]},
            "wandb": tracking.get("wandb"),
        },
    }
