"""What every judge consists of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from mlopsgen.verify.layout import Layout

Level = Literal["error", "warning"]


class Remark(NamedTuple):
    """One thing that a judge found.

    Attributes:
        key: the file, as in the lock.
        line: from 1; 0 where only the file is known.
        column: from 1; 0 where only the line is known.
        rule: the judge's own name for it; empty where it has none.
    """

    key: str
    line: int
    column: int
    level: Level
    message: str
    rule: str = ""


class Answer(NamedTuple):
    """How a judge ended."""

    code: int
    out: str
    err: str


class Said(NamedTuple):
    """What an answer means.

    Attributes:
        notes: what the judge could not look at, in words.
    """

    remarks: list[Remark]
    notes: tuple[str, ...] = ()


class Unreadable(Exception):
    """An answer is none that this judge gives: it crashed, or is another program."""


class Run(NamedTuple):
    """One call of a judge.

    Attributes:
        arguments: behind the program's name.
        files: keys that it looks at.
        read: makes sense of the answer; raises Unreadable.
        folder: where it runs.
        seconds: after which it is ended.
    """

    arguments: tuple[str, ...]
    files: tuple[str, ...]
    read: Callable[[Answer], Said]
    folder: str
    seconds: float = 60


class Judge(NamedTuple):
    """A program that judges files.

    Attributes:
        programs: names that it goes by; the first that is installed is taken.
        install: how to get it.
        version: arguments that make it say its version.
        runs: calls that what was laid out needs, for the program that is there; none where there is nothing to judge.
    """

    name: str
    programs: tuple[str, ...]
    install: str
    version: tuple[str, ...]
    runs: Callable[[Layout, str], Iterator[Run]]


def unreadable(answer: Answer) -> Unreadable:
    """Its last words, for an answer that cannot be read."""
    words = [line.strip() for line in (answer.err + "\n" + answer.out).splitlines() if line.strip()]
    return Unreadable(f"exit code {answer.code}" + (f": {words[-1][:200]}" if words else ", without a word"))
