"""Carries the migrations of `mlopsgen.spec.migrations` out on the text of a spec."""

from __future__ import annotations

from typing import NamedTuple

from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.review import words
from mlopsgen.review.writing import edit
from mlopsgen.review.writing.splices import Refused
from mlopsgen.spec.load import parse
from mlopsgen.spec.migrations import CHAIN
from mlopsgen.spec.migrations.step import Change, Put, Rename, Stuck
from mlopsgen.spec.tree import Node, Path, dotted
from mlopsgen.spec.version import NEWEST, other, version


class Migrated(NamedTuple):
    """What came of a spec.

    Attributes:
        found: its version before.
        changes: what was done, in words.
    """

    text: str
    found: int
    changes: tuple[str, ...]


def migrate(text: str, name: str) -> Migrated:
    """The spec in today's version of the language, comments and layout kept; unchanged when it is that already.

    Args:
        name: of the file, for places.

    Raises:
        Failed: it cannot be read; E335 with every place that cannot be brought over; E337 a newer version.
    """
    tree = parse(text, name)
    found = version(tree)
    if found is None or found < 0:
        node = tree.nearest(("version",))
        help = "write `version: 0` or `version: 1`"
        message = "what stands at `version` is no version of the language"
        raise Failed([diagnose("E335", message, path="version", span=node.span, help=help)])
    if found > NEWEST:
        newer = other(tree)
        assert newer is not None
        raise Failed([newer])
    work = _Work(text, name, tree)
    for number in range(found, NEWEST):
        for step in CHAIN[number]:
            for change in list(step(parse(work.text, name))):
                work.do(change)
    if work.stuck:
        raise Failed(work.stuck)
    return Migrated(work.text, found, tuple(work.done))


class _Work:
    """A document on its way; places are told as they were before."""

    def __init__(self, text: str, name: str, tree: Node) -> None:
        self.text = text
        self.stuck: list[Diagnostic] = []
        self.done: list[str] = []
        self._tree = tree
        self._name = name
        self._renamed: list[tuple[Path, Path]] = []

    def do(self, change: Change) -> None:
        """Carry out a change, or remember why it cannot be."""
        try:
            if isinstance(change, Stuck):
                self._stick(change.path, change.why, change.help)
            elif isinstance(change, Rename):
                new = (*change.path[:-1], change.name)
                self.text = edit.rename(self.text, change.path, change.name)
                self.done.append(f"{dotted(change.path)} → {dotted(new)}")
                self._renamed.append((change.path, new))
            else:
                self._put(change)
        except Refused as refused:
            self._stick(change.path, str(refused), "change it by hand, then run `mlopsgen migrate` again")

    def _put(self, change: Put) -> None:
        node = parse(self.text, self._name).find(change.path)
        if node is None and len(change.path) == 1:
            self.text = edit.lead(self.text, str(change.path[0]), change.value)
        else:
            self.text = edit.put(self.text, change.path, change.value)
        before = f"{words.value(node.plain())} → " if node is not None else ""
        self.done.append(f"{dotted(change.path)}: {before}{words.value(change.value)}")

    def _stick(self, path: Path, why: str, help: str) -> None:
        written = path
        for old, new in reversed(self._renamed):
            if written[: len(new)] == new:
                written = (*old, *written[len(new) :])
        node = self._tree.find(written)
        scalar = node is not None and not isinstance(node.value, dict | list)
        span = node.span if node is not None and scalar else self._tree.key_span(written)
        self.stuck.append(diagnose("E335", why, path=dotted(written), span=span, help=help))
