"""The two folders below which files are written: that of mlops.yaml, and the root of the repository around it."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from mlopsgen.output.paths import fold, split
from mlopsgen.output.tree import Tree


class Roots:
    """Leads from the key of a file to where it lies. A context manager: holds both folders open.

    Attributes:
        project: the folder of mlops.yaml.
        trees: the folders, outermost first; one when they are the same.
    """

    def __init__(self, folder: str, repository: str) -> None:
        """Open both. Raises OSError, and ValueError when `repository` does not lie around `folder`."""
        inner, outer = os.path.realpath(folder), os.path.realpath(repository)
        self._inside = [] if inner == outer else os.path.relpath(inner, outer).split(os.sep)
        if self._inside[:1] == [os.pardir]:
            raise ValueError(f"{folder} does not lie in {repository}")
        self._placed: dict[str, tuple[Tree, list[str]]] = {}
        self.project = Tree(folder)
        try:
            self._repository = Tree(repository) if self._inside else self.project
        except OSError:
            self.project.close()
            raise
        self.trees = [self._repository, self.project] if self._inside else [self.project]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for tree in self.trees:
            tree.close()

    def rest(self) -> None:
        """Let go of what is held open below both, so that the next step looks for it anew."""
        for tree in self.trees:
            tree.rest()

    def place(self, key: str) -> tuple[Tree, list[str]]:
        """Return the tree that a key names and the names below its root."""
        placed = self._placed.get(key)
        if placed is None:
            at_repository, path = split(key)
            placed = self._repository if at_repository else self.project, path.split("/")
            self._placed[key] = placed
        return placed

    def location(self, key: str) -> str:
        """Return what two keys have in common when they lead to one file, on some file system at least."""
        at_repository, path = split(key)
        return fold(path if at_repository else "/".join([*self._inside, path]))
