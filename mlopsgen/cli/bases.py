"""What a spec is compared with: the files on disk, the last build, a revision of git."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from mlopsgen.cli import sides
from mlopsgen.cli.sides import Compiler, Side, Source
from mlopsgen.cli.workspace import SHARED, SPEC, Workspace
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.digest import digest
from mlopsgen.output.inputs import templates_folder
from mlopsgen.output.lock import Lock
from mlopsgen.output.paths import LOCK
from mlopsgen.output.plan import compare
from mlopsgen.output.roots import Roots
from mlopsgen.output.tree import Blocked, Tree
from mlopsgen.output.write import read_lock
from mlopsgen.review.documents import Files
from mlopsgen.review.revision import Revision, Where
from mlopsgen.version import VERSION


class Past(NamedTuple):
    """A spec as a revision has it.

    Attributes:
        notes: warnings about the revision.
    """

    source: Source
    revision: Revision
    notes: tuple[Diagnostic, ...]


def past(workspace: Workspace, base: str) -> Past:
    """The spec in a revision: `REV`, or `REV:PATH` where it lay elsewhere, PATH from the top of the repository.

    Raises:
        Failed: E320 to E323, and what is wrong with the spec there.
    """
    revision, where = _found(workspace, base)
    data = revision.read([where.path]).get(where.path)
    if data is None:
        raise Failed([_absent(revision, where.path, workspace)])
    lock = revision.lock(where)
    shown = f"{revision.name}:{where.path}"
    with _laid_out(revision, where, data, lock) as place:
        try:
            source = sides.read(place, data, shown)
        except Failed as failed:
            raise Failed([_invalid(shown), *failed.diagnostics]) from None
    return Past(source, revision, tuple(_notes(revision, lock, where)))


def compiled(compiler: Compiler, given: Past) -> Side:
    """The spec of a revision compiled by this mlopsgen. Raises Failed with E323 and what is wrong with it."""
    try:
        return compiler(given.source)
    except Failed as failed:
        raise Failed([_invalid(given.source.name), *failed.diagnostics]) from None


def committed(workspace: Workspace, base: str) -> tuple[Files, Revision, tuple[Diagnostic, ...]]:
    """Generated files as a revision has them, whatever version wrote them.

    Raises:
        Failed: E320 and E321; E324 where no lock says which files were generated.
    """
    revision, where = _found(workspace, base)
    lock = revision.lock(where)
    keys = [*lock.files, *lock.kept]
    if not keys:
        help = "without `--committed` its spec is compiled anew"
        message = f"{revision.name} has no {where.folder}{LOCK} that says which files were generated"
        raise Failed([diagnose("E324", message, help=help)])
    found = revision.read(map(where.locate, keys))
    files = Files({key: found[where.locate(key)] for key in keys if where.locate(key) in found})
    return files, revision, tuple(_notes(revision, lock, where, True))


def on_disk(workspace: Workspace, head: Side) -> tuple[Files, tuple[str, ...]]:
    """What is on disk of all files that a build would write or remove, and which of them were edited by hand.

    Raises:
        Failed: as a build does, but for files that were edited or are not ours.
    """
    with Roots(workspace.folder, workspace.repository) as roots:
        lock, _ = read_lock(roots.project)
        plan = compare(head.rendered, lock, roots, unmanaged=head.unmanaged, force=True)
    content: dict[str, bytes] = {}
    edited: list[str] = []
    for change in plan.changes:
        if change.kind == "keep":
            content[change.key] = b""
        elif change.old is not None and change.kind != "left":
            content[change.key] = change.old
            if change.kind == "update" and digest(change.old) not in lock.files.get(change.key, ("", ()))[1]:
                edited.append(change.key)
    return Files(content), tuple(edited)


def as_locked(workspace: Workspace, head: Side) -> tuple[Files, tuple[str, ...]]:
    """What was built last, and keys of files that differ from it and whose content then is nowhere to be found.

    The lock holds digests only; content that has them is looked for in the output itself, on disk and in HEAD.

    Raises:
        Failed: E303 and E324.
    """
    with Roots(workspace.folder, workspace.repository) as roots:
        lock, found = read_lock(roots.project)
        if found is None:
            help = "run `mlopsgen build` first, or compare with a revision"
            raise Failed([diagnose("E324", f"there is no {LOCK}", path=LOCK, help=help)])
        content = dict.fromkeys(lock.kept, b"")
        missing: list[str] = []
        for key, (_, digests) in lock.files.items():
            tree, names = roots.place(key)
            for candidate in (head.files.content.get(key), _quiet(tree, names)):
                if candidate is not None and digest(candidate) in digests:
                    content[key] = candidate
                    break
            else:
                missing.append(key)
    for key, candidate in _committed_last(workspace, missing).items():
        if digest(candidate) in lock.files[key][1]:
            content[key] = candidate
    return Files(content), tuple(key for key in missing if key not in content)


def _quiet(tree: Tree, names: list[str]) -> bytes | None:
    try:
        found = tree.read(names)
    except Blocked:
        return None
    return found.content if found else None


def _committed_last(workspace: Workspace, keys: Iterable[str]) -> dict[str, bytes]:
    """Files of HEAD by key; none where there is no git."""
    try:
        revision, where = _found(workspace, "HEAD")
        found = revision.read(map(where.locate, keys))
    except Failed:
        return {}
    return {key: found[where.locate(key)] for key in keys if where.locate(key) in found}


def _found(workspace: Workspace, base: str) -> tuple[Revision, Where]:
    name, _, path = base.partition(":")
    revision = Revision(workspace.folder, name)
    where = Where.of(revision.prefix, workspace.spec_file, workspace.relative)
    if not path:
        return revision, where
    folder = f"{path.rpartition('/')[0]}/".lstrip("/")
    root = where.root if folder.startswith(where.root) else ""
    return revision, Where(path, root, folder.removeprefix(root).strip("/"))


def _invalid(shown: str) -> Diagnostic:
    """E323 about the spec of a base; its own mistakes stand beside."""
    help = "compare with what was committed then by `mlopsgen diff --base REV --committed`, or name another revision"
    return diagnose("E323", f"{shown} does not compile, so there is nothing to compare with", help=help)


class _Place:
    """Where a revision's files lie for the time of reading them; resembles a Workspace."""

    def __init__(self, root: str, where: Where, shared: str) -> None:
        self.shared = shared
        self.spec = where.path.rpartition("/")[2]
        self.relative = where.relative
        self.repository = root
        self.folder = os.path.join(root, *where.relative.split("/")) if where.relative else root


@contextmanager
def _laid_out(revision: Revision, where: Where, data: bytes, lock: Lock) -> Iterator[_Place]:
    """Put what a build reads beside the spec, templates and generated files with pins, into a folder of its own."""
    templates = templates_folder(data)
    inside = [path for path in revision.entries if templates and path.startswith(f"{where.folder}{templates}/")]
    pinned = [where.locate(key) for key in lock.files if key.endswith((".yaml", ".yml", "Dockerfile"))]
    found = revision.read([where.folder + LOCK, where.root + SHARED, *pinned, *inside])
    with tempfile.TemporaryDirectory(prefix="mlopsgen-") as above:
        for path, content in found.items():
            target = os.path.join(above, *path.removeprefix(where.root).split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as stream:
                stream.write(content)
        yield _Place(above, where, f"{revision.name}:{where.root}{SHARED}")


def _absent(revision: Revision, path: str, workspace: Workspace) -> Diagnostic:
    others = revision.specs(os.path.basename(path) or SPEC)
    if others:
        help = f"if it lay elsewhere then, name it: `--base {revision.name}:{others[0]}`"
    else:
        help = "it may not be committed yet; `mlopsgen diff` without `--base` compares with the files on disk"
    return diagnose("E322", f"{path} is not in {revision.name}", path=workspace.spec, help=help)


def _notes(revision: Revision, lock: Lock, where: Where, as_committed: bool = False) -> Iterator[Diagnostic]:
    path = where.folder + LOCK
    shown = f"{revision.name}:{path}"
    if lock.damaged or not (lock.files or lock.kept or lock.generator):
        why = f"cannot be read: {lock.damaged}" if lock.damaged else "is not there"
        help = "its pins are taken to be mlopsgen's own"
        yield diagnose("W321", f"{shown} {why}", path=path, help=help)
    elif lock.generator != VERSION:
        by = f"mlopsgen {lock.generator}" if lock.generator else "more than one version of mlopsgen"
        if as_committed:
            help = f"part of what differs is owed to {VERSION}; without `--committed` both sides are compiled by it"
        else:
            as_they_were = f"`mlopsgen diff --base {revision.name} --committed` compares with the files as they were"
            help = f"both sides are compiled by {VERSION}; {as_they_were}"
        yield diagnose("W320", f"{shown} was written by {by}", path=path, help=help)
