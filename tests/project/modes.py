"""What a build says of many specs, as JSON; run twice, in light mode and without it.

Usage: python -m tests.project.modes light|full
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Any


def dump(value: Any) -> Any:
    """A project as plain data, with the origins of its scalars."""
    if hasattr(value, "__dict__") and hasattr(value, "model_fields_set"):
        return {type(value).__name__.partition("[")[0]: {name: dump(item) for name, item in value.__dict__.items()}}
    if dataclasses.is_dataclass(value):
        return {field.name: dump(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): dump(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [dump(item) for item in value]
    return [type(value).__name__, repr(value), list(getattr(value, "origins", ()))]


def main(which: str) -> None:
    from mlopsgen.spec import mode

    if which == "light":
        mode.lighten()
    from mlopsgen.diagnostics import Failed
    from mlopsgen.project.resolve import resolve
    from mlopsgen.spec import language
    from tests.spec.corpus import samples, tree

    language.remember()
    told: dict[str, Any] = {}
    for sample in list(samples())[::5]:
        try:
            project, warnings = resolve(tree(sample.plain))
        except Failed as failed:
            told[sample.name] = [repr(d) for d in failed.diagnostics]
        else:
            told[sample.name] = [[repr(d) for d in warnings], dump(project)]
    json.dump({"light": mode.light, "told": told}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
