"""Reads a spec with what its repository's projects share."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlopsgen.cli.workspace import MAX_SHARED, SHARED, shared_bytes
from mlopsgen.diagnostics import Failed, diagnose
from mlopsgen.spec import shared
from mlopsgen.spec.load import parse
from mlopsgen.spec.read import decode, read_bytes
from mlopsgen.spec.tree import Node


class Document(NamedTuple):
    """A spec that was read.

    Attributes:
        data: content of the spec.
        tree: the spec over the workspace's defaults; each node knows the file that it was written in.
        own: the spec alone.
        shared: content of the workspace file; empty when there is none.
        workspace: its name at the repository's root; empty when there is none or the project does not belong to it.
        others: patterns of folders inside of the project's that belong to other projects.
    """

    data: bytes
    tree: Node
    own: Node
    shared: bytes
    workspace: str
    others: tuple[str, ...]


def read(place: Any, data: bytes | None = None, name: str = "") -> Document:
    """Read a spec.

    Args:
        place: a `Workspace`, or what resembles one.
        data: content of the spec; left out: as it is on disk.
        name: of the spec, for diagnostics; left out: `place.spec`.

    Raises:
        Failed: the spec or the workspace file cannot be read.
    """
    name = name or place.spec
    data = read_bytes(name) if data is None else data
    own = parse(decode(data, name), name)
    content = _shared(place.shared, place.repository)
    if not content:
        return Document(data, own, own, b"", "", ())
    workspace = shared.parse(content, place.shared)
    if not workspace.has(place.relative):
        return Document(data, own, own, content, "", ())
    tree = own if workspace.defaults is None else shared.merged(workspace.defaults, own)
    patterns = [pattern for pattern, _ in workspace.projects or ()]
    others = tuple(shared.below(patterns, place.relative))
    return Document(data, tree, own, content, SHARED, others)


def _shared(shown: str, repository: str) -> bytes:
    import os

    try:
        content = shared_bytes(os.path.join(repository, SHARED))
    except OSError as error:
        message = f"{shown} cannot be read: {error.strerror}"
        raise Failed([diagnose("E002", message, path=shown)]) from None
    if len(content) > MAX_SHARED:
        help = "keep data out of it; it holds settings only"
        raise Failed([diagnose("E003", f"{shown} is larger than 1 MiB", path=shown, help=help)])
    return content
