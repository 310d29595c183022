"""Preprocessing, and whether it is the one that a model was trained with."""

from __future__ import annotations

import sys

import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import STEPS, Preprocessing

from mlopsgen.project.checks.model import PREPROCESSING
from tests.runtime.data.conftest import Folder


def test_steps_in_order() -> None:
    assert Preprocessing(["nfkc", "lower", "collapse_spaces", "strip"])(" Ｆｏｏ \n\t Bär ") == "foo bär"
    assert Preprocessing(["nfc"])("a\u0308") == "ä"
    assert Preprocessing([])(" a ") == " a "


def test_the_language_and_the_runtime_know_the_same_steps() -> None:
    assert tuple(STEPS) == PREPROCESSING


def own(folder: Folder, name: str, code: str = "def clean(text):\n    return text.replace('x', 'y')\n") -> str:
    folder.write(f"{name}.py", code)
    sys.modules.pop(name, None)
    return f"{name}:clean"


def test_own_functions_are_known_by_their_source(folder: Folder) -> None:
    step = own(folder, "own_one")
    trained = Preprocessing(["strip", step])
    assert trained(" x ") == "y"
    identity = trained.identity()
    Preprocessing(["strip", step]).check(identity)
    (folder.path / "own_one.py").write_bytes((folder.path / "own_one.py").read_bytes().replace(b"\n", b"\r\n"))
    Preprocessing(["strip", step]).check(identity)
    own(folder, "own_one", "def clean(text):\n    return text\n")
    with pytest.raises(Mistaken, match="another source of `own_one:clean`"):
        Preprocessing(["strip", step]).check(identity)


def test_other_steps_do_not_fit() -> None:
    identity = Preprocessing(["strip", "nfc"]).identity()
    with pytest.raises(Mistaken, match="trained with strip, nfc, and here are strip, lower"):
        Preprocessing(["strip", "lower"]).check(identity)
    with pytest.raises(Mistaken, match="does not fit the model"):
        Preprocessing(["nfc", "strip"]).check(identity)
    with pytest.raises(Mistaken, match="no steps"):
        Preprocessing(["nfc"]).check({})


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("stripp", "there is no preprocessing step `stripp`: one of strip, nfc"),
        ("nowhere_at_all:f", "there is no module nowhere_at_all"),
        ("json:nothing", "json has no function nothing"),
        ("json:decoder", "is no function"),
    ],
)
def test_mistakes(step: str, message: str) -> None:
    with pytest.raises(Mistaken, match=message):
        Preprocessing([step])


def test_a_step_must_return_text(folder: Folder) -> None:
    step = own(folder, "own_two", "def clean(text):\n    return text.encode()\n")
    with pytest.raises(Mistaken, match="returned bytes"):
        Preprocessing([step])("a")
