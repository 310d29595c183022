"""Edits of the text of a spec: what is asked for and nothing else."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlopsgen.diagnostics import Failed
from mlopsgen.review.writing import notation
from mlopsgen.review.writing.edit import append, drop, lead, put, rename
from mlopsgen.review.writing.layout import lay_out
from mlopsgen.review.writing.splices import Refused
from mlopsgen.spec.load import parse
from tests.conftest import FULL

WORDS = [
    *(
        "a",
        "b",
        "on",
        "1e5",
        "x: y",
        "# no",
        "é☃😀",
        "multi\nline\n",
        "",
        "12:30",
        "~",
        "it's",
        'q"q',
        "a b",
        "-",
        "[x]",
        "{",
    ),
    *("@at", "0o7", "tab\there", "true", "x #y", "5%", "30s", "null", "a,b", "very-long " * 8, "\\n", "'", "no\nend"),
]


class Writer:
    """Writes documents in every layout that people use."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def scalar(self) -> Any:
        word = self.random.choice(WORDS)
        return self.random.choice([word, word, self.random.randint(-5, 99), 0.25, True, False, None, 2e-5, 1e22])

    def value(self, depth: int) -> Any:
        kind = self.random.random()
        if depth <= 0 or kind < 0.4:
            return self.scalar()
        if kind < 0.7:
            names = [f"k{i}{self.random.choice(['', ' x', '.b', '-c', 'é'])}" for i in range(self.random.randint(0, 4))]
            return {name: self.value(depth - 1) for name in names}
        return [self.value(depth - 1) for _ in range(self.random.randint(0, 4))]

    def plain(self, value: Any, flow: bool) -> str:
        if isinstance(value, str) and self.random.random() < 0.5:
            return notation.like(self.random.choice(['"', "'"]), value, flow=flow)
        return notation.scalar(value, flow=flow)

    def flow(self, value: Any) -> str:
        space = self.random.choice(["", " "])
        comma = self.random.choice([", ", ",  ", ",\n          # c\n          "])
        if isinstance(value, dict):
            inner = comma.join(f"{notation.name(key)}: {self.flow(item)}" for key, item in value.items())
            return "{" + space + inner + space + "}"
        if isinstance(value, list):
            return "[" + space + ", ".join(map(self.flow, value)) + space + "]"
        return self.plain(value, True)

    def comment(self) -> str:
        return self.random.choice(["", "", "", "  # comment", "   "])

    def block(self, value: Any, indent: int) -> list[str]:
        write = self.mapping if isinstance(value, dict) else self.sequence
        return write(value, indent)

    def mapping(self, value: dict[str, Any], indent: int) -> list[str]:
        pad, lines = " " * indent, []
        for key, item in value.items():
            lines += self.random.choice([[], [], [], [], [pad + "# about"], [""]])
            head = f"{pad}{notation.name(key)}:"
            if isinstance(item, dict | list) and item and self.random.random() < 0.6:
                step = self.random.choice([0, 2, 4] if isinstance(item, list) else [2, 4])
                lines += [head + self.comment(), *self.block(item, indent + step)]
            elif item is None and self.random.random() < 0.5:
                lines.append(head + self.comment())
            elif isinstance(item, str) and item.endswith("line\n"):
                lines += [f"{head} |", *(f"{pad}   {line}" for line in item.rstrip("\n").split("\n"))]
            else:
                lines.append(head + self.random.choice([" ", "   "]) + self.flow(item) + self.comment())
        return lines

    def sequence(self, value: list[Any], indent: int) -> list[str]:
        pad, lines = " " * indent, []
        for item in value:
            if isinstance(item, dict | list) and item and self.random.random() < 0.6:
                below = self.block(item, indent + 2)
                if below[0].strip() and not below[0].strip().startswith("#") and isinstance(item, dict):
                    lines += [f"{pad}- {below[0][indent + 2 :]}", *below[1:]]
                else:
                    lines += [f"{pad}-", *below]
            else:
                lines.append(f"{pad}- {self.flow(item)}{self.comment()}")
        return lines

    def document(self) -> tuple[str, Any]:
        while True:
            value = {f"t{i}": self.value(3) for i in range(self.random.randint(1, 4))}
            text = "\n".join(self.mapping(value, 0)) + self.random.choice(["\n", "", "\n\n# end\n"])
            try:
                return text, parse(text, "x").plain()
            except Failed:
                continue


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in entries for found in ((*path, key), *paths(item, (*path, key)))]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = deepcopy(document)
    at(made, path[:-1])[path[-1]] = value
    return made


def is_kept_around(text: str, made: str, path: tuple[Any, ...]) -> bool:
    """Whether the lines before the entry and those after it are what they were."""
    root = lay_out(text)
    piece, above = root.find(path), root.find(path[:-1])
    start = piece.start if isinstance(path[-1], int) else above.entry(path[-1])[0].start
    before = text[: text.rfind("\n", 0, start) + 1]
    end = text.find("\n", piece.end)
    return made.startswith(before) and (end < 0 or made.endswith(text[end:]))


thorough = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@thorough
@given(st.randoms(use_true_random=False))
def test_a_value_put_anywhere_is_read_back_and_the_rest_stays(random: Random) -> None:
    writer = Writer(random)
    text, plain = writer.document()
    path = random.choice(paths(plain))
    value = writer.value(2)
    made = put(text, path, value)
    assert repr(parse(made, "x").plain()) == repr(changed(plain, path, value)) or isinstance(value, dict)
    assert parse(made, "x").plain() == changed(plain, path, value)
    assert is_kept_around(text, made, path)


@thorough
@given(st.randoms(use_true_random=False))
def test_a_scalar_in_place_of_a_scalar_changes_no_other_character(random: Random) -> None:
    writer = Writer(random)
    text, plain = writer.document()
    found = [path for path in paths(plain) if not isinstance(at(plain, path), dict | list)]
    if not found:
        return
    path = random.choice(found)
    value = writer.scalar()
    made = put(text, path, value)
    piece = lay_out(text).find(path)
    if repr(value) == repr(at(plain, path)):
        assert made == text
    elif piece.style not in ("|", ">"):
        assert made.startswith(text[: piece.start])
        assert made.endswith(text[piece.end :])


@thorough
@given(st.randoms(use_true_random=False))
def test_what_comes_goes_again(random: Random) -> None:
    writer = Writer(random)
    text, plain = writer.document()
    found = [path for path in ((), *paths(plain)) if isinstance(at(plain, path), dict | list)]
    path = random.choice(found)
    value = writer.value(2)
    if isinstance(at(plain, path), list):
        made, key = append(text, path, value), len(at(plain, path))
    else:
        made, key = put(text, (*path, "come"), value), "come"
    assert at(parse(made, "x").plain(), (*path, key)) == value
    again = drop(made, (*path, key))
    assert parse(again, "x").plain() == plain
    assert [line for line in text.split("\n") if "#" in line] == [line for line in again.split("\n") if "#" in line]


@thorough
@given(st.randoms(use_true_random=False))
def test_a_key_is_renamed_in_its_place(random: Random) -> None:
    text, plain = Writer(random).document()
    path = random.choice([path for path in paths(plain) if isinstance(path[-1], str)])
    made = rename(text, path, "other name")
    read = parse(made, "x").plain()
    assert list(at(read, path[:-1])) == ["other name" if key == path[-1] else key for key in at(plain, path[:-1])]
    assert made.replace('"other name"', "").replace("other name", "") != text
    assert is_kept_around(text, made, path)


@pytest.mark.parametrize(
    ("text", "path", "value", "made"),
    [
        ("a: 1  # one\n", ("a",), 2, "a: 2  # one\n"),
        ("a: 1", ("b",), 2, "a: 1\nb: 2"),
        ("a: {b: 1}  # one\n", ("a", "c"), "x: y", 'a: {b: 1, c: "x: y"}  # one\n'),
        ("a: {b: 1,}\n", ("a", "c"), 2, "a: {b: 1, c: 2,}\n"),
        ("a: {\n  b: 1,  # one\n  c: 2\n}\n", ("a", "d"), 3, "a: {\n  b: 1,  # one\n  c: 2,\n  d: 3\n}\n"),
        ("a: 'x'\n", ("a",), "it's", "a: 'it''s'\n"),
        ('a: "x"\n', ("a",), "y", 'a: "y"\n'),
        ("a: x\n", ("a",), "on", 'a: "on"\n'),
        ("a: x\n", ("a",), "2026-01-01", 'a: "2026-01-01"\n'),
        ("a: 1e-5\n", ("a",), 2e-6, "a: 2e-6\n"),
        ("a: 5%\n", ("a",), "7.5%", "a: 7.5%\n"),
        ("a:\n", ("a",), 1, "a: 1\n"),
        ("a: # later\nb: 1\n", ("a",), 1, "a: 1 # later\nb: 1\n"),
        ("a: [1, 2]\n", ("a",), [1, 3, 2], "a: [1, 3, 2]\n"),
        ("a:\n  - 1  # one\n  - 2\n", ("a",), [1], "a:\n  - 1  # one\n"),
        ("a:\n  - b: 1\n    c: 2\n", ("a", 0, "d"), 3, "a:\n  - b: 1\n    c: 2\n    d: 3\n"),
        ("a: 1\n", ("b", "c", "d"), [1, {"e": True}], "a: 1\nb: {c: {d: [1, {e: true}]}}\n"),
        ("a: |\n  one\n  two\n\nb: 1\n", ("a",), "x\ny\n", "a: |\n  x\n  y\n\nb: 1\n"),
        ("a: 1\n\nb:\n  c: 2\n", ("d",), {"e": 1}, "a: 1\n\nb:\n  c: 2\n\nd: {e: 1}\n"),
    ],
)
def test_the_style_is_that_of_what_stands_around(text: str, path: tuple[Any, ...], value: Any, made: str) -> None:
    assert put(text, path, value) == made


@pytest.mark.parametrize(
    ("text", "path", "made"),
    [
        ("a: 1\nb: 2  # two\nc: 3\n", ("b",), "a: 1\nc: 3\n"),
        ("a: {b: 1, c: 2}\n", ("a", "b"), "a: {c: 2}\n"),
        ("a: {b: 1, c: 2}\n", ("a", "c"), "a: {b: 1}\n"),
        ("a: {b: 1}\n", ("a", "b"), "a: {}\n"),
        ("a:\n  b: 1\nc: 2\n", ("a", "b"), "a: {}\nc: 2\n"),
        ("a:\n  - b: 1  # one\n    # about c\n    c: 2\n", ("a", 0, "b"), "a:\n  - # about c\n    c: 2\n"),
        ("a:  # list\n- 1\n", ("a", 0), "a: []  # list\n"),
    ],
)
def test_what_goes_leaves_the_rest(text: str, path: tuple[Any, ...], made: str) -> None:
    assert drop(text, path) == made


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: put("a: &x 1\nb: *x\n", ("a",), 2),
        lambda: put("a: &x {b: 1}\nc: *x\n", ("a", "b"), 2),
        lambda: put("a: &x {b: 1}\nc: *x\n", ("c", "b"), 2),
        lambda: put("a: 1\n", ("a", "b"), 2),
        lambda: drop("a: 1\n", ("b",)),
        lambda: rename("a: 1\nb: 2\n", ("a",), "b"),
        lambda: put("a: [\n", ("a",), 1),
    ],
)
def test_what_would_change_more_is_refused(attempt) -> None:
    with pytest.raises(Refused):
        attempt()


def test_a_key_before_all_others() -> None:
    assert lead("# top\n\na: 1\n", "version", 1) == "# top\n\nversion: 1\na: 1\n"
    assert lead("{a: 1}\n", "version", 1) == "{a: 1, version: 1}\n"


def test_every_scalar_of_the_full_example_can_be_put_in_its_place() -> None:
    text = FULL.read_text()
    plain = parse(text, "x").plain()
    for path in paths(plain)[::6]:
        value = at(plain, path)
        if not isinstance(value, dict | list):
            made = put(text, path, "a: b")
            assert parse(made, "x").plain() == changed(plain, path, "a: b")
            assert [line.partition("# ")[2] for line in made.split("\n")] == [
                line.partition("# ")[2] for line in text.split("\n")
            ]


def test_yaml_1_1_reads_the_same(  # what `yaml.safe_load` takes for text is text
) -> None:
    for word in WORDS:
        assert yaml.safe_load(put("a: x\n", ("a",), word))["a"] == word
