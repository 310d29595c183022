"""Every interpolated value is found again where the output says that it stands."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.render.engine import render
from mlopsgen.render.files import File, Origin, Output
from mlopsgen.spec.traced import join, traced

from .helpers import KEYS, STRINGS, fill, nested, same

SCALARS = st.integers() | st.floats(allow_nan=False) | STRINGS
"""Kinds that can carry an origin."""
VALUES = nested(SCALARS)
PLACES = (
    "a: [[ v ]]\n",
    "# one\n\na:\n     b: [[ v ]]\n     c: 1\n",
    "- - [[ v ]]\n  - x: [[ v ]]\n",
    "a: [ [[ v ]], 1, {k: [[ v ]]} ]\n",
    "a: [[ v ]]  # why\n",
    "[% for n in [1, 2] %]\n- name: n\n  is: [[ v ]]\n[% endfor %]\n",
)


def numbered(value: Any, scalars: list[Any]) -> Any:
    """The value with each scalar coming from its own number; fills `scalars` with them."""
    if isinstance(value, dict):
        return {key: numbered(item, scalars) for key, item in value.items()}
    if isinstance(value, list):
        return [numbered(item, scalars) for item in value]
    scalars.append(value)
    return traced(value, str(len(scalars) - 1))


def judge(output: Output, expected: list[Any]) -> list[int]:
    """Each origin points at the text of its value; returns which were seen, in order."""
    lines = output.content.decode().split("\n")
    seen = []
    for origin in output.origins:
        (number,) = origin.paths
        text = lines[origin.line - 1][origin.column - 1 : origin.end_column - 1]
        value = expected[int(number)]
        if text == "|":
            assert lines[origin.line].strip(" ") == value.split("\n")[0].strip(" ")
        else:
            assert same(yaml.load(f"- {text}", yaml.CSafeLoader)[0], value), (text, value)
        seen.append(int(number))
    return seen


@given(VALUES, st.sampled_from(PLACES))
@settings(max_examples=500, deadline=None)
def test_values_in_templates(value: Any, template: str) -> None:
    scalars: list[Any] = []
    output = fill(template, v=numbered(value, scalars))
    times = max(template.count("[[ v ]]"), 2 * template.count("for n"))
    assert judge(output, scalars) == list(range(len(scalars))) * times


@given(KEYS, STRINGS)
@settings(max_examples=200, deadline=None)
def test_keys_have_origins_as_well(key: str, value: str) -> None:
    output = fill("a:\n  [[ k ]]: [[ v ]]\n", k=traced(key, "0"), v=traced(value, "1"))
    assert judge(output, [key, value]) == [0, 1]


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_values_in_data(value: Any) -> None:
    scalars: list[Any] = []
    output = render(File(path="a.yaml", data=numbered(value, scalars), comment="one\ntwo"))
    assert judge(output, scalars) == list(range(len(scalars)))


def test_a_joined_value_came_from_all_of_its_parts() -> None:
    name, tag = traced("ghcr.io/acme", "serving.image"), traced("1.0", "version")
    output = fill("image: [[ image ]]\nplain: [[ 1 ]]\n", image=join(name, ":", tag))
    assert output.origins == (Origin(1, 8, 24, ("serving.image", "version")),)
    assert fill('image: [[ name ~ ":" ~ tag ]]\n', name=name, tag=tag).content == b"image: ghcr.io/acme:1.0\n"


def test_values_in_other_files() -> None:
    output = fill("FROM a\nRUN [[ a ]] && [[ b ]]\n", "Dockerfile", a=traced("one", "a"), b=traced(2, "b"))
    assert output.origins == (Origin(2, 5, 8, ("a",)), Origin(2, 12, 13, ("b",)))


def test_a_value_without_an_origin_leaves_none() -> None:
    assert fill("a: [[ v ]]\nb: [[ w ]]\n", v="x", w=traced(True, "w")).origins == ()
