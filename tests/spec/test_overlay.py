"""Overlays: mappings merge deeply, lists and scalars replace."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.diagnostics import Span
from mlopsgen.spec.tree import Node, overlay, placed

SPAN = Span("mlops.yaml", 1, 1, 1, 2)
KEYS = st.sampled_from("abcd")
LEAVES = st.integers(0, 9) | st.none() | st.lists(st.integers(0, 9), max_size=2)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)
MAPPINGS = st.dictionaries(KEYS, TREES, max_size=4)


def node(value: Any) -> Node:
    if isinstance(value, dict):
        return Node({key: node(item) for key, item in value.items()}, SPAN, keys=dict.fromkeys(value, SPAN))
    if isinstance(value, list):
        return Node([node(item) for item in value], SPAN)
    return Node(value, SPAN)


def merged(base: Any, over: Any) -> Any:
    return overlay(node(base), node(over)).plain()


def expected(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    both = {key: expected(base[key], over[key]) for key in base.keys() & over.keys()}
    return {**base, **over, **both}


@given(TREES, TREES)
def test_mappings_merge_deeply_and_the_rest_is_replaced(base: Any, over: Any) -> None:
    assert merged(base, over) == expected(base, over)


@given(MAPPINGS)
def test_nothing_is_the_identity(tree: Any) -> None:
    assert merged(tree, {}) == tree
    assert merged({}, tree) == tree


@given(TREES)
def test_the_same_again_changes_nothing(tree: Any) -> None:
    assert merged(tree, tree) == tree


def alike(one: Any, two: Any) -> bool:
    """Whether no mapping of the one meets something else in the other."""
    if isinstance(one, dict) != isinstance(two, dict):
        return False
    return not isinstance(one, dict) or all(alike(one[key], two[key]) for key in one.keys() & two.keys())


@given(MAPPINGS, MAPPINGS, MAPPINGS)
@settings(max_examples=150)
def test_three_can_be_merged_in_any_grouping_where_kinds_agree(one: Any, two: Any, three: Any) -> None:
    if alike(one, two) and alike(two, three) and alike(one, three):
        assert merged(merged(one, two), three) == merged(one, merged(two, three))


@given(TREES, TREES)
def test_neither_tree_is_changed(base: Any, over: Any) -> None:
    lower, upper = node(base), node(over)
    overlay(lower, upper)
    assert lower.plain() == base
    assert upper.plain() == over


@given(MAPPINGS, MAPPINGS)
def test_values_keep_the_path_they_were_written_at(base: Any, over: Any) -> None:
    lower, upper = placed(node(base), ("serving",)), placed(node(over), ("environments", "p", "serving"))
    made = overlay(lower, upper)
    for key, child in made.value.items():
        if not isinstance(child.value, dict) or key not in lower.value or key not in upper.value:
            assert child.path == (upper if key in upper.value else lower).value[key].path


@given(MAPPINGS, MAPPINGS)
def test_every_key_keeps_a_place(base: Any, over: Any) -> None:
    made = overlay(node(base), node(over))
    assert made.keys.keys() == base.keys() | over.keys()
