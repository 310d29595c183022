"""From text to a spanned tree: YAML 1.2 meaning, bounded size, every mistake with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.spec.builder import Builder
from mlopsgen.spec.read import at
from mlopsgen.spec.tree import Node, placed

_LOADER: Any = getattr(getattr(yaml, "cyaml", None), "CParser", None)
"""The parser of libyaml; None where PyYAML was built without it."""


def parse(text: str, name: str) -> Node:
    """The document as a tree with places and paths.

    Args:
        text: YAML, one document.
        name: file name for the places.

    Raises:
        Failed: syntax, duplicate keys, tags, bombs, more than one document, no mapping at the top.
    """
    if not text.endswith("\n"):
        text += "\n"  # libyaml puts the end of an unfinished line on the next one
    builder = Builder(name)
    try:
        builder.build(_events(text))
    except yaml.MarkedYAMLError as error:
        raise Failed([*builder.found, _syntax(error, name, text)]) from None
    except yaml.YAMLError as error:
        raise Failed([diagnose("E010", _sentence(str(error)), span=at(name, 1, 1))]) from None
    except (ValueError, OverflowError):
        # The parser in Python takes the number of an escape as it comes.
        raise Failed([*builder.found, diagnose("E010", "an escape names no character", span=at(name, 1, 1))]) from None
    if builder.found:
        raise Failed(builder.found)
    root = builder.root
    if root is None or not isinstance(root.value, dict):
        what = "empty" if root is None or root.value is None else "not a mapping"
        help = "begin with `version: 1`, or run `mlopsgen init`"
        raise Failed([diagnose("E011", f"the document is {what}", span=at(name, 1, 1), help=help)])
    return placed(root)


def _events(text: str) -> Iterator[Any]:
    if _LOADER is None:
        yield from yaml.parse(text)
        return
    parser = _LOADER(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _syntax(error: yaml.MarkedYAMLError, name: str, text: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    before = lines[line - 1][: column - 1] if line <= len(lines) else ""
    here = lines[line - 1][column - 1 :] if line <= len(lines) else ""
    if "\t" in before + here[:1] and not (before + here[:1]).strip():
        column = (before + here[:1]).index("\t") + 1
        return diagnose(
            "E009", "a tab stands in the indentation", span=at(name, line, column), help="indent with spaces"
        )
    problem = _sentence(error.problem or "the text is not YAML")
    context = f" {error.context}" if error.context else ""
    return diagnose("E010", problem + context, span=at(name, line, column), help=_syntax_help(problem, here))


def _syntax_help(problem: str, here: str) -> str:
    if here[:1] in tuple("@`%"):
        return f"quote a value that begins with `{here[:1]}`"
    if "mapping values are not allowed" in problem:
        return "quote a value that holds `: `"
    return "check the indentation, the quotes and the brackets before this place"


def _sentence(problem: str) -> str:
    return problem.strip().rstrip(".")
