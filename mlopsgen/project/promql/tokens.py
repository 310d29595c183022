"""PromQL as tokens with their places."""

from __future__ import annotations

import re
from typing import NamedTuple


class Unparsable(Exception):
    """Text that is no PromQL. `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class Token(NamedTuple):
    """A piece of an expression; `kind` is `number`, `duration`, `string`, `name`, `end` or the sign itself."""

    kind: str
    text: str
    start: int
    end: int


_DURATION = r"(?:[0-9]+y)?(?:[0-9]+w)?(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m(?!s))?(?:[0-9]+s)?(?:[0-9]+ms)?"
_TOKEN = re.compile(
    rf"""
      (?P<space> \s+ | \#[^\n]* )
    | (?P<duration> (?=[0-9]+[a-z]) (?!0x) {_DURATION} (?![A-Za-z0-9_.]) (?<=[a-z]) )
    | (?P<number> 0[xX][0-9a-fA-F]+ | (?: [0-9]+\.?[0-9]* | \.[0-9]+ ) (?: [eE][-+]?[0-9]+ )? ) (?! [A-Za-z0-9_.] )
    | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | `[^`]*` )
    | (?P<name> [A-Za-z_:][A-Za-z0-9_:]* )
    | (?P<sign> =~ | !~ | != | == | <= | >= | [-+*/%^(){{}}\[\],=<>@:] )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"""\\(?:[abfnrtv\\'"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|(?P<wrong>.?))""", re.DOTALL
)


def tokens(text: str) -> list[Token]:
    """The expression in pieces, with an `end` behind the last.

    Raises:
        Unparsable: a character that begins nothing, or an open string.
    """
    found, position, brackets = [], 0, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            what = "the string is not closed" if text[position] in "\"'`" else f"`{text[position]}` begins nothing"
            raise Unparsable(what, position)
        kind = str(match.lastgroup)
        if kind == "name" and brackets and match[0].startswith(":"):  # the colon of a subquery
            match_end = position + 1
            found.append(Token(":", ":", position, match_end))
            position = match_end
            continue
        if kind == "string":
            _escapes(match[0], position)
        if kind != "space":
            found.append(Token(match[0] if kind == "sign" else kind, match[0], position, match.end()))
            brackets += (match[0] == "[") - (match[0] == "]")
        position = match.end()
    return [*found, Token("end", "", len(text), len(text))]


def _escapes(text: str, position: int) -> None:
    if text[0] == "`":
        return
    for match in _ESCAPE.finditer(text):
        other = {"'": '"', '"': "'"}[text[0]]
        if match["wrong"] is not None or match[0] == f"\\{other}":
            raise Unparsable(f"the string has no escape `{match[0]}`", position + match.start())


def unquoted(text: str) -> str:
    """Value of a string token."""
    if text[0] == "`":
        return text[1:-1]
    return _ESCAPE.sub(_meant, text[1:-1])


def _meant(match: re.Match[str]) -> str:
    code = match[0][1:]
    plain = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
    if code in plain:
        return plain[code]
    if code[0] in "xuU":
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code[0] in "01234567" else code
