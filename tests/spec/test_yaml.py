"""What scalars mean (YAML 1.2), and that both parsers read the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlopsgen.diagnostics import Failed
from mlopsgen.diagnostics.catalogue import CODES
from mlopsgen.spec import load
from mlopsgen.spec.load import parse
from mlopsgen.spec.tree import Node
from tests.conftest import EXAMPLES

from .test_reading import ACCEPTED, REFUSED

FAST: Any = load._LOADER

MEANING: dict[str, Any] = {
    "2e-5": 2e-5,
    "2E+5": 2e5,
    "1e3": 1000.0,
    "-.5": -0.5,
    "5.": 5.0,
    "+1": 1,
    "-0": 0,
    "012": 12,
    "0o17": 15,
    "0x1F": 31,
    "0b11": "0b11",
    "017_0": "017_0",
    "1_000": "1_000",
    "1,000": "1,000",
    "12:30:00": "12:30:00",
    "190:20": "190:20",
    "2026-01-01": "2026-01-01",
    "2026-01-01T12:00:00Z": "2026-01-01T12:00:00Z",
    "1.2.3": "1.2.3",
    "0x": "0x",
    "0o8": "0o8",
    "1e": "1e",
    "e5": "e5",
    ".": ".",
    "+": "+",
    "-": None,
    "on": "on",
    "off": "off",
    "yes": "yes",
    "no": "no",
    "Y": "Y",
    "n": "n",
    "true": True,
    "True": True,
    "TRUE": True,
    "tRUE": "tRUE",
    "false": False,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "nULL": "nULL",
    "": None,
    "none": "none",
    "=": "=",
    ".inf": math.inf,
    "-.INF": -math.inf,
    "+.inf": math.inf,
    ".nan": math.nan,
    "inf": "inf",
    "nan": "nan",
    "1e400": math.inf,
    "'1'": "1",
    '"true"': "true",
    "'~'": "~",
    '"\\u00e9"': "é",
    "!!str 1": "1",
    "!!float 1": 1.0,
    "! 1": "1",
    "a b": "a b",
    "5%": "5%",
    "1h30m": "1h30m",
    "a # b": "a",
    "a#b": "a#b",
    "http://a:b": "http://a:b",
    "|\n  a\n  b": "a\nb\n",
    ">-\n  a\n  b": "a b",
    "a\n  b\n\n  c": "a b\nc",
}


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(load, "_LOADER", FAST if request.param == "libyaml" else None)
    return str(request.param)


def value(text: str) -> Any:
    return parse(f"a: {text}\n", "mlops.yaml").plain()["a"]


def test_libyaml_is_used_where_it_is() -> None:
    assert yaml.__with_libyaml__
    assert load._LOADER is not None


@pytest.mark.parametrize("text", [text for text in MEANING if text != "-"])
def test_a_scalar_means_what_yaml_1_2_says(text: str, parser: str) -> None:
    expected, found = MEANING[text], value(text)
    assert type(found) is type(expected)
    assert found == expected or (math.isnan(expected) and math.isnan(found))


def test_a_list_of_nothing(parser: str) -> None:
    assert parse("a:\n  -\n", "mlops.yaml").plain() == {"a": [None]}


def outcome(text: str) -> Any:
    """The tree with every place in it, or the codes."""
    try:
        return _flat(parse(text, "mlops.yaml"))
    except Failed as failed:
        return {d.code for d in failed.diagnostics}


def _flat(node: Node) -> Any:
    kind = type(node.value).__name__
    if isinstance(node.value, dict):
        inner: Any = {key: _flat(child) for key, child in node.value.items()}
    elif isinstance(node.value, list):
        inner = [_flat(child) for child in node.value]
    else:
        inner = repr(node.value)
    return (kind, node.span, node.path, node.keys, node.size, inner)


def documents() -> Iterator[Any]:
    for code in CODES.values():
        if code.example:
            yield pytest.param(code.example, id=code.id)
    for example in sorted(EXAMPLES.glob("*/mlops.yaml")):
        yield pytest.param(example.read_text(), id=example.parent.name)
    for name, text in ACCEPTED.items():
        if "\t" not in text:  # PyYAML's own parser takes no tabs behind a colon
            yield pytest.param(text, id=name)
    for name, (refused, places) in REFUSED.items():
        if isinstance(refused, str) and places[0][0] not in ("E004", "E005", "E006"):
            yield pytest.param(refused, id=name)
    for text in MEANING:
        yield pytest.param(f"a: {text}\n", id=f"scalar {text!r}")
    odd = [
        "{a: [b, {c: d}], 'e f': \"g\\\n  h\"}",
        "? a\n: b\n",
        "a: &x {b: 1}\nc: *x\n",
        "a: !!set {}\n",
        "a: {b, c: ~, d}\n",
        "a:b: c\n",
    ]
    for text in odd:
        yield pytest.param(text, id=repr(text))


@pytest.mark.parametrize("text", list(documents()))
def test_both_parsers_read_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_LOADER", FAST)
    fast = outcome(text)
    monkeypatch.setattr(load, "_LOADER", None)
    assert outcome(text) == fast


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"), max_size=20
)
TEXT = TEXT.filter(lambda text: not re.fullmatch(r"[-+0-9.eExXo]+[a-fA-F0-9]*", text))
"""Without numbers of YAML 1.2 that PyYAML takes for text."""
KEYS = st.text("abcdefgh_-é漢🎉 :#", min_size=1, max_size=8)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=25
)
DOCUMENTS = st.dictionaries(KEYS, TREES, max_size=5)


def same(found: Any, expected: Any) -> bool:
    return found == expected and json.dumps(found) == json.dumps(expected)


@given(DOCUMENTS)
@settings(max_examples=400, deadline=None)
def test_json_is_read_back_as_it_was_meant(document: dict[str, Any]) -> None:
    for indent in (None, 2):
        text = json.dumps(document, ensure_ascii=False, indent=indent)
        assert same(parse(text, "mlops.yaml").plain(), document)


@given(DOCUMENTS, st.booleans())
@settings(max_examples=400, deadline=None)
def test_what_pyyaml_writes_is_read_back_as_it_was_meant(document: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    assert same(parse(text, "mlops.yaml").plain(), document)


@given(DOCUMENTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_parsers_read_a_random_tree_the_same(monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> None:
    for text in (yaml.safe_dump(document, allow_unicode=True), json.dumps(document, ensure_ascii=False)):
        monkeypatch.setattr(load, "_LOADER", FAST)
        fast = outcome(text)
        monkeypatch.setattr(load, "_LOADER", None)
        assert outcome(text) == fast
