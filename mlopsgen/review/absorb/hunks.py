"""Which lines of a file on disk are others than a build would write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from mlopsgen.review import lines
from mlopsgen.review.documents import STRUCTURED, objects

Kind = Literal["change", "add", "remove"]


class Hunk(NamedTuple):
    """One change.

    Attributes:
        key: of the file, as in the lock.
        line: of the first line that a build writes otherwise, from 1; of what comes, the line that it comes before.
        old: lines that a build writes; one of a `change`, none of an `add`.
        at: line on disk, in the same way.
        new: lines on disk.
    """

    key: str
    kind: Kind
    line: int
    old: tuple[str, ...]
    at: int
    new: tuple[str, ...]


def hunks(key: str, built: Sequence[str], disk: Sequence[str]) -> list[Hunk]:
    """Every change, in the order of the file; lines that say the same thing otherwise are paired one to one."""
    found: list[Hunk] = []
    for kind, i, i_end, j, j_end in lines.opcodes(built, disk):
        if kind != "equal":
            found += _split(key, built, disk, (i, i_end), (j, j_end))
    return found


def _split(
    key: str, built: Sequence[str], disk: Sequence[str], left: tuple[int, int], right: tuple[int, int]
) -> Iterator[Hunk]:
    (i, i_end), (j, j_end) = left, right
    if i_end - i == j_end - j:
        for step in range(i_end - i):
            yield Hunk(key, "change", i + step + 1, (built[i + step],), j + step + 1, (disk[j + step],))
        return
    heads = [_head(line) for line in built[i:i_end]], [_head(line) for line in disk[j:j_end]]
    for kind, a, a_end, b, b_end in SequenceMatcher(None, *heads, autojunk=False).get_opcodes():
        old, new = tuple(built[i + a : i + a_end]), tuple(disk[j + b : j + b_end])
        if kind == "equal":
            for step, (one, other) in enumerate(zip(old, new, strict=True)):
                if one != other:
                    yield Hunk(key, "change", i + a + step + 1, (one,), j + b + step + 1, (other,))
            continue
        if old:
            yield Hunk(key, "remove", i + a + 1, old, j + b + 1, ())
        if new:
            yield Hunk(key, "add", i + a_end + 1, (), j + b + 1, new)


def _head(line: str) -> str:
    head, mark, _ = line.partition(":")
    return head + mark if mark else line


class Wrong(NamedTuple):
    """Lines in which an output differs from what is on disk, each with its file, as often as they do.

    Attributes:
        missing: on disk, but not written.
        extra: written, but not on disk.
    """

    missing: Counter[tuple[str, str]]
    extra: Counter[tuple[str, str]]

    @property
    def size(self) -> int:
        """How many they are."""
        return self.missing.total() + self.extra.total()

    def within(self, other: Wrong) -> bool:
        """Whether nothing is wrong that is not wrong in the other."""
        return self.missing <= other.missing and self.extra <= other.extra

    def settles(self, hunk: Hunk) -> bool:
        """Whether no line of a change is wrong any more."""
        missing = any(self.missing[hunk.key, line] for line in hunk.new)
        return not missing and not any(self.extra[hunk.key, line] for line in hunk.old)


def wrong(disk: Mapping[str, Sequence[str]], built: Mapping[str, Sequence[str]]) -> Wrong:
    """What is wrong in all files together."""
    have = Counter((key, line) for key in disk for line in built.get(key, ()))
    want = Counter((key, line) for key, content in disk.items() for line in content)
    return Wrong(want - have, have - want)


def says_nothing(hunk: Hunk, disk: Sequence[str]) -> bool:
    """Whether only a comment or layout is another: without the change the file on disk says the same."""
    if not hunk.key.endswith(STRUCTURED):
        return False
    before = objects(hunk.key, text(disk))
    return repr(before) == repr(objects(hunk.key, text(undone(disk, [hunk]))))


def undone(disk: Sequence[str], changes: Sequence[Hunk]) -> list[str]:
    """The file on disk with some lines as a build writes them."""
    made = list(disk)
    for hunk in sorted(changes, key=lambda one: one.at, reverse=True):
        made[hunk.at - 1 : hunk.at - 1 + len(hunk.new)] = hunk.old
    return made


def split(content: bytes) -> list[str]:
    """The lines of a file, whatever line ends it has; an unfinished last line is another than a finished one."""
    return content.replace(b"\r\n", b"\n").decode(errors="surrogateescape").split("\n")


def text(content: Sequence[str]) -> bytes:
    """The file again."""
    return "\n".join(content).encode(errors="surrogateescape")
