from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopsgen.review.lines import aligned, changed, ranges
from mlopsgen.review.pointers import on, places

TEXTS = st.lists(st.sampled_from(["a: 1", "a: 2", "b: 1", "- c", "}", "", "  d: x"]), max_size=12)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["a: 1", "b: 2"], ["a: 1", "b: 3"], {2: "value"}),
        (["a: 1", "b: 2"], ["a: 1"], {2: "presence"}),
        (["a: 1", "b: 2"], ["a: 1", "c: 3", "b: 2"], {}),
        (["a: 1", "b: 2", "c: 3"], ["a: 2", "x: 1", "y: 1", "b: 2"], {1: "value", 3: "presence"}),
        # One of two that are alike is gone, and nobody can say which.
        (["- a", "- a", "b: 1"], ["- a", "b: 1"], {}),
        (["{", "x: 1", "}", "{", "x: 2", "}"], ["{", "x: 2", "}"], {2: "presence", 3: "presence"}),
        # What moved is still there.
        (["a: 1", "b: 2"], ["b: 2", "a: 1"], {}),
        ([], ["a"], {}),
        (["a"], ["a"], {}),
    ],
)
def test_changed(old: list[str], new: list[str], expected: dict[int, str]) -> None:
    assert changed(old, new) == expected


@given(TEXTS, TEXTS)
def test_what_is_changed_is_not_what_is_aligned(old: list[str], new: list[str]) -> None:
    kept = aligned(old, new)
    assert all(old[there - 1] == new[here - 1] for here, there in kept.items())
    assert changed(old, old) == {}
    if old != new and len(old) != len(new):
        assert changed(old, new).keys().isdisjoint(kept.values())


@given(st.sets(st.integers(1, 30)))
def test_ranges(numbers: set[int]) -> None:
    found: set[int] = set()
    for part in filter(None, ranges(numbers).split(", ")):
        begin, _, end = part.partition("-")
        found |= set(range(int(begin), int(end or begin) + 1))
    assert found == numbers


DOCUMENTS = """\
# first
kind: Deployment
metadata: {name: a, labels: {x/y: z}}
spec:
  text: |
    one
    two
  list:
    - name: b
      on: true
---
kind: Service
metadata:
  name: a
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (1, []),
        (2, [("Deployment/a", "/kind")]),
        (3, [("Deployment/a", "/metadata/name"), ("Deployment/a", "/metadata/labels/x~1y")]),
        (4, [("Deployment/a", "/spec")]),
        (6, [("Deployment/a", "/spec/text")]),
        (7, [("Deployment/a", "/spec/text")]),
        (8, [("Deployment/a", "/spec/list")]),
        (10, [("Deployment/a", "/spec/list/0/on")]),
        (14, [("Service/a", "/metadata/name")]),
    ],
)
def test_pointers(line: int, expected: list[Any]) -> None:
    assert [(place.object, place.pointer) for place in on(line, places("a.yaml", DOCUMENTS))] == expected


def test_files_without_structure_have_no_pointers() -> None:
    assert places("a.md", "a: 1\n") == []
    assert places("a.yaml", "a: [\n") == []
