"""The JSON Schema of `mlops.workspace.yaml`, made from that of a spec."""

from __future__ import annotations

import json
from typing import Any

from mlopsgen.spec import schema
from mlopsgen.spec.shared import OWN

ID = "urn:mlopsgen:schema:mlops.workspace.v1"

_TOGETHER = ("required", "oneOf", "allOf")
"""What a whole section is asked for, but not a part of one."""


def made() -> dict[str, Any]:
    """Draft 2020-12. Defaults are a spec with nothing required, without what each project says for itself."""
    spec = _partial(schema.schema())
    definitions = spec.pop("$defs")
    for path in OWN:
        section = spec
        for key in path[:-1]:
            reference = section["properties"][key]["$ref"]
            section = definitions[reference.rpartition("/")[2]]
        del section["properties"][path[-1]]
    body = {key: value for key, value in spec.items() if key not in ("$schema", "$id", "description")}
    pattern = {"type": "string", "minLength": 1, "pattern": "^[^/]"}
    properties = {
        "version": {"const": 1, "description": "Version of the file."},
        "projects": {
            "type": "array",
            "minItems": 1,
            "items": pattern,
            "description": "Folders of the specs that belong to the workspace; left out: all below it.",
            "examples": [["services/*", "teams/**"]],
        },
        "defaults": {**body, "type": ["object", "null"], "description": "A partial spec, merged under each project's."},
    }
    return {
        "$schema": schema.DRAFT,
        "$id": ID,
        "$defs": definitions,
        "type": "object",
        "description": "What the projects of a repository share.",
        "properties": properties,
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
        "required": ["version"],
    }


def text() -> str:
    """The schema as text."""
    return json.dumps(made(), indent=2, ensure_ascii=False) + "\n"


def _partial(value: Any) -> Any:
    if isinstance(value, list):
        return [_partial(item) for item in value]
    if not isinstance(value, dict):
        return value
    whole = "properties" in value
    return {
        key: _partial(item)
        for key, item in value.items()
        if not whole or not (key in _TOGETHER or (key == "anyOf" and any("required" in each for each in item)))
    }
