"""Compiles specs of which many are alike but for the project's name and folder.

Everything that can go wrong with a spec is looked at for each: it is read, validated and checked alone. Only what
targets make of it need not be made again, when it is known how name and folder go into it. To know that, a spec is
compiled under two invented names and folders, one that sorts before and is shorter than all names of the group, one
that sorts behind and is longer. A file whose text is the same around both names holds them as text and nothing else
depends on them; a checksum of such a text is taken again. Files of which that is not so are made by their target.
A name or folder that occurs in the rest of the output, and so may be equal to something else, is compiled in full, and
so is the spec that was asked for when the group was looked at: its files must come out the same either way. A check
compiles every spec in full, so that nothing rests on this alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mlopsgen.cli import compile as compiler
from mlopsgen.cli.compile import Compiled
from mlopsgen.cli.holes import Names, Pattern, Unlike, pattern, with_checksums
from mlopsgen.cli.pins import effective
from mlopsgen.cli.reading import Document, read
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Failed
from mlopsgen.project.resolve import examine, resolve
from mlopsgen.render.checksum import Checksum
from mlopsgen.render.files import File, Rendered
from mlopsgen.render.scalar import is_plain
from mlopsgen.spec.tree import Node, Path

ENOUGH = 3
"""Specs of a group from which on it is worth looking at."""

MOST = 8
"""Groups that are remembered at once."""

LENGTHS = ((4, 24), (25, 40))
"""Shortest and longest name of a group."""

RANGES = (("a", "l"), ("m", "m"), ("n", "z"))
"""First letters of the names of a group; lists are sorted by names, and hold `mlflow` too."""

CLOSEST = 2
"""Letters that names of a group share where something else in a list comes between them."""

FOLDER = (4, 60)
"""Shortest and longest folder, in characters."""


class Group(NamedTuple):
    """What specs of a group have in common, by which they are told apart from others."""

    rest: str
    pins: str
    file: str
    workspace: str
    depth: int
    lengths: tuple[int, int]
    first: str
    last: str


class Known(NamedTuple):
    """A file of a group.

    Attributes:
        content: None where its target has to make it.
        like: the file of an invented name, for its root and the rest.
    """

    path: Pattern
    content: Pattern | None
    like: Rendered


class Learned(NamedTuple):
    """What is known of a group: its files, the words in them that no name may be equal to, and what it leaves alone."""

    files: Sequence[Known]
    words: frozenset[str]
    unmanaged: tuple[str, ...]


class Twins:
    """Knows groups of specs."""

    def __init__(self) -> None:
        self._seen: dict[Group, int] = {}
        self._known: dict[Group, Learned] = {}
        self._wide: set[Group] = set()

    def compile(self, workspace: Workspace) -> tuple[Compiled, dict[str, tuple[str, str]]]:
        """Compile a spec; gives it and the pins that are adopted. Raises Failed."""
        pins, bumps = effective(workspace)
        document = read(workspace)
        names = Names(_name(document.tree), workspace.relative)
        group = _group(workspace, document, names, bumps)
        for shared in range(1, CLOSEST + 1):
            if group in self._wide:
                group = group._replace(first=names.name[:shared], last=names.name[:shared])
        if group is None:
            return compiler.compile_document(workspace, document, pins), bumps
        known = self._known.get(group)
        if known is not None and known.words.isdisjoint(names):
            return self._filled(workspace, document, names, pins, known), bumps
        compiled = compiler.compile_document(workspace, document, pins)
        self._seen[group] = self._seen.get(group, 0) + 1
        if self._seen[group] == ENOUGH:
            self._learn(group, workspace, document, pins, compiled)
        return compiled, bumps

    def _learn(self, group: Group, workspace: Workspace, document: Document, pins: Any, compiled: Compiled) -> None:
        if len(self._known) >= MOST:
            oldest = next(iter(self._known))
            del self._known[oldest], self._seen[oldest]
        try:
            files = tuple(_known(*(_invented(group, document, pins, each) for each in _names(group))))
            names = Names(_name(document.tree), workspace.relative)
            if len(group.first) < CLOSEST and any(each.content is None for each in files):
                self._wide.add(group)
                return
            known = Learned(files, _words(part for each in files for part in _constants(each)), compiled.unmanaged)
            made = self._filled(workspace, document, names, pins, known)
        except (Failed, Unlike):
            return
        if made == compiled:
            self._known[group] = known

    def _filled(self, workspace: Workspace, document: Document, names: Names, pins: Any, known: Learned) -> Compiled:
        warnings = examine(document.tree)
        values = {"name": names.name.encode(), "folder": names.folder.encode()}
        files = []
        others: dict[str, Rendered] | None = None
        for each in known.files:
            path = each.path.fill(values).decode()
            if each.content is None:
                others = _made(workspace, document, pins, known.files) if others is None else others
                files.append(others[path])
            else:
                like = each.like
                content = each.content.fill(values)
                files.append(Rendered(path=path, target=like.target, content=content, root=like.root, keep=like.keep))
        notes = compiler.unused(known.unmanaged, document.tree, files, {}, set())
        return Compiled(
            files=tuple(sorted(files, key=lambda file: file.key)),
            warnings=(*warnings, *notes),
            digest=compiler.told(workspace, document),
            unmanaged=known.unmanaged,
        )


def _group(workspace: Workspace, document: Document, names: Names, bumps: Any) -> Group | None:
    """The group of a spec; None for one with something of its own that is not text of the spec."""
    tree = document.tree
    shortest, longest = FOLDER
    if document.others or not names.name or (names.folder and not shortest <= len(names.folder) <= longest):
        return None
    if any(tree.find(path) is not None for path in (("patches",), ("templates",), ("targets", "others"))):
        return None
    if not all(is_plain(text, flow=flow) for text in names if text for flow in (True, False)):
        return None
    lengths = next((each for each in LENGTHS if each[0] <= len(names.name) <= each[1]), None)
    if lengths is None:
        return None
    depth = names.folder.count("/") + 1 if names.folder else 0
    rest = repr(_renamed(tree, "").plain())
    letters = next((each for each in RANGES if each[0] <= names.name[0] <= each[1]), None)
    if letters is None:
        return None
    pins = repr(sorted(bumps.items()))
    group = Group(rest, pins, workspace.spec_file, document.workspace, depth, lengths, *letters)
    low, high = _names(group)
    return group if low.name < names.name < high.name and low.folder <= names.folder <= high.folder else None


def _names(group: Group) -> tuple[Names, Names]:
    """Invented names and folders: the first before all others of the group, the second behind them.

    Each has a letter, a digit and a hyphen, so that a target which writes one of these otherwise gives itself away.
    """
    low, high = group.lengths
    deep = group.depth
    room = FOLDER[1] // max(deep, 1) - 4
    return (
        Names(f"{group.first}-".ljust(low, "0"), "/".join(["A-0_"] * deep)),
        Names(group.last.ljust(high - 3, "z") + "-9z", "/".join(["zy".ljust(room, "x") + "-_9"] * deep)),
    )


def _name(tree: Node) -> str:
    node = tree.find(("project", "name"))
    return node.value if node is not None and isinstance(node.value, str) else ""


def _renamed(tree: Node, name: str, path: Path = ("project", "name")) -> Node:
    if not path:
        return Node(name, tree.span, tree.path)
    value = {**tree.value, path[0]: _renamed(tree.value[path[0]], name, path[1:])}
    return Node(value, tree.span, tree.path, tree.keys, tree.size)


class _Made(NamedTuple):
    """What was compiled under an invented name, with the checksums in each file."""

    names: Names
    files: Sequence[tuple[Rendered, Sequence[Checksum]]]


def _invented(group: Group, document: Document, pins: Any, names: Names) -> _Made:
    tree = _renamed(document.tree, names.name)
    project, _ = resolve(tree, folder=names.folder, spec_file=group.file, pins=pins, workspace=group.workspace)
    files = []
    for target, file in compiler.wanted_files(project):
        files.append((compiler.render_file(target, file, {}, set()), tuple(_checksums(file))))
    return _Made(names, files)


def _checksums(value: Any) -> Iterator[Checksum]:
    if isinstance(value, File):
        yield from _checksums(value.context)
        yield from _checksums(value.data)
    elif isinstance(value, Checksum):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _checksums(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _checksums(item)


def _known(one: _Made, other: _Made) -> Iterator[Known]:
    """Each file with how names go into it. Raises Unlike where there are others."""
    if len(one.files) != len(other.files):
        raise Unlike
    for (low, low_sums), (high, high_sums) in zip(one.files, other.files, strict=True):
        path = pattern(low.path.encode(), one.names, high.path.encode(), other.names)
        if path is None or (low.target, low.root, low.keep) != (high.target, high.root, high.keep):
            raise Unlike
        content = None
        if len(low_sums) == len(high_sums):
            content = with_checksums(low.content, one.names, low_sums, high.content, other.names, high_sums)
        yield Known(path, content, low)


def _words(texts: Iterable[bytes]) -> frozenset[str]:
    """Everything in texts that a name or a folder may be equal to."""
    found: set[bytes] = set()
    for text in texts:
        for word in (rb"[\w-]+", rb"[\w./-]+"):
            found.update(re.findall(word, text))
    return frozenset(word.decode() for word in found)


def _constants(known: Known) -> Iterator[bytes]:
    """Constant text of a file, and of what its checksums are of."""
    for text in (known.path, known.content):
        if text is not None:
            yield from text.constant
    if known.content is None:
        yield known.like.content


def _made(workspace: Workspace, document: Document, pins: Any, known: Sequence[Known]) -> dict[str, Rendered]:
    """Files that their targets have to make, by path."""
    project, _ = resolve(
        document.tree,
        folder=workspace.relative,
        spec_file=workspace.spec_file,
        pins=pins,
        workspace=document.workspace,
    )
    targets = {each.like.target for each in known if each.content is None}
    paths = {}
    for target, file in compiler.wanted_files(project, targets):
        paths[str(file.path)] = compiler.render_file(target, file, {}, set())
    return paths


_twins = Twins()


def compile(workspace: Workspace) -> tuple[Compiled, dict[str, tuple[str, str]]]:
    """Compile a spec, as `Twins.compile` does, with what this process knows."""
    return _twins.compile(workspace)
