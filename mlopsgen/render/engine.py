"""From what a target hands out to bytes: templates, data and text, each checked by reading it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.render.files import File, Output
from mlopsgen.render.sheet import Sheet
from mlopsgen.render.verify import Misread, verify

YAML = (".yaml", ".yml")


def render(file: File, overrides: Mapping[str, str] | None = None) -> Output:
    """Content of a file.

    Args:
        file: what a target wants.
        overrides: the user's own templates, by name.

    Raises:
        Failed: a template is broken or its output is not what the format asks for.
    """
    if file.template is not None:
        from mlopsgen.render.template import fill

        sheet = fill(file, overrides or {})
    else:
        sheet = Sheet()
        _write(sheet, file)
    text = sheet.text()
    if not text.endswith("\n"):
        text += "\n"
    if file.path.endswith(YAML):
        try:
            verify(text, sheet.written)
        except Misread as misread:
            raise Failed([_misread(file, misread)]) from None
    elif file.path.endswith(".json"):
        try:
            json.loads(text, parse_constant=_no_json)
        except ValueError as error:
            raise Failed([_misread(file, Misread(f"the result is not JSON: {error}"))]) from None
    return Output(text.encode(), tuple(sheet.origins))


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _write(sheet: Sheet, file: File) -> None:
    if file.text is not None:
        sheet.write(file.text)
    elif file.path.endswith(".json"):
        sheet.write(json.dumps(_plain(file.data), indent=2, ensure_ascii=False) + "\n")
    else:
        for line in file.comment.splitlines():
            sheet.write(f"# {line}".rstrip() + "\n")
        documents = file.data if isinstance(file.data, tuple) else (file.data,)
        for index, document in enumerate(documents):
            sheet.write("---\n" if index else "")
            sheet.document(document)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _misread(file: File, misread: Misread) -> Diagnostic:
    name = file.template or file.path
    help = "an expression stands for one whole YAML node: no text before, behind or around it, no quotes, no comment"
    return diagnose("E403", f"{name}: {misread}", path=file.path, help=help)
