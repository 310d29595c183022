"""One entry of the catalogue."""

from __future__ import annotations

from typing import NamedTuple

SMALLEST = """\
version: 1
project: {name: docs}
data: {raw: data/raw}
model: {base: acme/tiny}
"""
"""A valid spec of four lines; examples add to it."""


class Code(NamedTuple):
    """A diagnostic code. Its letter tells the severity: `E` stops a build, `W` does not.

    Attributes:
        id: letter and three digits. 0xx reading, 1xx the language, 2xx across sections, 3xx and 4xx output.
        title: a few words.
        why: what is wrong and why it is not accepted.
        fix: what to do.
        example: a spec that shows it; empty where it takes more than a spec.
        at: line and column at which the example is reported.
    """

    id: str
    title: str
    why: str
    fix: str
    example: str = ""
    at: tuple[int, int] = (0, 0)
