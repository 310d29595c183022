"""The JSON Schema of the language, made from the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from mlopsgen.spec.base import Bounds
from mlopsgen.spec.document import Spec
from mlopsgen.spec.environments import OVERLAID, Environment, Overlay
from mlopsgen.spec.scalars import Duration, Limit, Share

ID = "urn:mlopsgen:schema:mlops.v1"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Lax(NamedTuple):
    """Something that mlopsgen refuses and the JSON Schema cannot.

    Attributes:
        code: of the diagnostic; `E2` stands for every one that begins so.
        path: pattern of the place in mlops.yaml.
        message: pattern of what is said there.
        reason: why JSON Schema cannot say it.
    """

    code: str
    path: str
    message: str
    reason: str


_OVERLAY = r"environments\..*\.(serving|rollout|experiment|monitoring)\b"
LAXER = (
    Lax("E2", "", "", "compares values of several sections, or with what is outside of the spec"),
    Lax("E102", _OVERLAY, "", "the document's section may say it"),
    Lax("E103", "", r"found the number -?[0-9.e+]+$", "to JSON Schema 3.0 is a whole number"),
    Lax("E103", "", "expected a finite number", "JSON has no such numbers"),
    Lax("E106", "", "is not between 1ms and ten years", "a sum over the parts of a duration"),
    Lax("E106", "", "does not rise", "compares two values of one list"),
    Lax("E106", "", "leaves one part empty", "a share so close to 0% or 100% that rounding makes it so"),
    Lax("E106", "", "is not a multiple of heads", "compares two values of one section"),
    Lax("E108", "", "^nan ", "JSON has no such number"),
    Lax("E109", "", "^nan ", "JSON has no such number"),
    Lax("E111", "", "", "which characters are printable is more than a pattern can hold"),
    Lax("E112", "", "", "compares the ends of a range, as in `5-1`"),
    Lax("E117", "", "", "compares two values of one section"),
    Lax("E118", _OVERLAY, "", "the other end may stand in the document's section"),
    Lax("E121", _OVERLAY, "", "the receiver may stand in the document's section"),
)
"""All that the schema lets pass although a build refuses it. Whatever a build accepts, the schema accepts."""


def schema() -> dict[str, Any]:
    """Draft 2020-12. Overlays are the sections they change with nothing required."""
    made = _renamed(Spec.model_json_schema(by_alias=True, mode="validation"))
    definitions = made["$defs"]
    for name in OVERLAID:
        field = Environment.model_fields[name]
        overlay = next(extra for extra in field.metadata if isinstance(extra, Overlay))
        properties = definitions["Environment"]["properties"]
        properties[name] = {
            "anyOf": [_partial(overlay.section.__name__, definitions), {"type": "null"}],
            "default": None,
            "description": properties[name]["description"],
            "examples": list(field.examples or ()),
        }
    _conditions(definitions)
    _closed(made)
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
        # A list replaces the one below it, so what is in it is whole.
        return {
            key: item if key == "items" else _relaxed(item, definitions)
            for key, item in value.items()
            if key != "required"
        }
    if isinstance(value, list):
        return [_relaxed(item, definitions) for item in value]
    return value


def _plain_number(replicas: dict[str, Any], definitions: dict[str, Any]) -> None:
    """A number may stand for the section."""
    for name in ("Replicas", "ReplicasOverlay"):
        if name in definitions:
            section = definitions[name]
            definitions[name] = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 10000}, section]}


def _given(name: str) -> dict[str, Any]:
    """The key is there, and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _conditions(definitions: dict[str, Any]) -> None:
    """What a section asks of several of its keys together."""
    for name, section in definitions.items():
        if name.startswith("Bounds") and not name.endswith("Overlay"):
            section["anyOf"] = [_given("min"), _given("max")]
            section["description"] = (Bounds.__doc__ or "").strip()
            if name == "BoundsDuration":
                for end in section["properties"].values():
                    end["examples"] = ["2s"]
    definitions["Model"]["oneOf"] = [_given("base"), _given("architecture")]
    distribution = definitions["Distribution"]
    distribution["oneOf"] = [_given(name) for name in distribution["properties"]]
    log_uniform = distribution["properties"]["log_uniform"]["anyOf"][0]
    log_uniform["items"] = {**log_uniform["items"], "exclusiveMinimum": 0}
    definitions["Operation"]["allOf"] = [
        {"if": {"properties": {"op": {"enum": operations}}}, "then": needs}
        for operations, needs in (
            (["add", "replace", "test"], {"required": ["value"]}),
            (["move", "copy"], _given("from")),
        )
    ]
    definitions["Notify"]["allOf"] = [
        {"if": _routed_to(name), "then": _given(name)} for name in ("slack", "email", "pagerduty")
    ]
    validation = definitions["Split"]["properties"]["validation"]
    validation["anyOf"] = [
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "string", "pattern": r"^(?=.*[1-9])0*[0-9]{1,2}(\.[0-9]+)?%$"},
    ]


def _routed_to(receiver: str) -> dict[str, Any]:
    """Some route leads to the receiver."""
    nowhere = {"not": {"contains": {"const": receiver}}}
    return {
        "required": ["routes"],
        "properties": {"routes": {"not": {"additionalProperties": nowhere}}},
    }


def _closed(value: Any) -> None:
    """Let a mapping with names of a certain form have no others."""
    for part in _parts(value):
        if "patternProperties" in part:
            part["additionalProperties"] = False


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(item)


def _renamed(made: dict[str, Any]) -> dict[str, Any]:
    """The schema with names for `Bounds[…]` that do not depend on pydantic."""
    kinds = {json.dumps(_of(kind)): name for name, kind in _ENDS.items()}
    names = {}
    for old, section in made["$defs"].items():
        if "Bounds" in old:
            end = section["properties"]["min"]["anyOf"]
            names[old] = "Bounds" + kinds[json.dumps(end[0] if len(end) == 2 else {"anyOf": end[:-1]})]
    made["$defs"] = {names.get(old, old): section for old, section in sorted(made["$defs"].items())}
    for part in _parts(made):
        if "$ref" in part:
            old = part["$ref"].rpartition("/")[2]
            part["$ref"] = f"#/$defs/{names.get(old, old)}"
    return made


_ENDS = {"Integer": int, "Number": float, "Duration": Duration, "Share": Share, "Limit": Limit}


def _of(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind).json_schema()


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
