"""The JSON Schema of the language, made from the models."""

from __future__ import annotations

import json
from typing import Any

from mlopsgen.spec.document import Spec
from mlopsgen.spec.environments import OVERLAID, Environment, Overlay

ID = "urn:mlopsgen:schema:mlops.v1"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Draft 2020-12. Overlays are the sections they change with nothing required."""
    made = Spec.model_json_schema(by_alias=True, mode="validation")
    definitions = made["$defs"]
    for name in OVERLAID:
        field = Environment.model_fields[name]
        overlay = next(extra for extra in field.metadata if isinstance(extra, Overlay))
        properties = definitions["Environment"]["properties"]
        properties[name] = {
            "anyOf": [_partial(overlay.section.__name__, definitions), {"type": "null"}],
            "default": None,
            "description": properties[name]["description"],
        }
    made["patternProperties"] = {"^x-": {}}
    _plain_number(definitions["Replicas"], definitions)
    _tidy(made)
    return {"$schema": DRAFT, "$id": ID, **made}


def text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _partial(name: str, definitions: dict[str, Any]) -> dict[str, str]:
    """A copy of a definition, and of those it refers to, that requires nothing."""
    copy = f"{name}Overlay"
    if copy not in definitions:
        definitions[copy] = {}
        definitions[copy] = _relaxed(definitions[name], definitions)
    return {"$ref": f"#/$defs/{copy}"}


def _relaxed(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            rest = {key: item for key, item in value.items() if key != "$ref"}
            return {**_partial(value["$ref"].rpartition("/")[2], definitions), **rest}
        return {key: _relaxed(item, definitions) for key, item in value.items() if key != "required"}
    if isinstance(value, list):
        return [_relaxed(item, definitions) for item in value]
    return value


def _plain_number(replicas: dict[str, Any], definitions: dict[str, Any]) -> None:
    """A number may stand for the section."""
    for name in ("Replicas", "ReplicasOverlay"):
        if name in definitions:
            section = definitions[name]
            definitions[name] = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 10000}, section]}


def _tidy(value: Any) -> None:
    """Drop the titles that only repeat names."""
    if isinstance(value, dict):
        if isinstance(value.get("title"), str):
            del value["title"]
        for item in value.values():
            _tidy(item)
    elif isinstance(value, list):
        for item in value:
            _tidy(item)
