"""Files that are no spec: each gets a clear word and exit code 2, never a trace, and nothing waits for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlopsgen.diagnostics.catalogue.code import SMALLEST
from mlopsgen.spec.builder import MAX_DEPTH, MAX_NODES
from mlopsgen.spec.read import MAX_BYTES
from tests.conftest import Run
from tests.diagnostics.helpers import Place

BOMB = (
    SMALLEST
    + "x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    + "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
)
CHAIN = SMALLEST + "x-0: &a0 [1]\n" + "".join(f"x-{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 400))
LINES = SMALLEST.count("\n")

REFUSED: dict[str, tuple[str | bytes, list[tuple[str, int | None, int | None]]]] = {
    "empty": ("", [("E011", 1, 1)]),
    "a line end": ("\n", [("E011", 1, 1)]),
    "only comments": ("# nothing\n# here\n", [("E011", 1, 1)]),
    "only a document start": ("---\n", [("E011", 1, 1)]),
    "null": ("~\n", [("E011", 1, 1)]),
    "a word": ("mlops\n", [("E011", 1, 1)]),
    "a list at the top": ("- version: 1\n", [("E011", 1, 1)]),
    "two documents": (SMALLEST + "---\n" + SMALLEST, [("E011", LINES + 1, 1)]),
    "invalid UTF-8": (b"version: 1\nproject: {name: d\xffcs}\n", [("E004", 2, 18)]),
    "UTF-8 cut off": (b"version: 1\nproject: {name: caf\xc3", [("E004", 2, 20)]),
    "a surrogate in UTF-8": (b"version: 1\nx-a: \xed\xa0\x80\n", [("E004", 2, 6)]),
    "Latin-1": ("version: 1\nx-a: café\n".encode("latin-1"), [("E004", 2, 9)]),
    "UTF-16": (SMALLEST.encode("utf-16"), [("E004", 1, 1)]),
    "UTF-16 without a mark": (SMALLEST.encode("utf-16-le"), [("E004", 1, 2)]),
    "a NUL": ("version: 1\nproject: {name: do\0cs}\n", [("E004", 2, 19)]),
    "an escape character": ("version: 1\nx-a: \x1b[31mred\n", [("E004", 2, 6)]),
    "a delete character": ("version: 1\nx-a: a\x7fb\n", [("E004", 2, 7)]),
    "a next-line character": ("version: 1\nx-a: a\x85b: c\n", [("E004", 2, 7)]),
    "a line separator": ("version: 1\nx-a: a\u2028b: c\n", [("E004", 2, 7)]),
    "a C1 control character": ("version: 1\nx-a: a\x9bb\n", [("E004", 2, 7)]),
    "a mark amid the text": ("version: 1\nx-a: a\ufeffb\n", [("E004", 2, 7)]),
    "no character": ("version: 1\nx-a: a\uffffb\n", [("E004", 2, 7)]),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", [("E004", 1, 1)]),
    "an archive": (b"\x1f\x8b\x08\0\0\0\0\0", [("E004", 1, 2)]),
    "a byte order mark": ("\ufeff" + SMALLEST, [("E005", 1, 1)]),
    "CR LF": (SMALLEST.replace("\n", "\r\n"), [("E006", 1, 11)]),
    "CR": (SMALLEST.replace("\n", "\r"), [("E006", 1, 11)]),
    "one CR LF": (SMALLEST + "x-a: 1\r\n", [("E006", LINES + 1, 7)]),
    "a tab as indentation": (SMALLEST + "training:\n\tepochs: 3\n", [("E009", LINES + 2, 1)]),
    "a tab behind spaces": (SMALLEST + "training:\n  \tepochs: 3\n", [("E009", LINES + 2, 3)]),
    "a tab before a dash": (SMALLEST + "unmanaged:\n\t- a\n", [("E009", LINES + 2, 1)]),
    "half a character": (SMALLEST + 'x-a: "a\\ud83d"\n', [("E010", LINES + 1, 10)]),
    "half a character as a key": (SMALLEST + '"x-\\ud83d": 1\n', [("E010", LINES + 1, 6)]),
    "an escape beyond Unicode": (SMALLEST + 'x-a: "\\U00110000"\n', [("E010", LINES + 1, 9)]),
    "an unknown escape": (SMALLEST + 'x-a: "\\q"\n', [("E010", LINES + 1, 7)]),
    "an open quote": (SMALLEST + 'x-a: "b\n', [("E010", LINES + 2, 1)]),
    "an open bracket": (SMALLEST + "x-a: [b\n", [("E010", LINES + 2, 1)]),
    "text behind a value": (SMALLEST + "x-a: [b] c\n", [("E010", LINES + 1, 10)]),
    "a colon in a value": (SMALLEST + "x-a: b: c\n", [("E010", LINES + 1, 7)]),
    "an @": (SMALLEST + "x-a: @b\n", [("E010", LINES + 1, 6)]),
    "an unknown alias": (SMALLEST + "x-a: *b\n", [("E010", LINES + 1, 6)]),
    "an alias before its anchor": (SMALLEST + "x-a: *b\nx-b: &b 1\n", [("E010", LINES + 1, 6)]),
    "a list that holds itself": (SMALLEST + "x-a: &a [*a]\n", [("E007", LINES + 1, 10)]),
    "a mapping that holds itself": (SMALLEST + "x-a: &a {b: {c: *a}}\n", [("E007", LINES + 1, 17)]),
    "an alias bomb": (BOMB, [("E007", LINES + 5, 41)]),
    "a chain of aliases": (CHAIN, [("E007", LINES + MAX_DEPTH, 13)]),
    "deep lists": (SMALLEST + "x-a: " + "[" * 100_000, [("E007", LINES + 1, 5 + MAX_DEPTH)]),
    "deep mappings": (SMALLEST + "x-a: " + "{a: " * 20_000, [("E007", LINES + 1, 6 + 4 * (MAX_DEPTH - 1))]),
    "deep blocks": (
        SMALLEST + "".join(" " * n + "x-a:\n" for n in range(500)),
        [("E007", LINES + MAX_DEPTH + 1, MAX_DEPTH + 1)],
    ),
    "too many values": (SMALLEST + "x-a:\n" + "- 1\n" * (MAX_NODES + 1), [("E007", MAX_NODES - 5 + LINES, 3)]),
    "a merge key": (SMALLEST + "x-a: &a {b: 1}\nx-c: {<<: *a}\n", [("E008", LINES + 2, 7)]),
    "a list as a key": (SMALLEST + "x-a: {[b]: c}\n", [("E012", LINES + 1, 7)]),
    "a mapping as a key": (SMALLEST + "x-a:\n  ? {b: c}\n  : d\n", [("E012", LINES + 2, 5)]),
    "a number as a key": (SMALLEST + "x-a: {1: c}\n", [("E012", LINES + 1, 7)]),
    "true as a key": (SMALLEST + "x-a: {true: c}\n", [("E012", LINES + 1, 7)]),
    "null as a key": (SMALLEST + "x-a: {~: c}\n", [("E012", LINES + 1, 7)]),
    "no key": (SMALLEST + "x-a:\n  : c\n", [("E010", LINES + 2, 3)]),
    "a key twice": (SMALLEST + "version: 1\n", [("E013", LINES + 1, 1)]),
    "a key thrice": (SMALLEST + "x-a: {b: 1, b: 2, b: 3}\n", [("E013", LINES + 1, 13), ("E013", LINES + 1, 19)]),
    "a key twice in other quotes": (SMALLEST + "x-a: {b: 1, 'b': 2}\n", [("E013", LINES + 1, 13)]),
    "a tag that runs code": (SMALLEST + "x-a: !!python/object/apply:os.system [id]\n", [("E014", LINES + 1, 6)]),
    "a tag of one's own": (SMALLEST + "x-a: !mine 1\n", [("E014", LINES + 1, 6)]),
    "a set": (SMALLEST + "x-a: !!set {b, c}\n", [("E014", LINES + 1, 6)]),
    "bytes": (SMALLEST + "x-a: !!binary aGk=\n", [("E014", LINES + 1, 6)]),
    "a tag that does not fit": (SMALLEST + "x-a: !!int b\n", [("E014", LINES + 1, 6)]),
    "a very long number": (SMALLEST + "x-a: " + "9" * 5000 + "\n", [("E104", LINES + 1, 6)]),
    "several at once": (
        SMALLEST + "x-a: {1: a}\nx-a: !b c\nversion: 1\n",
        [("E012", LINES + 1, 7), ("E013", LINES + 2, 1), ("E014", LINES + 2, 6), ("E013", LINES + 3, 1)],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_spec_is_refused_at_its_place(name: str, place: Place) -> None:
    text, expected = REFUSED[name]
    path = place.spec(text)
    for verb in ("validate", "build"):
        told = place.tell(verb)
        assert (told.places, told.exit) == (expected, 2)
        assert os.listdir(place.folder) == [path.name]
    assert all(row["message"] and row["message"].isprintable() for row in told.rows)


ACCEPTED: dict[str, str] = {
    "as large as may be": SMALLEST + "#" * (MAX_BYTES - len(SMALLEST)),
    "no line end at the end": SMALLEST.rstrip("\n"),
    "a document start and end": "%YAML 1.2\n---\n" + SMALLEST + "...\n",
    "as deep as may be": SMALLEST + "x-a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1),
    "aliases": SMALLEST + "x-a: &a [1]\nx-b: [*a, *a]\n",
    "an alias as a key": SMALLEST + "x-a: &a b\nx-c: {*a : 1}\n",
    "a key of two words": SMALLEST + 'x-a: {"b c": 1, "": 2}\n',
    "an escaped character": SMALLEST + 'x-a: "\\U0001F389\\x1b\\0"\n',
    "plain tags": SMALLEST + "x-a: [!!str 1, !!int 1, !!float 1.0, !!null ~, !!bool true, !!seq [], !!map {}, ! 1]\n",
    "characters of every plane": SMALLEST + "x-é漢🎉: [é, 漢, 🎉, \u00a0, \u200b]\n",
    "tabs between values": SMALLEST + "x-a: [1,\t2]\t# a\tcomment\n",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_yaml_allows_is_read(name: str, place: Place) -> None:
    place.spec(ACCEPTED[name])
    told = place.tell("validate")
    assert (told.places, told.exit) == ([], 0)


def test_one_byte_more_is_too_large(place: Place) -> None:
    place.spec(SMALLEST + "#" * (MAX_BYTES - len(SMALLEST) + 1))
    told = place.tell("validate")
    assert (told.places, told.exit) == ([("E003", None, None)], 2)


def refused(run: Run, *arguments: str, code: str) -> str:
    made = run("validate", *arguments)
    assert made.returncode == 2, made.stderr
    assert f"error {code}: " in made.stderr
    assert "Traceback" not in made.stderr
    assert made.stdout == ""
    return made.stderr


def test_a_missing_file(mlopsgen: Run) -> None:
    assert "there is no mlops.yaml" in refused(mlopsgen, code="E001")
    assert "mlopsgen init" in refused(mlopsgen, "gone/mlops.yaml", code="E001")


def test_a_folder_without_a_spec(mlopsgen: Run, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    assert "service/mlops.yaml" in refused(mlopsgen, "service", code="E001")


def test_a_folder_of_that_name(mlopsgen: Run, tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").mkdir()
    assert "mlops.yaml/mlops.yaml" in refused(mlopsgen, code="E001")


def test_a_pipe_does_not_make_it_wait(mlopsgen: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mlops.yaml")
    refused(mlopsgen, code="E002")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/stdin"])
def test_a_device_is_not_read(device: str, mlopsgen: Run) -> None:
    refused(mlopsgen, device, code="E002")


def test_a_file_that_cannot_be_read(mlopsgen: Run) -> None:
    """Holds for root as well, who may read everything: the memory of a process begins with a hole."""
    refused(mlopsgen, "/proc/self/mem", code="E002")


def test_a_large_file_is_not_read_to_its_end(mlopsgen: Run, tmp_path: Path) -> None:
    with (tmp_path / "mlops.yaml").open("wb") as stream:
        stream.truncate(1 << 40)
    refused(mlopsgen, code="E003")


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 5000, ""])
def test_a_name_that_no_file_can_have(name: str, place: Place) -> None:
    told = place.tell("validate", name)
    assert told.exit == 2
    assert [code for code, _, _ in told.places] in (["E001"], ["E002"])


def test_a_link_to_a_spec_is_followed(place: Place) -> None:
    place.spec(SMALLEST).rename(place.folder / "other.yaml")
    (place.folder / "mlops.yaml").symlink_to("other.yaml")
    assert place.tell("validate").exit == 0
    (place.folder / "loop").symlink_to("loop")
    assert place.tell("validate", "loop").places == [("E002", None, None)]
