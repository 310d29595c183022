"""Elements of SVG with their content escaped, and texts that fit their place."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

_NARROW = frozenset("fijlrtI.,:;'|!()[]{}/ ")
_WIDE = frozenset("mwMW@%→≥≤")


def element(name: str, *content: str, **attributes: Any) -> Markup:
    """An element; texts in it are escaped, elements are not.

    Args:
        name: of the element.
        content: texts and elements.
        attributes: `_` stands for `-`, one at the end for nothing; None leaves it out.
    """
    given = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(content)
    start = Markup("<{}{}").format(name, given)
    return start + Markup("/>") if not inside else Markup("{}>{}</{}>").format(start, inside, name)


def _value(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def picture(key: str, title: str, text: str, size: tuple[float, float], content: Iterable[str]) -> Markup:
    """A drawing with a name and a description for those who do not see it.

    Args:
        key: its own on the page.
        title: what it shows.
        text: the same in words.
        size: width and height in pixels.
        content: elements.
    """
    width, height = size
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", text, id=f"{key}-text"),
        *content,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-text",
        viewBox=f"0 0 {_value(float(width))} {_value(float(height))}",
        width=float(width),
        height=float(height),
    )


def text(x: float, y: float, words: str, look: str = "", anchor: str | None = None) -> Markup:
    """A line of text that begins, or with an anchor ends or has its middle, at `x`."""
    return element("text", words, x=x, y=y, class_=look or None, text_anchor=anchor)


def width(words: str, size: float) -> float:
    """About how wide a line is in a wide font without serifs, such as DejaVu Sans, in pixels; rather more than less."""
    return size * sum(map(_advance, words))


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 1.05
    if unicodedata.combining(character):
        return 0.0
    if character in _NARROW:
        return 0.4
    if character in _WIDE:
        return 1.0
    return 0.74 if character.isupper() else 0.62


def cut(words: str, size: float, most: float) -> str:
    """The line, cut where it would be wider than `most` pixels; between words where they are short."""
    if width(words, size) <= most:
        return words
    shown = words
    while shown and width(shown + "…", size) > most:
        shown = shown[:-1]
    whole, _, part = shown.rpartition(" ")
    return (whole if whole and len(part) < 12 else shown).rstrip() + "…"


def wrapped(words: str, size: float, most: float, lines: int) -> list[str]:
    """The text in a few lines, cut at the end of the last."""
    found: list[str] = []
    for word in words.split():
        if found and width(f"{found[-1]} {word}", size) <= most:
            found[-1] += f" {word}"
        else:
            found.append(word)
    if len(found) > lines:
        found[lines - 1] = " ".join(found[lines - 1 :])
    return [cut(line, size, most) for line in found[:lines]]
