"""Selectors of series, and the cursor over tokens that the reader of expressions shares."""

from __future__ import annotations

import re
from typing import NamedTuple

from mlopsgen.project.promql.tokens import Token, Unparsable, tokens, unquoted


class Selector(NamedTuple):
    """A selector of series.

    Attributes:
        name: the metric; empty when only labels tell.
        start: place of its first character.
        end: place behind its last.
        labels: names of the labels that are matched, each with its place.
        values: values that equality asks for, by label.
        inside: place behind `{`; -1 without braces.
    """

    name: str
    start: int
    end: int
    labels: tuple[tuple[str, int], ...]
    values: tuple[tuple[str, str, int], ...]
    inside: int


class Node(NamedTuple):
    """Type of a part, where it begins, and whether it may take `[…]`, `offset` and `@`."""

    type: str
    start: int
    form: str = ""


class Cursor:
    """Reads tokens and remembers what is named."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.index = 0
        self.selectors: list[Selector] = []
        self.labels: list[tuple[str, int]] = []
        self.made: set[str] = set()
        self.functions: set[str] = set()

    @property
    def here(self) -> Token:
        return self.tokens[self.index]

    def take(self, kind: str = "", what: str = "") -> Token:
        token = self.here
        if kind and token.kind != kind:
            found = f"`{token.text}`" if token.text else "the end"
            raise Unparsable(f"{what or f'`{kind}`'} is expected, not {found}", token.start)
        self.index += 1
        return token

    def word(self) -> str:
        """The keyword at the cursor: names are compared without case."""
        return self.here.text.lower() if self.here.kind == "name" else self.here.kind

    def names(self) -> list[str]:
        """Labels in brackets."""
        found = []
        self.take("(")
        while self.here.kind != ")":
            token = self.take() if self.here.kind in ("name", "string") else self.take("name", "a label")
            name = unquoted(token.text) if token.kind == "string" else token.text
            if ":" in name and token.kind == "name":
                raise Unparsable(f"`{name}` is no label", token.start)
            self.labels.append((name, token.start))
            found.append(name)
            if self.here.kind != ")":
                self.take(",")
        self.take(")")
        return found

    def selector(self, name: str) -> Node:
        start = self.tokens[self.index - 1].start if name else self.here.start
        labels: list[tuple[str, int]] = []
        values: list[tuple[str, str, int]] = []
        inside, narrow = -1, bool(name)
        if self.here.kind == "{":
            inside = self.take().end
            while self.here.kind != "}":
                narrow = self.matcher(name, labels, values) or narrow
                if self.here.kind != "}":
                    self.take(",")
            self.take("}")
        if not narrow:
            raise Unparsable("the selector matches everything: name a metric or a label", start)
        quoted = next((value for label, value, _ in values if label == "__name__"), "")
        end = self.tokens[self.index - 1].end
        kept = tuple(label for label in labels if label[0] != "__name__")
        self.selectors.append(Selector(name or quoted, start, end, kept, tuple(values), inside))
        return Node("vector", start, "selector")

    def matcher(self, name: str, labels: list[tuple[str, int]], values: list[tuple[str, str, int]]) -> bool:
        """One matcher; whether it leaves out series without the label."""
        token = self.take() if self.here.kind in ("name", "string") else self.take("name", "a label")
        label = unquoted(token.text) if token.kind == "string" else token.text
        if token.kind == "string" and self.here.kind in (",", "}"):
            if name:
                raise Unparsable("the metric is named twice", token.start)
            values.append(("__name__", label, token.start))
            return True
        if ":" in label and token.kind == "name":
            raise Unparsable(f"`{label}` is no label", token.start)
        if name and label == "__name__":
            raise Unparsable("the metric is named twice", token.start)
        operator = self.take()
        if operator.kind not in ("=", "!=", "=~", "!~"):
            raise Unparsable("`=`, `!=`, `=~` or `!~` is expected", operator.start)
        value = self.take("string", "a string")
        text = unquoted(value.text)
        labels.append((label, token.start))
        pattern = pattern_of(text, value.start) if "~" in operator.kind else None
        if operator.kind == "=":
            values.append((label, text, value.start))
        matches_nothing = pattern.fullmatch("") is not None if pattern else text == ""
        return not matches_nothing if operator.kind in ("=", "=~") else matches_nothing


def pattern_of(text: str, position: int) -> re.Pattern[str]:
    """A pattern as RE2 reads it: no looking around, no references back."""
    if re.search(r"(?<!\\)(?:\\\\)*(?:\(\?(?:[=!]|<[=!]|>|\()|\\[1-9])", text):
        raise Unparsable("the pattern holds what RE2 does not know", position)
    try:
        return re.compile(re.sub(r"\\[pP](?:\{\^?\w+\}|\w)", r"\\w", text).replace(r"\z", r"\Z"))
    except re.error as error:
        raise Unparsable(f"the pattern is wrong: {error}", position) from None
