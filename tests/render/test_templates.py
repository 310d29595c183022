"""Templates that interpolate where they may not are refused; those of other formats hold single lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.diagnostics import Failed
from mlopsgen.render.engine import render
from mlopsgen.render.files import File

from .helpers import STRINGS, everywhere, fill, filled, refused, same

NOT_A_NODE = {
    "double quotes": 'a: "[[ v ]]"\n',
    "single quotes": "a: '[[ v ]]'\n",
    "text before": "a: x-[[ v ]]\n",
    "text behind": "a: [[ v ]]-x\n",
    "text around": "a: x [[ v ]] y\n",
    "two of them": "a: [[ v ]][[ v ]]\n",
    "two with a space": "a: [[ v ]] [[ v ]]\n",
    "a comment": "a: 1 # [[ v ]]\n",
    "a line of comment": "# [[ v ]]\na: 1\n",
    "a block": "a: |\n  [[ v ]]\n",
    "a line of a block": "a: |\n  one\n  [[ v ]]\n  two\n",
    "a folded block": "a: >-\n  [[ v ]]\n",
    "part of a key": "a-[[ v ]]: 1\n",
    "a key in quotes": '"[[ v ]]": 1\n',
    "an anchor": "a: &[[ v ]] 1\n",
    "an alias": "a: &v 1\nb: *[[ v ]]\n",
    "a tag": "a: ![[ v ]] 1\n",
    "behind a text of several lines": "a: one\n  [[ v ]]\n",
    "a directive": "%YAML [[ v ]]\n---\na: 1\n",
    "unclosed brackets": "a: [ [[ v ]]\n",
    "a key below a value": "a: 1\n  [[ v ]]: 2\n",
    "quotes in brackets": 'a: [ "[[ v ]]" ]\n',
}
KINDS = ["x", "a b", "1", "it's", 'say "x"', "a: b", "# x", "one\ntwo", 1, True, None, 1.5, ["x"], {"x": 1}, [], {}]


@pytest.mark.parametrize("name", NOT_A_NODE)
@pytest.mark.parametrize("value", KINDS, ids=repr)
def test_an_expression_that_is_no_node_is_refused_whatever_its_value(name: str, value: Any) -> None:
    assert refused(NOT_A_NODE[name], v=value) == ("E403", None)


BROKEN: dict[str, tuple[str, int | None]] = {
    "an open expression": ("a: 1\nb: [[ v\n", 2),
    "an open block": ("a: 1\n[% if v %]\nb: 1\n", None),
    "an unknown tag": ("a: 1\n\n[% nothing %]\n", 3),
    "an unknown filter": ("a: [[ v | nothing ]]\n", 1),
    "an unknown name": ("a: 1\nb: [[ nothing ]]\n", 2),
    "an unknown attribute": ("a: 1\nb: 2\nc: [[ v.nothing ]]\n", 3),
    "an unknown name in a condition": ("a: 1\n[% if nothing %]\nb: 1\n[% endif %]\n", 2),
    "an unknown name in a loop": ("a: 1\nb: 2\n[% for x in nothing %]\n- [[ x ]]\n[% endfor %]\n", 3),
    "an unknown template": ("[% include 'nothing.yaml' %]\n", None),
    "a division by zero": ("a: 1\nb: [[ 1 / n ]]\n", 2),
    "words that do not add up": ("a: [[ v + 1 ]]\n", 1),
    "a macro": ("[% macro m(x) %]\nk: [[ x ]]\n[% endmacro %]\na: [[ m(v) ]]\n", None),
    "a macro in a filter": ("[% macro m(x) %][[ x ]][% endmacro %]\na: [[ m(v) | upper ]]\n", None),
    "a block that is set": ("[% set x %][[ v ]][% endset %]\na: [[ x ]]\n", None),
    "a filter over text": ("[% filter upper %]a: [[ v ]]\n[% endfilter %]\n", None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_template_is_refused_with_its_line(name: str) -> None:
    template, line = BROKEN[name]
    code, found = refused(template, v="x", n=0)
    assert code == "E401"
    if line is not None:
        assert found == line


def test_a_template_that_is_not_there() -> None:
    with pytest.raises(Failed) as caught:
        render(File(path="a.yaml", template="nothing.yaml"))
    assert [d.code for d in caught.value.diagnostics] == ["E401"]


def test_a_template_of_the_users_replaces_one_and_may_include_another() -> None:
    own = {"t": "a: 1\n[% include 'part.yaml' %]\n", "part.yaml": "b:\n  - [[ v ]]\n"}
    text = render(File(path="a.yaml", template="t", context={"v": "x: y"}), own).content.decode()
    everywhere(text, {"a": 1, "b": ["x: y"]})
    changed = render(File(path="a.yaml", template="t", context={"v": 1}), {**own, "part.yaml": "c: [[ v ]]\n"})
    everywhere(changed.content.decode(), {"a": 1, "c": 1})


def test_a_broken_include_is_named() -> None:
    templates = {"t": "a: 1\n[% include 'part.yaml' %]\n", "part.yaml": "\nb: [[ oops\n"}
    with pytest.raises(Failed) as caught:
        render(File(path="a.yaml", template="t"), templates)
    (found,) = caught.value.diagnostics
    assert found.code == "E401"
    assert found.span is not None
    assert found.span[:2] == ("part.yaml", 2)


BRACKETS: dict[str, tuple[str, Any]] = {
    "over several lines": ("a: [\n  [[ v ]],\n  [[ v ]]\n]\nb: [[ w ]]\n", lambda v: {"a": [v, v], "b": {"k": [1]}}),
    "braces over lines": (
        "a: {\n  x: [[ v ]],\n  y: {z: [[ v ]]}}\nb: [[ w ]]\n",
        lambda v: {"a": {"x": v, "y": {"z": v}}, "b": {"k": [1]}},
    ),
    "in a list": ("- a: [\n    [[ v ]],\n    2]\n- [[ w ]]\n", lambda v: [{"a": [v, 2]}, {"k": [1]}]),
    "after brackets in quotes": (
        '"[": "{"\n"a[": [[ w ]]\nb: [[ v ]]\n',
        lambda v: {"[": "{", "a[": {"k": [1]}, "b": v},
    ),
    "after brackets in a comment": ("# [ {\na: [[ w ]] # {\nb: [[ v ]]\n", lambda v: {"a": {"k": [1]}, "b": v}),
    "after brackets in a script": (
        "run: |\n  case $x in [!a) echo {;; esac\na: [[ w ]]\nb: [[ v ]]\n",
        lambda v: {"run": "case $x in [!a) echo {;; esac\n", "a": {"k": [1]}, "b": v},
    ),
    "after a script in a step": (
        "- run: |\n    echo {\n  env: [[ w ]]\n- [[ v ]]\n",
        lambda v: [{"run": "echo {\n", "env": {"k": [1]}}, v],
    ),
    "after a closing bracket in a script": (
        "w: [[ w ]]\nrun: |\n  }\n  ]\na: [ [[ v ]] ]\n",
        lambda v: {"w": {"k": [1]}, "run": "}\n]\n", "a": [v]},
    ),
}
HOSTILE = ["a, b", "x: y", "[", "}", "one\ntwo", "# x", {"}": 1, "]": [2]}, [[]], None, "a]b"]


@pytest.mark.parametrize("name", BRACKETS)
@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_the_style_follows_the_brackets_of_the_template(name: str, value: Any) -> None:
    template, expected = BRACKETS[name]
    text = filled(template, v=value, w={"k": [1]})
    everywhere(text, expected(value))
    assert "k:\n" in text, "a mapping outside of brackets is a block"


LINES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(str.isprintable)


@given(LINES, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_in_other_files_a_value_stands_as_it_is(text: str, whole: int, part: float) -> None:
    template = 'FROM "[[ text ]]" # [[ whole ]]-[[ part ]]\n'
    assert filled(template, "Dockerfile", text=text, whole=whole, part=part) == f'FROM "{text}" # {whole}-{part}\n'


MANY_LINES = ["a\nb", "\n", "a\r", "\0", "\x1b[0m", "\u2028", True, False, None, [], ["a"], {}, {"a": 1}]


@pytest.mark.parametrize("value", MANY_LINES, ids=repr)
def test_what_is_not_one_line_is_refused_in_other_files(value: Any) -> None:
    assert refused("a [[ v ]]\n", "notes.md", v=value) == ("E404", None)


@given(STRINGS)
@settings(max_examples=200)
def test_other_files_hold_any_printable_text_and_nothing_else(text: str) -> None:
    if text.isprintable():
        assert filled("[[ v ]]\n", "a.txt", v=text) == text + "\n"
    else:
        assert refused("[[ v ]]\n", "a.txt", v=text) == ("E404", None)


def test_a_file_ends_with_a_line_end_whatever_its_template_ends_with() -> None:
    for path in ("a.yaml", "a.txt", "a.json"):
        assert fill("1", path).content == b"1\n"
    assert render(File(path="a.txt", text="x")).content == b"x\n"
    assert render(File(path="a.txt", text="x\n")).content == b"x\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=300)
def test_json_is_read_back_as_it_was_meant(value: Any) -> None:
    made = render(File(path="a.json", data=value)).content.decode()
    assert same(json.loads(made, parse_constant=pytest.fail), value)
    assert made == json.dumps(value, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [-float("inf")]}], ids=repr)
def test_json_has_no_infinity(value: Any) -> None:
    with pytest.raises(Failed) as caught:
        render(File(path="a.json", data=value))
    assert [d.code for d in caught.value.diagnostics] == ["E403"]


def test_a_json_template_that_makes_no_json_is_refused() -> None:
    assert json.loads(filled('{"a": "[[ v ]]"}\n', "a.json", v="x")) == {"a": "x"}
    assert refused('{"a": "[[ v ]]"}\n', "a.json", v='x"') == ("E403", None)
    assert refused('{"a": [[ v ]]}\n', "a.json", v="x") == ("E403", None)


@pytest.mark.parametrize(
    "text",
    [
        "a: [[ x.__class__.__mro__ ]]\n",
        "a: [[ ''.__class__.__base__.__subclasses__() ]]\n",
        "a: [[ lipsum.__globals__ ]]\n",
        "[% for i in range(10 ** 9) %]\n- [[ i ]]\n[% endfor %]\n",
        "a: [[ x.append(1) ]]\n",
    ],
)
def test_a_template_reaches_nothing_but_its_context(text: str) -> None:
    with pytest.raises(Failed) as failed:
        render(File(path="a.yaml", template="mine.yaml", context={"x": [1]}), {"mine.yaml": text})
    assert {d.code for d in failed.value.diagnostics} == {"E401"}
