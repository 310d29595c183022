"""What `mlopsgen absorb` takes, tries and makes of it, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mlopsgen.cli import asking, bases, sides
from mlopsgen.cli.pins import effective
from mlopsgen.cli.sides import Compiler, Side, Source
from mlopsgen.cli.workspace import Workspace
from mlopsgen.contract.pins import DEFAULTS, Pin
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.digest import digest
from mlopsgen.output.lock import Lock
from mlopsgen.output.roots import Roots
from mlopsgen.output.write import read_lock
from mlopsgen.project import present
from mlopsgen.review.absorb import leftover, patching
from mlopsgen.review.absorb.candidates import Known
from mlopsgen.review.absorb.hunks import hunks, split
from mlopsgen.review.absorb.search import Near, Search, Taken
from mlopsgen.review.documents import Files
from mlopsgen.review.origins import Origins
from mlopsgen.spec.load import parse
from mlopsgen.spec.tree import Node

DEEP = 3
"""Lines for which every field is tried, where nothing cheaper tells what they come from."""


class Account(NamedTuple):
    """What becomes of edits.

    Attributes:
        text: of the spec, with what was absorbed.
        taken: fields that were changed.
        patched: entries, or further operations, of `patches:`.
        pins: names of pins that the next build adopts by itself, with the file that bears each.
        notes: what cannot be absorbed, and why nothing is done about a file.
        files: keys that were looked at.
    """

    source: Source
    text: str
    taken: tuple[Taken, ...]
    near: tuple[Near, ...]
    patched: tuple[dict[str, Any], ...]
    pins: tuple[str, ...]
    notes: tuple[Diagnostic, ...]
    files: tuple[str, ...]

    @property
    def incomplete(self) -> bool:
        """Whether something of an edit is lost, or keeps the next build from running."""
        return any(note.code in ("W330", "W331", "W334") for note in self.notes)


class Attempted(NamedTuple):
    """As in `search.Outcome`."""

    lines: Mapping[str, list[str]]
    changed: frozenset[str]
    gone: frozenset[str]


class Attempts:
    """Compiles variations of a spec; each text once."""

    def __init__(self, workspace: Workspace, source: Source) -> None:
        self._workspace = workspace
        self._source = source
        self._compiler = Compiler()
        self.base: Side = self._compiler(source)
        self.keys: tuple[str, ...] = ()
        self._plain: Files | None = None
        self._known: dict[str, Attempted] = {}

    def __call__(self, text: str) -> Attempted:
        """As in `search.Attempt`. Patches of files that are not absorbed stay away: they take most of the time."""
        if self._plain is None:
            self._plain = self._compiler(self._only_patches(self._source)).files
        if text not in self._known:
            before, after = self._plain.content, self._compiler(self._only_patches(self._read(text))).files.content
            self._known[text] = Attempted(
                {key: split(after[key]) for key in self.keys if key in after},
                frozenset(key for key in after if after[key] != before.get(key) and key not in self.keys),
                frozenset(before.keys() - after.keys()),
            )
        return self._known[text]

    def check(self, text: str) -> None:
        """Compile a spec whole. Raises Failed."""
        self._compiler(self._read(text))

    def _read(self, text: str) -> Source:
        if text == self._source.text:
            return self._source
        return sides.read(self._workspace, text.encode(), self._source.name)._replace(pins=self._source.pins)

    def _only_patches(self, source: Source) -> Source:
        tree = source.tree
        patches = tree.find(("patches",))
        if patches is None or not isinstance(patches.value, list):
            return source
        paths = {key.removeprefix("//") for key in self.keys}
        kept = [item for item in patches.value if _file(item) in (None, *paths)]
        entries = {**tree.value, "patches": Node(kept, patches.span, patches.path)}
        return source._replace(tree=Node(entries, tree.span, tree.path, tree.keys, tree.size))

    def with_pins(self, pins: Mapping[str, Pin]) -> Files:
        """What comes out of the spec as it is with other pins. Raises Failed."""
        if pins == self._source.pins:
            return self.base.files
        return self._compiler(self._source._replace(pins=pins)).files


def _file(patch: Node) -> object:
    file = patch.value.get("file") if isinstance(patch.value, dict) else None
    return file.value if file is not None else None


def absorb(
    workspace: Workspace,
    source: Source,
    origins: Origins,
    named: Sequence[str],
    *,
    only_patch: bool,
    step: Callable[[int, int], None],
) -> Account:
    """Find what the spec has to say for the named files, or all that were edited, to be as they are on disk.

    Raises:
        Failed: E325, E331, and what keeps a build from looking at the disk.
    """
    attempts = Attempts(workspace, source)
    disk, edited = bases.on_disk(workspace, attempts.base)
    with Roots(workspace.folder, workspace.repository) as roots:
        lock, _ = read_lock(roots.project)
    asked = [asking.found(file, workspace, origins) for file in named] or [origins.files[key] for key in edited]
    notes = [note for made in asked if (note := leftover.untouchable(made, made.key in disk.content)) is not None]
    keys = tuple(dict.fromkeys(made.key for made in asked if made.key in edited))
    _judge_age(workspace, attempts, lock, keys)
    attempts.keys = keys
    pins = _adopted(workspace, lock)
    masked: dict[str, list[str]] = {}
    for key in keys:
        masked[key], found = leftover.masked(
            origins.files[key], split(attempts.base.files.content[key]), split(disk.content[key])
        )
        notes += found
    search = Search(
        source.text, masked, _known(source, origins, present.document(attempts.base.project)), attempts, step
    )
    result = search.nothing() if only_patch else search.run()
    text, patched, refused = patching.patch(result, masked, attempts)
    attempts.check(text)
    built = attempts(text).lines
    for key in keys:
        remaining = hunks(key, built[key], masked[key])
        notes += leftover.notes(origins.files[key], remaining, built[key], masked[key], refused.get(key, ""))
    files = tuple(dict.fromkeys(made.key for made in asked))
    return Account(source, text, result.taken, result.near, tuple(patched), pins, tuple(notes), files)


def _known(source: Source, origins: Origins, resolved: Mapping[str, Any]) -> Known:
    asked: dict[tuple[str, int], list[Any]] = {}

    def reached(key: str, line: int) -> list[Any]:
        if (key, line) not in asked:
            if len(asked) >= DEEP or line > len(origins.files[key].final):
                return []
            asked[key, line] = [one.input for one in origins.line(key, line) if one.input.kind == "value"]
        return asked[key, line]

    def traced(key: str, line: int) -> list[str]:
        if line > len(origins.files[key].final):
            return []
        put = [f"patches[{number}]" for number in origins.patch(key, line)]
        patched = [each.field for each in origins.inputs if each.field.startswith(tuple(f"{one}." for one in put))]
        return [*origins.traced(key, line), *(patched if put else ())]

    return Known(parse(source.text, source.name), resolved, list(origins.inputs), traced, reached)


def _judge_age(workspace: Workspace, attempts: Attempts, lock: Lock, keys: Sequence[str]) -> None:
    """See to it that what differs is owed to an edit alone. Raises Failed with E330 and E331."""
    found = []
    pins = {**DEFAULTS, **{name: Pin(*pin) for name, pin in lock.pins.items()}}
    built = attempts.with_pins(pins) if keys else attempts.base.files
    for key in keys:
        shown = key.removeprefix("//")
        if key not in lock.files:
            message = f"mlopsgen did not write {shown}, so what differs is no edit of it"
            found.append(
                diagnose("E330", message, path=shown, help="see `mlopsgen import`, or list it under `unmanaged:`")
            )
        elif digest(built.content.get(key, b"")) not in lock.files[key][1]:
            message = f"{shown} was edited, and {workspace.spec} says something else for it than at the last build"
            help = f"put {workspace.spec} back as it was built last (`git stash push`), absorb, then change it again"
            found.append(diagnose("E331", message, path=shown, help=help))
    if found:
        raise Failed(found)


def _adopted(workspace: Workspace, lock: Lock) -> tuple[str, ...]:
    """Pins that a file on disk has and the lock has not yet."""
    _, adopted = effective(workspace)
    return tuple(f"{name} {pin[0]}" for name, pin in sorted(adopted.items()) if lock.pins.get(name) != tuple(pin))
