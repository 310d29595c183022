"""Preprocessing of text: one function for training, serving and quality, and its identity, stored with the model."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.identity import both

Step = Callable[[str], str]

_SPACES = re.compile(r"\s+")

STEPS: dict[str, Step] = {
    "strip": str.strip,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "lower": str.lower,
    "collapse_spaces": lambda text: _SPACES.sub(" ", text),
}
"""Steps by name, as `model.preprocess` names them; anything else there is `module:function`."""


class Preprocessing:
    """Steps over a text, in order.

    Args:
        steps: names in `STEPS`, or `module:function` of a file below the working directory or an installed package.

    Raises:
        Mistaken: a step that is neither, a module or function that is not there.
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = tuple(steps)
        self._functions: dict[str, Step] = {step: _function(step) for step in self.steps}

    def __call__(self, text: str) -> str:
        """The text after all steps.

        Raises:
            Mistaken: a step of the project's own returned something that is no text.
        """
        for step in self.steps:
            text = self._functions[step](text)
            if type(text) is not str:
                raise Mistaken(f"the preprocessing step `{step}` returned {type(text).__name__}: return text")
        return text

    def identity(self) -> dict[str, Any]:
        """What makes two preprocessings the same: the steps, and the SHA-256 of the source of each own step's module.

        Line ends do not count. Steps by name are the runtime's own and keep their meaning.
        """
        return {"steps": list(self.steps), "sources": {step: _digest(step) for step in self.steps if ":" in step}}

    def check(self, identity: dict[str, Any]) -> None:
        """Hold this preprocessing against the one stored with a model.

        Raises:
            Mistaken: steps or sources differ, or the identity is not one.
        """
        mine, theirs = self.identity(), identity
        if mine == theirs:
            return
        if mine["steps"] != theirs.get("steps"):
            shown = ", ".join(map(str, theirs.get("steps") or ())) or "no steps"
            difference = f"was trained with {shown}, and here are {', '.join(self.steps) or 'no steps'}"
        else:
            sources = theirs.get("sources") or {}
            changed = [step for step, digest in mine["sources"].items() if sources.get(step) != digest]
            difference = f"was trained with another source of {', '.join(f'`{step}`' for step in changed)}"
        raise Mistaken(
            f"the preprocessing does not fit the model: the model {difference}; bring back that preprocessing or train "
            f"again ({both(theirs, mine)})"
        )


def _function(step: str) -> Step:
    if step in STEPS:
        return STEPS[step]
    name, colon, function = step.partition(":")
    if not colon:
        known = ", ".join(STEPS)
        raise Mistaken(f"there is no preprocessing step `{step}`: one of {known}, or `module:function`")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(name), function)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise Mistaken(f"`model.preprocess`, step `{step}`: there is no module {name} in this folder") from None
    except AttributeError:
        raise Mistaken(f"`model.preprocess`, step `{step}`: {name} has no function {function}") from None
    if not callable(found):
        raise Mistaken(f"`model.preprocess`, step `{step}`: {function} of {name} is no function")
    return found  # type: ignore[no-any-return]


def _digest(step: str) -> str:
    name = step.partition(":")[0]
    path = sys.modules[name].__file__
    if path is None or not path.endswith(".py"):
        raise Mistaken(f"`model.preprocess`, step `{step}`: {name} has no source to know it by; write it in a .py file")
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read().replace(b"\r\n", b"\n")).hexdigest()
