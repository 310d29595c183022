"""JSON Patch on generated files: what is asked for changes, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonpatch
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopsgen.diagnostics import Failed
from mlopsgen.render.engine import render
from mlopsgen.render.files import File
from mlopsgen.render.patch import patch

from .helpers import KEYS, ODD, STRINGS, VALUES, everywhere, read, same

STREAM = """\
# Written by hand.

apiVersion: apps/v1
kind: Deployment   # what it is
metadata:
    name: "serving"
    labels: {app: x,   tier:  'y'}
spec:
  replicas: 2
  empty: null
  tilde: ~
  nothing:
  strange: "\\u202eabc \\x1b é 🎉"
  number: 1.0e-05
  precise: 7.004593113623665e+16
  octal: 0o17
  on: push
  script: |
    echo {   # not a comment
      two

  list:
    - 1
    - - nested
      - list
    - name: a
      value: b   # behind

---
kind: Service
metadata:
  name: serving
spec: {ports: [80]}
---
kind: Service
metadata: {name: other}
"""


def changed(text: str, *operations: dict[str, Any], of: str | None = None, path: str = "a.yaml") -> str:
    return patch(path, text.encode(), of, operations).decode()


def lines(text: str, *operations: dict[str, Any], of: str | None = None) -> tuple[list[str], list[str]]:
    """The lines that went, and those that came."""
    old, new = text.split("\n"), changed(text, *operations, of=of).split("\n")
    return [line for line in old if line not in new], [line for line in new if line not in old]


DEPLOYMENT = "Deployment/serving"


@pytest.mark.parametrize(
    ("operation", "gone", "come"),
    [
        ({"op": "replace", "path": "/spec/replicas", "value": 3}, ["  replicas: 2"], ["  replicas: 3"]),
        ({"op": "add", "path": "/spec/new", "value": "x: y"}, [], ['  new: "x: y"']),
        ({"op": "add", "path": "/metadata/labels/z", "value": "on"}, ["    labels: {app: x,   tier:  'y'}"], ["    labels: {app: x, tier: 'y', z: \"on\"}"]),
        ({"op": "remove", "path": "/spec/number"}, ["  number: 1.0e-05"], []),
        ({"op": "add", "path": "/spec/list/0", "value": 0}, [], ["    - 0"]),
        ({"op": "add", "path": "/spec/list/-", "value": {"k": [1]}}, [], ["    - k:", "        - 1"]),
        ({"op": "remove", "path": "/spec/list/0"}, ["    - 1"], []),
        ({"op": "replace", "path": "/spec/list/2/value", "value": "c"}, ["      value: b   # behind"], ["      value: c   # behind"]),
        ({"op": "test", "path": "/spec/replicas", "value": 2}, [], []),
        ({"op": "copy", "from": "/metadata/name", "path": "/spec/name"}, [], ['  name: "serving"']),
        ({"op": "move", "from": "/spec/octal", "path": "/octal"}, ["  octal: 0o17"], ["octal: 0o17"]),
        ({"op": "add", "path": "/metadata/annotations", "value": {"a/b": "1.0", "c": True}}, [], ["    annotations:", '      a/b: "1.0"', "      c: true"]),
        ({"op": "add", "path": "/spec/small", "value": 1e-7}, [], ["  small: 1.0e-07"]),
        ({"op": "add", "path": "/spec/empty", "value": "now"}, ["  empty: null"], ["  empty: now"]),
    ],
    ids=lambda value: f"{value['op']} {value['path']}" if isinstance(value, dict) else "",
)  # fmt: skip
def test_only_the_lines_that_are_meant_change(operation: dict[str, Any], gone: list[str], come: list[str]) -> None:
    assert lines(STREAM, operation, of=DEPLOYMENT) == (gone, come)


def test_operations_follow_one_another() -> None:
    made = changed(
        STREAM,
        {"op": "add", "path": "/spec/a", "value": {}},
        {"op": "add", "path": "/spec/a/b", "value": 1},
        {"op": "remove", "path": "/spec/replicas"},
        of=DEPLOYMENT,
    )
    documents = list(yaml.load_all(made, yaml.CSafeLoader))
    assert documents[0]["spec"]["a"] == {"b": 1}
    assert "replicas" not in documents[0]["spec"]
    assert documents[1:] == list(yaml.load_all(STREAM, yaml.CSafeLoader))[1:]


def test_one_object_of_several_is_changed() -> None:
    made = changed(STREAM, {"op": "add", "path": "/spec", "value": 1}, of="Service/other")
    assert made == STREAM + "spec: 1\n"


@pytest.mark.parametrize("of", [None, "Service", "Service/nobody", "ConfigMap/serving", ""])
def test_an_object_that_is_not_there_is_named_with_those_that_are(of: str | None) -> None:
    with pytest.raises(Failed) as caught:
        changed(STREAM, {"op": "remove", "path": "/spec"}, of=of)
    (found,) = caught.value.diagnostics
    assert (found.code, found.path) == ("E223", "object")
    assert found.help == "objects: Deployment/serving, Service/serving, Service/other"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nothing"},
        {"op": "replace", "path": "/spec/absent", "value": 1},
        {"op": "add", "path": "/nothing/below", "value": 1},
        {"op": "add", "path": "/spec/replicas/x", "value": 1},
        {"op": "add", "path": "/spec/list/9", "value": 1},
        {"op": "add", "path": "/spec/list/x", "value": 1},
        {"op": "remove", "path": "/spec/list/-"},
        {"op": "remove", "path": ""},
        {"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "move", "from": "/nothing", "path": "/a"},
        {"op": "move", "from": "/spec", "path": "/spec/list/0"},
        {"op": "copy", "from": "/nothing", "path": "/a"},
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}",
)
def test_an_operation_that_does_not_fit_is_named(operation: dict[str, Any]) -> None:
    good = {"op": "test", "path": "/kind", "value": "Deployment"}
    with pytest.raises(Failed) as caught:
        changed(STREAM, good, operation, of=DEPLOYMENT)
    (found,) = caught.value.diagnostics
    assert (found.code, found.path) == ("E223", "ops.1")
    assert found.message.startswith(f"{operation['op']} {operation['path']}: ")


def test_a_file_that_is_neither_yaml_nor_json() -> None:
    with pytest.raises(Failed) as caught:
        changed("FROM a\n", {"op": "remove", "path": "/a"}, path="Dockerfile")
    assert [(d.code, d.path) for d in caught.value.diagnostics] == [("E223", "file")]


def test_json_stays_json() -> None:
    text = json.dumps({"a": [1, {"b": "é"}]}, indent=2, ensure_ascii=False) + "\n"
    made = changed(text, {"op": "add", "path": "/a/1/c", "value": "on"}, path="a.json")
    assert made == json.dumps({"a": [1, {"b": "é", "c": "on"}]}, indent=2, ensure_ascii=False) + "\n"
    with pytest.raises(Failed):
        changed(text, {"op": "add", "path": "/a/0", "value": float("inf")}, path="a.json")


@pytest.mark.parametrize("text", ODD)
def test_a_text_is_quoted_when_a_reader_would_take_it_for_something_else(text: str) -> None:
    made = changed("a: 1\nb: 2\n", {"op": "replace", "path": "/a", "value": text})
    everywhere(made, {"a": text, "b": 2})
    assert made.endswith("\nb: 2\n")


@given(st.dictionaries(KEYS.filter(lambda key: key != "zzz"), VALUES, min_size=1, max_size=4), VALUES)
@settings(max_examples=200, deadline=None)
def test_what_is_not_meant_stays_byte_for_byte(data: dict[str, Any], value: Any) -> None:
    before = render(File(path="a.yaml", data=data, comment="by hand")).content.decode()
    made = changed(before, {"op": "add", "path": "/zzz", "value": value})
    assert made.startswith(before)
    everywhere(made, {**data, "zzz": value})


SEGMENTS = st.sampled_from(["a", "b", "0", "1", "-", "", "~0", "~1", "x", "99", "01", "-1"])
POINTERS = st.lists(SEGMENTS, max_size=4).map(lambda parts: "".join(f"/{part}" for part in parts))
DOCUMENTS = st.recursive(
    st.sampled_from([1, "s", None, True]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "~", "/", "0", ""]), inner, max_size=3)
    ),
    max_leaves=10,
)
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": POINTERS, "value": VALUES}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": POINTERS, "from": POINTERS}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": POINTERS}),
)


@given(DOCUMENTS, st.lists(OPERATIONS, min_size=1, max_size=3), st.sampled_from(["a.yaml", "a.json"]))
@settings(max_examples=300, deadline=None)
def test_any_operation_is_carried_out_or_refused(data: Any, operations: list[dict[str, Any]], path: str) -> None:
    before = render(File(path=path, data=data)).content
    try:
        made = patch(path, before, None, operations).decode()
    except Failed as failed:
        assert all(d.code == "E223" and "more than was asked" not in d.message for d in failed.diagnostics)
        return
    meant = jsonpatch.JsonPatch(operations).apply(copy.deepcopy(data))
    for found in read(made) if path == "a.yaml" else [json.loads(made)]:
        assert same(found, meant)


@given(STRINGS)
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_a_key(text: str) -> None:
    pointer = "/" + text.replace("~", "~0").replace("/", "~1")
    everywhere(changed("a: 1\n", {"op": "add", "path": "/b", "value": {text: 1}}), {"a": 1, "b": {text: 1}})
    if text != "a":
        everywhere(changed("a: 1\n", {"op": "add", "path": pointer, "value": 2}), {"a": 1, text: 2})
