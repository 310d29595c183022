from __future__ import annotations

import pytest

from mlopsgen.output.paths import fold, problem, split, temporary


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b.yaml",
        ".github/workflows/ml-ci.yaml",
        "with space/é–日本/🎉👩‍🔬.md",
        ".gitignore",
        "...a",
        "ab:c",
        "a b/c d",
    ],
)
def test_allows(path: str) -> None:
    assert problem(path, windows=False) == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "empty part"),
        ("/etc/passwd", "absolute"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("../a", "'..'"),
        ("a/../b", "'..'"),
        ("a/..", "'..'"),
        ("./a", "'.'"),
        ("a\\b", "backslash"),
        ("C:/a", "drive"),
        ("c:a", "drive"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x85b", "control"),
        ("a\u2028b", "control"),
        ("a\ud800", "Unicode"),
        (".. /a", "Windows drops"),
        ("a./b", "Windows drops"),
        ("a ", "Windows drops"),
        (".git/hooks/pre-commit", ".git"),
        ("sub/.GIT/config", ".git"),
        (".a.mlopsgen~", "being written"),
    ],
)
def test_refuses(path: str, why: str) -> None:
    assert why in problem(path, windows=False)


def test_refuses_streams_on_windows_only() -> None:
    assert problem("a/b:c", windows=True) == "it holds a colon"


def test_split_tells_the_two_roots() -> None:
    assert split("a/b") == (False, "a/b")
    assert split("//a/b") == (True, "a/b")


@pytest.mark.parametrize(("one", "other"), [("A/b", "a/B"), ("é", "e\u0301"), ("STRASSE", "straße"), ("É", "e\u0301")])
def test_fold_joins_what_some_file_system_takes_for_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_a_temporary_name_is_never_longer_than_names_may_be() -> None:
    assert temporary("rules.yaml") == ".rules.yaml.mlopsgen~"
    long = temporary("é" * 127)
    assert len(long.encode()) < 60
    assert long.endswith(".mlopsgen~")
    assert long != temporary("è" * 127)
