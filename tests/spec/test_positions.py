"""Every value and key knows its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.diagnostics import Span
from mlopsgen.spec.load import parse
from mlopsgen.spec.tree import Node, Path, dotted
from tests.conftest import FULL

from .test_yaml import DOCUMENTS, KEYS, TREES, same

TEXT = """\
plain: word
two words: a b
quoted: "dé\\tf"
single: 'it''s'
flow: {a: 1, "b c": [2, 3,
  four], é: [漢, 🎉🎉, x]}
block: |
  one
  two
folded: >-
  one
  two
lines: one
  two
list:
  - 1
  - - 2
    - a: 3
      b:
  -   k: v
none:
tagged: !!str 7
shared: &a {x: 1}
again: *a
"""

EXPECTED = {
    "plain": (1, 8, 1, 12),
    "two words": (2, 12, 2, 15),
    "quoted": (3, 9, 3, 16),
    "single": (4, 9, 4, 16),
    "flow": (5, 7, 6, 24),
    "flow.a": (5, 11, 5, 12),
    "flow.b c": (5, 21, 6, 8),
    "flow.b c[1]": (5, 25, 5, 26),
    "flow.b c[2]": (6, 3, 6, 7),
    "flow.é": (6, 13, 6, 23),
    "flow.é[0]": (6, 14, 6, 15),
    "flow.é[1]": (6, 17, 6, 19),
    "flow.é[2]": (6, 21, 6, 22),
    "block": (7, 8, 10, 1),
    "folded": (10, 9, 13, 1),
    "lines": (13, 8, 14, 6),
    "list[0]": (16, 5, 16, 6),
    "list[1][0]": (17, 7, 17, 8),
    "list[1][1].a": (18, 10, 18, 11),
    "list[1][1].b": (19, 9, 19, 9),
    "list[2].k": (20, 10, 20, 11),
    "none": (21, 6, 21, 6),
    "tagged": (22, 9, 22, 16),
    "shared": (23, 9, 23, 18),
    "shared.x": (23, 16, 23, 17),
    "again": (23, 9, 23, 18),
    "again.x": (23, 16, 23, 17),
}

KEY_PLACES = {
    ("plain",): (1, 1, 1, 6),
    ("two words",): (2, 1, 2, 10),
    ("flow", "a"): (5, 8, 5, 9),
    ("flow", "b c"): (5, 14, 5, 19),
    ("flow", "é"): (6, 10, 6, 11),
    ("list", 1, 1, "b"): (19, 7, 19, 8),
    ("list", 2, "k"): (20, 7, 20, 8),
    ("again",): (24, 1, 24, 6),
}


def walk(node: Node) -> Iterator[Node]:
    yield node
    inside = node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    for child in inside:
        yield from walk(child)


def test_values_know_their_places() -> None:
    tree = parse(TEXT, "mlops.yaml")
    found = {dotted(node.path): tuple(node.span[1:]) for node in walk(tree)}
    assert {path: found[path] for path in EXPECTED} == EXPECTED


def test_keys_know_their_places() -> None:
    tree = parse(TEXT, "mlops.yaml")
    assert {path: tuple(tree.key_span(path)[1:]) for path in KEY_PLACES} == KEY_PLACES


def test_a_place_that_is_not_there_is_that_of_what_encloses_it() -> None:
    tree = parse(TEXT, "mlops.yaml")
    assert tree.find(("flow", "zzz")) is None
    assert tree.find(("list", 9)) is None
    assert tree.find(("list", "a")) is None
    assert tree.find(("plain", "a")) is None
    assert tree.nearest(("flow", "zzz", 3)).span[1:] == EXPECTED["flow"]
    assert tree.key_span(("flow", "zzz"))[1:] == EXPECTED["flow"]
    assert tree.nearest(("zzz",)) is tree
    assert tree.key_span(()) == tree.span


def test_every_value_knows_its_path() -> None:
    tree = parse(FULL.read_text(), "mlops.yaml")
    seen: set[Path] = set()
    for node in walk(tree):
        assert tree.find(node.path) is node
        seen.add(node.path)
    assert len(seen) == tree.size > 300


def test_every_plain_scalar_of_the_full_example_stands_where_it_says() -> None:
    text = FULL.read_text()
    for node in walk(parse(text, "mlops.yaml")):
        if not isinstance(node.value, dict | list):
            assert yaml_value(piece(text, node.span)) == node.value


def piece(text: str, span: Span) -> str:
    """The text that a span covers."""
    lines = text.split("\n")
    if span.line == span.end_line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    first, *rest = lines[span.line - 1 : span.end_line]
    rest[-1] = rest[-1][: span.end_column - 1]
    return "\n".join([first[span.column - 1 :], *rest])


def yaml_value(text: str) -> Any:
    return parse(f"v: {text}\n", "mlops.yaml").plain()["v"]


@given(DOCUMENTS, st.sampled_from(["json", "indented", "block", "flow"]))
@settings(max_examples=300, deadline=None)
def test_every_place_points_at_the_text_of_the_value(document: dict[str, Any], form: str) -> None:
    if form in ("json", "indented"):
        text = json.dumps(document, ensure_ascii=False, indent=2 if form == "indented" else None)
    else:
        text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=form == "flow", width=10**6)
    tree = parse(text, "mlops.yaml")
    for node in walk(tree):
        if not isinstance(node.value, dict | list):
            assert same(yaml_value(piece(text, node.span)), node.value)
        for key, span in node.keys.items():
            assert yaml_value(piece(text, span).removeprefix("? ")) == key or str(yaml_value(piece(text, span))) == key


@given(TREES, TREES, TREES)
@settings(max_examples=200, deadline=None)
def test_dotted_paths_are_told_apart(one: Any, two: Any, three: Any) -> None:
    document = {"a": one, "b": [two], "c": {"d": three}}
    tree = parse(json.dumps(document, ensure_ascii=False), "mlops.yaml")
    assert tree.find(("b", 0)).plain() == two  # type: ignore[union-attr]
    assert tree.find(("c", "d")).plain() == three  # type: ignore[union-attr]


@given(st.lists(st.one_of(KEYS, st.integers(0, 99)), max_size=6))
def test_a_dotted_path_shows_every_part(parts: list[str | int]) -> None:
    text = dotted(tuple(parts))
    for part in parts:
        assert (f"[{part}]" if isinstance(part, int) else part) in text
