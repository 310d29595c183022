"""Files of a repository that say something: bounded, read as YAML without running anything."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from mlopsgen.adoption.draft import Draft
from mlopsgen.diagnostics import Failed
from mlopsgen.spec.load import parse
from mlopsgen.spec.tree import Node

MAX_BYTES = 1024 * 1024
MAX_FILES = 500
MAX_LOOKED_AT = 20_000
MAX_DOCUMENTS = 100
DEEPEST = 12
APART = {".git", ".venv", "venv", "env", "node_modules", "__pycache__", "site-packages", ".mlops", ".tox", "mlruns"}
"""Folders in which nothing is written by hand."""
HIDDEN = {".github", ".dvc"}
"""Folders that are looked into though their names begin with a dot."""

_SPLIT = re.compile(r"^---(?=\s|$)", re.MULTILINE)


class Document(NamedTuple):
    """One document of a YAML file."""

    file: str
    node: Node

    @property
    def kind(self) -> str:
        """Of a manifest; empty for anything else."""
        return text(self.node, "kind") if self.node.find(("apiVersion",)) else ""

    @property
    def name(self) -> str:
        """Of a manifest."""
        return text(self.node, "metadata", "name")


class Files:
    """Everything that is looked at, by path below the folder.

    Attributes:
        paths: every file, sorted.
        documents: of the YAML files that can be read.
    """

    def __init__(self, folder: str, draft: Draft) -> None:
        self.folder = folder
        self._draft = draft
        self.paths = self._walk()
        self.charts = {os.path.dirname(path) for path in self.paths if os.path.basename(path) == "Chart.yaml"}
        self.documents = [document for path in self._yaml() for document in self._documents(path)]

    def read(self, path: str) -> str | None:
        """Text of a file; None, with a word about it, when it is none."""
        full = os.path.join(self.folder, *path.split("/"))
        try:
            if os.path.getsize(full) > MAX_BYTES:
                self._draft.skip(path, f"is larger than {MAX_BYTES // 2**20} MiB")
                return None
            with open(full, "rb") as stream:
                return stream.read(MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            self._draft.skip(path, "is not UTF-8")
        except OSError as error:
            self._draft.skip(path, f"cannot be read: {error.strerror}")
        return None

    def named(self, pattern: str) -> list[str]:
        """Paths that match as a whole."""
        return [path for path in self.paths if re.fullmatch(pattern, path)]

    def _walk(self) -> list[str]:
        found: list[str] = []
        for folder, folders, names in os.walk(self.folder):
            below = os.path.relpath(folder, self.folder).replace(os.sep, "/")
            depth = 0 if below == "." else below.count("/") + 1
            folders[:] = sorted(
                name
                for name in folders
                if name not in APART and (not name.startswith(".") or name in HIDDEN) and depth < DEEPEST
            )
            if below == ".dvc":
                folders[:] = []
            for name in sorted(names):
                path = name if below == "." else f"{below}/{name}"
                if not os.path.islink(os.path.join(folder, name)):
                    found.append(path)
            if len(found) > MAX_LOOKED_AT:
                self._draft.skip(below, f"there are more than {MAX_LOOKED_AT:,} files: the rest is not looked at")
                break
        return sorted(found[:MAX_LOOKED_AT])

    def _yaml(self) -> list[str]:
        every = [path for path in self.paths if path.endswith((".yaml", ".yml", ".dvc")) or path == "MLproject"]
        own = [path for path in every if not path.startswith(".github/")]
        for path in own[MAX_FILES:]:
            self._draft.skip(path, f"{MAX_FILES} YAML files are read, not more")
        return own[:MAX_FILES]

    def _documents(self, path: str) -> Iterator[Document]:
        if any(path.startswith(f"{chart}/templates/" if chart else "templates/") for chart in self.charts):
            self._draft.skip(path, "a template of Helm: render it, as with `helm template`, and import that")
            return
        content = self.read(path)
        if content is None or not content.strip():
            return
        starts = [0, *(match.start() for match in _SPLIT.finditer(content))]
        if len(starts) > MAX_DOCUMENTS:
            self._draft.skip(path, f"has more than {MAX_DOCUMENTS} documents")
            return
        for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
            body = content[start:end]
            if not re.sub(r"^---.*|#.*|\.\.\.$", "", body, flags=re.MULTILINE).strip():
                continue
            # Lines before it are kept as empty ones, so that places are those of the file.
            lines = "\n" * content.count("\n", 0, start)
            try:
                yield Document(path, parse(lines + body, path))
            except Failed as failure:
                first = failure.diagnostics[0]
                if first.code == "E011":
                    continue  # a list or a text: none of what is looked for
                why = "looks like a template: render it first" if "{{" in content or "{%" in content else first.message
                self._draft.skip(path, why, first.span.line if first.span else 0)
                return


def text(node: Node, *path: str | int) -> str:
    """The string at a path, empty when there is none."""
    found = node.find(path)
    return found.value if found is not None and isinstance(found.value, str) else ""


def items(node: Node | None) -> list[Node]:
    """Entries of a list; none for anything else."""
    return node.value if node is not None and isinstance(node.value, list) else []


def entries(node: Node | None) -> dict[str, Node]:
    """Entries of a mapping; none for anything else."""
    return node.value if node is not None and isinstance(node.value, dict) else {}


def leaves(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Scalars, and lists of scalars, with their path."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from leaves(child, (*path, key))
    elif not isinstance(node.value, list) or not any(isinstance(one.value, dict | list) for one in node.value):
        yield path, node
    else:
        for index, child in enumerate(node.value):
            yield from leaves(child, (*path, str(index)))
