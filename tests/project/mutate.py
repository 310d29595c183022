"""Broken specs, made from good ones by chance; the same number gives the same spec."""

from __future__ import annotations

import random

from mlopsgen.diagnostics.catalogue import CODES
from tests.conftest import FULL, SMALLEST

BASE = FULL.read_text()
OTHERS = [SMALLEST.read_text(), *(code.example for code in CODES.values() if code.example)]
NASTY = (
    "null", "~", "true", "no", "0", "-1", "1e400", ".nan", "-.inf", "0o17", "12:30:00", "2026-01-01", "''", '""', "[]", "{}",
    "[[]]", "{a: 1}", "- a", "*a", "&a b", "!!str x", "!x y", "<<", "|", ">-", "%x", "@x", "`x`", "a: b", "# c", "${{ x }}",
    "{{ x }}", "[[ x ]]", "[% x %]", "$(id)", "../../etc/passwd", "/etc/passwd", "~/x", "a\\b", "C:\\x", "é", "漢字", "🎉", "\u202e",
    '"\\u0000"', '"\\n"', "'a\n\n  b'", "x" * 300, "9" * 50, "1e-320", "5%", "500%", "10m", "0s", "64Gi", "a@b.c", "https://u:p@h/",
    "AKIAABCDEFGHIJKLMNOP", "a.b:c", "Deployment/x", "-----", "...", "---", "\t", "\r", "\x00", "\ufeff", "\u2028",
)  # fmt: skip
"""What stands in the place of a word."""


def mutated(number: int) -> bytes:
    """The full example after one to three changes."""
    chance = random.Random(number)
    text = BASE
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(CHANGES)(text, chance)
    data = text.encode("utf-8", "surrogatepass")
    return flipped(data, chance) if chance.random() < 0.15 else data


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _lines(text: str, chance: random.Random, change: object) -> str:
    rows = text.split("\n")
    at = chance.randrange(len(rows))
    change(rows, at)  # type: ignore[operator]
    return "\n".join(rows)


def delete_line(text: str, chance: random.Random) -> str:
    return _lines(text, chance, lambda rows, at: rows.pop(at))


def double_line(text: str, chance: random.Random) -> str:
    return _lines(text, chance, lambda rows, at: rows.insert(at, rows[at]))


def swap_lines(text: str, chance: random.Random) -> str:
    def swap(rows: list[str], at: int) -> None:
        other = chance.randrange(len(rows))
        rows[at], rows[other] = rows[other], rows[at]

    return _lines(text, chance, swap)


def indent(text: str, chance: random.Random) -> str:
    def change(rows: list[str], at: int) -> None:
        rows[at] = chance.choice(("", " ", "  ", "    ", "\t")) + rows[at].lstrip()

    return _lines(text, chance, change)


def _words(text: str) -> list[tuple[int, int]]:
    found, start = [], None
    for at, c in enumerate(text + "\n"):
        if c not in " \t\n,:[]{}#\"'":
            start = at if start is None else start
        elif start is not None:
            found.append((start, at))
            start = None
    return found


def replace_word(text: str, chance: random.Random) -> str:
    words = _words(text)
    if not words:
        return text
    start, end = chance.choice(words)
    return text[:start] + chance.choice(NASTY) + text[end:]


def exchange_words(text: str, chance: random.Random) -> str:
    words = _words(text)
    if not words:
        return text
    (a, b), (c, d) = chance.choice(words), chance.choice(words)
    return text[:a] + text[c:d] + text[b:]


def misspell(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(("", "x", ":", " ", "\n", "-", ",", "{", "]", '"')) + text[at + 1 :]


def insert(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(NASTY) + text[at:]


def truncate(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def splice(text: str, chance: random.Random) -> str:
    other = chance.choice(OTHERS).split("\n")
    start = chance.randrange(len(other))
    rows = text.split("\n")
    at = chance.randrange(len(rows))
    return "\n".join([*rows[:at], *other[start : start + chance.randint(1, 3)], *rows[at:]])


def number(text: str, chance: random.Random) -> str:
    """Another number in the place of one."""
    digits = [at for at, c in enumerate(text) if c.isdigit()]
    if not digits:
        return text
    at = chance.choice(digits)
    return text[:at] + chance.choice("0123456789") + text[at + 1 :]


CHANGES = (
    delete_line, double_line, swap_lines, indent, replace_word, replace_word, exchange_words, misspell, insert, truncate,
    splice, number, number, delete_line,
)  # fmt: skip
