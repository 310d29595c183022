"""The parts of `absorb`: what lines say, which value a field would need, operations from one document to another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonpatch import JsonPatch

from mlopsgen.review.absorb import inverse
from mlopsgen.review.absorb.hunks import hunks, says_nothing, undone, wrong
from mlopsgen.review.absorb.operations import ORDERS, operations
from mlopsgen.review.absorb.patching import added
from mlopsgen.spec.load import parse


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("  epochs: 3.0", "3.0"),
        ('        threshold: "8"', "8"),
        ("- name: x", "x"),
        ("    - strip", "strip"),
        ('  "refresh": "30s",', "30s"),
        ("  a: 1 # one", "1"),
        ("  a: 'it''s'", "it's"),
        ("just words", None),
    ],
)
def test_the_scalar_of_a_line(line: str, value: str | None) -> None:
    assert inverse.value_of(line) == value


@pytest.mark.parametrize(
    ("given", "old", "new", "wanted"),
    [
        (3, "3.0", "5.0", 5),
        ("30s", "30.0", "60.0", "60s"),
        ("500ms", "0.5", "0.75", "750ms"),
        ("10m", "600", "90", "1m30s"),
        ("30s", "45", "75", "60s"),
        ("30s", "35s", "50s", "45s"),
        ("5%", "0.05", "0.075", "7.5%"),
        ("99.5%", "0.005", "0.01", "99%"),
        ("16Gi", "8192Mi", "12288Mi", "24Gi"),
        (True, "true", "false", False),
        ("ruff check .", "run: ruff check .", "run: ruff check src", "ruff check src"),
        ("api.acme.dev", "https://api.acme.dev/x", "https://acme.dev/x", "acme.dev"),
        (2.5, "2.5", "3", 3.0),
        (None, "null", "main", "main"),
    ],
)
def test_the_value_that_a_field_would_need(given: Any, old: str, new: str, wanted: Any) -> None:
    assert wanted in list(inverse.values(given, old, new))


def test_what_differs_between_two_lines() -> None:
    found = inverse.pairs("expr: rate(a[5m]) > 0.05 and b", "expr: rate(a[5m]) > 0.25 and b")
    assert ("0.05", "0.25") in found
    assert found[0] == ("rate(a[5m]) > 0.05 and b", "rate(a[5m]) > 0.25 and b")


def test_lines_are_paired_by_what_they_begin_with() -> None:
    built = ["a: 1", "b: 2", "c: 3"]
    found = hunks("x.yaml", built, ["a: 1", "new: 9", "b: 4", "c: 3"])
    assert [(one.kind, one.line, one.at, one.old, one.new) for one in found] == [
        ("add", 2, 2, (), ("new: 9",)),
        ("change", 2, 3, ("b: 2",), ("b: 4",)),
    ]
    assert undone(["a: 1", "new: 9", "b: 4", "c: 3"], found) == built


def test_a_comment_says_nothing_and_a_value_does() -> None:
    disk = ["# mine", "a: 1", "b: 3"]
    comment, value = hunks("x.yaml", ["a: 1", "b: 2"], disk)
    assert says_nothing(comment, disk)
    assert not says_nothing(value, disk)


def test_a_line_of_one_file_is_none_of_another() -> None:
    found = wrong({"a": ["x"], "b": ["y"]}, {"a": ["y"], "b": ["x"]})
    assert found.size == 4


leaf = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "a/b", "~", "é"]))
tree = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["a", "b", "c/d", "e~", "f"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), tree),
    st.dictionaries(st.sampled_from("abc"), tree),
    st.sampled_from(ORDERS),
)
def test_operations_make_one_document_of_another(old: Any, new: Any, order: Any) -> None:
    made = JsonPatch(list(operations(old, new, order=order))).apply(old)
    assert json.dumps(made, sort_keys=True) == json.dumps(new, sort_keys=True)


@settings(max_examples=200, deadline=None)
@given(tree, st.sampled_from("gh"))
def test_a_key_amid_others_stands_where_it_came(value: Any, key: str) -> None:
    old = {"a": 1, "b": value, "c": 3}
    new = {"a": 1, key: True, "b": value, "c": 3}
    for order in ("move", "replace"):
        assert list(JsonPatch(list(operations(old, new, order=order))).apply(old)) == list(new)


def test_operations_join_the_last_entry_for_the_same_object_while_the_line_can_be_read() -> None:
    entry = {"file": "a.yaml", "ops": [{"op": "remove", "path": "/a"}]}
    text = added("a: 1\n", [entry])
    assert parse(text, "x").plain()["patches"] == [entry]
    more = [{"op": "remove", "path": "/b"}]
    assert len(parse(added(text, [{"file": "a.yaml", "ops": more}]), "x").plain()["patches"]) == 1
    long = [{"op": "add", "path": "/b", "value": "x" * 100}]
    assert len(parse(added(text, [{"file": "a.yaml", "ops": long}]), "x").plain()["patches"]) == 2
    other = {"file": "a.yaml", "object": "Service/x", "ops": more}
    assert len(parse(added(text, [other]), "x").plain()["patches"]) == 2
