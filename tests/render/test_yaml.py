"""Whatever stands in the place of an expression is read back as it was meant, by every reader."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.render.engine import render
from mlopsgen.render.files import Commented, File
from mlopsgen.render.scalar import scalar

from .helpers import FLOATS, KEYS, ODD, SCALARS, STRINGS, VALUES, everywhere, filled, nested, refused

many = settings(max_examples=120, deadline=None)
INDENTS = st.integers(1, 12)


@given(VALUES)
@many
def test_the_value_of_a_key(value: Any) -> None:
    everywhere(filled("a: [[ v ]]\nb: 1\n", v=value), {"a": value, "b": 1})


@given(VALUES, INDENTS)
@many
def test_the_value_of_a_key_at_any_indentation(value: Any, indent: int) -> None:
    pad = " " * indent
    everywhere(filled(f"a:\n{pad}b: [[ v ]]\n{pad}c: 1\nd: 2\n", v=value), {"a": {"b": value, "c": 1}, "d": 2})


@given(VALUES, st.integers(0, 12))
@many
def test_an_entry_of_a_list(value: Any, indent: int) -> None:
    pad = " " * indent
    everywhere(filled(f"a:\n{pad}- [[ v ]]\n{pad}- 1\nb: 2\n", v=value), {"a": [value, 1], "b": 2})


@given(VALUES)
@many
def test_an_entry_of_a_list_in_a_list(value: Any) -> None:
    everywhere(filled("- - [[ v ]]\n  - - 1\n    - [[ v ]]\n- 2\n", v=value), [[value, [1, value]], 2])


@given(VALUES)
@many
def test_a_key_in_an_entry_of_a_list(value: Any) -> None:
    everywhere(
        filled("a:\n  - b: [[ v ]]\n    c: 1\n  - - d: [[ v ]]\n", v=value),
        {"a": [{"b": value, "c": 1}, [{"d": value}]]},
    )


@given(VALUES)
@many
def test_a_whole_document(value: Any) -> None:
    everywhere(filled("[[ v ]]\n", v=value), value)


@given(KEYS, VALUES)
@many
def test_a_key(key: str, value: Any) -> None:
    everywhere(filled("[[ k ]]: [[ v ]]\n", k=key, v=value), {key: value})


@given(KEYS, SCALARS)
@many
def test_a_key_further_in(key: str, value: Any) -> None:
    everywhere(
        filled("a:\n  - [[ k ]]: 1\n    [[ k ~ 'x' ]]: [[ v ]]\n", k=key, v=value), {"a": [{key: 1, key + "x": value}]}
    )


@given(VALUES)
@many
def test_in_brackets(value: Any) -> None:
    everywhere(filled("a: [ [[ v ]], x, [[ v ]] ]\nb: 1\n", v=value), {"a": [value, "x", value], "b": 1})


@given(VALUES)
@many
def test_in_braces(value: Any) -> None:
    everywhere(filled("a: {b: [[ v ]], c: {d: [[ v ]]}}\n", v=value), {"a": {"b": value, "c": {"d": value}}})


@given(VALUES)
@many
def test_before_a_comment(value: Any) -> None:
    everywhere(filled("a: [[ v ]]  # why\nb:\n  - [[ v ]] # that\n", v=value), {"a": value, "b": [value]})


@given(VALUES)
@many
def test_with_a_comment_of_its_own(value: Any) -> None:
    text = filled("a: [[ v ]]\nb: 1\n", v=Commented(value, "why: that"))
    everywhere(text, {"a": value, "b": 1})
    assert "# why: that" in text


@given(STRINGS, STRINGS)
@many
def test_texts_are_joined_inside_of_the_expression(one: str, two: str) -> None:
    everywhere(filled('a: [[ one ~ ":" ~ two ]]\n', one=one, two=two), {"a": f"{one}:{two}"})


@given(st.lists(st.tuples(KEYS, VALUES), max_size=4))
@many
def test_a_loop(pairs: list[tuple[str, Any]]) -> None:
    template = "a:\n[% for key, value in pairs %]\n  - name: [[ key ]]\n    value: [[ value ]]\n[% endfor %]\n  - end\n"
    everywhere(filled(template, pairs=pairs), {"a": [*({"name": k, "value": v} for k, v in pairs), "end"]})


@given(nested(SCALARS, STRINGS))
@many
def test_data(value: Any) -> None:
    text = render(File(path="a.yaml", data=value, comment="one: [two\n\n# three")).content.decode()
    everywhere(text, value)
    if isinstance(value, dict | list) and value:
        assert text.startswith("# one: [two\n#\n# # three\n")


@given(st.lists(nested(SCALARS, STRINGS), min_size=1, max_size=3))
@many
def test_a_stream_of_documents(values: list[Any]) -> None:
    import yaml

    text = render(File(path="a.yaml", data=tuple({"v": value} for value in values))).content.decode()
    found = list(yaml.load_all(text, yaml.CSafeLoader))
    assert len(found) == len(values)
    for one, value in zip(text.split("\n---\n"), values, strict=False):
        if "\n---\n" not in repr(value):
            everywhere(one.removesuffix("\n") + "\n", {"v": value})


@given(FLOATS | st.integers())
@many
def test_numbers_stay_what_they_are(value: float) -> None:
    everywhere(f"a: {scalar(value)}\n", {"a": value})
    everywhere(f"a: [{scalar(value, flow=True)}]\n", {"a": [value]})


@pytest.mark.parametrize("text", ODD)
def test_texts_that_are_known_to_be_misread(text: str) -> None:
    everywhere(f"a: {scalar(text)}\n", {"a": text})
    everywhere(f"- {scalar(text)}\n", [text])
    everywhere(f"[{scalar(text, flow=True)}, b]\n", [text, "b"])
    if len(text) < 100:
        everywhere(f"{scalar(text, flow=True)}: b\n", {text: "b"})


@pytest.mark.parametrize(
    "text",
    [
        "word",
        "two words",
        "a/b.c",
        "s3://bucket/x",
        "v1.2",
        "a@b.cd",
        "--flag=x",
        "${{ x.y }}",
        "5%",
        "1h30m",
        "64Gi",
        "$HOME/x",
    ],
)
def test_plain_texts_stay_plain_where_people_read_them(text: str) -> None:
    if text[0].isalnum():
        assert filled("a: [[ v ]]\n", v=text) == f"a: {text}\n"
    everywhere(filled("a: [[ v ]]\n", v=text), {"a": text})


def test_texts_of_several_lines_are_blocks() -> None:
    assert filled("a:\n  b: [[ v ]]\n", v="one\ntwo\n") == "a:\n  b: |\n    one\n    two\n"
    assert filled("a:\n  - [[ v ]]\n", v="one\n\ntwo") == "a:\n  - |-\n    one\n\n    two\n"


def test_collections_are_blocks() -> None:
    text = filled("a: [[ v ]]\n", v={"b": [1, {"c": []}], "d": {}})
    assert text == "a:\n  b:\n    - 1\n    - c: []\n  d: {}\n"


@pytest.mark.parametrize("value", [object(), {1, 2}, len])
def test_what_is_no_yaml_is_a_mistake_of_the_target(value: object) -> None:
    assert refused("a: [[ v ]]\n", v=value) == ("E403", None)
    with pytest.raises(TypeError):
        render(File(path="a.yaml", data={"v": value}))
