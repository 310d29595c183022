"""Structural differences: order counts only where it means something."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopsgen.review.blocks import blocks
from mlopsgen.review.compare import differences, dotted, same
from mlopsgen.review.differences import counts, headline, markdown, text
from mlopsgen.review.documents import Files


def told(old: Any, new: Any) -> list[str]:
    return [f"{each.kind} {dotted(each.path)} {each.old!r} {each.new!r}" for each in differences(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, ["change a 1 True"]),
        ({"a": {"b.c/d": 1}}, {"a": {}}, ['remove a."b.c/d" 1 None']),
        ({"env": [{"name": "A", "value": "1"}, {"name": "B"}]}, {"env": [{"name": "B"}, {"name": "A", "value": "2"}]}, ["change env[A].value '1' '2'"]),
        ({"ports": [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}]}, {"ports": [{"port": 1, "protocol": "UDP"}]}, ["remove ports[TCP 1] {'port': 1, 'protocol': 'TCP'} None"]),
        ({"rules": [{"alert": "A", "for": "1m"}, {"record": "r"}]}, {"rules": [{"alert": "A", "for": "2m"}, {"record": "r"}]}, ["change rules[A].for '1m' '2m'"]),
        ({"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "b"}]}, {"matchExpressions": [{"key": "b"}, {"key": "a", "operator": "NotIn"}]}, ["change matchExpressions[a].operator 'In' 'NotIn'"]),
        ({"outs": ["model", {"loss.csv": {"cache": False}}]}, {"outs": [{"loss.csv": {"cache": False}}, "model"]}, []),
        ({"verbs": ["get", "list"]}, {"verbs": ["list", "get", "watch"]}, ["add verbs[watch] None 'watch'"]),
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}, ["change command ['a', 'b'] ['b', 'a']"]),
        ({"steps": [{"name": "a"}, {"name": "b"}]}, {"steps": [{"name": "b"}, {"name": "a"}]}, ["move steps ['a', 'b'] ['b', 'a']"]),
        ({"containers": [{"name": "a"}, {"name": "b"}]}, {"containers": [{"name": "b"}, {"name": "a"}]}, []),
        ({"routes": [{"x": 1}, {"x": 2}]}, {"routes": [{"x": 0}, {"x": 1}, {"x": 2}]}, ["add routes[1] None {'x': 0}"]),
        ({"data": {"s.yaml": "a: 1\nb: 2\n"}}, {"data": {"s.yaml": "# other\nb: 2\na: 3\n"}}, ['change data."s.yaml".a 1 3']),
        ({"data": {"s.sh": "a: 1\n"}}, {"data": {"s.sh": "a: 2\n"}}, ["change data.\"s.sh\" 'a: 1\\n' 'a: 2\\n'"]),
        ({"a": [{"name": "x"}, {"name": "x"}]}, {"a": [{"name": "x"}]}, ["remove a[2] {'name': 'x'} None"]),
        ({"a": [{"name": ["x"]}]}, {"a": [{"name": ["y"]}]}, ["change a[1].name ['x'] ['y']"]),
        ({"a": None}, {"a": []}, ["change a None []"]),
    ],
)  # fmt: skip
def test_what_differs(old: Any, new: Any, expected: list[str]) -> None:
    assert told(old, new) == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab\n", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "env", "a.yaml", "steps"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(VALUES, VALUES)
def test_nothing_differs_only_from_itself_or_by_order(old: Any, new: Any) -> None:
    assert not list(differences(old, old))
    if not list(differences(old, new)):
        assert same(old, new) or sorted(repr(old)) == sorted(repr(new)) or "a.yaml" in repr(old)


def test_objects_that_change_alike_are_told_once() -> None:
    one = b"kind: ConfigMap\nmetadata: {name: %s}\ndata: {size: '%d', own: '%d'}\n"
    base = Files({f"deploy/{name}.yaml": one % (name.encode(), 1, 1) for name in "abc"})
    head = Files({f"deploy/{name}.yaml": one % (name.encode(), 2, number) for number, name in enumerate("abc")})
    found = blocks(base, head)
    assert [[pair.name for pair in block.objects] for block in found] == [
        ["ConfigMap/a", "ConfigMap/b", "ConfigMap/c"],
        ["ConfigMap/a"],
        ["ConfigMap/c"],
    ]
    assert counts(found) == {"created": 0, "removed": 0, "changed": 3, "layout": 0, "fields": 5}
    shown = text(found, lambda line, look: line)
    assert shown.count("data.size: 1 → 2") == 1
    assert "3 objects change alike" in shown


def test_objects_come_go_and_get_other_names() -> None:
    manifest = "kind: {}\nmetadata: {{name: {}}}\nspec: {{a: {}}}\n"
    base = Files({"deploy/x.yaml": manifest.format("A", "old", 1).encode(), "gone.txt": b"x\n"})
    head = Files({"deploy/x.yaml": manifest.format("A", "new", 2).encode(), "docs/come.md": b"x\n"})
    found = blocks(base, head)
    assert [(block.kind, [pair.name or pair.file for pair in block.objects]) for block in found] == [
        ("create", ["docs/come.md"]),
        ("remove", ["gone.txt"]),
        ("change", ["A/old → new"]),
    ]
    assert [dotted(change.path) for change in found[2].changes] == ["metadata.name", "spec.a"]
    assert headline(found) == "1 object changed, 1 created, 1 removed"


def test_comments_alone_are_layout_and_line_ends_are_nothing() -> None:
    base = Files({"a.yaml": b"a: 1\n", "b.yaml": b"b: 1\n", "c.json": b"{}"})
    head = Files({"a.yaml": b"# other\na: 1\n", "b.yaml": b"b: 1\r\n", "c.json": b"{}"})
    found = blocks(base, head)
    assert [(block.kind, block.objects[0].file) for block in found] == [("layout", "a.yaml")]
    assert headline(found) == "comments or layout of 1 file"
    assert headline([]) == "nothing differs"


def test_what_cannot_be_read_is_compared_line_by_line() -> None:
    base = Files({"a.yaml": b"a: [1\nb: 2\n", "b.json": b"{", "c.yaml": b"\xff"})
    head = Files({"a.yaml": b"a: 1\nb: 2\n", "b.json": b"{}", "c.yaml": b"\xfe"})
    assert "a.yaml" in text(blocks(base, head), lambda line, look: line)


def test_yaml_of_today_is_read() -> None:
    base = Files({".github/workflows/x.yaml": b"on: {push: {}}\ndate: 2026-01-01\n"})
    head = Files({".github/workflows/x.yaml": b"on: {push: {}, schedule: []}\ndate: 2026-01-02\n"})
    shown = text(blocks(base, head), lambda line, look: line)
    assert "+ on.schedule: []" in shown
    assert "~ date: 2026-01-01 → 2026-01-02" in shown


def test_markdown_cannot_be_broken_out_of() -> None:
    base, head = (Files({"x.md": f"{fence}\nx\n".encode()}) for fence in ("```", "````"))
    shown = markdown(blocks(base, head))
    assert "`````diff\n- [1]: ```\n+ [1]: ````\n`````" in shown


def test_long_values_are_cut_where_they_differ() -> None:
    base, head = (Files({"a.json": f'{{"a": "{"x" * 300}{end}{"y" * 300}"}}'.encode()}) for end in "12")
    line = next(row for row in text(blocks(base, head), lambda line, look: line).splitlines() if row.startswith("  ~"))
    assert len(line) < 200
    assert "1y" in line
    assert "2y" in line
