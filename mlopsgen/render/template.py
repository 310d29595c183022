"""Jinja templates whose expressions are YAML nodes.

`finalize` wraps each value, and the environment's `concat` sees the text before it, hence the indentation, and the
value itself, hence its origin. Expressions in files of other formats are inserted as they are, on one line.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import pass_context
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mlopsgen.diagnostics import Failed, Span, diagnose
from mlopsgen.render.files import Commented, File
from mlopsgen.render.sheet import Sheet

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = (os.path.join(_HERE, "templates"), os.path.join(os.path.dirname(_HERE), "templates"))
"""Templates in an installed wheel, and in a checkout."""


class _Mark(str):
    """Text of an interpolated value as it passes through Jinja; `concat` takes the value out again."""

    __slots__ = ("value",)
    value: Any


class _Carrier:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        mark = _Mark()
        mark.value = self.value
        return mark


class _Parts(list[str]):
    """What a template, or a macro or block in it, wrote. Only a template's is ever read."""

    def __str__(self) -> str:
        raise jinja2.TemplateRuntimeError("what a macro or block writes is no value: use `include`")


@pass_context  # a function of the context keeps Jinja from folding constants past it
def _finalize(context: Any, value: Any) -> _Carrier:
    if isinstance(value, jinja2.Undefined | _Parts):
        str(value)
    return _Carrier(value)


class _Loader(jinja2.BaseLoader):
    """The user's templates first, then ours."""

    def __init__(self) -> None:
        self.overrides: Mapping[str, str] = {}

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str | None, Any]:
        if template in self.overrides:
            return self.overrides[template], None, lambda: False
        for folder in FOLDERS:
            path = os.path.join(folder, *template.split("/"))
            if os.path.isfile(path):
                with open(path, encoding="utf-8", newline="") as stream:
                    return stream.read(), path, lambda: True
        raise jinja2.TemplateNotFound(template)


class _Bytecode(jinja2.BytecodeCache):
    """Compiled templates of ours beside this module, as Python keeps its own; jinja2 checks each against its source."""

    def __init__(self) -> None:
        here = os.stat(__file__)
        self._tag = f"{here.st_mtime_ns:x}-{here.st_size:x}"
        self._ours: set[str] = set()

    def _path(self, bucket: Bucket) -> str:
        name = f"template.{bucket.key}.{sys.implementation.cache_tag}"
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), "__pycache__", name)

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            with open(self._path(bucket), "rb") as stream:
                bucket.load_bytecode(stream)
        except (OSError, ValueError, EOFError, TypeError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode or sys.pycache_prefix is not None or bucket.key not in self._ours:
            return
        path = self._path(bucket)
        temporary = f"{path}.{os.getpid()}"
        try:
            with open(temporary, "wb") as stream:
                bucket.write_bytecode(stream)
            os.replace(temporary, path)
        except OSError:
            pass

    def get_source_checksum(self, source: str) -> str:
        return super().get_source_checksum(source + self._tag)

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        key = super().get_cache_key(name, filename)
        if filename is not None:
            self._ours.add(key)
        return key


SYNTAX: dict[str, Any] = {
    "block_start_string": "[%",
    "block_end_string": "%]",
    "variable_start_string": "[[",
    "variable_end_string": "]]",
    "comment_start_string": "[#",
    "comment_end_string": "#]",
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
"""How all templates are written: what workflows and alerts mean by `{{ }}` is text in them."""


class _Environment(ImmutableSandboxedEnvironment):
    """Sandboxed: a template, also one of the user's, reaches nothing but its context."""

    def __init__(self) -> None:
        super().__init__(
            **SYNTAX,
            undefined=jinja2.StrictUndefined,
            finalize=_finalize,
            loader=_Loader(),
            autoescape=False,
            bytecode_cache=_Bytecode(),
        )

    concat: Any = staticmethod(_Parts)


_environment: _Environment | None = None


def fill(file: File, overrides: Mapping[str, str]) -> Sheet:
    """The template of `file`, filled with its context.

    Raises:
        Failed: the template does not exist or compile, names something unknown, or interpolates where it may not.
    """
    parts = _rendered(file, overrides)
    if file.path.endswith((".yaml", ".yml")):
        return _as_yaml(parts, file)
    sheet = Sheet()
    for part in parts:
        if isinstance(part, _Mark):
            _one_line(sheet, part.value, file)
        else:
            sheet.write(part)
    return sheet


def _rendered(file: File, overrides: Mapping[str, str]) -> Sequence[str]:
    """Text and marks, in order."""
    global _environment
    if _environment is None:
        _environment = _Environment()
    environment, name = _environment, file.template or ""
    loader: Any = environment.loader
    if loader.overrides != overrides:
        loader.overrides = overrides
        if environment.cache is not None:
            environment.cache.clear()
    try:
        parts: Any = environment.get_template(name).render(**file.context)
        return list(parts)
    except jinja2.TemplateSyntaxError as error:
        raise Failed([_broken(file, error.name or name, error.lineno, error.message or "syntax error")]) from None
    except jinja2.TemplateNotFound as error:
        raise Failed([_broken(file, name, None, f"there is no template {error.name}")]) from None
    except jinja2.TemplateRuntimeError as error:
        raise Failed([_broken(file, name, _line(error, name), error.message or "it cannot be filled")]) from None
    except Exception as error:
        if not overrides:  # only a template of the user's may do what Python refuses
            raise
        raise Failed([_broken(file, name, _line(error, name), f"{type(error).__name__}: {error}")]) from None


def _as_yaml(parts: Sequence[str], file: File) -> Sheet:
    """Each expression as a YAML node, at the indentation and in the style of its place."""
    sheet, brackets = Sheet(), _Brackets()
    for index, part in enumerate(parts):
        if not isinstance(part, _Mark):
            sheet.write(part)
            brackets.see(part)
            continue
        tail = _tail(parts, index + 1)
        line = sheet.current
        head = re.match(r" *(?:- +)*", line)
        column = head.end() if head else 0
        indent = column if line[column:] else max(column - 2, 0)
        try:
            sheet.value(part.value, indent, flow=brackets.open > 0, alone=not tail.strip(" "))
        except TypeError as error:
            help = "interpolate a value, not an object"
            raise Failed([diagnose("E403", f"{file.template}: {error}", path=file.path, help=help)]) from None
    return sheet


def _tail(parts: Sequence[str], index: int) -> str:
    """What follows on the line."""
    while index < len(parts):
        if isinstance(parts[index], _Mark):
            return "another value"
        if parts[index]:
            return parts[index].partition("\n")[0]
        index += 1
    return ""


class _Brackets:
    """How many `[` and `{` of a template are open at the cursor.

    They may stand open over several lines, but not beyond a line that is indented no deeper than where they began:
    there the text of a script has a bracket that is none of YAML's.
    """

    _TOKEN = re.compile(r"""\n *(?=(?P<next>[^ \n]?))|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|(?<=\s)#.*|(?P<bracket>[\[\]{}])""")

    def __init__(self) -> None:
        self.open = 0
        self._indent = self._began = 0

    def see(self, text: str) -> None:
        """Go on over text of the template."""
        for token in self._TOKEN.finditer(text):
            if token["bracket"]:
                self._began = self._began if self.open else self._indent
                self.open = max(0, self.open + (1 if token["bracket"] in "[{" else -1))
            elif token["next"] is not None:
                self._indent = token.end() - token.start() - 1
                value_follows = token["next"] == "" and token.end() == len(text)
                if self._indent <= self._began and (value_follows or token["next"] not in ("]", "}", "")):
                    self.open = 0


def _one_line(sheet: Sheet, value: Any, file: File) -> None:
    if isinstance(value, Commented):
        value = value.value
    text = str(value)
    if not isinstance(value, str | int | float) or isinstance(value, bool) or not text.isprintable():
        name = file.template
        message = f"{name}: {type(value).__name__} {text!r} is not one line of printable text"
        raise Failed([diagnose("E404", message, path=file.path)])
    sheet.raw(value, text)


def _broken(file: File, name: str, line: int | None, message: str) -> Any:
    span = Span(name, line, 1, line, 2) if line else None
    return diagnose("E401", f"template {name}: {message}", path=file.path, span=span, help="mend the template")


def _line(error: BaseException, name: str) -> int | None:
    trace, line = error.__traceback__, None
    while trace is not None:
        if (
            trace.tb_frame.f_code.co_filename.replace(os.sep, "/").endswith(name)
            or "<template>" in trace.tb_frame.f_code.co_filename
        ):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
